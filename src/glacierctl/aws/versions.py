"""Published versions of the function, and the aliases that name them."""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from glacierctl.aws.errors import NotFound, talking_about
from glacierctl.aws.names import Names
from glacierctl.aws.session import Aws
from glacierctl.aws.wanted import KEPT_RESIZED, KEPT_VERSIONS

if TYPE_CHECKING:
    from types_boto3_lambda.type_defs import AliasConfigurationTypeDef

_HEX = re.compile(r"[0-9a-f]{64}")
_BY_DIGEST = re.compile(r"@(sha256:[0-9a-f]{64})$")
_DESCRIPTION = re.compile(r"glacierctl (?P<version>\S+) image (?P<tag>\S+)")
"""As `Wanted.version_description` writes it."""
_RESIZED = re.compile(r" ?\(\d+ MB for a retry\)$")
"""Ends the description of a version that only a retry uses."""
_BEFORE = re.compile(r" ?\(glacierctl: version (?P<version>\d+), before it (?P<before>none|\d+(?:, \d+)*)\)$")
"""Ends an alias's description: what a deployment or rollback let it name, and what it named before."""
_LONGEST = 256
"""Characters of a description, as Lambda allows."""
LATEST = "$LATEST"
"""Lambda's name for what is not published yet."""


@dataclass(frozen=True)
class Version:
    """A published version: nothing in it changes any more."""

    number: int
    """Counted from 1 by Lambda; never used twice."""
    digest: str
    """`sha256:...` of its image; empty for a Zip package."""
    description: str
    """What it says of itself."""
    published: str
    """When, in ISO 8601 as Lambda writes it."""
    configuration: Mapping[str, Any] = field(repr=False)
    """What Lambda tells of it; in lists that is less than all (no state, for one)."""

    @property
    def state(self) -> str:
        """Active, Inactive (it was not used for weeks), Pending or Failed; Active if it was not told."""
        return str(self.configuration.get("State") or "Active")

    @property
    def is_ours(self) -> bool:
        """Whether glacierctl published it, rather than somebody else."""
        return bool(self.worker_version) or self.is_resized

    @property
    def is_resized(self) -> bool:
        """Whether it is another one with other memory, published for a retry; nothing else uses it."""
        return bool(_RESIZED.search(self.description))

    @property
    def worker_version(self) -> str:
        """Version of glacierctl inside; empty if its description does not tell."""
        told = _DESCRIPTION.fullmatch(_RESIZED.sub("", self.description))
        return told["version"] if told else ""

    @property
    def tag(self) -> str:
        """Tag by which its image was deployed; empty if its description does not tell."""
        told = _DESCRIPTION.fullmatch(_RESIZED.sub("", self.description))
        return told["tag"] if told else ""


@dataclass(frozen=True)
class Alias:
    """A name for a version that can be moved to another."""

    name: str
    """Such as live."""
    version: str
    """Number of the version, or $LATEST."""
    others: frozenset[str]
    """Versions that get a share of its invocations."""
    revision: str
    """Changes with each change of the alias; empty if it is not told."""
    before: tuple[str, ...] = ()
    """Versions that it named before, the latest first, as far as is noted; without those that were gone back from."""
    words: str = ""
    """What its user says of it."""

    def moved_to(self, version: str) -> "Alias":
        """The alias as it is when it names this version alone."""
        before = _named_before((self.version, *self.before), version)
        return replace(self, version=version, others=frozenset(), before=before)

    @property
    def description(self) -> str:
        """What Lambda keeps: the user's words, and a note of what it names and has named if there is room for it."""
        if not self.version.isdecimal():
            return self.words
        note = f"(glacierctl: version {self.version}, before it {', '.join(self.before) or 'none'})"
        told = f"{self.words} {note}".strip()
        return told if len(told) <= _LONGEST else self.words


def read_versions(aws: Aws, names: Names, in_full: Collection[str] = ()) -> tuple[Version, ...]:
    """All published versions, the oldest first; none if there is no function.

    Args:
        aws: the account.
        names: of which function.
        in_full: numbers of those of which all is told, the newest besides and what it was resized from.
    """
    try:
        with talking_about(f"the versions of {names.function}"):
            pages = aws.functions.get_paginator("list_versions_by_function").paginate(FunctionName=names.function)
            found: list[Mapping[str, Any]] = [one for page in pages for one in page["Versions"]]
    except NotFound:
        return ()
    published = sorted((one for one in found if one["Version"] != LATEST), key=lambda one: int(one["Version"]))
    wanted = {*in_full, *_newest(published)}
    told = (read_configuration(aws, names, one["Version"]) if one["Version"] in wanted else one for one in published)
    return tuple(_version(aws, names, one) for one in told)


def read_configuration(aws: Aws, names: Names, version: str) -> Mapping[str, Any]:
    """All settings and the state of a version.

    Raises:
        NotFound: there is no such version.
    """
    with talking_about(f"version {version} of {names.function}"):
        return aws.functions.get_function_configuration(FunctionName=names.function, Qualifier=version)


def read_aliases(aws: Aws, names: Names) -> Mapping[str, Alias]:
    """All aliases by name; none if there is no function."""
    try:
        with talking_about(f"the aliases of {names.function}"):
            pages = aws.functions.get_paginator("list_aliases").paginate(FunctionName=names.function)
            return {one["Name"]: _alias(one) for page in pages for one in page["Aliases"]}
    except NotFound:
        return {}


