"""Tiled TIFFs, cloud optimised or plain: the header once, then only the blocks that are asked for."""

import io
from collections.abc import Iterable, Sequence
from typing import IO, cast

import numpy as np
import tifffile
from affine import Affine

from glacierctl.errors import ReadError
from glacierctl.model import SourceFile
from glacierctl.processing.raster import Block, Pixels, Run, block_size, to_pixels
from glacierctl.processing.transport import Transport
from glacierctl.storage.ranges import Piece

HEADER_BYTES = 16 * 1024
"""Read at once on opening. A Sentinel-2 COG's header takes about 3 kB, a Landsat COG's up to 60 kB."""

_MORE_HEADER_BYTES = 64 * 1024
_MAX_RUN_BYTES = 8 << 20
"""Enough to hide the latency of S3 (8 MB take about 100 ms there), little enough to keep several in memory."""
_MAX_GAP_BYTES = 4 * 1024
"""GDAL's COGs part blocks by 8 bytes. A gap below this costs less than a request of its own."""

_TIFF_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_USER_DEFINED = 32767
_PIXEL_IS_POINT = 2
_REDUCED_IMAGE = 1
_GDAL_NODATA_TAG = 42113


def is_tiff(head: bytes) -> bool:
    """Whether a file begins as TIFFs do."""
    return head[:4] in _TIFF_MAGIC


