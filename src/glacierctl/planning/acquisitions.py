"""Scenes, grouped into what one pass saw of one region."""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import shapely
from shapely.geometry.base import BaseGeometry

from glacierctl.choices import Satellite
from glacierctl.model import Acquisition, Region, Rejected, Scene, Superseded
from glacierctl.planning.footprints import Footprints, Projector
from glacierctl.planning.scenes import Sentinel2Name

OTHER_TILE = "its tile is not among those the region is made of"
OUTSIDE_DATES = "its pass began outside the dates"

_OVERLAP_DECIMALS = 4
"""A ten-thousandth of a region: finer than footprints are drawn, coarse enough to be the same on every machine."""

_SeenScene = tuple[Scene, BaseGeometry]
"""A scene and the part of the region that its footprint covers."""


@dataclass(frozen=True, slots=True)
class Days:
    """First and last day, both inclusive, UTC."""

    first: dt.date
    last: dt.date

    def __contains__(self, moment: dt.datetime) -> bool:
        return self.first <= moment.astimezone(dt.UTC).date() <= self.last


def group(
    scenes: Sequence[Scene], region: Region, days: Days, *, footprints: Footprints | None = None
) -> tuple[tuple[Acquisition, ...], tuple[Rejected, ...]]:
    """Group scenes of one satellite into acquisitions of a region.

    Args:
        scenes: without duplicates (see `without_duplicates`), in any order.
        region: where. If it names tiles, only scenes of those are used, in its order of preference.
        days: an acquisition belongs to the day on which its datatake (Sentinel-2) or scene (Landsat) began.
        footprints: of the scenes in the region's CRS, where they are at hand from another region.

    Returns:
        Acquisitions in order of time, and the scenes that see the region but are not used, each with its reason.
        Scenes that do not see the region are in neither.
    """
    seen = (footprints or Footprints(scenes, region.crs, Projector())).within(region)
    passes: dict[tuple[str, ...], list[_SeenScene]] = defaultdict(list)
    rejected = []
    for scene, part in sorted(seen, key=lambda pair: pair[0].item_id):
        reason = _why_not(scene, region, days)
        if reason is None:
            passes[_pass_of(scene)].append((scene, part))
        else:
            rejected.append(Rejected(item_id=scene.item_id, reason=reason))
    acquisitions = filter(None, (_acquisition(members, region) for members in passes.values()))
    return tuple(sorted(acquisitions, key=lambda made: (made.acquired_at, made.product))), tuple(rejected)


def without_duplicates(scenes: Iterable[Scene]) -> tuple[tuple[Scene, ...], tuple[Rejected, ...]]:
    """Keep one of the items that describe the same product of the provider: the newest item, by its id."""
    by_source: dict[str, list[Scene]] = defaultdict(list)
    for scene in sorted(scenes, key=lambda scene: scene.item_id, reverse=True):
        by_source[scene.source_name].append(scene)
    kept = tuple(same[0] for same in by_source.values())
    rejected = tuple(
        Rejected(item_id=scene.item_id, reason=f"a duplicate: the same product as {same[0].item_id}")
        for same in by_source.values()
        for scene in same[1:]
    )
    return tuple(reversed(kept)), tuple(reversed(rejected))


def begun_at(scene: Scene) -> dt.datetime:
    """Start of the datatake (Sentinel-2) or time of the scene (Landsat), UTC."""
    return scene.sensed_at if scene.satellite is Satellite.LANDSAT else _name_of(scene).start


def _why_not(scene: Scene, region: Region, days: Days) -> str | None:
    if scene.tile is not None and region.tiles and scene.tile not in region.tiles:
        return OTHER_TILE
    return None if begun_at(scene) in days else OUTSIDE_DATES


def _pass_of(scene: Scene) -> tuple[str, ...]:
    """What scenes of one acquisition have in common; each Landsat scene is one of its own."""
    if scene.satellite is Satellite.LANDSAT:
        return (scene.item_id,)
    name = _name_of(scene)
    return (name.spacecraft, name.level, name.start.isoformat(), name.orbit)


