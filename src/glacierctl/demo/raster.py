"""Functions of position, written as Cloud Optimized GeoTIFFs on any grid."""

import math
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
import rasterio.shutil
from affine import Affine
from pyproj import Transformer
from rasterio.enums import Resampling
from rasterio.windows import Window

from glacierctl.demo.glacier import Glacier
from glacierctl.demo.texture import Floats
from glacierctl.model import GREENLAND_CRS, Bounds

Paint = Callable[[Floats, Floats], npt.NDArray[Any]]
"""Pixel values from the positions of pixel centres, (x, y) in EPSG:3413 metres; 0 is nodata."""

_NODES = 10
"""Chebyshev nodes along each side of a block. Over 15 km a map projection is a polynomial of this order to 1e-6 m."""

_BLOCK = 1024
_SMALLEST_OVERVIEW = 1024

_CACHE_BYTES = 64 << 20
"""GDAL would take 5 % of the machine's memory and fill it with the empty blocks of whole tiles."""


@dataclass(frozen=True)
class PixelGrid:
    """The grid of a file."""

    epsg: int
    """CRS, in metres."""
    transform: Affine
    """Pixel corners to CRS; north up."""
    shape: tuple[int, int]
    """(height, width)."""


def write_analytic_scene(
    path: Path,
    *,
    epsg: int,
    transform: Affine,
    shape: tuple[int, int],
    t_days: float,
    box: Bounds,
    glacier: Glacier | None = None,
    mask: Callable[[Floats, Floats], npt.NDArray[np.bool_]] | None = None,
    add_dn: int = 0,
    margin_m: float = 1000.0,
    block: int = _BLOCK,
) -> None:
    """Write what a satellite sees of a glacier at one time as a COG: uint16, nodata 0.

    Args:
        path: where; replaced if it exists.
        epsg: CRS of the file, any whose unit is the metre.
        transform: pixel corners to that CRS, north up, any resolution.
        shape: (height, width) of the whole file.
        t_days: time on the glacier's clock.
        box: (xmin, ymin, xmax, ymax) in EPSG:3413; only pixels near it are filled, the others are nodata.
        glacier: what is seen; none means the one that fits into `box`.
        mask: True where there is data, from (x, y) in EPSG:3413. None: everywhere.
        add_dn: added to every valid pixel, like the 1000 of baseline 04.00.
        margin_m: how far beyond `box` pixels are filled.
        block: side of the file's tiles in pixels.
    """
    seen = glacier or Glacier.in_box(box)

    def paint(x: Floats, y: Floats) -> npt.NDArray[np.uint16]:
        image = np.rint(seen.reflectance(x, y, t_days)).astype(np.uint16) + np.uint16(add_dn)
        return image if mask is None else np.where(mask(x, y), image, np.uint16(0))

    write_cog(path, PixelGrid(epsg, transform, shape), paint, box=box, dtype="uint16", margin_m=margin_m, block=block)


def write_cog(
    path: Path,
    grid: PixelGrid,
    paint: Paint,
    *,
    box: Bounds,
    dtype: str,
    margin_m: float = 1000.0,
    block: int = _BLOCK,
    overviews: Resampling = Resampling.average,
) -> None:
    """Write `paint` at every pixel centre near `box` (EPSG:3413), exact to 1e-6 m, and nodata elsewhere.

    The file is sparse and written block by block: memory and time grow with the box, not with the grid. It appears
    under its name when it is complete.
    """
    scratch = tempfile.TemporaryDirectory(prefix=".unfinished-", dir=path.parent)
    with scratch as folder, rasterio.Env(GDAL_CACHEMAX=_CACHE_BYTES):
        plain, finished = Path(folder, "plain.tif"), Path(folder, "cog.tif")
        with rasterio.open(plain, "w", **_profile(grid, dtype, block)) as target:
            for window in windows_near(grid, box, margin_m=margin_m, block=block):
                target.write(paint(*pixel_centres(grid, window)).astype(dtype), 1, window=window)
        _add_overviews(plain, overviews)
        rasterio.shutil.copy(plain, finished, driver="COG", **_cog_options(block))
        finished.replace(path)


def windows_near(grid: PixelGrid, box: Bounds, *, margin_m: float, block: int = _BLOCK) -> Iterator[Window]:
    """The parts of a grid's blocks that lie within the rectangle round `box` (EPSG:3413) and its margin."""
    left, bottom, right, top = box_on_grid(grid.epsg, box, margin_m)
    cols, rows = on_map(~grid.transform, np.array([left, right]), np.array([top, bottom]))
    for row, height in _cut(_whole(rows, grid.shape[0]), block):
        for col, width in _cut(_whole(cols, grid.shape[1]), block):
            yield Window(col, row, width, height)


