"""Real STAC items as scenes, then one field spoiled at a time."""

import datetime as dt
import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from tests.support.items import landsat_item, sentinel2_item
from tests.support.paths import require_shared_data

from glacierctl.choices import Satellite
from glacierctl.model import Rejected, Scene
from glacierctl.planning.scenes import Sentinel2Name, parse_scene

UTC = dt.UTC
V1 = "eodm__S2A_39QTA_20230628_0_L2A.json"
V1_OLD = "cogeotiff_rio-tiler-pds__S2A_29RKH_20200219_0_L2A.json"
C1 = "philvarner_stac-factory__S2B_T01WCR_20250427T000611_L2A.json"
C1_HALF = "philvarner_stac-factory__S2B_T38XNF_20250422T091553_L2A.json"


def real(name: str) -> dict[str, Any]:
    item: dict[str, Any] = json.loads(require_shared_data("stac_items", name).read_text())
    return item


def scene(item: dict[str, Any], satellite: Satellite = Satellite.SENTINEL2) -> Scene:
    parsed = parse_scene(item, satellite, "the-collection")
    assert isinstance(parsed, Scene), parsed
    return parsed


def rejection(item: dict[str, Any], satellite: Satellite = Satellite.SENTINEL2) -> str:
    parsed = parse_scene(item, satellite, "the-collection")
    assert isinstance(parsed, Rejected), parsed
    assert parsed.item_id == item.get("id", "(without an id)")
    return parsed.reason


def spoiled(item: dict[str, Any], *path: str, value: Any = None) -> dict[str, Any]:
    """The item with one field changed, or left out if the value is None."""
    copy = deepcopy(item)
    place = copy
    for key in path[:-1]:
        place = place[key]
    if value is None:
        place.pop(path[-1])
    else:
        place[path[-1]] = value
    return copy


def test_v1_item() -> None:
    one = scene(real(V1))
    assert one.item_id == "S2A_39QTA_20230628_0_L2A"
    assert one.item_href.endswith("/v1/collections/sentinel-2-l2a/items/S2A_39QTA_20230628_0_L2A")
    assert (one.collection, one.platform, one.tile, one.baseline) == ("sentinel-2-l2a", "sentinel-2a", "39QTA", "05.09")
    assert one.sensed_at == dt.datetime(2023, 6, 28, 7, 24, 41, 632000, tzinfo=UTC)
    assert one.generated_at == dt.datetime(2023, 6, 28, 11, 39, 55, tzinfo=UTC)
    assert one.source_file == "S2A_MSIL2A_20230628T070631_N0509_R106_T39QTA_20230628T113955_B08.tif"
    assert one.image.href.endswith("/S2A_39QTA_20230628_0_L2A/B08.tif")
    assert (one.image.crs, one.image.shape) == ("EPSG:32639", (10980, 10980))
    assert one.image.transform == (10, 0, 199980, 0, -10, 2100000)
    assert one.image.size_bytes is None
    assert not one.image.requester_pays
    assert one.clouds is not None
    assert one.clouds.href.endswith("/SCL.tif")
    assert one.clouds.shape == (5490, 5490)
    assert one.cloud_cover == pytest.approx(0.04025136)
    assert one.offset_applied is True
    assert one.footprint[0][0] == (48.15089336343958, 18.970584163790633)


def test_v1_item_of_an_old_baseline() -> None:
    one = scene(real(V1_OLD))
    assert one.baseline == "02.14"
    assert one.offset_applied is False
    assert one.item_href.startswith("s3://sentinel-cogs/")


def test_c1_item_at_the_antimeridian() -> None:
    one = scene(real(C1))
    assert one.tile == "01WCR", "grid:code is MGRS-1WCR"
    assert one.collection == "sentinel-2-c1-l2a"
    assert one.offset_applied is None
    assert one.image.size_bytes == 195118681
    assert not one.image.requester_pays
    assert len(one.footprint) == 2


def test_c1_item_with_little_data() -> None:
    one = scene(real(C1_HALF))
    assert (one.tile, one.image.size_bytes, len(one.footprint)) == ("38XNF", 10342421, 1)


