"""Invocations as their lines tell of them."""

import uuid

import pytest
from tests.support.lambda_logs import NOON, RUN, Environment, product
from tests.unit.test_attribution import BOWDOIN, RYDER, entries

from glacierctl.aws.log_invocations import Invocations


def test_each_invocation_has_its_time_its_bytes_and_what_is_billed() -> None:
    environment = Environment(memory_mb=1024)
    environment.invoke(BOWDOIN, [product(BOWDOIN)], says=["größer\n"], duration_ms=2000, init_ms=500.2)
    size = len(environment.written)
    environment.invoke(RYDER, duration_ms=10.1)
    first, second = Invocations().take(entries(environment))
    assert (first.origin.region, first.origin.run_id, first.version) == (BOWDOIN, RUN, "3")
    assert first.began_at == NOON
    assert first.ended_at.timestamp() == environment.written[size - 1][0] / 1000
    assert first.lines == size
    assert first.log_bytes == sum(len(message.encode()) + 26 for _, message in environment.written[:size])
    assert first.report.billed_gb_seconds == pytest.approx(2.501)
    assert second.report.billed_gb_seconds == pytest.approx(0.011)


def test_a_repetition_is_another_with_the_same_id() -> None:
    first, second = Environment(), Environment()
    request = first.invoke(BOWDOIN)
    second.clock.forward(60)
    second.invoke(BOWDOIN, request_id=request)
    over = Invocations().take(entries(first, second))
    assert [one.origin.request_id for one in over] == [request] * 2
    assert len({one.stream for one in over}) == 2


def test_what_has_not_ended_is_counted_apart() -> None:
    environment = Environment()
    environment.invoke(BOWDOIN)
    environment.invoke(RYDER)
    del environment.written[-1:]
    gathered = Invocations()
    assert len(gathered.take(entries(environment))) == 1
    assert gathered.running == [RUN]


def test_the_two_attempts_of_one_invocation_in_one_environment_are_two() -> None:
    environment = Environment()
    request = environment.invoke(BOWDOIN)
    environment.clock.forward(60)
    environment.invoke(BOWDOIN, request_id=request)
    first, second = Invocations().take(entries(environment))
    assert first.lines == second.lines == len(environment.written) // 2
    assert (second.began_at - first.ended_at).total_seconds() == pytest.approx(60)


def test_one_that_is_sent_several_tasks_names_them_and_their_regions() -> None:
    environment, request = Environment(), str(uuid.uuid4())
    environment.start(request)
    for region in (BOWDOIN, RYDER):
        log = environment.log(request).about(run_id=RUN, task_id=f"{region}-0123456789ab", region=region)
        log.info("begin", acquisitions=1)
        log.info("outcome", **product(region).model_dump(mode="json"))
    environment.end(request, duration_ms=1000)
    environment.invoke(RYDER)
    first, second = Invocations().take(entries(environment))
    assert (first.regions, second.regions) == ((BOWDOIN, RYDER), (RYDER,))
    assert first.task_ids == (f"{BOWDOIN}-0123456789ab", f"{RYDER}-0123456789ab")
    assert second.task_ids == first.task_ids[1:]


def test_what_raises_is_no_success_though_lambda_reports_nothing() -> None:
    environment, request = Environment(), str(uuid.uuid4())
    environment.start(request)
    environment.log(request).failure("raised", error="BadEventError", message="no task")
    environment.end(request, duration_ms=10)
    environment.invoke(RYDER)
    raised, good = Invocations().take(entries(environment))
    assert (raised.raised, raised.report.status, raised.succeeded) == ("BadEventError", "success", False)
    assert (good.raised, good.succeeded) == (None, True)
