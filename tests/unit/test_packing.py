"""Tasks that fit a worker: by memory, by time, each acquisition in exactly one of them."""

import re
from itertools import pairwise

import pytest
from tests.support import ledgers

from glacierctl.errors import UsageError
from glacierctl.model import Plan
from glacierctl.planning.estimate import Estimate
from glacierctl.planning.packing import RESERVE_S, Limits, PackedTask, pack
from glacierctl.planning.preview import PreviewedAcquisition, RegionPreview, State
from glacierctl.planning.speed import MEMORY_MARGIN, SAFETY, START_S

ROOMY = Limits.of_function(2048, 900)


@pytest.fixture(scope="module")
def plan() -> Plan:
    return ledgers.plan(regions=2, days=20)


def previews(plan: Plan, *, seconds: float = 10.0, memory_mb: int = 300) -> list[RegionPreview]:
    """All to do but the first acquisition of each region, which exists; each takes so long on one processor."""
    estimate = Estimate(seconds=seconds, memory_mb=memory_mb)
    return [
        RegionPreview(
            name,
            tuple(
                PreviewedAcquisition(one, State.EXISTS if number == 0 else State.TO_DO, estimate)
                for number, one in enumerate(acquisitions)
            ),
        )
        for name, acquisitions in plan.acquisitions
    ]


def packed(plan: Plan, limits: Limits, **each: float) -> list[PackedTask]:
    return pack(plan, previews(plan, **each), "s3://bucket/p", "run", limits)


@pytest.mark.parametrize("limits", [ROOMY, Limits.of_function(512, 150), Limits.of_machine(4)])
def test_everything_to_do_is_in_one_task_in_order_of_time(plan: Plan, limits: Limits) -> None:
    made = packed(plan, limits)
    for name, acquisitions in plan.acquisitions:
        own = [one.task for one in made if one.task.region.name == name]
        assert [one for task in own for one in task.acquisitions] == list(acquisitions[1:])
    assert len({one.task.task_id for one in made}) == len(made)


def test_a_task_fits_its_time_even_if_all_takes_as_long_as_is_allowed_for(plan: Plan) -> None:
    limits = Limits.of_function(1769, 100)
    made = packed(plan, limits, seconds=9.0)
    assert max(len(one.task.acquisitions) for one in made) > 1
    assert all(SAFETY * one.seconds <= 100 for one in made)
    assert all(one.seconds == pytest.approx(START_S + 9.0 * len(one.task.acquisitions)) for one in made)
    for one, following in pairwise(made):
        if one.task.region == following.task.region:
            assert SAFETY * (one.seconds + 9.0) > 100, "it could have held one more"


def test_what_takes_longer_than_that_has_a_task_of_its_own(plan: Plan) -> None:
    made = packed(plan, Limits.of_function(1769, 100), seconds=25.0)
    assert [len(one.task.acquisitions) for one in made] == [1] * 38


def test_a_machine_of_one_s_own_has_one_task_for_each_region(plan: Plan) -> None:
    assert [len(one.task.acquisitions) for one in packed(plan, Limits.of_machine(2), memory_mb=90_000)] == [19, 19]


@pytest.mark.parametrize(("memory_mb", "cpus"), [(1769, 1), (3538, 2), (884.5, 0.5)])
def test_time_is_by_the_processors_that_memory_brings(memory_mb: float, cpus: float) -> None:
    seconds = Limits.of_function(int(memory_mb), 900).seconds(Estimate(seconds=12.0, serial_s=2.0))
    assert seconds == pytest.approx(2 / min(cpus, 1) + 10 / cpus, rel=1e-3)


def test_on_a_machine_of_one_s_own_tasks_do_not_start_anew(plan: Plan) -> None:
    assert [one.seconds for one in packed(plan, Limits.of_machine(1), seconds=9.0)] == [19 * 9.0] * 2


def test_too_little_memory_is_refused_with_what_is_needed(plan: Plan) -> None:
    enough = round(600 * MEMORY_MARGIN)
    assert packed(plan, Limits.of_function(enough, 900), memory_mb=600)
    with pytest.raises(UsageError) as refused:
        packed(plan, Limits.of_function(enough - 1, 900), memory_mb=600)
    assert f"it has {enough - 1} MB; r000 up to {enough} MB, r001 up to {enough} MB" in refused.value.why
    assert f"--memory {enough}" in refused.value.hint


def test_what_a_worker_would_never_have_the_time_to_begin_is_refused_with_what_it_takes(plan: Plan) -> None:
    """The worker itself begins an acquisition only if more time is left than it needs."""
    fresh_s = 100 - RESERVE_S - START_S
    limits = Limits.of_function(1769, 100)
    enough = (fresh_s - 0.1) / SAFETY
    assert packed(plan, limits, seconds=enough)
    assert limits.seconds_needed(Estimate(seconds=enough)) < limits.most_time_left_s == fresh_s
    with pytest.raises(UsageError) as refused:
        packed(plan, limits, seconds=fresh_s / SAFETY)
    assert "of its 100 s 84 s are for work" in refused.value.why
    assert "r000 up to 85 s, r001 up to 85 s" in refused.value.why
    assert "glacierctl deploy --timeout 101`" in refused.value.hint
    assert packed(plan, Limits.of_function(1769, 101), seconds=fresh_s / SAFETY)
    assert packed(plan, Limits.of_function(2000, 100), seconds=fresh_s / SAFETY), "or with more memory"


def test_where_no_timeout_suffices_more_processors_are_asked_for(plan: Plan) -> None:
    with pytest.raises(UsageError) as refused:
        packed(plan, Limits.of_function(600, 300), seconds=150)
    told = re.search(r"--timeout 900 --memory (\d+)`", refused.value.hint)
    assert told
    assert packed(plan, Limits.of_function(int(told[1]), 900), seconds=150)


def test_nothing_to_do_is_no_task(plan: Plan) -> None:
    nothing = [RegionPreview(one.region, one.acquisitions[:1]) for one in previews(plan)]
    for limits in (ROOMY, Limits.of_function(128, 3)):
        assert pack(plan, nothing, "s3://bucket/p", "run", limits) == []
