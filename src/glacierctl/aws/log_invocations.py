"""Invocations as their logs tell of them: what each took, and what is charged for it."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from glacierctl.aws.attribution import Entry, Origin
from glacierctl.aws.log_lines import Kind, Line, Report


@dataclass(frozen=True, slots=True)
class Ended:
    """An acquisition that an invocation brought to an end, by its log."""

    region: str
    """Its region."""
    product: str
    """What it becomes."""
    outcome: str
    """product, skipped or failed."""
    seconds: float
    """What it took, wall time."""
    key: str | None
    """Key of the image in the store, where there is one now."""
    paid_requests: int = 0
    """Reads of scenes that their reader pays for."""


@dataclass(frozen=True, slots=True)
class Invocation:
    """One that is over. Lambda's repetitions of it are others, with the same request id."""

    origin: Origin
    """Whose it was."""
    stream: str
    """Its execution environment."""
    version: str | None
    """Of the function."""
    began_at: dt.datetime
    """Time of its first line, UTC."""
    ended_at: dt.datetime
    """Time of its report, UTC."""
    report: Report
    """What Lambda says of it."""
    log_bytes: int
    """What its lines are charged for."""
    lines: int
    """How many it wrote, Lambda's own included."""
    task_ids: tuple[str, ...] = ()
    """Its tasks, in order; mostly one."""
    ended: tuple[Ended, ...] = ()
    """What it did, in order."""
    raised: str | None = None
    """Name of the error that its handler ended with; Lambda repeats what raises."""

    @property
    def succeeded(self) -> bool:
        """Whether Lambda took it for a success."""
        return self.report.status == "success" and self.raised is None

    @property
    def regions(self) -> tuple[str, ...]:
        """What it worked at, in order; where it brought nothing to an end, the region that it named."""
        worked_at = tuple(dict.fromkeys(one.region for one in self.ended))
        return worked_at or ((self.origin.region,) if self.origin.region else ())


@dataclass
class _Open:
    began_at: dt.datetime
    run_id: str | None = None
    log_bytes: int = 0
    lines: int = 0
    task_ids: dict[str, None] = field(default_factory=dict)
    ended: list[Ended] = field(default_factory=list)
    raised: str | None = None

    def step(self, line: Line) -> None:
        if line.fields.get("step") == "raised":
            self.raised = str(line.fields.get("error"))
        elif ended := _ended(line):
            self.ended.append(ended)


class Invocations:
    """Gathers the lines of invocations until they are over."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, str], _Open] = {}

    @property
    def running(self) -> list[str | None]:
        """The runs of those that have begun and not ended, as far as was taken."""
        return [gathered.run_id for gathered in self._open.values()]

    def take(self, entries: Iterable[Entry]) -> list[Invocation]:
        """Those that are over with these lines."""
        return [over for entry in entries if entry.origin.request_id and (over := self._take(entry))]

    def _take(self, entry: Entry) -> Invocation | None:
        key = (entry.event.stream, entry.origin.request_id or "")
        gathered = self._open.setdefault(key, _Open(entry.event.time))
        gathered.log_bytes += entry.event.billed_bytes
        gathered.lines += 1
        gathered.run_id = entry.origin.run_id
        if entry.origin.task_id:
            gathered.task_ids[entry.origin.task_id] = None
        if entry.line.kind is Kind.STEP:
            gathered.step(entry.line)
        report = entry.line.report
        if entry.line.kind is not Kind.REPORT or report is None:
            return None
        del self._open[key]
        return Invocation(
            origin=entry.origin,
            stream=entry.event.stream,
            version=entry.version,
            began_at=gathered.began_at,
            ended_at=entry.event.time,
            report=report,
            log_bytes=gathered.log_bytes,
            lines=gathered.lines,
            task_ids=tuple(gathered.task_ids),
            ended=tuple(gathered.ended),
            raised=gathered.raised,
        )


def _ended(line: Line) -> Ended | None:
    fields = line.fields
    region, product, outcome = (fields.get(name) for name in ("region", "product", "outcome"))
    if fields.get("step") != "outcome" or not all(isinstance(one, str) for one in (region, product, outcome)):
        return None
    said, key = fields.get("usage"), fields.get("key")
    usage: dict[str, Any] = said if isinstance(said, dict) else {}
    seconds, paid = usage.get("seconds"), usage.get("paid_requests")
    return Ended(
        region=str(region),
        product=str(product),
        outcome=str(outcome),
        seconds=float(seconds) if isinstance(seconds, int | float) else 0.0,
        key=key if isinstance(key, str) else None,
        paid_requests=paid if isinstance(paid, int) else 0,
    )
