"""Whether a peer made the same image: the same grid, and pixels that differ by no more than interpolations do."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio

_ROWS = 1024
_CLOSE = 0.01


@dataclass(frozen=True)
class Agreement:
    """Two images side by side."""

    same_grid: bool
    """Shape, transform, CRS, type and nodata are equal."""
    same_layout: bool
    """Compression, predictor, blocks and number of overviews are equal."""
    valid_in_one: float
    """Share of the pixels that only one of the two has, 0-1."""
    differ: float
    """Share of pixels with another value, 0-1."""
    differ_by_a_hundredth: float
    """Share of pixels whose values differ by more than 1 %, 0-1."""


def compare(ours: Path, theirs: Path) -> Agreement:
    """Look at two GeoTIFFs, strip by strip."""
    with rasterio.open(ours) as left, rasterio.open(theirs) as right:
        if not _same_grid(left, right):
            return Agreement(False, False, 1, 1, 1)
        one_sided = differ = far = 0
        for row in range(0, left.height, _ROWS):
            window = ((row, min(row + _ROWS, left.height)), (0, left.width))
            a, b = (image.read(1, window=window).astype(np.int32) for image in (left, right))
            apart = np.abs(a - b)
            one_sided += np.count_nonzero((a == 0) != (b == 0))
            differ += np.count_nonzero(apart)
            far += np.count_nonzero(apart > _CLOSE * np.maximum(a, b))
        pixels = left.height * left.width
        return Agreement(True, _layout(left) == _layout(right), one_sided / pixels, differ / pixels, far / pixels)


def _same_grid(left: rasterio.DatasetReader, right: rasterio.DatasetReader) -> bool:
    return (
        left.shape == right.shape
        and left.crs == right.crs
        and left.transform.almost_equals(right.transform, 1e-6)
        and left.dtypes == right.dtypes
        and left.nodata == right.nodata
    )


def _layout(image: rasterio.DatasetReader) -> tuple[object, ...]:
    structure = image.tags(ns="IMAGE_STRUCTURE")
    return image.compression, structure.get("PREDICTOR"), image.block_shapes, image.overviews(1)
