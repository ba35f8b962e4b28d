"""The support that other tests stand on does what it says."""

import datetime as dt
import http.client
import json
import socket
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pystac
import pystac_client
import pytest
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox
from shapely import Polygon
from tests.support import yahtse
from tests.support.bowdoin import BowdoinScene, served
from tests.support.cogs import block_index, bytes_under, write_cog, write_tile_cog
from tests.support.command import Ran
from tests.support.faulty import Corrupt, FaultyServer, IgnoresRange, Stall, Status, Truncated, XmlError
from tests.support.items import landsat_item, sentinel2_item, write_static_catalog
from tests.support.nginx import Nginx
from tests.support.nginx import serve as serve_with_nginx
from tests.support.paths import REPO, require_shared_data
from tests.support.pgstac import StacServer
from tests.support.tiles import tile_grid, tile_outline

pytest_plugins = ["pytester"]

CONTENT = bytes(range(256)) * 40


def get(url: str, byte_range: str = "", *, timeout_s: float = 10) -> tuple[int, bytes]:
    request = urllib.request.Request(url, headers={"Range": f"bytes={byte_range}"} if byte_range else {})
    try:
        with urllib.request.urlopen(request, timeout=timeout_s) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, refused.read()


@pytest.mark.parametrize(
    ("tile", "epsg", "corner"),
    [
        ("33TWL", 32633, (499980, 5100000)),
        ("33TWM", 32633, (499980, 5200020)),
        ("29RKH", 32629, (199980, 2800020)),
        ("39QTA", 32639, (199980, 2100000)),
        ("39QUA", 32639, (300000, 2100000)),
        ("38XNF", 32638, (499980, 8100000)),
        ("01WCR", 32601, (300000, 7600020)),
    ],
)
def test_tile_grids_are_those_of_real_items(tile: str, epsg: int, corner: tuple[int, int]) -> None:
    crs, transform, shape = tile_grid(tile)
    assert (crs, shape) == (f"EPSG:{epsg}", (10980, 10980))
    assert transform == Affine(10, 0, corner[0], 0, -10, corner[1])


def test_tile_grids_are_the_footprints_of_all_tiles_around_greenland() -> None:
    grid = json.loads(require_shared_data("mgrs_grid", "s2_tiles_greenland.geojson").read_text())
    for feature in grid["features"]:
        real = Polygon([point[:2] for point in feature["geometry"]["coordinates"][0]])
        ours = Polygon(tile_outline(feature["properties"]["Name"]))
        assert ours.symmetric_difference(real).area < 1e-6 * real.area, feature["properties"]["Name"]


def test_a_word_that_is_no_tile_has_no_grid() -> None:
    with pytest.raises(ValueError, match="33TWI"):
        tile_grid("33TWI")


def real_item(*parts: str) -> dict:
    return json.loads(require_shared_data(*parts).read_text())


def test_a_v1_item_has_the_keys_of_a_real_one() -> None:
    name = "S2A_33TWL_20230815_0_L2A"
    real = real_item("earth_search", "sentinel-2-l2a", name, f"{name}.json")
    ours = sentinel2_item(
        tile="33TWL",
        sensed_at=dt.datetime.fromisoformat(real["properties"]["datetime"]),
        datatake_start=dt.datetime(2023, 8, 15, 9, 50, 31, tzinfo=dt.UTC),
        baseline="05.09",
        relative_orbit=79,
        generated_at=dt.datetime(2023, 8, 15, 15, 50, 57, tzinfo=dt.UTC),
    )
    assert ours["id"] == real["id"]
    assert ours["properties"].keys() <= real["properties"].keys()
    for key in (
        "platform",
        "proj:epsg",
        "grid:code",
        "s2:product_uri",
        "s2:sequence",
        "earthsearch:boa_offset_applied",
    ):
        assert ours["properties"][key] == real["properties"][key]
    for asset, key in (
        ("nir", "proj:transform"),
        ("nir", "raster:bands"),
        ("scl", "proj:transform"),
        ("scl", "proj:shape"),
    ):
        assert ours["assets"][asset][key] == real["assets"][asset][key]


