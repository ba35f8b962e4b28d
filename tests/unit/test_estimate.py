"""Estimates against what GDAL knows of real files' blocks."""

import datetime as dt
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyproj import Transformer
from rasterio.windows import Window
from tests.support.cogs import bytes_under, write_tile_cog
from tests.support.items import landsat_item, sentinel2_item
from tests.support.tiles import tile_grid

from glacierctl.choices import Satellite
from glacierctl.model import Acquisition, Region, Scene
from glacierctl.planning import speed
from glacierctl.planning.acquisitions import Days, group
from glacierctl.planning.estimate import Estimate, estimate
from glacierctl.planning.scenes import parse_scene
from glacierctl.regions.grid import region_grid

ANY_DAY = Days(dt.date(1980, 1, 1), dt.date(2030, 1, 1))
BOWDOIN = Region(name="163_Bowdoin", bounds=(-541690, -1232300, -523390, -1211600), tiles=("19XEG",))
HAGEN = Region(
    name="191_Hagen_Brae", bounds=(218680, -946310, 328780, -848210), tiles=("26XMR", "26XNR", "26XMQ", "26XNQ")
)


def acquisition(region: Region, *items: dict[str, Any], satellite: Satellite = Satellite.SENTINEL2) -> Acquisition:
    scenes = [parse_scene(item, satellite, "") for item in items]
    (one,), _ = group([scene for scene in scenes if isinstance(scene, Scene)], region, ANY_DAY)
    return one


def sentinel2(tile: str, **fields: Any) -> dict[str, Any]:
    return sentinel2_item(tile=tile, **{"nir_href": "/B08.tif", "scl_href": None} | fields)


