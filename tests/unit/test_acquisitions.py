"""Scenes grouped into passes of one region; overlaps against geometry that was computed otherwise."""

import datetime as dt
import itertools
import json
from typing import Any

import geopandas
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Geod, Transformer
from shapely import Polygon, box
from tests.support.items import landsat_item, sentinel2_item
from tests.support.paths import require_shared_data
from tests.support.tiles import tile_grid, tile_outline

from glacierctl.choices import Satellite
from glacierctl.model import Acquisition, Region, Scene
from glacierctl.planning.acquisitions import OTHER_TILE, OUTSIDE_DATES, Days, group, without_duplicates
from glacierctl.planning.footprints import search_area
from glacierctl.planning.scenes import parse_scene

UTC = dt.UTC
JULY = Days(dt.date(2024, 7, 1), dt.date(2024, 7, 31))
HAGEN = Region(
    name="191_Hagen_Brae", bounds=(218680, -946310, 328780, -848210), tiles=("26XMR", "26XNR", "26XMQ", "26XNQ")
)
RYDER = Region(name="189_Ryder", bounds=(-106890, -962220, -62490, -867420), tiles=("22XER", "22XDR"))
ACADEMY = Region(name="190_Academy", bounds=(131630, -936250, 232430, -850750), tiles=("25XDL", "25XEL", "24XWS"))
JAKOBSHAVN = Region(name="049_jakobshavn", bounds=(-207110, -2298950, -145010, -2256350), tiles=("22WEB",))
START = dt.datetime(2024, 7, 4, 15, 9, 1, tzinfo=UTC)


def sentinel2(**fields: Any) -> Scene:
    fields = {"datatake_start": START, "sensed_at": START + dt.timedelta(minutes=5)} | fields
    item_id = fields.pop("item_id", None)
    item = sentinel2_item(**{"nir_href": "/data/B08.tif", "scl_href": "/data/SCL.tif"} | fields)
    return parsed({**item, "id": item_id or item["id"]}, Satellite.SENTINEL2)


def parsed(item: dict[str, Any], satellite: Satellite) -> Scene:
    scene = parse_scene(item, satellite, item["collection"])
    assert isinstance(scene, Scene), scene
    return scene


def only(scenes: list[Scene], region: Region, days: Days = JULY) -> Acquisition:
    (acquisition,), _ = group(scenes, region, days)
    return acquisition


def rename(scene: Scene, item_id: str) -> Scene:
    return scene.model_copy(update={"item_id": item_id})


def test_one_pass_over_four_tiles_is_one_acquisition_in_the_regions_order() -> None:
    scenes = [
        sentinel2(tile=tile, sensed_at=START + dt.timedelta(seconds=300 + 15 * number))
        for number, tile in enumerate(sorted(HAGEN.tiles))
    ]
    one = only(scenes, HAGEN)
    assert [scene.tile for scene in one.scenes] == list(HAGEN.tiles)
    assert one.product == "S2A_MSIL2A_20240704T150901_N0510_R025"
    assert one.acquired_at == START
    assert one.superseded == ()
    assert one.overlap == 1


def test_scenes_of_two_utm_zones_are_one_acquisition() -> None:
    one = only([sentinel2(tile=tile) for tile in ("24XWS", "25XEL", "25XDL")], ACADEMY)
    assert [scene.tile for scene in one.scenes] == ["25XDL", "25XEL", "24XWS"]
    assert len({scene.image.crs for scene in one.scenes}) == 2


@pytest.mark.parametrize(
    "other",
    [
        {"relative_orbit": 26},
        {"datatake_start": START + dt.timedelta(minutes=49)},
        {"platform": "sentinel-2b"},
    ],
)
def test_passes_of_one_day_are_told_apart(other: dict[str, Any]) -> None:
    first = sentinel2(tile="22WEB")
    second = rename(sentinel2(tile="22WEB", **other), "second")
    acquisitions, _ = group([first, second], JAKOBSHAVN, JULY)
    assert len(acquisitions) == 2
    assert all(len(one.scenes) == 1 for one in acquisitions)


def test_acquisitions_are_in_order_of_time_whatever_the_order_of_scenes() -> None:
    scenes = [sentinel2(tile="22WEB", datatake_start=START + dt.timedelta(days=day)) for day in (7, 0, 3)]
    scenes = [rename(scene, f"scene-{number}") for number, scene in enumerate(scenes)]
    made = [group(list(order), JAKOBSHAVN, JULY) for order in itertools.permutations(scenes)]
    assert all(one == made[0] for one in made)
    times = [one.acquired_at for one in made[0][0]]
    assert times == sorted(times)


