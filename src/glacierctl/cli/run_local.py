"""`glacierctl run-local`: the whole job on this machine."""

import datetime as dt
from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from glacierctl.cli import selection as select
from glacierctl.cli import show
from glacierctl.cli.table import Column

if TYPE_CHECKING:
    from collections.abc import Sequence

    from glacierctl.cli.local_run import LocalRun
    from glacierctl.model import Outcome, Plan

_FAILED = 1
_EACH_UP_TO = 40
"""With more acquisitions than that, the table has a line for each region instead."""

_COLUMNS = (
    Column("region"),
    Column("product"),
    Column("outcome"),
    Column("coverage", numeric=True),
    Column("cloud", numeric=True),
    Column("read", numeric=True),
    Column("time", numeric=True),
)
_REGION_COLUMNS = (
    Column("region"),
    Column("products", numeric=True),
    Column("skipped", numeric=True),
    Column("failed", numeric=True),
    Column("read", numeric=True),
    Column("time", numeric=True),
)


def run_local(
    *,
    satellite: select.SatelliteOption,
    start_date: select.StartDateOption,
    end_date: select.EndDateOption,
    regions: select.RegionsOption = None,
    bbox: select.BboxOption = None,
    crs: select.CrsOption = None,
    output: select.OutputOption = None,
    catalog: select.CatalogOption = None,
    collection: select.CollectionOption = None,
    resampling: select.ResamplingOption = None,
    min_coverage: select.MinCoverageOption = None,
    max_cloud: select.MaxCloudOption = None,
    workers: Annotated[
        int | None, typer.Option("--workers", metavar="N", help="Threads at work.  [default: one for each CPU]")
    ] = None,
    overwrite: select.OverwriteOption = False,
    container: Annotated[
        bool, typer.Option("--container", help="Work in the image that AWS Lambda runs, under AWS's emulator.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the plan, as `glacierctl plan` does, and make nothing.")
    ] = False,
    as_json: show.Json = False,
) -> None:
    """Make the products of regions and dates on this machine.

    What exists is left alone, so the same command again goes on where it stopped.
    Exits 1 if any acquisition failed; the others are done all the same.

    Examples:
      glacierctl run-local --satellite sentinel2 --regions 163_Bowdoin --start-date 2024-07-01 --end-date 2024-07-31
      glacierctl run-local --satellite landsat --regions '*Brae' --start-date 2023-06-01 --end-date 2023-06-30 --dry-run
    """
    from glacierctl.cli.plan import show_plan
    from glacierctl.config import current_settings

    chosen = select.Selection(
        satellite=satellite, start_date=start_date, end_date=end_date, regions=regions, bbox=bbox, crs=crs,
        catalog=catalog, collection=collection, resampling=resampling, min_coverage=min_coverage,
        max_cloud=max_cloud, output=output, workers=workers, overwrite=overwrite,
    )  # fmt: skip
    settings = current_settings(chosen.flags())
    now = dt.datetime.now(dt.UTC)
    request = select.build_request(chosen, settings, now.date())
    store = select.open_store(settings)
    plan = select.find_plan(request, now)
    if dry_run:
        show_plan(plan, store, cores=settings.workers, as_json=as_json)
        return

    if container:
        from glacierctl.cli.container_run import execute
    else:
        from glacierctl.cli.local_run import execute
    run = execute(plan, store, settings)
    show_run(plan, run, as_json=as_json)
    if run.failed:
        raise typer.Exit(_FAILED)


def show_run(plan: "Plan", run: "LocalRun", *, as_json: bool) -> None:
    """Show what a run came to: a table and a summary, or one JSON document."""
    if as_json:
        show.print_json(run_document(plan, run))
        return
    if run.outcomes:
        _show_table(run.outcomes)
    for failed in run.failed:
        show.print_error(f"{failed.region} {failed.product}: {failed.what}", why=failed.why, hint=failed.hint)
    for line in _summary(plan, run):
        show.print_line(line)


def run_document(plan: "Plan", run: "LocalRun") -> dict[str, Any]:
    """The run as one JSON document."""
    from glacierctl.cli.plan import why_nothing
    from glacierctl.planning.plan import count_reasons

    return {
        "run_id": run.run_id,
        "store": run.store_url,
        "outcomes": [one.model_dump(mode="json") for one in run.outcomes],
        "total": {
            "products": len(run.products),
            "skipped": dict(sorted(Counter(one.reason for one in run.skipped).items())),
            "failed": len(run.failed),
        },
        "usage": {**run.usage.model_dump(mode="json"), "peak_memory_mb": run.peak_memory_mb},
        "catalog": {"matched": plan.matched, "requests": plan.catalog_requests},
        "regions_without_acquisitions": _empty_regions(plan),
        "nothing_because": why_nothing(plan),
        "rejected_by_reason": count_reasons(plan.rejected),
    }


def _show_table(outcomes: "Sequence[Outcome]") -> None:
    if len(outcomes) <= _EACH_UP_TO:
        show.print_table(_COLUMNS, [_row(one) for one in outcomes])
        return
    by_region: dict[str, list[Outcome]] = {}
    for one in outcomes:
        by_region.setdefault(one.region, []).append(one)
    show.print_table(_REGION_COLUMNS, [_region_row(region, ended) for region, ended in by_region.items()])


def _row(outcome: "Outcome") -> list[str]:
    coverage = f"{outcome.coverage:.1%}" if outcome.outcome == "product" else ""
    clouds = outcome.cloud_share if outcome.outcome == "product" else None
    word = f"skipped: {outcome.reason}" if outcome.outcome == "skipped" else outcome.outcome
    return [
        outcome.region,
        outcome.product,
        word,
        coverage,
        "" if clouds is None else f"{clouds:.0%}",
        show.format_bytes(outcome.usage.bytes_read),
        show.format_seconds(outcome.usage.seconds),
    ]


def _region_row(region: str, outcomes: "Sequence[Outcome]") -> list[str]:
    counts = Counter(one.outcome for one in outcomes)
    return [
        region,
        *(str(counts[word]) for word in ("product", "skipped", "failed")),
        show.format_bytes(sum(one.usage.bytes_read for one in outcomes)),
        show.format_seconds(sum(one.usage.seconds for one in outcomes)),
    ]


def _summary(plan: "Plan", run: "LocalRun") -> list[str]:
    from glacierctl.cli.plan import why_nothing

    nothing = why_nothing(plan)
    if nothing:
        return [f"Nothing to do: {nothing}."]
    counts = Counter(one.reason for one in run.skipped)
    parts = [f"PRODUCTS {len(run.products)}", *(f"{word.upper()} {n}" for word, n in sorted(counts.items()))]
    usage = run.usage
    empty = _empty_regions(plan)
    return [
        " · ".join([*parts, f"FAILED {len(run.failed)}"]),
        (
            f"Read {show.format_bytes(usage.bytes_read)} in {show.counted(usage.requests, 'request')} "
            f"({usage.retries} repeated), took {show.format_seconds(usage.seconds)}, "
            f"{run.peak_memory_mb} MB of memory at the peak."
        ),
        *([f"No acquisitions: {', '.join(empty)}."] if empty else []),
        f"Results are in {run.store_url}",
    ]


def _empty_regions(plan: "Plan") -> list[str]:
    return [name for name, acquisitions in plan.acquisitions if not acquisitions]
