"""What a worker says while it works: one JSON document a line, so that logs can be filtered by field."""

import datetime as dt
import json
from collections.abc import Callable, Mapping
from typing import Any


class Log:
    """Writes lines that all carry the same fields, such as run and task."""

    def __init__(
        self, write: Callable[[str], object], now: Callable[[], dt.datetime], fields: Mapping[str, Any] | None = None
    ) -> None:
        """`write` takes a line with its end; `now` tells the time with its zone."""
        self._write = write
        self._now = now
        self._fields = dict(fields or {})

    def about(self, **fields: Any) -> "Log":
        """A log whose lines carry these fields too."""
        return Log(self._write, self._now, {**self._fields, **fields})

    def info(self, step: str, **fields: Any) -> None:
        """Say that a step was taken."""
        self._line("INFO", step, fields)

    def failure(self, step: str, **fields: Any) -> None:
        """Say what somebody must look at."""
        self._line("ERROR", step, fields)

    def _line(self, level: str, step: str, fields: Mapping[str, Any]) -> None:
        time = self._now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
        self._write(json.dumps({"time": time, "level": level, "step": step, **self._fields, **fields}) + "\n")
