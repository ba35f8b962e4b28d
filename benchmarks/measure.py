"""A command with all its children, measured from outside: wall time, CPU time, memory at the peak."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.measure import disk_used, resident_peak

_LOOK_EVERY_S = 0.05
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Ran:
    """What a command came to."""

    code: int | None
    """Exit code; None if it was ended at the time limit."""
    wall_s: float
    """From start to end, interpreter and imports included."""
    cpu_s: float
    """User and system time, children that ended included."""
    peak_rss_mb: float
    """Most memory resident at once in all its processes, in 10^6 bytes; what they share is counted in each."""
    peak_scratch_mb: float
    """Most disk used by temporary files, in 10^6 bytes."""
    stdout: str
    """What it printed."""
    log: str
    """The end of what it said on stderr."""


def run(
    command: Sequence[str | Path], *, folder: Path, env: Mapping[str, str] | None = None, limit_s: float = 900
) -> Ran:
    """Run a command in a folder, with `env` on top of this process's environment; temporary files go below it."""
    folder.mkdir(parents=True, exist_ok=True)
    scratch = folder / "tmp"
    scratch.mkdir()
    out, err = folder / "stdout", folder / "stderr"
    with out.open("w") as stdout, err.open("w") as stderr:
        started = time.perf_counter()
        process = subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            cwd=folder,
            env={**os.environ, **(env or {}), "TMPDIR": str(scratch)},
            start_new_session=True,
        )
        _may_be_killed_first(process.pid)
        peak = _Peak(process.pid, scratch)
        timer = threading.Timer(limit_s, _end, [process.pid])
        timer.start()
        try:
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        except BaseException:
            _end(process.pid)
            raise
        finally:
            seconds = time.perf_counter() - started
            in_time = seconds < limit_s
            timer.cancel()
            peak.stop()
    return Ran(
        process.returncode if in_time else None,
        seconds,
        usage.ru_utime + usage.ru_stime,
        peak.bytes / 1e6,
        peak.scratch_bytes / 1e6,
        out.read_text(),
        err.read_text()[-2000:],
    )


class _Peak(threading.Thread):
    """Looks at a process and its children until it is stopped."""

    def __init__(self, pid: int, scratch: Path) -> None:
        super().__init__(daemon=True)
        self.bytes = 0
        self.scratch_bytes = 0
        self._pid = pid
        self._scratch = scratch
        self._stopped = threading.Event()
        self.start()

    def run(self) -> None:
        while not self._stopped.wait(_LOOK_EVERY_S):
            self.bytes = max(self.bytes, resident_peak(self._pid), sum(map(_resident, _family(self._pid))))
            self.scratch_bytes = max(self.scratch_bytes, disk_used(self._scratch))

    def stop(self) -> None:
        self._stopped.set()
        self.join()


def _family(pid: int) -> Iterator[int]:
    yield pid
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        children = [child for task in tasks for child in (task / "children").read_text().split()]
    except OSError:
        return
    for child in children:
        yield from _family(int(child))


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_BYTES
    except (OSError, IndexError):
        return 0


def _may_be_killed_first(pid: int) -> None:
    """If memory ends, the one measured goes, not its neighbours."""
    try:
        Path(f"/proc/{pid}/oom_score_adj").write_text("1000")
    except OSError:
        return


def _end(pid: int) -> None:
    """End the session that this module started."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
