"""A picture to look at: grey, stretched between percentiles, transparent where there is no data."""

import imagecodecs
import numpy as np

from glacierctl.processing.raster import FILL_VALUE, Pixels

LONGEST_SIDE = 1024
"""Of the picture, in pixels."""

_STRETCH_PERCENTILES = (2.0, 98.0)


def quicklook(pixels: Pixels) -> bytes:
    """PNG (grey and alpha) of `pixels`, (height, width)."""
    valid = pixels != FILL_VALUE
    low, high = np.percentile(pixels[valid], _STRETCH_PERCENTILES) if valid.any() else (0.0, 1.0)
    grey = np.clip((pixels.astype(np.float32) - low) / max(high - low, 1.0), 0, 1) * 255
    picture = np.stack([np.where(valid, np.rint(grey), 0), np.where(valid, 255, 0)], axis=-1).astype(np.uint8)
    return bytes(imagecodecs.png_encode(np.ascontiguousarray(picture), level=6))
