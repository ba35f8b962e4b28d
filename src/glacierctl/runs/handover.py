"""Handing a run's tasks over: each once, by one process at a time, from wherever it was interrupted."""

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager

from glacierctl.errors import GlacierctlError
from glacierctl.model import Task
from glacierctl.runs.events import event_of
from glacierctl.runs.leases import LAPSE_S, Lease, beating, take_lease
from glacierctl.runs.ledger import Ledger
from glacierctl.runs.signs import HANDOVER
from glacierctl.runs.submission import Binding
from glacierctl.storage import Store

THREADS = 32
"""That hand tasks over at once."""


class BusyError(GlacierctlError):
    """Somebody else is handing over the same run."""


@contextmanager
def handover_lease(store: Store, run_id: str) -> Iterator[Lease]:
    """Be the only one who hands over a run's tasks, while the context lasts.

    Raises:
        BusyError: somebody else is.
        StoreError: the ledger cannot be written to.
    """
    lease = take_lease(store, run_id, HANDOVER)
    if lease is None:
        raise BusyError(
            f"the run {run_id} is being handed over by somebody else",
            why="another process has shown itself within the last half minute",
            hint=f"Follow it with `glacierctl wait {run_id}`. If that process has died, try again in {LAPSE_S:.0f} s.",
        )
    with beating(lease):
        yield lease


def hand_over(
    tasks: Iterable[tuple[Task, int]],
    ledger: Ledger,
    deliver: Callable[[bytes, threading.Event], bool],
    lease: Lease,
    *,
    binding: Binding | None = None,
    on_handed: Callable[[], None] = lambda: None,
) -> None:
    """Deliver tasks, and note each as soon as it is delivered.

    Killed between the two, a task is delivered again by whoever goes on: workers see to it that it is done once.

    Args:
        tasks: each with the number of times that it will have been handed over.
        ledger: of the run; the tasks are in it.
        deliver: hands an event to the service, and tells whether the service has it. It gives up as soon as
            the flag that it is given, too, is set.
        lease: held; when it is lost nothing more is delivered.
        binding: the version of a function that `deliver` hands to, to be noted.
        on_handed: told after each.

    Raises:
        BusyError: the lease was lost.
        GlacierctlError: whatever `deliver` raises. What was delivered is noted.
    """
    stop = threading.Event()

    def hand(task: Task, number: int) -> None:
        if stop.is_set():
            return
        if not lease.is_held:
            raise _lease_lost(ledger.run_id)
        try:
            if not deliver(event_of(task), stop):
                return
            ledger.hand(task.task_id, number, binding)
        except GlacierctlError:
            stop.set()
            raise
        on_handed()

    with ThreadPoolExecutor(THREADS) as pool:
        try:
            futures = [pool.submit(hand, *one) for one in tasks]
            wait(futures, return_when=FIRST_EXCEPTION)
        finally:
            stop.set()  # at Ctrl-C, what the service does not have yet is left to whoever goes on
    for future in futures:
        future.result()


def _lease_lost(run_id: str) -> BusyError:
    return BusyError(
        f"handing over the run {run_id} was stopped",
        why="the store did not answer for half a minute, so that somebody else may have taken it over",
        hint=f"`glacierctl resume {run_id}` hands over the rest.",
    )
