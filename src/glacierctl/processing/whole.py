"""Files that must be had whole: JPEG2000, and TIFFs laid out in strips. GDAL reads them, from a local disk."""

import os
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.windows import Window

from glacierctl.model import SourceFile
from glacierctl.processing.place import catalogued_transform
from glacierctl.processing.raster import Block, Pixels, Run, block_size, to_pixels
from glacierctl.processing.scratch import writing_to
from glacierctl.processing.transport import DamagedError, Transport

_BLOCK_SHAPE = (1024, 1024)
"""Sentinel-2's own JPEG2000 tiles are as large."""
_COPY_BYTES = 8 << 20
_COPY_PREFIX = "source-"
COPIES = f"{_COPY_PREFIX}*"
"""Pattern of the names of copies in a scratch folder."""


class WholeRaster:
    """A `Raster` whose file lies on a local disk and is read by GDAL, a block at a time."""

    def __init__(self, path: Path, source: SourceFile, *, renew: Callable[[], None] | None = None) -> None:
        """`renew` writes `path` anew; it is called once, when what is there does not decode."""
        self.href = source.href
        self._path = path
        self._renew = renew
        self._lock = threading.Lock()
        self._dataset = _open(path, self.href)
        self.shape: tuple[int, int] = self._dataset.shape
        self.block_shape: tuple[int, int] = _BLOCK_SHAPE
        self.crs = _authority(self._dataset) or source.crs or ""
        has_place = self._dataset.transform != Affine.identity()
        self.transform: Affine = self._dataset.transform if has_place else catalogued_transform(source, self.shape)
        if not self.crs:
            raise _damaged(self.href, "neither the file nor the catalogue names its coordinate reference system")

    def runs(self, blocks: Iterable[Block]) -> Sequence[Run]:
        """See `Raster.runs`. The bytes are on disk already, so a run is one block and names no bytes."""
        return [Run((block,), 0, 0) for block in sorted(set(blocks))]

    def fetch(self, run: Run) -> dict[Block, bytes]:
        """See `Raster.fetch`; `decode` reads."""
        return dict.fromkeys(run.blocks, b"")

    def decode(self, block: Block, encoded: bytes) -> Pixels:  # noqa: ARG002 - the file is at hand
        """See `Raster.decode`."""
        height, width = block_size(self, block)
        window = Window(block[1] * _BLOCK_SHAPE[1], block[0] * _BLOCK_SHAPE[0], width, height)
        return self._read(window=window)

    def coarsest(self) -> Pixels:
        """See `Raster.coarsest`; about as large as that of a COG."""
        factor = max(1, max(self.shape) // 512)
        return self._read(out_shape=(self.shape[0] // factor, self.shape[1] // factor))

    def _read(self, **what: object) -> Pixels:
        with self._lock:  # a GDAL dataset belongs to one thread at a time
            try:
                values = self._dataset.read(1, **what)
            except RasterioError as error:
                if self._renew is None:
                    raise _damaged(self.href, _detail(error)) from error
                values = self._read_anew(self._renew, what)
        return to_pixels(np.asarray(values), self._dataset.nodata, self.href)

    def _read_anew(self, renew: Callable[[], None], what: dict[str, object]) -> NDArray[np.generic]:
        """Once more from fresh bytes, for the file may have been damaged on its way."""
        self._renew = None
        self._dataset.close()
        renew()
        self._dataset = _open(self._path, self.href)
        try:
            values: NDArray[np.generic] = self._dataset.read(1, **what)
        except RasterioError as error:
            raise _damaged(self.href, _detail(error)) from error
        return values


def open_whole(source: SourceFile, transport: Transport, scratch: Path) -> WholeRaster:
    """Raster of any file that GDAL reads; a remote one is copied to `scratch` first, without sidecars.

    Raises:
        ReadError: it cannot be had, or GDAL does not know it.
        StoreError: there is no room for it in `scratch`.
    """
    if "://" not in source.href:
        return WholeRaster(Path(source.href), source)
    path = _new_file(scratch, Path(urlsplit(source.href).path).suffix)

    def copy() -> None:
        _copy(source.href, path, transport)

    copy()
    return WholeRaster(path, source, renew=copy)


def _new_file(scratch: Path, suffix: str) -> Path:
    """Empty, and nobody else's: the files of one pass are opened at once."""
    with writing_to(scratch):
        handle, name = tempfile.mkstemp(suffix, _COPY_PREFIX, scratch)
        os.close(handle)
    return Path(name)


def _copy(href: str, path: Path, transport: Transport) -> None:
    with writing_to(path.parent), path.open("wb") as target:
        piece = transport.read(href, 0, _COPY_BYTES)
        target.write(piece.data)
        for start in range(_COPY_BYTES, piece.file_size, _COPY_BYTES):
            target.write(transport.read_exactly(href, start, min(start + _COPY_BYTES, piece.file_size)))


def _open(path: Path, href: str) -> rasterio.DatasetReader:
    try:
        with warnings.catch_warnings():
            # where the file does not say where it lies, the catalogue does
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            return rasterio.open(path)
    except RasterioError as error:
        raise _damaged(href, _detail(error)) from error


def _detail(error: RasterioError) -> str:
    """What GDAL says; rasterio's own words only point to it."""
    return str(error.__cause__ or error)


def _authority(dataset: rasterio.DatasetReader) -> str | None:
    authority = dataset.crs.to_authority() if dataset.crs else None
    return ":".join(authority) if authority else None


def _damaged(href: str, why: str) -> DamagedError:
    return DamagedError(
        f"{href} cannot be read",
        why=why,
        hint="The file is damaged or of a kind that is not known here. Leave this date out, or ask the provider.",
        href=href,
    )