def blocks_by_points(region: Region, tiles: tuple[str, ...], side: int = 1024) -> int:
    """Blocks of each tile that hold the centre of a pixel of the grid, found point by point every 100 m."""
    grid = region_grid(region, 100)
    rows, columns = np.mgrid[0 : grid.shape[0], 0 : grid.shape[1]]
    x, y = grid.affine @ (columns.ravel() + 0.5, rows.ravel() + 0.5)
    found = 0
    for tile in tiles:
        crs, transform, (height, width) = tile_grid(tile)
        column, row = ~transform @ Transformer.from_crs(region.crs, crs, always_xy=True).transform(x, y)
        inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
        found += len(set(zip(column[inside] // side, row[inside] // side, strict=True)))
    return found


def test_blocks_of_one_tile_are_those_under_the_region() -> None:
    made = estimate(acquisition(BOWDOIN, sentinel2("19XEG")), BOWDOIN, 10)
    assert made.blocks == blocks_by_points(BOWDOIN, ("19XEG",))
    assert made.pixels == 1830 * 2070


def test_four_tiles_count_little_more_than_the_ground_they_share() -> None:
    items = [sentinel2(tile) for tile in HAGEN.tiles]
    made = estimate(acquisition(HAGEN, *items), HAGEN, 10)
    alone = blocks_by_points(HAGEN, HAGEN.tiles)
    assert 0.75 * alone < made.blocks <= alone
    assert 150e6 < made.bytes_to_read < 300e6


def test_bytes_with_the_file_size_from_the_catalogue(tmp_path: Path) -> None:
    texture = np.random.default_rng(1).integers(3000, 3400, (512, 512)).astype("uint16")

    def block(window: Window) -> np.ndarray:
        return np.tile(texture, (2, 2))[: window.height, : window.width]

    path = write_tile_cog(tmp_path / "B08.tif", block, "19XEG")
    item = sentinel2("19XEG", nir_href=str(path))
    item["assets"]["nir"]["file:size"] = path.stat().st_size
    made = estimate(acquisition(BOWDOIN, item), BOWDOIN, 10)
    assert made.bytes_to_read == pytest.approx(bytes_under(path, region_grid(BOWDOIN, 10)), rel=0.15)


def test_of_superseded_scenes_only_the_header_counts() -> None:
    one = estimate(acquisition(BOWDOIN, sentinel2("19XEG")), BOWDOIN, 10)
    older = sentinel2("19XEG", baseline="02.14", sequence=1)
    both = acquisition(BOWDOIN, sentinel2("19XEG"), older)
    assert len(both.scenes) == 2
    made = estimate(both, BOWDOIN, 10)
    assert (made.bytes_to_read - one.bytes_to_read, made.requests - one.requests) == (16_384, 1)
    assert replace(made, bytes_to_read=one.bytes_to_read, requests=one.requests) == one


def test_cloud_mask_adds_little() -> None:
    without = estimate(acquisition(BOWDOIN, sentinel2("19XEG")), BOWDOIN, 10)
    mask = estimate(acquisition(BOWDOIN, sentinel2("19XEG", scl_href="/SCL.tif")), BOWDOIN, 10)
    assert without.bytes_to_read < mask.bytes_to_read < 1.1 * without.bytes_to_read


def test_ground_without_data_counts_nothing() -> None:
    crs, transform, _ = tile_grid("19XEG")
    to = Transformer.from_crs(crs, "OGC:CRS84", always_xy=True)
    corners = [(0, 0), (2500, 0), (2500, 10980), (0, 10980), (0, 0)]
    half = [to.transform(*(transform @ corner)) for corner in corners]
    whole_bytes = estimate(acquisition(BOWDOIN, sentinel2("19XEG")), BOWDOIN, 10).bytes_to_read
    made = estimate(acquisition(BOWDOIN, sentinel2("19XEG", footprint=half)), BOWDOIN, 10)
    assert 0 < made.bytes_to_read < whole_bytes


@pytest.mark.parametrize("field", ["proj:transform", "proj:shape"])
def test_without_a_grid_in_the_catalogue_the_area_decides(field: str) -> None:
    item = sentinel2("19XEG")
    del item["assets"]["nir"][field]
    made = estimate(acquisition(BOWDOIN, item), BOWDOIN, 10)
    assert made.bytes_to_read == pytest.approx(1.3 * 1.7 * made.pixels, rel=0.05)
    assert made.blocks > 0


def test_only_reads_of_archives_that_charge_are_paid_by_the_reader() -> None:
    region = Region(name="049_jakobshavn", bounds=(-207110, -2298950, -145010, -2256350))
    paid = estimate(acquisition(region, landsat_item(), satellite=Satellite.LANDSAT), region, 15)
    assert paid.paid_requests == paid.requests > 20
    free = estimate(acquisition(region, landsat_item(s3=False), satellite=Satellite.LANDSAT), region, 15)
    assert (free.requests, free.paid_requests) == (paid.requests, 0)


def test_blocks_that_follow_one_another_in_the_file_are_one_request() -> None:
    plain = estimate(acquisition(BOWDOIN, sentinel2("19XEG")), BOWDOIN, 10)
    grid, rows = region_grid(BOWDOIN, 10), set()
    crs, transform, _ = tile_grid("19XEG")
    for column, row in ((0, 0), (grid.shape[1], 0), (0, grid.shape[0]), tuple(grid.shape[::-1])):
        x, y = grid.affine @ (column, row)
        rows.add(int((~transform @ Transformer.from_crs(BOWDOIN.crs, crs, always_xy=True).transform(x, y))[1] // 1024))
    assert plain.requests == 1 + max(rows) - min(rows) + 1, "the header, and each row of blocks"
    shifted = estimate(acquisition(BOWDOIN, sentinel2("19XEG", offset_applied=False)), BOWDOIN, 10)
    assert shifted.requests == plain.requests + 1, "the overview that tells whether an offset is in it"
    mask = estimate(acquisition(BOWDOIN, sentinel2("19XEG", scl_href="/SCL.tif")), BOWDOIN, 10)
    assert 3 <= mask.requests - plain.requests <= 4, "its header and its rows, which are half as many"


def test_landsat_has_small_blocks() -> None:
    region = Region(name="049_jakobshavn", bounds=(-207110, -2298950, -145010, -2256350))
    item = landsat_item()
    made = estimate(acquisition(region, item, satellite=Satellite.LANDSAT), region, 15)
    assert made.pixels == 4140 * 2840
    a, _, c, _, e, f = item["assets"]["pan"]["proj:transform"]
    grid = region_grid(region, 100 / 3)
    rows, columns = np.mgrid[0 : grid.shape[0], 0 : grid.shape[1]]
    x, y = grid.affine @ (columns.ravel() + 0.5, rows.ravel() + 0.5)
    east, north = Transformer.from_crs(region.crs, "EPSG:32622", always_xy=True).transform(x, y)
    places = {*zip((east - c) // a // 256, (north - f) // e // 256, strict=True)}
    assert made.blocks == pytest.approx(len(places), abs=2)


def test_more_cores_take_less_time_and_larger_regions_more() -> None:
    small, large = acquisition(BOWDOIN, sentinel2("19XEG")), acquisition(HAGEN, sentinel2("26XMR"))
    one, two = (estimate(large, HAGEN, 10, cores=cores) for cores in (1, 2))
    assert two.seconds - two.serial_s == pytest.approx((one.seconds - one.serial_s) / 2)
    assert one.serial_s == two.serial_s < 0.5 * one.seconds
    assert estimate(small, BOWDOIN, 10).seconds < one.seconds
    assert estimate(small, BOWDOIN, 10).memory_mb < one.memory_mb <= two.memory_mb < 700


def test_a_second_zone_is_reckoned_with(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "ZONE_MEGAPIXEL_S", 0.05)
    region = Region(name="190_Academy", bounds=(4290, -988930, 96690, -895630), tiles=("24XWR", "25XDL"))
    one, two = (acquisition(region, *map(sentinel2, tiles)) for tiles in (region.tiles[:1], region.tiles))
    assert len({scene.image.crs for scene in two.scenes}) == 2
    more_s = estimate(two, region, 10).seconds - estimate(one, region, 10).seconds
    assert more_s == pytest.approx(0.05 * estimate(two, region, 10).pixels / 1e6)


def test_total_adds_up_but_memory_is_that_of_the_largest() -> None:
    one, other = Estimate(1, 10, 100, 1.5, 300, 5, 2, 0.5), Estimate(2, 20, 200, 2.5, 400, 6, 3, 0.25)
    assert Estimate.total([one, other]) == Estimate(3, 30, 300, 4.0, 400, 11, 5, 0.75)
    assert Estimate.total([]) == Estimate()
