"""Full-size Sentinel-2 tiles of noisy snow, quickly: one is compressed, the others are it with another place."""

import datetime as dt
import shutil
import struct
from pathlib import Path

import numpy as np
from rasterio.windows import Window
from tests.support.catalogs import Json
from tests.support.cogs import write_tile_cog
from tests.support.items import sentinel2_item
from tests.support.nginx import Nginx
from tests.support.tiles import tile_grid

from glacierctl.model import Region

TEMPLATE_TILE = "26XMR"
SENSED_AT = dt.datetime(2024, 7, 4, 15, 14, 22, tzinfo=dt.UTC)
DAY = "2024-07-04"
_GEO_KEY_CRS = 3072
"""ProjectedCSTypeGeoKey, of GeoTIFF's key directory."""


def write_template(path: Path) -> Path:
    """A tile that compresses to about 1.5 bytes a pixel, as B08 over snow does; takes some seconds."""

    def snow(window: Window) -> np.ndarray:
        noise = np.random.default_rng([window.row_off, window.col_off])
        return np.clip(noise.normal(6000, 60, (window.height, window.width)), 1, None).astype(np.uint16)

    return write_tile_cog(path, snow, TEMPLATE_TILE, dtype="uint16")


def lay_tiles(template: Path, region: Region, www: Path) -> None:
    """Put all tiles of a region into a folder, each named after its tile."""
    www.mkdir(parents=True, exist_ok=True)
    for tile in region.tiles:
        _move_to(template, www / f"{tile}.tif", tile)


def items(region: Region, server: Nginx) -> list[Json]:
    """Items of one pass over a region, their files on a server."""
    return [
        sentinel2_item(tile=tile, sensed_at=SENSED_AT, nir_href=server.url(f"{tile}.tif"), scl_href=None)
        for tile in region.tiles
    ]


def _move_to(template: Path, path: Path, tile: str) -> None:
    """Copy the template and rewrite the two header tags that say where it lies."""
    shutil.copy(template, path)
    (old_crs, old, _), (new_crs, new, _) = tile_grid(TEMPLATE_TILE), tile_grid(tile)
    with path.open("r+b") as file:
        header = file.read(8192)
        for before, after in (
            (struct.pack("<2d", old.c, old.f), struct.pack("<2d", new.c, new.f)),
            (_crs_key(old_crs), _crs_key(new_crs)),
        ):
            if before not in header:
                raise ValueError(f"{template} does not say where it lies in the way that is rewritten here")
            header = header.replace(before, after)
        file.seek(0)
        file.write(header)


def _crs_key(crs: str) -> bytes:
    return struct.pack("<4H", _GEO_KEY_CRS, 0, 1, int(crs.removeprefix("EPSG:")))
