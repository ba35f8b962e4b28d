"""Files of an analytic scene through the whole reading and warping, against the truth on the grid.

Displacements of ice are measured to a few hundredths of a pixel; what processing adds must stay below that.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox
from tests.support.tiles import tile_grid
from tests.support.tracking import CHIP_PX, chips, shift, small_shift

from glacierctl.choices import Resampling
from glacierctl.demo.glacier import Glacier
from glacierctl.demo.raster import write_analytic_scene
from glacierctl.model import SourceFile
from glacierctl.processing.getters import LocalGetter
from glacierctl.processing.mosaic import Mosaic
from glacierctl.processing.source import open_raster
from glacierctl.processing.transport import ReadPolicy, Transport

LARGEST_SHIFT_PX = {Resampling.CUBIC: 0.03, Resampling.LANCZOS: 0.03, Resampling.BILINEAR: 0.03}
"""Over all chips. The bound that is promised is that of cubic; the texture's shortest wave is six pixels."""


def grid_of(box: tuple[float, float, float, float], resolution_m: float = 10.0) -> GeoBox:
    xmin, ymin, xmax, ymax = box
    shape = (round((ymax - ymin) / resolution_m), round((xmax - xmin) / resolution_m))
    return GeoBox(shape, Affine(resolution_m, 0, xmin, 0, -resolution_m, ymax), "EPSG:3413")


def truth(glacier: Glacier, grid: GeoBox, t_days: float = 0.0) -> np.ndarray:
    a, _, c, _, e, f, *_ = grid.affine
    x, y = np.meshgrid(c + a * (np.arange(grid.shape[1]) + 0.5), f + e * (np.arange(grid.shape[0]) + 0.5))
    return glacier.reflectance(x, y, t_days)


def product(files: Sequence[Path], grid: GeoBox, resampling: Resampling, scratch: Path) -> np.ndarray:
    transport = Transport({"": LocalGetter()}, ReadPolicy())
    sources = [SourceFile(href=str(path), crs=None, transform=None, shape=None) for path in files]
    rasters = [open_raster(source, transport, scratch) for source in sources]
    image = np.zeros(grid.shape)
    with Mosaic(rasters, grid, resampling, workers=2) as mosaic:
        for chunk, pixels in mosaic.render():
            image[chunk.row : chunk.row + chunk.height, chunk.col : chunk.col + chunk.width] = pixels
    return image


def shifts(exact: np.ndarray, image: np.ndarray) -> np.ndarray:
    return np.array([np.hypot(*small_shift(exact[chip], image[chip])) for chip in chips(exact.shape)])


# --------------------------------------------------------------------------------------------- the tracker's own truth

TRACKING_BOX = (-310_000.0, -1_000_000.0, -306_000.0, -996_000.0)
MOVES_PX = [(0.0, 0.0), (0.01, -0.02), (0.1, 0.05), (-0.25, 0.15), (0.0, 0.3)]


def moved_grid(grid: GeoBox, right: float, down: float) -> GeoBox:
    """A grid on which everything appears `right` and `down` pixels from where it was."""
    return GeoBox(grid.shape, grid.affine @ Affine.translation(-right, -down), "EPSG:3413")


@pytest.mark.parametrize(("right", "down"), MOVES_PX)
def test_small_shifts_are_measured_to_a_few_thousandths_of_a_pixel(right: float, down: float) -> None:
    grid, glacier = grid_of(TRACKING_BOX), Glacier.in_box(TRACKING_BOX)
    reference, moved = truth(glacier, grid), truth(glacier, moved_grid(grid, right, down))
    found = np.array([small_shift(reference[chip], moved[chip]) for chip in chips(grid.shape)])
    assert len(found) == 144
    assert np.abs(found - (right, down)).max() < 0.002 + 0.03 * max(abs(right), abs(down))


@pytest.mark.parametrize(("right", "down"), [(0.0, 0.0), (3.4, -5.25), (-7.5, 6.1)])
def test_large_shifts_are_measured_to_a_tenth_of_a_pixel(right: float, down: float) -> None:
    grid, glacier = grid_of(TRACKING_BOX), Glacier.in_box(TRACKING_BOX)
    reference, moved = truth(glacier, grid), truth(glacier, moved_grid(grid, right, down))
    for rows, cols in chips(grid.shape, step=96, margin=10):
        around = moved[rows.start - 10 : rows.stop + 10, cols.start - 10 : cols.stop + 10]
        found = shift(reference[rows, cols], around)
        assert found[:2] == pytest.approx((right, down), abs=0.1)
        assert found[2] > 0.95


def test_a_shift_beyond_reach_is_not_found() -> None:
    grid, glacier = grid_of(TRACKING_BOX), Glacier.in_box(TRACKING_BOX)
    moved = truth(glacier, moved_grid(grid, 25, 0))
    right, _, likeness = shift(truth(glacier, grid)[100:132, 100:132], moved[90:142, 90:142])
    assert np.isnan(right) or abs(right - 25) > 10
    assert likeness < 0.95


