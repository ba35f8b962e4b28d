"""Which source pixels a piece of the grid needs.

Positions are computed exactly, point by point, on a lattice of the grid 32 pixels apart. Between its points both
projections are so nearly affine (below 0.001 px over 320 m) that the corners of a cell bound what lies in it.
"""

from dataclasses import dataclass

import numpy as np
import pyproj
from affine import Affine
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from glacierctl.choices import Resampling
from glacierctl.processing.raster import Block, Raster

_STEP = 32
KERNEL_RADIUS = {Resampling.NEAREST: 0.5, Resampling.BILINEAR: 1, Resampling.CUBIC: 2, Resampling.LANCZOS: 3}
"""In source pixels. The warp is told never to widen its kernel (XSCALE=1), so these hold at any scale."""
_MARGIN = 1.0
"""Pixels added around the kernel, for rounding."""


@dataclass(frozen=True)
class Chunk:
    """A rectangle of the grid that is made at once."""

    index: int
    """Place in the order of making, from 0."""
    row: int
    """First row in the grid."""
    col: int
    """First column in the grid."""
    height: int
    """Rows."""
    width: int
    """Columns."""


@dataclass(frozen=True)
class Window:
    """A rectangle of source pixels; may reach beyond its raster."""

    row: int
    """First row."""
    col: int
    """First column."""
    height: int
    """Rows."""
    width: int
    """Columns."""


def chunks(shape: tuple[int, int], size: int) -> tuple[Chunk, ...]:
    """Cut a grid of `shape` into squares of `size` (a multiple of 32), row by row."""
    corners = [(row, col) for row in range(0, shape[0], size) for col in range(0, shape[1], size)]
    return tuple(
        Chunk(index, row, col, min(size, shape[0] - row), min(size, shape[1] - col))
        for index, (row, col) in enumerate(corners)
    )


class Positions:
    """Where the points of a grid's lattice lie in one lattice of source pixels."""

    def __init__(self, grid: GeoBox, crs: str, transform: Affine) -> None:
        """`crs` and `transform` (pixel to CRS) are those of the source."""
        self._from_grid = grid.affine
        self._to_source = pyproj.Transformer.from_crs(str(grid.crs), crs, always_xy=True)
        self._to_pixels = ~transform
        row, col = np.meshgrid(_ticks(grid.shape[0]), _ticks(grid.shape[1]), indexing="ij")
        self._row, self._col = self.locate(row, col)

    def locate(
        self, row: NDArray[np.float64], col: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(row, column) in source pixels of points of the grid; both count from the corner of the first pixel."""
        x, y = self._to_source.transform(*_apply(self._from_grid, col, row))
        source_col, source_row = _apply(self._to_pixels, x, y)
        return source_row, source_col

    def cells(self, chunk: Chunk, resampling: Resampling) -> NDArray[np.float64]:
        """(cells, 4) row_min, col_min, row_max, col_max in source pixels of each cell of a chunk, kernel included."""
        rows = slice(chunk.row // _STEP, -(-(chunk.row + chunk.height) // _STEP) + 1)
        cols = slice(chunk.col // _STEP, -(-(chunk.col + chunk.width) // _STEP) + 1)
        pad = KERNEL_RADIUS[resampling] + _MARGIN
        low, high = [], []
        for axis in (self._row[rows, cols], self._col[rows, cols]):
            corners = np.stack([axis[:-1, :-1], axis[1:, :-1], axis[:-1, 1:], axis[1:, 1:]])
            low.append(corners.min(axis=0).ravel() - pad)
            high.append(corners.max(axis=0).ravel() + pad)
        return np.stack(low + high, axis=1)


def _apply(
    affine: Affine, x: NDArray[np.float64], y: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return affine.a * x + affine.b * y + affine.c, affine.d * x + affine.e * y + affine.f


def _ticks(length: int) -> NDArray[np.float64]:
    """0, 32, 64 ... and the end, in pixels."""
    return np.append(np.arange(0, length, _STEP), length).astype(np.float64)


def bounding_window(cells: NDArray[np.float64]) -> Window:
    """Smallest window of whole pixels that holds all cells."""
    row, col = (int(v) for v in np.floor(cells[:, :2].min(axis=0)))
    end_row, end_col = (int(v) for v in np.ceil(cells[:, 2:].max(axis=0)))
    return Window(row, col, end_row - row, end_col - col)


def blocks_under(cells: NDArray[np.float64], raster: Raster) -> frozenset[Block]:
    """Blocks of a raster that hold any pixel of any cell. Cells are given in that raster's own pixels."""
    height, width = raster.shape
    inside = (cells[:, 0] < height) & (cells[:, 1] < width) & (cells[:, 2] > 0) & (cells[:, 3] > 0)
    if not inside.any():
        return frozenset()
    limits = np.array([height - 1, width - 1, height - 1, width - 1])
    block_shape = np.array(raster.block_shape * 2)
    ranges = np.clip(np.floor(cells[inside]), 0, limits).astype(np.int64) // block_shape
    # most cells lie in the same few blocks: one number each, so that few are looked at
    packed = set((ranges << [48, 32, 16, 0]).sum(axis=1).tolist())
    return frozenset(
        (row, col)
        for one in packed
        for row in range(one >> 48, (one >> 16 & 0xFFFF) + 1)
        for col in range(one >> 32 & 0xFFFF, (one & 0xFFFF) + 1)
    )


def covered(cells: NDArray[np.float64], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Which cells lie wholly within a raster of `shape`."""
    return (cells[:, 0] >= 0) & (cells[:, 1] >= 0) & (cells[:, 2] <= shape[0]) & (cells[:, 3] <= shape[1])


def mark(cells: NDArray[np.float64], window: Window) -> NDArray[np.bool_]:
    """Mask of a window, True where a pixel belongs to any cell."""
    marked = np.zeros((window.height, window.width), bool)
    origin = np.array([window.row, window.col])
    first = np.floor(cells[:, :2]).astype(int) - origin
    last = np.ceil(cells[:, 2:]).astype(int) - origin
    for (top, left), (bottom, right) in zip(first.tolist(), last.tolist(), strict=True):
        marked[top:bottom, left:right] = True
    return marked
