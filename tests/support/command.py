"""Running the installed command line as a user does."""

import contextlib
import functools
import io
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from botocore.loaders import Loader

from glacierctl.cli import main

PROGRAM = Path(sys.executable).with_name("glacierctl")


@dataclass(frozen=True)
class Ran:
    """What a run of the command line came to; unpacks as `code, stdout, stderr`."""

    code: int
    """Exit code."""
    stdout: str
    """Results."""
    stderr: str
    """Talk and progress."""

    def __iter__(self) -> Iterator[Any]:
        return iter((self.code, self.stdout, self.stderr))


def run(*args: str | Path, cwd: Path, env: dict[str, str] | None = None, timeout_s: float = 300) -> Ran:
    """Run `glacierctl` in a process of its own, with `env` on top of this process's environment."""
    done = subprocess.run(
        [PROGRAM, *(str(arg) for arg in args)],
        cwd=cwd,
        env={**os.environ, **(env or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    return Ran(done.returncode, done.stdout, done.stderr)


def run_on_terminal(*args: str, cwd: Path, typed: str = "", code: int = 0) -> str:
    """What a terminal of 400 columns is sent by a run that ends with `code`; what is `typed` there is in it, too."""
    ours, its = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "400"}
    with subprocess.Popen([PROGRAM, *args], cwd=cwd, env=environment, stdin=its, stdout=its, stderr=its) as program:
        os.close(its)
        os.write(ours, typed.encode())
        sent = b""
        with contextlib.suppress(OSError):  # so Linux says that nobody holds the other end any more
            while more := os.read(ours, 1 << 16):
                sent += more
    os.close(ours)
    assert program.returncode == code, sent
    return sent.decode()


def run_inside(*args: str | Path, cwd: Path, env: dict[str, str] | None = None) -> Ran:
    """Like `run`, in this process: ten times as fast, for tests of many commands."""
    stdout, stderr = io.StringIO(), io.StringIO()
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.chdir(cwd),
        contextlib.redirect_stdout(stdout),
        contextlib.redirect_stderr(stderr),
    ):
        patch.setattr("botocore.loaders.create_loader", _shared_loader)
        for name, value in (env or {}).items():
            patch.setenv(name, value)
        code = main([str(arg) for arg in args])
    return Ran(code, stdout.getvalue(), stderr.getvalue())


@functools.cache
def _shared_loader(search_path_string: str | None = None) -> Loader:
    """One for all sessions of boto3: reading the descriptions of AWS's services anew takes half of a command's time."""
    return Loader([search_path_string] if search_path_string else None)