def _acquisition(members: list[_SeenScene], region: Region) -> Acquisition | None:
    overlap = _share(shapely.union_all([part for _, part in members]), region)
    if overlap == 0:
        return None
    shares = {scene.item_id: _share(part, region) for scene, part in members}
    scenes = [scene for scene, _ in members]
    winners, losers = _ranked(sorted(scenes, key=lambda scene: _preference(scene, region, shares[scene.item_id])))
    return Acquisition(
        product=_product(winners),
        acquired_at=begun_at(winners[0]),
        scenes=tuple(winners + [loser for loser, _ in losers]),
        superseded=tuple(_superseded(loser, winner) for loser, winner in losers),
        overlap=overlap,
    )


def _ranked(scenes: Sequence[Scene]) -> tuple[list[Scene], list[tuple[Scene, Scene]]]:
    """The newest scene of each tile, and the others, each with the one it lost against; tiles in the order given."""
    by_tile: dict[str | None, list[Scene]] = defaultdict(list)
    for scene in scenes:
        by_tile[scene.tile].append(scene)
    ranked = [sorted(same, key=_age, reverse=True) for same in by_tile.values()]
    winners = [same[0] for same in ranked]
    return winners, [(loser, same[0]) for same in ranked for loser in same[1:]]


def _age(scene: Scene) -> tuple[tuple[int, ...], dt.datetime, str]:
    """Sorts older before newer: by baseline, by when it was made, then by item id so that the order never varies."""
    made = scene.generated_at or dt.datetime.min.replace(tzinfo=dt.UTC)
    return _baseline_number(scene), made, scene.item_id


def _baseline_number(scene: Scene) -> tuple[int, ...]:
    return tuple(int(part) for part in (scene.baseline or "0").split("."))


def _preference(scene: Scene, region: Region, share: float) -> tuple[float, str, str]:
    """Sorts the region's first tile first or, without tiles, what sees most of it."""
    rank = float(region.tiles.index(scene.tile)) if scene.tile in region.tiles else -share
    return rank, scene.tile or "", scene.item_id


def _superseded(loser: Scene, winner: Scene) -> Superseded:
    if _baseline_number(loser) != _baseline_number(winner):
        reason = f"baseline {loser.baseline} is older than {winner.baseline}"
    elif loser.generated_at != winner.generated_at:
        reason = f"made {_written(loser.generated_at)}, before {_written(winner.generated_at)}"
    else:
        reason = "of the same baseline and time; the later item id goes first"
    return Superseded(item_id=loser.item_id, by=winner.item_id, reason=reason)


def _written(moment: dt.datetime | None) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}" if moment else "at an unknown time"


def _product(winners: Sequence[Scene]) -> str:
    """Name of the product. A contract: the tools that read today's results read these names."""
    first = winners[0]
    if first.satellite is Satellite.LANDSAT:
        return f"{first.sensed_at:%Y%m%d%H%M%S}_{first.scene_id}_{first.item_id}_ortho"
    name = _name_of(first)
    newest = max(winners, key=_baseline_number).baseline or name.baseline
    return f"{name.spacecraft}_MSI{name.level}_{name.start:%Y%m%dT%H%M%S}_N{newest.replace('.', '')}_R{name.orbit}"


def _name_of(scene: Scene) -> Sentinel2Name:
    name = Sentinel2Name.parse(scene.source_name)
    if name is None:
        msg = f"{scene.source_name} is not the name of a Sentinel-2 product"
        raise ValueError(msg)
    return name


def _share(part: BaseGeometry, region: Region) -> float:
    xmin, ymin, xmax, ymax = region.bounds
    share = part.area / ((xmax - xmin) * (ymax - ymin))
    return round(min(1.0, float(share)), _OVERLAP_DECIMALS)
