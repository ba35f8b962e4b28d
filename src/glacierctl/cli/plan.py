"""`glacierctl plan`: what a request would come to. Reads the catalogue and the names of what exists, nothing else."""

import datetime as dt
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from glacierctl.cli import selection as select
from glacierctl.cli import show
from glacierctl.cli.table import Column

if TYPE_CHECKING:
    from collections.abc import Sequence

    from glacierctl.model import Plan
    from glacierctl.planning.estimate import Estimate
    from glacierctl.planning.preview import PreviewedAcquisition, RegionPreview
    from glacierctl.storage import Store

_COLUMNS = (
    Column("region"),
    Column("acquisitions", numeric=True),
    Column("to do", numeric=True),
    Column("exist", numeric=True),
    Column("too little overlap", numeric=True),
    Column("superseded scenes", numeric=True, spare=3),
    Column("overlap", numeric=True, spare=1),
    Column("to read", numeric=True),
    Column("time", numeric=True),
    Column("memory", numeric=True, spare=2),
)


def plan(
    *,
    satellite: select.SatelliteOption,
    start_date: select.StartDateOption,
    end_date: select.EndDateOption,
    regions: select.RegionsOption = None,
    bbox: select.BboxOption = None,
    crs: select.CrsOption = None,
    catalog: select.CatalogOption = None,
    collection: select.CollectionOption = None,
    resampling: select.ResamplingOption = None,
    min_coverage: select.MinCoverageOption = None,
    max_cloud: select.MaxCloudOption = None,
    output: select.OutputOption = None,
    as_json: show.Json = False,
) -> None:
    """Show what a run would make, skip and read, and make nothing.

    For each region: acquisitions, which of them exist already, bytes to read, time and memory.
    Nothing is read but the catalogue and the names of the products in the output folder.

    Examples:
      glacierctl plan --satellite sentinel2 --regions 163_Bowdoin --start-date 2024-06-01 --end-date 2024-06-30
      glacierctl plan --satellite landsat --regions all --start-date 2024-06-01 --end-date 2024-06-30 --json
    """
    from glacierctl.config import current_settings

    chosen = select.Selection(
        satellite=satellite,
        start_date=start_date,
        end_date=end_date,
        regions=regions,
        bbox=bbox,
        crs=crs,
        catalog=catalog,
        collection=collection,
        resampling=resampling,
        min_coverage=min_coverage,
        max_cloud=max_cloud,
        output=output,
    )
    settings = current_settings(chosen.flags())
    now = dt.datetime.now(dt.UTC)
    made = select.find_plan(select.build_request(chosen, settings, now.date()), now)
    show_plan(made, select.open_store(settings), cores=settings.workers, as_json=as_json)


def show_plan(plan: "Plan", store: "Store", *, cores: int, as_json: bool) -> None:
    """Show a plan beside what the store holds: a table, or one JSON document."""
    from glacierctl.planning.preview import preview

    previews = preview(plan, store, cores=cores)
    if as_json:
        show.print_json(plan_document(plan, previews, store.url))
    else:
        _show(plan, previews)


def plan_document(plan: "Plan", previews: "Sequence[RegionPreview]", store_url: str) -> dict[str, Any]:
    """The plan as one JSON document; `store_url` is where products exist or would go."""
    from glacierctl.planning.plan import count_reasons
    from glacierctl.planning.tasks import run_id

    return {
        "run_id": run_id(plan),
        "store": store_url,
        "request": plan.request.model_dump(mode="json"),
        "catalog": {"matched": plan.matched, "requests": plan.catalog_requests},
        "regions": [_region_document(one) for one in previews],
        "total": _totals(previews, with_start=True),
        "nothing_because": why_nothing(plan),
        "rejected_by_reason": count_reasons(plan.rejected),
        "rejected": [one.model_dump(mode="json") for one in plan.rejected],
    }


def why_nothing(plan: "Plan") -> str | None:
    """Why there is no acquisition at all; None if there is one."""
    from glacierctl.planning.plan import count_reasons

    if any(acquisitions for _, acquisitions in plan.acquisitions):
        return None
    request = plan.request
    if plan.matched == 0:
        days = f"from {request.start} to {request.end}"
        return f"{request.catalog} has no scenes of {request.collection} over these regions {days}"
    reasons = "; ".join(f"{count}: {reason}" for reason, count in count_reasons(plan.rejected).items())
    return f"none of the {plan.matched} scenes found can be used ({reasons})"


