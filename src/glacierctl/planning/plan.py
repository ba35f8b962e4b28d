"""From a request to a plan: one search, then acquisitions region by region."""

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Sequence

from glacierctl.errors import UsageError
from glacierctl.model import Acquisition, Plan, Rejected, Request, Scene
from glacierctl.planning.acquisitions import Days, group, without_duplicates
from glacierctl.planning.catalog_interface import Catalog, Progress, silent
from glacierctl.planning.footprints import Footprints, Projector, search_area
from glacierctl.planning.scenes import parse_scene

OUT_OF_REACH = "it does not reach any of the regions"

_DATATAKE_LENGTH = dt.timedelta(hours=1)
"""Catalogues date a scene by its own time, a datatake by its start, up to half an hour before: so much wider we ask."""


def make_plan(request: Request, catalog: Catalog, now: dt.datetime, *, progress: Progress = silent) -> Plan:
    """Search once for all regions and group what is found.

    Args:
        request: what is wanted. An end in the future means until now.
        catalog: where scenes are looked up.
        now: the current time.
        progress: told of items received.

    Returns:
        A plan that depends on nothing but the request and the items: not on their order, nor on `now` once the last
        day is over. Regions without acquisitions are in it with none. Its request ends today at the latest.

    Raises:
        UsageError: all of the request's dates lie in the future.
        CatalogError: see `Catalog.search`.
    """
    asked = _until(request, now)
    begin = dt.datetime.combine(asked.start, dt.time(), dt.UTC) - _DATATAKE_LENGTH
    end = dt.datetime.combine(asked.end, dt.time(), dt.UTC) + dt.timedelta(days=1) + _DATATAKE_LENGTH
    found = catalog.search(asked.collection, search_area(asked.regions), begin, min(end, now), progress=progress)
    parsed = [parse_scene(item, asked.satellite, asked.collection) for item in found.items]
    scenes, duplicates = without_duplicates(scene for scene in parsed if isinstance(scene, Scene))
    by_region, unused = _by_region(asked, scenes)
    unusable = [scene for scene in parsed if isinstance(scene, Rejected)]
    return Plan(
        request=asked,
        acquisitions=by_region,
        rejected=tuple(sorted((*unusable, *duplicates, *unused), key=lambda one: one.item_id)),
        matched=found.matched,
        catalog_requests=found.requests,
    )


def count_reasons(rejected: Iterable[Rejected]) -> dict[str, int]:
    """How many were rejected for each kind of reason, the most frequent first; what follows a colon is detail."""
    kinds = Counter(one.reason.partition(":")[0] for one in rejected)
    return dict(sorted(kinds.items(), key=lambda kind: (-kind[1], kind[0])))


def _until(request: Request, now: dt.datetime) -> Request:
    today = now.astimezone(dt.UTC).date()
    if request.start > today:
        raise UsageError(
            f"nothing can have been sensed since {request.start}",
            why=f"that is in the future; today is {today} UTC",
            hint="Let --start-date be today or earlier.",
        )
    return request.model_copy(update={"end": min(request.end, today)})


def _by_region(
    request: Request, scenes: Sequence[Scene]
) -> tuple[tuple[tuple[str, tuple[Acquisition, ...]], ...], list[Rejected]]:
    """Acquisitions of each region, and the scenes that are in none of them."""
    projector, days = Projector(), Days(request.start, request.end)
    footprints = {crs: Footprints(scenes, crs, projector) for crs in {region.crs for region in request.regions}}
    grouped = []
    reasons = {scene.item_id: OUT_OF_REACH for scene in scenes}
    for region in request.regions:
        acquisitions, rejected = group(scenes, region, days, footprints=footprints[region.crs])
        grouped.append((region.name, acquisitions))
        reasons |= {one.item_id: one.reason for one in rejected}
    used = {scene.item_id for _, acquisitions in grouped for one in acquisitions for scene in one.scenes}
    unused = [Rejected(item_id=name, reason=reason) for name, reason in reasons.items() if name not in used]
    return tuple(grouped), unused
