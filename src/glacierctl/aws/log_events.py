"""The events of a log group: once, or followed as they come, all streams in order of time.

Following asks by time, again and again, and drops what was seen. A live tail would leave lines out above 500 a second.
"""

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from glacierctl.aws.errors import AwsError, Throttled, Unreachable, talking_about
from glacierctl.aws.session import Aws

if TYPE_CHECKING:
    from types_boto3_logs.type_defs import FilterLogEventsResponseTypeDef

_PASSING = frozenset({"ServiceUnavailableException", "ServiceUnavailable", "InternalFailure", "InternalServerError",
                      "InternalError", "500", "502", "503", "504"})  # fmt: skip
"""AWS's words for what passes."""
_OVERHEAD_BYTES = 26
"""CloudWatch Logs counts so much for each event beside its message."""


@dataclass(frozen=True, slots=True)
class Event:
    """One message in one stream."""

    event_id: str
    """Unique in the log group."""
    stream: str
    """Of one execution environment, such as 2026/07/01/[3]0a1b2c."""
    timestamp_ms: int
    """When it was written, by the environment's clock: milliseconds since 1970."""
    ingested_ms: int
    """When CloudWatch Logs took it, by its own clock."""
    message: str
    """With the end of the line, if it has one."""

    @property
    def time(self) -> dt.datetime:
        """When it was written, UTC."""
        return dt.datetime.fromtimestamp(self.timestamp_ms / 1000, dt.UTC)

    @property
    def billed_bytes(self) -> int:
        """What writing it is charged for."""
        return len(self.message.encode()) + _OVERHEAD_BYTES


@dataclass(frozen=True)
class Pace:
    """How often AWS is asked, and for how long it may refuse."""

    poll_s: float = 1.0
    """Between two looks for what is new."""
    overlap_s: float = 5.0
    """So much of what was seen is asked for again with each look, for events that were taken late."""
    deep_overlap_s: float = 60.0
    """The same with every so many looks, for events that were taken very late."""
    deep_every: int = 15
    """How many those are."""
    quiet_polls: int = 5
    """Looks without anything new, after the end, that end the following."""
    attempts: int = 60
    """How often in a row one question may fail in passing."""
    longest_pause_s: float = 10.0
    """After a failure it waits a quarter of a second, then twice as long each time, up to this."""


class LogEvents:
    """The events of one log group."""

    def __init__(self, aws: Aws, log_group: str, *, sleep: Callable[[float], object], pace: Pace | None = None) -> None:
        """`sleep` waits for seconds."""
        self._aws = aws
        self._log_group = log_group
        self._sleep = sleep
        self._pace = pace or Pace()

    def read(self, since: dt.datetime, until: dt.datetime | None = None) -> Iterator[list[Event]]:
        """All there is now, in order of time, page by page.

        Args:
            since: inclusive.
            until: inclusive; by default what is there.

        Raises:
            NotFound: there is no such log group.
            AwsError: it cannot be read, even after waiting.
        """
        return self._pages(_milliseconds(since), _milliseconds(until) if until else None)

    def follow(self, since: dt.datetime, *, ended: Callable[[], bool], sweep: bool = True) -> Iterator[list[Event]]:
        """All there is, then what comes, each event once; new streams as they appear.

        It ends when `ended` says so and no more comes, after one last look at everything since the beginning, so that
        no event is missed however late it was taken.

        Args:
            since: inclusive.
            ended: whether nothing more will happen; asked before each look but the first, for it may take a while.
            sweep: take that last look. Without it, the ids of old events are forgotten.

        Raises:
            NotFound: there is no such log group.
            AwsError: it cannot be read, even after waiting.
        """
        begin_ms = _milliseconds(since)
        seen, looks, quiet, is_over = _Seen(), _Looks(self._pace), 0, False
        while quiet < self._pace.quiet_polls:
            count = len(seen)
            for page in self._pages(max(begin_ms, looks.next_from_ms(seen.newest_ms))):
                if fresh := seen.fresh(page):
                    yield fresh
            quiet = quiet + 1 if is_over and len(seen) == count else 0
            if not sweep:
                seen.forget(looks.earliest_ms)
            self._sleep(self._pace.poll_s)
            is_over = ended()
        if sweep:
            for page in self._pages(begin_ms):
                if fresh := seen.fresh(page):
                    yield fresh

    def _pages(self, start_ms: int, end_ms: int | None = None) -> Iterator[list[Event]]:
        # "interleaved" is what AWS does anyway; others sort by stream without it.
        asked: dict[str, Any] = {"logGroupName": self._log_group, "startTime": start_ms, "interleaved": True}
        if end_ms is not None:
            asked["endTime"] = end_ms
        while True:
            page = self._patiently(asked)
            yield [_event(found) for found in page["events"]]
            token = page.get("nextToken")
            if not token:
                return
            asked["nextToken"] = token

    def _patiently(self, asked: dict[str, Any]) -> "FilterLogEventsResponseTypeDef":
        pause_s = 0.25
        for attempt in range(1, self._pace.attempts + 1):
            try:
                with talking_about(f"the log group {self._log_group}"):
                    return self._aws.logs.filter_log_events(**asked)
            except AwsError as error:
                if not _passes(error) or attempt == self._pace.attempts:
                    raise
            self._sleep(pause_s)
            pause_s = min(pause_s * 2, self._pace.longest_pause_s)
        raise AssertionError


