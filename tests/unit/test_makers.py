"""Containers know the process that made them."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from glacierctl.image import makers

pytestmark = pytest.mark.skipif(not makers.labels(), reason="this system does not tell processes apart")

_TELL = "from glacierctl.image.makers import labels, LABEL; print(labels()[LABEL], flush=True); input()"


@contextmanager
def another() -> Iterator[tuple[str, "subprocess.Popen[str]"]]:
    """A process that makes containers, and its label."""
    with subprocess.Popen(
        [sys.executable, "-c", _TELL], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip(), process
        finally:
            process.kill()


def own() -> str:
    return makers.labels()[makers.LABEL]


def test_whoever_lives_is_not_gone_and_whoever_was_killed_is() -> None:
    assert not makers.is_gone(own())
    with another() as (label, process):
        assert not makers.is_gone(label)
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert makers.is_gone(label), "it has ended, though nobody asked how"
    assert makers.is_gone(label)


def test_a_process_of_the_same_number_is_another() -> None:
    place, number, start = own().rsplit(" ", 2)
    assert makers.is_gone(f"{place} {number} {int(start) - 1}")


@pytest.mark.parametrize("spoiled", [0, 1])
def test_a_process_that_cannot_be_seen_from_here_counts_as_alive(spoiled: int) -> None:
    with another() as (label, _):
        pass
    words = label.split(" ")
    words[spoiled] += "0"
    assert not makers.is_gone(" ".join(words))


@pytest.mark.parametrize("label", ["", "somebody", "a b c"])
def test_what_is_no_label_of_ours_names_nobody_who_is_gone(label: str) -> None:
    assert not makers.is_gone(label)
    assert not makers.is_gone(f"{own()}{label or ' '}x y z")