def test_static_copy_of_earth_search() -> None:
    items = sorted(require_shared_data("earth_search").glob("sentinel-2-l2a/*/*.json"))
    assert len(items) == 10
    scenes = [scene({**json.loads(path.read_text()), "links": [{"rel": "self", "href": str(path)}]}) for path in items]
    assert all(Path(one.image.href).is_file() for one in scenes)
    assert {one.tile for one in scenes} == {"33TWL", "33TWM"}
    assert all(one.offset_applied for one in scenes)


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        (("assets", "nir"), None, "it has no asset nir"),
        (("assets", "nir", "href"), None, "its asset nir has no href"),
        (("assets", "nir", "href"), "gs://bucket/B08.tif", "its asset nir lies where it cannot be read: gs://"),
        (("assets", "nir", "href"), "ftp://host/B08.tif", "cannot be read: ftp://"),
        (("properties", "s2:product_uri"), None, "no Sentinel-2 product name"),
        (("properties", "s2:product_uri"), "S2A_nonsense.SAFE", "no Sentinel-2 product name"),
        (("properties", "s2:product_uri"), "S2A_MSIL2A_20239928T070631_N0509_R106_T39QTA_20230628T113955", "name"),
        (("properties", "datetime"), "yesterday", "no readable datetime"),
        (("properties", "datetime"), None, "no readable datetime"),
        (("properties", "platform"), "landsat-8", "it is not of Sentinel-2"),
        (("geometry",), None, "no footprint"),
        (("geometry",), {"type": "Point", "coordinates": [1, 2]}, "no footprint"),
        (("geometry", "coordinates"), [[[1, 2], [3, 4]]], "footprint is no polygon"),
        (("geometry", "coordinates"), [[["a", 2], [3, 4], [5, 6], ["a", 2]]], "footprint is no polygon"),
        (("geometry", "coordinates"), [[[1, 95], [3, 4], [5, 6], [1, 95]]], "footprint is no polygon"),
        (("geometry", "coordinates"), [[[float("nan"), 5], [3, 4], [5, 6], [1, 5]]], "footprint is no polygon"),
        (("properties",), None, "no Sentinel-2 product name"),
        (("id",), None, ""),
    ],
)
def test_unusable_sentinel2_item_is_rejected_with_its_reason(path: tuple[str, ...], value: Any, reason: str) -> None:
    item = spoiled(real(V1), *path, value=value)
    if path == ("id",):
        assert scene(item).item_id == "(without an id)"
    else:
        assert reason in rejection(item)


def test_jpeg2000_and_narrow_nir_assets_are_never_taken_for_nir() -> None:
    item = real(V1)
    assert {"nir08", "nir-jp2"} <= item["assets"].keys()
    assert rejection(spoiled(item, "assets", "nir")) == "it has no asset nir"


@pytest.mark.parametrize(
    ("path", "value", "field", "expected"),
    [
        (("properties", "grid:code"), None, "tile", "39QTA"),
        (("properties", "grid:code"), "nonsense", "tile", "39QTA"),
        (("properties", "platform"), None, "platform", "sentinel-2a"),
        (("properties", "platform"), "SENTINEL_2A", "platform", "sentinel-2a"),
        (("properties", "s2:processing_baseline"), None, "baseline", "05.09"),
        (("properties", "s2:processing_baseline"), "5.9", "baseline", "05.09"),
        (("properties", "s2:generation_time"), None, "generated_at", dt.datetime(2023, 6, 28, 11, 39, 55, tzinfo=UTC)),
        (("properties", "earthsearch:boa_offset_applied"), None, "offset_applied", None),
        (("properties", "earthsearch:boa_offset_applied"), "yes", "offset_applied", None),
        (("properties", "eo:cloud_cover"), None, "cloud_cover", None),
        (("properties", "eo:cloud_cover"), -1, "cloud_cover", None),
        (("properties", "eo:cloud_cover"), 100.5, "cloud_cover", None),
        (("properties", "eo:cloud_cover"), 0, "cloud_cover", 0),
        (("assets", "scl"), None, "clouds", None),
        (("collection",), None, "collection", "the-collection"),
    ],
)
def test_missing_or_odd_field_is_made_good(path: tuple[str, ...], value: Any, field: str, expected: object) -> None:
    assert getattr(scene(spoiled(real(V1), *path, value=value)), field) == expected


