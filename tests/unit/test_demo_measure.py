"""How far a product is from the truth: measured against images that are wrong by a known amount."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine

from glacierctl.demo.build import truth
from glacierctl.demo.measure import compare, measure, measure_products
from glacierctl.demo.passes import demo_passes
from glacierctl.demo.tiles import demo_region

CLEAR, CLOUDY, EDGE = demo_passes()
BOUNDS = demo_region().bounds
GRID = Affine(10, 0, BOUNDS[0] + 3000, 0, -10, BOUNDS[3] - 3000)
SHAPE = (320, 384)


def test_the_truth_is_not_displaced_from_itself() -> None:
    exact = truth(CLEAR, GRID, SHAPE)
    found = compare(exact, exact)
    assert (found.rms_dn, found.median_shift_px, found.largest_shift_px) == (0, 0, 0)
    assert (found.valid_pixels, found.wrong_extent_pixels, found.chips) == (320 * 384, 0, 120)


@pytest.mark.parametrize(("right", "down"), [(0.1, 0.0), (0.0, -0.2), (0.15, 0.2)])
def test_a_displacement_is_found(right: float, down: float) -> None:
    exact = truth(CLEAR, GRID, SHAPE)
    moved = Affine(10, 0, GRID.c + 10 * right, 0, -10, GRID.f - 10 * down)
    found = compare(truth(CLEAR, moved, SHAPE), exact)
    assert found.median_shift_px == pytest.approx(np.hypot(right, down), rel=0.06)


def test_brightness_that_is_off_by_a_constant_is_no_displacement() -> None:
    exact = truth(CLEAR, GRID, SHAPE)
    found = compare(exact + 50, exact)
    assert found.rms_dn == pytest.approx(50)
    assert found.largest_shift_px == pytest.approx(0, abs=1e-9)


def test_what_only_one_of_them_shows_is_counted() -> None:
    exact = truth(CLEAR, GRID, SHAPE)
    image = exact.copy()
    image[:10, :10] = 0
    image[200, 200] += 77
    found = compare(image, exact)
    assert (found.wrong_extent_pixels, found.valid_pixels, found.chips) == (100, 320 * 384 - 100, 119)
    assert found.largest_dn == pytest.approx(77)
    assert found.rms_dn == pytest.approx(77 / np.sqrt(320 * 384 - 100))


def test_smooth_cloud_tells_no_place() -> None:
    middle = CLOUDY.cloud.centre if CLOUDY.cloud else (0, 0)
    exact = truth(CLOUDY, Affine(10, 0, middle[0] - 500, 0, -10, middle[1] + 500), (100, 100))
    found = compare(exact + np.random.default_rng(1).normal(0, 1, exact.shape), exact)
    assert found.chips == 0
    assert np.isnan(found.median_shift_px)


def test_nothing_in_common_gives_no_figures() -> None:
    found = compare(np.zeros((64, 64)), np.full((64, 64), 5000.0))
    assert (found.valid_pixels, found.wrong_extent_pixels) == (0, 64 * 64)
    assert np.isnan(found.rms_dn)


def write_product(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    profile = {"driver": "GTiff", "width": 384, "height": 320, "count": 1, "dtype": "uint16", "nodata": 0}
    with rasterio.open(path, "w", **profile, crs="EPSG:3413", transform=GRID) as target:
        target.write(np.rint(image).astype("uint16"), 1)


def test_a_product_on_disk_is_measured_on_its_own_grid(tmp_path: Path) -> None:
    path = tmp_path / "product.tif"
    write_product(path, truth(EDGE, GRID, SHAPE))
    found = measure(path, EDGE)
    assert found.rms_dn == pytest.approx(1 / np.sqrt(12), rel=0.02)
    assert found.wrong_extent_pixels == 0
    assert found.largest_shift_px < 0.001


def test_the_products_of_a_store_are_measured_each_against_its_own_pass(tmp_path: Path) -> None:
    folder = tmp_path / "sentinel2" / "clipped" / "demo_glacier"
    names = ["S2A_MSIL2A_20240704T174911_N0510_R141.tif", "S2A_MSIL2A_20240714T174911_N0510_R141.tif"]
    write_product(folder / names[1], truth(CLOUDY, GRID, SHAPE))
    write_product(folder / names[0], truth(CLEAR, GRID, SHAPE))
    found = measure_products(tmp_path)
    assert [place for place, _ in found] == [folder / name for name in names]
    assert all(accuracy.rms_dn < 0.3 for _, accuracy in found)
    assert "px (median of 120 squares" in found[0][1].in_words()


def test_a_store_without_products_has_none_to_measure(tmp_path: Path) -> None:
    assert measure_products(tmp_path) == ()


def test_without_any_place_to_measure_the_words_say_so() -> None:
    assert "nothing" in compare(np.zeros((64, 64)), np.zeros((64, 64))).in_words()