def test_a_c1_item_has_the_keys_of_a_real_one() -> None:
    real = real_item("stac_items", "philvarner_stac-factory__S2B_T01WCR_20250427T000611_L2A.json")
    ours = sentinel2_item(
        tile="01WCR",
        sensed_at=dt.datetime.fromisoformat(real["properties"]["datetime"]),
        datatake_start=dt.datetime(2025, 4, 27, 0, 6, 9, tzinfo=dt.UTC),
        baseline="05.11",
        relative_orbit=16,
        platform="sentinel-2b",
        collection="sentinel-2-c1-l2a",
        generated_at=dt.datetime(2025, 4, 27, 0, 22, 29, tzinfo=dt.UTC),
    )
    assert ours["properties"].keys() <= real["properties"].keys()
    for key in ("platform", "proj:epsg", "grid:code", "s2:product_uri"):
        assert ours["properties"][key] == real["properties"][key]
    assert ours["assets"]["nir"]["proj:transform"] == real["assets"]["nir"]["proj:transform"]


def test_a_landsat_item_has_the_keys_of_a_real_one() -> None:
    real = real_item("stac_items", "PARTIAL_no_assets__LC08_L1GT_059220_20231201_20231209_02_T2.json")
    ours = landsat_item(item_id=real["id"], cloud_cover_land=-1, scene_id=real["properties"]["landsat:scene_id"])
    assert real["properties"].keys() <= ours["properties"].keys()
    same = [key for key in real["properties"] if key.startswith(("landsat:", "platform", "instruments", "datetime"))]
    assert {key: ours["properties"][key] for key in same} == {key: real["properties"][key] for key in same}


def test_a_static_catalogue_is_read_by_pystac(tmp_path: Path) -> None:
    items = [sentinel2_item(), sentinel2_item(sequence=1), landsat_item()]
    catalog = pystac.Catalog.from_file(str(write_static_catalog(tmp_path, items)))
    assert sorted(item.id for item in catalog.get_items(recursive=True)) == sorted(item["id"] for item in items)
    nir = next(catalog.get_items(items[0]["id"], recursive=True)).assets["nir"]
    assert nir.get_absolute_href() == str(tmp_path / "sentinel-2-l2a" / items[0]["id"] / "B08.tif")


def test_a_small_array_lies_in_the_whole_tile(tmp_path: Path) -> None:
    pixels = np.arange(1, 301 * 200 + 1, dtype="uint32").astype("uint16").reshape(301, 200)
    path = write_tile_cog(tmp_path / "B08.tif", pixels, "19XEG", offset=(1000, 2000))
    with rasterio.open(path) as image:
        assert (image.crs.to_epsg(), image.shape, image.nodata) == (32619, (10980, 10980), 0)
        assert image.transform == tile_grid("19XEG")[1]
        assert image.block_shapes == [(1024, 1024)]
        assert image.overviews(1) == [2, 4, 8, 16]
        assert image.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert image.tags(ns="IMAGE_STRUCTURE")["PREDICTOR"] == "2"
        full = image.read(1)
    assert np.array_equal(full[1000:1301, 2000:2200], pixels)
    assert np.count_nonzero(full) == np.count_nonzero(pixels)


def test_a_function_makes_the_pixels_of_a_cog(tmp_path: Path) -> None:
    rows, columns = np.indices((700, 900))
    expected = (rows * 3 + columns).astype("uint16")
    transform = Affine(10, 0, 0, 0, -10, 0)
    path = write_cog(
        tmp_path / "f.tif", lambda at: expected[at.toslices()], "EPSG:32619", transform, shape=(700, 900), block=256
    )
    with rasterio.open(path) as image:
        assert np.array_equal(image.read(1), expected)


def test_blocks_hold_what_the_index_says(tmp_path: Path) -> None:
    pixels = np.random.default_rng(1).integers(1, 9000, (600, 600)).astype("uint16")
    path = write_cog(tmp_path / "f.tif", pixels, "EPSG:32619", Affine(10, 0, 0, 0, -10, 0), block=256)
    levels = block_index(path)
    assert [level.shape for level in levels] == [(600, 600), (300, 300), (150, 150)]
    assert len(levels[0].blocks) == 9
    assert sum(size for level in levels for _, size in level.blocks.values()) < path.stat().st_size
    ends = [offset + size for level in levels for offset, size in level.blocks.values()]
    assert max(ends) <= path.stat().st_size


def test_bytes_under_a_grid_are_those_of_its_blocks(tmp_path: Path) -> None:
    pixels = np.random.default_rng(1).integers(1, 9000, (600, 600)).astype("uint16")
    path = write_cog(tmp_path / "f.tif", pixels, "EPSG:32619", Affine(10, 0, 0, 0, -10, 6000), block=256)
    blocks = block_index(path)[0].blocks
    inside_one = GeoBox((10, 10), Affine(10, 0, 300, 0, -10, 5500), "EPSG:32619")
    across_two = GeoBox((10, 10), Affine(10, 0, 2500, 0, -10, 5500), "EPSG:32619")
    near_two = GeoBox((10, 10), Affine(10, 0, 2450, 0, -10, 5500), "EPSG:32619")
    assert bytes_under(path, inside_one) == blocks[0, 0][1]
    assert bytes_under(path, across_two) == blocks[0, 0][1] + blocks[0, 1][1]
    assert bytes_under(path, near_two) == blocks[0, 0][1]
    assert bytes_under(path, near_two, margin_px=2) == blocks[0, 0][1] + blocks[0, 1][1]


