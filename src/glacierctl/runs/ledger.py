"""The ledger of a run: plan, tasks, and a report for each attempt at a task. It lies in the store, in the open."""

from glacierctl import __version__
from glacierctl.model import Outcome, PathSafe, Plan, Task, UtcDatetime, Value
from glacierctl.storage import Store
from glacierctl.storage.layout import plan_key, report_key, reports_prefix, task_key


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

    def open(self, plan: Plan, tasks: tuple[Task, ...]) -> None:
        """Write down what is to be done, before anything is.

        Raises:
            StoreError: the store cannot be written to.
        """
        for task in tasks:
            self._store.put_new(task_key(self.run_id, task.task_id), _json(task))
        self._store.put_new(plan_key(self.run_id), _json(plan))

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


def _json(value: Value) -> bytes:
    return (value.model_dump_json(by_alias=True, indent=2) + "\n").encode()
