"""The product's image: encoded chunks in, a cloud-optimised GeoTIFF out, in one pass."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import BinaryIO

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from zlib_ng import zlib_ng

from glacierctl.processing.cog import BLOCK_SIZE, Level, header, level_shapes, place_tags, tiling, wrapped
from glacierctl.processing.geometry import Chunk
from glacierctl.processing.raster import FILL_VALUE, Block, Pixels
from glacierctl.processing.scratch import writing_to

_DEFLATE = {"level": 1, "wbits": 15, "memLevel": 9, "strategy": zlib_ng.Z_RLE}
"""Only runs of equal bytes are looked for: of other repetitions, images of the ground have none that pay for the search
(docs/decisions/0013)."""
_BY_CHUNK = 2
"""How many levels come as blocks of chunks: the image and its first overview."""

_FINE_ENOUGH = 1.2
"""A picture is made of the coarsest overview that has a pixel for each 1.2 of the picture's, as GDAL chooses."""


@dataclass(frozen=True)
class Encoded:
    """What the image takes of one chunk."""

    chunk: Chunk
    """Which; it begins at even blocks, and is two blocks long and wide where the image does not end before."""
    blocks: Mapping[Block, bytes]
    """Of the image."""
    half: tuple[Block, bytes]
    """The block of the first overview that it is."""
    quarter: Pixels
    """Its piece of the second overview."""
    valid_pixels: int
    """How many are not nodata."""


