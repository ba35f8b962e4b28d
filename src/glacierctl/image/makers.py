"""Which process made a container, and whether it is still there: what a killed one left, the next one removes."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import docker

from glacierctl.image.failures import engine_failures

LABEL = "glacierctl.maker"
"""Of every container that glacierctl starts."""

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_NAMESPACE = Path("/proc/self/ns/pid")
_STATE, _START = 0, 19
"""Of the words that follow a process's name in /proc/*/stat."""
_DEAD = frozenset("ZX")
"""States of processes that have ended and of which only the number is left."""


def labels() -> dict[str, str]:
    """What is written on a container that this process makes; nothing on systems that do not tell processes apart."""
    try:
        return {LABEL: f"{_place()} {os.getpid()} {_stat(os.getpid())[_START]}"}
    except OSError:
        return {}


def is_gone(maker: str) -> bool:
    """Whether a maker, as a label names it, has ended.

    One of another machine, or of a container that numbers its processes for itself, cannot be seen from here and counts
    as alive.
    """
    try:
        place, number, start = maker.rsplit(" ", 2)
        if place != _place():
            return False
        os.kill(int(number), 0)
    except ProcessLookupError:
        return True
    except (ValueError, OSError):  # no label of ours, or somebody else's process
        return False
    try:
        words = _stat(int(number))
    except OSError:  # it may be hidden from other users
        return False
    return words[_START] != start or words[_STATE] in _DEAD


def remove_abandoned(api: Any) -> None:
    """Remove containers of makers that are gone, whatever they do; no others are touched.

    Raises:
        ImageError: the engine does not answer.
    """
    with engine_failures("the Docker engine cannot be asked for its containers"):
        found = api.containers(all=True, filters={"label": LABEL})
    for container in found:
        if is_gone(container["Labels"][LABEL]):
            with suppress(docker.errors.APIError):  # another process is at it
                api.remove_container(container["Id"], force=True, v=True)


def _place() -> str:
    """Where a process has its number: this machine since it was started, and its namespace."""
    return f"{_BOOT.read_text().strip()} {_NAMESPACE.readlink()}"


def _stat(number: int) -> list[str]:
    return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
