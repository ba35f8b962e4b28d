"""How all peers but gdalwarp write. Runs in `.venv-bench`."""

from typing import Any

import rasterio
from affine import Affine
from common import CRS, Job


def write_cog(pixels: Any, job: Job, path: str) -> None:
    """A COG as glacierctl's: deflate at its quickest, horizontal predictor, 512 px blocks, averaged overviews."""
    height, width = job.shape
    with (
        rasterio.Env(GDAL_NUM_THREADS=job.threads),
        rasterio.open(
            path, "w", driver="COG", dtype="uint16", count=1, height=height, width=width, crs=CRS,
            transform=Affine(*job.transform), nodata=0, compress="deflate", level=1, predictor="yes", blocksize=512,
            overview_resampling="average", num_threads=job.threads,
        ) as image,
    ):  # fmt: skip
        image.write(pixels, 1)
