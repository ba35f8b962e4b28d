"""Events of a log group, read once and followed: counted, whatever happens meanwhile."""

import datetime as dt
import itertools
import random
from collections import Counter
from collections.abc import Callable, Iterator

import pytest
from botocore.exceptions import ClientError
from tests.support.cloudwatch import CloudWatch, instead_of_aws

from glacierctl.aws.errors import Denied, Throttled
from glacierctl.aws.log_events import Event, LogEvents, Pace

NOON = dt.datetime(2026, 7, 1, 12, tzinfo=dt.UTC)
NOON_MS = round(NOON.timestamp() * 1000)


def numbered(numbers: range, at_ms: int) -> Iterator[tuple[int, str]]:
    return ((at_ms, f"{number}") for number in numbers)


def never() -> bool:
    return False


class World:
    """Workers that write while somebody follows: with each pause another step of them is done."""

    def __init__(self, cloudwatch: CloudWatch, steps: Iterator[object]) -> None:
        self.cloudwatch = cloudwatch
        self.is_over = False
        self._steps = steps

    def sleep(self, seconds: float) -> None:
        self.cloudwatch.forward(seconds)
        self.is_over = next(self._steps, self) is self

    def follow(
        self, *, since: dt.datetime = NOON, pace: Pace | None = None, sweep: bool = True
    ) -> Iterator[list[Event]]:
        events = LogEvents(instead_of_aws(self.cloudwatch), "group", sleep=self.sleep, pace=pace)
        return events.follow(since, ended=lambda: self.is_over, sweep=sweep)


def counted(pages: Iterator[list[Event]]) -> Counter[str]:
    return Counter(event.message for page in pages for event in page)


@pytest.mark.slow
def test_of_100_000_events_under_throttling_none_is_lost_and_none_repeated() -> None:
    cloudwatch = CloudWatch(NOON_MS, throttles=3)
    rng = random.Random(1)

    def work() -> Iterator[None]:
        for step, part in itertools.product(range(40), range(5)):
            stream = f"2026/07/01/[3]{step // 4}-{part}"  # new ones all the time
            first = (step * 5 + part) * 500
            written_ms = cloudwatch.now_ms + rng.randrange(900)
            cloudwatch.write(
                stream, numbered(range(first, first + 500), written_ms), delay_ms=rng.randrange(1000, 8000)
            )
            if part == 4:
                yield

    pace = Pace(overlap_s=2, deep_overlap_s=10, deep_every=3, quiet_polls=20)
    found = counted(World(cloudwatch, work()).follow(sweep=False, pace=pace))
    assert len(found) == 100_000
    assert set(found.values()) == {1}
    assert cloudwatch.asked > 100


def test_what_there_is_comes_before_it_is_asked_whether_more_may_come() -> None:
    cloudwatch, asked = CloudWatch(NOON_MS), []
    cloudwatch.write("a", numbered(range(3), NOON_MS))

    def ended() -> bool:
        asked.append(cloudwatch.asked)
        return True

    pages = LogEvents(instead_of_aws(cloudwatch), "group", sleep=cloudwatch.forward).follow(NOON, ended=ended)
    assert len(next(pages)) == 3
    assert asked == []
    assert len(counted(pages)) == 0
    assert asked[0] == 1


def test_a_backlog_of_many_pages_is_handed_on_page_by_page() -> None:
    cloudwatch = CloudWatch(NOON_MS, page=1000)
    cloudwatch.write("a", ((NOON_MS + number, f"{number}") for number in range(5000)))
    pages = World(cloudwatch, iter(())).follow()
    assert [event.message for event in next(pages)] == [f"{number}" for number in range(1000)]
    assert cloudwatch.asked == 1
    assert len(counted(pages)) == 4000


