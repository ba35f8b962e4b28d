"""Back to a version that was deployed before: only the alias moves, so it takes seconds."""

from dataclasses import dataclass

from glacierctl.aws import invoke_settings, repository, versions
from glacierctl.aws.errors import AwsError, NotFound, NotReady
from glacierctl.aws.function import image_of
from glacierctl.aws.names import Names
from glacierctl.aws.session import Aws
from glacierctl.aws.versions import LATEST, Alias, Version


@dataclass(frozen=True)
class RolledBack:
    """What a rollback came to."""

    before: int | None
    """The version that the alias named; None if it named what is not published."""
    version: int
    """The version that it names now; the same if it was asked for."""
    image: str
    """What it runs: `host/repository@sha256:...`; empty for a Zip package."""


def roll_back(aws: Aws, names: Names, version: int | None = None) -> RolledBack:
    """Let the alias name another version that is there already.

    Args:
        aws: the account.
        names: whose alias.
        version: number of the version; by default the one that was live before. One that did not answer when it was
            deployed never was, and one that was gone back from is not gone back to.

    Raises:
        NotFound: there is no such version, none before, or its image is gone.
        NotReady: the version is not active.
        Conflict: somebody else has moved the alias at the same time.
    """
    alias = versions.read_aliases(aws, names).get(names.alias)
    if alias is None:
        raise _nothing(names, f"there is no alias {names.alias}")
    there = versions.read_versions(aws, names)
    then = _numbered(names, there, version) if version is not None else _before(aws, names, alias, there)
    _require_ready(aws, names, then)
    image = image_of(aws, names, str(then.number))
    _require_image(aws, names, then, image)
    if alias.version != str(then.number) or alias.others:
        versions.move(aws, names, alias, then.number)
    return RolledBack(before=_number(alias), version=then.number, image=image)


def _number(alias: Alias) -> int | None:
    return None if alias.version == LATEST else int(alias.version)


def _before(aws: Aws, names: Names, alias: Alias, there: tuple[Version, ...]) -> Version:
    if alias.before:
        before = [version for number in alias.before for version in there if str(version.number) == number]
    else:
        before = _answered(aws, names, _number(alias), there)
    if not before:
        raise _nothing(names, f"version {alias.version} is live, and none that was before it is there any more")
    return before[0]


def _answered(aws: Aws, names: Names, live: int | None, there: tuple[Version, ...]) -> list[Version]:
    """Versions that may have been live before, the newest first: where an alias has no note of it."""
    # A deploy gives a version settings of its own when it has answered; other people's versions have none.
    answered = invoke_settings.read(aws, names).keys()
    return [
        version
        for version in reversed(there)
        if (live is None or version.number < live)
        and not version.is_resized
        and (str(version.number) in answered or not version.worker_version)
    ]


def _numbered(names: Names, there: tuple[Version, ...], number: int) -> Version:
    found = next((version for version in there if version.number == number), None)
    if found is None:
        numbers = ", ".join(str(version.number) for version in there)
        raise _nothing(names, f"there is no version {number}; there are {numbers}")
    return found


def _require_ready(aws: Aws, names: Names, then: Version) -> None:
    told = versions.read_configuration(aws, names, str(then.number))
    state = told.get("State", "Active")
    if state not in {"Active", "Inactive"}:
        raise NotReady(
            f"version {then.number} of {names.function} cannot be used",
            why=f"its state is {state}: {told.get('StateReason') or 'AWS does not say why'}",
            hint="Choose another one: `glacierctl deploy history` lists them.",
        )


def _require_image(aws: Aws, names: Names, then: Version, image: str) -> None:
    """An image that is gone cannot be started, whatever Lambda still tells; other registries are not ours to ask."""
    if not image.startswith(f"{names.repository_uri}@"):
        return
    try:
        repository.find_image(aws, names, then.digest)
    except NotFound as error:
        raise NotFound(
            f"version {then.number} of {names.function} cannot be used",
            why=f"its image {then.digest} is not in the repository {names.repository} any more",
            hint="Choose another one: `glacierctl deploy history` lists them.",
        ) from error


def _nothing(names: Names, why: str) -> AwsError:
    return NotFound(
        f"{names.function} cannot be rolled back", why=why, hint="`glacierctl deploy history` lists what was deployed."
    )
