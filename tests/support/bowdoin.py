"""Three real Sentinel-2A dates of Bowdoin Glacier as scenes of tile 19XEG, in Earth Search's layout.

The sources (juseg/bowdoin, CC BY-SA 4.0, modified Copernicus Sentinel data) are 8-bit colour composites: right for
geometry and texture, not for radiometry.
"""

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from pyproj import Transformer
from rasterio.features import sieve
from shapely import MultiPoint
from tests.support.cogs import write_tile_cog
from tests.support.items import Json, sentinel2_item
from tests.support.paths import require_shared_data
from tests.support.tiles import tile_grid

TILE = "19XEG"
DN_PER_GREY = 40
"""Stretches 8 bits to 0-10200 DN, about the range of snow."""

_BLACK = 30
"""Brightest band at or below this is outside the orbit: real pixels of these dates are brighter, JPEG noise is not."""
_JPEG_BLOCK_PX = 8
"""How far the black of the orbit's edge bleeds into real pixels."""
_LEAST_GAP_PX = 10_000
"""Smaller dark patches are shadows."""
_SNOW_CLASS = 11


@dataclass(frozen=True)
class Pass:
    """One of the dates; times are in the names of the source files, orbits follow from them."""

    source: str
    """Name of the source without its suffix."""
    sensed_at: dt.datetime
    """Of the tile."""
    relative_orbit: int
    """Sentinel-2's, 1-143."""


PASSES = (
    Pass("20160410_180125_659_S2A_RGB", dt.datetime(2016, 4, 10, 18, 1, 25, 659000, tzinfo=dt.UTC), 41),
    Pass("20160808_175915_456_S2A_RGB", dt.datetime(2016, 8, 8, 17, 59, 15, 456000, tzinfo=dt.UTC), 41),
    Pass("20170310_174129_456_S2A_RGB", dt.datetime(2017, 3, 10, 17, 41, 29, 456000, tzinfo=dt.UTC), 98),
)


@dataclass(frozen=True)
class BowdoinScene:
    """One date as files and as an item."""

    item: Json
    """Its hrefs are absolute paths of the two files."""
    nir: Path
    """uint16, 10 m, on the tile's whole grid; 0 is nodata."""
    scl: Path
    """uint8, 20 m: 11 (snow) where there is data, 0 elsewhere. The composites say nothing of clouds."""


def build(folder: Path) -> tuple[BowdoinScene, ...]:
    """Write the scenes below `folder`, one folder each named by item id; in order of time."""
    return tuple(_build_one(folder, one) for one in PASSES)


def served(scenes: tuple[BowdoinScene, ...], folder: Path, base_url: str) -> list[Json]:
    """Items whose hrefs are below `base_url` instead of `folder`."""
    root = str(folder)
    items = []
    for scene in scenes:
        assets = {
            name: {**asset, "href": asset["href"].replace(root, base_url.rstrip("/"), 1)}
            for name, asset in scene.item["assets"].items()
        }
        items.append({**scene.item, "assets": assets})
    return items


def grey(source: str) -> tuple[np.ndarray, np.ndarray, tuple[int, int]]:
    """One date as DN (uint16) and whether valid, each (3000, 2000), and the (row, column) of both in the tile."""
    with rasterio.open(require_shared_data("bowdoin_s2", f"{source}.vrt")) as image:
        bands, origin = image.read(), image.transform @ (0, 0)
    black = sieve((bands.max(axis=0) <= _BLACK).astype("uint8"), _LEAST_GAP_PX) == 1
    valid = ~_grown(black, _JPEG_BLOCK_PX)
    dn = np.rint(bands.mean(axis=0) * DN_PER_GREY).astype("uint16")
    column, row = ~tile_grid(TILE)[1] @ origin
    return np.where(valid, np.maximum(dn, 1), 0).astype("uint16"), valid, (round(row), round(column))


def _build_one(folder: Path, one: Pass) -> BowdoinScene:
    dn, valid, (row, column) = grey(one.source)
    item = sentinel2_item(
        tile=TILE,
        sensed_at=one.sensed_at,
        datatake_start=one.sensed_at.replace(microsecond=0),
        baseline="02.04",
        relative_orbit=one.relative_orbit,
        platform="sentinel-2a",
        offset_applied=False,
        footprint=_footprint(valid, row, column),
        cloud_cover=0.0,
    )
    nir, scl = folder / item["id"] / "B08.tif", folder / item["id"] / "SCL.tif"
    write_tile_cog(nir, dn, TILE, offset=(row, column))
    whole = valid.reshape(valid.shape[0] // 2, 2, valid.shape[1] // 2, 2).all(axis=(1, 3))
    snow = np.where(whole, _SNOW_CLASS, 0).astype("uint8")
    at = (row // 2, column // 2)
    write_tile_cog(scl, snow, TILE, resolution_m=20, offset=at, predictor=1, overview_resampling="nearest")
    item["assets"]["nir"]["href"] = str(nir)
    item["assets"]["scl"]["href"] = str(scl)
    return BowdoinScene(item, nir, scl)


def _grown(mask: np.ndarray, by_px: int) -> np.ndarray:
    """True wherever a True lies within a square of `by_px` to each side."""
    for axis, length in enumerate(mask.shape):
        pad = [(0, 0), (0, 0)]
        pad[axis] = (by_px + 1, by_px)
        total = np.cumsum(np.pad(mask, pad), axis=axis)
        first = np.arange(length)
        mask = np.take(total, first + 2 * by_px + 1, axis) > np.take(total, first, axis)
    return mask


def _footprint(valid: np.ndarray, row: int, column: int) -> list[tuple[float, float]]:
    """Hull of the valid pixels as (longitude, latitude), as a catalogue would have it."""
    rows = np.flatnonzero(valid.any(axis=1))
    first, last = valid[rows].argmax(axis=1), valid.shape[1] - valid[rows, ::-1].argmax(axis=1)
    edges = np.concatenate([np.column_stack([x, rows + side]) for x in (first, last) for side in (0, 1)])
    hull = MultiPoint(edges).convex_hull.simplify(1)
    crs, transform, _ = tile_grid(TILE)
    to_wgs84 = Transformer.from_crs(crs, "OGC:CRS84", always_xy=True)
    return [to_wgs84.transform(*(transform @ (x + column, y + row))) for x, y in hull.exterior.coords]