def test_nginx_serves_ranges_and_counts_them(nginx_server: Nginx) -> None:
    (nginx_server.www / "a b.tif").write_bytes(CONTENT)
    get(nginx_server.url("a%20b.tif"))
    mark = nginx_server.mark()
    assert get(nginx_server.url("a%20b.tif"), "16-31") == (206, CONTENT[16:32])
    assert get(nginx_server.url("none.tif"))[0] == 404
    records = nginx_server.records(since=mark)
    assert [(r.method, r.path, r.range, r.status) for r in records] == [
        ("GET", "/a%20b.tif", "bytes=16-31", 206),
        ("GET", "/none.tif", "", 404),
    ]
    assert records[0].body_bytes == 16
    assert nginx_server.requests_since(mark) == 2
    assert nginx_server.bytes_since(mark, path=".tif") > nginx_server.bytes_since(mark, path="a%20b") > 16


def test_nginx_is_gone_afterwards(tmp_path: Path) -> None:
    with serve_with_nginx(tmp_path, tmp_path / "nginx") as server:
        port = server.port
    with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port), timeout=1):
        pass


def test_the_faulty_server_serves_what_has_no_fault(faulty_server: FaultyServer) -> None:
    (faulty_server.www / "a.tif").write_bytes(CONTENT)
    assert get(faulty_server.url("a.tif")) == (200, CONTENT)
    assert get(faulty_server.url("a.tif"), "5-9") == (206, CONTENT[5:10])
    assert get(faulty_server.url("a.tif"), "-4") == (206, CONTENT[-4:])
    assert get(faulty_server.url("a.tif"), "10000-") == (206, CONTENT[10000:])
    assert get(faulty_server.url("a.tif"), "99999-100000")[0] == 416
    assert get(faulty_server.url("b.tif"))[0] == 404
    assert [(seen.range, seen.status) for seen in faulty_server.seen("a.tif")][:2] == [("", 200), ("bytes=5-9", 206)]


def test_each_fault_does_what_it_says(faulty_server: FaultyServer) -> None:
    (faulty_server.www / "a.tif").write_bytes(CONTENT)
    url = faulty_server.url("a.tif")
    faulty_server.misbehave("a.tif", Status(403))
    assert get(url)[0] == 403
    faulty_server.misbehave("a.tif", Status(503, times=2))
    assert [get(url)[0] for _ in range(3)] == [503, 503, 200]
    faulty_server.misbehave("a.tif", XmlError())
    assert get(url, "0-9")[1].startswith(b"<?xml")
    faulty_server.misbehave("a.tif", IgnoresRange())
    assert get(url, "0-9") == (200, CONTENT)
    faulty_server.misbehave("a.tif", Corrupt(100, 104))
    assert get(url, "98-105")[1] == bytes([98, 99, 155, 154, 153, 152, 104, 105])
    faulty_server.misbehave("a.tif", Truncated())
    with pytest.raises(http.client.IncompleteRead):
        get(url)
    faulty_server.behave()
    assert get(url) == (200, CONTENT)


def test_a_stall_lasts_for_the_requests_it_was_set_for(faulty_server: FaultyServer) -> None:
    (faulty_server.www / "a.tif").write_bytes(CONTENT)
    faulty_server.misbehave("a.tif", Stall(60, times=1))
    with pytest.raises(TimeoutError):
        get(faulty_server.url("a.tif"), timeout_s=0.2)
    assert get(faulty_server.url("a.tif")) == (200, CONTENT)


def test_items_are_found_in_the_stac_server(stac_server: StacServer) -> None:
    clear, cloudy = (sentinel2_item(sequence=n, cloud_cover=cover) for n, cover in enumerate((9.0, 80.0)))
    stac_server.load([clear, cloudy, landsat_item()])
    client = pystac_client.Client.open(stac_server.url)
    search = client.search(collections=["sentinel-2-l2a"], query={"eo:cloud_cover": {"lt": 10}})
    assert search.matched() == 1
    found = next(search.items_as_dicts())
    assert found["properties"] == clear["properties"]
    assert found["assets"]["nir"] == clear["assets"]["nir"]


