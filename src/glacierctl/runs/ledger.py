"""The ledger of a run: plan, tasks, and a report for each attempt at a task. It lies in the store, in the open."""

import datetime as dt
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor

from pydantic import ValidationError

from glacierctl import __version__
from glacierctl.errors import StoreError
from glacierctl.model import Outcome, PathSafe, Plan, Task, UtcDatetime, Value
from glacierctl.runs.called_off import CalledOff, read_mark
from glacierctl.runs.submission import Binding, Submission
from glacierctl.storage import Store
from glacierctl.storage.layout import (
    cancelled_key,
    handed_key,
    plan_key,
    report_key,
    reports_prefix,
    submission_key,
    task_key,
)

_WRITERS = 32
"""Threads that write tasks: a store far away takes a moment for each."""


class Report(Value):
    """What one attempt at one task came to."""

    run_id: PathSafe
    """The run."""
    task_id: PathSafe
    """The task."""
    attempt: int
    """From 1."""
    started_at: UtcDatetime
    """When the attempt began."""
    ended_at: UtcDatetime
    """When it ended, in whatever way."""
    complete: bool
    """Whether every acquisition of the task has an outcome here; otherwise the attempt was broken off."""
    outcomes: tuple[Outcome, ...]
    """In the order of the task."""
    version: str = __version__
    """Of glacierctl."""


class Ledger:
    """Of one run. Writing the same plan again changes nothing; every attempt adds a report."""

    def __init__(self, store: Store, run_id: str) -> None:
        self._store = store
        self.run_id = run_id

    def open(self, plan: Plan, tasks: tuple[Task, ...], submission: Submission | None = None) -> Submission | None:
        """Write down what is to be done, before anything is: the submission last, for what has none has not begun.

        Args:
            plan: all that was found.
            tasks: what is to be done of it.
            submission: the run's first page; without it nobody finds the run by its id.

        Returns:
            The first page as it stands in the ledger, which somebody else may have written before.

        Raises:
            StoreError: the store cannot be written to.
        """
        with ThreadPoolExecutor(_WRITERS) as pool:
            list(pool.map(self._write_task, tasks))
        self._store.put_new(plan_key(self.run_id), _json(plan))
        if submission is None or self._store.put_new(submission_key(self.run_id), _json(submission)):
            return submission
        content = self._store.get(submission_key(self.run_id))
        return Submission.model_validate_json(content) if content else submission

    def hand(self, task_id: str, number: int, binding: Binding | None = None) -> None:
        """Note that a task was handed over for the `number`-th time, to which version of a function.

        Raises:
            StoreError: the store cannot be written to.
        """
        content = _json(binding) if binding else b"{}\n"
        self._store.put_new(handed_key(self.run_id, task_id, number), content)

    def cancel(self, now: dt.datetime) -> bool:
        """Call the whole run off; False if it was before.

        Raises:
            StoreError: the store cannot be written to.
        """
        before = self.called_off()
        if before and before.tasks is None:
            return False
        self._store.put(cancelled_key(self.run_id), _json(CalledOff(cancelled_at=now)))
        return True

    def go_on(self, *, without: Collection[str] = ()) -> None:
        """Take back that the run was called off. The mark is emptied, since not everybody may delete.

        Args:
            without: tasks that stay called off.

        Raises:
            StoreError: the store cannot be written to.
        """
        mark = self.called_off()
        if mark:
            rest = _json(mark.model_copy(update={"tasks": tuple(sorted(without))})) if without else b""
            self._store.put(cancelled_key(self.run_id), rest)

    def called_off(self) -> CalledOff | None:
        """What is called off; none if nothing is.

        Raises:
            StoreError: the store cannot be read.
        """
        return read_mark(self._store.get(cancelled_key(self.run_id)))

    def is_cancelled(self, task_id: str) -> bool:
        """Whether a task is called off: a worker asks before each acquisition.

        Raises:
            StoreError: the store cannot be read.
        """
        mark = self.called_off()
        return mark is not None and mark.holds(task_id)

    def report(self, task: Task, outcomes: list[Outcome], started_at: UtcDatetime, ended_at: UtcDatetime) -> Report:
        """Write down what an attempt came to, under the next free number.

        Raises:
            StoreError: the store cannot be written to.
        """
        taken = len(list(self._store.list(reports_prefix(self.run_id, task.task_id))))
        while True:
            taken += 1
            report = Report(
                run_id=self.run_id,
                task_id=task.task_id,
                attempt=taken,
                started_at=started_at,
                ended_at=ended_at,
                complete=len(outcomes) == len(task.acquisitions),
                outcomes=tuple(outcomes),
            )
            if self._store.put_new(report_key(self.run_id, task.task_id, taken), _json(report)):
                return report

    def reports(self, task_id: str) -> tuple[Report, ...]:
        """What the attempts at a task came to so far, in the order of their numbers.

        Raises:
            StoreError: a report cannot be read.
        """
        keys = sorted(self._store.list(reports_prefix(self.run_id, task_id)), key=lambda key: (len(key), key))
        contents = [content for key in keys if (content := self._store.get(key)) is not None]
        try:
            return tuple(Report.model_validate_json(content) for content in contents)
        except ValidationError as error:
            raise StoreError(
                f"a report of {task_id} in {self._store.url} is not understood",
                why=f"{error.error_count()} of its fields are not as they should be",
                hint="It was written by another version of glacierctl: submit the run again.",
            ) from error

    def _write_task(self, task: Task) -> None:
        self._store.put_new(task_key(self.run_id, task.task_id), _json(task))


def _json(value: Value) -> bytes:
    return (value.model_dump_json(by_alias=True, indent=2) + "\n").encode()
