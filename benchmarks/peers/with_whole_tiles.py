"""How it is mostly done: whole tiles downloaded, then rioxarray: open, merge, reproject onto the grid.

https://corteva.github.io/rioxarray/stable/examples/merge.html and .../reproject_match.html
Tiles of one zone are merged before they are reprojected, zones after that.
"""

import tempfile
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import requests
import rioxarray
import xarray as xr
from affine import Affine
from cogs import write_cog
from common import CRS, Job, hrefs, job
from rasterio.enums import Resampling
from rioxarray.merge import merge_arrays


def main(job: Job) -> None:
    height, width = job.shape
    template = xr.DataArray(np.zeros((height, width), "uint16"), dims=("y", "x"))
    template = template.rio.write_crs(CRS).rio.write_transform(Affine(*job.transform)).rio.write_nodata(0)
    left, bottom, right, top = job.bounds
    template = template.assign_coords(
        x=left + (np.arange(width) + 0.5) * (right - left) / width,
        y=top - (np.arange(height) + 0.5) * (top - bottom) / height,
    )
    for one in job.passes:
        with tempfile.TemporaryDirectory() as folder, requests.Session() as session:
            names = [Path(folder) / f"{number}.tif" for number in range(len(hrefs(one)))]
            with ThreadPoolExecutor(job.fetchers) as pool:
                list(pool.map(lambda pair: _download(session, *pair), zip(hrefs(one), names, strict=True)))
            write_cog(_on_grid(names, template, job), job, one["output"])


def _download(session: requests.Session, href: str, path: Path) -> None:
    with session.get(href, stream=True, timeout=60) as answer, path.open("wb") as file:
        answer.raise_for_status()
        for piece in answer.iter_content(1 << 20):
            file.write(piece)


def _on_grid(names: list[Path], template: xr.DataArray, job: Job) -> np.ndarray:
    zones: dict[str, list[xr.DataArray]] = defaultdict(list)
    for name in names:
        tile = rioxarray.open_rasterio(name).squeeze("band", drop=True)
        zones[str(tile.rio.crs)].append(tile)
    result = None
    for tiles in zones.values():
        merged = merge_arrays(tiles, nodata=0) if len(tiles) > 1 else tiles[0]
        matched = merged.rio.reproject_match(
            template, resampling=Resampling.cubic, nodata=0, num_threads=job.threads
        ).values
        result = matched if result is None else np.where(result == 0, matched, result)
    return result


main(job())
