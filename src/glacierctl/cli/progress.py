"""How far a run is: bars on a terminal, a line for each acquisition anywhere else. All on stderr."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from glacierctl.cli import show
from glacierctl.model import Failed, Outcome, Product, Task
from glacierctl.processing.process import Progress as ChunkProgress

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

_STYLES = {"product": "green", "skipped": "yellow", "failed": "bold red"}


class Watcher(Protocol):
    """Told what happens."""

    def begin(self, task: Task) -> None:
        """A region is taken up."""

    def progress(self, progress: ChunkProgress) -> None:
        """A piece of an acquisition is made."""

    def ended(self, outcome: Outcome) -> None:
        """An acquisition has come to an end."""


@contextmanager
def watch(acquisitions: int) -> Iterator[Watcher]:
    """Show the progress of a run of so many acquisitions."""
    console = show.talk_console()
    if console is None:
        yield _Lines(acquisitions)
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn

    with Progress(
        "{task.description}",
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        "{task.fields[note]}",
        TimeElapsedColumn(),
        console=console,
        transient=True,
    ) as bars:
        yield _Bars(bars, console, acquisitions)


def outcome_line(outcome: Outcome) -> str:
    """One line for one outcome."""
    name = f"{outcome.region} {outcome.product}"
    took = f"{show.format_bytes(outcome.usage.bytes_read)} in {show.format_seconds(outcome.usage.seconds)}"
    if isinstance(outcome, Product):
        clouds = "" if outcome.cloud_share is None else f", cloud {outcome.cloud_share:.0%}"
        return f"{name}: done, coverage {outcome.coverage:.1%}{clouds}, {took}"
    if isinstance(outcome, Failed):
        return f"{name}: FAILED, {outcome.what}: {outcome.why}"
    return f"{name}: skipped ({outcome.reason}), {outcome.detail}"


class _Lines:
    """For logs and pipes."""

    def __init__(self, acquisitions: int) -> None:
        self._total = acquisitions
        self._ended = 0

    def begin(self, task: Task) -> None:
        show.say(f"{task.region.name}: {show.counted(len(task.acquisitions), 'acquisition')}")

    def progress(self, progress: ChunkProgress) -> None:
        """Bars only."""

    def ended(self, outcome: Outcome) -> None:
        self._ended += 1
        show.say(f"[{self._ended}/{self._total}] {outcome_line(outcome)}")


class _Bars:
    """For terminals: all acquisitions, those of the region, and the one at work with its bytes and rate."""

    def __init__(self, bars: "Progress", console: "Console", acquisitions: int) -> None:
        self._bars = bars
        self._console = console
        self._all = bars.add_task("all regions", total=acquisitions, note="")
        self._region = bars.add_task("", total=None, note="", visible=False)
        self._acquisition = bars.add_task("", total=None, note="", visible=False)
        self._product = ""

    def begin(self, task: Task) -> None:
        self._bars.reset(
            self._region, description=task.region.name, total=len(task.acquisitions), visible=True, note="acquisitions"
        )
        self._begin_acquisition()

    def progress(self, progress: ChunkProgress) -> None:
        self._product = progress.product
        read, seconds = progress.usage.bytes_read, max(progress.usage.seconds, 1e-3)
        self._bars.update(
            self._acquisition,
            description=progress.product,
            completed=progress.done,
            total=progress.total,
            note=f"{show.format_bytes(read)}, {show.format_bytes(read / seconds)}/s",
        )

    def ended(self, outcome: Outcome) -> None:
        from rich.text import Text

        self._console.print(Text(outcome_line(outcome), style=_STYLES[outcome.outcome]))
        self._bars.advance(self._region)
        self._bars.advance(self._all)
        if outcome.product == self._product:  # else the next one is being made already
            self._begin_acquisition()

    def _begin_acquisition(self) -> None:
        self._bars.reset(self._acquisition, description="opening", total=None, visible=True, note="")
