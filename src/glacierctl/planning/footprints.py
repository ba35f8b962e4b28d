"""Outlines of regions in longitude and latitude for the catalogue, and footprints of scenes in the CRS of a region."""

from collections.abc import Sequence

import numpy as np
import shapely
from pyproj import Transformer
from pyproj.exceptions import CRSError
from shapely import MultiPolygon, Polygon, STRtree, box
from shapely.geometry.base import BaseGeometry

from glacierctl.model import Region, Scene

LONGITUDE_LATITUDE = "OGC:CRS84"
"""WGS 84 with longitude before latitude, as GeoJSON has it."""

_SEARCH_MARGIN_M = 5_000.0
"""The catalogue draws footprints with straight lines in longitude and latitude. At 82 N the side of a Landsat scene
(185 km) bulges 4.9 km beyond such a line; so much wider we ask, and look again ourselves."""

_OUTLINE_EDGE_M = 20_000.0
"""A line of this length that is straight in longitude and latitude bulges 60 m at 82 N, far below the margin."""

_LEAST_EDGES_PER_SIDE = 4
EDGE_M = 5_000.0
"""A straight line of this length in one projected CRS departs from a straight line in another by well under 10 m."""

_HALF_TURN = 180.0
_TURN = 360.0


def search_area(regions: Sequence[Region]) -> MultiPolygon:
    """The regions in longitude and latitude, each a little widened, split where they cross the antimeridian."""
    parts = [part for region in regions for part in _outline_parts(region)]
    merged = shapely.union_all(shapely.make_valid(np.array(parts)))
    return MultiPolygon(_polygons(merged))


class Projector:
    """Moves shapes between CRSs; keeps what it needs for that, which takes longer to make than to use."""

    def __init__(self) -> None:
        self._transformers: dict[tuple[str, str], Transformer | None] = {}

    def move(self, shape: BaseGeometry, source: str, target: str) -> BaseGeometry:
        """Transform the corners of `shape`, (x, y) in `source`, to `target`; empty where that cannot be done."""
        transformer = self._transformer(source, target)
        if transformer is None:
            return Polygon()
        moved = shapely.transform(shape, lambda points: np.column_stack(transformer.transform(*points.T)))
        return moved if np.isfinite(shapely.get_coordinates(moved)).all() else Polygon()

    def footprint(self, scene: Scene, crs: str) -> BaseGeometry:
        """Footprint of `scene` in the projected `crs`, empty if that is impossible.

        It is drawn in the UTM zone of its image, then transformed: there its sides are straight, while in longitude
        and latitude they are off by up to 1.5 km, and those that cross the antimeridian are torn.
        """
        drawn_in = scene.image.crs or LONGITUDE_LATITUDE
        shape = _valid(self.move(_shape(scene), LONGITUDE_LATITUDE, drawn_in))
        if shape.is_empty or drawn_in == LONGITUDE_LATITUDE:
            return _valid(self.move(_shape(scene), LONGITUDE_LATITUDE, crs))
        return shape if drawn_in == crs else _valid(self.move(shapely.segmentize(shape, EDGE_M), drawn_in, crs))

    def _transformer(self, source: str, target: str) -> Transformer | None:
        pair = (source, target)
        if pair not in self._transformers:
            try:
                self._transformers[pair] = Transformer.from_crs(*pair, always_xy=True)
            except CRSError:
                self._transformers[pair] = None
        return self._transformers[pair]


class Footprints:
    """Footprints of scenes in one projected CRS, found by place."""

    def __init__(self, scenes: Sequence[Scene], crs: str, projector: Projector) -> None:
        """Transform the footprints of `scenes` to `crs`, an authority code of a projected CRS."""
        self._scenes = tuple(scenes)
        self._shapes = [projector.footprint(scene, crs) for scene in self._scenes]
        self._tree = STRtree(self._shapes)

    def within(self, region: Region) -> list[tuple[Scene, BaseGeometry]]:
        """Scenes that see something of a region, and what they see of it; in the order that the scenes were given."""
        frame = box(*region.bounds)
        touching = sorted(self._tree.query(frame, predicate="intersects").tolist())
        seen = ((self._scenes[index], self._shapes[index].intersection(frame)) for index in touching)
        return [(scene, shape) for scene, shape in seen if shape.area > 0]


def _shape(scene: Scene) -> BaseGeometry:
    return MultiPolygon([Polygon(ring) for ring in scene.footprint])


def _valid(shape: BaseGeometry) -> BaseGeometry:
    """The area of a shape, mended where its outline crosses itself."""
    return shape if shape.is_valid else MultiPolygon(_polygons(shapely.make_valid(shape)))


def _polygons(shape: BaseGeometry) -> list[Polygon]:
    return [part for part in shapely.get_parts(shapely.get_parts(shape)).tolist() if isinstance(part, Polygon)]


def _outline_parts(region: Region) -> list[Polygon]:
    """Outline in longitude and latitude as polygons between -180 and 180."""
    frame = box(*region.bounds).buffer(_SEARCH_MARGIN_M, join_style="mitre")
    side = min(frame.bounds[2] - frame.bounds[0], frame.bounds[3] - frame.bounds[1])
    edge_m = min(_OUTLINE_EDGE_M, side / _LEAST_EDGES_PER_SIDE)
    corners = shapely.get_coordinates(shapely.segmentize(frame.exterior, edge_m))
    transformer = Transformer.from_crs(region.crs, LONGITUDE_LATITUDE, always_xy=True)
    longitudes, latitudes = transformer.transform(*corners.T)
    ring = list(zip(np.unwrap(longitudes, period=_TURN), latitudes, strict=True))
    return _within_one_turn(Polygon(_around_pole(ring)))


def _around_pole(ring: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """A ring that goes round the Earth encloses a pole: closed by way of that pole."""
    (first, start_latitude), (last, _) = ring[0], ring[-1]
    if abs(last - first) < _HALF_TURN:
        return ring
    pole = float(np.copysign(90.0, start_latitude))
    return [*ring, (last, pole), (first, pole)]


def _within_one_turn(shape: Polygon) -> list[Polygon]:
    """A polygon whose longitudes run past 180 or -180, cut there and brought back."""
    west, _, east, _ = shape.bounds
    turns = range(int((west + _HALF_TURN) // _TURN), int((east + _HALF_TURN) // _TURN) + 1)
    cut = ((turn, shape.intersection(box(turn * _TURN - 180, -90, turn * _TURN + 180, 90))) for turn in turns)
    moved = (shapely.transform(part, lambda points, by=turn * _TURN: points - (by, 0)) for turn, part in cut)
    return [polygon for part in moved for polygon in _polygons(part) if polygon.area > 0]
