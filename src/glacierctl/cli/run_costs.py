"""What runs used: their invocations by the logs, their products by the store."""

import datetime as dt
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from glacierctl.aws.prices import prices_of
from glacierctl.choices import Architecture
from glacierctl.cli import ledgers
from glacierctl.cli.run_logs import find_run_log, open_log

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from glacierctl.aws.costs import SceneCost, SceneKey
    from glacierctl.aws.log_events import Event
    from glacierctl.aws.log_invocations import Invocation
    from glacierctl.aws.prices import Prices
    from glacierctl.config import Settings
    from glacierctl.runs.reader import LedgerReader
    from glacierctl.runs.submission import Binding, Submission
    from glacierctl.storage import Store

_READERS = 16
"""Threads that list stores and read ledgers: a store far away takes a moment for each."""


@dataclass(frozen=True, kw_only=True)
class RunUsage:
    """What one run used."""

    page: "Submission"
    """What it began with, its estimate included."""
    scenes: "dict[SceneKey, SceneCost]"
    """What every acquisition used, region by region, in alphabetical order."""
    running: int = 0
    """Invocations that have not ended: what they use is not counted yet."""
    without_log: int = 0
    """Tasks that have a report in the ledger and no line in the log, which is not kept for ever."""

    @property
    def prices(self) -> "Prices":
        """Of the AWS region it ran in."""
        return prices_of(self.page.binding.aws_region if self.page.binding else "")

    @property
    def architecture(self) -> Architecture:
        """Of the function it was handed to."""
        return Architecture(self.page.binding.architecture) if self.page.binding else Architecture.X86_64

    @property
    def scene_count(self) -> int:
        """How many acquisitions were brought to an end."""
        return count_scenes(self.scenes.values())

    def by_region(self) -> "dict[str, list[SceneCost]]":
        """What was used, region by region, in alphabetical order."""
        regions: dict[str, list[SceneCost]] = {}
        for key, one in self.scenes.items():
            regions.setdefault(key.region, []).append(one)
        return regions


@dataclass(frozen=True, kw_only=True)
class AllUsage:
    """What functions were used for."""

    functions: tuple[str, ...]
    """Their names: that of the settings first, then those that other runs were handed to."""
    without_log: tuple[str, ...]
    """Those of them whose log is not there."""
    prices: "Prices"
    """Of the AWS region of the settings."""
    runs: "tuple[RunUsage, ...]"
    """Run by run, in order of time."""
    rest: "dict[SceneKey, SceneCost]"
    """Of invocations whose run is not known: it never said, or its ledger is gone."""


def run_usage(settings: "Settings", text: str, now: dt.datetime) -> RunUsage:
    """What the run that `text` means has used so far.

    Raises:
        UsageError: no run is meant, or several, or one of this machine.
        StoreError: its ledger or its products cannot be listed.
        AwsError: the log cannot be read.
    """
    from glacierctl.aws.costs import share_out

    found = find_run_log(settings, text)
    _, events = open_log(settings, found.binding)
    every, running = _invocations(events.read(found.since, found.until(now)))
    own = [one for one in every if one.origin.run_id == found.reader.run_id]
    reported = {task for task, signs in found.reader.names().tasks.items() if signs.reports}
    return RunUsage(
        page=found.reader.submission(),
        scenes=dict(sorted(share_out(own, product_sizes(found.reader.store, own)).items(), key=_by_name)),
        running=sum(run_id == found.reader.run_id for run_id in running),
        without_log=len(reported - {task for one in own for task in one.task_ids}),
    )


