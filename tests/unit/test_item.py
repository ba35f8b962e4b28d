"""What is written down about a product: its STAC item, its tags, its rows of lineage."""

import csv
import datetime as dt
import hashlib
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pystac
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox
from pyproj import Transformer
from pystac.validation.stac_validator import JsonSchemaSTACValidator
from shapely.geometry import box, shape
from tests.support.items import Json, landsat_item, sentinel2_item

from glacierctl import __version__
from glacierctl.choices import Resampling, Satellite
from glacierctl.model import Acquisition, OffsetDecision, Options, Region, Scene
from glacierctl.planning.acquisitions import Days, group
from glacierctl.planning.scenes import parse_scene
from glacierctl.processing.item import Facts, content_of, product_item, tags
from glacierctl.processing.lineage import combine_lineage, lineage_row
from glacierctl.regions.grid import region_grid
from glacierctl.storage.folder import FolderStore

JAKOBSHAVN = Region(name="049_jakobshavn", bounds=(-207110, -2298950, -145010, -2256350), tiles=("22WEB", "22WEC"))
SENSED_AT = dt.datetime(2024, 7, 4, 15, 14, 22, tzinfo=dt.UTC)
START = dt.datetime(2024, 7, 4, 15, 9, 1, tzinfo=dt.UTC)
DAYS = Days(dt.date(2024, 7, 1), dt.date(2024, 7, 31))
PICTURE_BYTES = b"\x89PNG picture"
PICTURE = content_of(PICTURE_BYTES)


def with_self_link(item: Json) -> Json:
    return {**item, "links": [{"rel": "self", "href": f"https://example.com/items/{item['id']}"}]}


def parsed(item: Json, satellite: Satellite) -> Scene:
    scene = parse_scene(with_self_link(item), satellite, "none")
    assert isinstance(scene, Scene), scene
    return scene


def one_acquisition(items: list[Json], satellite: Satellite) -> Acquisition:
    (made,), _ = group([parsed(item, satellite) for item in items], JAKOBSHAVN, DAYS)
    return made


def sentinel2(tile: str, *, baseline: str = "05.10", sequence: int = 0) -> Json:
    return sentinel2_item(
        tile=tile, sensed_at=SENSED_AT, datatake_start=START, baseline=baseline, sequence=sequence,
        nir_href="https://example.com/B08.tif", scl_href="https://example.com/SCL.tif",
    )  # fmt: skip


TWO_TILES = [sentinel2("22WEC"), sentinel2("22WEB"), sentinel2("22WEB", baseline="05.09", sequence=1)]


def facts(
    acquisition: Acquisition,
    *,
    resolution_m: float = 10,
    cloud_share: float | None = 0.123,
    region: Region = JAKOBSHAVN,
) -> Facts:
    return Facts(
        region=region,
        acquisition=acquisition,
        options=Options(resampling=Resampling.LANCZOS),
        grid=region_grid(region, resolution_m),
        coverage=0.87654321,
        cloud_share=cloud_share,
        offsets=tuple(
            OffsetDecision(item_id=scene.item_id, subtract_dn=1000 * number, evidence="as said")
            for number, scene in enumerate(acquisition.scenes)
        ),
    )


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """The item is about a file's size and checksum; what it holds is of no account."""
    path = tmp_path / "image.tif"
    path.write_bytes(np.random.default_rng(1).bytes(100_000))
    return path


@pytest.fixture
def made(image: Path) -> Json:
    item: Json = json.loads(
        product_item(facts(one_acquisition(TWO_TILES, Satellite.SENTINEL2)), content_of(image), PICTURE)
    )
    return item


def require_valid(item: Mapping[str, Any]) -> None:
    """The schemas of the core come with pystac; nothing is asked of the network."""
    JsonSchemaSTACValidator().validate_core(dict(item), pystac.STACObjectType.ITEM, item["stac_version"])


LANDSAT = landsat_item(pan_href="https://example.com/B8.TIF", qa_href="https://example.com/QA.TIF")


