import geopandas
import pytest
import rasterio.transform
from hypothesis import given
from hypothesis import strategies as st
from tests.support.paths import require_shared_data

from glacierctl.errors import RegionError
from glacierctl.model import Region
from glacierctl.regions.builtin import builtin_regions
from glacierctl.regions.columns import ColumnChoice
from glacierctl.regions.files import read_regions
from glacierctl.regions.grid import region_grid
from glacierctl.regions.shape import grid_shape

GREENLAND = ("regions", "glaciers_roi_proj_v3_300m.gpkg")


@pytest.mark.parametrize("resolution_m", [10.0, 15.0])
def test_grids_of_all_192_regions_have_their_bounds_exactly(resolution_m: float) -> None:
    path = require_shared_data(*GREENLAND)
    frame = geopandas.read_file(path).set_index("region")
    regions = read_regions(path, ColumnChoice()).regions
    assert len(regions) == len(frame) == 192
    for region in regions:
        grid = region_grid(region, resolution_m)
        bounds = rasterio.transform.array_bounds(*grid.shape, grid.transform)
        assert bounds == frame.geometry[region.name].bounds
        assert (grid.transform.a, grid.transform.e) == (resolution_m, -resolution_m)
        assert (grid.transform.b, grid.transform.d) == (0, 0)
        assert grid.crs == frame.crs


def test_built_in_regions_are_those_of_the_greenland_catalogue() -> None:
    frame = geopandas.read_file(require_shared_data(*GREENLAND)).set_index("region")
    for region in builtin_regions():
        assert region.bounds == frame.geometry[region.name].bounds
        assert ",".join(region.tiles) == frame.utm_grid[region.name]
        assert region.crs == frame.crs.to_string()


def test_the_largest_regions_have_the_pixels_that_were_counted_elsewhere() -> None:
    by_name = {region.name: region for region in builtin_regions()}
    assert grid_shape(by_name["191_Hagen_Brae"], 10) == (9810, 11010)
    assert grid_shape(by_name["090_petermann"], 10) == (13590, 8430)


@given(
    st.integers(-3_000_000, 3_000_000),
    st.integers(-3_000_000, 3_000_000),
    st.integers(1, 5000),
    st.integers(1, 5000),
    st.sampled_from([10.0, 15.0]),
)
def test_any_whole_number_of_pixels_makes_a_grid_with_these_bounds(
    xmin: int, ymin: int, columns: int, rows: int, resolution_m: float
) -> None:
    bounds = (xmin, ymin, xmin + columns * resolution_m, ymin + rows * resolution_m)
    grid = region_grid(Region(name="any", bounds=bounds), resolution_m)
    assert grid.shape == (rows, columns)
    assert rasterio.transform.array_bounds(rows, columns, grid.transform) == bounds


@pytest.mark.parametrize("bounds", [(0, 0, 95, 90), (0, 0, 90, 95), (0, 0, 90, 4)])
def test_sides_that_are_no_whole_number_of_pixels_are_refused(bounds: tuple[float, float, float, float]) -> None:
    with pytest.raises(RegionError, match=r"odd has no whole number of 10 m pixels.*multiples|sides are") as caught:
        region_grid(Region(name="odd", bounds=bounds), 10)
    assert "multiples of 10 m" in caught.value.hint