def test_each_test_begins_with_a_stac_server_without_items(stac_server: StacServer) -> None:
    client = pystac_client.Client.open(stac_server.url)
    assert client.search(collections=["sentinel-2-l2a", "landsat-c2l1"]).matched() == 0


def test_bowdoin_lies_where_the_real_pixels_lie(bowdoin_scenes: tuple[BowdoinScene, ...]) -> None:
    assert len(bowdoin_scenes) == 3
    for scene, source in zip(bowdoin_scenes, sorted(require_shared_data("bowdoin_s2").glob("*.vrt")), strict=True):
        with rasterio.open(source) as real, rasterio.open(scene.nir) as laid:
            assert (laid.shape, laid.crs) == ((10980, 10980), real.crs)
            window = laid.window(*real.bounds)
            dn, bands = laid.read(1, window=window), real.read()
            assert np.count_nonzero(dn) == np.count_nonzero(laid.read(1))
        valid = dn > 0
        assert np.allclose(dn[valid], bands.mean(axis=0)[valid] * 40, atol=1)
        with rasterio.open(scene.scl) as classes:
            assert np.unique(classes.read(1)).tolist() == [0, 11]


def test_only_the_orbits_edge_is_missing_at_bowdoin(bowdoin_scenes: tuple[BowdoinScene, ...]) -> None:
    shares = []
    for scene in bowdoin_scenes:
        with rasterio.open(scene.nir) as image:
            shares.append(np.count_nonzero(image.read(1)) / (2000 * 3000))
    assert shares[:2] == [1, 1]
    # The black corner is 12.6 % of the third date; 8 pixels along its edge go with it.
    assert 0.86 < shares[2] < 0.874


def test_bowdoin_is_served_over_http(
    bowdoin_scenes: tuple[BowdoinScene, ...], bowdoin_folder: Path, tmp_path: Path
) -> None:
    with serve_with_nginx(bowdoin_folder, tmp_path) as server:
        items = served(bowdoin_scenes, bowdoin_folder, server.url())
        for item, scene in zip(items, bowdoin_scenes, strict=True):
            assert get(item["assets"]["nir"]["href"], "0-99")[1] == scene.nir.read_bytes()[:100]


def test_yahtse_is_a_catalogue_of_two_real_scenes(yahtse_catalog: Path) -> None:
    items = sorted(pystac.Catalog.from_file(str(yahtse_catalog)).get_items(recursive=True), key=lambda one: one.id)
    assert [item.properties["landsat:scene_id"] for item in items] == list(yahtse.SCENES)
    assert items[0].datetime == dt.datetime(2016, 7, 18, 20, 37, 6, 339158, tzinfo=dt.UTC)
    for item in items:
        pan = item.assets["pan"]
        with rasterio.open(pan.href) as image:
            assert image.bounds == yahtse.BBOX
            assert list(image.transform[:6]) == pan.extra_fields["proj:transform"]


def test_the_command_line_runs_in_surroundings_of_its_own(glacierctl: Callable[..., Ran], tmp_path: Path) -> None:
    code, stdout, stderr = glacierctl("--help", env={"COLUMNS": "100"})
    assert (code, stderr) == (0, "")
    assert "glacierctl" in stdout
    assert Path.home().is_relative_to(tmp_path.parent)


def test_settings_of_whoever_runs_the_tests_are_hidden(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "production")
    run_inner(pytester, "import os\ndef test_hidden(): assert 'AWS_PROFILE' not in os.environ", ci="").assert_outcomes(
        passed=1
    )


SKIPS = """
import pytest
def test_skips(): pytest.skip("no server")
@pytest.mark.xfail(strict=True)
def test_known(): assert False
"""


def test_a_skip_is_a_failure_in_ci(pytester: pytest.Pytester) -> None:
    result = run_inner(pytester, SKIPS, ci="true")
    result.assert_outcomes(failed=1, xfailed=1)
    result.stdout.fnmatch_lines(["*no server (CI runs every test)*"])


def test_a_skip_is_a_skip_elsewhere(pytester: pytest.Pytester) -> None:
    run_inner(pytester, SKIPS, ci="").assert_outcomes(skipped=1, xfailed=1)


def run_inner(pytester: pytest.Pytester, tests: str, *, ci: str) -> pytest.RunResult:
    """Run other tests under this project's conftest, in a process of its own."""
    pytester.makeconftest((REPO / "tests" / "conftest.py").read_text())
    pytester.makepyfile(tests)
    pytester.makeini(f"[pytest]\npythonpath = {REPO}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CI", ci)
        return pytester.runpytest_subprocess("-p", "no:cacheprovider", "-rs")
