"""stackstac as its documentation tunes it: native type, no rescaling, larger chunks, its own GDAL settings.

https://stackstac.readthedocs.io/en/latest/api/main/stackstac.stack.html (chunksize, rescale, dtype, snap_bounds)
"""

import dask
import numpy as np
import pystac
import stackstac
from cogs import write_cog
from common import Job, job
from rasterio.enums import Resampling

CHUNK_PX = 4096
"""Of 2048, 3072 and 4096 the quickest: fewer blocks are read twice."""


def main(job: Job) -> None:
    with dask.config.set(scheduler="threads", num_workers=job.fetchers):
        for one in job.passes:
            stack = stackstac.stack(
                [pystac.Item.from_dict(item) for item in one["items"]],
                assets=["nir"],
                epsg=3413,
                resolution=10,
                bounds=job.bounds,
                snap_bounds=False,
                resampling=Resampling.cubic,
                chunksize=CHUNK_PX,
                dtype=np.dtype("uint16"),
                fill_value=np.uint16(0),
                rescale=False,
                sortby_date=False,
                properties=False,
                band_coords=False,
            )
            write_cog(stackstac.mosaic(stack, nodata=0, reverse=True).squeeze("band").values, job, one["output"])


main(job())