@settings(max_examples=20, deadline=None)
@given(st.permutations(range(5)))
def test_duplicates_resolve_to_the_same_order_whatever_the_order_of_items(order: list[int]) -> None:
    made = dt.datetime(2024, 7, 5, tzinfo=UTC)
    scenes = [
        sentinel2(tile="22XER", baseline="02.14", item_id="a", generated_at=made + dt.timedelta(days=900)),
        sentinel2(tile="22XER", baseline="05.10", item_id="b", generated_at=made),
        sentinel2(tile="22XER", baseline="05.10", item_id="c", generated_at=made + dt.timedelta(hours=1)),
        sentinel2(tile="22XER", baseline="10.00", item_id="d", generated_at=made),
        sentinel2(tile="22XDR", baseline="05.10", item_id="e", generated_at=made),
    ]
    one = only([scenes[index] for index in order], RYDER)
    assert [scene.item_id for scene in one.scenes] == ["d", "e", "c", "b", "a"]
    assert [(lost.item_id, lost.by) for lost in one.superseded] == [("c", "d"), ("b", "d"), ("a", "d")]
    assert one.superseded[0].reason == "baseline 05.10 is older than 10.00"
    assert one.product.split("_")[3] == "N1000"


def test_newer_of_two_equal_baselines_wins_then_the_item_id_decides() -> None:
    early, late = dt.datetime(2024, 7, 4, 20, tzinfo=UTC), dt.datetime(2024, 7, 5, 6, tzinfo=UTC)
    scenes = [
        sentinel2(tile="22WEB", sequence=0, generated_at=late),
        sentinel2(tile="22WEB", sequence=1, generated_at=early),
    ]
    one = only(scenes, JAKOBSHAVN)
    assert [scene.item_id for scene in one.scenes] == ["S2A_22WEB_20240704_0_L2A", "S2A_22WEB_20240704_1_L2A"]
    assert one.superseded[0].reason == "made 2024-07-04T20:00:00Z, before 2024-07-05T06:00:00Z"
    same = [scene.model_copy(update={"generated_at": late}) for scene in scenes]
    one = only(same, JAKOBSHAVN)
    assert one.scenes[0].item_id == "S2A_22WEB_20240704_1_L2A"
    assert "item id" in one.superseded[0].reason


def test_baseline_of_the_product_is_the_newest_among_the_winners() -> None:
    scenes = [sentinel2(tile="22XER", baseline="04.00"), sentinel2(tile="22XDR", baseline="05.00")]
    assert only(scenes, RYDER).product == "S2A_MSIL2A_20240704T150901_N0500_R025"


def test_two_items_of_one_product_are_one_scene() -> None:
    scenes = [sentinel2(tile="22WEB", sequence=number) for number in (0, 1)]
    assert scenes[0].source_name == scenes[1].source_name
    for order in (scenes, scenes[::-1]):
        kept, rejected = without_duplicates(order)
        assert [scene.item_id for scene in kept] == ["S2A_22WEB_20240704_1_L2A"]
        assert [one.item_id for one in rejected] == ["S2A_22WEB_20240704_0_L2A"]
        assert rejected[0].reason == "a duplicate: the same product as S2A_22WEB_20240704_1_L2A"


def test_scene_of_another_tile_is_not_used_and_says_so() -> None:
    acquisitions, rejected = group([sentinel2(tile="22WEB"), sentinel2(tile="22WEC")], JAKOBSHAVN, JULY)
    assert [scene.tile for scene in acquisitions[0].scenes] == ["22WEB"]
    assert [(one.item_id, one.reason) for one in rejected] == [("S2A_22WEC_20240704_0_L2A", OTHER_TILE)]


def test_region_without_tiles_takes_every_scene_the_one_that_sees_most_first() -> None:
    anywhere = HAGEN.model_copy(update={"tiles": ()})
    tiles = ["26XMQ", "26XMR", "26XNQ", "26XNR", "25XEL"]
    one = only([sentinel2(tile=tile) for tile in tiles], anywhere)
    frame = box(*anywhere.bounds)
    seen = {tile: _outline_in_greenland(tile).intersection(frame).area for tile in tiles}
    assert min(seen.values()) > 0
    assert [scene.tile for scene in one.scenes] == sorted(seen, key=lambda tile: -seen[tile])