@pytest.mark.parametrize("cloud_share", [0.5, None], ids=["clouds", "no clouds"])
@pytest.mark.parametrize(
    ("items", "satellite"),
    [(TWO_TILES, Satellite.SENTINEL2), ([LANDSAT], Satellite.LANDSAT)],
    ids=["Sentinel-2", "Landsat"],
)
def test_items_are_valid(items: list[Json], satellite: Satellite, cloud_share: float | None, image: Path) -> None:
    acquisition = one_acquisition(items, satellite)
    resolution_m = 10 if satellite is Satellite.SENTINEL2 else 15
    item = json.loads(
        product_item(facts(acquisition, cloud_share=cloud_share, resolution_m=resolution_m), content_of(image), PICTURE)
    )
    require_valid(item)
    assert pystac.Item.from_dict(item).to_dict(include_self_link=False) == item
    prefixes = {"projection": "proj:", "raster": "raster:", "eo": "eo:", "processing": "processing:", "file": "file:"}
    declared = {uri.split("/")[-3] for uri in item["stac_extensions"]}
    assert declared == set(prefixes)
    # the schemas of eo and raster want at least one field of theirs somewhere
    text = json.dumps(item)
    assert all(f'"{prefix}' in text for prefix in prefixes.values())


def test_a_spoiled_item_would_not_be_valid(made: Json) -> None:
    """So that the check above is one."""
    with pytest.raises(pystac.errors.STACValidationError):
        require_valid({**made, "geometry": {"type": "Polygon"}})


def test_the_item_says_where_the_pixels_lie(made: Json) -> None:
    projection = pystac.Item.from_dict(made).ext.proj
    assert projection.code == "EPSG:3413"
    assert projection.shape == [4260, 6210]
    assert projection.transform == [10, 0, -207110, 0, -10, -2256350]
    assert projection.bbox == [-207110, -2298950, -145010, -2256350]


def test_the_outline_is_that_of_the_box_seen_from_above(made: Json) -> None:
    """Densified: a side of the box is a curve in longitude and latitude."""
    to_grid = Transformer.from_crs("OGC:CRS84", "EPSG:3413", always_xy=True)
    ring = np.array(made["geometry"]["coordinates"][0])
    back = shape({"type": "Polygon", "coordinates": [np.column_stack(to_grid.transform(*ring.T)).tolist()]})
    true = box(*JAKOBSHAVN.bounds)
    assert back.symmetric_difference(true).area < 1e-4 * true.area
    assert made["bbox"] == pytest.approx([*ring.min(axis=0), *ring.max(axis=0)])


def test_the_item_says_what_and_when(made: Json) -> None:
    properties = made["properties"]
    assert made["id"] == "049_jakobshavn_S2A_MSIL2A_20240704T150901_N0510_R025"
    assert properties["datetime"] == "2024-07-04T15:09:01Z"
    assert (properties["platform"], properties["constellation"]) == ("sentinel-2a", "sentinel-2")
    assert properties["gsd"] == 10
    assert properties["glacierctl:region"] == "049_jakobshavn"
    assert properties["glacierctl:coverage"] == 0.876543
    assert properties["processing:software"] == {"glacierctl": __version__}
    assert "lanczos" in properties["processing:lineage"]
    assert properties["glacierctl:resampling"] == "lanczos"


def test_clouds_are_per_cent_where_the_extension_says_so(made: Json, image: Path) -> None:
    assert made["properties"]["eo:cloud_cover"] == 12.3
    assert made["properties"]["glacierctl:cloud_share"] == 0.123
    unknown = facts(one_acquisition(TWO_TILES, Satellite.SENTINEL2), cloud_share=None)
    properties = json.loads(product_item(unknown, content_of(image), PICTURE))["properties"]
    assert "eo:cloud_cover" not in properties
    assert properties["glacierctl:cloud_share"] is None


