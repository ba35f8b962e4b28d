"""One execution environment of AWS Lambda behind AWS's own emulator, whatever it is: its events, limits and log."""

import json
import os
import re
import signal
import subprocess
import threading
import time
import urllib.error
import urllib.request
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.support.processes import listens

_INVOKE = "/2015-03-31/functions/function/invocations"
_GRACE_S = 30
"""More than the function's timeout, before the emulator itself counts as stuck."""
_WATCH_S = 0.05
"""Between two looks at how much memory is used."""
_LOG_S = 10
"""How long the last lines may take after an answer."""
_OVERHEAD = {"unshare", "sh", "aws-lambda-rie", "aws-lambda-rie-"}
"""Processes that are not the function's (names as the kernel cuts them)."""
_INIT = re.compile(r"INIT REPORT\(durationMs: ([\d.]+)")


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Of an environment; Lambda's words."""

    memory_mb: int = 2048
    """Whoever uses more is killed."""
    ephemeral_mb: int = 512
    """Size of /tmp, where this process may mount one."""
    timeout_s: int = 60
    """Of one invocation."""


@dataclass(frozen=True)
class Answer:
    """What an invocation came to."""

    request_id: str
    """Of the invocation."""
    payload: bytes
    """JSON: what the handler returned, or its error."""
    error: str | None
    """Type of the error; None if all is well."""
    duration_ms: float
    """Without the start of the environment."""
    init_ms: float | None
    """Start of the environment; None where it had been started before."""
    memory_mb: int
    """The most that was used."""

    @property
    def value(self) -> object:
        """The payload, read."""
        return json.loads(self.payload)


class Environment(ABC):
    """Takes events, one at a time."""

    def __init__(self, log: subprocess.Popen[bytes], port: int, limits: Limits, root: int) -> None:
        """Begin to listen to it.

        Args:
            log: the process that passes on what the emulator and the function write, for as long as they live.
            port: of the emulator, on loopback.
            limits: of memory, /tmp and time.
            root: id of the process that the function's descend from.
        """
        self.limits = limits
        self.lines: list[str] = []
        self.on_line: Callable[[str], None] = self.lines.append
        self._log = log
        self._port = port
        self._root = root
        self._init_ms: float | None = None
        self._peak_mb = 0
        self._finished = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._watcher = threading.Thread(target=self._watch, daemon=True)

    @abstractmethod
    def _end(self) -> None:
        """End all of its processes, and the log."""

    @abstractmethod
    def _was_out_of_memory(self) -> bool:
        """Whether the function was killed for using more than its memory."""

    @abstractmethod
    def _enforce(self, used_mb: int) -> None:
        """See to it that nobody uses more memory than allowed, where the kernel does not."""

    def begin(self) -> None:
        """Wait until it takes events.

        Raises:
            RuntimeError: it ended, or does not in time.
        """
        self._reader.start()
        self._watcher.start()
        end = time.monotonic() + _GRACE_S
        while not listens(self._port):
            if self._log.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"the emulator does not start: {self.lines}")
            time.sleep(0.01)

    def invoke(self, event: object, request_id: str = "") -> Answer:
        """Hand over an event and wait for the answer."""
        request_id = request_id or str(uuid.uuid4())
        body = event if isinstance(event, bytes) else json.dumps(event).encode()
        self._finished.clear()
        self._init_ms = None
        began = time.monotonic()
        status, answer = self._post(body, request_id)
        took_ms = (time.monotonic() - began) * 1000 - (self._init_ms or 0)
        self._finished.wait(_LOG_S)  # until the emulator has passed on what the handler wrote
        self._look()
        used_mb = self.limits.memory_mb if self._was_out_of_memory() else max(self._peak_mb, 1)
        payload, error = self._understood(status, answer, request_id)
        return Answer(request_id, payload, error, max(took_ms, 0.01), self._init_ms, used_mb)

    def kill(self) -> None:
        """End the function's processes at once, in the midst of whatever they do."""
        for pid in self._function():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def stop(self) -> None:
        """End it, whatever it does; what it says about that is nobody's business."""
        self.on_line = lambda _line: None
        self._end()
        self._log.wait()
        self._reader.join(5)
        self._watcher.join(5)
        if self._log.stdout:
            self._log.stdout.close()

    def _post(self, body: bytes, request_id: str) -> tuple[int, bytes]:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self._port}{_INVOKE}", data=body, headers={"X-Amzn-RequestId": request_id}
        )
        try:
            with urllib.request.urlopen(request, timeout=self.limits.timeout_s + _GRACE_S) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()
        except TimeoutError:  # the emulator should have ended it
            self.kill()
            return 200, f"Task timed out after {self.limits.timeout_s} seconds".encode()
        except OSError as error:
            return 0, str(error).encode()

    def _understood(self, status: int, answer: bytes, request_id: str) -> tuple[bytes, str | None]:
        """The emulator answers errors with status 200, and a timeout in plain words."""
        if status == 0:  # the environment was stopped
            return _error("Runtime.ExitError", f"RequestId: {request_id} Error: {answer.decode()}")
        if answer.startswith(b"Task timed out"):
            return _error("Sandbox.Timedout", f"RequestId: {request_id} Error: {answer.decode()}")
        if self._was_out_of_memory():
            return _error(
                "Runtime.OutOfMemory", f"RequestId: {request_id} Error: Runtime exited with error: signal: killed"
            )
        try:
            content = json.loads(answer)
        except ValueError:
            return _error("Runtime.Unknown", answer.decode(errors="replace"))
        return answer, content.get("errorType") if isinstance(content, dict) else None

    def _read(self) -> None:
        assert self._log.stdout is not None
        for raw in self._log.stdout:
            line = raw.decode(errors="replace").rstrip("\n").replace("\r", "\n")
            if "(rapid)" in line:
                init = _INIT.search(line)
                self._init_ms = float(init[1]) if init else self._init_ms
                if "Invoke DONE failed" in line:
                    self._finished.set()
            elif line.startswith("REPORT RequestId:"):
                self._finished.set()
            elif not line.startswith(("START RequestId:", "END RequestId:")):
                self.on_line(line)
        self._finished.set()

    def _watch(self) -> None:
        while self._log.poll() is None:
            self._enforce(self._look())
            time.sleep(_WATCH_S)

    def _look(self) -> int:
        """Note the most memory that was used so far; what is used now, MB."""
        used = [_memory_mb(pid) for pid in self._function()]
        self._peak_mb = max(self._peak_mb, sum(peak for _, peak in used))
        return sum(now for now, _ in used)

    def _function(self) -> list[int]:
        return [pid for pid in _descendants(self._root) if _name(pid) not in _OVERHEAD]


def _error(kind: str, message: str) -> tuple[bytes, str]:
    return json.dumps({"errorType": kind, "errorMessage": message}).encode(), kind


def _descendants(pid: int) -> Iterator[int]:
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            for child in map(int, children.read_text().split()):
                yield child
                yield from _descendants(child)


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return "sh"


def _memory_mb(pid: int) -> tuple[int, int]:
    """What a process holds now, and the most that it ever held."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0, 0
    now, peak = (re.search(rf"{field}:\s+(\d+) kB", status) for field in ("VmRSS", "VmHWM"))
    return (int(now[1]) >> 10, int(peak[1]) >> 10) if now and peak else (0, 0)
