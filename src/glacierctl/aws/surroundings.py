"""What hangs on a function and goes with it when it is deleted: aliases, permissions, triggers and settings."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from glacierctl.aws import invoke_settings, log_group, versions
from glacierctl.aws.errors import NotFound, talking_about
from glacierctl.aws.names import Names
from glacierctl.aws.session import Aws

FUNCTION_ITSELF = ""
"""The qualifier of what belongs to no alias and no version."""

_MAPPING = ("UUID", "FunctionArn", "EventSourceArn", "State", "BatchSize", "FilterCriteria",
            "MaximumBatchingWindowInSeconds", "ParallelizationFactor", "StartingPosition", "StartingPositionTimestamp",
            "DestinationConfig", "Topics", "Queues", "MaximumRecordAgeInSeconds", "BisectBatchOnFunctionError",
            "MaximumRetryAttempts", "TumblingWindowInSeconds", "FunctionResponseTypes", "ScalingConfig",
            "SourceAccessConfigurations", "SelfManagedEventSource", "AmazonManagedKafkaEventSourceConfig",
            "SelfManagedKafkaEventSourceConfig", "DocumentDBEventSourceConfig", "KMSKeyArn")  # fmt: skip
_RUNS = frozenset({"Enabled", "Enabling", "Creating", "Updating"})


@dataclass(frozen=True)
class Surroundings:
    """What hangs on a function, as JSON holds it."""

    aliases: tuple[Mapping[str, Any], ...]
    """As ListAliases tells them."""
    versions: int
    """How many are published."""
    permissions: Mapping[str, tuple[Mapping[str, Any], ...]]
    """Statements of the resource policy, by alias, those of the function itself under an empty name."""
    mappings: tuple[Mapping[str, Any], ...]
    """Event sources, as ListEventSourceMappings tells them; `Enabled` says whether one was running."""
    invocations: tuple[Mapping[str, Any], ...]
    """Settings of asynchronous invocations, each with its `Qualifier`."""
    concurrency: int | None
    """Invocations that are held back for it; None for none."""
    provisioned: tuple[str, ...]
    """Aliases and versions that have instances held ready."""
    urls: tuple[str, ...]
    """Its own https addresses."""
    retention_days: int | None
    """How long its logs are kept; None for ever, or if there is no log group."""

    def __post_init__(self) -> None:
        """Take lists, which JSON makes of tuples."""
        for name in ("aliases", "mappings", "invocations", "provisioned", "urls"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        object.__setattr__(self, "permissions", {key: tuple(value) for key, value in self.permissions.items()})


def read(aws: Aws, names: Names) -> Surroundings:
    """Look at everything; nothing is changed.

    Raises:
        AwsError: AWS does not let us look.
    """
    aliases = tuple(_aliases(aws, names))
    qualifiers = [FUNCTION_ITSELF, *(alias["Name"] for alias in aliases)]
    permissions = {qualifier: tuple(_statements(aws, names, qualifier)) for qualifier in qualifiers}
    logs = log_group.read(aws, names)
    return Surroundings(
        aliases=aliases,
        versions=len(versions.read_versions(aws, names)),
        permissions={qualifier: found for qualifier, found in permissions.items() if found},
        mappings=tuple(read_mappings(aws, names, qualifiers)),
        invocations=tuple(_invocations(aws, names)),
        concurrency=_concurrency(aws, names),
        provisioned=tuple(_provisioned(aws, names)),
        urls=tuple(_urls(aws, names)),
        retention_days=logs.settings.retention_days if logs else None,
    )


def read_mappings(aws: Aws, names: Names, qualifiers: list[str]) -> Iterator[Mapping[str, Any]]:
    """Event sources of the function and of its aliases; each is listed by what it invokes only."""
    seen: set[str] = set()
    for qualifier in qualifiers:
        function = f"{names.function}:{qualifier}" if qualifier else names.function
        for one in _mappings_of(aws, names, function):
            if one["UUID"] not in seen:
                seen.add(one["UUID"])
                yield {key: one[key] for key in _MAPPING if one.get(key) is not None} | {
                    "Enabled": one.get("State") in _RUNS
                }


def _mappings_of(aws: Aws, names: Names, function: str) -> list[Any]:
    try:
        with talking_about(f"the event sources of {names.function}"):
            pages = aws.functions.get_paginator("list_event_source_mappings").paginate(FunctionName=function)
            return [one for page in pages for one in page["EventSourceMappings"]]
    except NotFound:
        return []


def _aliases(aws: Aws, names: Names) -> Iterator[Mapping[str, Any]]:
    with talking_about(f"the aliases of {names.function}"):
        pages = aws.functions.get_paginator("list_aliases").paginate(FunctionName=names.function)
        for page in pages:
            for told in page["Aliases"]:
                one: Any = told
                yield {
                    key: one[key] for key in ("Name", "FunctionVersion", "Description", "RoutingConfig") if key in one
                }


def _statements(aws: Aws, names: Names, qualifier: str) -> list[Any]:
    which: Any = {"Qualifier": qualifier} if qualifier else {}
    try:
        with talking_about(f"the policy of {names.function}"):
            policy = aws.functions.get_policy(FunctionName=names.function, **which)["Policy"]
    except NotFound:
        return []
    statements: list[Any] = json.loads(policy)["Statement"]
    return statements


def _invocations(aws: Aws, names: Names) -> Iterator[Mapping[str, Any]]:
    with talking_about(f"the invocations of {names.function}"):
        pages = aws.functions.get_paginator("list_function_event_invoke_configs").paginate(FunctionName=names.function)
        for page in pages:
            for told in page["FunctionEventInvokeConfigs"]:
                one: Any = told
                settings = ("MaximumRetryAttempts", "MaximumEventAgeInSeconds", "DestinationConfig")
                yield {key: one[key] for key in settings if one.get(key) is not None} | {
                    "Qualifier": invoke_settings.qualifier_in(one["FunctionArn"])
                }


def _concurrency(aws: Aws, names: Names) -> int | None:
    with talking_about(f"the concurrency of {names.function}"):
        told = aws.functions.get_function_concurrency(FunctionName=names.function)
        return told.get("ReservedConcurrentExecutions")


def _provisioned(aws: Aws, names: Names) -> list[str]:
    try:
        with talking_about(f"the concurrency of {names.function}"):
            pages = aws.functions.get_paginator("list_provisioned_concurrency_configs").paginate(
                FunctionName=names.function
            )
            found = [one for page in pages for one in page["ProvisionedConcurrencyConfigs"]]
    except NotFound:
        return []
    return [invoke_settings.qualifier_in(one["FunctionArn"]) for one in found]


def _urls(aws: Aws, names: Names) -> list[str]:
    try:
        with talking_about(f"the address of {names.function}"):
            pages = aws.functions.get_paginator("list_function_url_configs").paginate(FunctionName=names.function)
            return [one["FunctionUrl"] for page in pages for one in page["FunctionUrlConfigs"]]
    except NotFound:
        return []