class _Seen:
    """Ids of events that were handed on."""

    def __init__(self) -> None:
        self._times: dict[str, int] = {}
        self._count = 0
        self.newest_ms = 0
        """When the newest was taken: CloudWatch's clock, which the clocks of those who write cannot push forward."""

    def __len__(self) -> int:
        return self._count

    def fresh(self, page: list[Event]) -> list[Event]:
        """Those of a page that were not seen; they are now."""
        fresh = []
        for event in page:
            if event.event_id not in self._times:
                self._times[event.event_id] = event.timestamp_ms
                self.newest_ms = max(self.newest_ms, event.ingested_ms)
                fresh.append(event)
        self._count += len(fresh)
        return fresh

    def forget(self, before_ms: int) -> None:
        """Those that will not be asked for again."""
        self._times = {name: time for name, time in self._times.items() if time >= before_ms}


class _Looks:
    """Where each look begins: before the newest event that was seen when an earlier look began.

    What a look misses was taken after it began, and written before that by no more than the overlap.
    """

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._number = 0
        self._newest_ms = 0  # when the last look began
        self._newest_deep_ms = 0  # when the last deep one began

    @property
    def earliest_ms(self) -> int:
        """No look will go back further."""
        return self._newest_deep_ms - round(self._pace.deep_overlap_s * 1000)

    def next_from_ms(self, newest_ms: int) -> int:
        """Where the next look begins, which goes far back with every so many; `newest_ms` is what was seen so far."""
        if self._number == 1:  # what there was before is not read again
            self._newest_ms = self._newest_deep_ms = newest_ms
        is_deep = self._number % self._pace.deep_every == 0
        from_ms = self.earliest_ms if is_deep else self._newest_ms - round(self._pace.overlap_s * 1000)
        self._number, self._newest_ms = self._number + 1, newest_ms
        if is_deep:
            self._newest_deep_ms = newest_ms
        return from_ms


def _event(found: Any) -> Event:
    timestamp = int(found["timestamp"])
    return Event(
        event_id=found["eventId"],
        stream=found["logStreamName"],
        timestamp_ms=timestamp,
        ingested_ms=int(found.get("ingestionTime", timestamp)),
        message=found["message"],
    )


def _passes(error: AwsError) -> bool:
    return isinstance(error, Throttled | Unreachable) or error.code in _PASSING


def _milliseconds(moment: dt.datetime) -> int:
    return round(moment.timestamp() * 1000)
