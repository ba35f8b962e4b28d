"""Ledgers of runs, made as the program makes them, in any state that a run can be in."""

import datetime as dt
from collections.abc import Sequence

from tests.support.items import sentinel2_item

from glacierctl.model import Acquisition, Failed, Outcome, Plan, Product, Region, Request, Skipped, Task, Usage
from glacierctl.planning.catalog import Found
from glacierctl.planning.plan import make_plan
from glacierctl.planning.tasks import run_id, tasks
from glacierctl.runs.ledger import Ledger
from glacierctl.runs.submission import Binding, new_submission
from glacierctl.storage import Store

NOW = dt.datetime(2024, 8, 15, 12, tzinfo=dt.UTC)
"""When the tests plan."""
BINDING = Binding(
    function="worker", version="7", aws_region="us-west-2", memory_mb=2048, timeout_s=900, architecture="x86_64"
)
"""A function that runs are handed to."""


def plan(regions: int = 3, days: int = 2) -> Plan:
    """A plan of so many small regions, `r000`, `r001` ..., all under tile 19XEG, with one acquisition each day."""
    boxes = [(-541_690.0 + 1000 * (n % 10), -1_232_300.0 + 1000 * (n // 10)) for n in range(regions)]
    request = Request(
        satellite="sentinel2",
        regions=tuple(
            Region(name=f"r{n:03}", bounds=(x, y, x + 900, y + 900), tiles=("19XEG",)) for n, (x, y) in enumerate(boxes)
        ),
        start=dt.date(2024, 7, 1),
        end=dt.date(2024, 7, 31),
        catalog="memory",
        collection="sentinel-2-l2a",
    )
    items = [
        sentinel2_item(
            tile="19XEG",
            sensed_at=dt.datetime(2024, 7, day, 15, 14, tzinfo=dt.UTC),
            nir_href=f"/{day}.tif",
            scl_href=None,
        )
        for day in range(1, days + 1)
    ]
    return make_plan(request, _Memory(items), NOW)


def begin(store: Store, made: Plan, *, binding: Binding | None = BINDING) -> tuple[Ledger, tuple[Task, ...]]:
    """Write the first pages of a run's ledger."""
    todo = tasks(made, store.url)
    ledger = Ledger(store, run_id(made))
    ledger.open(made, todo, new_submission(made, todo, ledger.run_id, store.url, NOW, binding=binding))
    return ledger, todo


def report(ledger: Ledger, task: Task, *words: str) -> None:
    """Write a report whose outcomes are `product`, `failed`, or a reason for skipping, in the order of the task."""
    ended = [outcome(task, one, word) for one, word in zip(task.acquisitions, words, strict=False)]
    ledger.report(task, ended, NOW, NOW)


def outcome(task: Task, acquisition: Acquisition, word: str) -> Outcome:
    """What an acquisition came to, by one word."""
    region, product = task.region.name, acquisition.product
    if word == "product":
        return Product(region=region, product=product, key="k.tif", coverage=1.0, cloud_share=None, usage=Usage())
    if word == "failed":
        return Failed(region=region, product=product, what="it cannot be read", why="S3 says no", hint="Try again.")
    return Skipped(region=region, product=product, reason=word, detail=f"because of {word}")


class _Memory:
    """A catalogue of these items."""

    href = "memory"

    def __init__(self, items: Sequence[object]) -> None:
        self._items = tuple(items)

    def search(self, *_: object, **__: object) -> Found:
        return Found(self._items, len(self._items), 1)
