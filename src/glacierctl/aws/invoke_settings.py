"""Asynchronous invocations: how often one is tried again, and where it is reported when it fails for good or succeeds.

Settings belong to a version or an alias, by whichever it is invoked.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from glacierctl.aws.errors import NotFound, talking_about
from glacierctl.aws.names import Names
from glacierctl.aws.session import Aws
from glacierctl.aws.wanted import InvokeSettings

if TYPE_CHECKING:
    from types_boto3_lambda.type_defs import DestinationConfigTypeDef, FunctionEventInvokeConfigTypeDef


def read(aws: Aws, names: Names) -> Mapping[str, InvokeSettings]:
    """Settings by alias or version that has some of its own; none if there is no function."""
    try:
        with talking_about(f"the invocations of {names.function}"):
            pages = aws.functions.get_paginator("list_function_event_invoke_configs").paginate(
                FunctionName=names.function
            )
            found = [one for page in pages for one in page["FunctionEventInvokeConfigs"]]
    except NotFound:
        return {}
    return {qualifier_in(one["FunctionArn"]): _settings(one) for one in found}


def put(aws: Aws, names: Names, qualifier: str, then: InvokeSettings) -> None:
    """Make the settings of an alias or a version those that are wanted: Lambda keeps none that it is not told anew."""
    destinations: DestinationConfigTypeDef = {"OnFailure": {"Destination": then.on_failure}}
    if then.on_success:
        destinations["OnSuccess"] = {"Destination": then.on_success}
    with talking_about(f"the invocations of {names.function}:{qualifier}"):
        aws.functions.put_function_event_invoke_config(
            FunctionName=names.function,
            Qualifier=qualifier,
            MaximumRetryAttempts=then.attempts,
            MaximumEventAgeInSeconds=then.max_age_s,
            DestinationConfig=destinations,
        )


def qualifier_in(arn: str) -> str:
    """Of `arn:aws:lambda:region:account:function:name:qualifier`; empty if the settings are the function's own."""
    parts = arn.split(":")
    return parts[7] if len(parts) > 7 else ""  # noqa: PLR2004 (an ARN's parts)


def _settings(told: "FunctionEventInvokeConfigTypeDef") -> InvokeSettings:
    destinations = told.get("DestinationConfig", {})
    return InvokeSettings(
        attempts=told.get("MaximumRetryAttempts", 2),
        max_age_s=told.get("MaximumEventAgeInSeconds", 6 * 3600),
        on_failure=destinations.get("OnFailure", {}).get("Destination", ""),
        on_success=destinations.get("OnSuccess", {}).get("Destination", ""),
    )
