"""Share of cloud over a region, from the providers' own classifications."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from odc.geo.geobox import GeoBox

from glacierctl.choices import Resampling, Satellite
from glacierctl.model import Scene
from glacierctl.processing.mosaic import Mosaic
from glacierctl.processing.raster import Pixels
from glacierctl.processing.source import open_rasters
from glacierctl.processing.transport import Transport

_UNKNOWN, _CLEAR, _CLOUD = 0, 1, 2

_SCL_CLOUD = (8, 9, 10)
"""Medium and high cloud probability, thin cirrus. Of Sentinel-2's scene classification, where 0 is nodata:
https://sentiwiki.copernicus.eu/web/s2-processing#S2Processing-SceneClassification"""

_QA_FILL = 1 << 0
_QA_CLOUD = 1 << 2 | 1 << 3
"""Cirrus and cloud, of Landsat Collection 2's QA_PIXEL; bit 0 is fill:
https://www.usgs.gov/landsat-missions/landsat-collection-2-quality-assessment-bands"""

_SAMPLE_EVERY = 4
"""One pixel in four each way is looked at: the share is known to far better than 1 % all the same."""


def cloud_share(
    scenes: Sequence[Scene], grid: GeoBox, transport: Transport, scratch: Path, *, workers: int
) -> float | None:
    """Cloud over the classified pixels of the grid, 0-1; None where nothing is classified.

    Raises:
        ReadError: a classification cannot be read.
    """
    sources = [(scene.satellite, scene.clouds) for scene in scenes if scene.clouds]
    if not sources:
        return None
    rasters = open_rasters([source for _, source in sources], transport, scratch)
    satellites = [satellite for satellite, _ in sources]
    counts = np.zeros(3, np.int64)
    with Mosaic(
        rasters,
        _thin(grid),
        Resampling.NEAREST,
        workers=workers,
        prepare=lambda index, pixels: classify(pixels, satellites[index]),
    ) as mosaic:
        for _, classes in mosaic.render():
            counts += np.bincount(classes.ravel(), minlength=3)
    classified = int(counts[_CLEAR] + counts[_CLOUD])
    return int(counts[_CLOUD]) / classified if classified else None


def classify(values: Pixels, satellite: Satellite) -> Pixels:
    """0 unknown, 1 clear, 2 cloud, from SCL classes (Sentinel-2) or QA_PIXEL bits (Landsat)."""
    if satellite is Satellite.SENTINEL2:
        unknown, cloud = values == 0, np.isin(values, _SCL_CLOUD)
    else:
        unknown, cloud = (values == 0) | ((values & _QA_FILL) != 0), (values & _QA_CLOUD) != 0
    return np.where(unknown, _UNKNOWN, np.where(cloud, _CLOUD, _CLEAR)).astype(np.uint16)


def _thin(grid: GeoBox) -> GeoBox:
    shape = (-(-grid.height // _SAMPLE_EVERY), -(-grid.width // _SAMPLE_EVERY))
    return GeoBox(shape, grid.affine @ grid.affine.scale(_SAMPLE_EVERY), grid.crs)
