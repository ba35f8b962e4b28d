"""Analytic scenes on disk: the layout of the real files, and every pixel where it says."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from pyproj import Transformer
from rasterio.windows import Window

from glacierctl.demo.glacier import Glacier
from glacierctl.demo.raster import PixelGrid, pixel_centres, write_analytic_scene
from glacierctl.demo.tiles import DEMO_TILES, demo_region

BOX = demo_region().bounds
TILE = DEMO_TILES[0]
SENTINEL2 = {"epsg": TILE.epsg, "transform": TILE.transform(10), "shape": TILE.shape(10)}
LANDSAT = {"epsg": 32621, "transform": Affine(15, 0, 480007.5, 0, -15, 8990992.5), "shape": (2000, 2500)}


@pytest.fixture(scope="module")
def tile_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tile") / "B08.tif"
    write_analytic_scene(path, **SENTINEL2, t_days=3.5, box=BOX)
    return path


def pixels_in_box(path: Path, count: int = 400) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(value, x, y) of random pixels of a file whose centres lie in the box; positions by pyproj alone."""
    draw = np.random.default_rng(7)
    x, y = draw.uniform(BOX[0], BOX[2], count), draw.uniform(BOX[1], BOX[3], count)
    with rasterio.open(path) as source:
        to_file = Transformer.from_crs("EPSG:3413", source.crs, always_xy=True)
        cols, rows = (np.floor(v) for v in rowcol(~source.transform, *to_file.transform(x, y)))
        inside = (cols >= 0) & (cols < source.width) & (rows >= 0) & (rows < source.height)
        cols, rows = cols[inside], rows[inside]
        image = source.read(1)
        centres = rowcol(source.transform, cols + 0.5, rows + 0.5)
        to_greenland = Transformer.from_crs(source.crs, "EPSG:3413", always_xy=True)
        return image[rows.astype(int), cols.astype(int)], *to_greenland.transform(*centres)


