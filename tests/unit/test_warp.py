"""One resampling: exact in place, kernel by kernel, and apart from nodata."""

import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox
from pyproj import Transformer
from tests.support import oracle
from tests.support.oracle import KERNELS, Source

from glacierctl.choices import Resampling
from glacierctl.processing.geometry import Chunk, Positions, Window
from glacierctl.processing.warp import warp

CRS = "EPSG:32619"
TRANSFORM = Affine(10, 0, 500_000, 0, -10, 8_640_000)
SIDE = 700
SMOOTH = [Resampling.BILINEAR, Resampling.CUBIC, Resampling.LANCZOS]


def grid_inside(resolution_m: float = 10.0, shape: tuple[int, int] = (400, 420)) -> GeoBox:
    """A grid in Greenland's CRS whose middle is that of the source, wholly inside it."""
    to_grid = Transformer.from_crs(CRS, "EPSG:3413", always_xy=True)
    x, y = to_grid.transform(*(TRANSFORM @ (SIDE / 2, SIDE / 2)))
    left, top = x - resolution_m * shape[1] / 2, y + resolution_m * shape[0] / 2
    return GeoBox(shape, Affine(resolution_m, 0, left, 0, -resolution_m, top), "EPSG:3413")


GRID = grid_inside()


def rows_and_cols() -> tuple[np.ndarray, np.ndarray]:
    return np.mgrid[:SIDE, :SIDE]


def with_holes() -> np.ndarray:
    """True where there is data: a slanted orbit edge, a gap, single pixels and lines without."""
    row, col = rows_and_cols()
    valid = col + 0.37 * row < 540
    valid[200:260, 150:190] = False
    valid[300:420, 260] = False
    valid[450, 200:400] = False
    return valid & (np.random.default_rng(7).random(valid.shape) > 0.003)


def source_of(pixels: np.ndarray) -> Source:
    return Source.of_array(pixels.astype(np.uint16), CRS, TRANSFORM)


def warped(pixels: np.ndarray, resampling: Resampling, grid: GeoBox = GRID) -> np.ndarray:
    return resampled(pixels.astype(np.uint16), resampling, grid, is_whole=bool(np.all(pixels)))


def resampled(
    pixels: np.ndarray, resampling: Resampling, grid: GeoBox, *, is_whole: bool, row: int = 0, col: int = 0
) -> np.ndarray:
    """`warp` of an array whose first pixel lies at (row, column) of the source."""
    whole_grid = Chunk(0, 0, 0, *grid.shape)
    place = (Window(row, col, *pixels.shape), Positions(grid, CRS, TRANSFORM), whole_grid)
    return warp(pixels, *place, resampling, is_whole=is_whole)


@pytest.mark.parametrize("resolution_m", [10.0, 15.0])
def test_nearest_takes_the_pixel_in_which_each_centre_lies(resolution_m: float) -> None:
    grid = grid_inside(resolution_m, (300, 310))
    pixels = oracle.place_code(1)(*rows_and_cols())
    exact = oracle.nearest([source_of(pixels)], grid)
    assert exact.all()
    assert np.mean(warped(pixels, Resampling.NEAREST, grid) == exact) >= 0.9999


@pytest.mark.parametrize("resampling", [Resampling.BILINEAR, Resampling.CUBIC])
@pytest.mark.parametrize("axis", [0, 1], ids=["row", "column"])
def test_a_ramp_gives_back_every_position(resampling: Resampling, axis: int) -> None:
    """Both kernels reproduce straight lines, so a ramp of 90 DN a pixel tells positions to 1/180 px."""
    ramp = 500 + 90 * rows_and_cols()[axis]
    position = oracle.centres_in(source_of(ramp), GRID)[axis]
    found = (warped(ramp, resampling) - 500.0) / 90 + 0.5
    assert np.abs(found - position).max() < 0.5 / 90 + 0.0002


@pytest.mark.parametrize("resampling", SMOOTH)
def test_each_kernel_is_the_exact_convolution(resampling: Resampling) -> None:
    """Where the texture is steepest, 4000 DN a pixel, 0.001 px of misplacement would be 4 DN; rounding makes 0.29."""
    pixels = np.random.default_rng(3).integers(3000, 7000, (SIDE, SIDE))
    exact = oracle.interpolated(source_of(pixels), GRID, *KERNELS[resampling])
    off = np.abs(warped(pixels, resampling) - exact)
    assert off.max() < 1.5
    assert np.sqrt(np.mean(off**2)) < 0.35


