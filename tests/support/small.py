"""Small scenes of a small region, in the real shapes: for tests of outcomes and failures, where pixels matter little.

The region is a box of 200 x 150 pixels on Bowdoin Glacier; each scene is one pass of tile 19XEG, cut to 4 km.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from affine import Affine
from pyproj import Transformer
from tests.support.catalogs import Json
from tests.support.cogs import write_cog
from tests.support.items import sentinel2_item

from glacierctl.model import Options, Region, Request, Task
from glacierctl.planning.catalog import Found
from glacierctl.planning.plan import make_plan
from glacierctl.planning.tasks import tasks

BOUNDS = (-535_000.0, -1_225_000.0, -533_000.0, -1_223_500.0)
"""Of the region, in EPSG:3413 metres."""
BBOX = ",".join(f"{value:.0f}" for value in BOUNDS)
"""The same as `--bbox` takes it."""
REGION = Region(name="small", bounds=BOUNDS)
"""The region."""
SIDE = 400
"""Of a scene, in pixels of 10 m."""
NOW = dt.datetime(2024, 8, 15, 12, tzinfo=dt.UTC)
"""When the tests plan."""

_CRS = "EPSG:32619"
_CLEAR, _CLOUD = 11, 9
"""Of the scene classification: snow, and cloud with high probability."""


@dataclass(frozen=True)
class SmallScene:
    """One pass: its files on disk and its item."""

    item: Json
    """As the catalogue has it."""
    image: Path
    """B08."""
    clouds: Path
    """SCL."""
    product: str
    """Name of what it becomes."""


def scene(
    folder: Path, day: int, *, address: str = "", cloudy: float = 0.0, filled: float = 1.0, block: int = 64
) -> SmallScene:
    """Write one pass of July 2024.

    Args:
        folder: takes `{day}/B08.tif` and `{day}/SCL.tif`.
        day: of the month.
        address: what the hrefs of the item begin with; the folder itself if not given.
        cloudy: share of the scene's rows, from the top, that are cloud.
        filled: share of the scene's rows, from the top, that have data.
        block: side of the blocks of B08 in pixels.
    """
    place = _place()
    path = folder / f"{day:02d}"
    image = write_cog(path / "B08.tif", _pixels(day, filled), _CRS, place, block=block)
    classes = np.full((SIDE // 2, SIDE // 2), _CLEAR, np.uint8)
    classes[: round(cloudy * SIDE / 2)] = _CLOUD
    clouds = write_cog(path / "SCL.tif", classes, _CRS, place @ Affine.scale(2), overview_resampling="nearest")
    start = dt.datetime(2024, 7, day, 15, 9, 1, tzinfo=dt.UTC)
    base = f"{address or folder}/{day:02d}"
    item = sentinel2_item(
        tile="19XEG",
        sensed_at=start + dt.timedelta(minutes=3),
        datatake_start=start,
        nir_href=f"{base}/B08.tif",
        scl_href=f"{base}/SCL.tif",
        transform=tuple(place)[:6],
        shape=(SIDE, SIDE),
        footprint=_outline(place),
        baseline="03.01",
        offset_applied=None,
    )
    return SmallScene(item, image, clouds, f"S2A_MSIL2A_{start:%Y%m%dT%H%M%S}_N0301_R025")


def task(scenes: Sequence[SmallScene], store_url: str, **options: object) -> Task:
    """One task of these scenes, made as the command line makes it."""
    request = Request(
        satellite="sentinel2",
        regions=(REGION,),
        start=dt.date(2024, 7, 1),
        end=dt.date(2024, 7, 31),
        catalog="memory",
        collection="sentinel-2-l2a",
        options=Options.model_validate(options),
    )
    (made,) = tasks(make_plan(request, _Memory(scenes), NOW), store_url)
    return made


class _Memory:
    """A catalogue of these scenes."""

    href = "memory"

    def __init__(self, scenes: Sequence[SmallScene]) -> None:
        self._items = tuple(scene.item for scene in scenes)

    def search(self, *_: object, **__: object) -> Found:
        return Found(self._items, len(self._items), 1)


def _pixels(day: int, filled: float) -> np.ndarray:
    rows, columns = np.mgrid[:SIDE, :SIDE]
    noise = np.random.default_rng(day).integers(0, 300, (SIDE, SIDE))
    pixels = 3000 + 1500 * np.sin(rows / 9 + day) * np.cos(columns / 7) + noise
    pixels[round(filled * SIDE) :] = 0
    return pixels.astype(np.uint16)


def _place() -> Affine:
    """Centred on the region, on whole 10 m."""
    to_utm = Transformer.from_crs("EPSG:3413", _CRS, always_xy=True)
    east, north = to_utm.transform((BOUNDS[0] + BOUNDS[2]) / 2, (BOUNDS[1] + BOUNDS[3]) / 2)
    half = SIDE // 2 * 10
    return Affine(10, 0, round(east, -1) - half, 0, -10, round(north, -1) + half)


def _outline(place: Affine) -> list[tuple[float, float]]:
    to_wgs84 = Transformer.from_crs(_CRS, "OGC:CRS84", always_xy=True)
    corners = [(0, 0), (0, SIDE), (SIDE, SIDE), (SIDE, 0), (0, 0)]
    return [to_wgs84.transform(*(place @ corner)) for corner in corners]
