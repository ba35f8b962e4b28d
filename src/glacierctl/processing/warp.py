"""One resampling, from a window of source pixels straight onto a piece of the grid."""

import math

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterio.enums import Resampling as GdalResampling
from rasterio.vrt import WarpedVRT

from glacierctl.choices import Resampling
from glacierctl.processing.geometry import KERNEL_RADIUS
from glacierctl.processing.raster import FILL_VALUE, Pixels

_TOLERANCE_PX = 0.001
"""How far GDAL may approximate a position. Its default of 0.125 px gives 3-6 % wrong neighbours with nearest."""

GDAL_OPTIONS = {
    # opening an array as a dataset is off by default since GDAL 3.10; only `warp` does so, with its own arrays
    "GDAL_MEM_ENABLE_OPEN": "YES",
    # bytes: rasterio hands integers to GDALSetCacheMax64. Not percent, which looks at the host's memory
    "GDAL_CACHEMAX": 64 << 20,
    # grid shift files fetched by one machine and not by another would move pixels
    "PROJ_NETWORK": "OFF",
}


def warp(source: Pixels, transform: Affine, crs: str, target: GeoBox, resampling: Resampling) -> Pixels:
    """Resample `source` onto `target`, nodata apart: pixels of value 0 never enter a sum, valid ones never become 0.

    A pixel is valid where its nearest source pixel is. Where a kernel would reach nodata, a narrower one is used:
    GDAL falls back from cubic to bilinear by itself; of Lanczos it would keep what is left, which errs by up to 1.3
    pixels and turns valid pixels along a slanted edge into nodata.

    Args:
        source: (height, width), contiguous.
        transform: pixel to `crs` of `source`.
        crs: authority code, such as `EPSG:32626`.
        target: the piece of the grid.
        resampling: kernel, in source pixels whatever the scale.
    """
    pixels = _warp(source, transform, crs, target, resampling)
    if resampling is not Resampling.LANCZOS or source.all():
        return pixels
    whole = whole_kernels(source, transform, crs, target, resampling)
    return np.where(whole, pixels, _warp(source, transform, crs, target, Resampling.CUBIC))


def whole_kernels(
    source: Pixels, transform: Affine, crs: str, target: GeoBox, resampling: Resampling
) -> NDArray[np.bool_]:
    """Which pixels of `target` are made of a whole kernel, none of its source pixels nodata; arguments as in `warp`."""
    inner = _eroded(source != FILL_VALUE, math.floor(KERNEL_RADIUS[resampling]))
    return np.not_equal(_warp(inner.astype(np.uint16), transform, crs, target, Resampling.NEAREST), FILL_VALUE)


def _eroded(valid: NDArray[np.bool_], radius: int) -> NDArray[np.bool_]:
    """True where everything within `radius` pixels along either axis is; beyond the edge nothing is."""
    height, width = valid.shape
    padded = np.pad(valid, radius)
    reach = range(2 * radius + 1)
    across = np.logical_and.reduce([padded[:, start : start + width] for start in reach])
    eroded: NDArray[np.bool_] = np.logical_and.reduce([across[start : start + height] for start in reach])
    return eroded


def _warp(source: Pixels, transform: Affine, crs: str, target: GeoBox, resampling: Resampling) -> Pixels:
    source = np.ascontiguousarray(source)
    height, width = source.shape
    place = "/".join(repr(float(value)) for value in transform.to_gdal())
    name = (
        f"MEM:::DATAPOINTER={source.ctypes.data},PIXELS={width},LINES={height},BANDS=1,DATATYPE=UInt16,"
        f"GEOTRANSFORM={place},SPATIALREFERENCE={crs}"
    )
    with (
        rasterio.Env(**GDAL_OPTIONS),
        rasterio.open(name) as dataset,
        WarpedVRT(
            dataset,
            crs=str(target.crs),
            transform=target.affine,
            height=target.shape[0],
            width=target.shape[1],
            resampling=GdalResampling[resampling],
            src_nodata=FILL_VALUE,
            nodata=FILL_VALUE,
            tolerance=_TOLERANCE_PX,
            # without these GDAL widens its kernel by the scale it measures in each chunk, and seams show between
            # chunks (https://github.com/OSGeo/gdal/issues/7750)
            XSCALE="1",
            YSCALE="1",
        ) as warped,
    ):
        pixels: Pixels = warped.read(1)
    return pixels