@pytest.mark.parametrize("resolution_m", [7.0, 10.0, 15.0, 30.0])
def test_a_kernel_keeps_its_width_whatever_the_scale(resolution_m: float) -> None:
    grid = grid_inside(resolution_m, (150, 150))
    pixels = np.random.default_rng(3).integers(3000, 7000, (SIDE, SIDE))
    exact = oracle.interpolated(source_of(pixels), grid, *KERNELS["cubic"])
    assert np.abs(warped(pixels, Resampling.CUBIC, grid) - exact).max() < 1.5


def test_cutting_the_grid_changes_no_pixel_by_more_than_the_rounding() -> None:
    pixels = np.random.default_rng(3).integers(3000, 7000, (SIDE, SIDE))
    at_once = warped(pixels, Resampling.CUBIC).astype(int)
    pieces = [[warped(pixels, Resampling.CUBIC, GRID[r : r + 100, c : c + 105]) for c in range(0, 420, 105)]
              for r in range(0, 400, 100)]  # fmt: skip
    off = np.abs(np.block(pieces).astype(int) - at_once)
    assert off.max() <= 1
    assert np.mean(off == 0) > 0.99


@pytest.mark.parametrize("resampling", Resampling)
def test_nothing_of_nodata_is_seen_beside_it(resampling: Resampling) -> None:
    valid = with_holes()
    image = warped(np.where(valid, 5000, 0), resampling)
    assert np.unique(image).tolist() == [0, 5000]


@pytest.mark.parametrize("resampling", Resampling)
def test_a_pixel_is_valid_where_its_nearest_source_pixel_is(resampling: Resampling) -> None:
    pixels = np.where(with_holes(), np.random.default_rng(3).integers(3000, 7000, (SIDE, SIDE)), 0)
    exact = oracle.nearest([source_of(pixels)], GRID) > 0
    wrong = (warped(pixels, resampling) > 0) != exact
    assert 0.02 < np.mean(~exact) < 0.5
    assert np.count_nonzero(wrong) <= 0.00002 * wrong.size


@pytest.mark.parametrize("resampling", SMOOTH)
def test_where_a_kernel_would_meet_nodata_the_shift_stays_within_half_a_pixel(resampling: Resampling) -> None:
    row, col = rows_and_cols()
    valid = with_holes()
    for axis, ramp in enumerate((500 + 90 * row, 500 + 90 * col)):
        pixels = np.where(valid, ramp, 0)
        image = warped(pixels, resampling).astype(float)
        off = ((image - 500) / 90 + 0.5 - oracle.centres_in(source_of(pixels), GRID)[axis])[image > 0]
        assert np.abs(off).max() < 0.51
        assert np.quantile(np.abs(off), 0.9) < 0.03


@pytest.mark.parametrize("resampling", SMOOTH)
def test_a_pixel_further_than_its_kernel_nodata_makes_no_difference(resampling: Resampling) -> None:
    pixels = np.where(with_holes(), np.random.default_rng(3).integers(3000, 7000, (SIDE, SIDE)), 0)
    kernel, radius = KERNELS[resampling]
    exact = oracle.interpolated(source_of(pixels), GRID, kernel, radius + 1)
    whole = ~np.isnan(exact)
    assert whole.mean() > 0.3
    assert np.abs(warped(pixels, resampling)[whole] - exact[whole]).max() < 1.5


@pytest.mark.parametrize("resampling", Resampling)
def test_the_darkest_valid_pixels_stay_valid(resampling: Resampling) -> None:
    dark = np.random.default_rng(5).integers(1, 3, (SIDE, SIDE))
    image = warped(dark, resampling)
    assert image.min() >= 1
    assert image.max() <= 3


