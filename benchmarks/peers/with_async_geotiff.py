"""async-geotiff reads the window under the grid, all blocks at once; rasterio warps it in threads.

https://developmentseed.org/async-geotiff (GeoTIFF.open, read(window=...); neighbouring tiles come in one request)
"""

import asyncio
from urllib.parse import urlsplit

import numpy as np
from affine import Affine
from async_geotiff import GeoTIFF, RasterArray, Window
from cogs import write_cog
from common import CRS, Job, hrefs, job
from obstore.store import HTTPStore
from pyproj import Transformer
from rasterio.warp import Resampling, reproject

MARGIN_PX = 4


async def main(job: Job) -> None:
    for one in job.passes:
        places = [urlsplit(href) for href in hrefs(one)]
        # obstore refuses http unless told; the real address is https
        store = HTTPStore(f"{places[0].scheme}://{places[0].netloc}", client_options={"allow_http": True})
        windows = await asyncio.gather(*(_read(place.path.lstrip("/"), store, job) for place in places))
        write_cog(await asyncio.to_thread(_warp, windows, job), job, one["output"])


async def _read(path: str, store: HTTPStore, job: Job) -> tuple[str, RasterArray | None]:
    image = await GeoTIFF.open(path, store=store)
    window = _window(image, job)
    return image.crs.to_string(), await image.read(window=window) if window else None


def _window(image: GeoTIFF, job: Job) -> Window | None:
    """The rectangle of source pixels under the grid's edge."""
    left, bottom, right, top = job.bounds
    to_image = Transformer.from_crs(CRS, image.crs, always_xy=True)
    west, south, east, north = to_image.transform_bounds(left, bottom, right, top, densify_pts=101)
    inverse = ~image.transform
    (first_col, first_row), (last_col, last_row) = inverse @ (west, north), inverse @ (east, south)
    col, row = max(0, int(first_col) - MARGIN_PX), max(0, int(first_row) - MARGIN_PX)
    width = min(image.width, int(last_col) + MARGIN_PX) - col
    height = min(image.height, int(last_row) + MARGIN_PX) - row
    return Window(col_off=col, row_off=row, width=width, height=height) if width > 0 and height > 0 else None


def _warp(windows: list, job: Job) -> np.ndarray:
    """The preferred tile is laid last, on top."""
    result = np.zeros(job.shape, "uint16")
    for crs, window in reversed(windows):
        if window is not None:
            reproject(
                window.data[0], result, src_transform=window.transform, src_crs=crs, src_nodata=0,
                dst_transform=Affine(*job.transform), dst_crs=CRS, dst_nodata=0, init_dest_nodata=False,
                resampling=Resampling.cubic, num_threads=job.threads,
            )  # fmt: skip
    return result


asyncio.run(main(job()))
