"""A deployment that is killed after any call to AWS, and two at once."""

import datetime as dt
import itertools
import threading
from collections.abc import Callable
from contextlib import nullcontext
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any

import pytest
from tests.support.deployments import Trial, before_calls, changing

from glacierctl.aws import lease
from glacierctl.aws.apply import apply
from glacierctl.aws.changes import differences
from glacierctl.aws.clock import Clock
from glacierctl.aws.errors import Conflict
from glacierctl.aws.wanted import Wanted

_LEASE_OF_THE_DEAD = -5.0
"""Seconds: a lease that is over at once, so that nobody waits for those who were killed."""


class KilledError(BaseException):
    """As if the process was gone: nothing is caught, nothing is put right."""


def is_killed(trial: Trial, then: Wanted, count: int) -> bool:
    """Deploy, and die when one more call would change something; what only looks leaves all as it was."""
    plan = trial.plan(then)
    made: list[str] = []

    def act(model: Any, **_: Any) -> None:
        made.append(model.name)
        if len(changing(made)) > count:
            raise KilledError

    before_calls(trial.aws, act)
    try:
        apply(trial.aws, plan, deliver=trial.push, on_step=trial.steps.append, clock=trial.time.clock())
    except KilledError:
        return True
    finally:
        trial.revive()
    return False


def state(trial: Trial, then: Wanted) -> dict[str, Any]:
    """What a deployment came to, all but names and times."""
    now = trial.current(then)
    assert now.function is not None
    assert now.repository is not None
    live = now.function.version(now.function.aliases["live"].version)
    assert live is not None
    return {
        "changes": differences(now, then).changes,
        "live": (live.digest, live.configuration["MemorySize"], live.number == now.function.versions[-1].number),
        "images": now.repository.images,
        "concurrency": now.function.concurrency,
        "invocations": sorted(
            (qualifier, settings.attempts) for qualifier, settings in now.function.invocations.items()
        ),
        "policies": sorted(now.role.settings.policies) if now.role else None,
        "log group": now.log_group and now.log_group.settings,
        "queue": now.queue and now.queue.settings,
        "made by us": (now.repository.made_by_us, now.function.made_by_us, now.role and now.role.made_by_us),
    }


@pytest.mark.slow
def test_a_first_deploy_that_is_killed_anywhere_is_completed_by_the_next(
    trial: Trial, make_trial: Callable[..., Trial]
) -> None:
    trial.deploy(trial.wanted(reserved_concurrency=5))
    expected = state(trial, trial.wanted(reserved_concurrency=5))
    assert expected["changes"] == ()
    for count in itertools.count():
        other = make_trial(lease_s=_LEASE_OF_THE_DEAD)
        then = other.wanted(reserved_concurrency=5)
        was_killed = is_killed(other, then, count)
        other.deploy(then)
        assert state(other, then) == expected, count
        assert other.versions() == ["1"], count
        if not was_killed:
            break
    assert count > 15


@pytest.mark.slow
def test_a_later_deploy_that_is_killed_anywhere_is_completed_by_the_next(make_trial: Callable[..., Trial]) -> None:
    trial = make_trial(lease_s=_LEASE_OF_THE_DEAD)
    trial.deploy(trial.wanted("lean-x86_64-first"))
    for count in itertools.count():
        then = trial.wanted(f"lean-x86_64-{count:04}", memory_mb=2049 + count)
        was_killed = is_killed(trial, then, count)
        done = trial.deploy(then)
        found = state(trial, then)
        assert found["changes"] == (), count
        assert found["live"] == (done.image.partition("@")[2], 2049 + count, True), count
        assert (done.version, len(found["images"])) == (count + 2, count + 2)
        if not was_killed:
            break
    assert count > 6


def test_a_deploy_waits_for_another(trial: Trial, make_trial: Callable[..., Trial]) -> None:
    trial.deploy(trial.wanted("lean-x86_64-aaaa"))
    other = make_trial(names=trial.names)
    entered, done = threading.Event(), threading.Event()

    def sleep(_: float) -> None:
        entered.set()
        done.wait(0.05)

    with lease.hold(trial.aws, trial.names, trial.time.clock(), trial.steps.append):
        results: list[Any] = []
        clock = Clock(sleep=sleep)
        deploying = threading.Thread(
            target=lambda: results.append(other.deploy(other.wanted("lean-x86_64-bbbb"), clock=clock))
        )
        deploying.start()
        assert entered.wait(30)
        assert trial.alias_version() == "1"
    done.set()
    deploying.join(60)
    assert results[0].version == 2
    assert any("is at work, last heard of at" in step for step in other.steps)


