"""An independent warp: every pixel by pyproj, nothing approximated, nothing of the project's own processing.

Slow and simple on purpose. What the product should hold at a pixel is worked out from the position of that pixel's
centre in each source, and nothing else.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from affine import Affine
from odc.geo.geobox import GeoBox
from pyproj import Transformer

from glacierctl.processing.raster import Block, Run

Reader = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Values at whole (row, column) inside a source; 0 is nodata."""


@dataclass(frozen=True)
class Source:
    """Pixels on a lattice, given by a function of (row, column), so that whole tiles take no memory."""

    crs: str
    """CRS, as `EPSG:32619`."""
    transform: Affine
    """Pixel corners to CRS."""
    shape: tuple[int, int]
    """(height, width)."""
    values: Reader
    """Called only within `shape`."""

    @classmethod
    def of_array(cls, pixels: np.ndarray, crs: str, transform: Affine) -> "Source":
        """A source that holds an array."""
        return cls(crs, transform, pixels.shape, lambda row, col: pixels[row, col])

    def at(self, row: np.ndarray, col: np.ndarray) -> np.ndarray:
        """Values at whole (row, column); 0 outside."""
        inside = (row >= 0) & (col >= 0) & (row < self.shape[0]) & (col < self.shape[1])
        found = np.zeros(np.shape(row))
        found[inside] = self.values(row[inside], col[inside])
        return found


def centres_in(source: Source, grid: GeoBox) -> tuple[np.ndarray, np.ndarray]:
    """(row, column) of every pixel centre of a grid in a source's pixels; the first pixel's centre is (0.5, 0.5)."""
    across, down = np.meshgrid(np.arange(grid.shape[1]) + 0.5, np.arange(grid.shape[0]) + 0.5)
    x, y = _apply(grid.affine, across, down)
    to_source = Transformer.from_crs(str(grid.crs), source.crs, always_xy=True)
    col, row = _apply(~source.transform, *map(np.asarray, to_source.transform(x, y)))
    return row, col


def nearest(sources: Sequence[Source], grid: GeoBox) -> np.ndarray:
    """The source pixel in which each centre lies, of the first source that has data there; 0 where none has."""
    image = np.zeros(grid.shape)
    for source in sources:
        row, col = centres_in(source, grid)
        found = source.at(np.floor(row).astype(int), np.floor(col).astype(int))
        image = np.where(image == 0, found, image)
    return image


def interpolated(source: Source, grid: GeoBox, kernel: Callable[[np.ndarray], np.ndarray], radius: int) -> np.ndarray:
    """Exact convolution with a separable kernel of `2 * radius` taps; NaN where any tap has no data."""
    row, col = centres_in(source, grid)
    first_row, first_col = (np.floor(part - 0.5).astype(int) - radius + 1 for part in (row, col))
    taps = range(2 * radius)
    weights_down = [kernel(first_row + tap + 0.5 - row) for tap in taps]
    weights_across = [kernel(first_col + tap + 0.5 - col) for tap in taps]
    total, weight = np.zeros(grid.shape), np.zeros(grid.shape)
    for down in taps:
        for across in taps:
            value = source.at(first_row + down, first_col + across)
            tap_weight = weights_down[down] * weights_across[across]
            total += tap_weight * np.where(value == 0, np.nan, value)
            weight += tap_weight
    return total / weight


def bilinear_kernel(distance: np.ndarray) -> np.ndarray:
    """Weight at a distance in pixels; radius 1."""
    return np.maximum(1 - np.abs(distance), 0)


def cubic_kernel(distance: np.ndarray) -> np.ndarray:
    """Keys (1981) with a = -1/2, GDAL's cubic; radius 2."""
    d = np.abs(distance)
    near, far = (1.5 * d - 2.5) * d * d + 1, ((-0.5 * d + 2.5) * d - 4) * d + 2
    return np.where(d <= 1, near, np.where(d < 2, far, 0.0))


def lanczos_kernel(distance: np.ndarray) -> np.ndarray:
    """Lanczos windowed sinc; radius 3."""
    return np.where(np.abs(distance) < 3, np.sinc(distance) * np.sinc(distance / 3), 0.0)


KERNELS = {"bilinear": (bilinear_kernel, 1), "cubic": (cubic_kernel, 2), "lanczos": (lanczos_kernel, 3)}
"""By the name of the resampling: (kernel, radius in pixels)."""


@dataclass
class MadeRaster:
    """A `glacierctl.processing.raster.Raster` of a `Source`: its blocks are made, not read, and counted."""

    source: Source
    """What it holds."""
    block_shape: tuple[int, int] = (1024, 1024)
    """(height, width) of a block."""
    href: str = "made"
    """Its name."""
    left_out: frozenset[Block] = frozenset()
    """Blocks that a sparse file would not store."""
    asked: list[Block] = field(default_factory=list)
    """Blocks that were fetched, in order."""

    @property
    def crs(self) -> str:
        """Of the source."""
        return self.source.crs

    @property
    def transform(self) -> Affine:
        """Of the source."""
        return self.source.transform

    @property
    def shape(self) -> tuple[int, int]:
        """Of the source."""
        return self.source.shape

    def runs(self, blocks: Iterable[Block]) -> Sequence[Run]:
        """Each block by itself."""
        return [Run((block,), 0, 0) for block in sorted(set(blocks) - self.left_out)]

    def fetch(self, run: Run) -> dict[Block, bytes]:
        """Counts."""
        self.asked += run.blocks
        return dict.fromkeys(run.blocks, b"")

    def decode(self, block: Block, encoded: bytes) -> np.ndarray:
        """Makes."""
        assert encoded == b""
        (tall, wide), (height, width) = self.block_shape, self.shape
        rows = np.arange(block[0] * tall, min((block[0] + 1) * tall, height))
        cols = np.arange(block[1] * wide, min((block[1] + 1) * wide, width))
        row, col = np.meshgrid(rows, cols, indexing="ij")
        return self.source.values(row, col).astype(np.uint16)

    def coarsest(self) -> np.ndarray:
        """Every 64th pixel."""
        row, col = np.meshgrid(np.arange(0, self.shape[0], 64), np.arange(0, self.shape[1], 64), indexing="ij")
        return self.source.values(row, col).astype(np.uint16)


def place_code(number: int, *, among: int = 4) -> Reader:
    """Values that tell a pixel from its neighbours, and by `(value - 1) % among` which source it is of: never 0."""

    def values(row: np.ndarray, col: np.ndarray) -> np.ndarray:
        mixed = row.astype(np.uint64) << np.uint64(20) | col.astype(np.uint64)
        mixed = (mixed ^ (mixed >> np.uint64(7))) * np.uint64(0x2127599BF4325C37)
        return (mixed >> np.uint64(24)) % np.uint64(65000 // among) * np.uint64(among) + np.uint64(number + 1)

    return values


def _apply(affine: Affine, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return affine.a * x + affine.b * y + affine.c, affine.d * x + affine.e * y + affine.f