def test_what_comes_hours_late_is_found_by_the_last_look() -> None:
    cloudwatch = CloudWatch(NOON_MS)
    cloudwatch.write("late", [(NOON_MS, "late")], delay_ms=600_000)

    def work() -> Iterator[None]:
        for number in range(700):
            cloudwatch.write("a", [(cloudwatch.now_ms, f"{number}")])
            yield

    found = counted(World(cloudwatch, work()).follow())
    assert len(found) == 701
    assert set(found.values()) == {1}


def test_a_clock_that_is_an_hour_ahead_hides_nothing() -> None:
    cloudwatch = CloudWatch(NOON_MS)
    cloudwatch.write("ahead", [(NOON_MS + 3_600_000, "ahead")])

    def work() -> Iterator[None]:
        for number in range(100):
            cloudwatch.write("a", [(cloudwatch.now_ms, f"{number}")])
            yield

    found = counted(World(cloudwatch, work()).follow(sweep=False))
    assert found == Counter({"ahead": 1, **{f"{number}": 1 for number in range(100)}})


def test_it_goes_on_until_the_end_and_while_something_comes_after_it() -> None:
    cloudwatch = CloudWatch(NOON_MS)

    def work() -> Iterator[None]:
        yield from itertools.repeat(None, 50)
        cloudwatch.write("a", [(cloudwatch.now_ms, "report")], delay_ms=3000)

    assert counted(World(cloudwatch, work()).follow()) == Counter({"report": 1})


def test_without_a_last_look_old_ids_are_forgotten() -> None:
    cloudwatch = CloudWatch(NOON_MS)

    def work() -> Iterator[None]:
        for number in range(500):
            cloudwatch.write("a", [(cloudwatch.now_ms, f"{number}")])
            yield

    world = World(cloudwatch, work())
    events = LogEvents(instead_of_aws(cloudwatch), "group", sleep=world.sleep)
    pages = events.follow(NOON, ended=lambda: world.is_over, sweep=False)
    found: Counter[str] = Counter()
    held = 0
    for page in pages:
        found.update(event.message for event in page)
        held = max(held, len(pages.gi_frame.f_locals["seen"]._times))  # type: ignore[attr-defined]
    assert len(found) == 500
    assert held < 100


def test_reading_once_ends_at_the_end() -> None:
    cloudwatch = CloudWatch(NOON_MS, page=3, throttles=2)
    cloudwatch.write("a", ((NOON_MS + number, f"{number}") for number in range(10)))
    events = LogEvents(instead_of_aws(cloudwatch), "group", sleep=cloudwatch.forward)
    until = NOON + dt.timedelta(milliseconds=7)
    assert [event.message for page in events.read(NOON, until) for event in page] == [f"{n}" for n in range(8)]
    assert len(counted(events.read(NOON))) == 10
    assert len(counted(events.read(NOON + dt.timedelta(milliseconds=1)))) == 9


def refusing(code: str) -> tuple[LogEvents, list[float]]:
    """A log that is always refused, and the pauses made."""
    cloudwatch, pauses = CloudWatch(NOON_MS), []

    def refuse(**_: object) -> None:
        raise ClientError({"Error": {"Code": code, "Message": "no"}}, "FilterLogEvents")

    cloudwatch.filter_log_events = refuse  # type: ignore[assignment,method-assign]
    pace = Pace(attempts=8, longest_pause_s=2)
    return LogEvents(instead_of_aws(cloudwatch), "group", sleep=pauses.append, pace=pace), pauses


def test_whoever_is_throttled_for_ever_is_told_in_the_end() -> None:
    events, pauses = refusing("ThrottlingException")
    with pytest.raises(Throttled):
        counted(events.read(NOON))
    assert pauses == [0.25, 0.5, 1, 2, 2, 2, 2]


@pytest.mark.parametrize("read", [lambda events: events.read(NOON), lambda events: events.follow(NOON, ended=never)])
def test_what_does_not_pass_is_told_at_once(read: Callable[[LogEvents], Iterator[list[Event]]]) -> None:
    events, pauses = refusing("AccessDeniedException")
    with pytest.raises(Denied):
        counted(read(events))
    assert pauses == []
