"""A picture to look at."""

import numpy as np
import pytest
from rasterio.io import MemoryFile

from glacierctl.processing.quicklook import quicklook


def opened(png: bytes) -> tuple[np.ndarray, np.ndarray]:
    """(grey, alpha), as GDAL reads them."""
    with MemoryFile(png, ext=".png") as file, file.open() as picture:
        assert picture.driver == "PNG"
        assert (picture.count, picture.dtypes) == (2, ("uint8", "uint8"))
        grey, alpha = picture.read()
    return grey, alpha


pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")


def test_it_is_transparent_where_there_is_no_data_and_only_there() -> None:
    pixels = np.random.default_rng(2).integers(1, 60_000, (80, 120)).astype(np.uint16)
    pixels[10:20, 30:90] = 0
    _, alpha = opened(quicklook(pixels))
    assert np.array_equal(alpha, np.where(pixels > 0, 255, 0))


def test_grey_is_stretched_between_percentiles_of_the_valid_pixels() -> None:
    pixels = np.zeros((100, 200), np.uint16)
    pixels[:50] = np.random.default_rng(2).permutation(np.arange(3000, 13_000)).reshape(50, 200)
    grey, _ = opened(quicklook(pixels))
    low, high = 3000 + 0.02 * 9999, 3000 + 0.98 * 9999
    expected = np.clip((pixels[:50] - low) / (high - low), 0, 1) * 255
    assert np.abs(grey[:50] - expected).max() <= 0.55  # half a grey, and a value
    assert not grey[50:].any()


@pytest.mark.parametrize("value", [1, 5000, 65_535])
def test_one_single_value_is_a_picture_too(value: int) -> None:
    grey, alpha = opened(quicklook(np.full((5, 7), value, np.uint16)))
    assert np.all(alpha == 255)
    assert len(np.unique(grey)) == 1


def test_no_data_at_all_is_a_picture_too() -> None:
    _, alpha = opened(quicklook(np.zeros((5, 7), np.uint16)))
    assert not alpha.any()


def test_the_same_pixels_give_the_same_bytes() -> None:
    pixels = np.random.default_rng(2).integers(0, 60_000, (80, 120)).astype(np.uint16)
    assert quicklook(pixels) == quicklook(pixels.copy())
