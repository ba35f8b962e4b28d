"""The demo's folder: a catalogue that pystac accepts, scenes that show what the passes saw, written once."""

import json
import shutil
from pathlib import Path

import numpy as np
import pystac
import pystac.validation
import pytest
import rasterio
from affine import Affine
from pyproj import Transformer
from shapely import Point, box
from shapely import transform as move
from shapely.geometry import shape

from glacierctl.demo.build import DemoData, build_demo, centres, truth
from glacierctl.demo.passes import demo_passes
from glacierctl.demo.tiles import demo_region

pytestmark = pytest.mark.slow

PASSES = {f"{seen.sensed_at:%Y%m%d}": seen for seen in demo_passes()}
REGION = demo_region()
GRID = Affine(30, 0, REGION.bounds[0], 0, -30, REGION.bounds[3])
GRID_SHAPE = (303, 402)
WITH_OFFSET = "S2A_21XWK_20240704_0_L2A"
IDS = [
    "S2A_20XNQ_20240704_0_L2A",
    WITH_OFFSET,
    "S2A_20XNQ_20240714_0_L2A",
    "S2A_21XWK_20240714_0_L2A",
    "S2B_20XNQ_20240720_0_L2A",
    "S2B_21XWK_20240720_0_L2A",
]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> DemoData:
    return build_demo(tmp_path_factory.mktemp("demo") / "data")


def item_file(demo: DemoData, item_id: str) -> Path:
    return demo.catalog / "sentinel-2-l2a" / item_id / f"{item_id}.json"


