"""`gdalwarp -multi` on /vsicurl: the utility's own code, called in the GDAL that rasterio's wheel brings.

The same as the program, which is a command line around it, and newer than the one that Debian packages.
https://gdal.org/en/stable/programs/gdalwarp.html (-multi, -wo NUM_THREADS, -wm)
https://gdal.org/en/stable/user/virtual_file_systems.html#vsicurl-http-https-ftp-files-random-access
"""

import ctypes
import importlib.util
import os
from pathlib import Path

from common import GDAL_CLOUD, Job, hrefs, job

WARP_MEMORY_MB = 2000
"""Of 100, 512 and 2000 the quickest: one piece, each block read once."""


def main(job: Job) -> None:
    package = Path(importlib.util.find_spec("rasterio").origin).parent
    os.environ |= GDAL_CLOUD | {
        "GDAL_CACHEMAX": "512",
        "GDAL_NUM_THREADS": str(job.threads),  # tiles of one read are decoded at once
        "GDAL_DATA": str(package / "gdal_data"),
        "PROJ_DATA": str(package / "proj_data"),
    }
    (library,) = package.with_name("rasterio.libs").glob("libgdal-*")
    gdal = ctypes.CDLL(str(library), mode=ctypes.RTLD_GLOBAL)
    gdal.GDALAllRegister()
    for one in job.passes:
        _warp(gdal, _options(job), hrefs(one)[::-1], one["output"])


def _options(job: Job) -> list[str]:
    height, width = job.shape
    return [
        "-t_srs", "EPSG:3413", "-te", *map(repr, job.bounds), "-ts", str(width), str(height),
        "-r", "cubic", "-srcnodata", "0", "-dstnodata", "0",
        "-multi", "-wo", f"NUM_THREADS={job.threads}", "-wm", str(WARP_MEMORY_MB),
        "-of", "COG", "-co", "COMPRESS=DEFLATE", "-co", "LEVEL=1", "-co", "PREDICTOR=YES", "-co", "BLOCKSIZE=512",
        "-co", "OVERVIEW_RESAMPLING=AVERAGE", "-co", f"NUM_THREADS={job.threads}",
    ]  # fmt: skip


def _warp(gdal: ctypes.CDLL, options: list[str], sources: list[str], output: str) -> None:
    """The last source lies on top."""
    pointer = ctypes.c_void_p
    gdal.GDALOpenEx.restype = gdal.GDALWarpAppOptionsNew.restype = gdal.GDALWarp.restype = pointer
    words = (ctypes.c_char_p * (len(options) + 1))(*(word.encode() for word in options), None)
    parsed = pointer(gdal.GDALWarpAppOptionsNew(words, None))
    raster_verbose = 0x02 | 0x40
    opened = [
        pointer(gdal.GDALOpenEx(f"/vsicurl/{href}".encode(), raster_verbose, None, None, None)) for href in sources
    ]
    if not all(opened):
        raise SystemExit("a source does not open")
    error = ctypes.c_int(0)
    made = pointer(
        gdal.GDALWarp(output.encode(), None, len(opened), (pointer * len(opened))(*opened), parsed, ctypes.byref(error))
    )
    if not made or error.value:
        raise SystemExit("gdalwarp failed")
    for dataset in [made, *opened]:
        gdal.GDALClose(dataset)


main(job())
