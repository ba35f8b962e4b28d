"""What was deployed, and when."""

from dataclasses import dataclass

from glacierctl.aws import versions
from glacierctl.aws.names import Names
from glacierctl.aws.session import Aws


@dataclass(frozen=True)
class Release:
    """A version that was deployed."""

    version: int
    """Its number."""
    digest: str
    """`sha256:...` of its image; empty for a Zip package."""
    tag: str
    """Tag by which its image was deployed; empty if the version was not published by glacierctl."""
    worker_version: str
    """Version of glacierctl inside; empty if the version was not published by glacierctl."""
    description: str
    """What it says of itself."""
    published: str
    """When, in ISO 8601 as Lambda writes it."""
    state: str
    """Active, Inactive (it was not used for weeks), Pending or Failed."""
    is_resized: bool
    """Whether it is another one with other memory, published for a retry."""
    aliases: tuple[str, ...]
    """All that name it, sorted."""
    is_live: bool
    """Whether the deployment's alias names it: what runs use."""


def read_history(aws: Aws, names: Names) -> tuple[Release, ...]:
    """All versions that are still there, the newest first; none if there is no function."""
    aliases = versions.read_aliases(aws, names)
    found = []
    for version in reversed(versions.read_versions(aws, names)):
        told = versions.read_configuration(aws, names, str(version.number))
        naming = sorted(alias.name for alias in aliases.values() if alias.version == str(version.number))
        found.append(
            Release(
                version=version.number,
                digest=version.digest,
                tag=version.tag,
                worker_version=version.worker_version,
                description=version.description,
                published=version.published,
                state=told.get("State", "Active"),
                is_resized=version.is_resized,
                aliases=tuple(naming),
                is_live=names.alias in naming,
            )
        )
    return tuple(found)
