"""What of all that hung on a function hangs on the one that takes its place.

Lambda reads event sources and reports asynchronous invocations as the function's role, and sets up neither unless that
role may. One of glacierctl's own making reaches the failure queue and nothing else of the kind.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from glacierctl.aws.carrying import untold_conditions
from glacierctl.aws.surroundings import Surroundings
from glacierctl.aws.wanted import Wanted

ON_SUCCESS = "OnSuccess"
"""When an invocation is reported that succeeded; all others are that failed for good."""
SETTINGS = ("MaximumRetryAttempts", "MaximumEventAgeInSeconds")
"""Of asynchronous invocations, beside their destinations."""
_OF = "Qualifier"
"""The alias or version whose invocations they are."""


def kept(found: Surroundings, wanted: Wanted) -> Surroundings:
    """What is carried over to the function that is wanted."""
    permissions = {
        qualifier: tuple(one for one in statements if not untold_conditions(one))
        for qualifier, statements in found.permissions.items()
    }
    return replace(
        found,
        permissions={qualifier: statements for qualifier, statements in permissions.items() if statements},
        mappings=tuple(one for one in found.mappings if may_read(wanted, one)),
        invocations=tuple(one for told in found.invocations if (one := _invocations(told, wanted)).keys() != {_OF}),
    )


def may_read(wanted: Wanted, mapping: Mapping[str, Any]) -> bool:
    """Whether the role may read an event source; a role that the user brings is the user's business."""
    # Kafka of one's own that asks for no credentials is all that is left.
    needs_role = (
        mapping.get("EventSourceArn") or mapping.get("SourceAccessConfigurations") or any(destinations(mapping))
    )
    return wanted.role_arn is not None or not needs_role


def destinations(settings: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Of asynchronous invocations: when, and the ARN of where."""
    for when, told in (settings.get("DestinationConfig") or {}).items():
        if told and told.get("Destination"):
            yield when, told["Destination"]


def _invocations(told: Mapping[str, Any], wanted: Wanted) -> dict[str, Any]:
    """Settings of asynchronous invocations; but for successes, a deployment sets those of its alias itself."""
    qualifier = told[_OF]
    if qualifier.isdigit():
        return {_OF: qualifier}
    own = qualifier == wanted.names.alias
    reported = {
        when: {"Destination": arn}
        for when, arn in destinations(told)
        if wanted.may_report_to(arn) and (when == ON_SUCCESS or not own)
    }
    settings = {} if own else {key: told[key] for key in SETTINGS if key in told}
    return {_OF: qualifier, **settings, **({"DestinationConfig": reported} if reported else {})}