def test_tile_from_mgrs_fields_gets_its_zero() -> None:
    item = spoiled(real(C1), "properties", "grid:code")
    assert scene(item).tile == "01WCR"


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2023-06-28", dt.datetime(2023, 6, 28, tzinfo=UTC)),
        ("2023-06-28T07:24:41", dt.datetime(2023, 6, 28, 7, 24, 41, tzinfo=UTC)),
        ("2023-06-28T07:24:41Z", dt.datetime(2023, 6, 28, 7, 24, 41, tzinfo=UTC)),
        ("2023-06-28t07:24:41z", dt.datetime(2023, 6, 28, 7, 24, 41, tzinfo=UTC)),
        ("2023-06-28 07:24:41Z", dt.datetime(2023, 6, 28, 7, 24, 41, tzinfo=UTC)),
        ("2023-06-28T07:24:41.5Z", dt.datetime(2023, 6, 28, 7, 24, 41, 500000, tzinfo=UTC)),
        ("2023-06-28T07:24:41.123456789Z", dt.datetime(2023, 6, 28, 7, 24, 41, 123456, tzinfo=UTC)),
        ("2023-06-28T07:24:41+00:00", dt.datetime(2023, 6, 28, 7, 24, 41, tzinfo=UTC)),
        ("2023-06-28T09:24:41+02:00", dt.datetime(2023, 6, 28, 7, 24, 41, tzinfo=UTC)),
        ("20230628T072441Z", dt.datetime(2023, 6, 28, 7, 24, 41, tzinfo=UTC)),
    ],
)
def test_datetimes_in_every_iso_form(text: str, moment: dt.datetime) -> None:
    assert scene(spoiled(real(V1), "properties", "datetime", value=text)).sensed_at == moment


def test_start_datetime_stands_in_for_a_null_datetime() -> None:
    item = real(V1)
    item["properties"] |= {"datetime": None, "start_datetime": "2023-06-28T07:00:00Z"}
    assert scene(item).sensed_at == dt.datetime(2023, 6, 28, 7, tzinfo=UTC)


@pytest.mark.parametrize(
    ("href", "expected"),
    [
        ("https://host/a%20b/B08.tif", "https://host/a%20b/B08.tif"),
        ("http://host/B08.tif?token=x", "http://host/B08.tif?token=x"),
        ("s3://bucket/B08.tif", "s3://bucket/B08.tif"),
        ("/data/B08.tif", "/data/B08.tif"),
        ("file:///data/a%20b/B08.tif", "/data/a b/B08.tif"),
        (
            "./B08.tif",
            "https://earth-search.aws.element84.com/v1/collections/sentinel-2-l2a/items/B08.tif",
        ),
    ],
)
def test_hrefs_that_can_be_read(href: str, expected: str) -> None:
    assert scene(spoiled(real(V1), "assets", "nir", "href", value=href)).image.href == expected


@pytest.mark.parametrize("place", ["properties", "asset"])
@pytest.mark.parametrize(("field", "value"), [("proj:epsg", 32639), ("proj:code", "EPSG:32639")])
def test_crs_by_number_or_code_on_item_or_asset(place: str, field: str, value: object) -> None:
    item = spoiled(real(V1), "properties", "proj:epsg")
    assert scene(item).image.crs is None
    target = item["properties"] if place == "properties" else item["assets"]["nir"]
    target[field] = value
    assert scene(item).image.crs == "EPSG:32639"


@pytest.mark.parametrize(
    ("field", "value", "attribute"),
    [
        ("proj:shape", [10980], "shape"),
        ("proj:shape", ["a", "b"], "shape"),
        ("proj:shape", [0, 10980], "shape"),
        ("proj:transform", [10, 0, 5], "transform"),
        ("proj:transform", [0, 0, 0, 0, 0, 0], "transform"),
        ("proj:transform", [10, 0, None, 0, -10, 3], "transform"),
        ("file:size", "large", "size_bytes"),
        ("file:size", -1, "size_bytes"),
    ],
)
def test_nonsense_about_the_grid_counts_as_not_said(field: str, value: Any, attribute: str) -> None:
    item = real(V1)
    item["assets"]["nir"][field] = value
    assert getattr(scene(item).image, attribute) is None


