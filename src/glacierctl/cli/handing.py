"""A run's tasks handed to whoever does them: what `submit`, `resume` and `retry` have in common."""

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from glacierctl.cli import show

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from glacierctl.aws.hand_over import Invoker, Target
    from glacierctl.config import Settings
    from glacierctl.model import Task
    from glacierctl.runs.leases import Lease
    from glacierctl.runs.reader import LedgerReader
    from glacierctl.runs.submission import Binding


@dataclass(frozen=True)
class Handed:
    """What handing over came to."""

    tasks: int
    """How many tasks were handed over now."""
    before: int
    """How many had been before."""


def hand_over_rest(reader: "LedgerReader", settings: "Settings", known: "Sequence[Task]" = ()) -> Handed:
    """Hand over, or on this machine do, what nobody was told of yet.

    Args:
        reader: of the run.
        settings: how to reach AWS.
        known: tasks that are at hand, so that they need not be read from the ledger.

    Raises:
        BusyError: somebody else is at it.
        AwsError: Lambda refuses.
        StoreError: the ledger cannot be used.
    """
    from glacierctl.runs.handover import handover_lease

    page = reader.submission()
    at_hand = {task.task_id: task for task in known}
    with handover_lease(reader.store, reader.run_id) as lease:
        todo = [(at_hand.get(name) or reader.task(name), 1) for name in reader.state().not_begun]
        if todo:
            deliver_all(reader, todo, settings, lease, page.binding)
    return Handed(len(todo), len(page.tasks) - len(todo))


def deliver_all(
    reader: "LedgerReader",
    todo: "Sequence[tuple[Task, int]]",
    settings: "Settings",
    lease: "Lease",
    binding: "Binding | None",
) -> None:
    """Hand tasks to a version of a function; without one, do them here.

    Args:
        reader: of the run.
        todo: tasks, each with the number of times that it will have been handed over.
        settings: how to reach AWS, or how to work here.
        lease: on handing over, held.
        binding: the version.

    Raises:
        GlacierctlError: see `hand_over_rest`.
    """
    from glacierctl.runs.handover import hand_over
    from glacierctl.runs.ledger import Ledger

    ledger = Ledger(reader.store, reader.run_id)
    if binding is None:
        from glacierctl.cli.local_run import carry_out

        carry_out(tuple(task for task, _ in todo), reader.store, ledger, settings)
        return
    deliver = invoker(binding, settings)
    with _handing_progress(len(todo)) as on_handed:
        hand_over(todo, ledger, deliver, lease, binding=binding, on_handed=on_handed)


def invoker(binding: "Binding", settings: "Settings") -> "Invoker":
    """Hands events to the version that a run is bound to, and to no other."""
    from glacierctl.aws.hand_over import Invoker, invoking_client
    from glacierctl.aws.session import Patience, connect
    from glacierctl.runs.handover import THREADS

    aws = connect(binding.aws_region or settings.aws_region, Patience())
    return Invoker(invoking_client(aws, THREADS), binding.function, binding.version)


def binding_of(target: "Target") -> "Binding":
    """A version of a function, as the ledger has it."""
    from glacierctl.runs.submission import Binding

    return Binding(
        function=target.function,
        version=target.version,
        aws_region=target.aws_region,
        memory_mb=target.memory_mb,
        timeout_s=target.timeout_s,
        architecture=target.architecture,
    )


@contextmanager
def _handing_progress(total: int) -> "Iterator[Callable[[], None]]":
    """A bar on a terminal, a line anywhere else."""
    console = show.talk_console()
    if console is None:
        show.say(f"Handing over {show.counted(total, 'task')}")
        yield lambda: None
        return
    from rich.progress import Progress

    with Progress(console=console, transient=True) as bars:
        bar = bars.add_task("Handing over", total=total)
        yield lambda: bars.advance(bar)
