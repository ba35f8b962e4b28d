"""A plan carried out on this machine."""

import datetime as dt
import resource
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from glacierctl import __version__
from glacierctl.aws.objects import S3Getter
from glacierctl.cli.progress import Watcher, watch
from glacierctl.config import Settings
from glacierctl.model import Failed, Outcome, Plan, Product, Skipped, Task, Usage
from glacierctl.planning.tasks import run_id, tasks
from glacierctl.processing.getters import HttpGetter, LocalGetter
from glacierctl.processing.heap import give_back_heap
from glacierctl.processing.lineage import combine_lineage
from glacierctl.processing.process import Means, process
from glacierctl.processing.transport import ReadPolicy, Transport
from glacierctl.runs.leases import beating, take_lease
from glacierctl.runs.ledger import Ledger
from glacierctl.runs.made_before import made_before
from glacierctl.runs.signs import HANDOVER
from glacierctl.runs.submission import new_submission
from glacierctl.storage import Store

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


@dataclass(frozen=True)
class LocalRun:
    """What a run came to."""

    run_id: str
    """Id of the run and of its ledger."""
    store_url: str
    """Where products and ledger lie."""
    outcomes: tuple[Outcome, ...]
    """Every acquisition's, in the order of the plan."""
    usage: Usage
    """What it took in all."""
    peak_memory_mb: int
    """Most memory that this process ever had resident, in units of 10^6 bytes."""

    @property
    def products(self) -> tuple[Product, ...]:
        """Those that were made."""
        return tuple(one for one in self.outcomes if isinstance(one, Product))

    @property
    def skipped(self) -> tuple[Skipped, ...]:
        """Those that were not made for a good reason."""
        return tuple(one for one in self.outcomes if isinstance(one, Skipped))

    @property
    def failed(self) -> tuple[Failed, ...]:
        """Those that somebody must look at."""
        return tuple(one for one in self.outcomes if isinstance(one, Failed))


def execute(plan: Plan, store: Store, settings: Settings) -> LocalRun:
    """Do all that is planned, region by region, keep the ledger of it and show how far it is.

    Raises:
        StoreError: the ledger cannot be written.
    """
    todo = tasks(plan, store.url)
    ledger = Ledger(store, run_id(plan))
    transport = new_transport(todo, settings)
    started = time.monotonic()
    outcomes: list[Outcome] = []
    if todo:
        now = dt.datetime.now(dt.UTC)
        ledger.open(plan, todo, new_submission(plan, todo, ledger.run_id, store.url, now))
        ledger.go_on()
        with shown(store, ledger.run_id, HANDOVER):
            outcomes = _carry_out_all(todo, store, ledger, transport, settings, goes_on=False)
    seconds = time.monotonic() - started
    usage = transport.usage.model_copy(update={"seconds": seconds})
    return LocalRun(ledger.run_id, store.url, tuple(outcomes), usage, _peak_memory_mb())


def carry_out(todo: tuple[Task, ...], store: Store, ledger: Ledger, settings: Settings) -> None:
    """Do tasks of a run whose ledger is open, and show how far it is.

    What the run has made is left alone, also where existing products are made anew. What is called off is not begun.

    Raises:
        StoreError: the ledger cannot be written.
    """
    _carry_out_all(todo, store, ledger, new_transport(todo, settings), settings, goes_on=True)


def _carry_out_all(
    todo: tuple[Task, ...], store: Store, ledger: Ledger, transport: Transport, settings: Settings, *, goes_on: bool
) -> list[Outcome]:
    """Do tasks one after the other; where the run goes on, what it made before is not made anew."""
    outcomes: list[Outcome] = []
    with _stop_on_interrupt(transport), watch(sum(len(task.acquisitions) for task in todo)) as watcher:
        for task in todo:
            if ledger.is_cancelled(task.task_id):
                continue
            with shown(store, ledger.run_id, task.task_id):
                means = _means(transport, settings, watcher)
                if goes_on:
                    means = replace(means, kept=made_before(task, ledger, store))
                outcomes += _carry_out(task, store, ledger, means, watcher)
    return outcomes


