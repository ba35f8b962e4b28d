"""A picture to look at: grey, stretched between percentiles, transparent where there is no data."""

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from glacierctl.processing.raster import FILL_VALUE, Pixels

LONGEST_SIDE = 1024
"""Of the picture, in pixels."""

_VALUES = 1 << 16
_STRETCHED_SHARES = (0.02, 0.98)
"""Of the valid pixels; what is darker is black, what is brighter white."""
_ENCODING = {"level": 1, "filter": imagecodecs.PNG.FILTER.PAETH, "strategy": imagecodecs.PNG.STRATEGY.RLE}
"""zlib's own strategy for PNG: of images of the ground as small as level 3's search for repetitions, in a third of the
time (docs/decisions/0008)."""


def quicklook(pixels: Pixels) -> bytes:
    """PNG (grey and alpha) of `pixels`, (height, width)."""
    grey = _greys(np.bincount(pixels.ravel(), minlength=_VALUES))[pixels]
    alpha = np.where(pixels != FILL_VALUE, 255, 0).astype(np.uint8)
    return bytes(imagecodecs.png_encode(np.stack([grey, alpha], axis=-1), **_ENCODING))


def _greys(counts: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Grey of each value, by how often each occurs; nodata is black."""
    counts[FILL_VALUE] = 0
    below = counts.cumsum()
    low, high = np.searchsorted(below, [share * below[-1] for share in _STRETCHED_SHARES])
    stretched = np.clip((np.arange(_VALUES) - low) / max(high - low, 1), 0, 1) * 255
    greys: NDArray[np.uint8] = np.rint(stretched).astype(np.uint8)
    greys[FILL_VALUE] = 0
    return greys