@pytest.mark.parametrize("resampling", SMOOTH)
def test_overshoot_ends_at_the_ends_of_the_range(resampling: Resampling) -> None:
    """Black and white at random: beyond the ends a kernel's overshoot would wrap round or become nodata."""
    pixels = np.random.default_rng(5).choice([1, 65535], (SIDE, SIDE))
    exact = oracle.interpolated(source_of(pixels), GRID, *KERNELS[resampling])
    image = warped(pixels, resampling)
    assert image.min() >= 1
    if resampling is not Resampling.BILINEAR:
        assert np.all(image[exact > 65535 + 200] == 65535)
        assert np.all(image[exact < -200] == 1)
        assert min(np.count_nonzero(exact > 65735), np.count_nonzero(exact < -200)) > 1000


@pytest.mark.parametrize("resampling", Resampling)
def test_a_source_without_data_gives_none(resampling: Resampling) -> None:
    assert not warped(np.zeros((SIDE, SIDE)), resampling).any()


@pytest.mark.parametrize("resampling", Resampling)
def test_a_window_of_a_larger_array_is_read_as_it_lies(resampling: Resampling) -> None:
    """Its rows are not next to each other in memory."""
    pixels = oracle.place_code(1)(*rows_and_cols()).astype(np.uint16)
    inner = GRID[120:280, 120:300]
    window = pixels[100:650, 90:660]
    found, of_copy = (
        resampled(piece, resampling, inner, is_whole=True, row=100, col=90) for piece in (window, window.copy())
    )
    assert np.array_equal(found, of_copy)
    assert np.array_equal(found, resampled(pixels, resampling, inner, is_whole=True))


@pytest.mark.parametrize("resampling", Resampling)
def test_nodata_far_away_changes_no_pixel(resampling: Resampling) -> None:
    """Where kernels meet none, another, quicker part of GDAL does the work."""
    pixels = np.random.default_rng(5).choice([1, 400, 65_535], (SIDE, SIDE)).astype(np.uint16)
    pixels[:30, :30] = 0
    quick, slow = (resampled(pixels, resampling, GRID, is_whole=is_whole) for is_whole in (True, False))
    assert np.array_equal(quick, slow)


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1), (2, 3)])
def test_the_last_chunk_may_be_as_thin_as_it_likes(shape: tuple[int, int]) -> None:
    pixels = np.random.default_rng(3).integers(3000, 7000, (SIDE, SIDE))
    grid = grid_inside(shape=shape)
    exact = oracle.interpolated(source_of(pixels), grid, *KERNELS["cubic"])
    assert np.abs(warped(pixels, Resampling.CUBIC, grid) - exact).max() < 1.5


HALF_A_CONTINENT = Affine(3000, 0, -550_000, 0, -3000, 8_600_000)
"""Over 900 km no cubic polynomial holds."""


def test_positions_are_exact_however_bent_the_grid_is() -> None:
    pixels = np.random.default_rng(3).integers(3000, 7000, (SIDE, SIDE)).astype(np.uint16)
    source = Source.of_array(pixels, "EPSG:32622", HALF_A_CONTINENT)
    grid = GeoBox((300, 310), Affine(3000, 0, -590_000, 0, -3000, -1_930_000), "EPSG:3413")
    place = (Window(0, 0, SIDE, SIDE), Positions(grid, source.crs, source.transform), Chunk(0, 0, 0, *grid.shape))
    exact = oracle.interpolated(source, grid, *KERNELS["cubic"])
    known = ~np.isnan(exact)
    assert known.mean() > 0.9
    assert np.abs(warp(pixels, *place, Resampling.CUBIC, is_whole=False)[known] - exact[known]).max() < 1.5


def test_where_the_source_has_no_coordinates_there_is_no_data() -> None:
    """Mercator has no pole."""
    grid = GeoBox((100, 120), Affine(1000, 0, -60_000, 0, -1000, 50_000), "EPSG:3413")
    pixels = np.full((700, 400), 5, np.uint16)
    place = (Window(0, 0, *pixels.shape), Positions(grid, "EPSG:3857", Affine(1e5, 0, -2e7, 0, -1e5, 5e7)))
    image = warp(pixels, *place, Chunk(0, 0, 0, *grid.shape), Resampling.CUBIC, is_whole=False)
    assert image[50, 60] == 0
    assert image[0, 0] == image[-1, -1] == 5
