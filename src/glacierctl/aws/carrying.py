"""Hanging on a function what hung on the one before it. What is there already is left alone, so it can be repeated."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from glacierctl.aws import invoke_settings, surroundings
from glacierctl.aws.errors import (
    AwsError,
    Conflict,
    Denied,
    ExpiredCredentials,
    NoCredentials,
    Throttled,
    Unreachable,
    talking_about,
)
from glacierctl.aws.function_update import Waiting
from glacierctl.aws.names import Names
from glacierctl.aws.session import Aws
from glacierctl.aws.surroundings import FUNCTION_ITSELF, Surroundings

PASSING = (Unreachable, ExpiredCredentials, NoCredentials, Throttled, Conflict)
"""What says nothing about the thing itself: the same can work later."""

_CONDITIONS = {
    "aws:sourcearn": "SourceArn",
    "aws:sourceaccount": "SourceAccount",
    "aws:principalorgid": "PrincipalOrgID",
    "lambda:eventsourcetoken": "EventSourceToken",
}
_NOT_OF_A_NEW_MAPPING = frozenset({"UUID", "FunctionArn", "State", "Enabled"})


@dataclass(frozen=True)
class Target:
    """The function that takes another's place."""

    aws: Aws
    """The account."""
    names: Names
    """What its parts are called."""
    version: str
    """The version that all aliases shall name."""
    waiting: Waiting
    """How long is waited."""
    failed: list[str] = field(default_factory=list)
    """What could not be carried over, and why; grows."""


def carry(target: Target, found: Surroundings) -> None:
    """Carry everything over. What Lambda refuses for good is noted; the rest is carried all the same.

    Raises:
        Denied, Unreachable, ...: what has to be mended first; then it can be repeated.
    """
    for alias in found.aliases:
        _attempt(target, f"the alias {alias['Name']}", partial(_alias, target, alias))
    for qualifier, statements in found.permissions.items():
        for statement in statements:
            what = f"the permission {statement.get('Sid', '')}"
            _attempt(target, what, partial(_permission, target, qualifier, statement))
    for one in found.invocations:
        what = f"settings of asynchronous invocations of {one['Qualifier']}"
        _attempt(target, what, partial(_invocations, target, one))
    if found.concurrency is not None:
        _attempt(target, "the reserved concurrency", partial(_concurrency, target, found.concurrency))
    _resume(target, found)


def pause(aws: Aws, names: Names, found: Surroundings, waiting: Waiting) -> None:
    """Stop the event sources, so that nothing is handed to a function that is not there."""
    running = {one["UUID"] for one in found.mappings if one["Enabled"]}
    for uuid in running:
        _change_mapping(aws, names, waiting, uuid, {"Enabled": False})
    qualifiers = _qualifiers(found)
    waiting.until(lambda: all(one["State"] == "Disabled" for one in surroundings.read_mappings(aws, names, qualifiers)))


def untold_conditions(statement: Mapping[str, Any]) -> bool:
    """Whether a statement says what cannot be said when it is made anew."""
    return _arguments(statement) is None


def _attempt(target: Target, what: str, act: Callable[[], None]) -> None:
    try:
        act()
    except (*PASSING, Denied):
        raise
    except AwsError as error:
        target.failed.append(f"{what}: {error.why}")


def _alias(target: Target, alias: Mapping[str, Any]) -> None:
    try:
        with talking_about(f"the alias {alias['Name']}"):
            target.aws.functions.create_alias(
                FunctionName=target.names.function,
                Name=alias["Name"],
                FunctionVersion=target.version,
                Description=alias.get("Description", ""),
            )
    except Conflict:
        return


def _permission(target: Target, qualifier: str, statement: Mapping[str, Any]) -> None:
    arguments: Any = _arguments(statement)
    if arguments is None:
        target.failed.append(f"the permission {statement.get('Sid', '')}: it holds what Lambda takes from nobody")
        return
    if qualifier != FUNCTION_ITSELF:
        arguments["Qualifier"] = qualifier
    try:
        with talking_about(f"the policy of {target.names.function}"):
            target.aws.functions.add_permission(FunctionName=target.names.function, **arguments)
    except Conflict:
        return


