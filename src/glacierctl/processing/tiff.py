"""Tiled TIFFs, cloud optimised or plain: the header once, then only the blocks that are asked for."""

import io
import logging
import math
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from typing import IO, cast

import numpy as np
import tifffile
from affine import Affine
from numpy.typing import NDArray

from glacierctl.errors import ReadError
from glacierctl.model import SourceFile
from glacierctl.processing.place import crs_of, transform_of
from glacierctl.processing.raster import Block, Pixels, Run, block_size, to_pixels
from glacierctl.processing.transport import DamagedError, Transport, damaged, truncated
from glacierctl.storage.ranges import Piece

HEADER_BYTES = 16 * 1024
"""Read at once on opening. A Sentinel-2 COG's header takes about 3 kB, a Landsat COG's up to 60 kB."""

_MORE_HEADER_BYTES = 64 * 1024
_MAX_RUN_BYTES = 8 << 20
"""Enough to hide the latency of S3 (8 MB take about 100 ms there), little enough to keep several in memory."""
_MAX_GAP_BYTES = 4 * 1024
"""GDAL's COGs part blocks by 8 bytes. A gap below this costs less than a request of its own."""

_MAX_BLOCK_PX = 8192 * 8192
"""Larger ones would not fit the memory that is promised; a header that speaks of them is most likely damaged."""

_MALFORMED = (
    ValueError,  # tifffile's own, and what it meets in nonsense
    LookupError,
    TypeError,
    ArithmeticError,
    struct.error,
    RuntimeError,  # imagecodecs derives the errors of its codecs from it
)

_TIFF_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_REDUCED_IMAGE = 1
_GDAL_NODATA_TAG = 42113


def is_tiff(head: bytes) -> bool:
    """Whether a file begins as TIFFs do."""
    return head[:4] in _TIFF_MAGIC