class TiffRaster:
    """A `Raster` in a tiled TIFF."""

    def __init__(self, pages: Sequence[tifffile.TiffPage], source: SourceFile, transport: Transport) -> None:
        """`pages` are the image and its overviews, largest first."""
        page = pages[0]
        self.href = source.href
        self.crs = _crs(page, source)
        self.transform = _transform(page, source)
        self.shape: tuple[int, int] = (page.imagelength, page.imagewidth)
        self.block_shape: tuple[int, int] = (page.tilelength, page.tilewidth)
        self._pages = pages
        self._transport = transport

    def runs(self, blocks: Iterable[Block]) -> Sequence[Run]:
        """See `Raster.runs`."""
        return self._runs(self._pages[0], blocks)

    def fetch(self, run: Run) -> dict[Block, bytes]:
        """See `Raster.fetch`."""
        return self._fetch(self._pages[0], run)

    def decode(self, block: Block, encoded: bytes) -> Pixels:
        """See `Raster.decode`."""
        return self._decode(self._pages[0], block, encoded)

    def coarsest(self) -> Pixels:
        """See `Raster.coarsest`."""
        page = self._pages[-1]
        down, across = -(-page.imagelength // page.tilelength), -(-page.imagewidth // page.tilewidth)
        pixels = np.zeros((page.imagelength, page.imagewidth), np.uint16)
        for run in self._runs(page, ((row, col) for row in range(down) for col in range(across))):
            for block, encoded in self._fetch(page, run).items():
                top, left = block[0] * page.tilelength, block[1] * page.tilewidth
                target = pixels[top : top + page.tilelength, left : left + page.tilewidth]
                target[:] = self._decode(page, block, encoded)[: target.shape[0], : target.shape[1]]
        return pixels

    def _runs(self, page: tifffile.TiffPage, blocks: Iterable[Block]) -> Sequence[Run]:
        across = -(-page.imagewidth // page.tilewidth)
        extents = sorted(
            (page.dataoffsets[row * across + col], page.databytecounts[row * across + col], (row, col))
            for row, col in set(blocks)
        )
        runs: list[Run] = []
        for start, count, block in extents:
            if count == 0:
                continue
            last = runs[-1] if runs else None
            if last and start - last.stop <= _MAX_GAP_BYTES and start + count - last.start <= _MAX_RUN_BYTES:
                runs[-1] = Run((*last.blocks, block), last.start, start + count)
            else:
                runs.append(Run((block,), start, start + count))
        return runs

    def _fetch(self, page: tifffile.TiffPage, run: Run) -> dict[Block, bytes]:
        across = -(-page.imagewidth // page.tilewidth)
        data = self._transport.read_exactly(self.href, run.start, run.stop)
        pieces = {}
        for row, col in run.blocks:
            start = page.dataoffsets[row * across + col] - run.start
            pieces[row, col] = data[start : start + page.databytecounts[row * across + col]]
        return pieces

    def _decode(self, page: tifffile.TiffPage, block: Block, encoded: bytes) -> Pixels:
        index = block[0] * -(-page.imagewidth // page.tilewidth) + block[1]
        try:
            values = page.decode(encoded, index, jpegtables=page.jpegtables)[0]
        except (RuntimeError, ValueError) as error:
            # imagecodecs derives the errors of its codecs from RuntimeError
            raise _corrupt(self.href, f"block {block[0]},{block[1]} does not decode ({error})") from error
        if values is None:
            raise _corrupt(self.href, f"block {block[0]},{block[1]} is empty")
        height, width = block_size(self, block) if page is self._pages[0] else values.shape[1:3]
        return to_pixels(
            values[0, :height, :width, 0], page.nodata if _GDAL_NODATA_TAG in page.tags else None, self.href
        )


def open_tiff(head: Piece, source: SourceFile, transport: Transport) -> TiffRaster | None:
    """Raster of a tiled TIFF whose first bytes are `head`; None if it is laid out in strips.

    Raises:
        ReadError: the header is damaged or cannot be had.
    """
    try:
        file = cast("IO[bytes]", _HeaderFile(head, source.href, transport))
        with tifffile.TiffFile(file, name=source.href) as tiff:
            pages = [page for page in tiff.pages if isinstance(page, tifffile.TiffPage)]
            image = pages[0]
            overviews = [page for page in pages[1:] if page.subfiletype == _REDUCED_IMAGE]
            image.dataoffsets, image.databytecounts, image.nodata  # noqa: B018 - read while the header is open
    except (tifffile.TiffFileError, ValueError, IndexError, KeyError, TypeError) as error:
        raise _corrupt(source.href, f"its header cannot be understood ({error})") from error
    if not image.is_tiled:
        return None
    return TiffRaster([image, *overviews], source, transport)


class _HeaderFile(io.RawIOBase):
    """A file whose beginning is known and whose rest is fetched when the header turns out to be longer."""

    def __init__(self, head: Piece, href: str, transport: Transport) -> None:
        self._pieces = [(0, head.data)]
        self._size = head.file_size
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
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = origin + offset
        return self._position

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]
        start, stop = self._position, min(self._position + len(buffer), self._size)
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
        end = min(max(stop, start + _MORE_HEADER_BYTES), self._size)
        self._pieces.append((start, self._transport.read_exactly(self._href, start, end)))
        return self._pieces[-1]


def _crs(page: tifffile.TiffPage, source: SourceFile) -> str:
    code = (page.geotiff_tags or {}).get("ProjectedCSTypeGeoKey")
    if code is not None and int(code) != _USER_DEFINED:
        return f"EPSG:{int(code)}"
    if source.crs is None:
        raise _corrupt(source.href, "neither the file nor the catalogue names its coordinate reference system")
    return source.crs


def _transform(page: tifffile.TiffPage, source: SourceFile) -> Affine:
    tags = page.geotiff_tags or {}
    shift = Affine.translation(-0.5, -0.5) if tags.get("GTRasterTypeGeoKey") == _PIXEL_IS_POINT else Affine.identity()
    if "ModelTransformation" in tags:
        matrix = np.asarray(tags["ModelTransformation"]).reshape(4, 4)
        return Affine(matrix[0, 0], matrix[0, 1], matrix[0, 3], matrix[1, 0], matrix[1, 1], matrix[1, 3]) @ shift
    if "ModelPixelScale" in tags and "ModelTiepoint" in tags:
        (width, height, *_), (col, row, _, x, y, *_) = tags["ModelPixelScale"], tags["ModelTiepoint"]
        return Affine(width, 0, x - col * width, 0, -height, y + row * height) @ shift
    return catalogued_transform(source, (page.imagelength, page.imagewidth))


def catalogued_transform(source: SourceFile, shape: tuple[int, int]) -> Affine:
    """Transform by the catalogue, scaled to the pixels that the file really has.

    Raises:
        ReadError: the catalogue gives none either.
    """
    if source.transform is None or source.shape is None:
        raise _corrupt(source.href, "neither the file nor the catalogue says where it lies")
    return Affine(*source.transform) @ Affine.scale(source.shape[1] / shape[1], source.shape[0] / shape[0])


def _corrupt(href: str, why: str) -> ReadError:
    return ReadError(
        f"{href} is damaged",
        why=why,
        hint="The file is damaged at its source. Leave this date out, or ask the provider to repair it.",
        href=href,
    )
