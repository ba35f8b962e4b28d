"""The product's image: chunks in, a cloud-optimised GeoTIFF out."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
import rasterio.shutil
from odc.geo.geobox import GeoBox
from rasterio._err import CPLE_BaseError
from rasterio.errors import RasterioError
from rasterio.windows import Window

from glacierctl.errors import StoreError
from glacierctl.processing.geometry import Chunk
from glacierctl.processing.raster import FILL_VALUE, Pixels
from glacierctl.processing.verify import verify_image
from glacierctl.processing.warp import GDAL_OPTIONS

BLOCK_SIZE = 512
"""Side of a block in the product, in pixels: GDAL's own choice for COGs."""

_SPOOL = {"compress": "zstd", "zstd_level": 1, "predictor": 2, "tiled": True, "blockxsize": 512, "blockysize": 512}
"""Chunks are kept compressed until the last is made, so that the largest region fits 512 MB of scratch."""


@dataclass(frozen=True)
class Image:
    """A finished GeoTIFF on local disk."""

    path: Path
    """The file."""
    valid_pixels: int
    """How many pixels are not nodata."""


def write_image(
    chunks: Iterable[tuple[Chunk, Pixels]], grid: GeoBox, path: Path, *, tags: Mapping[str, str], workers: int
) -> Image:
    """Write chunks as a COG: uint16, nodata 0, deflate with horizontal predictor, overviews.

    The bytes depend on the pixels and the tags alone, not on `workers`.

    Args:
        chunks: each with its pixels, in any order; together they make up the grid.
        grid: where they lie.
        path: the COG to be written. A file beside it is used on the way.
        tags: provenance, kept in the file.
        workers: threads that compress.

    Raises:
        StoreError: no room. Where GDAL does not notice, reading back does.
    """
    spool = path.with_name(f"{path.stem}-spool.tif")
    with _gdal(path, workers):
        valid_pixels = _spool(chunks, grid, spool, tags)
        rasterio.shutil.copy(
            spool,
            path,
            driver="COG",
            compress="deflate",
            predictor="yes",
            blocksize=BLOCK_SIZE,
            overview_resampling="average",
            num_threads=workers,
        )
        spool.unlink()
    verify_image(path, valid_pixels, workers=workers)
    return Image(path, valid_pixels)


def read_overview(path: Path, longest_side: int) -> Pixels:
    """The image of a COG, reduced so that neither side exceeds `longest_side` pixels."""
    with rasterio.Env(**GDAL_OPTIONS), rasterio.open(path) as dataset:
        scale = min(1.0, longest_side / max(dataset.shape))
        shape = tuple(max(1, round(side * scale)) for side in dataset.shape)
        pixels: Pixels = dataset.read(1, out_shape=shape)
    return pixels


def _spool(chunks: Iterable[tuple[Chunk, Pixels]], grid: GeoBox, spool: Path, tags: Mapping[str, str]) -> int:
    valid_pixels = 0
    with rasterio.open(
        spool,
        "w",
        driver="GTiff",
        dtype="uint16",
        count=1,
        height=grid.height,
        width=grid.width,
        crs=str(grid.crs),
        transform=grid.affine,
        nodata=FILL_VALUE,
        sparse_ok=True,
        **_SPOOL,
    ) as dataset:
        for chunk, pixels in chunks:
            valid_pixels += int(np.count_nonzero(pixels))
            dataset.write(pixels, 1, window=Window(chunk.col, chunk.row, chunk.width, chunk.height))
        dataset.update_tags(**tags)
    return valid_pixels


@contextmanager
def _gdal(path: Path, workers: int) -> Iterator[None]:
    try:
        with rasterio.Env(**GDAL_OPTIONS, GDAL_NUM_THREADS=workers):
            yield
    # rasterio passes some errors of GDAL on as they are, and calls those that GDAL did not explain SystemError
    except (RasterioError, CPLE_BaseError, SystemError) as error:
        raise StoreError(
            f"{path.name} cannot be made in {path.parent}",
            why=f"GDAL does not write it, as when the disk is full ({error})",
            hint="Check that the folder for temporary files (TMPDIR) has room: about 500 MB for the largest region.",
        ) from error