# ------------------------------------------------------------------------------------------------- products and truth

PLACES = {
    "one tile": (("19XEG",), (-535_000.0, -1_229_000.0, -525_000.0, -1_219_000.0)),
    "four tiles": (("26XMR", "26XNR", "26XMQ", "26XNQ"), (302_800.0, -932_000.0, 315_000.0, -919_800.0)),
    "two zones": (("25XDL", "25XEL", "24XWS"), (134_000.0, -868_500.0, 146_000.0, -856_500.0)),
}


@pytest.mark.slow
@pytest.mark.parametrize("place", PLACES)
def test_no_chip_is_displaced_by_more_than_three_hundredths_of_a_pixel(tmp_path: Path, place: str) -> None:
    tiles, box = PLACES[place]
    files = [write_tile(tmp_path, tile, box) for tile in tiles]
    grid = grid_of(box)
    exact = truth(Glacier.in_box(box), grid)
    found = {resampling: product(files, grid, resampling, tmp_path) for resampling in LARGEST_SHIFT_PX}
    for resampling, image in found.items():
        assert image.all()
        displaced = shifts(exact, image)
        assert displaced.size == (grid.shape[0] // CHIP_PX) * (grid.shape[1] // CHIP_PX)
        assert displaced.max() <= LARGEST_SHIFT_PX[resampling], resampling
    off = found[Resampling.CUBIC] - exact
    assert np.sqrt(np.mean(off**2)) < 2
    assert np.abs(off).max() < 30


def test_nearest_would_displace_chips_by_more(tmp_path: Path) -> None:
    """What is measured here is really there: the figure that speaks against nearest."""
    box = (138_000.0, -872_000.0, 144_000.0, -866_000.0)
    grid = grid_of(box)
    image = product([write_tile(tmp_path, "25XDL", box)], grid, Resampling.NEAREST, tmp_path)
    assert 0.05 < shifts(truth(Glacier.in_box(box), grid), image).max() < 0.2


def test_landsats_grid_is_as_exact(tmp_path: Path) -> None:
    box = (-535_000.0, -1_229_000.0, -526_000.0, -1_220_000.0)
    path = tmp_path / "B8.tif"
    write_analytic_scene(
        path, epsg=32619, transform=Affine(15, 0, 480_007.5, 0, -15, 8_700_007.5), shape=(8000, 8000), t_days=0.0,
        box=box, block=256,
    )  # fmt: skip
    grid = grid_of(box, 15.0)
    image = product([path], grid, Resampling.CUBIC, tmp_path)
    assert image.all()
    # the shortest wave, 60 m, is four of its pixels: cubic loses contrast there, but no place
    assert shifts(truth(Glacier.in_box(box), grid), image).max() <= 0.03


@pytest.mark.slow
def test_the_motion_of_ice_survives(tmp_path: Path) -> None:
    """Two dates, ten days apart, warped each by itself: the displacement between them is that of the ice."""
    box, days = (-535_000.0, -1_229_000.0, -525_000.0, -1_219_000.0), 10.0
    glacier = Glacier.in_box(box)
    grid = grid_of(box)
    before, after = (
        product([write_tile(tmp_path, "19XEG", box, t_days=t_days)], grid, Resampling.CUBIC, tmp_path)
        for t_days in (0.0, days)
    )
    a, _, c, _, e, f, *_ = grid.affine
    errors, speeds = [], []
    reach = 12
    for rows, cols in chips(grid.shape, step=48, margin=reach):
        x, y = np.meshgrid(
            c + a * (np.arange(cols.start - reach, cols.stop + reach) + 0.5),
            f + e * (np.arange(rows.start - reach, rows.stop + reach) + 0.5),
        )
        if glacier.ice_share(x, y).min() < 1:
            continue
        around = after[rows.start - reach : rows.stop + reach, cols.start - reach : cols.stop + reach]
        right, down, _ = shift(before[rows, cols], around)
        vx, vy = (float(np.mean(part[reach:-reach, reach:-reach])) * days / 10 for part in glacier.velocity(x, y))
        errors.append(np.hypot(right - vx, -down - vy))
        speeds.append(np.hypot(vx, vy))
    assert len(errors) >= 40
    assert max(speeds) > 7
    assert np.median(errors) < 0.06
    assert np.quantile(errors, 0.9) < 0.2


def write_tile(folder: Path, tile: str, box: tuple[float, float, float, float], *, t_days: float = 0.0) -> Path:
    crs, transform, shape = tile_grid(tile)
    path = folder / f"{tile}-{t_days:g}.tif"
    write_analytic_scene(
        path, epsg=int(crs.removeprefix("EPSG:")), transform=transform, shape=shape, t_days=t_days, box=box
    )
    return path