def test_transform_of_nine_numbers() -> None:
    item = real(V1)
    item["assets"]["nir"]["proj:transform"] += [0, 0, 1]
    assert scene(item).image.transform == (10, 0, 199980, 0, -10, 2100000)


def test_grid_of_the_item_counts_for_bands_of_its_resolution() -> None:
    item = real(V1)
    item["properties"] |= {"proj:transform": [10, 0, 5, 0, -10, 7], "proj:shape": [20, 30]}
    for asset in ("nir", "scl"):
        del item["assets"][asset]["proj:transform"], item["assets"][asset]["proj:shape"]
    one = scene(item)
    assert (one.image.transform, one.image.shape) == ((10, 0, 5, 0, -10, 7), (20, 30))
    assert one.clouds is not None
    assert (one.clouds.transform, one.clouds.shape) == (None, None)


def test_requester_pays_where_the_catalogue_says_so() -> None:
    item = real(V1)
    assert not scene(item).image.requester_pays
    item["properties"]["storage:requester_pays"] = True
    assert scene(item).image.requester_pays
    item["assets"]["nir"]["storage:requester_pays"] = False
    assert not scene(item).image.requester_pays


def test_product_name_is_taken_apart() -> None:
    name = Sentinel2Name.parse("S2B_MSIL2A_20250427T000609_N0511_R016_T01WCR_20250427T002229")
    assert name == Sentinel2Name(
        "S2B",
        "L2A",
        dt.datetime(2025, 4, 27, 0, 6, 9, tzinfo=UTC),
        "05.11",
        "016",
        "01WCR",
        dt.datetime(2025, 4, 27, 0, 22, 29, tzinfo=UTC),
    )


def test_landsat_8_item() -> None:
    one = scene(landsat_item(), Satellite.LANDSAT)
    assert (one.platform, one.band, one.tile, one.baseline) == ("landsat-8", "B8", None, None)
    assert one.scene_id == "LC80840082024186LGN00"
    assert one.source_file == "LC08_L1TP_084008_20240704_20240712_02_T1_B8.tif"
    assert one.image.href.startswith("s3://usgs-landsat/")
    assert one.image.requester_pays
    assert one.image.transform is not None
    assert one.image.transform[0] == 15
    assert one.clouds is not None
    assert one.clouds.href.endswith("_QA_PIXEL.TIF")
    assert one.clouds.requester_pays
    assert one.cloud_cover == pytest.approx(0.1231)
    assert one.offset_applied is None


def test_landsat_without_s3_is_read_from_its_plain_address() -> None:
    one = scene(landsat_item(s3=False), Satellite.LANDSAT)
    assert one.image.href.startswith("https://landsatlook.usgs.gov/")
    assert not one.image.requester_pays


def test_landsat_pan_does_not_take_the_grid_of_the_30_m_bands() -> None:
    item = landsat_item()
    del item["assets"]["pan"]["proj:transform"], item["assets"]["pan"]["proj:shape"]
    one = scene(item, Satellite.LANDSAT)
    assert (one.image.transform, one.image.shape) == (None, None)
    assert one.clouds is not None
    assert one.clouds.shape == (8161, 8071)


@pytest.mark.parametrize(
    ("item_id", "asset", "band"),
    [
        ("LE07_L1TP_008012_20040704_20200912_02_T1", "pan", "B8"),
        ("LC09_L1GT_008012_20240704_20240704_02_T2", "pan", "B8"),
        ("LT05_L1TP_008012_19940704_20200912_02_T1", "nir08", "B4"),
        ("LT04_L1TP_008012_19890704_20200912_02_T2", "nir08", "B4"),
    ],
)
def test_band_by_landsat(item_id: str, asset: str, band: str) -> None:
    item = landsat_item(item_id=item_id)
    one = scene(item, Satellite.LANDSAT)
    assert one.band == band
    assert one.image.href == item["assets"][asset]["alternate"]["s3"]["href"]


