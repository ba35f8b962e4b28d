"""The mark in a ledger that a run was called off, all of it or some of its tasks."""

import datetime as dt

from pydantic import ValidationError

from glacierctl.model import PathSafe, UtcDatetime, Value


class CalledOff(Value):
    """What is not to be done any more."""

    cancelled_at: UtcDatetime
    """When it was called off, by the clock of whoever did."""
    tasks: tuple[PathSafe, ...] | None = None
    """These tasks; none named for the whole run."""

    def holds(self, task_id: str) -> bool:
        """Whether a task is called off."""
        return self.tasks is None or task_id in self.tasks


def read_mark(content: bytes | None) -> CalledOff | None:
    """Understand the mark; none if nothing is called off: it is not there, or was emptied."""
    if not content:
        return None
    try:
        return CalledOff.model_validate_json(content)
    except ValidationError:
        # somebody set it by hand, or a newer version did: to do nothing is what can be undone
        return CalledOff(cancelled_at=dt.datetime.min.replace(tzinfo=dt.UTC))
