"""The wire between boto3 and AWS: counted, and cut at a chosen request, as when a process is killed there."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from botocore.endpoint import Endpoint


class Killed(BaseException):
    """The process has ended: nothing that follows gets out."""


class Wire:
    """What went over it."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._left: float = float("inf")
        self._answered = True

    def cut_at(self, request: int, *, answered: bool) -> None:
        """Let the process end at the `request`-th of those that change something: before it is sent, or after."""
        self._left, self._answered = request, answered

    def send(self, through: Any, endpoint: Any, operation: Any, request: Any) -> Any:
        with self._lock:
            self.counts[operation.name] += 1
            if operation.name in {"PutObject", "Invoke"}:
                self._left -= 1
            is_last, is_cut = self._left == 0, self._left < 0
        if is_cut or (is_last and not self._answered):
            raise Killed
        answer = through(endpoint, operation, request)
        if is_last:
            raise Killed
        return answer


@contextmanager
def watched() -> Iterator[Wire]:
    """Watch all that this process asks of AWS while the context lasts."""
    wire, through = Wire(), Endpoint.make_request

    def make_request(self: Any, operation: Any, request: Any) -> Any:
        return wire.send(through, self, operation, request)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Endpoint, "make_request", make_request)
        yield wire
