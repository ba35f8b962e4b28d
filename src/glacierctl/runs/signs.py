"""Signs of life in a ledger: what the names, sizes and times of its keys show, without reading any of them."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from glacierctl.runs.called_off import CalledOff
from glacierctl.runs.leases import Beat, lease_number
from glacierctl.storage import Entry

HANDOVER = "handover"
"""Name of the lease that whoever hands tasks over holds."""


@dataclass
class Signs:
    """What the names in a ledger show of one task."""

    handed_at: dt.datetime | None = None
    """When it was last handed over."""
    handed: int = 0
    """How often it was."""
    beat: Beat | None = None
    """Of the worker that has it, or had it last."""
    beat_at: dt.datetime | None = None
    """When that one last showed that it is alive."""
    reports: dict[int, Entry] = field(default_factory=dict)
    """Reports by the number of their attempt."""

    def last(self) -> dt.datetime | None:
        """The last sign of life."""
        times = [self.handed_at, self.beat_at, *(entry.modified for entry in self.reports.values())]
        return max((time for time in times if time), default=None)

    def reports_since_handed(self) -> list[Entry]:
        """Reports of the attempts since the task was last handed over."""
        since = self.handed_at
        return [entry for entry in self.reports.values() if since is None or entry.modified >= since]


@dataclass
class Names:
    """A ledger by one listing of it."""

    now: dt.datetime
    """The time, by the store's clock."""
    tasks: dict[str, Signs] = field(default_factory=dict)
    """Signs of each task that there are any of, by its id."""
    handover: Beat | None = None
    """Of whoever hands tasks over."""
    marked: bool = False
    """Whether there is a mark that something was called off, to be read."""
    called_off: CalledOff | None = None
    """What that says."""

    def last_sign(self) -> dt.datetime | None:
        """The last sign of life of any task."""
        times = [signs.last() for signs in self.tasks.values()]
        return max((time for time in times if time), default=None)


def read_names(entries: Iterable[Entry], prefix: str, now: dt.datetime) -> Names:
    """Understand the listing of a ledger.

    Args:
        entries: all below `prefix`.
        prefix: of the run, with the slash at its end.
        now: the time by the store's clock, when it was listed.
    """
    names = Names(now)
    for entry in entries:
        match entry.key.removeprefix(prefix).split("/"):
            case ["cancelled"]:
                names.marked = entry.size > 0
            case [_, _, name] if not PurePosixPath(name).stem.isdecimal():
                continue  # somebody else's file
            case ["handed", task_id, _]:
                _note_handed(names.tasks.setdefault(task_id, Signs()), entry)
            case ["leases", name, _] if name == HANDOVER:
                names.handover = _later(names.handover, entry, now)
            case ["leases", task_id, _]:
                _note_beat(names.tasks.setdefault(task_id, Signs()), entry, now)
            case ["reports", task_id, _]:
                names.tasks.setdefault(task_id, Signs()).reports[int(PurePosixPath(entry.key).stem)] = entry
    return names


def _note_handed(signs: Signs, entry: Entry) -> None:
    signs.handed += 1
    signs.handed_at = max(signs.handed_at or entry.modified, entry.modified)


def _note_beat(signs: Signs, entry: Entry, now: dt.datetime) -> None:
    later = _later(signs.beat, entry, now)
    if later is not signs.beat:
        signs.beat, signs.beat_at = later, entry.modified


def _later(known: Beat | None, entry: Entry, now: dt.datetime) -> Beat:
    number = lease_number(entry.key)
    if known and known.number > number:
        return known
    return Beat(number, entry.size == 0, (now - entry.modified).total_seconds())