def test_scene_that_does_not_reach_the_region_is_in_neither_list() -> None:
    assert group([sentinel2(tile="26XMR")], JAKOBSHAVN, JULY) == ((), ())


def test_datatake_that_straddles_midnight_is_one_and_belongs_to_the_day_of_its_start() -> None:
    start = dt.datetime(2024, 7, 4, 23, 58, 51, tzinfo=UTC)
    scenes = [
        sentinel2(tile="22XER", datatake_start=start, sensed_at=dt.datetime(2024, 7, 4, 23, 59, 50, tzinfo=UTC)),
        sentinel2(tile="22XDR", datatake_start=start, sensed_at=dt.datetime(2024, 7, 5, 0, 0, 10, tzinfo=UTC)),
    ]
    fourth, fifth = dt.date(2024, 7, 4), dt.date(2024, 7, 5)
    one = only(scenes, RYDER, Days(fourth, fourth))
    assert len(one.scenes) == 2
    assert one.product == "S2A_MSIL2A_20240704T235851_N0510_R025"
    acquisitions, rejected = group(scenes, RYDER, Days(fifth, fifth))
    assert acquisitions == ()
    assert {lost.reason for lost in rejected} == {OUTSIDE_DATES}


@pytest.mark.parametrize(
    ("start", "inside"),
    [
        (dt.datetime(2024, 6, 30, 23, 59, 59, tzinfo=UTC), False),
        (dt.datetime(2024, 7, 1, tzinfo=UTC), True),
        (dt.datetime(2024, 7, 31, 23, 59, 59, tzinfo=UTC), True),
        (dt.datetime(2024, 8, 1, tzinfo=UTC), False),
    ],
)
def test_first_and_last_day_are_included(start: dt.datetime, inside: bool) -> None:
    acquisitions, _ = group([sentinel2(tile="22WEB", datatake_start=start)], JAKOBSHAVN, JULY)
    assert bool(acquisitions) is inside


def test_each_landsat_scene_is_an_acquisition_of_its_own() -> None:
    rows = ("LC08_L1TP_084008_20240704_20240712_02_T1", "LC08_L1TP_084009_20240704_20240712_02_T1")
    scenes = [parsed(landsat_item(item_id=row, cloud_cover=1), Satellite.LANDSAT) for row in rows]
    acquisitions, _ = group(scenes, JAKOBSHAVN, JULY)
    assert [one.product for one in acquisitions] == [
        "20240704213310_LC80840082024186LGN00_LC08_L1TP_084008_20240704_20240712_02_T1_ortho",
        "20240704213310_LC80840092024186LGN00_LC08_L1TP_084009_20240704_20240712_02_T1_ortho",
    ]
    assert all(one.overlap == 1 and len(one.scenes) == 1 for one in acquisitions)


def _outline_in_greenland(tile: str) -> Polygon:
    """A tile's edge, point by point, in EPSG:3413."""
    crs, transform, (height, width) = tile_grid(tile)
    to = Transformer.from_crs(crs, "EPSG:3413", always_xy=True)
    steps = range(0, width + 1, 60)
    corners = [
        *((0, row) for row in steps),
        *((column, height) for column in steps),
        *((width, height - row) for row in steps),
        *((width - column, 0) for column in steps),
    ]
    return Polygon([to.transform(*(transform @ corner)) for corner in corners])


@pytest.mark.parametrize("region", [HAGEN, RYDER, ACADEMY, JAKOBSHAVN])
def test_overlap_is_the_share_of_the_region_under_the_tiles(region: Region) -> None:
    for tile in region.tiles:
        expected = _outline_in_greenland(tile).intersection(box(*region.bounds)).area / (region.area_km2 * 1e6)
        assert only([sentinel2(tile=tile)], region).overlap == pytest.approx(expected, abs=2e-4)


def test_overlap_of_several_tiles_counts_no_ground_twice() -> None:
    outlines = [_outline_in_greenland(tile) for tile in ACADEMY.tiles[:2]]
    union = outlines[0].union(outlines[1]).intersection(box(*ACADEMY.bounds)).area
    one = only([sentinel2(tile=tile) for tile in ACADEMY.tiles[:2]], ACADEMY)
    assert one.overlap == pytest.approx(union / (ACADEMY.area_km2 * 1e6), abs=2e-4)


