"""OpenBLAS beside the command line: it begins no threads, unless its user wants some."""

import os
import subprocess
import sys

PROGRAM = "from glacierctl.cli.app import main; main(['regions', 'list', '--json'])"
THREADS = "; import os, numpy; print('threads', len(os.listdir('/proc/self/task')))"


def threads(code: str, **environment: str) -> int:
    """How many threads a fresh Python has after some code."""
    ours = {name: value for name, value in os.environ.items() if name != "OPENBLAS_NUM_THREADS"}
    done = subprocess.run(
        [sys.executable, "-c", code + THREADS], env={**ours, **environment}, capture_output=True, text=True, check=True
    )
    return int(done.stdout.rpartition("threads ")[2])


def test_it_begins_no_threads() -> None:
    assert threads(PROGRAM) == 1


def test_who_has_set_a_number_keeps_it() -> None:
    assert threads(PROGRAM, OPENBLAS_NUM_THREADS="2") == threads("pass", OPENBLAS_NUM_THREADS="2")
