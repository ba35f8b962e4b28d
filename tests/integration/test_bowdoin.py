"""The main job on a real glacier: search, read over http, warp, write; every pixel against an exact warp."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pystac
import pytest
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox
from pystac.validation.stac_validator import JsonSchemaSTACValidator
from tests.support import bowdoin, command, nginx, oracle
from tests.support.cogs import blocks_under, bytes_under
from tests.support.oracle import KERNELS, Source
from tests.support.pgstac import StacServer
from tests.support.tiles import tile_grid

BOUNDS = (-541_690, -1_232_300, -523_390, -1_211_600)
GRID = GeoBox((2070, 1830), Affine(10, 0, -541_690, 0, -10, -1_211_600), "EPSG:3413")
PRODUCTS = (
    "S2A_MSIL2A_20160410T180125_N0204_R041",
    "S2A_MSIL2A_20160808T175915_N0204_R041",
    "S2A_MSIL2A_20170310T174129_N0204_R098",
)
pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Job:
    """What the command line made of the three dates."""

    output: Path
    said: dict
    bytes_sent: int
    requests: int

    def path(self, product: str, suffix: str = "tif") -> Path:
        return self.output / "sentinel2" / "clipped" / "163_Bowdoin" / f"{product}.{suffix}"

    def pixels(self, product: str) -> np.ndarray:
        with rasterio.open(self.path(product)) as image:
            return image.read(1)


@pytest.fixture(scope="module")
def jobs(
    _stac_server: StacServer,
    bowdoin_scenes: tuple[bowdoin.BowdoinScene, ...],
    bowdoin_folder: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Job]:
    """By resampling: cubic as it is by default, and nearest."""
    folder = tmp_path_factory.mktemp("job")
    with nginx.serve(bowdoin_folder, folder / "nginx") as server:
        _stac_server.load(bowdoin.served(bowdoin_scenes, bowdoin_folder, server.url()))
        made = {}
        for resampling, flags in (("cubic", ()), ("nearest", ("--resampling", "nearest"))):
            mark = server.mark()
            ran = command.run(
                "run-local", "--satellite", "sentinel2", "--regions", "163_Bowdoin",
                "--start-date", "2016-04-10", "--end-date", "2017-03-10",
                "--catalog", _stac_server.url, "--output", folder / resampling, "--json", *flags,
                cwd=folder, env={"HOME": str(folder), "AWS_EC2_METADATA_DISABLED": "true"},
            )  # fmt: skip
            assert ran.code == 0, ran.stderr
            made[resampling] = Job(
                folder / resampling, json.loads(ran.stdout), server.bytes_since(mark), server.requests_since(mark)
            )
    _stac_server.clear()
    return made


def source(number: int) -> Source:
    """The pixels as they were before they became a COG on a tile."""
    dn, _, (row, col) = bowdoin.grey(bowdoin.PASSES[number].source)
    crs, transform, _ = tile_grid(bowdoin.TILE)
    return Source.of_array(dn, crs, transform @ Affine.translation(col, row))


def test_there_is_a_product_of_each_date_and_no_surprise(jobs: dict[str, Job]) -> None:
    for job in jobs.values():
        outcomes = job.said["outcomes"]
        assert [(one["outcome"], one["product"]) for one in outcomes] == [("product", name) for name in PRODUCTS]
        assert job.said["total"] == {"products": 3, "skipped": {}, "failed": 0}
        assert all(one["offsets"][0]["subtract_dn"] == 0 for one in outcomes)
        assert all("02.04 adds no offset" in one["offsets"][0]["evidence"] for one in outcomes)


@pytest.mark.parametrize("number", range(3))
def test_nearest_is_the_exact_neighbour_everywhere(jobs: dict[str, Job], number: int) -> None:
    image, exact = jobs["nearest"].pixels(PRODUCTS[number]), oracle.nearest([source(number)], GRID)
    assert np.mean(image == exact) >= 0.999
    assert np.mean((image > 0) == (exact > 0)) > 0.99999
    coverage = np.count_nonzero(exact) / exact.size
    assert coverage == pytest.approx([0.9427, 0.9427, 0.8966][number], abs=0.0005)
    for job in jobs.values():
        assert job.said["outcomes"][number]["coverage"] == pytest.approx(coverage, abs=1e-5)


@pytest.mark.parametrize("number", range(3))
def test_cubic_is_the_exact_convolution(jobs: dict[str, Job], number: int) -> None:
    """On real texture, whose steepest pixels differ by thousands from their neighbours."""
    part = np.s_[1200:1800, 300:1100]
    image = jobs["cubic"].pixels(PRODUCTS[number])[part]
    exact = oracle.interpolated(source(number), GRID[part], *KERNELS["cubic"])
    known = ~np.isnan(exact)
    assert np.count_nonzero(known) > 0.9 * image.size
    off = np.abs(image - np.clip(exact, 1, 65_535))[known]
    slope = np.hypot(*np.gradient(exact))[known]
    # half a DN of rounding, and what a thousandth of a pixel makes where the values change fast
    assert np.mean(off <= 0.51 + 0.001 * slope) > 0.998
    assert np.mean(off <= 0.51 + 0.005 * slope) > 0.9999


def test_products_lie_on_the_regions_grid(jobs: dict[str, Job]) -> None:
    for name in PRODUCTS:
        with rasterio.open(jobs["cubic"].path(name)) as image:
            assert tuple(image.bounds) == BOUNDS
            assert (image.shape, image.crs.to_epsg(), image.transform) == (GRID.shape, 3413, GRID.affine)
            assert (image.dtypes, image.nodata) == (("uint16",), 0)


def test_items_say_what_the_files_are(jobs: dict[str, Job]) -> None:
    for number, name in enumerate(PRODUCTS):
        path = jobs["cubic"].path(name, "json")
        JsonSchemaSTACValidator().validate_core(json.loads(path.read_text()), pystac.STACObjectType.ITEM, "1.1.0")
        item = pystac.Item.from_file(str(path))
        assert item.ext.proj.bbox == list(BOUNDS)
        for asset in item.assets.values():
            content = Path(asset.get_absolute_href()).read_bytes()
            assert asset.ext.file.checksum == "1220" + hashlib.sha256(content).hexdigest()
            assert asset.ext.file.size == len(content)
        (link,) = item.get_links("derived_from")
        assert link.title == f"S2A_19XEG_{bowdoin.PASSES[number].sensed_at:%Y%m%d}_0_L2A"
        assert link.href.endswith(f"/collections/sentinel-2-l2a/items/{link.title}")


def test_lineage_names_the_source_of_each(jobs: dict[str, Job]) -> None:
    tables = jobs["cubic"].output / "sentinel2" / "metadata"
    rows = [(tables / "individual_csv" / "163_Bowdoin" / f"{name}.csv").read_text() for name in PRODUCTS]
    for name, row in zip(PRODUCTS, rows, strict=True):
        assert row.startswith(f"{name},{name}_T19XEG_20")
        assert row.endswith("_B08.tif\n")
    assert (tables / "combined_csv" / "163_Bowdoin.csv").read_text() == "0,1\n" + "".join(rows)


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_the_picture_shows_bright_ice_and_a_dark_fjord(jobs: dict[str, Job]) -> None:
    """Bowdoin's tongue, its fjord and the ice-free land beside it, at places read off a map."""
    with rasterio.open(jobs["cubic"].path(PRODUCTS[1], "png")) as picture:
        grey, alpha = picture.read()
    assert grey.shape == (1024, 905)
    pixels = jobs["cubic"].pixels(PRODUCTS[1])
    assert np.mean(alpha > 0) == pytest.approx(np.mean(pixels > 0), abs=0.002)
    assert set(np.unique(alpha).tolist()) == {0, 255}
    tongue, fjord, land = grey[560:600, 420:460], grey[900:960, 130:200], grey[900:960, 320:380]
    assert tongue.mean() > 180
    assert max(fjord.mean(), land.mean()) < 80


def test_hardly_more_is_read_than_the_blocks_under_the_region(
    jobs: dict[str, Job], bowdoin_scenes: tuple[bowdoin.BowdoinScene, ...]
) -> None:
    files = [path for scene in bowdoin_scenes for path in (scene.nir, scene.scl)]
    perfect = sum(bytes_under(path, GRID) for path in files)
    rows_of_blocks = sum(len({row for row, _ in blocks_under(path, GRID)}) for path in files)
    for job in jobs.values():
        assert job.bytes_sent <= 1.10 * perfect
        assert job.said["usage"]["bytes_read"] <= job.bytes_sent
        assert job.said["usage"]["requests"] == job.requests
        # of each file the header, and at most a request for each row of blocks
        assert job.requests <= len(files) + rows_of_blocks
