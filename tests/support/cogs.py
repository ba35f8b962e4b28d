"""Cloud-optimised GeoTIFFs in Earth Search's layout, and what GDAL itself knows about their blocks."""

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import rasterio.shutil
from affine import Affine
from odc.geo.geobox import GeoBox
from pyproj import Transformer
from rasterio.windows import Window
from shapely import Polygon, box
from shapely.geometry.base import BaseGeometry
from tests.support.tiles import tile_grid

Blocks = Callable[[Window], np.ndarray]
"""Makes the pixels (height, width) of a window."""


def write_cog(
    path: Path,
    pixels: np.ndarray | Blocks,
    crs: str,
    transform: Affine,
    *,
    shape: tuple[int, int] | None = None,
    dtype: str = "uint16",
    offset: tuple[int, int] = (0, 0),
    nodata: int | None = 0,
    block: int = 1024,
    predictor: int = 2,
    compress: str = "deflate",
    overviews: bool = True,
    overview_resampling: str = "average",
    sparse: bool = False,
) -> Path:
    """Write a COG with rasterio's own driver.

    Args:
        path: where; its folders are made.
        pixels: array (height, width), or a function that makes one for a window of the whole image.
        crs: as `EPSG:32619`.
        transform: of the whole image.
        shape: (height, width) of the whole image; the array's own if not given. What no array covers is 0.
        dtype: of a function's pixels; an array has its own.
        offset: (row, column) in the whole image where the array's first pixel lies.
        nodata: value declared as missing, or none.
        block: width and height of a block in pixels.
        predictor: TIFF's, 1 for none.
        compress: TIFF compression.
        overviews: whether to add halved levels until one fits a block.
        overview_resampling: `average`, or `nearest` for classes.
        sparse: leave out blocks that are empty, as Earth Search does not.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(pixels, np.ndarray):
        shape, dtype = shape or pixels.shape, pixels.dtype.name
    if shape is None:
        raise ValueError("a function of windows needs the shape of the image")
    profile = {"crs": crs, "transform": transform, "nodata": nodata, "dtype": dtype, "count": 1}
    size = {"height": shape[0], "width": shape[1]}
    tiling = {"tiled": True, "blockxsize": block, "blockysize": block, "sparse_ok": True, "BIGTIFF": "IF_SAFER"}
    with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
        plain = Path(scratch) / "plain.tif"
        with rasterio.open(plain, "w", driver="GTiff", **profile, **size, **tiling) as image:
            for window, values in _windows(pixels, shape, offset, block):
                image.write(values, 1, window=window)
        options: dict[str, Any] = {
            "BLOCKSIZE": block,
            "COMPRESS": compress.upper(),
            "PREDICTOR": predictor,
            "OVERVIEWS": "AUTO" if overviews else "NONE",
            "OVERVIEW_RESAMPLING": overview_resampling.upper(),
            "SPARSE_OK": sparse,
            "NUM_THREADS": 2,
        }
        rasterio.shutil.copy(plain, path, driver="COG", **options)
    return path


def write_tile_cog(path: Path, pixels: np.ndarray | Blocks, tile: str, *, resolution_m: int = 10, **more: Any) -> Path:
    """Write a COG on the whole real grid of a Sentinel-2 tile; see `write_cog`.

    Args:
        path: where.
        pixels: an array smaller than the tile is laid at `offset` (row, column); the rest is 0.
        tile: such as `19XEG`.
        resolution_m: 10 or 20.
        **more: further arguments of `write_cog`.
    """
    crs, transform, (height, width) = tile_grid(tile)
    scale = resolution_m // 10
    shape = (height // scale, width // scale)
    return write_cog(path, pixels, crs, transform @ Affine.scale(scale), shape=shape, **more)


@dataclass(frozen=True)
class Level:
    """One resolution of a TIFF."""

    shape: tuple[int, int]
    """(height, width) in pixels."""
    block: tuple[int, int]
    """(height, width) of a block in pixels."""
    blocks: dict[tuple[int, int], tuple[int, int]]
    """(block row, block column) to (offset in the file, size) in bytes; what a sparse file leaves out is missing."""


def block_index(path: Path) -> list[Level]:
    """Where each block lies, by GDAL: full resolution first, then each overview."""
    with rasterio.open(path) as image:
        factors = image.overviews(1)
    return [_level(path, number) for number in range(-1, len(factors))]


def blocks_under(path: Path, grid: GeoBox, *, margin_px: int = 0) -> dict[tuple[int, int], int]:
    """Full-resolution blocks that intersect a grid, (row, column) to compressed size: what a perfect reader must fetch.

    Args:
        path: the TIFF.
        grid: in any CRS.
        margin_px: widens the grid by so many source pixels, for the taps of an interpolation.
    """
    level = block_index(path)[0]
    with rasterio.open(path) as image:
        outline = _outline_px(grid, image.crs.to_wkt(), image.transform).buffer(margin_px, join_style="mitre")
    height, width = level.block
    return {
        (row, column): size
        for (row, column), (_, size) in level.blocks.items()
        if outline.intersects(box(column * width, row * height, (column + 1) * width, (row + 1) * height))
    }


def bytes_under(path: Path, grid: GeoBox, *, margin_px: int = 0) -> int:
    """Their compressed size in all: see `blocks_under`."""
    return sum(blocks_under(path, grid, margin_px=margin_px).values())


def _windows(
    pixels: np.ndarray | Blocks, shape: tuple[int, int], offset: tuple[int, int], block: int
) -> Iterator[tuple[Window, np.ndarray]]:
    if isinstance(pixels, np.ndarray):
        yield Window(offset[1], offset[0], pixels.shape[1], pixels.shape[0]), pixels
        return
    for row in range(0, shape[0], block):
        for column in range(0, shape[1], block):
            window = Window(column, row, min(block, shape[1] - column), min(block, shape[0] - row))
            yield window, pixels(window)


def _level(path: Path, number: int) -> Level:
    """`number` -1 is the full resolution."""
    level = {} if number < 0 else {"OVERVIEW_LEVEL": number}
    with rasterio.open(path, **level) as image:
        height, width = image.block_shapes[0]
        rows, columns = -(-image.height // height), -(-image.width // width)
        places = [(row, column) for row in range(rows) for column in range(columns)]
        blocks = {place: _place(image, *place) for place in places}
        return Level(image.shape, (height, width), {place: at for place, at in blocks.items() if at})


def _place(image: rasterio.DatasetReader, row: int, column: int) -> tuple[int, int] | None:
    offset = image.get_tag_item(f"BLOCK_OFFSET_{column}_{row}", "TIFF", bidx=1)
    size = image.get_tag_item(f"BLOCK_SIZE_{column}_{row}", "TIFF", bidx=1)
    return (int(offset), int(size)) if offset and size else None


def _outline_px(grid: GeoBox, crs: str, transform: Affine) -> BaseGeometry:
    """The grid's edge, a point at every pixel corner, in the pixels (column, row) of an image."""
    height, width = grid.shape
    right, down = np.arange(width + 1), np.arange(height + 1)
    columns = np.concatenate([right, np.full(height + 1, width), right[::-1], np.zeros(height + 1)])
    rows = np.concatenate([np.zeros(width + 1), down, np.full(width + 1, height), down[::-1]])
    to_image = Transformer.from_crs(grid.crs.to_wkt(), crs, always_xy=True)
    affine = grid.affine
    x = affine.a * columns + affine.b * rows + affine.c
    y = affine.d * columns + affine.e * rows + affine.f
    east, north = to_image.transform(x, y)
    back = ~transform
    return Polygon(np.column_stack([back.a * east + back.b * north + back.c, back.d * east + back.e * north + back.f]))
