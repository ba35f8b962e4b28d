"""Planning against a real STAC API: pgstac behind stac-fastapi."""

import datetime as dt
import json

import pytest
from shapely import MultiPolygon, box
from tests.support.bowdoin import PASSES, TILE
from tests.support.items import landsat_item, sentinel2_item
from tests.support.paths import require_shared_data
from tests.support.pgstac import StacServer

from glacierctl.choices import Satellite
from glacierctl.errors import CatalogError
from glacierctl.model import Plan, Region, Request, Scene
from glacierctl.planning.catalog import open_catalog
from glacierctl.planning.plan import make_plan
from glacierctl.planning.scenes import parse_scene

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
BOWDOIN = Region(name="163_Bowdoin", bounds=(-541690, -1232300, -523390, -1211600), tiles=(TILE,))
HAGEN = Region(
    name="191_Hagen_Brae", bounds=(218680, -946310, 328780, -848210), tiles=("26XMR", "26XNR", "26XMQ", "26XNQ")
)
BOTH_TILES = ("26XMR", "26XNR")


def plan(server: StacServer, *regions: Region, satellite: Satellite = Satellite.SENTINEL2) -> Plan:
    collection = "sentinel-2-l2a" if satellite is Satellite.SENTINEL2 else "landsat-c2l1"
    request = Request(
        satellite=satellite,
        regions=regions,
        start=dt.date(2016, 1, 1),
        end=dt.date(2024, 12, 31),
        catalog=server.url,
        collection=collection,
    )
    return make_plan(request, open_catalog(server.url, backoff_s=0), NOW)


def test_bowdoin_dates_are_found(stac_server: StacServer) -> None:
    stac_server.load(
        [sentinel2_item(tile=TILE, sensed_at=one.sensed_at, relative_orbit=one.relative_orbit) for one in PASSES]
    )
    found = plan(stac_server, BOWDOIN)
    assert [one.acquired_at.date() for one in found.for_region("163_Bowdoin")] == [
        dt.date(2016, 4, 10),
        dt.date(2016, 8, 8),
        dt.date(2017, 3, 10),
    ]
    assert (found.matched, found.catalog_requests) == (3, 1)


def test_several_pages_for_several_regions_in_one_search(stac_server: StacServer) -> None:
    first = dt.datetime(2023, 5, 1, 15, tzinfo=dt.UTC)
    days = [first + dt.timedelta(days=day) for day in range(110)]
    rows = [sentinel2_item(tile=tile, sensed_at=day) for tile in (TILE, *BOTH_TILES) for day in days]
    stac_server.load(rows)
    found = plan(stac_server, HAGEN, BOWDOIN)
    assert (found.matched, found.catalog_requests) == (330, 2)
    assert len(found.for_region("163_Bowdoin")) == 110
    assert [len(one.scenes) for one in found.for_region("191_Hagen_Brae")] == [2] * 110


def test_items_reduced_by_fields_make_the_same_scenes_as_whole_ones(stac_server: StacServer) -> None:
    rows = [
        sentinel2_item(nir_href="https://host/B08.tif", scl_href="https://host/SCL.tif"),
        sentinel2_item(collection="sentinel-2-c1-l2a", nir_href="s3://b/B08.tif", scl_href="s3://b/SCL.tif"),
        landsat_item(),
        landsat_item(item_id="LT05_L1TP_008012_19940704_20200912_02_T1"),
    ]
    stac_server.load(rows)
    world = MultiPolygon([box(-180, -90, 180, 90)])
    catalog = open_catalog(stac_server.url)
    for row in rows:
        found = catalog.search(row["collection"], world, dt.datetime(1990, 1, 1, tzinfo=dt.UTC), NOW)
        received = next(item for item in found.items if item["id"] == row["id"])
        satellite = Satellite.LANDSAT if row["collection"].startswith("landsat") else Satellite.SENTINEL2
        scene = parse_scene(received, satellite, "")
        whole = parse_scene(row, satellite, "")
        assert isinstance(scene, Scene), scene
        assert isinstance(whole, Scene), whole
        assert scene.item_href == f"{stac_server.url}/collections/{row['collection']}/items/{row['id']}"
        assert scene == whole.model_copy(update={"item_href": scene.item_href})
        assert len(received["properties"]) < len(row["properties"])


def test_landsat(stac_server: StacServer) -> None:
    ids = ("LC08_L1TP_084008_20240704_20240712_02_T1", "LC08_L1TP_084008_20240705_20240705_02_RT")
    stac_server.load([landsat_item(item_id=one) for one in ids])
    region = Region(name="049_jakobshavn", bounds=(-207110, -2298950, -145010, -2256350))
    found = plan(stac_server, region, satellite=Satellite.LANDSAT)
    assert [one.scenes[0].item_id for one in found.for_region("049_jakobshavn")] == [ids[0]]
    assert [one.item_id for one in found.rejected] == [ids[1]]


def test_region_at_the_antimeridian(stac_server: StacServer) -> None:
    name = "philvarner_stac-factory__S2B_T01WCR_20250427T000611_L2A.json"
    real = json.loads(require_shared_data("stac_items", name).read_text())
    stac_server.load([sentinel2_item(tile="01WCR", footprint=real["geometry"])])
    region = Region(name="strait", bounds=(310_000, 7_500_000, 340_000, 7_530_000), crs="EPSG:32601")
    assert len(plan(stac_server, region).for_region("strait")) == 1


def test_plan_does_not_depend_on_the_order_in_which_items_were_loaded(stac_server: StacServer) -> None:
    day = dt.datetime(2023, 5, 1, 15, tzinfo=dt.UTC)
    rows = [sentinel2_item(tile=tile, sensed_at=day, sequence=n) for tile in BOTH_TILES for n in (0, 1)]
    stac_server.load(rows)
    one = plan(stac_server, HAGEN)
    stac_server.clear()
    stac_server.load(rows[::-1])
    assert plan(stac_server, HAGEN) == one


def test_nothing_there(stac_server: StacServer) -> None:
    found = plan(stac_server, BOWDOIN)
    assert found.acquisitions == (("163_Bowdoin", ()),)
    assert found.matched == 0


def test_unknown_collection_names_those_that_exist(stac_server: StacServer) -> None:
    world = MultiPolygon([box(-180, -90, 180, 90)])
    with pytest.raises(CatalogError, match="has no collection sentinel-2-l3a") as caught:
        open_catalog(stac_server.url).search("sentinel-2-l3a", world, dt.datetime(2024, 1, 1, tzinfo=dt.UTC), NOW)
    assert caught.value.why == "it has sentinel-2-l2a, sentinel-2-c1-l2a, landsat-c2l1"