def test_files_are_told_by_name_size_and_checksum(made: Json, image: Path) -> None:
    item = pystac.Item.from_dict(made)
    assert {name: asset.href for name, asset in item.assets.items()} == {
        "image": "./S2A_MSIL2A_20240704T150901_N0510_R025.tif",
        "quicklook": "./S2A_MSIL2A_20240704T150901_N0510_R025.png",
        "lineage": "../../metadata/individual_csv/049_jakobshavn/S2A_MSIL2A_20240704T150901_N0510_R025.csv",
    }
    row = lineage_row(one_acquisition(TWO_TILES, Satellite.SENTINEL2))
    for name, content in (("image", image.read_bytes()), ("quicklook", PICTURE_BYTES), ("lineage", row)):
        file = item.assets[name].ext.file
        # a multihash begins with the code of SHA-256 (0x12) and its length in bytes (0x20)
        assert file.checksum == "1220" + hashlib.sha256(content).hexdigest()
        assert file.size == len(content)
    assert item.assets["image"].roles == ["data"]
    assert "profile=cloud-optimized" in str(item.assets["image"].media_type)
    assert item.assets["quicklook"].media_type == "image/png"


LANDSAT_5 = landsat_item(
    item_id="LT05_L1TP_084008_20240704_20240712_02_T1",
    nir_href="https://example.com/B4.TIF",
    qa_href="https://example.com/QA.TIF",
)


@pytest.mark.parametrize(
    ("items", "satellite", "expected"),
    [
        (TWO_TILES, Satellite.SENTINEL2, (10, "B08", "nir")),
        ([LANDSAT], Satellite.LANDSAT, (15, "B8", "pan")),
        ([LANDSAT_5], Satellite.LANDSAT, (15, "B4", "nir08")),
    ],
    ids=["Sentinel-2", "Landsat 8", "Landsat 5"],
)
def test_the_band_is_described(
    items: list[Json], satellite: Satellite, expected: tuple[float, str, str], image: Path
) -> None:
    resolution_m, name, common_name = expected
    described = facts(one_acquisition(items, satellite), resolution_m=resolution_m)
    asset = json.loads(product_item(described, content_of(image), PICTURE))["assets"]["image"]
    assert asset["bands"] == [
        {
            "name": name,
            "eo:common_name": common_name,
            "data_type": "uint16",
            "nodata": 0,
            "raster:spatial_resolution": resolution_m,
            "raster:sampling": "area",
        }
    ]


def test_sources_are_linked_in_mosaic_order_and_losers_told(made: Json) -> None:
    links = [link for link in made["links"] if link["rel"] == "derived_from"]
    expected = ["S2A_22WEB_20240704_0_L2A", "S2A_22WEC_20240704_0_L2A", "S2A_22WEB_20240704_1_L2A"]
    assert [link["title"] for link in links] == expected
    assert [link["href"] for link in links] == [f"https://example.com/items/{name}" for name in expected]
    assert made["properties"]["glacierctl:superseded"] == [
        {"item_id": expected[2], "by": expected[0], "reason": "baseline 05.09 is older than 05.10"}
    ]


def test_every_decision_about_the_offset_is_written_down_with_its_evidence(made: Json) -> None:
    assert made["properties"]["glacierctl:offsets"] == [
        {"item_id": link["title"], "subtract_dn": 1000 * number, "evidence": "as said"}
        for number, link in enumerate(link for link in made["links"] if link["rel"] == "derived_from")
    ]


def test_the_same_input_gives_the_same_bytes(image: Path) -> None:
    one, other = (
        product_item(facts(one_acquisition(items, Satellite.SENTINEL2)), content_of(image), PICTURE)
        for items in (TWO_TILES, TWO_TILES[::-1])
    )
    assert one == other


def test_another_crs_is_named(image: Path) -> None:
    region = Region(name="alps", bounds=(500_000, 5_000_000, 503_000, 5_003_000), crs="EPSG:32633")
    described = facts(one_acquisition(TWO_TILES, Satellite.SENTINEL2), region=region)
    item = pystac.Item.from_dict(json.loads(product_item(described, content_of(image), PICTURE)))
    assert item.ext.proj.code == "EPSG:32633"
    assert item.bbox == pytest.approx([15, 45.15, 15.04, 45.18], abs=0.01)


