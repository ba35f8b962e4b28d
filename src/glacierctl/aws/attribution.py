"""Whose a line is: which run, task and region.

A stream belongs to one execution environment, which carries out one invocation after the other. So text that names no
invocation belongs to the one that its stream is at; and an invocation belongs to the run that its first step names.
What comes before that step waits until it does.
"""

import heapq
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from glacierctl.aws.log_events import Event
from glacierctl.aws.log_lines import Kind, Line, read_line
from glacierctl.choices import Level

_STREAM_VERSION = re.compile(r"\[([^\]]+)\]")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a line comes from, as far as it is known."""

    request_id: str | None = None
    """The invocation; the same when Lambda repeats it."""
    run_id: str | None = None
    """The run."""
    task_id: str | None = None
    """The task."""
    region: str | None = None
    """The region."""

    def told_by(self, line: Line) -> "Origin":
        """The same, with what a line names."""
        return replace(
            self,
            run_id=line.run_id or self.run_id,
            task_id=line.task_id or self.task_id,
            region=line.region or self.region,
        )


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of a log, and whose it is."""

    event: Event
    """As CloudWatch Logs has it."""
    line: Line
    """As it was understood."""
    origin: Origin
    """Whose it is."""
    unclaimed: bool = False
    """It belongs to an invocation that failed before it named a run."""

    @property
    def version(self) -> str | None:
        """Version of the function that wrote it, from the name of its stream."""
        named = _STREAM_VERSION.search(self.event.stream)
        return named[1] if named else None


class Attribution:
    """Takes events, those of each stream in their order, and hands them back with their origin."""

    def __init__(self) -> None:
        self._origins: dict[str, Origin] = {}  # of invocations that have named their run
        self._at: dict[str, str] = {}  # the invocation that a stream is at
        self._waiting: dict[str, list[tuple[Event, Line]]] = {}  # by stream

    def take(self, events: Iterable[Event]) -> list[Entry]:
        """Events whose origin is known now, those that waited for it included."""
        return [entry for event in events for entry in self._take(event, read_line(event.message))]

    def rest(self) -> list[Entry]:
        """What still waits, with as much as is known."""
        return [entry for stream in list(self._waiting) for entry in self._let_go(stream)]

    def waits_since_ms(self) -> int | None:
        """Time of the oldest event that waits."""
        return min((waiting[0][0].timestamp_ms for waiting in self._waiting.values()), default=None)

    def _take(self, event: Event, line: Line) -> list[Entry]:
        stream, released = event.stream, []
        if line.request_id and line.request_id != self._at.get(stream):
            if stream in self._at:
                released = self._let_go(stream)
            self._at[stream] = line.request_id
        request_id = self._at.get(stream)
        origin = self._origins.get(request_id or "", Origin(request_id)).told_by(line)
        if request_id and origin.run_id:
            self._origins[request_id] = origin
            released += self._let_go(stream)
            released.append(Entry(event, line, origin))
        else:
            self._waiting.setdefault(stream, []).append((event, line))
        if line.kind is Kind.REPORT:
            released += self._let_go(stream)
            del self._at[stream]
        return released

    def _let_go(self, stream: str) -> list[Entry]:
        waiting = self._waiting.pop(stream, [])
        request_id = self._at.get(stream)
        origin = self._origins.get(request_id or "", Origin(request_id))
        unclaimed = origin.run_id is None and any(line.level is Level.ERROR for _, line in waiting)
        return [Entry(event, line, origin, unclaimed) for event, line in waiting]


def in_order(pages: Iterable[list[Event]]) -> Iterator[list[Entry]]:
    """Entries of events that come in order of time, in that order, page by page as soon as their turn is sure."""
    attribution = Attribution()
    heap: list[tuple[int, int, Entry]] = []
    number = 0
    for page in pages:
        for entry in attribution.take(page):
            heapq.heappush(heap, (entry.event.timestamp_ms, number, entry))
            number += 1
        sure_ms = attribution.waits_since_ms()
        yield list(_popped(heap, sure_ms if sure_ms is not None else page[-1].timestamp_ms if page else 0))
    for entry in attribution.rest():
        heapq.heappush(heap, (entry.event.timestamp_ms, number, entry))
        number += 1
    yield list(_popped(heap, None))


def _popped(heap: list[tuple[int, int, Entry]], before_ms: int | None) -> Iterator[Entry]:
    while heap and (before_ms is None or heap[0][0] < before_ms):
        yield heapq.heappop(heap)[2]
