"""A task carried out by one worker: outcomes one by one, a report in the ledger, an error if anything is left to do."""

import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial

from glacierctl.model import Failed, Outcome, Skipped, Task
from glacierctl.processing.lineage import combine_lineage
from glacierctl.processing.process import Means, process
from glacierctl.runs.leases import Lease, beating, take_lease
from glacierctl.runs.ledger import Ledger
from glacierctl.runs.made_before import made_before
from glacierctl.storage.interface import Store
from glacierctl.worker.log import Log

_NAMED = 3
"""How many acquisitions an error names; the report names all."""
_WAIT_S = 3.0
"""Before it is looked again whether another worker still has the task."""


class WorkLeftError(Exception):
    """Something is left to do. Raised so that whoever sent the task sends it again; what is done stays done."""


class AcquisitionsFailedError(WorkLeftError):
    """Acquisitions failed; the others are done."""


class DeadlineError(WorkLeftError):
    """There was no time for all acquisitions."""


class TaskTakenError(WorkLeftError):
    """Another worker has the task, and may yet come to nothing."""


class TasksLeftError(WorkLeftError):
    """Several tasks were sent at once, and more than one of them is not done."""


def in_turn(tasks: Iterable[Task], carry_out: Callable[[Task], dict[str, int]]) -> dict[str, int]:
    """Carry out tasks one after the other; one that comes to nothing does not keep the others from being done.

    Returns:
        how many acquisitions of all tasks came to what.

    Raises:
        WorkLeftError: that of the one task of which something is left to do, or one that tells of several.
    """
    counts: Counter[str] = Counter()
    left: list[WorkLeftError] = []
    for task in tasks:
        try:
            counts.update(carry_out(task))
        except WorkLeftError as error:
            left.append(error)
    if len(left) == 1:
        raise left[0]
    if left:
        raise TasksLeftError(_sentence(f"{len(left)} tasks are not done", list(map(str, left))))
    return dict(counts)


def carry_out(
    task: Task,
    store: Store,
    means: Means,
    log: Log,
    *,
    now: Callable[[], dt.datetime],
    sleep: Callable[[float], None],
) -> dict[str, int]:
    """Make the products of a task, as the only worker that has it.

    Args:
        task: what is to be done.
        store: where products and ledger go.
        means: what it is done with.
        log: told about each step.
        now: the time, with its zone.
        sleep: waits so many seconds.

    Returns:
        how many acquisitions came to what: `product`, `skipped`, `failed`.

    Raises:
        AcquisitionsFailedError: some failed; the others are done.
        DeadlineError: none failed, but some were not tried.
        TaskTakenError: another worker has the task.
        StoreError: the ledger cannot be read or written.
    """
    with _sole_worker(task, store, means, log, sleep) as lease:
        ledger = Ledger(store, task.run_id)
        is_cancelled, kept = partial(ledger.is_cancelled, task.task_id), made_before(task, ledger, store)
        means = replace(means, is_cancelled=is_cancelled, kept=kept)
        started_at = now()
        outcomes: list[Outcome] = []
        log.info("begin", acquisitions=len(task.acquisitions), products=[one.product for one in task.acquisitions])
        try:
            with closing(process(task, store, means)) as made:
                for outcome in made:
                    outcomes.append(outcome)
                    _say(log, outcome)
                    _require_held(lease, task, len(outcomes))
        finally:
            report = ledger.report(task, outcomes, started_at, now())
            combine_lineage(store, task.satellite, task.region.name)
        counts = _counts(outcomes)
        log.info("end", **counts, attempt=report.attempt, usage=means.transport.usage.model_dump(mode="json"))
        _require_all_done(outcomes)
        return counts


@contextmanager
def _sole_worker(task: Task, store: Store, means: Means, log: Log, sleep: Callable[[float], None]) -> Iterator[Lease]:
    """Hold the task's lease; wait for it, for whoever has it may be dead, which shows after a while.

    Raises:
        TaskTakenError: he is alive until there is no time left.
    """
    said = False
    while (lease := take_lease(store, task.run_id, task.task_id, clock=means.clock)) is None:
        if not said:
            log.info("wait", why="another worker has this task")
            said = True
        if means.time_left_s() <= _WAIT_S:
            raise TaskTakenError(f"another worker has the task {task.task_id}")
        sleep(_WAIT_S)
    with beating(lease):
        yield lease


def _require_held(lease: Lease, task: Task, done: int) -> None:
    """Go on only while the lease holds: a worker that stood still for too long may have been taken for dead."""
    if done < len(task.acquisitions) and not lease.is_held:
        raise TaskTakenError(f"another worker has taken over the task {task.task_id}")


def _say(log: Log, outcome: Outcome) -> None:
    said = outcome.model_dump(mode="json")
    (log.failure if isinstance(outcome, Failed) else log.info)("outcome", **said)


def _counts(outcomes: list[Outcome]) -> dict[str, int]:
    words = [one.outcome for one in outcomes]
    return {word: words.count(word) for word in ("product", "skipped", "failed")}


def _require_all_done(outcomes: list[Outcome]) -> None:
    failed = [one for one in outcomes if isinstance(one, Failed)]
    if failed:
        named = [f"{one.region} {one.product}: {one.what}: {one.why}" for one in failed]
        raise AcquisitionsFailedError(_sentence(f"{len(failed)} of {len(outcomes)} acquisitions failed", named))
    late = [one for one in outcomes if isinstance(one, Skipped) and one.reason == "deadline"]
    if late:
        named = [f"{one.region} {one.product}: {one.detail}" for one in late]
        raise DeadlineError(_sentence(f"no time for {len(late)} of {len(outcomes)} acquisitions", named))


def _sentence(what: str, named: list[str]) -> str:
    more = f"; and {len(named) - _NAMED} more" if len(named) > _NAMED else ""
    return f"{what}. {'; '.join(named[:_NAMED])}{more}"