def rowcol(transform: Affine, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    a, b, c, d, e, f = transform[:6]
    return a * x + b * y + c, d * x + e * y + f


def assert_is_function(path: Path, glacier: Glacier, t_days: float, *, least: int) -> None:
    values, x, y = pixels_in_box(path)
    assert values.size >= least
    np.testing.assert_allclose(values, glacier.reflectance(x, y, t_days), atol=0.5 + 0.02)


def test_every_pixel_is_the_function_at_its_centre(tile_file: Path) -> None:
    assert_is_function(tile_file, Glacier.in_box(BOX), 3.5, least=200)


def test_a_landsat_grid_works_as_well(tmp_path: Path) -> None:
    path = tmp_path / "B8.TIF"
    write_analytic_scene(path, **LANDSAT, t_days=3.5, box=BOX, block=256)
    assert_is_function(path, Glacier.in_box(BOX), 3.5, least=350)
    with rasterio.open(path) as source:
        assert source.block_shapes == [(256, 256)]


def test_another_glacier_can_be_seen(tmp_path: Path) -> None:
    slow = Glacier.in_box(BOX, top_speed_m_per_day=0.5)
    path = tmp_path / "B8.TIF"
    write_analytic_scene(path, **LANDSAT, t_days=40.0, box=BOX, glacier=slow)
    assert_is_function(path, slow, 40.0, least=350)


@pytest.mark.parametrize(("row", "col"), [(0, 0), (3072, 9216), (9956, 9956)])
def test_positions_are_those_of_pyproj(row: int, col: int) -> None:
    window = Window(col, row, 1024, 1024)
    grid = PixelGrid(**SENTINEL2)
    cols, rows = np.meshgrid(col + np.arange(0, 1024, 31) + 0.5, row + np.arange(0, 1024, 31) + 0.5)
    to_greenland = Transformer.from_crs(grid.epsg, "EPSG:3413", always_xy=True)
    exact = to_greenland.transform(TILE.left + 10 * cols, TILE.top - 10 * rows)
    for found, expected in zip(pixel_centres(grid, window), exact, strict=True):
        np.testing.assert_allclose(found[::31, ::31], expected, rtol=0, atol=1e-6)


def test_the_file_is_a_cog_in_the_real_layout(tile_file: Path) -> None:
    with rasterio.open(tile_file) as source:
        assert source.shape == (10980, 10980)
        assert source.crs.to_epsg() == TILE.epsg
        assert source.transform == Affine(10, 0, 499980, 0, -10, 9000000)
        assert (source.dtypes, source.nodata) == (("uint16",), 0)
        assert source.block_shapes == [(1024, 1024)]
        assert source.overviews(1) == [2, 4, 8, 16]
        structure = source.tags(ns="IMAGE_STRUCTURE")
    assert (structure["LAYOUT"], structure["COMPRESSION"], structure["PREDICTOR"]) == ("COG", "DEFLATE", "2")
    for level in range(4):
        with rasterio.open(tile_file, overview_level=level) as overview:
            assert overview.block_shapes == [(1024, 1024)]
            assert overview.read(1).max() > 2000


def test_only_blocks_near_the_box_are_stored(tile_file: Path) -> None:
    with rasterio.open(tile_file) as source:
        to_tile = Transformer.from_crs("EPSG:3413", source.crs, always_xy=True)
        left, bottom, right, top = to_tile.transform_bounds(*BOX)
        for (row, col), window in source.block_windows(1):
            x, y = source.transform.c + 10 * window.col_off, source.transform.f - 10 * window.row_off
            far = x > right + 1100 or x + 10240 < left - 1100 or y - 10240 > top + 1100 or y < bottom - 1100
            stored = source.get_tag_item(f"BLOCK_OFFSET_{col}_{row}", "TIFF", bidx=1) is not None
            assert stored is not far


def test_nothing_is_filled_beyond_the_margin(tmp_path: Path) -> None:
    path = tmp_path / "B8.TIF"
    write_analytic_scene(path, **LANDSAT, t_days=0, box=BOX, margin_m=300)
    with rasterio.open(path) as source:
        rows, cols = np.nonzero(source.read(1))
        left, bottom, right, top = Transformer.from_crs("EPSG:3413", 32621, always_xy=True).transform_bounds(*BOX)
    assert cols.min() * 15 + 480007.5 == pytest.approx(left - 300, abs=15)
    assert (cols.max() + 1) * 15 + 480007.5 == pytest.approx(right + 300, abs=15)
    assert 8990992.5 - rows.min() * 15 == pytest.approx(top + 300, abs=15)
    assert 8990992.5 - (rows.max() + 1) * 15 == pytest.approx(bottom - 300, abs=15)


def test_a_mask_leaves_nodata_and_the_offset_is_added_elsewhere(tmp_path: Path) -> None:
    path, middle = tmp_path / "B8.TIF", (BOX[0] + BOX[2]) / 2
    write_analytic_scene(path, **LANDSAT, t_days=0, box=BOX, mask=lambda x, _: x < middle, add_dn=1000)
    values, x, y = pixels_in_box(path)
    seen = Glacier.in_box(BOX).reflectance(x, y, 0) + 1000
    np.testing.assert_allclose(values, np.where(x < middle, seen, 0), atol=0.52)


def test_a_grid_far_from_the_box_holds_nothing(tmp_path: Path) -> None:
    path = tmp_path / "empty.tif"
    away = {"epsg": 32621, "transform": Affine(15, 0, 480007.5, 0, -15, 7990992.5), "shape": (500, 400)}
    write_analytic_scene(path, **away, t_days=0, box=BOX)
    with rasterio.open(path) as source:
        assert not source.read(1).any()


def test_nothing_but_the_file_is_left_behind(tile_file: Path) -> None:
    assert list(tile_file.parent.iterdir()) == [tile_file]
