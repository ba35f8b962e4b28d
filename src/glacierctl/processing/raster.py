"""One band of one scene, as blocks that can be fetched and decoded apart from each other."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
from affine import Affine
from numpy.typing import NDArray

from glacierctl.errors import ReadError

Pixels: TypeAlias = NDArray[np.uint16]
"""(height, width); 0 is nodata."""

Block: TypeAlias = tuple[int, int]
"""(row, column) of a block in its raster's tiling."""

FILL_VALUE = 0
"""No data, in every array and every product."""


@dataclass(frozen=True)
class Run:
    """Blocks that lie side by side in the file and are fetched by one request."""

    blocks: tuple[Block, ...]
    """In the order of the file."""
    start: int
    """First byte."""
    stop: int
    """Byte after the last."""


class Raster(Protocol):
    """A band: where it lies on Earth, and its pixels block by block."""

    href: str
    """Where the file lies."""
    crs: str
    """CRS as an authority code."""
    transform: Affine
    """Pixel (column, row) of the upper left corner to CRS."""
    shape: tuple[int, int]
    """(height, width) in pixels."""
    block_shape: tuple[int, int]
    """(height, width) of a block; those at the lower and right edge may be cut."""

    def runs(self, blocks: Iterable[Block]) -> Sequence[Run]:
        """Group blocks into requests. Blocks that the file leaves out (sparse: all nodata) are in none."""

    def fetch(self, run: Run) -> dict[Block, bytes]:
        """Encoded bytes of each block of a run.

        Raises:
            ReadError: they cannot be had.
        """

    def decode(self, block: Block, encoded: bytes) -> Pixels:
        """Pixels of a block, cut at the raster's edge.

        Raises:
            ReadError: the bytes do not decode.
        """

    def coarsest(self) -> Pixels:
        """The smallest overview, or the image itself if it has none.

        Raises:
            ReadError: it cannot be had.
        """


def block_size(raster: Raster, block: Block) -> tuple[int, int]:
    """(height, width) of a block, cut at the raster's edge."""
    return (
        min(raster.block_shape[0], raster.shape[0] - block[0] * raster.block_shape[0]),
        min(raster.block_shape[1], raster.shape[1] - block[1] * raster.block_shape[1]),
    )


def to_pixels(values: NDArray[np.generic], nodata: float | None, href: str) -> Pixels:
    """Values as stored, as `Pixels`: uint16 with 0 for nodata and for nothing else.

    Raises:
        ReadError: the file holds something else than unsigned integers of 8 or 16 bits.
    """
    if values.dtype not in (np.uint8, np.uint16):
        raise ReadError(
            f"{href} cannot be used",
            why=f"it holds {values.dtype} values, not unsigned integers of 8 or 16 bits",
            hint="Digital numbers as the providers distribute them are expected.",
            href=href,
        )
    pixels = values.astype(np.uint16)
    if nodata is None or nodata == FILL_VALUE:
        return pixels
    return np.where(pixels == nodata, FILL_VALUE, np.maximum(pixels, 1)).astype(np.uint16)
