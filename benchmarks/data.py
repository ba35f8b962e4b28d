"""Full Sentinel-2 tiles to measure on, made once and kept in `.cache/benchmark`.

Noise as wide as snow's, crevasses' and rock's, smoothed as an instrument's is, so that files take 100-220 MB as the
real ones do and no two blocks are alike. One tile is compressed; the others are it with another place in their headers.
"""

import datetime as dt
import os
import subprocess
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from rasterio.windows import Window
from tests.support import full_tiles
from tests.support.catalogs import Json, write_static_catalog
from tests.support.cogs import bytes_under, write_tile_cog
from tests.support.command import PROGRAM
from tests.support.items import sentinel2_item
from tests.support.paths import REPO, SHARED_DATA
from tests.support.tiles import TILE_PIXELS

from glacierctl.model import Region
from glacierctl.regions.catalogue import RegionCatalogue
from glacierctl.regions.grid import region_grid

CACHE = REPO / ".cache" / "benchmark"
REGIONS_DATA = CACHE / "regions"
"""Where the catalogue of 192 regions is imported to."""
FIRST_DAY = dt.date(2024, 7, 4)
KERNEL_MARGIN_PX = 3
"""Taps of the cubic kernel beside the outermost pixel, and one."""
_TIME = dt.time(15, 14, 22, tzinfo=dt.UTC)
_FIELD_PX = 120
"""Side of the squares whose corners carry the fields of brightness and roughness."""


def regions() -> dict[str, Region]:
    """All of Greenland's regions where their file lies beside the checkout, else those that are built in."""
    file = SHARED_DATA / "regions" / "glaciers_roi_proj_v3_300m.gpkg"
    if file.exists() and not REGIONS_DATA.exists():
        environment = {**os.environ, "GLACIERCTL_DATA_DIR": str(REGIONS_DATA)}
        subprocess.run([PROGRAM, "regions", "import", file], env=environment, check=True, capture_output=True)
    return {region.name: region for region in RegionCatalogue.load(REGIONS_DATA).regions}


def days(count: int) -> list[dt.date]:
    """The dates measured, one pass each."""
    return [FIRST_DAY + dt.timedelta(days=number) for number in range(count)]


def prepare(regions: Iterable[Region], dates: int, cache: Path = CACHE) -> Path:
    """The folder to be served: `{day}/{tile}.tif` for all tiles of the regions; one file has many names."""
    www = cache / "www"
    template = cache / "template.tif"
    if not template.exists():
        print("Making a full tile (half a minute)", flush=True)
        write_template(template.with_suffix(".part")).rename(template)
    tiles = cache / "tiles"
    for region in regions:
        if not all(_is_whole(tiles / f"{tile}.tif", template) for tile in region.tiles):
            full_tiles.lay_tiles(template, region, tiles)
        for day in days(dates):
            (www / f"{day}").mkdir(parents=True, exist_ok=True)
            for tile in region.tiles:
                name = www / f"{day}" / f"{tile}.tif"
                if not name.exists():
                    os.link(tiles / f"{tile}.tif", name)
    return www


def _is_whole(tile: Path, template: Path) -> bool:
    """Whether a copy was not broken off."""
    return tile.exists() and tile.stat().st_size == template.stat().st_size


def warm(region: Region, cache: Path = CACHE) -> None:
    """Read the files once, so that no run waits for the server's disk."""
    for tile in region.tiles:
        with (cache / "tiles" / f"{tile}.tif").open("rb") as file:
            while file.read(1 << 24):
                pass


def items(region: Region, dates: int, base_url: str) -> list[Json]:
    """STAC items, passes in order of time, tiles in order of preference."""
    return [_item(tile, day, base_url) for day in days(dates) for tile in region.tiles]


def items_of_tile(tile: str, dates: int, base_url: str) -> list[Json]:
    """STAC items of one tile, one a day."""
    return [_item(tile, day, base_url) for day in days(dates)]


def _item(tile: str, day: dt.date, base_url: str) -> Json:
    sensed_at = dt.datetime.combine(day, _TIME)
    return sentinel2_item(tile=tile, sensed_at=sensed_at, nir_href=f"{base_url}{day}/{tile}.tif", scl_href=None)


def catalog(region: Region, dates: int, base_url: str, folder: Path) -> Path:
    """A static catalogue of the items."""
    return write_static_catalog(folder, items(region, dates, base_url))


def needed_bytes(region: Region, cache: Path = CACHE) -> int:
    """Compressed size of the blocks that a perfect reader must fetch, one date."""
    grid = region_grid(region, 10)
    files = [cache / "tiles" / f"{tile}.tif" for tile in region.tiles]
    return sum(bytes_under(file, grid, margin_px=KERNEL_MARGIN_PX) for file in files)


def write_template(path: Path) -> Path:
    """A tile of about 1.3 bytes a pixel; takes some seconds."""
    random = np.random.default_rng(5)
    corners = TILE_PIXELS // _FIELD_PX + 2
    brightness = random.uniform(2500, 9000, (corners, corners))
    roughness = np.exp(random.uniform(np.log(12), np.log(160), (corners, corners)))

    def pixels(window: Window) -> np.ndarray:
        noise = np.random.default_rng([window.row_off, window.col_off])
        white = noise.normal(0, 1, (window.height + 2, window.width + 2)).astype(np.float32)
        across = white[:, :-2] + 2 * white[:, 1:-1] + white[:, 2:]
        smooth = (across[:-2] + 2 * across[1:-1] + across[2:]) / 6
        values = _at(brightness, window) + _at(roughness, window) * smooth
        return np.clip(values, 1, 15000).astype(np.uint16)

    return write_tile_cog(path, pixels, full_tiles.TEMPLATE_TILE, dtype="uint16")


def _at(field: np.ndarray, window: Window) -> np.ndarray:
    """A field between its corners, bilinear."""
    down = _weights(window.row_off, window.height, field.shape[0])
    along = _weights(window.col_off, window.width, field.shape[1])
    return (down @ field @ along.T).astype(np.float32)


def _weights(start: int, count: int, corners: int) -> np.ndarray:
    place = (start + np.arange(count)) / _FIELD_PX
    return np.clip(1 - np.abs(place[:, None] - np.arange(corners)[None]), 0, None)