def box_on_grid(epsg: int, box: Bounds, margin_m: float) -> Bounds:
    """The rectangle in a CRS that encloses a box in EPSG:3413, and `margin_m` more on each side."""
    to_grid = Transformer.from_crs(GREENLAND_CRS, epsg, always_xy=True)
    left, bottom, right, top = to_grid.transform_bounds(*box, densify_pts=21)
    return left - margin_m, bottom - margin_m, right + margin_m, top + margin_m


def pixel_centres(grid: PixelGrid, window: Window) -> tuple[Floats, Floats]:
    """(x, y) in EPSG:3413 of the pixel centres of a window: two arrays of the window's shape.

    pyproj takes 1 us a point; here it is asked at Chebyshev nodes alone, and a polynomial says the rest.
    """
    nodes = np.cos(np.pi * (np.arange(_NODES) + 0.5) / _NODES)
    cols, rows = np.meshgrid(
        _spread(nodes, window.col_off, window.width), _spread(nodes, window.row_off, window.height)
    )
    to_greenland = Transformer.from_crs(grid.epsg, GREENLAND_CRS, always_xy=True)
    projected = to_greenland.transform(*on_map(grid.transform, cols, rows))
    along_rows = _polynomials(_centres(window.height), nodes)
    along_cols = _polynomials(_centres(window.width), nodes)
    x, y = (along_rows @ np.asarray(values) @ along_cols.T for values in projected)
    return x, y


def on_map(transform: Affine, cols: Floats, rows: Floats) -> tuple[Floats, Floats]:
    """Where pixel coordinates (0 is the outer edge of the first pixel) lie in a grid's CRS."""
    a, b, c, d, e, f = transform[:6]
    return a * cols + b * rows + c, d * cols + e * rows + f


def _spread(nodes: Floats, offset: int, size: int) -> Floats:
    """From -1..1 to pixel coordinates of a window."""
    return offset + (nodes + 1) / 2 * size


def _centres(size: int) -> Floats:
    """Pixel centres of a window of `size` pixels, in -1..1."""
    return (np.arange(size) + 0.5) / size * 2 - 1


def _polynomials(points: Floats, nodes: Floats) -> Floats:
    """Matrix (points, nodes) that interpolates values at the nodes."""
    degree = _NODES - 1
    at_points = np.polynomial.chebyshev.chebvander(points, degree)
    at_nodes = np.polynomial.chebyshev.chebvander(nodes, degree)
    return np.asarray(at_points @ np.linalg.inv(at_nodes))


def _whole(edges: Floats, size: int) -> tuple[int, int]:
    """(first, last) of the pixels that two edges enclose, as far as there are any; last is exclusive."""
    return max(0, math.floor(edges[0])), min(size, math.ceil(edges[1]))


def _cut(extent: tuple[int, int], block: int) -> Iterator[tuple[int, int]]:
    """(start, size) of the pieces into which blocks cut an extent."""
    start, last = extent
    while start < last:
        size = min(block - start % block, last - start)
        yield start, size
        start += size


def _profile(grid: PixelGrid, dtype: str, block: int) -> dict[str, Any]:
    height, width = grid.shape
    return {
        "driver": "GTiff",
        "height": height,
        "width": width,
        "count": 1,
        "dtype": dtype,
        "nodata": 0,
        "crs": rasterio.crs.CRS.from_epsg(grid.epsg),
        "transform": grid.transform,
        "tiled": True,
        "blockxsize": block,
        "blockysize": block,
        "SPARSE_OK": "TRUE",
    }


def _cog_options(block: int) -> dict[str, Any]:
    return {
        "COMPRESS": "DEFLATE",
        "PREDICTOR": "STANDARD",
        "BLOCKSIZE": block,
        "SPARSE_OK": "TRUE",
        "NUM_THREADS": "ALL_CPUS",
    }


def _add_overviews(path: Path, resampling: Resampling) -> None:
    with rasterio.Env(SPARSE_OK_OVERVIEW="TRUE"), rasterio.open(path, "r+") as target:
        factors = [2**n for n in range(1, 16) if max(target.shape) > _SMALLEST_OVERVIEW * 2 ** (n - 1)]
        if factors:
            target.build_overviews(factors, resampling)
