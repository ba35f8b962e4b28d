"""The files of one scene: what one pass sees on one tile."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
from rasterio.enums import Resampling

from glacierctl.demo.passes import OFFSET_DN, Pass
from glacierctl.demo.raster import PixelGrid, write_cog
from glacierctl.demo.texture import Floats
from glacierctl.demo.tiles import Tile
from glacierctl.model import Bounds

NIR_FILE, NIR_M = "B08.tif", 10.0
SCL_FILE, SCL_M = "SCL.tif", 20.0

MARGIN_M = 1000.0
"""How far beyond the region the demo's files hold pixels."""


def scene_grid(tile: Tile, resolution_m: float) -> PixelGrid:
    """The whole tile's grid at a resolution."""
    return PixelGrid(tile.epsg, tile.transform(resolution_m), tile.shape(resolution_m))


def write_scene(folder: Path, seen: Pass, tile: Tile, box: Bounds) -> None:
    """Write B08.tif (uint16, 10 m) and SCL.tif (uint8, 20 m), full tiles with pixels near `box` (EPSG:3413) only."""
    added = OFFSET_DN if tile.name in seen.tiles_with_offset else 0

    def nir(x: Floats, y: Floats) -> npt.NDArray[np.uint16]:
        image = np.rint(seen.reflectance(x, y)).astype(np.uint16)
        return np.where(image > 0, image + np.uint16(added), np.uint16(0))

    folder.mkdir(parents=True, exist_ok=True)
    nir_grid = scene_grid(tile, NIR_M)
    write_cog(folder / NIR_FILE, nir_grid, nir, box=box, dtype="uint16", margin_m=MARGIN_M)
    write_cog(
        folder / SCL_FILE,
        scene_grid(tile, SCL_M),
        seen.classification,
        box=box,
        dtype="uint8",
        margin_m=MARGIN_M,
        overviews=Resampling.nearest,
    )
