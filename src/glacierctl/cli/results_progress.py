"""How far reading and copying of results is: bars on a terminal, lines anywhere else. All on stderr."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from glacierctl.cli import show
from glacierctl.results.sync import ProductOutcome, State

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress


@contextmanager
def counted(what: str, total: int) -> Iterator[Callable[[], None]]:
    """Show how many of `total` are done; what is yielded is called after each, from any thread."""
    console = show.talk_console()
    if console is None or not total:
        if total:
            show.say(f"{what}: {total}")
        yield lambda: None
        return
    with _bars(console) as bars:
        task = bars.add_task(what, total=total)
        yield lambda: bars.advance(task)


class CopyWatcher(Protocol):
    """Told how copying goes."""

    def arrived(self, count: int) -> None:
        """So many bytes more; from any thread."""

    def ended(self, outcome: ProductOutcome) -> None:
        """A product has come to an end."""


@contextmanager
def watch_copying(products: int) -> Iterator[CopyWatcher]:
    """Show the progress of copying so many products."""
    console = show.talk_console()
    if console is None:
        yield _Lines(products)
        return
    with _bars(console, "{task.fields[note]}") as bars:
        yield _CopyBar(bars, console, products)


@contextmanager
def watch_writing(name: str) -> Iterator[Callable[[int, int], None]]:
    """Show how many pieces of a stack are written."""
    console = show.talk_console()
    if console is None:
        show.say(f"Writing {name}")
        yield lambda _done, _total: None
        return
    with _bars(console) as bars:
        task = bars.add_task(name, total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total)


def product_line(outcome: ProductOutcome) -> str:
    """One line for one product; empty if nothing happened to it."""
    failed, new = outcome.having(State.FAILED), outcome.having(State.COPIED, State.NEW)
    size = show.format_bytes(sum(file.size for file in new))
    did = [f"{show.counted(len(new), 'file')} {new[0].state}, {size}"] if new else []
    did += [f"{len(failed)} FAILED"] if failed else []
    return f"{outcome.region} {outcome.name}: {', '.join(did)}" if did else ""


class _Lines:
    """For logs and pipes."""

    def __init__(self, products: int) -> None:
        self._total = products
        self._ended = 0

    def arrived(self, count: int) -> None:
        """Bars only."""

    def ended(self, outcome: ProductOutcome) -> None:
        self._ended += 1
        line = product_line(outcome)
        if line:
            show.say(f"[{self._ended}/{self._total}] {line}")


class _CopyBar:
    """For terminals: products of all, and bytes with their rate."""

    def __init__(self, bars: "Progress", console: "Console", products: int) -> None:
        self._bars = bars
        self._console = console
        self._products = bars.add_task("products", total=products, note="")
        self._began_at = time.monotonic()
        self._bytes = 0
        self._lock = threading.Lock()

    def arrived(self, count: int) -> None:
        with self._lock:
            self._bytes += count
            rate = self._bytes / max(time.monotonic() - self._began_at, 1e-3)
            note = f"{show.format_bytes(self._bytes)}, {show.format_bytes(rate)}/s"
        self._bars.update(self._products, note=note)

    def ended(self, outcome: ProductOutcome) -> None:
        from rich.text import Text

        line = product_line(outcome)
        if line:
            self._console.print(Text(line, style="bold red" if outcome.having(State.FAILED) else "green"))
        self._bars.advance(self._products)


def _bars(console: "Console", *columns: str) -> "Progress":
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn

    return Progress(
        "{task.description}",
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        *columns,
        TimeElapsedColumn(),
        console=console,
        transient=True,
    )