def test_footprint_whose_outline_crosses_itself() -> None:
    corners = tile_outline("22WEB")
    bowtie = [corners[0], corners[2], corners[1], corners[3], corners[0]]
    one = only([sentinel2(tile="22WEB", footprint=bowtie)], JAKOBSHAVN)
    assert 0 < one.overlap < 1


@pytest.mark.parametrize("epsg", [999999, 4326, 3413, 32633])
def test_overlap_does_not_depend_on_what_the_catalogue_says_of_the_crs(epsg: int) -> None:
    expected = only([sentinel2(tile="22WEB")], JAKOBSHAVN).overlap
    assert only([sentinel2(tile="22WEB", epsg=epsg)], JAKOBSHAVN).overlap == pytest.approx(expected, abs=0.02)


def test_footprint_across_the_antimeridian_split_or_not() -> None:
    name = "philvarner_stac-factory__S2B_T01WCR_20250427T000611_L2A.json"
    item = json.loads(require_shared_data("stac_items", name).read_text())
    region = Region(name="strait", bounds=(310_000, 7_500_000, 340_000, 7_530_000), crs="EPSG:32601")
    days = Days(dt.date(2025, 4, 27), dt.date(2025, 4, 27))
    assert only([parsed(item, Satellite.SENTINEL2)], region, days).overlap == 1
    points = [(178.12, 68.44), (178.32, 67.46), (-179.3, 67.51), (-179.2, 68.49), (178.12, 68.44)]
    item["geometry"] = {"type": "Polygon", "coordinates": [points]}
    assert only([parsed(item, Satellite.SENTINEL2)], region, days).overlap == 1
    assert search_area([region]).intersects(Polygon([*points[:2], (180, 67.5), (180, 68.48)]))


@pytest.mark.slow
def test_all_192_regions_are_seen_whole_by_the_tiles_they_name() -> None:
    regions = geopandas.read_file(require_shared_data("regions", "glaciers_roi_proj_v3_300m.gpkg"))
    for row in regions.itertuples():
        tiles = tuple(row.utm_grid.split(","))
        region = Region(name=row.region, bounds=tuple(map(float, row.geometry.bounds)), tiles=tiles)
        one = only([sentinel2(tile=tile) for tile in tiles], region)
        assert len(one.scenes) == len(tiles), row.region
        assert one.overlap > 0.95, row.region


def test_search_area_holds_every_region_and_little_else() -> None:
    to = Transformer.from_crs("EPSG:3413", "OGC:CRS84", always_xy=True)
    area = search_area([HAGEN, JAKOBSHAVN])
    assert len(area.geoms) == 2
    for region in (HAGEN, JAKOBSHAVN):
        xmin, ymin, xmax, ymax = region.bounds
        edge = [(xmin + share * (xmax - xmin), y) for share in (0, 0.25, 0.5, 1) for y in (ymin, ymax)]
        assert all(area.covers(Polygon([to.transform(*point)] * 4).centroid) for point in edge)
    size, _ = Geod(ellps="WGS84").geometry_area_perimeter(area)
    assert abs(size) / 1e6 < 1.6 * (HAGEN.area_km2 + JAKOBSHAVN.area_km2)


@pytest.mark.parametrize(
    ("bounds", "west_of_180", "east_of_180"),
    [
        ((-400_000, 100_000, -350_000, 150_000), False, True),
        ((-1_500_000, 1_400_000, -1_400_000, 1_600_000), True, True),
    ],
)
def test_search_area_is_split_at_the_antimeridian(
    bounds: tuple[float, float, float, float], west_of_180: bool, east_of_180: bool
) -> None:
    area = search_area([Region(name="x", bounds=bounds)])
    assert area.is_valid
    west, _, east, _ = area.bounds
    assert west >= -180
    assert east <= 180
    assert area.intersects(box(170, 0, 180, 90)) is west_of_180
    assert area.intersects(box(-180, 0, -150, 90)) is east_of_180


def test_search_area_around_the_pole() -> None:
    area = search_area([Region(name="pole", bounds=(-100_000, -100_000, 100_000, 100_000))])
    assert area.is_valid
    assert all(area.covers(box(longitude, 89.5, longitude + 1, 89.9)) for longitude in range(-180, 180, 30))
    assert area.bounds[3] == 90