def encode(chunk: Chunk, pixels: Pixels) -> Encoded:
    """Compress a chunk and its part of the overviews: deflate with horizontal predictor.

    Args:
        chunk: two blocks by two, or as much of them as lies in the image.
        pixels: (chunk.height, chunk.width).
    """
    row, col = chunk.row // BLOCK_SIZE, chunk.col // BLOCK_SIZE
    half = halve(pixels)
    blocks = {(row + down, col + across): data for (down, across), data in _blocks(pixels)}
    return Encoded(chunk, blocks, ((row // 2, col // 2), _encoded(half)), halve(half), int(np.count_nonzero(pixels)))


def halve(pixels: Pixels) -> Pixels:
    """Means of four pixels each, nodata apart; at odd edges of two or one. (height, width) to half, rounded up."""
    padded = np.pad(pixels, [(0, size % 2) for size in pixels.shape])
    total = _sum_of_four(padded)
    # nearly always there is no nodata, and dividing by four takes a quarter of the time
    count = 4 if padded.all() else np.maximum(_sum_of_four(padded != FILL_VALUE), 1)
    means: Pixels = ((total + count // 2) // count).astype(np.uint16)
    return means


@contextmanager
def pyramid_in(folder: Path, grid: GeoBox) -> Iterator["Pyramid"]:
    """An image that chunks are added to. Its blocks are kept in a file in `folder`, removed at the end.

    Raises:
        StoreError: no room; so do `add` and `write`.
    """
    spool = folder / "blocks"
    with writing_to(folder):
        blocks = spool.open("xb+")
    try:
        yield Pyramid(grid, blocks, folder)
    finally:
        with suppress(OSError):  # what could not be written has been told
            blocks.close()
        spool.unlink(missing_ok=True)


@dataclass
class _Band:
    """A row of blocks of an overview, while pieces of it are missing."""

    pixels: Pixels
    """As far as they are there."""
    missing: int
    """How many are not."""


class Pyramid:
    """Blocks of the image and of its overviews: encoded ones in a file until all are there."""

    def __init__(self, grid: GeoBox, spool: BinaryIO, folder: Path) -> None:
        self.valid_pixels = 0
        self._grid = grid
        self._spool = spool
        self._folder = folder
        self._shapes = level_shapes((grid.height, grid.width))
        self._places: list[dict[Block, tuple[int, int]]] = [{} for _ in self._shapes]
        self._bands: dict[tuple[int, int], _Band] = {}
        self._end = 0

    def add(self, encoded: Encoded) -> None:
        """Add a chunk, in any order; together they make up the grid."""
        self.valid_pixels += encoded.valid_pixels
        with writing_to(self._folder):
            for block, data in encoded.blocks.items():
                self._keep(0, block, data)
            if len(self._shapes) > 1:
                self._keep(1, *encoded.half)
            self._lay(_BY_CHUNK, encoded.chunk.row // 4, encoded.chunk.col // 4, encoded.quarter)
            self._spool.flush()

    def write(self, path: Path, tags: Mapping[str, str]) -> None:
        """Write all as a COG: uint16, nodata 0, deflate with horizontal predictor, overviews.

        The bytes depend on the pixels and the tags alone.

        Args:
            path: the COG to be written.
            tags: provenance, kept in the file.
        """
        with writing_to(path.parent), path.open("xb") as file:
            file.write(header(self._levels(), place_tags(self._grid, FILL_VALUE, tags)))
            for number, shape in reversed(list(enumerate(self._shapes))):
                for block in _tiles(shape):
                    file.writelines(wrapped(self._read(number, block)))

    def reduced(self, longest_side: int) -> Pixels:
        """The image, reduced so that neither side exceeds `longest_side` pixels: the nearest of a fitting overview."""
        full = self._shapes[0]
        scale = min(1.0, longest_side / max(full))
        shape = [max(1, round(side * scale)) for side in full]
        fitting = [n for n, level in enumerate(self._shapes) if max(full) / max(level) < _FINE_ENOUGH / scale]
        pixels = self._pixels(fitting[-1])
        rows, cols = (
            ((np.arange(size) + 0.5) * (n / size)).astype(int) for size, n in zip(shape, pixels.shape, strict=True)
        )
        return pixels[np.ix_(rows, cols)]

    def _pixels(self, number: int) -> Pixels:
        """Of a level, decoded again."""
        rows, cols = tiling(self._shapes[number])
        pixels: Pixels = np.empty((rows * BLOCK_SIZE, cols * BLOCK_SIZE), np.uint16)
        for row, col in _tiles(self._shapes[number]):
            top, left = row * BLOCK_SIZE, col * BLOCK_SIZE
            pixels[top : top + BLOCK_SIZE, left : left + BLOCK_SIZE] = _decoded(self._read(number, (row, col)))
        return pixels[: self._shapes[number][0], : self._shapes[number][1]]

    def _lay(self, number: int, row: int, col: int, piece: Pixels) -> None:
        """Lay a piece of an overview in place; a row of blocks that is whole is encoded, and halved for the next."""
        if number >= len(self._shapes):
            return
        down, top = divmod(row, BLOCK_SIZE)
        band = self._bands.pop((number, down), None) or self._new_band(number, down)
        band.pixels[top : top + piece.shape[0], col : col + piece.shape[1]] = piece
        band.missing -= piece.size
        if band.missing:
            self._bands[number, down] = band
            return
        for (_, across), data in _blocks(band.pixels):
            self._keep(number, (down, across), data)
        self._lay(number + 1, down * BLOCK_SIZE // 2, 0, halve(band.pixels))

    def _new_band(self, number: int, down: int) -> _Band:
        height, width = self._shapes[number]
        pixels: Pixels = np.zeros((min(BLOCK_SIZE, height - down * BLOCK_SIZE), width), np.uint16)
        return _Band(pixels, pixels.size)

    def _levels(self) -> list[Level]:
        """From fine to coarse."""
        return [
            Level(shape, tuple(self._places[number][block][1] for block in _tiles(shape)))
            for number, shape in enumerate(self._shapes)
        ]

    def _keep(self, number: int, block: Block, data: bytes) -> None:
        self._places[number][block] = (self._end, len(data))
        self._spool.write(data)
        self._end += len(data)

    def _read(self, number: int, block: Block) -> bytes:
        """From any thread."""
        start, size = self._places[number][block]
        return os.pread(self._spool.fileno(), size, start)


def _tiles(shape: tuple[int, int]) -> Iterator[Block]:
    rows, cols = tiling(shape)
    return product(range(rows), range(cols))


def _blocks(pixels: Pixels) -> Iterator[tuple[Block, bytes]]:
    """Cut and encode."""
    for row, col in _tiles(pixels.shape):
        top, left = row * BLOCK_SIZE, col * BLOCK_SIZE
        yield (row, col), _encoded(pixels[top : top + BLOCK_SIZE, left : left + BLOCK_SIZE])


def _encoded(pixels: Pixels) -> bytes:
    """One block; it is stored whole where the image ends within it."""
    if pixels.shape != (BLOCK_SIZE, BLOCK_SIZE):
        pixels = np.pad(pixels, [(0, BLOCK_SIZE - size) for size in pixels.shape])
    deflate = zlib_ng.compressobj(**_DEFLATE)
    return deflate.compress(imagecodecs.delta_encode(pixels, axis=-1)) + deflate.flush()


def _decoded(block: bytes) -> Pixels:
    values = np.frombuffer(bytes(imagecodecs.deflate_decode(block)), np.uint16)
    pixels: Pixels = imagecodecs.delta_decode(values.reshape(BLOCK_SIZE, BLOCK_SIZE), axis=-1)
    return pixels


def _sum_of_four(values: NDArray[np.generic]) -> NDArray[np.uint32]:
    rows = np.add(values[0::2], values[1::2], dtype=np.uint32)
    total: NDArray[np.uint32] = rows[:, 0::2] + rows[:, 1::2]
    return total
