"""What runs cost, as tables."""

from typing import TYPE_CHECKING

from glacierctl.choices import Architecture
from glacierctl.cli import show
from glacierctl.cli.run_costs import count_scenes
from glacierctl.cli.table import Column

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable

    from glacierctl.aws.costs import SceneCost
    from glacierctl.aws.prices import Prices
    from glacierctl.cli.run_costs import AllUsage, RunUsage

_FIGURES = (
    Column("invocations", numeric=True, spare=6),
    Column("GB-s", numeric=True, spare=1),
    Column("compute", numeric=True, spare=2),
    Column("requests", numeric=True, spare=9),
    Column("logs", numeric=True, spare=8),
    Column("writes", numeric=True, spare=7),
    Column("paid reads", numeric=True, spare=5),
    Column("total", numeric=True),
    Column("stored", numeric=True, spare=3),
    Column("a month", numeric=True, spare=4),
)
_SCENE_COUNT = Column("scenes", numeric=True)
_REGIONS = (Column("region"), _SCENE_COUNT, *_FIGURES)
_SCENES = (Column("region"), Column("product", whole=True), Column("outcome"), *_FIGURES)
_RUNS = (Column("run", whole=True), _SCENE_COUNT, *_FIGURES, Column("expected", numeric=True))
_SMALL = 0.01
"""Dollars below which more digits are shown."""
_NO_RUN = "of no known run"


def show_run(run: "RunUsage", *, scenes: bool) -> None:
    """Show what a run cost: a row for each region, or for each acquisition, and the whole."""
    prices, architecture = run.prices, run.architecture
    whole = figures(run.scenes.values(), prices, architecture)
    if scenes:
        rows = [
            [key.region, key.product or "-", one.outcome or "-", *figures([one], prices, architecture)]
            for key, one in run.scenes.items()
        ]
        show.print_table(_SCENES, [*rows, ["total", "", "", *whole], ["expected", "", "", *_expected(run)]])
    else:
        planned = str(sum(len(task.products) for task in run.page.tasks))
        rows = [
            [name, str(count_scenes(some)), *figures(some, prices, architecture)]
            for name, some in run.by_region().items()
        ]
        show.print_table(
            _REGIONS, [*rows, ["total", str(run.scene_count), *whole], ["expected", planned, *_expected(run)]]
        )
    for line in _notes(run):
        show.print_line(line)


def show_all(every: "AllUsage", architecture: Architecture, since: "dt.datetime") -> None:
    """Show what all runs since a time cost; `architecture` is that of invocations whose run is not known."""
    from glacierctl.aws.costs import add_up, charge

    rows = []
    total = 0.0
    for run in every.runs:
        costs = list(run.scenes.values())
        total += charge(add_up(costs), run.prices, run.architecture).total
        expected = format_small_dollars(run.page.expected.dollars)
        rows.append([run.page.run_id, str(run.scene_count), *figures(costs, run.prices, run.architecture), expected])
    if every.rest:
        costs = list(every.rest.values())
        total += charge(add_up(costs), every.prices, architecture).total
        rows.append([_NO_RUN, "", *figures(costs, every.prices, architecture), ""])
    if rows:
        show.print_table(_RUNS, rows)
    if every.without_log:
        show.print_line(f"The log of {', '.join(every.without_log)} is gone; what it did is not counted.")
    asked = f"{', '.join(every.functions)} since {since:%Y-%m-%d %H:%M} UTC"
    show.print_line(f"{asked}: {format_small_dollars(total)}.")
    show.print_line(_about_prices(every.prices))


def figures(costs: "Iterable[SceneCost]", prices: "Prices", architecture: Architecture) -> list[str]:
    """What some acquisitions used together, and the dollars for it, in the order of the columns."""
    from glacierctl.aws.costs import add_up, charge

    used = add_up(costs)
    bill = charge(used, prices, architecture)
    dollars = (bill.compute, bill.requests, bill.logs, bill.puts, bill.gets, bill.total)
    return [
        f"{used.invocations:.4g}",
        f"{used.gb_seconds:.1f}",
        *map(format_small_dollars, dollars),
        show.format_bytes(used.stored_bytes),
        format_small_dollars(bill.storage_month),
    ]


def _expected(run: "RunUsage") -> list[str]:
    """What was expected, in the order of the columns; empty where nothing was."""
    expected, parts = run.page.expected, run.page.expected.parts
    dollars = (parts.compute, parts.requests, None, parts.puts, parts.reads, expected.dollars)
    return [
        str(len(run.page.tasks)),
        f"{expected.gb_seconds:.1f}",
        *("" if one is None else format_small_dollars(one) for one in dollars),
        "",
        "",
    ]


def format_small_dollars(dollars: float) -> str:
    """US dollars, those of a scene too: `$0.000133`, `$0.0213`, `$1.37`."""
    if dollars == 0:
        return "$0"
    return f"${dollars:.6f}" if dollars < _SMALL else show.format_dollars(dollars)


def _notes(run: "RunUsage") -> list[str]:
    from glacierctl.aws.costs import add_up, charge

    total = charge(add_up(run.scenes.values()), run.prices, run.architecture).total
    expected = format_small_dollars(run.page.expected.dollars)
    lines = [f"It was expected to cost {expected}; it cost {format_small_dollars(total)}."]
    if run.scene_count:
        lines.append(f"A scene cost {format_small_dollars(total / run.scene_count)} on average.")
    if run.running:
        lines.append(f"{run.running} invocations have not ended; they are not counted yet.")
    if run.without_log:
        lines.append(f"The logs of {run.without_log} tasks are gone; what they cost is not counted.")
    return [*lines, _about_prices(run.prices)]


def _about_prices(prices: "Prices") -> str:
    from glacierctl.aws.prices import AS_OF, NOT_INCLUDED

    return f"List prices of {prices.aws_region} as of {AS_OF}. Not included: {'; '.join(NOT_INCLUDED)}."
