"""The image that a deployment shall run: found by its content, or named by the user; built and pushed if need be."""

import re
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from glacierctl.cli import show
from glacierctl.errors import ImageError, UsageError

if TYPE_CHECKING:
    from glacierctl.aws.names import Names
    from glacierctl.aws.repository import Login as EcrLogin
    from glacierctl.aws.session import Aws
    from glacierctl.aws.wanted import WantedImage
    from glacierctl.config import Settings
    from glacierctl.image.context import Context
    from glacierctl.image.registry import Login, Pushed

Deliver = Callable[["EcrLogin | None", str], str]
"""Builds the image unless it is built, pushes it to `host/repository:tag`, and gives its digest there."""

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_TAG = re.compile(r"\w[\w.-]{0,127}", re.ASCII)
_REFERENCE = re.compile(
    rf"(?P<uri>[^@\s]+/[^@:\s]+)(?:@(?P<digest>{_DIGEST.pattern})|:(?P<tag>{_TAG.pattern}))", re.ASCII
)
_ECR = re.compile(r"\d{12}\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com(\.cn)?")


@dataclass(frozen=True)
class ChosenImage:
    """An image, and how it comes to where the function pulls it from."""

    wanted: "WantedImage"
    """Where it lies, its tag, and its digest if that is known already."""
    deliver: Deliver | None
    """Brings it there; None if it must be there already."""


def choose_image(
    aws: "Aws", names: "Names", settings: "Settings", *, build: bool, reference: str | None
) -> ChosenImage:
    """Say which image shall run.

    Args:
        aws: the account.
        names: what the deployment's parts are called.
        settings: stack, architecture, registry and its login.
        build: whether an image that is not there is built and pushed.
        reference: tag or digest in the repository, or `host/repository` with one of them; by default the image of
            this very glacierctl.

    Raises:
        UsageError: a reference although the image shall be built.
        NotFound, ImageError: an image that must be there is not.
    """
    from glacierctl.aws.wanted import WantedImage
    from glacierctl.image.context import build_context

    if reference is not None:
        if build:
            raise UsageError(
                "an image is named, and it shall be built too",
                why="--image takes one that is in the registry already",
                hint="Say --no-build with --image, or leave out --image to build this glacierctl's own.",
            )
        return ChosenImage(_named(aws, names, settings, reference), None)
    context = build_context(settings.stack, settings.architecture)
    uri = _repository_uri(names, settings)
    if not build:
        return ChosenImage(_named(aws, names, settings, f"{uri}:{context.tag}"), None)
    held = None if uri == names.repository_uri else _look_up(aws, settings, f"{uri}:{context.tag}")
    wanted = WantedImage(repository_uri=uri, tag=context.tag, digest=held.digest if held else None)
    return ChosenImage(wanted, _delivery(aws, context, settings))


def _repository_uri(names: "Names", settings: "Settings") -> str:
    return f"{settings.registry}/{names.repository}" if settings.registry else names.repository_uri


def _named(aws: "Aws", names: "Names", settings: "Settings", reference: str) -> "WantedImage":
    """An image that must be there."""
    from glacierctl.aws import repository
    from glacierctl.aws.wanted import WantedImage

    uri, word = _parted(reference, _repository_uri(names, settings))
    if uri == names.repository_uri:
        digest = repository.find_image(aws, names, word)
    else:
        between = "@" if _DIGEST.fullmatch(word) else ":"
        held = _look_up(aws, settings, f"{uri}{between}{word}")
        if held is None:
            raise ImageError(
                f"there is no image {uri}{between}{word}",
                why="the registry does not know it",
                hint="Check its name, or leave out --no-build: then it is built and pushed.",
            )
        digest = held.digest
    tag = word if not _DIGEST.fullmatch(word) else word.removeprefix("sha256:")[:16]
    return WantedImage(repository_uri=uri, tag=tag, digest=digest)


def _parted(reference: str, own_uri: str) -> tuple[str, str]:
    """Repository, and tag or digest; what names no repository is one of `own_uri`."""
    if _DIGEST.fullmatch(reference) or _TAG.fullmatch(reference):
        return own_uri, reference
    found = _REFERENCE.fullmatch(reference)
    if found is None:
        raise UsageError(
            f"{reference} names no image",
            why="neither a tag nor a digest is at its end",
            hint="Write a tag, a digest (sha256:...), or host/repository with :TAG or @DIGEST behind it.",
        )
    return found["uri"], found["digest"] or found["tag"]


def _look_up(aws: "Aws", settings: "Settings", reference: str) -> "Pushed | None":
    from glacierctl.image.engine import Engine

    with closing(Engine.connect()) as engine:
        return engine.published(reference, _login(aws, settings, reference))


def _login(aws: "Aws", settings: "Settings", reference: str) -> "Login | None":
    """For a registry that is not the account's own: the user's, or that of ECR if it is another account's."""
    from glacierctl.aws import repository
    from glacierctl.image.registry import Login

    if settings.registry_user:
        secret = settings.registry_password
        return Login(settings.registry_user, secret.get_secret_value() if secret else "")
    if _ECR.match(reference):
        return _of_ecr(repository.login(aws))
    return None


def _of_ecr(login: "EcrLogin") -> "Login":
    from glacierctl.image.registry import Login

    return Login(login.username, login.password)


def _delivery(aws: "Aws", context: "Context", settings: "Settings") -> Deliver:
    def deliver(ecr_login: "EcrLogin | None", reference: str) -> str:
        from glacierctl.cli.image_build import ensure_built
        from glacierctl.cli.image_push import show_push
        from glacierctl.image.engine import Engine

        with closing(Engine.connect()) as engine:
            built = ensure_built(engine, context, settings.docker_network)
            login = _of_ecr(ecr_login) if ecr_login else _login(aws, settings, reference)
            with show_push(reference) as on_progress:
                pushed = engine.push(built, reference, login, on_progress=on_progress)
        show.say(f"Pushed {pushed.reference}")
        return pushed.digest

    return deliver
