"""Where the log lines of a run are: in the log of the function it was handed to, from its submission to its end."""

import datetime as dt
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from glacierctl.cli import deployment, ledgers
from glacierctl.errors import StoreError, UsageError

if TYPE_CHECKING:
    from glacierctl.aws.log_events import LogEvents
    from glacierctl.config import Settings
    from glacierctl.runs.reader import LedgerReader
    from glacierctl.runs.state import RunState
    from glacierctl.runs.submission import Binding

_SKEW = dt.timedelta(minutes=10)
"""By so much the clock of whoever submitted may be fast."""
_LONGEST_SILENCE = dt.timedelta(hours=7)
"""Lambda keeps an event for six hours; so long after its last sign of life a run writes nothing more."""
_ATTEMPTS = 1
"""A request that fails in passing is ours to repeat: sooner than botocore would, and with more patience."""
_LOOKS = 5
"""The ledger is asked with every so many looks at the log."""


@dataclass(frozen=True)
class RunLog:
    """A run, and where its log lines are."""

    reader: "LedgerReader"
    """Its ledger."""
    binding: "Binding"
    """The function that it was handed to."""
    since: dt.datetime
    """Before its first line."""

    def until(self, now: dt.datetime) -> dt.datetime | None:
        """After its last line; None while there may be more.

        Raises:
            StoreError: its ledger cannot be listed.
        """
        last = self.reader.names().last_sign()
        end = last + _LONGEST_SILENCE if last else now
        return end if end < now else None


def find_run_log(settings: "Settings", text: str) -> RunLog:
    """The log of the run that `text` means.

    Raises:
        UsageError: no run is meant, or several, or one of this machine.
        StoreError: its ledger cannot be read.
    """
    reader = ledgers.find_run(settings, text)
    page = reader.submission()
    if page.binding is None:
        raise UsageError(
            f"the run {reader.run_id} has no log on AWS",
            why="it was made on one's own machine",
            hint=f"`glacierctl status {reader.run_id}` tells what became of it.",
        )
    return RunLog(reader, page.binding, page.submitted_at - _SKEW)


def open_log(settings: "Settings", binding: "Binding | None") -> "tuple[str, LogEvents]":
    """(name, events) of a function's log group: that which a run was handed to, or that of the settings."""
    from glacierctl.aws.log_events import LogEvents
    from glacierctl.aws.session import Patience, connect

    names = deployment.names_in(settings, account="")
    if binding:
        names = replace(names, function=binding.function, aws_region=binding.aws_region)
    aws = replace(connect(names.aws_region, Patience()), retries=_ATTEMPTS)
    return names.log_group, LogEvents(aws, names.log_group, sleep=time.sleep)


class EndOfRun:
    """Tells whether a run has ended, by its ledger; what cannot be read for the moment is asked for again."""

    def __init__(self, reader: "LedgerReader") -> None:
        self._reader = reader
        self._looks = 0
        self.state: RunState | None = None
        """How the run stands, as far as was asked."""

    def __call__(self) -> bool:
        """Whether nothing more will happen unless somebody asks."""
        if not self._is_over() and self._looks % _LOOKS == 0:
            try:
                self.state = self._reader.state()
            except StoreError:
                return False
        self._looks += 1
        return self._is_over()

    def _is_over(self) -> bool:
        return self.state is not None and (self.state.settled or self.state.stuck)
