"""OpenBLAS at the two doors: it begins no threads, unless its user wants some."""

import os
import subprocess
import sys

import pytest

THREADS = "; import os, numpy; print('threads', len(os.listdir('/proc/self/task')))"
DOORS = {
    "worker": "import glacierctl.worker.lambda_handler",
    "command line": "from glacierctl.cli.app import main; main(['regions', 'list', '--json'])",
}


def threads(code: str, **environment: str) -> int:
    """How many threads a fresh Python has after some code."""
    ours = {name: value for name, value in os.environ.items() if name != "OPENBLAS_NUM_THREADS"}
    done = subprocess.run(
        [sys.executable, "-c", code + THREADS], env={**ours, **environment}, capture_output=True, text=True, check=True
    )
    return int(done.stdout.rpartition("threads ")[2])


@pytest.mark.parametrize("door", DOORS)
def test_it_begins_no_threads(door: str) -> None:
    assert threads(DOORS[door]) == 1


@pytest.mark.parametrize("door", DOORS)
def test_who_has_set_a_number_keeps_it(door: str) -> None:
    assert threads(DOORS[door], OPENBLAS_NUM_THREADS="2") == threads("pass", OPENBLAS_NUM_THREADS="2")
