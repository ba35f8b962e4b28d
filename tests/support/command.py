"""Running the installed command line as a user does."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
