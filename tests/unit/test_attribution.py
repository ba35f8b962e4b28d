"""Whose a line is, whatever order the streams come in."""

import random
import uuid

import pytest
from tests.support.lambda_logs import NOON, OTHER_RUN, RUN, Clock, Environment, failed, product

from glacierctl.aws.attribution import Attribution, Entry, in_order
from glacierctl.aws.log_events import Event
from glacierctl.aws.log_filter import LogFilter
from glacierctl.choices import Level

BOWDOIN, RYDER = "163_Bowdoin", "189_Ryder"


def events(*environments: Environment) -> list[Event]:
    """Of all streams, in order of time."""
    written = [
        Event(f"{environment.stream}-{number}", environment.stream, time, time, message)
        for environment in environments
        for number, (time, message) in enumerate(environment.written)
    ]
    return sorted(written, key=lambda event: event.timestamp_ms)


def entries(*environments: Environment, page: int = 7) -> list[Entry]:
    every = events(*environments)
    pages = [every[at : at + page] for at in range(0, len(every), page)]
    return [entry for some in in_order(pages) for entry in some]


def test_every_line_of_an_invocation_has_its_region_lambdas_own_and_raw_ones_too() -> None:
    environment = Environment()
    environment.write("INIT_START Runtime Version: python:3.13.v1\n")
    request = environment.invoke(BOWDOIN, [product(BOWDOIN)], says=["a library says something\n"])
    found = entries(environment)
    assert len(found) == len(environment.written) == 8
    assert {(one.origin.region, one.origin.run_id, one.origin.request_id) for one in found} == {(BOWDOIN, RUN, request)}


def test_one_environment_works_for_two_runs_one_after_the_other() -> None:
    environment = Environment()
    environment.invoke(BOWDOIN, says=["first\n"])
    environment.invoke(RYDER, says=["second\n"], run=OTHER_RUN)
    texts = {one.line.message: one.origin for one in entries(environment)}
    assert (texts["first"].run_id, texts["first"].region) == (RUN, BOWDOIN)
    assert (texts["second"].run_id, texts["second"].region) == (OTHER_RUN, RYDER)


def test_streams_that_interleave_line_by_line_are_told_apart_and_stay_in_order_of_time() -> None:
    environments = [Environment(Clock(NOON)) for _ in range(12)]
    for number, environment in enumerate(environments):
        environment.clock.forward(number * 0.003)
        for _ in range(3):
            environment.invoke(f"{number:03d}_Glacier", [product("x")] * 2, says=[f"raw {number}\n"])
    found = entries(*environments)
    assert len(found) == sum(len(environment.written) for environment in environments)
    assert {one.event.event_id for one in found} == {event.event_id for event in events(*environments)}
    times = [one.event.timestamp_ms for one in found]
    assert times == sorted(times)
    for one in found:
        if one.line.message.startswith("raw"):
            assert one.origin.region == f"{int(one.line.message.split()[1]):03d}_Glacier"


def test_a_repeated_invocation_is_known_from_its_start() -> None:
    first, second = Environment(), Environment()
    request = first.invoke(BOWDOIN)
    second.clock.forward(60)
    second.start(request)
    second.write(f"RequestId: {request} Error: Runtime exited with error: signal: killed\n")
    second.end(request, duration_ms=5, status="Status: error\tError Type: Runtime.ExitError")
    assert {one.origin.region for one in entries(first, second)} == {BOWDOIN}


def test_lines_before_the_first_that_names_the_invocation_belong_to_it() -> None:
    environment = Environment()
    environment.invoke(BOWDOIN, says=["raw\n"])
    del environment.written[:2]  # the window begins in the midst of an invocation
    assert environment.written[0][1] == "raw\n"
    assert {one.origin.region for one in entries(environment)} == {BOWDOIN}


def crashed(version: str = "3") -> Environment:
    """An environment that fails before its worker says anything."""
    environment, request = Environment(version=version), str(uuid.uuid4())
    environment.start(request)
    environment.write("[ERROR] Runtime.ImportModuleError: Unable to import module 'x'\n")
    environment.end(request, duration_ms=5, status="Status: error\tError Type: Runtime.ImportModuleError")
    return environment


def smoked() -> Environment:
    """One that was asked whether it works, and worked."""
    environment, request = Environment(), str(uuid.uuid4())
    environment.start(request)
    environment.end(request, duration_ms=5)
    return environment


def test_what_failed_before_it_named_a_run_is_shown_with_the_run_of_its_version() -> None:
    every = entries(crashed(), smoked())
    assert [len(LogFilter(run_id=RUN, version=version).wanted(every)) for version in ("3", "4", None)] == [4, 0, 4]
    assert len(LogFilter().wanted(every)) == 7


def test_what_is_still_unknown_at_the_end_is_handed_back() -> None:
    environment = crashed()
    del environment.written[-1:]
    attribution = Attribution()
    assert attribution.take(events(environment)) == []
    assert [one.unclaimed for one in attribution.rest()] == [True] * 3
    assert attribution.rest() == []


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (LogFilter(run_id=RUN), {BOWDOIN}),
        (LogFilter(run_id=OTHER_RUN), {RYDER}),
        (LogFilter(region="*Ryder"), {RYDER}),
        (LogFilter(region="163"), set()),
        (LogFilter(level=Level.ERROR), {RYDER}),
        (LogFilter(text="HTML"), {RYDER}),
        (LogFilter(text='"begin"'), {BOWDOIN, RYDER}),
        (LogFilter(text='"begin"', level=Level.ERROR), set()),
    ],
)
def test_filters(wanted: LogFilter, expected: set[str]) -> None:
    first, second = Environment(), Environment()
    first.invoke(BOWDOIN, [product(BOWDOIN)])
    second.invoke(RYDER, [failed(RYDER)], run=OTHER_RUN)
    assert {one.origin.region for one in wanted.wanted(entries(first, second))} == expected


def test_pages_of_any_size_give_the_same_lines_in_the_same_order() -> None:
    rng = random.Random(7)
    environments = [Environment(Clock(NOON)) for _ in range(5)]
    for environment in environments:
        for _ in range(10):
            environment.clock.forward(rng.random())
            environment.invoke(rng.choice([BOWDOIN, RYDER]), says=["raw\n"] * rng.randrange(3))
    whole = [(one.event.event_id, one.origin) for one in entries(*environments, page=10_000)]
    assert len(whole) == sum(len(environment.written) for environment in environments)
    for size in (1, 2, 13):
        found = [(one.event.event_id, one.origin) for one in entries(*environments, page=size)]
        assert sorted(found, key=str) == sorted(whole, key=str)
