"""The same code with other memory: a version of the function that only a retry uses."""

from collections.abc import Callable, Mapping
from typing import Any

from glacierctl.aws import invoke_settings
from glacierctl.aws.clock import Clock
from glacierctl.aws.errors import Conflict, NotFound, talking_about
from glacierctl.aws.function_update import Waiting, wait
from glacierctl.aws.hand_over import Target, target
from glacierctl.aws.lease import hold
from glacierctl.aws.names import Names
from glacierctl.aws.session import Aws
from glacierctl.aws.versions import LATEST, Version, publish, read_versions, resized_description


def resized(
    aws: Aws, names: Names, version: str, memory_mb: int, *, clock: Clock, on_step: Callable[[str], None]
) -> Target:
    """A version with the code of `version` and this much memory: one that there is, or a new one.

    The alias stays where it is, and so does the memory of what is deployed next.

    Raises:
        NotFound: the version is not there any more.
        Conflict: the function has other code by now, or somebody is deploying.
        QuotaTooSmall: the account may not have as much memory.
        Denied: it takes what `glacierctl deploy` may.
    """
    with hold(aws, names, clock, on_step) as lease:
        versions = read_versions(aws, names)
        bound = next((one for one in versions if str(one.number) == version), None)
        if bound is None:
            raise _gone(names, version)
        for one in reversed(versions):
            if _is_same(one, bound) and one.configuration["MemorySize"] == memory_mb:
                return target(aws, names.function, str(one.number))
        on_step(f"Publishing version {version} of {names.function} anew with {memory_mb} MB")
        waiting = Waiting(aws, clock, lease.renew)
        return target(aws, names.function, str(_publish(aws, names, bound, memory_mb, waiting)))


def _publish(aws: Aws, names: Names, bound: Version, memory_mb: int, waiting: Waiting) -> int:
    now = _latest(aws, names)
    if now["CodeSha256"] != bound.configuration["CodeSha256"]:
        raise Conflict(
            f"version {bound.number} of {names.function} cannot be given other memory",
            why="the function has other code since, and only its newest code can be published anew",
            hint="Retry without --memory, or deploy with more memory and submit again.",
        )
    try:
        _set_memory(aws, names, memory_mb, waiting)
        number = publish(aws, names, bound.configuration["CodeSha256"], resized_description(bound, memory_mb))
    finally:
        _set_memory(aws, names, now["MemorySize"], waiting)
    wait(aws, names, waiting, str(number))
    settings = invoke_settings.read(aws, names)
    then = settings.get(str(bound.number)) or settings.get(names.alias)
    if then:
        invoke_settings.put(aws, names, str(number), then)
    return number


def _latest(aws: Aws, names: Names) -> Mapping[str, Any]:
    with talking_about(f"the function {names.function}"):
        return aws.functions.get_function_configuration(FunctionName=names.function, Qualifier=LATEST)


def _set_memory(aws: Aws, names: Names, memory_mb: int, waiting: Waiting) -> None:
    with talking_about(f"the function {names.function}"):
        aws.functions.update_function_configuration(FunctionName=names.function, MemorySize=memory_mb)
    wait(aws, names, waiting)


def _is_same(one: Version, bound: Version) -> bool:
    return bool(one.configuration["CodeSha256"] == bound.configuration["CodeSha256"])


def _gone(names: Names, version: str) -> NotFound:
    return NotFound(
        f"version {version} of {names.function} is not there any more",
        why="deploying keeps only the newest versions",
        hint="Submit again with --overwrite, or retry without --memory after `glacierctl deploy`.",
    )
