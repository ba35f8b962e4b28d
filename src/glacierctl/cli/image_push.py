"""How far a push is: a bar for each layer on a terminal, a line for each layer anywhere else. All on stderr."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from glacierctl.cli import show

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from glacierctl.image.registry import LayerProgress

_ENDS = ("Pushed", "Layer already exists", "Mounted from")
"""How Docker says that a layer is there."""


@contextmanager
def show_push(reference: str) -> Iterator[Callable[["LayerProgress"], None]]:
    """Show a push while the context lasts; what it yields is told how far each layer is."""
    show.say(f"Pushing to {reference}")
    console = show.talk_console()
    if console is None:
        yield _Lines().add
        return
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        DownloadColumn(),
        TransferSpeedColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=console, transient=True) as bars:
        yield _Bars(bars).add


class _Lines:
    """For logs and pipes."""

    def __init__(self) -> None:
        self._ended: set[str] = set()

    def add(self, progress: "LayerProgress") -> None:
        if progress.state.startswith(_ENDS) and progress.layer not in self._ended:
            self._ended.add(progress.layer)
            show.say(f"layer {progress.layer}: {progress.state.lower()}")


class _Bars:
    """For terminals."""

    def __init__(self, bars: "Progress") -> None:
        self._bars = bars
        self._layers: dict[str, TaskID] = {}

    def add(self, progress: "LayerProgress") -> None:
        layer = self._layers.get(progress.layer)
        if layer is None:
            layer = self._bars.add_task(f"layer {progress.layer}", total=None, note="")
            self._layers[progress.layer] = layer
        total = progress.total_bytes or None
        if progress.state.startswith(_ENDS):
            known = self._bars.tasks[self._bars.task_ids.index(layer)].total or 1
            self._bars.update(layer, total=known, completed=known, note=progress.state.lower())
        elif total is not None:
            # What is sent may pass the total a little, for Docker counts the packed archive then.
            self._bars.update(layer, total=total, completed=min(progress.done_bytes, total), note="")
