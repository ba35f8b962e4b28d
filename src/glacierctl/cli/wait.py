"""`glacierctl wait`: a run followed to its end, whatever the network does meanwhile."""

import time
from collections.abc import Callable
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

import typer

from glacierctl.cli import ledgers, show
from glacierctl.cli.status import counts_line, show_state
from glacierctl.errors import GlacierctlError, StoreError, StoreLoginError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.progress import Progress
    from rich.text import Text

    from glacierctl.runs.reader import LedgerReader
    from glacierctl.runs.state import RunState

_FAILED = 1
_POLL_S = 5.0
"""Between two looks at the ledger."""
_LONGEST_PAUSE_S = 60.0
"""Between two looks while the store does not answer."""
_PATIENCE_S = 30 * 60
"""A store that has not answered for so long is given up."""


class InterruptedRunError(GlacierctlError):
    """Whoever handed the run over has stopped half-way, so that it will not end by itself."""


def wait(*, run: ledgers.RunArgument, output: ledgers.LedgerOption = None, as_json: show.Json = False) -> None:
    """Wait for the end of a run, and show how it stands then.

    A bar shows how far it is and about how long it will take. Errors of the network and of S3 do not end the wait, a
    login that has expired does. Exits 1 if any acquisition failed. Ctrl-C ends the wait, not the run.

    Examples:
      glacierctl wait 4f1d
    """
    from glacierctl.config import current_settings

    wait_for(ledgers.find_run(current_settings({"output": output}), run), as_json=as_json)


def wait_for(reader: "LedgerReader", *, as_json: bool) -> None:
    """Wait for the end of a run, and show how it stands then.

    Raises:
        typer.Exit: with 1, if any acquisition failed or was lost.
        InterruptedRunError: it will not end by itself.
        StoreError: the store has not answered for half an hour, or not once; or one has to log in again.
    """
    from glacierctl.runs.state import State

    with _watch() as watcher, ledgers.going_on(reader):
        state = follow(reader, watcher.show, watcher.trouble)
    show_state(state, as_json=as_json)
    if state.counts()[State.FAILED] or state.counts()[State.LOST]:
        raise typer.Exit(_FAILED)


def follow(
    reader: "LedgerReader",
    on_state: "Callable[[RunState, float], None]",
    on_trouble: Callable[[StoreError], None],
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> "RunState":
    """Look at a run again and again until it has ended; how it stands then.

    Args:
        reader: of its ledger.
        on_state: told how it stands, and for how many seconds it was followed.
        on_trouble: told when the store does not answer.
        clock: seconds.
        sleep: waits so many.

    Raises:
        InterruptedRunError: some of its tasks are left, and nobody is at it.
        StoreError: the store has not answered for half an hour, or not once; or one has to log in again.
    """
    began = clock()
    state = reader.state()
    pause_s, last_answer = _POLL_S, clock()
    while True:
        on_state(state, clock() - began)
        _require_going_on(state)
        if state.settled:
            return state
        sleep(pause_s)
        try:
            state, pause_s, last_answer = reader.state(), _POLL_S, clock()
        except StoreError as error:
            if isinstance(error, StoreLoginError) or clock() - last_answer > _PATIENCE_S:
                raise
            on_trouble(error)
            pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)


def seconds_left(done_before: int, done: int, total: int, elapsed_s: float) -> float | None:
    """About how long it will take, by how fast it went since it is followed; None if that is not known yet."""
    if done <= done_before or elapsed_s <= 0:
        return None
    return elapsed_s / (done - done_before) * (total - done)


def _require_going_on(state: "RunState") -> None:
    if state.stuck:
        raise InterruptedRunError(
            f"the run {state.run_id} will not end by itself",
            why=f"{len(state.not_begun)} of its {len(state.submission.tasks)} tasks are left, and nobody is at them",
            hint=f"Go on with: glacierctl resume {state.run_id}",
        )


class _Watcher(Protocol):
    """Told how a run stands."""

    def show(self, state: "RunState", elapsed_s: float) -> None:
        """A look at the ledger was taken."""

    def trouble(self, error: StoreError) -> None:
        """The store did not answer."""


@contextmanager
def _watch() -> "Iterator[_Watcher]":
    """A bar on a terminal; anywhere else a line whenever the counts have changed."""
    console = show.talk_console()
    if console is None:
        yield _Lines()
        return
    from rich.console import Group
    from rich.live import Live
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
    from rich.text import Text

    bars = Progress(
        BarColumn(bar_width=24), MofNCompleteColumn(), TextColumn("{task.fields[left]}"), TimeElapsedColumn()
    )
    said = Text("waiting")
    with Live(Group(said, bars), console=console, transient=True):
        yield _Bar(said, bars)


class _Lines:
    def __init__(self) -> None:
        self._said = ""
        self._before: int | None = None

    def show(self, state: "RunState", elapsed_s: float) -> None:
        done, total = _done(state)
        self._before = done if self._before is None else self._before
        line = counts_line(state)
        if line != self._said:
            self._said = line
            show.say(line + _left(seconds_left(self._before, done, total, elapsed_s)))

    def trouble(self, error: StoreError) -> None:
        self._said = ""
        show.say(f"Still waiting: {error.why}.")


class _Bar:
    """Counts, or what is in the way, in a line of their own: a terminal need not be wider than a bar."""

    def __init__(self, said: "Text", bars: "Progress") -> None:
        self._said = said
        self._bars = bars
        self._bar = bars.add_task("", total=None, left="")
        self._before: int | None = None

    def show(self, state: "RunState", elapsed_s: float) -> None:
        done, total = _done(state)
        self._before = done if self._before is None else self._before
        left = _left(seconds_left(self._before, done, total, elapsed_s)).removeprefix(", ")
        self._said.plain = counts_line(state)
        self._bars.update(self._bar, completed=done, total=total, left=left)

    def trouble(self, error: StoreError) -> None:
        self._said.plain = f"Still waiting: {error.why}."


def _done(state: "RunState") -> tuple[int, int]:
    from glacierctl.runs.state import State

    counts = state.counts()
    total = sum(counts.values())
    return total - counts[State.PENDING] - counts[State.RUNNING], total


def _left(seconds: float | None) -> str:
    return "" if seconds is None or seconds == 0 else f", about {show.format_seconds(seconds)} left"