def sample(path: Path, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(values, x, y) of the pixels on which positions in EPSG:3413 fall; x and y are those of their centres."""
    with rasterio.open(path) as source:
        u, v = Transformer.from_crs("EPSG:3413", source.crs, always_xy=True).transform(x, y)
        left, top, step = source.transform.c, source.transform.f, source.transform.a
        cols, rows = np.floor((u - left) / step).astype(int), np.floor((top - v) / step).astype(int)
        inside = (cols >= 0) & (rows >= 0) & (cols < source.width) & (rows < source.height)
        cols, rows = cols[inside], rows[inside]
        values = source.read(1)[rows, cols]
        back = Transformer.from_crs(source.crs, "EPSG:3413", always_xy=True)
        return values, *back.transform(left + step * (cols + 0.5), top - step * (rows + 0.5))


def positions(count: int = 500) -> tuple[np.ndarray, np.ndarray]:
    draw, (xmin, ymin, xmax, ymax) = np.random.default_rng(3), REGION.bounds
    return draw.uniform(xmin, xmax, count), draw.uniform(ymin, ymax, count)


@pytest.mark.parametrize("item_id", IDS)
def test_a_scene_shows_what_its_pass_saw(demo: DemoData, item_id: str) -> None:
    seen = PASSES[item_id.split("_")[2]]
    values, x, y = sample(item_file(demo, item_id).with_name("B08.tif"), *positions())
    expected = seen.reflectance(x, y)
    added = np.where(expected > 0, 1000 if item_id == WITH_OFFSET else 0, 0)
    assert values.size > 250
    np.testing.assert_allclose(values, expected + added, atol=0.52)


@pytest.mark.parametrize("item_id", IDS)
def test_the_classification_tells_cloud_from_ice_from_rock_from_nothing(demo: DemoData, item_id: str) -> None:
    seen = PASSES[item_id.split("_")[2]]
    values, x, y = sample(item_file(demo, item_id).with_name("SCL.tif"), *positions())
    np.testing.assert_array_equal(values, seen.classification(x, y))
    cloudy = item_id.split("_")[2] == "20240714"
    assert (np.count_nonzero(values == 9) > 0) == (cloudy and np.any(seen.cloudy(x, y)))


def test_clouds_and_orbit_edge_take_the_shares_they_should() -> None:
    x, y = centres(GRID, GRID_SHAPE)
    clear, cloudy, edge = demo_passes()
    assert [float(np.mean(seen.cloudy(x, y))) for seen in (clear, edge)] == [0, 0]
    assert 0.15 < np.mean(cloudy.cloudy(x, y)) < 0.3
    assert [float(np.mean(truth(seen, GRID, GRID_SHAPE) > 0)) for seen in (clear, cloudy)] == [1, 1]
    assert 0.35 < np.mean(truth(edge, GRID, GRID_SHAPE) > 0) < 0.48


def test_truth_is_the_same_on_a_grid_in_another_crs() -> None:
    seen = demo_passes()[1]
    utm = Affine(10, 0, 540000, 0, -10, 8930000)
    x, y = centres(utm, (20, 30), "EPSG:32620")
    exact = Transformer.from_crs(32620, 3413, always_xy=True).transform(540000 + 25 * 10 + 5, 8930000 - 12 * 10 - 5)
    assert (x[12, 25], y[12, 25]) == pytest.approx(exact)
    np.testing.assert_array_equal(truth(seen, utm, (20, 30), "EPSG:32620"), seen.reflectance(x, y))


def test_the_region_needs_both_tiles_and_no_other(demo: DemoData) -> None:
    shares = []
    for item_id in IDS[:2]:
        values, _, _ = sample(item_file(demo, item_id).with_name("B08.tif"), *positions())
        shares.append(np.count_nonzero(values) / 500)
    assert all(0.5 < share < 0.8 for share in shares)
    union = [shape(json.loads(item_file(demo, item_id).read_text())["geometry"]) for item_id in IDS[:2]]
    outline = move(
        box(*REGION.bounds).segmentize(500),
        Transformer.from_crs(3413, 4326, always_xy=True).transform,
        interleaved=False,
    )
    assert union[0].union(union[1]).contains(outline)


@pytest.mark.parametrize("item_id", IDS)
def test_an_outline_holds_the_pixels_with_data_and_no_others(demo: DemoData, item_id: str) -> None:
    outline = shape(json.loads(item_file(demo, item_id).read_text())["geometry"])
    assert outline.is_valid
    assert outline.exterior.is_ccw
    values, x, y = sample(item_file(demo, item_id).with_name("B08.tif"), *positions())
    points = zip(*Transformer.from_crs(3413, 4326, always_xy=True).transform(x, y), strict=True)
    wrong = [
        point for point, value in zip(points, values, strict=True) if outline.contains(Point(point)) != (value > 0)
    ]
    assert len(wrong) <= 2


def test_pystac_reads_and_accepts_the_catalogue(demo: DemoData) -> None:
    catalog = pystac.Catalog.from_file(str(demo.catalog / "catalog.json"))
    items = list(catalog.get_items(recursive=True))
    assert sorted(item.id for item in items) == sorted(IDS)
    for thing in (catalog, *catalog.get_children(), *items):
        pystac.validation.validate_dict(thing.to_dict(include_self_link=False) | {"stac_extensions": []})
    hrefs = [asset.get_absolute_href() for item in items for asset in item.assets.values()]
    assert len(hrefs) == 12
    assert all(Path(href).is_file() for href in hrefs if href)


@pytest.mark.parametrize("item_id", IDS)
def test_items_describe_their_files(demo: DemoData, item_id: str) -> None:
    path = item_file(demo, item_id)
    item = json.loads(path.read_text())
    for asset in item["assets"].values():
        with rasterio.open(path.parent / asset["href"]) as source:
            assert asset["proj:shape"] == list(source.shape)
            assert asset["proj:transform"] == list(source.transform)[:6]
            assert item["properties"]["proj:epsg"] == source.crs.to_epsg()
            assert asset["raster:bands"][0]["data_type"] == source.dtypes[0]


def test_one_file_alone_still_carries_the_offset_and_its_item_says_so(demo: DemoData) -> None:
    said = {item_id: json.loads(item_file(demo, item_id).read_text())["properties"] for item_id in IDS}
    flags = {item_id: properties["earthsearch:boa_offset_applied"] for item_id, properties in said.items()}
    assert flags == {item_id: item_id != WITH_OFFSET for item_id in IDS}
    assert {properties["s2:processing_baseline"] for properties in said.values()} == {"05.10"}


def test_names_are_those_of_the_real_catalogue(demo: DemoData) -> None:
    properties = json.loads(item_file(demo, IDS[0]).read_text())["properties"]
    assert properties["s2:product_uri"] == "S2A_MSIL2A_20240704T174911_N0510_R141_T20XNQ_20240704T224911.SAFE"
    assert properties["s2:datatake_id"] == "GS2A_20240704T174911_047185_N05.10"
    assert properties["grid:code"] == "MGRS-20XNQ"
    assert properties["platform"] == "sentinel-2a"


def test_the_dates_take_in_every_pass(demo: DemoData) -> None:
    days = [seen.sensed_at.date() for seen in demo_passes()]
    assert (demo.start, demo.end) == (min(days), max(days))
    assert demo.region == REGION


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_is_there_is_not_written_again(demo: DemoData) -> None:
    before = {path: path.stat().st_mtime_ns for path in demo.catalog.rglob("*")}
    assert build_demo(demo.catalog) == demo
    assert {path: path.stat().st_mtime_ns for path in demo.catalog.rglob("*")} == before


def test_what_is_damaged_is_written_again_the_same_to_the_byte(demo: DemoData, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(demo.catalog, copy)
    item_file(build_demo(copy), IDS[0]).with_name("B08.tif").write_bytes(b"")
    assert contents(build_demo(copy).catalog) == contents(demo.catalog)


@pytest.mark.parametrize("marker", [None, '{"edition": 0}', "{"])
def test_without_a_sound_marker_nothing_counts_as_complete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, marker: str | None
) -> None:
    if marker is not None:
        (tmp_path / "complete.json").write_text(marker)
    monkeypatch.setattr("glacierctl.demo.build.write_scene", lambda place, *_: place.mkdir(parents=True))
    build_demo(tmp_path)
    assert json.loads((tmp_path / "complete.json").read_text())["edition"] == 1
    assert len(list((tmp_path / "sentinel-2-l2a").iterdir())) == 7