def named(aliases: Mapping[str, Alias]) -> frozenset[str]:
    """Versions that any alias names."""
    return frozenset(version for alias in aliases.values() for version in (alias.version, *alias.others))


def kept(versions: tuple[Version, ...], aliases: Mapping[str, Alias], *, coming: int = 0) -> tuple[Version, ...]:
    """Those that stay: the newest of glacierctl's, what an alias names or named before, and all of somebody else's.

    Args:
        versions: all there are, the oldest first.
        aliases: all there are, or will be.
        coming: how many will be published yet.
    """
    ours = [version for version in versions if version.is_ours]
    deployed = [version for version in ours if not version.is_resized][-(KEPT_VERSIONS - coming) :]
    resized = [version for version in ours if version.is_resized][-KEPT_RESIZED:]
    going = {version.number for version in ours} - {version.number for version in (*deployed, *resized)}
    held = {*named(aliases), *(number for alias in aliases.values() for number in alias.before[:1])}
    return tuple(one for one in versions if one.number not in going or str(one.number) in held)


def resized_description(version: Version, memory_mb: int) -> str:
    """What a version with the same code and other memory says of itself."""
    mark = f"({memory_mb} MB for a retry)"
    return f"{_RESIZED.sub('', version.description)[: _LONGEST - len(mark) - 1]} {mark}".strip()


def publish(aws: Aws, names: Names, code_hash: str, description: str) -> int:
    """Publish the function as it is; its number. If nothing changed since the last version, Lambda gives that one.

    Args:
        aws: the account.
        names: of which function.
        code_hash: what its code must be, as Lambda told; empty to take any.
        description: what the version says of itself.

    Raises:
        AwsError: its code is another by now.
    """
    with talking_about(f"the function {names.function}"):
        guard: dict[str, Any] = {"CodeSha256": code_hash} if code_hash else {}
        answer = aws.functions.publish_version(FunctionName=names.function, Description=description, **guard)
        return int(answer["Version"])


def move(aws: Aws, names: Names, now: Alias | None, version: int) -> None:
    """Let the deployment's alias name this version alone.

    Raises:
        Conflict: somebody else has moved it since it was read.
    """
    with talking_about(f"the alias {names.alias} of {names.function}"):
        then = now.moved_to(str(version)) if now else Alias(names.alias, str(version), frozenset(), "")
        told: dict[str, Any] = {
            "FunctionName": names.function,
            "Name": names.alias,
            "FunctionVersion": then.version,
            "Description": then.description,
        }
        if now is None:
            aws.functions.create_alias(**told)
            return
        more: dict[str, Any] = {"RevisionId": now.revision} if now.revision else {}
        if now.others:
            more["RoutingConfig"] = {"AdditionalVersionWeights": {}}
        aws.functions.update_alias(**told, **more)


def remove(aws: Aws, names: Names, version: int) -> None:
    """Remove a version; if there is none, nothing happens."""
    try:
        with talking_about(f"version {version} of {names.function}"):
            aws.functions.delete_function(FunctionName=names.function, Qualifier=str(version))
    except NotFound:
        return


def digest_in(configuration: Mapping[str, Any]) -> str | None:
    """Digest of an image, which Lambda tells in hex as the code's hash; None if it does not."""
    told = str(configuration.get("CodeSha256", ""))
    return f"sha256:{told}" if _HEX.fullmatch(told) else None


def digest_of(code: Mapping[str, Any]) -> str:
    """Digest of the image that `GetFunction` tells; empty if it is none."""
    for told in (code.get("ImageUri", ""), code.get("ResolvedImageUri", "")):
        if found := _BY_DIGEST.search(told):
            return found[1]
    return ""


def _version(aws: Aws, names: Names, told: Mapping[str, Any]) -> Version:
    digest = ""
    if told.get("PackageType") == "Image":
        digest = digest_in(told) or _asked_digest(aws, names, told["Version"])
    return Version(
        number=int(told["Version"]),
        digest=digest,
        description=told.get("Description", ""),
        published=told.get("LastModified", ""),
        configuration=told,
    )


def _asked_digest(aws: Aws, names: Names, version: str) -> str:
    with talking_about(f"version {version} of {names.function}"):
        return digest_of(aws.functions.get_function(FunctionName=names.function, Qualifier=version)["Code"])


def _alias(told: "AliasConfigurationTypeDef") -> Alias:
    routing = told.get("RoutingConfig") or {}
    description = told.get("Description", "")
    # Somebody may have moved it by other means since that was noted.
    noted = _BEFORE.search(description)
    named = (noted["version"], *re.findall(r"\d+", noted["before"])) if noted else ()
    return Alias(
        name=told["Name"],
        version=told["FunctionVersion"],
        others=frozenset(routing.get("AdditionalVersionWeights") or {}),
        revision=told.get("RevisionId", ""),
        before=_named_before(named, told["FunctionVersion"]),
        words=_BEFORE.sub("", description),
    )


def _named_before(named: tuple[str, ...], version: str) -> tuple[str, ...]:
    """What an alias that names `version` from now on has named before, if until now that is `named`, the latest first.

    Going back to a version leaves out what came after it: nobody wants to go back to that.
    """
    if version in named:
        return named[named.index(version) + 1 :]
    return tuple(one for one in named if one != LATEST)[:KEPT_VERSIONS]


def _newest(published: list[Mapping[str, Any]]) -> Iterator[str]:
    """Numbers of the newest version, and if that was published for a retry, of those before it down to another."""
    for one in reversed(published):
        yield one["Version"]
        if not _RESIZED.search(one.get("Description", "")):
            return