def test_tags_carry_provenance_in_the_file_itself() -> None:
    said = tags(facts(one_acquisition(TWO_TILES, Satellite.SENTINEL2)))
    assert said["TIFFTAG_SOFTWARE"] == f"glacierctl {__version__}"
    assert said["TIFFTAG_DATETIME"] == "2024:07:04 15:09:01"
    assert said["ACQUIRED_AT"] == "2024-07-04T15:09:01Z"
    assert said["PRODUCT"] == "S2A_MSIL2A_20240704T150901_N0510_R025"
    assert said["SOURCE_ITEMS"] == "S2A_22WEB_20240704_0_L2A,S2A_22WEC_20240704_0_L2A,S2A_22WEB_20240704_1_L2A"
    assert said["SUBTRACTED_DN"] == "0,1000,2000"
    assert (said["REGION"], said["PLATFORM"], said["RESAMPLING"]) == ("049_jakobshavn", "sentinel-2a", "lanczos")


# --------------------------------------------------------------------------------------------------------- lineage


def test_a_row_of_lineage_names_the_product_and_its_files_in_mosaic_order() -> None:
    row = lineage_row(one_acquisition(TWO_TILES, Satellite.SENTINEL2)).decode()
    assert row.count("\n") == 1
    (cells,) = csv.reader(io.StringIO(row))
    assert cells[0] == "S2A_MSIL2A_20240704T150901_N0510_R025"
    made = "20240704T201422"
    assert cells[1:] == [
        f"S2A_MSIL2A_20240704T150901_N0510_R025_T22WEB_{made}_B08.tif",
        f"S2A_MSIL2A_20240704T150901_N0510_R025_T22WEC_{made}_B08.tif",
        f"S2A_MSIL2A_20240704T150901_N0509_R025_T22WEB_{made}_B08.tif",
    ]


def test_a_row_of_landsat_lineage() -> None:
    row = lineage_row(one_acquisition([LANDSAT], Satellite.LANDSAT)).decode()
    assert row == (
        "20240704213310_LC80840082024186LGN00_LC08_L1TP_084008_20240704_20240712_02_T1_ortho,"
        "LC08_L1TP_084008_20240704_20240712_02_T1_B8.tif\n"
    )


def put_row(store: FolderStore, region: str, *cells: str) -> None:
    store.put(f"sentinel2/metadata/individual_csv/{region}/{cells[0]}.csv", (",".join(cells) + "\n").encode())


def test_the_combined_table_holds_every_product_under_numbered_columns(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    put_row(store, "a", "S2B_later", "b_B08.tif")
    put_row(store, "a", "S2A_first", "x_B08.tif", "y_B08.tif")
    put_row(store, "ab", "S2A_of_another_region", "z_B08.tif")
    combine_lineage(store, Satellite.SENTINEL2, "a")
    content = (tmp_path / "sentinel2/metadata/combined_csv/a.csv").read_text()
    assert content == "0,1,2\nS2A_first,x_B08.tif,y_B08.tif\nS2B_later,b_B08.tif,\n"


def test_the_combined_table_is_the_same_whenever_it_is_made(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    put_row(store, "a", "S2A_first", "x_B08.tif")
    combine_lineage(store, Satellite.SENTINEL2, "a")
    once = (tmp_path / "sentinel2/metadata/combined_csv/a.csv").read_bytes()
    combine_lineage(store, Satellite.SENTINEL2, "a")
    assert (tmp_path / "sentinel2/metadata/combined_csv/a.csv").read_bytes() == once


def test_the_grid_of_an_item_is_the_grid_of_its_facts() -> None:
    """`region_grid` itself is under test elsewhere; the item must not work it out anew."""
    assert region_grid(JAKOBSHAVN, 10) == GeoBox((4260, 6210), Affine(10, 0, -207110, 0, -10, -2256350), "EPSG:3413")