def _arguments(statement: Mapping[str, Any]) -> dict[str, Any] | None:
    """A statement as AddPermission takes it; None if it cannot say so much."""
    action, principal = statement.get("Action"), _principal(statement.get("Principal"))
    if statement.get("Effect") != "Allow" or action != "lambda:InvokeFunction" or principal is None:
        return None
    arguments = {"StatementId": statement["Sid"], "Action": action, "Principal": principal}
    for key, value in _conditions(statement):
        if key.lower() not in _CONDITIONS or not isinstance(value, str):
            return None
        arguments[_CONDITIONS[key.lower()]] = value
    return arguments


def _conditions(statement: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for keys in (statement.get("Condition") or {}).values():
        yield from keys.items()


def _principal(told: Any) -> str | None:
    """Account root users are named by their account."""
    if isinstance(told, Mapping) and len(told) == 1:
        (told,) = told.values()
    if not isinstance(told, str):
        return None
    return told.split(":")[4] if told.endswith(":root") else told


def _invocations(target: Target, settings: Mapping[str, Any]) -> None:
    arguments: Any = dict(settings)
    qualifier = arguments.pop("Qualifier")
    if qualifier.isdigit():
        target.failed.append(f"settings of asynchronous invocations of version {qualifier}: the version is gone")
        return
    if qualifier:
        arguments["Qualifier"] = qualifier
    with talking_about(f"the invocations of {target.names.function}"):
        target.aws.functions.put_function_event_invoke_config(FunctionName=target.names.function, **arguments)


def _concurrency(target: Target, reserved: int) -> None:
    with talking_about(f"the concurrency of {target.names.function}"):
        target.aws.functions.put_function_concurrency(
            FunctionName=target.names.function, ReservedConcurrentExecutions=reserved
        )


def _resume(target: Target, found: Surroundings) -> None:
    """Event sources outlive their function; one that did not is made anew."""
    aws, names = target.aws, target.names
    there = {one["UUID"] for one in surroundings.read_mappings(aws, names, _qualifiers(found))}
    for one in found.mappings:
        settings = {"FunctionName": _repointed(target, one["FunctionArn"]), "Enabled": one["Enabled"]}
        what = f"the event source {one.get('EventSourceArn', one['UUID'])}"
        if one["UUID"] in there:
            change = partial(_change_mapping, aws, names, target.waiting, one["UUID"], settings)
            _attempt(target, f"{what}, which stays stopped", change)
        else:
            new = {key: value for key, value in one.items() if key not in _NOT_OF_A_NEW_MAPPING} | settings
            _attempt(target, what, partial(_make_mapping, target, new))


def _repointed(target: Target, arn: str) -> str:
    """What an event source shall invoke: what it did, or the function itself if that was a version."""
    qualifier = invoke_settings.qualifier_in(arn)
    return f"{target.names.function}:{qualifier}" if qualifier and not qualifier.isdigit() else target.names.function


def _make_mapping(target: Target, arguments: dict[str, Any]) -> None:
    try:
        with talking_about(f"the event sources of {target.names.function}"):
            target.aws.functions.create_event_source_mapping(**arguments)
    except Conflict:
        return


def _change_mapping(aws: Aws, names: Names, waiting: Waiting, uuid: str, settings: dict[str, Any]) -> None:
    """One that is being changed cannot be changed again until that is over."""

    def is_done() -> bool:
        try:
            with talking_about(f"the event sources of {names.function}"):
                aws.functions.update_event_source_mapping(UUID=uuid, **settings)
        except Conflict:
            return False
        return True

    if not waiting.until(is_done):
        raise Conflict(
            f"an event source of {names.function} is being changed",
            why=f"it has been for too long: {uuid}",
            hint="Look at it in the AWS console, then run `glacierctl deploy` again.",
        )


def _qualifiers(found: Surroundings) -> list[str]:
    return [FUNCTION_ITSELF, *(alias["Name"] for alias in found.aliases)]
