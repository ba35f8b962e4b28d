"""What the Docker engine and registries complain of, in words that help."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import docker
import requests

from glacierctl.errors import ImageError

_LOG_HINT = "See what the engine's log says of it."


@contextmanager
def engine_failures(what: str, *, hint: str = _LOG_HINT) -> Iterator[None]:
    """Put whatever the engine refuses, and a connection to it that breaks, in words.

    Args:
        what: could not be done.
        hint: what to do when the engine refuses.

    Raises:
        ImageError: instead of the SDK's errors.
    """
    try:
        yield
    except docker.errors.APIError as error:
        why = str(error.explanation or error)
        raise ImageError(what, why=one_line(why), hint=hint) from error
    except (docker.errors.DockerException, requests.exceptions.RequestException) as error:
        why = f"the connection to the engine broke ({one_line(str(error))})"
        gone = "Check that Docker is still running (docker info), then try again: what is done stays done."
        raise ImageError(what, why=why, hint=gone) from error


def no_engine(host: str | None, error: Exception) -> ImageError:
    """The error of an engine that cannot be reached."""
    place = f" at {host}" if host else ""
    said = one_line(str(error))
    if "Permission denied" in said or "PermissionError" in said:
        return ImageError(
            f"the Docker engine{place} cannot be used",
            why="you may not open its socket",
            hint="Join the group that may (sudo usermod -aG docker $USER, then log in anew), or use rootless Docker.",
        )
    return ImageError(
        f"there is no Docker engine{place}",
        why=said,
        hint="Start Docker, or name its engine in DOCKER_HOST. `docker info` must answer.",
    )


def refused_by_registry(what: str, said: str) -> ImageError:
    """The error of a registry's refusal, by what it says."""
    words = said.lower()
    for signs, hint in _REGISTRY_HINTS:
        if any(re.search(rf"\b{re.escape(sign)}\b", words) for sign in signs):  # whole words: a port may hold 401
            return ImageError(what, why=one_line(said), hint=hint)
    return ImageError(what, why=one_line(said), hint="Try again: layers that arrived are not sent again.")


_REGISTRY_HINTS = (
    (("no basic auth", "unauthorized", "authentication required", "401", "denied", "authorization token has expired"),
     "Check user and password of the registry, and that this user may push there. Tokens of ECR last 12 hours."),
    (("immutable",),
     "This tag holds another image already and cannot change: glacierctl deploys by digest, so it may stay."),
    (("name unknown", "does not exist", "name_unknown", "invalid repository name"),
     "Create the repository first, or check its name."),
    (("connection refused", "no such host", "i/o timeout", "eof", "connection reset", "server misbehaving",
      "network is unreachable", "502", "503", "broken pipe", "closed network", "deadline exceeded"),
     "The registry cannot be reached. Check its address and the network; layers that arrived are not sent again."),
)  # fmt: skip


def one_line(text: str) -> str:
    """Text without line breaks, for a message."""
    return " ".join(text.split())
