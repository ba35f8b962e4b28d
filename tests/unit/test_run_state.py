"""How a run stands, by the names in its ledger and the outcomes in its reports."""

import datetime as dt
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.support import ledgers
from tests.support.ledgers import begin, plan, report

from glacierctl.errors import StoreError, UsageError
from glacierctl.model import Task
from glacierctl.runs.leases import take_lease
from glacierctl.runs.ledger import Ledger
from glacierctl.runs.reader import LedgerReader, find_runs
from glacierctl.runs.signs import HANDOVER
from glacierctl.runs.state import DEAD_S, LOST_S, RETRY_WAIT_S, RunState, State
from glacierctl.storage import Entry, FolderStore

ALL = dict.fromkeys(State, 0)


class Counting(FolderStore):
    """Counts what is asked of it; its clock stands still until moved."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.listings: list[str] = []
        self.gets: list[str] = []
        self.later_s = 0.0

    def listing(self, prefix: str) -> Iterator[Entry]:
        self.listings.append(prefix)
        return super().listing(prefix)

    def folders(self, prefix: str) -> Iterator[str]:
        self.listings.append(prefix)
        return super().folders(prefix)

    def get(self, key: str) -> bytes | None:
        self.gets.append(key)
        return super().get(key)

    def now(self) -> dt.datetime:
        return super().now() + dt.timedelta(seconds=self.later_s)


@pytest.fixture
def store(tmp_path: Path) -> Counting:
    return Counting(tmp_path)


@pytest.fixture
def run(store: Counting) -> tuple[Ledger, tuple[Task, ...]]:
    """Three regions of two acquisitions each, submitted to Lambda, nothing handed over."""
    return begin(store, plan(regions=3, days=2))


def state(store: FolderStore, ledger: Ledger) -> RunState:
    return LedgerReader(store, ledger.run_id).state()


def counts(**each: int) -> dict[State, int]:
    return {**ALL, **{State[name]: count for name, count in each.items()}}


def hand_all(ledger: Ledger, tasks: tuple[Task, ...], number: int = 1) -> None:
    for task in tasks:
        ledger.hand(task.task_id, number)


def age(store: Counting, seconds: float) -> None:
    """Let so much time pass since all that was written."""
    for path in store.root.rglob("*.json"):
        then = path.stat().st_mtime - seconds
        os.utime(path, (then, then))


def test_what_was_handed_over_and_has_not_begun_is_pending(
    store: Counting, run: tuple[Ledger, tuple[Task, ...]]
) -> None:
    hand_all(*run)
    assert state(store, run[0]).counts() == counts(PENDING=6)
    assert not state(store, run[0]).settled


def test_a_task_that_a_worker_has_is_running_until_its_report(
    store: Counting, run: tuple[Ledger, tuple[Task, ...]]
) -> None:
    ledger, tasks = run
    hand_all(ledger, tasks)
    lease = take_lease(store, ledger.run_id, tasks[0].task_id)
    assert lease
    assert state(store, ledger).counts() == counts(PENDING=4, RUNNING=2)
    report(ledger, tasks[0], "product", "coverage")
    lease.give_back()
    assert state(store, ledger).counts() == counts(PENDING=4, SUCCEEDED=1, SKIPPED=1)


def test_of_many_workers_one_after_the_other_the_last_counts(
    store: Counting, run: tuple[Ledger, tuple[Task, ...]]
) -> None:
    ledger, tasks = run
    hand_all(ledger, tasks)
    for _ in range(10):
        lease = take_lease(store, ledger.run_id, tasks[0].task_id)
        assert lease
        lease.give_back()
    assert state(store, ledger).counts("r000") == counts(PENDING=2)
    assert take_lease(store, ledger.run_id, tasks[0].task_id)
    assert state(store, ledger).counts("r000") == counts(RUNNING=2)


def test_all_states_at_once_and_region_by_region(store: Counting, run: tuple[Ledger, tuple[Task, ...]]) -> None:
    ledger, tasks = run
    hand_all(ledger, tasks)
    report(ledger, tasks[0], "product", "failed")
    report(ledger, tasks[1], "cloud", "product")
    assert take_lease(store, ledger.run_id, tasks[2].task_id)
    found = state(store, ledger)
    assert found.counts() == counts(SUCCEEDED=2, FAILED=1, SKIPPED=1, RUNNING=2)
    assert found.counts("r000") == counts(SUCCEEDED=1, FAILED=1)
    assert found.reasons(State.SKIPPED) == {"cloud": 1}
    (failed,) = [one for one in found.acquisitions if one.state is State.FAILED]
    assert (failed.reason, failed.detail, failed.hint) == ("it cannot be read", "S3 says no", "Try again.")


def test_a_second_attempt_that_finds_the_product_does_not_make_it_skipped(
    store: Counting, run: tuple[Ledger, tuple[Task, ...]]
) -> None:
    ledger, tasks = run
    hand_all(ledger, tasks)
    report(ledger, tasks[0], "product", "failed")
    report(ledger, tasks[0], "exists", "product")
    assert state(store, ledger).counts("r000") == counts(SUCCEEDED=2)


def test_what_had_no_time_is_not_skipped_but_still_to_come(
    store: Counting, run: tuple[Ledger, tuple[Task, ...]]
) -> None:
    ledger, tasks = run
    hand_all(ledger, tasks)
    report(ledger, tasks[0], "product", "deadline")
    assert state(store, ledger).counts("r000") == counts(SUCCEEDED=1, PENDING=1)


def test_what_no_attempt_had_time_for_has_failed_once_nobody_tries_again(
    store: Counting, run: tuple[Ledger, tuple[Task, ...]]
) -> None:
    ledger, tasks = run
    hand_all(ledger, tasks)
    for task in tasks[1:]:
        report(ledger, task, "product", "product")
    for states in (counts(SUCCEEDED=1, PENDING=1), counts(SUCCEEDED=1, PENDING=1), counts(SUCCEEDED=1, FAILED=1)):
        assert not state(store, ledger).settled
        report(ledger, tasks[0], "product", "deadline")
        assert state(store, ledger).counts("r000") == states
    found = state(store, ledger)
    assert found.settled
    (failed,) = [one for one in found.acquisitions if one.state is State.FAILED]
    assert (failed.reason, failed.detail) == ("no time", "because of deadline")
    assert "--memory" in failed.hint
    assert "--timeout" in failed.hint
    age(store, 5)
    ledger.hand(tasks[0].task_id, 2)
    assert state(store, ledger).counts("r000") == counts(SUCCEEDED=1, PENDING=1)
    age(store, LOST_S + 60)
    assert state(store, ledger).counts("r000") == counts(SUCCEEDED=1, LOST=1), "nothing was heard of the second time"


def test_what_had_no_time_and_was_not_tried_again_is_not_said_to_have_vanished(
    store: Counting, run: tuple[Ledger, tuple[Task, ...]]
) -> None:
    ledger, tasks = run
    hand_all(ledger, tasks)
    report(ledger, tasks[0], "product", "deadline")
    age(store, LOST_S - 60)
    assert state(store, ledger).counts("r000") == counts(SUCCEEDED=1, PENDING=1)
    age(store, 120)
    assert state(store, ledger).reasons(State.FAILED) == {"no time": 1}
    ledger.cancel(ledgers.NOW)
    assert state(store, ledger).counts("r000") == counts(SUCCEEDED=1, SKIPPED=1)


def test_what_had_no_time_and_is_done_after_all_has_not_failed(
    store: Counting, run: tuple[Ledger, tuple[Task, ...]]
) -> None:
    ledger, tasks = run
    hand_all(ledger, tasks)
    for _ in range(3):
        report(ledger, tasks[0], "deadline", "deadline")
    assert state(store, ledger).counts("r000") == counts(FAILED=2)
    lease = take_lease(store, ledger.run_id, tasks[0].task_id)
    assert lease
    assert state(store, ledger).counts("r000") == counts(RUNNING=2)
    report(ledger, tasks[0], "product", "cloud")
    lease.give_back()
    assert state(store, ledger).counts("r000") == counts(SUCCEEDED=1, SKIPPED=1)


def test_what_a_worker_with_no_time_left_handed_on_has_not_failed(
    store: Counting, run: tuple[Ledger, tuple[Task, ...]]
) -> None:
    ledger, tasks = run
    hand_all(ledger, tasks)
    rest = tasks[0].model_copy(update={"acquisitions": tasks[0].acquisitions[1:]})
    ledger.hand(rest.task_id, 1)
    for _ in range(3):
        report(ledger, tasks[0], "product", "deadline")
    assert state(store, ledger).counts("r000") == counts(SUCCEEDED=1, PENDING=1)
    report(ledger, rest, "product")
    assert state(store, ledger).counts("r000") == counts(SUCCEEDED=2)


def test_what_a_worker_handed_on_to_another_task_counts_for_its_region(
    store: Counting, run: tuple[Ledger, tuple[Task, ...]]
) -> None:
    ledger, tasks = run
    hand_all(ledger, tasks)
    report(ledger, tasks[0], "product", "deadline")
    rest = tasks[0].model_copy(update={"acquisitions": tasks[0].acquisitions[1:]})
    assert rest.task_id != tasks[0].task_id
    lease = take_lease(store, ledger.run_id, rest.task_id)
    assert lease
    assert state(store, ledger).counts("r000") == counts(SUCCEEDED=1, RUNNING=1)
    report(ledger, rest, "product")
    lease.give_back()
    assert state(store, ledger).counts("r000") == counts(SUCCEEDED=2)
    assert state(store, ledger).counts("r001") == counts(PENDING=2)


def test_a_worker_that_died_is_lost_after_twenty_minutes_and_not_before(
    store: Counting, run: tuple[Ledger, tuple[Task, ...]]
) -> None:
    ledger, tasks = run
    hand_all(ledger, tasks)
    assert take_lease(store, ledger.run_id, tasks[0].task_id)
    age(store, DEAD_S - 10)
    assert state(store, ledger).counts("r000") == counts(RUNNING=2)
    age(store, 20)
    assert state(store, ledger).counts("r000") == counts(PENDING=2)
    age(store, LOST_S - DEAD_S - 70)
    hand_all(ledger, tasks[1:], number=2)
    assert state(store, ledger).counts("r000") == counts(PENDING=2)
    age(store, 120)
    assert state(store, ledger).counts("r000") == counts(LOST=2)
    assert state(store, ledger).counts("r001") == counts(PENDING=2)


def test_a_run_that_is_called_off_does_not_wait_for_a_worker_that_died(
    store: Counting, run: tuple[Ledger, tuple[Task, ...]]
) -> None:
    ledger, tasks = run
    hand_all(ledger, tasks)
    assert take_lease(store, ledger.run_id, tasks[0].task_id)
    ledger.cancel(ledgers.NOW)
    assert not state(store, ledger).settled
    age(store, DEAD_S + 10)
    assert state(store, ledger).settled
    assert state(store, ledger).counts() == counts(SKIPPED=6)


def test_what_waits_its_turn_is_lost_only_when_the_whole_run_is_silent(
    store: Counting, run: tuple[Ledger, tuple[Task, ...]]
) -> None:
    ledger, tasks = run
    hand_all(ledger, tasks)
    age(store, LOST_S + 60)
    report(ledger, tasks[0], "product", "product")
    assert state(store, ledger).counts() == counts(SUCCEEDED=2, PENDING=4)
    age(store, LOST_S + 60)
    found = state(store, ledger)
    assert found.counts() == counts(SUCCEEDED=2, LOST=4)
    assert found.settled


def test_handing_over_again_makes_failures_pending(store: Counting, run: tuple[Ledger, tuple[Task, ...]]) -> None:
    ledger, tasks = run
    hand_all(ledger, tasks)
    report(ledger, tasks[0], "product", "failed")
    age(store, 5)
    assert state(store, ledger).counts("r000") == counts(SUCCEEDED=1, FAILED=1)
    ledger.hand(tasks[0].task_id, 2)
    assert state(store, ledger).counts("r000") == counts(SUCCEEDED=1, PENDING=1)


def test_a_failure_is_final_when_lambda_will_not_try_again(
    store: Counting, run: tuple[Ledger, tuple[Task, ...]]
) -> None:
    ledger, tasks = run
    hand_all(ledger, tasks)
    for task in tasks[1:]:
        report(ledger, task, "product", "product")
    for settled in (False, False, True):
        report(ledger, tasks[0], "product", "failed")
        assert state(store, ledger).settled is settled


def test_a_failure_is_final_when_nothing_followed_for_a_while(
    store: Counting, run: tuple[Ledger, tuple[Task, ...]]
) -> None:
    ledger, tasks = run
    hand_all(ledger, tasks)
    for task in tasks:
        report(ledger, task, "product", "failed")
    assert not state(store, ledger).settled
    age(store, RETRY_WAIT_S + 10)
    assert state(store, ledger).settled


def test_tasks_that_nobody_was_told_of_show_that_handing_over_was_interrupted(
    store: Counting, run: tuple[Ledger, tuple[Task, ...]]
) -> None:
    ledger, tasks = run
    lease = take_lease(store, ledger.run_id, HANDOVER)
    assert lease
    hand_all(ledger, tasks[:1])
    found = state(store, ledger)
    assert (found.handing_over, found.interrupted) == (True, False)
    lease.give_back()
    found = state(store, ledger)
    assert (found.handing_over, found.interrupted) == (False, True)
    assert found.not_handed == tuple(task.task_id for task in tasks[1:])
    assert found.counts() == counts(PENDING=6)


def test_of_a_cancelled_run_what_had_not_begun_is_skipped(
    store: Counting, run: tuple[Ledger, tuple[Task, ...]]
) -> None:
    ledger, tasks = run
    hand_all(ledger, tasks[:2])
    report(ledger, tasks[0], "product", "product")
    assert ledger.cancel(ledgers.NOW)
    assert not ledger.cancel(ledgers.NOW)
    found = state(store, ledger)
    assert found.counts() == counts(SUCCEEDED=2, SKIPPED=4)
    assert found.reasons(State.SKIPPED) == {"cancelled": 4}
    assert found.settled
    assert not found.interrupted


def test_what_a_worker_left_because_the_run_was_called_off_is_pending_once_that_is_taken_back(
    store: Counting, run: tuple[Ledger, tuple[Task, ...]]
) -> None:
    ledger, tasks = run
    hand_all(ledger, tasks)
    ledger.cancel(ledgers.NOW)
    report(ledger, tasks[0], "product", "cancelled")
    found = state(store, ledger)
    assert found.counts("r000") == counts(SUCCEEDED=1, SKIPPED=1)
    assert found.called_off == tuple(task.task_id for task in tasks)
    ledger.go_on()
    found = state(store, ledger)
    assert found.counts("r000") == counts(SUCCEEDED=1, PENDING=1)
    assert found.called_off == ()


def test_one_listing_and_every_report_read_once(store: Counting, run: tuple[Ledger, tuple[Task, ...]]) -> None:
    ledger, tasks = run
    hand_all(ledger, tasks)
    report(ledger, tasks[0], "product", "product")
    reader = LedgerReader(store, ledger.run_id)
    store.listings.clear()
    reader.state()
    assert store.listings == [f"runs/{ledger.run_id}/"]
    assert len(store.gets) == 2, store.gets
    report(ledger, tasks[1], "product", "product")
    store.listings.clear()
    store.gets.clear()
    reader.state()
    reader.state()
    assert len(store.listings) == 2
    assert store.gets == [f"runs/{ledger.run_id}/reports/{tasks[1].task_id}/1.json"]


@pytest.mark.parametrize("wrong_s", [-3600.0, 3600.0])
def test_a_clock_that_is_wrong_where_the_ledger_is_written_matters_not(
    store: Counting, run: tuple[Ledger, tuple[Task, ...]], wrong_s: float
) -> None:
    ledger, tasks = run
    hand_all(ledger, tasks)
    skewed = tasks[0]
    ended = [ledgers.outcome(skewed, one, "product") for one in skewed.acquisitions]
    then = ledgers.NOW + dt.timedelta(seconds=wrong_s)
    ledger.report(skewed, ended, then, then)
    assert state(store, ledger).counts() == counts(SUCCEEDED=2, PENDING=4)


def test_files_that_are_nobodys_are_left_alone(store: Counting, run: tuple[Ledger, tuple[Task, ...]]) -> None:
    ledger, tasks = run
    hand_all(ledger, tasks)
    for key in ("reports/x/.DS_Store", "notes.txt", "leases/handover/copy.json"):
        store.put(f"runs/{ledger.run_id}/{key}", b"?")
    assert state(store, ledger).counts() == counts(PENDING=6)


def test_a_whole_id_and_its_state_take_one_listing(store: Counting, run: tuple[Ledger, tuple[Task, ...]]) -> None:
    (found,) = find_runs(store, run[0].run_id)
    LedgerReader(store, found).state()
    assert store.listings == [f"runs/{found}/"]


def test_a_run_is_found_by_its_id_or_the_beginning_of_it_or_of_its_digits(
    store: Counting, run: tuple[Ledger, tuple[Task, ...]]
) -> None:
    run_id = run[0].run_id
    store.put(f"runs/{run_id}0/plan.json", b"{}")
    assert find_runs(store, run_id) == (run_id,)
    assert find_runs(store, f"{run_id}0") == (f"{run_id}0",)
    assert find_runs(store, run_id[:-1] + "g") == ()
    assert find_runs(store, run_id.rpartition("-")[2][:6]) == (run_id, f"{run_id}0")
    assert find_runs(store, run_id[:12]) == (run_id, f"{run_id}0")
    assert find_runs(store, "") == ()
    assert find_runs(store, "sentinel2") == ()


def test_a_run_that_never_began_is_told(store: Counting) -> None:
    store.put("runs/half/plan.json", b"{}")
    with pytest.raises(UsageError, match="has not begun"):
        LedgerReader(store, "half").state()


@pytest.mark.parametrize("spoil", [lambda text: text[:50], lambda text: text.replace('"schema": 1', '"schema": 2')])
def test_a_page_of_another_version_is_refused_in_words(
    store: Counting, run: tuple[Ledger, tuple[Task, ...]], spoil: Callable[[str], str]
) -> None:
    path = store.root / "runs" / run[0].run_id / "submission.json"
    path.write_text(spoil(path.read_text()))
    with pytest.raises(StoreError, match="is not understood"):
        state(store, run[0])