@pytest.mark.parametrize(
    ("item_id", "reason"),
    [
        ("LM05_L1GS_001001_19850524_20210918_02_T2", "without a usable band"),
        ("LM02_L1TP_001001_19780524_20210918_02_T2", "without a usable band"),
        ("LC08_L1TP_084008_20240704_20240704_02_RT", "not of tier T1 or T2"),
    ],
)
def test_landsat_that_cannot_be_used(item_id: str, reason: str) -> None:
    assert reason in rejection(landsat_item(item_id=item_id), Satellite.LANDSAT)


def test_real_mss_item_is_rejected() -> None:
    item = real("usgs-sidecar__LM05_L1GS_001001_19850524_20210918_02_T2_stac.json")
    assert "MSS" in rejection(item, Satellite.LANDSAT)


def test_real_item_without_assets_is_rejected() -> None:
    item = real("PARTIAL_no_assets__LC08_L1GT_059220_20231201_20231209_02_T2.json")
    assert rejection(item, Satellite.LANDSAT) == "it has no asset pan"


@pytest.mark.parametrize(
    "name",
    [
        "usgs-sidecar__LC08_L2SP_005009_20150710_20200908_02_T2_SR_stac.json",
        "usgs-sidecar__LC08_L2SP_047027_20201204_20210313_02_T1_SR_stac.json",
        "stac-extensions_landsat__item.json",
    ],
)
def test_real_level_2_item_has_no_panchromatic_band(name: str) -> None:
    assert rejection(real(name), Satellite.LANDSAT) == "it has no asset pan"


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        (("properties", "platform"), None, "it is not of Landsat"),
        (("properties", "platform"), "sentinel-2a", "it is not of Landsat"),
        (("properties", "platform"), "LANDSAT_3", "without a usable band"),
        (("properties", "instruments"), ["MSS"], "without a usable band"),
        (("properties", "landsat:collection_category"), "RT", "not of tier"),
        (("properties", "landsat:collection_category"), "A1", "not of tier"),
        (("properties", "landsat:scene_id"), None, "no landsat:scene_id"),
        (("assets", "pan"), None, "no asset pan"),
        (("properties", "datetime"), None, "no readable datetime"),
    ],
)
def test_unusable_landsat_item_is_rejected_with_its_reason(path: tuple[str, ...], value: Any, reason: str) -> None:
    assert reason in rejection(spoiled(landsat_item(), *path, value=value), Satellite.LANDSAT)


def test_tier_is_read_from_the_id_if_need_be() -> None:
    item = spoiled(landsat_item(), "properties", "landsat:collection_category")
    assert isinstance(scene(item, Satellite.LANDSAT), Scene)


def test_cloud_cover_of_minus_one_means_none() -> None:
    item = landsat_item(cloud_cover=-1, cloud_cover_land=-1)
    assert scene(item, Satellite.LANDSAT).cloud_cover is None
    item = landsat_item(cloud_cover=-1, cloud_cover_land=40)
    assert scene(item, Satellite.LANDSAT).cloud_cover == pytest.approx(0.4)


def test_item_of_the_other_satellite_is_rejected() -> None:
    assert "not of Landsat" in rejection(sentinel2_item(), Satellite.LANDSAT)
    assert "no Sentinel-2 product name" in rejection(landsat_item(), Satellite.SENTINEL2)


@pytest.mark.parametrize("item", [{}, {"id": 5}, {"id": "x", "properties": [], "assets": "none", "links": 3}])
def test_what_is_no_item_at_all_is_rejected(item: dict[str, Any]) -> None:
    assert isinstance(parse_scene(item, Satellite.SENTINEL2, "c"), Rejected)
    assert isinstance(parse_scene(item, Satellite.LANDSAT, "c"), Rejected)


def test_relative_href_of_an_item_on_disk() -> None:
    item = sentinel2_item(nir_href="B08.tif")
    item["links"] = [{"rel": "self", "href": "/data/item/item.json"}]
    assert scene(item).image.href == str(Path("/data/item/B08.tif"))
