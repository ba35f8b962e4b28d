"""Images in a registry: pushing, and looking up what is there."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import docker

from glacierctl.errors import ImageError
from glacierctl.image.failures import engine_failures, refused_by_registry

_ACCEPTED = frozenset({
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
})  # fmt: skip
"""What Lambda takes; an index of several images it refuses."""


@dataclass(frozen=True)
class Login:
    """For a registry."""

    username: str
    """`AWS` for ECR."""
    password: str = field(repr=False)
    """A password or token; kept in memory alone."""


@dataclass(frozen=True)
class Pushed:
    """An image in a registry."""

    reference: str
    """By digest, as `host/repository@sha256:...`: what a function is made of."""
    digest: str
    """`sha256:...` of its manifest."""
    media_type: str
    """Of its manifest."""


@dataclass(frozen=True)
class LayerProgress:
    """How far one layer is."""

    layer: str
    """Its short id."""
    state: str
    """In Docker's words, such as `Pushing` or `Layer already exists`."""
    done_bytes: int
    """Sent so far; of what it is unpacked, which is what Docker counts."""
    total_bytes: int
    """Of the whole layer; 0 as long as it is not known."""


def push(
    api: Any, image_id: str, reference: str, login: Login | None, *, on_progress: Callable[[LayerProgress], None]
) -> Pushed:
    """See `Engine.push`."""
    repository, tag = _parted(reference)
    with engine_failures(f"{reference} cannot be pushed"):
        api.tag(image_id, repository, tag)
        try:
            _send(api.push(repository, tag, auth_config=_auth(login), stream=True, decode=True), reference, on_progress)
        except ImageError as error:
            # Somebody pushed the same content a moment ago, of which their build made other bytes: theirs will do.
            if "immutable" not in error.why:
                raise
        finally:
            api.remove_image(reference, noprune=True)
    pushed = look_up(api, reference, login)
    if pushed is None:
        raise ImageError(
            f"{reference} is not in the registry",
            why="the push ended well, but the registry does not know the image",
            hint="Try again. If it lasts, look at the registry's log.",
        )
    return pushed


def look_up(api: Any, reference: str, login: Login | None) -> Pushed | None:
    """See `Engine.published`."""
    what = f"{reference} cannot be looked up"
    try:
        with engine_failures(what):
            found = api.inspect_distribution(reference, auth_config=_auth(login))["Descriptor"]
    except ImageError as error:
        if _is_missing(error):
            return None
        raise refused_by_registry(what, error.why) from error
    if found["mediaType"] not in _ACCEPTED:
        raise ImageError(
            f"{reference} cannot be run by Lambda",
            why=f"its manifest is a {found['mediaType']}, not that of a single image",
            hint="Build for one platform, without attestations (--provenance=false --sbom=false).",
        )
    repository, _ = _parted(reference)
    return Pushed(f"{repository}@{found['digest']}", found["digest"], found["mediaType"])


def _send(events: Iterable[dict[str, Any]], reference: str, on_progress: Callable[[LayerProgress], None]) -> None:
    """Follow a push to its end. A refusal is an event, not an exception."""
    acknowledged, error = False, ""
    for event in events:  # to their end in any case, which lets go of the connection
        error = error or event.get("error", "")
        acknowledged |= "Digest" in event.get("aux", {})
        if event.get("id") and "status" in event:
            detail = event.get("progressDetail") or {}
            on_progress(LayerProgress(event["id"], event["status"], detail.get("current", 0), detail.get("total", 0)))
    if error or not acknowledged:
        raise refused_by_registry(f"{reference} cannot be pushed", error or "the push ended without a digest")


def _is_missing(error: ImageError) -> bool:
    cause = error.__cause__
    words = error.why.lower()
    return isinstance(cause, docker.errors.NotFound) or "manifest unknown" in words or "not found" in words


def _parted(reference: str) -> tuple[str, str | None]:
    """Repository, and tag if there is one; a colon before a slash is that of a port."""
    repository = reference.partition("@")[0]
    before, colon, tag = repository.rpartition(":")
    return (before, tag) if colon and "/" not in tag else (repository, None)


def _auth(login: Login | None) -> dict[str, str]:
    """Given even without a login: else the SDK would look into the user's own Docker configuration."""
    return {} if login is None else {"username": login.username, "password": login.password}
