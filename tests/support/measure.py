"""A run of the command line, measured from outside: memory and scratch at their peaks, seconds."""

import json
import os
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.command import PROGRAM

_LOOK_EVERY_S = 0.02
_MB = 1e6
_DISK_SECTOR_BYTES = 512


@dataclass(frozen=True)
class Measured:
    """One whole process."""

    document: dict[str, Any]
    """Its JSON document."""
    peak_memory_mb: float
    """Most memory resident, in 10^6 bytes."""
    peak_scratch_mb: float
    """Most disk used by temporary files, in 10^6 bytes."""
    seconds: float
    """Wall time, start of the interpreter included."""


def measure(folder: Path, *args: str) -> Measured:
    """Run `glacierctl ARGS --json` in `folder` to a good end."""
    scratch = folder / "scratch"
    scratch.mkdir(exist_ok=True)
    with (folder / "stdout.json").open("w+") as stdout, (folder / "stderr.log").open("w") as stderr:
        started = time.perf_counter()
        process = subprocess.Popen(
            [PROGRAM, *args, "--json"],
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            cwd=folder,
            env={**os.environ, "TMPDIR": str(scratch)},
        )
        peak_memory, peak_scratch = 0, 0
        while process.poll() is None:
            peak_memory = max(peak_memory, resident_peak(process.pid))
            peak_scratch = max(peak_scratch, disk_used(scratch))
            time.sleep(_LOOK_EVERY_S)
        seconds = time.perf_counter() - started
        stdout.seek(0)
        if process.returncode != 0:
            raise RuntimeError(f"exit code {process.returncode}: {(folder / 'stderr.log').read_text()}")
        return Measured(json.load(stdout), peak_memory / _MB, peak_scratch / _MB, seconds)


def resident_peak(pid: int) -> int:
    """Most bytes resident so far; `ru_maxrss` would count what this process held when it forked."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except FileNotFoundError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)


def disk_used(folder: Path) -> int:
    """Bytes that all files of a folder take on disk."""
    size = 0
    for place, _, names in os.walk(folder):  # folders that vanish meanwhile are passed over
        for name in names:
            with suppress(FileNotFoundError):
                size += (Path(place) / name).stat().st_blocks * _DISK_SECTOR_BYTES
    return size