def _show(plan: "Plan", previews: "Sequence[RegionPreview]") -> None:
    from glacierctl.planning.estimate import Estimate
    from glacierctl.planning.plan import count_reasons

    alone = len(previews) == 1
    rows = [_row(one.region, [one], with_start=alone) for one in previews]
    show.print_table(_COLUMNS, rows if alone else [*rows, _row("total", previews, with_start=True)])
    nothing = why_nothing(plan)
    if nothing:
        show.print_line(f"Nothing to do: {nothing}.")
    show.print_line(f"The catalogue had {plan.matched} scenes; asked in {plan.catalog_requests} requests.")
    paid = Estimate.total(one.estimate for one in previews).paid_requests
    if paid:
        show.print_line(paid_line(paid))
    for reason, count in count_reasons(plan.rejected).items():
        show.print_line(f"Left out {count}: {reason}.")


def paid_line(requests: int, aws_region: str = "us-west-2") -> str:
    """What is said of reads that the reader pays for."""
    from glacierctl.aws.prices import prices_of

    dollars = prices_of(aws_region).gets(requests)
    return f"{requests} reads are charged to the reader by the archive: about ${dollars:.6f} within its AWS region."


def _row(title: str, previews: "Sequence[RegionPreview]", *, with_start: bool) -> list[str]:
    totals = _totals(previews, with_start=with_start)
    overlaps = [one.acquisition.overlap for preview in previews for one in preview.acquisitions]
    return [
        title,
        *(str(totals[key]) for key in ("acquisitions", "to_do", "exist", "too_little_overlap", "superseded")),
        f"{min(overlaps):.2f}-{max(overlaps):.2f}" if overlaps else "",
        show.format_bytes(totals["estimate"]["bytes_to_read"]),
        show.format_seconds(totals["estimate"]["seconds"]),
        f"{totals['estimate']['memory_mb']} MB",
    ]


def _totals(previews: "Sequence[RegionPreview]", *, with_start: bool = False) -> dict[str, Any]:
    """Regions taken together; the program starts once for all of them."""
    from glacierctl.planning.estimate import Estimate
    from glacierctl.planning.preview import State
    from glacierctl.planning.speed import START_S

    work = Estimate.total(one.estimate for one in previews)
    start_s = START_S if with_start and work.seconds else 0.0
    return {
        "acquisitions": sum(len(one.acquisitions) for one in previews),
        "to_do": sum(one.count(State.TO_DO) for one in previews),
        "exist": sum(one.count(State.EXISTS) for one in previews),
        "too_little_overlap": sum(one.count(State.LITTLE_OVERLAP) for one in previews),
        "superseded": sum(one.superseded for one in previews),
        "estimate": _estimate_document(replace(work, seconds=work.seconds + start_s)),
    }


def _region_document(preview: "RegionPreview") -> dict[str, Any]:
    return {
        "region": preview.region,
        "total": _totals([preview]),
        "acquisitions": [_acquisition_document(one) for one in preview.acquisitions],
    }


def _acquisition_document(previewed: "PreviewedAcquisition") -> dict[str, Any]:
    one = previewed.acquisition
    return {
        "product": one.product,
        "acquired_at": one.acquired_at.isoformat(),
        "state": str(previewed.state),
        "overlap": one.overlap,
        "scenes": [
            {"item_id": scene.item_id, "tile": scene.tile, "cloud_cover": scene.cloud_cover, "href": scene.image.href}
            for scene in one.scenes
        ],
        "superseded": [lost.model_dump(mode="json") for lost in one.superseded],
        "estimate": _estimate_document(previewed.estimate),
    }


def _estimate_document(estimate: "Estimate") -> dict[str, Any]:
    return {
        "blocks": estimate.blocks,
        "bytes_to_read": estimate.bytes_to_read,
        "requests": estimate.requests,
        "paid_requests": estimate.paid_requests,
        "pixels": estimate.pixels,
        "seconds": round(estimate.seconds, 1),
        "memory_mb": estimate.memory_mb,
    }