def test_a_deploy_that_waits_too_long_says_so(trial: Trial, make_trial: Callable[..., Trial]) -> None:
    trial.deploy(trial.wanted("lean-x86_64-aaaa"))
    other = make_trial(names=trial.names, attempts=3)
    with (
        lease.hold(trial.aws, trial.names, trial.time.clock(), trial.steps.append),
        pytest.raises(Conflict, match=f"another deploy of {trial.names.function} is under way"),
    ):
        other.deploy(other.wanted("lean-x86_64-bbbb"))
    assert other.time.slept == [2.0] * 3
    assert (trial.alias_version(), trial.versions()) == ("1", ["1"])


@pytest.mark.parametrize(("later_s", "is_taken"), [(170, False), (190, True)])
def test_a_lease_ends_three_minutes_after_its_last_sign_of_life_by_the_clock_of_aws(
    make_trial: Callable[..., Trial], later_s: int, *, is_taken: bool
) -> None:
    dead = make_trial()
    dead.aws.logs.create_log_group(logGroupName=dead.names.log_group)
    never_released = lease.hold(dead.aws, dead.names, dead.time.clock(), dead.steps.append)
    never_released.__enter__()
    other = make_trial(names=dead.names, attempts=2)

    def later(parsed: dict[str, Any], **_: Any) -> None:
        headers = parsed["ResponseMetadata"]["HTTPHeaders"]
        now = parsedate_to_datetime(headers["date"])
        headers["date"] = format_datetime(now + dt.timedelta(seconds=later_s), usegmt=True)

    other.aws.logs.meta.events.register("after-call.cloudwatch-logs.DescribeLogStreams", later)
    waited = nullcontext() if is_taken else pytest.raises(Conflict)
    with waited, lease.hold(other.aws, other.names, other.time.clock(), other.steps.append):
        pass
    assert bool(other.time.slept) != is_taken
    del never_released


def test_a_holder_is_heard_of_once_a_minute(trial: Trial) -> None:
    trial.aws.logs.create_log_group(logGroupName=trial.names.log_group)
    made = trial.calls()
    with lease.hold(trial.aws, trial.names, trial.time.clock(), trial.steps.append) as held:
        made.clear()
        for _ in range(10):
            trial.time.now += 20
            held.renew()
        assert changing(made) == ["CreateLogStream"] * 3
    left = trial.aws.logs.describe_log_streams(logGroupName=trial.names.log_group)["logStreams"]
    assert [stream["logStreamName"] for stream in left] == [
        "glacierctl-deploy/000000004",
        "glacierctl-deploy/000000004-done",
    ]


@pytest.mark.parametrize("others", [1, 2])
def test_a_holder_that_slept_too_long_finds_that_others_have_been_there(
    make_trial: Callable[..., Trial], others: int
) -> None:
    sleeper = make_trial(lease_s=_LEASE_OF_THE_DEAD)
    sleeper.aws.logs.create_log_group(logGroupName=sleeper.names.log_group)
    with lease.hold(sleeper.aws, sleeper.names, sleeper.time.clock(), sleeper.steps.append) as held:
        for _ in range(others):
            with lease.hold(sleeper.aws, sleeper.names, sleeper.time.clock(), sleeper.steps.append):
                pass
        with pytest.raises(Conflict, match="has taken over"):
            held.renew()


def test_of_many_at_once_one_holds_the_lease(trial: Trial, make_trial: Callable[..., Trial]) -> None:
    trial.aws.logs.create_log_group(logGroupName=trial.names.log_group)
    held, most, turns = [0], [0], []

    def work(number: int) -> None:
        aws = make_trial(names=trial.names).aws
        with lease.hold(aws, trial.names, Clock(), lambda _: None):
            held[0] += 1
            most[0] = max(most[0], held[0])
            turns.append(number)
            threading.Event().wait(0.02)
            held[0] -= 1

    workers = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
    assert most == [1]
    assert sorted(turns) == list(range(6))
