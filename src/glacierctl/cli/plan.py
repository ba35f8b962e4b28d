"""`glacierctl plan`: what a request would come to. Reads the catalogue and the names of what exists, nothing else."""

import datetime as dt
from typing import TYPE_CHECKING, Any

from glacierctl.cli import selection as select
from glacierctl.cli import show

if TYPE_CHECKING:
    from collections.abc import Sequence

    from glacierctl.model import Plan
    from glacierctl.planning.estimate import Estimate
    from glacierctl.planning.preview import PreviewedAcquisition, RegionPreview
    from glacierctl.storage import Store

_COLUMNS = (
    show.Column("region"),
    show.Column("acquisitions", numeric=True),
    show.Column("to do", numeric=True),
    show.Column("exist", numeric=True),
    show.Column("too little overlap", numeric=True),
    show.Column("superseded scenes", numeric=True),
    show.Column("overlap", numeric=True),
    show.Column("to read", numeric=True),
    show.Column("time", numeric=True),
    show.Column("memory", numeric=True),
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
    show_plan(made, select.open_store(settings.output), cores=settings.workers, as_json=as_json)


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
        "total": _totals(previews),
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
    from glacierctl.planning.plan import count_reasons

    rows = [_row(one.region, [one]) for one in previews]
    show.print_table(_COLUMNS, [*rows, _row("total", previews)] if len(rows) > 1 else rows)
    nothing = why_nothing(plan)
    if nothing:
        show.print_line(f"Nothing to do: {nothing}.")
    show.print_line(f"The catalogue had {plan.matched} scenes; asked in {plan.catalog_requests} requests.")
    for reason, count in count_reasons(plan.rejected).items():
        show.print_line(f"Left out {count}: {reason}.")


def _row(title: str, previews: "Sequence[RegionPreview]") -> list[str]:
    totals = _totals(previews)
    overlaps = [one.acquisition.overlap for preview in previews for one in preview.acquisitions]
    return [
        title,
        *(str(totals[key]) for key in ("acquisitions", "to_do", "exist", "too_little_overlap", "superseded")),
        f"{min(overlaps):.2f}-{max(overlaps):.2f}" if overlaps else "",
        show.format_bytes(totals["estimate"]["bytes_to_read"]),
        show.format_seconds(totals["estimate"]["seconds"]),
        f"{totals['estimate']['memory_mb']} MB",
    ]


def _totals(previews: "Sequence[RegionPreview]") -> dict[str, Any]:
    from glacierctl.planning.estimate import Estimate
    from glacierctl.planning.preview import State

    return {
        "acquisitions": sum(len(one.acquisitions) for one in previews),
        "to_do": sum(one.count(State.TO_DO) for one in previews),
        "exist": sum(one.count(State.EXISTS) for one in previews),
        "too_little_overlap": sum(one.count(State.LITTLE_OVERLAP) for one in previews),
        "superseded": sum(one.superseded for one in previews),
        "estimate": _estimate_document(Estimate.total(one.estimate for one in previews)),
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
        "pixels": estimate.pixels,
        "seconds": round(estimate.seconds, 1),
        "memory_mb": estimate.memory_mb,
    }
