"""A ledger read again and again: one listing each time, and of its documents only those that are new."""

import re
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from pydantic import ValidationError

from glacierctl.errors import StoreError, UsageError
from glacierctl.model import Outcome, Plan, Task, Value
from glacierctl.runs.ledger import Ledger, Report
from glacierctl.runs.signs import Names, read_names
from glacierctl.runs.state import RunState, run_state
from glacierctl.runs.submission import Submission
from glacierctl.storage import Store
from glacierctl.storage.layout import RUNS, plan_key, run_prefix, submission_key, task_key

_Kind = TypeVar("_Kind", bound=Value)

_WHOLE_ID = re.compile(r"\d{8}-\d{8}-[a-z0-9]+-[0-9a-f]{12}")
"""What `planning.tasks.run_id` makes."""
_READERS = 16
"""Threads that read reports: a store far away takes a moment for each."""


class LedgerError(StoreError):
    """A page of a ledger is not understood; other ledgers may be."""


class LedgerReader:
    """Reads the ledger of one run."""

    def __init__(self, store: Store, run_id: str) -> None:
        self.store = store
        self.run_id = run_id
        self._submission: Submission | None = None
        self._outcomes: dict[str, tuple[Outcome, ...]] = {}

    def has_begun(self) -> bool:
        """Whether there is a first page.

        Raises:
            StoreError: the ledger cannot be read.
        """
        try:
            self.submission()
        except UsageError:
            return False
        return True

    def submission(self) -> Submission:
        """What the run began with.

        Raises:
            UsageError: there is no such run, or it never began.
            LedgerError: its first page is not understood.
            StoreError: the ledger cannot be read.
        """
        if self._submission is None:
            content = self.store.get(submission_key(self.run_id))
            if content is None:
                raise UsageError(
                    f"the run {self.run_id} has not begun",
                    why=f"there is no {submission_key(self.run_id)} in {self.store.url}",
                    hint="Submit it again: what is in the ledger already is kept.",
                )
            self._submission = _validated(Submission, content, submission_key(self.run_id), self.store)
        return self._submission

    def names(self) -> Names:
        """What is in the ledger: one listing, and of a run that was called off the mark that says so.

        Raises:
            StoreError: the store cannot be listed.
        """
        prefix = run_prefix(self.run_id)
        entries = list(self.store.listing(prefix))
        names = read_names(entries, prefix, self.store.now())
        if names.marked:
            names.called_off = Ledger(self.store, self.run_id).called_off()
        return names

    def state(self) -> RunState:
        """How the run stands.

        Raises:
            UsageError: there is no such run.
            StoreError: the ledger cannot be read.
        """
        submission, names = self.submission(), self.names()
        keys = [entry.key for signs in names.tasks.values() for entry in signs.reports.values()]
        new = [key for key in keys if key not in self._outcomes]
        if new:
            with ThreadPoolExecutor(min(_READERS, len(new))) as pool:
                self._outcomes.update(zip(new, pool.map(self._read_outcomes, new), strict=True))
        return run_state(submission, names, self._outcomes)

    def plan(self) -> Plan:
        """All that was found when the run was planned.

        Raises:
            StoreError: it cannot be read, or is not there.
        """
        return _validated(Plan, self._required(plan_key(self.run_id)), plan_key(self.run_id), self.store)

    def task(self, task_id: str) -> Task:
        """One task.

        Raises:
            StoreError: it cannot be read, or is not there.
        """
        key = task_key(self.run_id, task_id)
        return _validated(Task, self._required(key), key, self.store)

    def _read_outcomes(self, key: str) -> tuple[Outcome, ...]:
        return _validated(Report, self._required(key), key, self.store).outcomes

    def _required(self, key: str) -> bytes:
        content = self.store.get(key)
        if content is None:
            raise StoreError(f"{key} is not in {self.store.url}", why="it was there a moment ago", hint="Try again.")
        return content


def run_ids(store: Store) -> tuple[str, ...]:
    """All runs that a store has a ledger of.

    Raises:
        StoreError: the store cannot be listed.
    """
    return tuple(store.folders(RUNS))


def find_runs(store: Store, text: str) -> tuple[str, ...]:
    """Runs whose id begins with `text`, or whose digits at the end do; exactly one if it is a whole id.

    The store is not listed for a whole id of a run that has begun.

    Raises:
        StoreError: the store cannot be listed.
    """
    if _WHOLE_ID.fullmatch(text) and store.exists(submission_key(text)):
        return (text,)
    every = run_ids(store)
    if text in every:
        return (text,)
    return tuple(one for one in every if text and (one.startswith(text) or one.rpartition("-")[2].startswith(text)))


def _validated(kind: type[_Kind], content: bytes, key: str, store: Store) -> _Kind:
    try:
        return kind.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise LedgerError(
            f"{key} in {store.url} is not understood",
            why=f"{'.'.join(map(str, first['loc'])) or 'it'}: {first['msg']}",
            hint="It was written by another version of glacierctl: use that one, or submit again.",
        ) from error