@dataclass(frozen=True)
class _Level:
    """One resolution of a TIFF, as its directory describes it."""

    decode: Callable[[bytes, int], NDArray[np.generic] | None]
    """(encoded block, its number) to values (1, height, width, samples)."""
    shape: tuple[int, int]
    """(height, width) in pixels."""
    block_shape: tuple[int, int]
    """(height, width) of a block in pixels."""
    extents: tuple[tuple[int, int], ...]
    """(offset, size) in bytes of each block, row by row. Size 0: left out, without data."""
    nodata: float | None
    """Value declared as missing."""

    def index(self, block: Block) -> int:
        """Number of a block."""
        return block[0] * self.tiling[1] + block[1]

    @property
    def tiling(self) -> tuple[int, int]:
        """(rows, columns) of blocks."""
        return -(-self.shape[0] // self.block_shape[0]), -(-self.shape[1] // self.block_shape[1])


@dataclass(frozen=True)
class _Header:
    """What is kept of a TIFF's header."""

    full: _Level
    """The image."""
    coarsest: _Level
    """Its smallest overview, or the image itself."""
    crs: str
    """CRS as an authority code."""
    transform: Affine
    """Pixel to CRS."""
    file_size: int
    """Of the whole file, in bytes."""


class TiffRaster:
    """A `Raster` in a tiled TIFF."""

    def __init__(self, href: str, header: _Header, transport: Transport) -> None:
        self.href = href
        self.crs = header.crs
        self.transform = header.transform
        self.shape: tuple[int, int] = header.full.shape
        self.block_shape: tuple[int, int] = header.full.block_shape
        self._header = header
        self._transport = transport

    def runs(self, blocks: Iterable[Block]) -> Sequence[Run]:
        """See `Raster.runs`."""
        return _runs(self._header.full, blocks)

    def fetch(self, run: Run) -> dict[Block, bytes]:
        """See `Raster.fetch`."""
        return self._fetch(self._header.full, run)

    def decode(self, block: Block, encoded: bytes) -> Pixels:
        """See `Raster.decode`."""
        height, width = block_size(self, block)
        return self._decode(self._header.full, block, encoded)[:height, :width]

    def coarsest(self) -> Pixels:
        """See `Raster.coarsest`."""
        level = self._header.coarsest
        (height, width), (down, across) = level.shape, level.block_shape
        pixels = np.zeros((height, width), np.uint16)
        rows, cols = level.tiling
        for run in _runs(level, product(range(rows), range(cols))):
            for (row, col), values in self._fetch_and_decode(level, run).items():
                target = pixels[row * down : (row + 1) * down, col * across : (col + 1) * across]
                target[:] = values[: target.shape[0], : target.shape[1]]
        return pixels

    def _fetch_and_decode(self, level: _Level, run: Run) -> dict[Block, Pixels]:
        """Once more from fresh bytes if they do not decode."""
        try:
            return {block: self._decode(level, block, data) for block, data in self._fetch(level, run).items()}
        except DamagedError:
            return {block: self._decode(level, block, data) for block, data in self._fetch(level, run).items()}

    def _fetch(self, level: _Level, run: Run) -> dict[Block, bytes]:
        if run.stop > self._header.file_size:
            raise truncated(self.href, run.stop, self._header.file_size)
        data = self._transport.read_exactly(self.href, run.start, run.stop)
        pieces = {}
        for block in run.blocks:
            offset, size = level.extents[level.index(block)]
            pieces[block] = data[offset - run.start : offset - run.start + size]
        return pieces

    def _decode(self, level: _Level, block: Block, encoded: bytes) -> Pixels:
        """Pixels of a block, at least as many as lie in the image."""
        try:
            values = level.decode(encoded, level.index(block))
        except _MALFORMED as error:
            raise damaged(self.href, f"block {block[0]},{block[1]} does not decode ({error})") from error
        if values is None:
            raise damaged(self.href, f"block {block[0]},{block[1]} is empty")
        return to_pixels(values[0, :, :, 0], level.nodata, self.href)


def open_tiff(head: Piece, source: SourceFile, transport: Transport) -> TiffRaster | None:
    """Raster of a tiled TIFF whose first bytes are `head`; None if it is laid out in strips.

    Raises:
        ReadError: the header is damaged or cannot be had.
    """
    file = _HeaderFile(head, source.href, transport)
    try:
        header = _read_header(file, source)
    except _MALFORMED as error:
        raise file.error or damaged(source.href, f"its header cannot be understood ({error})") from error
    if file.error:  # tifffile may go on without a tag that it could not read
        raise file.error
    return TiffRaster(source.href, header, transport) if header else None


def _read_header(file: "_HeaderFile", source: SourceFile) -> _Header | None:
    with _quiet(), tifffile.TiffFile(cast("IO[bytes]", file), name=source.href) as tiff:
        image, *others = [page for page in tiff.pages if isinstance(page, tifffile.TiffPage)]
        if not image.is_tiled:
            return None
        overviews = [page for page in others if page.subfiletype == _REDUCED_IMAGE]
        full = _level(image)
        coarsest = _level(overviews[-1]) if overviews else full
        return _Header(full, coarsest, crs_of(image, source), transform_of(image, source), file.size)


def _level(page: tifffile.TiffPage) -> _Level:
    shape = (int(page.imagelength), int(page.imagewidth))
    block_shape = (int(page.tilelength), int(page.tilewidth))
    if min(shape) < 1 or not 0 < block_shape[0] * block_shape[1] <= _MAX_BLOCK_PX:
        raise ValueError(f"an image of {shape[1]} x {shape[0]} pixels in blocks of {block_shape[1]} x {block_shape[0]}")
    extents = tuple((int(at), int(size)) for at, size in zip(page.dataoffsets, page.databytecounts, strict=True))
    nodata = float(page.nodata) if _GDAL_NODATA_TAG in page.tags else None
    decode, tables = page.decode, page.jpegtables
    level = _Level(lambda data, number: decode(data, number, jpegtables=tables)[0], shape, block_shape, extents, nodata)
    if len(extents) < math.prod(level.tiling):
        raise ValueError(f"it lists {len(extents)} of {math.prod(level.tiling)} blocks")
    return level


def _runs(level: _Level, blocks: Iterable[Block]) -> Sequence[Run]:
    runs: list[Run] = []
    for (start, size), block in sorted((level.extents[level.index(block)], block) for block in set(blocks)):
        last = runs[-1] if runs else None
        if size == 0:
            continue
        if last and start - last.stop <= _MAX_GAP_BYTES and start + size - last.start <= _MAX_RUN_BYTES:
            runs[-1] = Run((*last.blocks, block), last.start, max(last.stop, start + size))
        else:
            runs.append(Run((block,), start, start + size))
    return runs


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep from stderr what tifffile logs about odd tags; what of it matters is raised here."""
    logger, handler = logging.getLogger("tifffile"), logging.NullHandler()
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


class _HeaderFile(io.RawIOBase):
    """A file whose beginning is known and whose rest is fetched when the header turns out to be longer."""

    def __init__(self, head: Piece, href: str, transport: Transport) -> None:
        self.size = head.file_size
        self.error: ReadError | None = None
        self._pieces = [(0, head.data)]
        self._href = href
        self._transport = transport
        self._position = 0

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.size}[whence]
        self._position = origin + offset
        return self._position

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]
        start, stop = self._position, min(self._position + len(buffer), self.size)
        if stop <= start:
            return 0
        origin, data = self._piece(start, stop)
        buffer[: stop - start] = data[start - origin : stop - origin]
        self._position = stop
        return stop - start

    def _piece(self, start: int, stop: int) -> tuple[int, bytes]:
        for origin, data in self._pieces:
            if origin <= start and stop <= origin + len(data):
                return origin, data
        end = min(max(stop, start + _MORE_HEADER_BYTES), self.size)
        try:
            self._pieces.append((start, self._transport.read_exactly(self._href, start, end)))
        except ReadError as error:
            self.error = error
            raise
        return self._pieces[-1]