def all_usage(settings: "Settings", since: dt.datetime, *, one_function: bool = False) -> AllUsage:
    """What functions were used for since then: that of the settings, and every other that a known run was handed to.

    Args:
        settings: whose function, and where ledgers are.
        since: inclusive.
        one_function: leave out the other functions.

    Raises:
        NotFound: none of them has a log.
        StoreError: ledgers or products cannot be listed.
        AwsError: a log cannot be read.
    """
    from glacierctl.aws.costs import share_out

    readers = _begun(settings)
    bindings = () if one_function else _other_functions(readers.values(), settings)
    by_run, without_log = _by_run(settings, (None, *bindings), since)
    runs = [
        RunUsage(page=page, scenes=share_out(own, product_sizes(reader.store, own)))
        for reader, page in readers.items()
        if (own := by_run.pop(reader.run_id, []))
    ]
    rest = [one for some in by_run.values() for one in some]
    return AllUsage(
        functions=(settings.function_name, *(one.function for one in bindings)),
        without_log=without_log,
        prices=prices_of(settings.aws_region),
        runs=tuple(sorted(runs, key=lambda run: run.page.submitted_at)),
        rest=share_out(rest, {}),
    )


def _by_name(scene: "tuple[SceneKey, SceneCost]") -> tuple[str, str]:
    return scene[0].region, scene[0].product or ""


def _begun(settings: "Settings") -> "dict[LedgerReader, Submission]":
    """First pages of all known runs that have begun."""

    def read(reader: "LedgerReader") -> "tuple[LedgerReader, Submission] | None":
        page = ledgers.first_page(reader)
        return (reader, page) if page else None

    with ThreadPoolExecutor(_READERS) as pool:
        return dict(filter(None, pool.map(read, ledgers.known_runs(settings))))


def _other_functions(pages: "Iterable[Submission]", settings: "Settings") -> "tuple[Binding, ...]":
    """One run's binding for each function that is not the settings' own."""
    found = {(one.function, one.aws_region): one for page in pages if (one := page.binding)}
    found.pop((settings.function_name, settings.aws_region), None)
    return tuple(found[key] for key in sorted(found))


def _by_run(
    settings: "Settings", bindings: "Iterable[Binding | None]", since: dt.datetime
) -> "tuple[dict[str | None, list[Invocation]], tuple[str, ...]]":
    """(invocations by their run, functions without a log); the binding None is the settings' function."""
    from glacierctl.aws.errors import NotFound

    by_run: dict[str | None, list[Invocation]] = {}
    missing: dict[str, NotFound] = {}
    every = tuple(bindings)
    for binding in every:
        _, events = open_log(settings, binding)
        try:
            for one in _invocations(events.read(since))[0]:
                by_run.setdefault(one.origin.run_id, []).append(one)
        except NotFound as error:
            missing[binding.function if binding else settings.function_name] = error
    if len(missing) == len(every):
        raise next(iter(missing.values()))
    return by_run, tuple(missing)


def count_scenes(costs: "Iterable[SceneCost]") -> int:
    """How many of these are acquisitions that were brought to an end."""
    return sum(one.outcome is not None for one in costs)


def product_sizes(store: "Store", invocations: "Iterable[Invocation]") -> dict[str, int]:
    """Bytes of the files of the products that invocations made, by the key of each image.

    Raises:
        StoreError: the store cannot be listed.
    """
    keys = {ended.key for one in invocations for ended in one.ended if ended.key}
    folders = sorted({key.rpartition("/")[0] + "/" for key in keys})
    sizes = dict.fromkeys(keys, 0)
    if not folders:
        return sizes
    with ThreadPoolExecutor(min(_READERS, len(folders))) as pool:
        listings = pool.map(lambda folder: list(store.listing(folder)), folders)
        for entry in (entry for listing in listings for entry in listing):
            image = str(PurePosixPath(entry.key).with_suffix(".tif"))
            if image in sizes:
                sizes[image] += entry.size
    return sizes


def _invocations(pages: "Iterator[list[Event]]") -> "tuple[list[Invocation], list[str | None]]":
    """Those that are over, and the runs of those that are not."""
    from glacierctl.aws.attribution import Attribution
    from glacierctl.aws.log_invocations import Invocations

    attribution, gathered = Attribution(), Invocations()
    over = [one for page in pages for one in gathered.take(attribution.take(page))]
    over += gathered.take(attribution.rest())
    return over, gathered.running
