"""One line of a function's log: Lambda's own (start, end, report), the worker's steps, and any other text.

Lambda writes its own lines as text or, where the function's log format is JSON, as events of its telemetry.
"""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from glacierctl.aws.prices import gb_seconds
from glacierctl.choices import Level

_LEVELS = {
    "TRACE": Level.DEBUG,
    "DEBUG": Level.DEBUG,
    "INFO": Level.INFO,
    "WARN": Level.WARNING,
    "WARNING": Level.WARNING,
    "ERROR": Level.ERROR,
    "CRITICAL": Level.ERROR,
    "FATAL": Level.ERROR,
}
_SUCCESS = "success"
_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_OWN = re.compile(rf"(START|END|REPORT) RequestId: ({_UUID})")
_NAMES_REQUEST = re.compile(rf"(?:RequestId: |\dZ\s)({_UUID})\b")
"""In Lambda's own messages, and in those of Python's logging there."""
_BRACKETED = re.compile(r"\[(TRACE|DEBUG|INFO|WARN|WARNING|ERROR|CRITICAL|FATAL)\]")
_FATAL = re.compile(r"Task timed out after|^RequestId: \S+ Error: |^INIT_REPORT .*Status: (?:error|timeout)")
_VERSION = re.compile(r"\bVersion: (\S+)")
_TASK_DIGITS = re.compile(r"-[0-9a-f]{12}$")


class Kind(StrEnum):
    """What a line is."""

    START = "start"
    END = "end"
    REPORT = "report"
    STEP = "step"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class Report:
    """What Lambda says of an invocation when it is over."""

    request_id: str
    """Of the invocation; the same when Lambda repeats it."""
    duration_ms: float
    """Of the handler."""
    billed_ms: float
    """What is charged: with the start of the environment, where Lambda charges it."""
    memory_mb: int
    """What the function may use, and what is charged."""
    max_memory_mb: int
    """The most that its environment used so far."""
    init_ms: float | None = None
    """Start of the environment; none where it had been started before."""
    status: str = _SUCCESS
    """success, error, timeout or failure."""
    error_type: str | None = None
    """Lambda's word for what killed it, such as Runtime.OutOfMemory."""

    @property
    def billed_gb_seconds(self) -> float:
        """What is charged, in Lambda's unit."""
        return gb_seconds(self.memory_mb, self.billed_ms)


@dataclass(frozen=True, slots=True)
class Line:
    """A line, understood as far as it can be."""

    kind: Kind
    """What it is."""
    level: Level
    """How serious it is."""
    message: str
    """As it was written, without the end of the line."""
    request_id: str | None = None
    """The invocation that it names; most text names none."""
    fields: Mapping[str, Any] = field(default_factory=dict)
    """Of a line that is a JSON document."""
    report: Report | None = None
    """Of a line that is one."""
    version: str | None = None
    """Of the function, where a start names it."""

    @property
    def run_id(self) -> str | None:
        """The run that it names."""
        return _text(self.fields.get("run_id"))

    @property
    def task_id(self) -> str | None:
        """The task that it names."""
        return _text(self.fields.get("task_id"))

    @property
    def region(self) -> str | None:
        """The region that it, or its task's id, names."""
        named = _text(self.fields.get("region"))
        return named or (_TASK_DIGITS.sub("", self.task_id) if self.task_id else None)


def read_line(message: str) -> Line:
    """Understand one message of a log; what is not understood is text."""
    message = message.rstrip("\r\n")
    if message.startswith("{"):
        try:
            document = json.loads(message)
        except ValueError:
            return _text_line(message)
        return _json_line(message, document)
    if own := _OWN.match(message):
        return _own_line(message, Kind(own[1].lower()), own[2])
    return _text_line(message)


def _json_line(message: str, document: dict[str, Any]) -> Line:
    record = document.get("record")
    if str(document.get("type", "")).startswith("platform.") and isinstance(record, dict):
        return _telemetry_line(message, str(document["type"]), record)
    level = _LEVELS.get(str(document.get("level", "")).upper(), Level.INFO)
    request_id = _text(document.get("request_id")) or _text(document.get("requestId"))
    kind = Kind.STEP if isinstance(document.get("step"), str) else Kind.TEXT
    return Line(kind, level, message, request_id, document)


def _telemetry_line(message: str, event: str, record: dict[str, Any]) -> Line:
    kinds = {"platform.start": Kind.START, "platform.runtimeDone": Kind.END, "platform.report": Kind.REPORT}
    kind = kinds.get(event, Kind.TEXT)
    request_id, status = _text(record.get("requestId")), _text(record.get("status")) or _SUCCESS
    level = Level.INFO if status == _SUCCESS else Level.ERROR
    report = _telemetry_report(record, request_id, status) if kind is Kind.REPORT and request_id else None
    return Line(kind, level, message, request_id, report=report, version=_text(record.get("version")))


def _telemetry_report(record: dict[str, Any], request_id: str, status: str) -> Report:
    metrics = record.get("metrics")
    said: dict[str, Any] = metrics if isinstance(metrics, dict) else {}
    duration_ms = _number(said.get("durationMs")) or 0.0
    billed_ms = _number(said.get("billedDurationMs"))
    return Report(
        request_id=request_id,
        duration_ms=duration_ms,
        billed_ms=(math.ceil(duration_ms) if billed_ms is None else billed_ms)
        + (_number(said.get("billedRestoreDurationMs")) or 0.0),
        memory_mb=int(_number(said.get("memorySizeMB")) or 0),
        max_memory_mb=int(_number(said.get("maxMemoryUsedMB")) or 0),
        init_ms=_number(said.get("initDurationMs")) or _number(said.get("restoreDurationMs")),
        status=status,
        error_type=_text(record.get("errorType")),
    )


def _own_line(message: str, kind: Kind, request_id: str) -> Line:
    if kind is not Kind.REPORT:
        version = _VERSION.search(message) if kind is Kind.START else None
        return Line(kind, Level.INFO, message, request_id, version=version[1] if version else None)
    report = _text_report(message, request_id)
    level = Level.INFO if report.status == _SUCCESS else Level.ERROR
    return Line(kind, level, message, request_id, report=report)


def _text_report(message: str, request_id: str) -> Report:
    said = dict(part.strip().split(": ", 1) for part in re.split(r"[\t\n]", message) if ": " in part)

    def number(name: str) -> float | None:
        return _number(said.get(name, "").partition(" ")[0])

    duration_ms = number("Duration") or 0.0
    billed_ms = number("Billed Duration")
    return Report(
        request_id=request_id,
        duration_ms=duration_ms,
        billed_ms=(math.ceil(duration_ms) if billed_ms is None else billed_ms)
        + (number("Billed Restore Duration") or 0.0),
        memory_mb=int(number("Memory Size") or 0),
        max_memory_mb=int(number("Max Memory Used") or 0),
        init_ms=number("Init Duration") or number("Restore Duration"),
        status=said.get("Status", _SUCCESS),
        error_type=said.get("Error Type"),
    )


def _text_line(message: str) -> Line:
    named = _NAMES_REQUEST.search(message)
    if _FATAL.search(message):
        level = Level.ERROR
    else:
        bracketed = _BRACKETED.match(message)
        level = _LEVELS[bracketed[1]] if bracketed else Level.INFO
    return Line(Kind.TEXT, level, message, named[1] if named else None)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
