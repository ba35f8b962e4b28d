"""A GeoTIFF read back, block by block, before anybody else may see it.

GDAL reports a full disk for most writes, but not for those it makes while closing a file: the image then lacks its
last blocks and looks fine.
"""

import os
import struct
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import tifffile

from glacierctl.errors import StoreError
from glacierctl.processing.raster import FILL_VALUE

_MALFORMED = (ValueError, LookupError, TypeError, struct.error, RuntimeError)
"""What tifffile and imagecodecs raise when they meet nonsense."""


def verify_image(path: Path, valid_pixels: int, *, workers: int) -> None:
    """See whether every block of an image and its overviews is there and decodes (deflate carries a checksum).

    Args:
        path: GeoTIFF whose blocks are all stored.
        valid_pixels: how many pixels at full resolution are not nodata.
        workers: threads that decode.

    Raises:
        StoreError: something is missing.
    """
    try:
        with path.open("rb") as file, tifffile.TiffFile(file) as tiff, ThreadPoolExecutor(workers) as decoders:
            pages = [page for page in tiff.pages if isinstance(page, tifffile.TiffPage)]
            found, *_ = [sum(decoders.map(_counter(page, file.fileno()), range(_length(page)))) for page in pages]
    except _MALFORMED as error:
        raise _incomplete(path, str(error)) from error
    if found != valid_pixels:
        raise _incomplete(path, f"{valid_pixels:,} valid pixels were written and {found:,} are there")


def _length(page: tifffile.TiffPage) -> int:
    """How many blocks there must be."""
    return -(-page.imagelength // page.tilelength) * -(-page.imagewidth // page.tilewidth)


def _counter(page: tifffile.TiffPage, file: int) -> Callable[[int], int]:
    """Counts the valid pixels of a block, by its number."""
    across = -(-page.imagewidth // page.tilewidth)

    def count(number: int) -> int:
        encoded = os.pread(file, page.databytecounts[number], page.dataoffsets[number])
        values = page.decode(encoded, number)[0] if encoded else None
        if values is None:
            raise ValueError(f"block {number} is missing")
        row, col = divmod(number, across)
        height, width = page.imagelength - row * page.tilelength, page.imagewidth - col * page.tilewidth
        return int(np.count_nonzero(values[0, :height, :width] != FILL_VALUE))

    return count


def _incomplete(path: Path, why: str) -> StoreError:
    return StoreError(
        f"{path.name} could not be written whole in {path.parent}",
        why=f"the disk may be full: {why}",
        hint="Check that the folder for temporary files (TMPDIR) has room: about 500 MB for the largest region.",
    )