@contextmanager
def shown(store: Store, run_id: str, name: str) -> Iterator[None]:
    """Let the ledger show that somebody is at work. Nothing is refused: what two do at once, they do the same."""
    lease = take_lease(store, run_id, name)
    with beating(lease) if lease else nullcontext():
        yield


@contextmanager
def _stop_on_interrupt(transport: Transport) -> Iterator[None]:
    """Let Ctrl-C end the reads too, which other threads would else try again while this one waits for them."""
    before = signal.getsignal(signal.SIGINT)

    def interrupt(number: int, frame: FrameType | None) -> None:
        # from a thread of its own, for this one may be inside the very lock that it takes
        threading.Thread(target=transport.stop).start()
        signal.default_int_handler(number, frame)

    if before is not signal.default_int_handler:  # somebody else's business, or ignored as under nohup
        yield
        return
    signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def new_transport(todo: tuple[Task, ...], settings: Settings) -> Transport:
    """Reads what the tasks name. AWS is asked for nothing until a scene lies there."""
    policy = ReadPolicy(
        attempts=settings.read_attempts,
        connect_timeout_s=settings.connect_timeout_s,
        read_timeout_s=settings.read_timeout_s,
    )
    http = HttpGetter(policy, user_agent=f"glacierctl/{__version__}")
    paid = _buckets_that_charge(todo)
    s3 = S3Getter(lambda: _s3_client(settings), requester_pays=paid)
    return Transport({"": LocalGetter(), "http": http, "https": http, "s3": s3}, policy, requester_pays=paid)


def _carry_out(task: Task, store: Store, ledger: Ledger, means: Means, watcher: Watcher) -> list[Outcome]:
    """Process a task; its report is written however that ends."""
    outcomes: list[Outcome] = []
    started_at = dt.datetime.now(dt.UTC)
    watcher.begin(task)
    try:
        with closing(process(task, store, means)) as made:
            for outcome in made:
                outcomes.append(outcome)
                watcher.ended(outcome)
                if ledger.is_cancelled(task.task_id):
                    break
    finally:
        ledger.report(task, outcomes, started_at, dt.datetime.now(dt.UTC))
        combine_lineage(store, task.satellite, task.region.name)
    return outcomes


def _means(transport: Transport, settings: Settings, watcher: Watcher) -> Means:
    return Means(
        transport=transport,
        scratch=Path(tempfile.gettempdir()),
        workers=settings.workers,
        on_progress=watcher.progress,
    )


def _s3_client(settings: Settings) -> "S3Client":
    from glacierctl.aws.session import s3_client

    return s3_client(
        settings.aws_region,
        connect_timeout_s=settings.connect_timeout_s,
        read_timeout_s=settings.read_timeout_s,
    )


def _buckets_that_charge(todo: tuple[Task, ...]) -> set[str]:
    sources = (
        source
        for task in todo
        for acquisition in task.acquisitions
        for scene in acquisition.scenes
        for source in (scene.image, scene.clouds)
        if source and source.requester_pays
    )
    return {source.href.removeprefix("s3://").partition("/")[0] for source in sources}


def forget_peak_memory() -> None:
    """Let a run count from here on: what the program did before is not its. Elsewhere than on Linux nothing happens."""
    give_back_heap()
    with suppress(OSError):  # a container may forbid it; then the peak is that of the whole program
        # https://man7.org/linux/man-pages/man5/proc_pid_clear_refs.5.html
        Path("/proc/self/clear_refs").write_text("5")


def _peak_memory_mb() -> int:
    """Of this program alone: `ru_maxrss` also counts what its parent held when it forked, so Linux is asked better."""
    status = Path("/proc/self/status")
    if status.exists():
        (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return round(int(line.split()[1]) * 1024 / 1e6)
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6)  # macOS counts in bytes
