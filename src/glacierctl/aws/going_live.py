"""From a function that is as wanted to an alias that names it: publish, ask, move, tidy up."""

from collections.abc import Callable

from glacierctl.aws import function, function_update, invoke_settings, repository, smoke, versions
from glacierctl.aws.changes import matching_version, outdated, unmarked
from glacierctl.aws.current import read_current
from glacierctl.aws.errors import NotFound, talking_about
from glacierctl.aws.function import Function
from glacierctl.aws.function_update import Waiting
from glacierctl.aws.names import Names
from glacierctl.aws.session import Aws
from glacierctl.aws.versions import Version
from glacierctl.aws.wanted import Wanted

Say = Callable[[str], None]
"""Told what is done, before it is done."""


def make_version(aws: Aws, wanted: Wanted, waiting: Waiting, say: Say) -> Version:
    """Publish what is not published yet, and see that it works, unless the alias names it already.

    Raises:
        NotReady: the version does not become active, or does not work.
    """
    names = wanted.names
    now = _function(aws, names)
    found = matching_version(now, wanted)
    if found is not None and _is_live(now, names, found):
        return found
    if found is None:
        say(f"Publishing a version of {names.function}")
    number = found.number if found else versions.publish(aws, names, now.code_hash, wanted.version_description)
    function_update.wait(aws, names, waiting, str(number))
    say(f"Asking version {number} whether it works")
    waiting.patiently(lambda: smoke.ask(aws, names, number, expected=wanted.version))
    return _version(_function(aws, names), names, number)


def move_alias(aws: Aws, wanted: Wanted, version: Version, waiting: Waiting, say: Say) -> None:
    """Let the alias name the version, both with the settings of asynchronous invocations that are wanted."""
    names = wanted.names
    now = _function(aws, names)
    _put_invocations(aws, wanted, now, str(version.number), waiting)
    if not _is_live(now, names, version):
        say(f"Moving the alias {names.alias} to version {version.number}")
        versions.move(aws, names, now.aliases.get(names.alias), version.number)
    _put_invocations(aws, wanted, now, names.alias, waiting)


def reserve(aws: Aws, wanted: Wanted, say: Say) -> None:
    """Hold back as many invocations as are wanted.

    Raises:
        QuotaTooSmall, AwsError: the account has not as many.
    """
    names, then = wanted.names, wanted.reserved_concurrency
    if then is None or then == _function(aws, names).concurrency:
        return
    say(f"Reserving {then} concurrent invocations for {names.function}")
    with talking_about(f"the concurrency of {names.function}"):
        aws.functions.put_function_concurrency(FunctionName=names.function, ReservedConcurrentExecutions=then)


def tidy(aws: Aws, wanted: Wanted, say: Say) -> None:
    """Remove old versions, and mark the images of the others, so that the repository keeps just these."""
    now = read_current(aws, wanted)
    assert now.function is not None
    staying = versions.kept(now.function.versions, now.function.aliases)
    if unmarked(now) or outdated(now):
        shared = now.repository is not None and bool(now.repository.shared_with)
        repository.keep_only(aws, wanted.names, {version.digest for version in staying}, shared=shared)
    for version in now.function.versions:
        if version not in staying:
            say(f"Removing version {version.number} of {wanted.names.function}")
            versions.remove(aws, wanted.names, version.number)


def _put_invocations(aws: Aws, wanted: Wanted, now: Function, qualifier: str, waiting: Waiting) -> None:
    there = now.invocations.get(qualifier)
    then = wanted.invocations(there)
    if there != then:
        # Lambda looks whether the role may report failures; a role's policy takes a while to spread.
        waiting.patiently(lambda: invoke_settings.put(aws, wanted.names, qualifier, then))


def _is_live(now: Function, names: Names, version: Version) -> bool:
    alias = now.aliases.get(names.alias)
    return alias is not None and alias.version == str(version.number) and not alias.others


def _function(aws: Aws, names: Names) -> Function:
    found = function.read(aws, names)
    if found is None:
        raise NotFound(
            f"the function {names.function} is gone",
            why="somebody has removed it in the meantime",
            hint="Run `glacierctl deploy` again: it makes what is missing.",
        )
    return found


def _version(now: Function, names: Names, number: int) -> Version:
    found = now.version(str(number))
    if found is None:
        raise NotFound(
            f"version {number} of {names.function} is gone",
            why="somebody has removed it in the meantime",
            hint="Run `glacierctl deploy` again: it makes what is missing.",
        )
    return found
