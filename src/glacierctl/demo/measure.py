"""How far products are from the truth."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio

from glacierctl.choices import Satellite
from glacierctl.demo.build import truth
from glacierctl.demo.passes import Pass, demo_passes
from glacierctl.demo.texture import Floats
from glacierctl.demo.tiles import demo_region
from glacierctl.storage.layout import product_key

_CHIP_PX = 32
"""Side of the squares whose shift is measured: what feature tracking typically correlates."""

_LEAST_SLOPE_DN_PER_PX = 5.0
"""A chip that is smoother than this in some direction, as under cloud, shows nothing whose place could be told."""


@dataclass(frozen=True)
class Accuracy:
    """One product against what is exactly known of its pass."""

    valid_pixels: int
    """Pixels where both the product and the truth have data."""
    wrong_extent_pixels: int
    """Pixels where only one of them has data."""
    rms_dn: float
    """Root mean square of the difference in brightness, digital numbers, over the valid pixels."""
    largest_dn: float
    """The largest difference in brightness of any valid pixel, digital numbers."""
    contrast_dn: float
    """Standard deviation of the truth over the same pixels, to compare `rms_dn` with."""
    chips: int
    """How many squares of 32 px had enough contrast to tell their place."""
    median_shift_px: float
    """Median over these squares of the distance by which the product is displaced; NaN if there are none."""
    largest_shift_px: float
    """The largest of these distances; NaN if there are none."""

    def in_words(self) -> str:
        """One line for people."""
        if not self.chips:
            return "it shows nothing whose place could be measured"
        return (
            f"brightness is right to {self.rms_dn:.1f} DN (root mean square; the worst pixel is {self.largest_dn:.0f} "
            f"off, the picture varies by {self.contrast_dn:.0f}), place to {self.median_shift_px:.4f} px "
            f"(median of {self.chips} squares of {_CHIP_PX} px; the worst {self.largest_shift_px:.3f} px)"
        )


def measure_products(store: Path) -> tuple[tuple[Path, Accuracy], ...]:
    """Compare each of the demo's products that is in a store's folder with the truth, in order of time.

    Returns:
        (GeoTIFF, how far it is from the truth) of each.

    Raises:
        rasterio.errors.RasterioIOError: a product cannot be read.
    """
    name = demo_region().name
    places = [(store / product_key(Satellite.SENTINEL2, name, seen.product, "tif"), seen) for seen in demo_passes()]
    return tuple((place, measure(place, seen)) for place, seen in places if place.is_file())


def measure(product: Path, seen: Pass) -> Accuracy:
    """Compare a product on disk with the truth about its pass, pixel by pixel and square by square.

    Raises:
        rasterio.errors.RasterioIOError: the product cannot be read.
    """
    with rasterio.open(product) as source:
        image = source.read(1).astype(np.float64)
        exact = truth(seen, source.transform, source.shape, source.crs.to_string())
    return compare(image, exact)


def compare(image: Floats, exact: Floats) -> Accuracy:
    """Compare two images of one grid, (height, width), 0 where there is no data."""
    valid = (image > 0) & (exact > 0)
    wrong_extent = int(np.count_nonzero((image > 0) != (exact > 0)))
    if not valid.any():
        return Accuracy(0, wrong_extent, np.nan, np.nan, np.nan, 0, np.nan, np.nan)
    off = np.abs(image - exact)[valid]
    shifts = np.array([shift for chip in _chips(image, exact) if (shift := _shift(*chip)) is not None])
    return Accuracy(
        valid_pixels=off.size,
        wrong_extent_pixels=wrong_extent,
        rms_dn=float(np.sqrt(np.mean(off**2))),
        largest_dn=float(off.max()),
        contrast_dn=float(np.std(exact[valid])),
        chips=shifts.size,
        median_shift_px=float(np.median(shifts)) if shifts.size else np.nan,
        largest_shift_px=float(shifts.max()) if shifts.size else np.nan,
    )


def _chips(image: Floats, exact: Floats) -> list[tuple[Floats, Floats]]:
    """The squares that are valid throughout, from both."""
    height, width = image.shape
    rows, cols = (range(0, size - _CHIP_PX + 1, _CHIP_PX) for size in (height, width))
    parts = [(slice(row, row + _CHIP_PX), slice(col, col + _CHIP_PX)) for row in rows for col in cols]
    return [(image[part], exact[part]) for part in parts if image[part].all() and exact[part].all()]


def _shift(chip: Floats, exact: Floats) -> float | None:
    """Distance in pixels that best explains the difference, to first order (Lucas and Kanade 1981); None if smooth.

    Right for shifts well below the shortest wave of the picture, six pixels; larger ones come out too small.
    """
    slopes = np.column_stack([(slope - slope.mean()).ravel() for slope in np.gradient(exact)])
    difference = exact - chip
    weakest = np.linalg.svd(slopes, compute_uv=False)[-1] / exact.size**0.5
    if weakest < _LEAST_SLOPE_DN_PER_PX:
        return None
    moved, *_ = np.linalg.lstsq(slopes, (difference - difference.mean()).ravel(), rcond=None)
    return float(np.hypot(*moved))
