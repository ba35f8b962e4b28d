"""A static copy of a real catalogue: two tiles, two orbits, JPEG2000, and items that are wrong about their files."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox
from tests.support import command, oracle
from tests.support.oracle import KERNELS, Source
from tests.support.paths import require_shared_data

BBOX = (521_000, 5_083_000, 528_200, 5_107_000)
"""(xmin, ymin, xmax, ymax) in EPSG:32633: its upper part on tile 33TWM, its lower on 33TWL, and where they overlap."""
GRID = GeoBox((2400, 720), Affine(10, 0, BBOX[0], 0, -10, BBOX[3]), "EPSG:32633")
DATATAKES = {
    "S2B_MSIL2A_20230810T094549_N0509_R079": "S2B_33TW{}_20230810_0_L2A",
    "S2B_MSIL2A_20230813T095559_N0509_R122": "S2B_33TW{}_20230813_0_L2A",
    "S2A_MSIL2A_20230815T095031_N0509_R079": "S2A_33TW{}_20230815_0_L2A",
    "S2A_MSIL2A_20230818T100031_N0509_R122": "S2A_33TW{}_20230818_0_L2A",
    "S2B_MSIL2A_20230820T094549_N0509_R079": "S2B_33TW{}_20230820_0_L2A",
}


@dataclass(frozen=True)
class Job:
    """What the command line made of the five dates."""

    output: Path
    said: dict

    def path(self, product: str) -> Path:
        (region,) = (self.output / "sentinel2" / "clipped").iterdir()
        return region / f"{product}.tif"

    def pixels(self, product: str) -> np.ndarray:
        with rasterio.open(self.path(product)) as image:
            assert (image.shape, image.transform, image.crs.to_epsg()) == (GRID.shape, GRID.affine, 32633)
            return image.read(1)

    def item(self, product: str) -> dict:
        return json.loads(self.path(product).with_suffix(".json").read_text())

    def item_ids(self, product: str) -> list[str]:
        """Of its sources, in mosaic order."""
        return [link["title"] for link in self.item(product)["links"] if link["rel"] == "derived_from"]


def run(folder: Path, *flags: str) -> Job:
    ran = command.run(
        "run-local", "--satellite", "sentinel2", f"--bbox={','.join(map(str, BBOX))}", "--crs", "EPSG:32633",
        "--start-date", "2023-08-10", "--end-date", "2023-08-20",
        "--catalog", require_shared_data("earth_search", "catalog.json"), "--output", folder / "out", "--json", *flags,
        cwd=folder, env={"HOME": str(folder), "AWS_EC2_METADATA_DISABLED": "true"},
    )  # fmt: skip
    assert ran.code == 0, ran.stderr
    return Job(folder / "out", json.loads(ran.stdout))


@pytest.fixture(scope="module")
def jobs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Job]:
    return {name: run(tmp_path_factory.mktemp(name), "--resampling", name) for name in ("cubic", "nearest")}


def source(item_id: str, asset: str = "B08") -> Source:
    path = require_shared_data("earth_search", "sentinel-2-l2a", item_id, f"{asset}.tif")
    with rasterio.open(path) as image:
        return Source.of_array(image.read(1), image.crs.to_string(), image.transform)


def sources(job: Job, product: str, asset: str = "B08") -> list[Source]:
    return [source(item_id, asset) for item_id in job.item_ids(product)]


def test_there_is_one_product_of_each_datatake(jobs: dict[str, Job]) -> None:
    for job in jobs.values():
        assert [(one["outcome"], one["product"]) for one in job.said["outcomes"]] == [
            ("product", name) for name in DATATAKES
        ]


@pytest.mark.parametrize("product", DATATAKES)
def test_each_is_made_of_both_tiles_of_its_pass(jobs: dict[str, Job], product: str) -> None:
    expected = {DATATAKES[product].format(tile) for tile in "LM"}
    assert set(jobs["cubic"].item_ids(product)) == expected
    only = [oracle.nearest([one], GRID) > 0 for one in sources(jobs["cubic"], product)]
    assert min(np.mean(only[0] & ~only[1]), np.mean(only[1] & ~only[0])) > 0.1


@pytest.mark.parametrize("product", DATATAKES)
def test_nearest_is_the_exact_neighbour_though_items_are_wrong_about_the_pixels(
    jobs: dict[str, Job], product: str
) -> None:
    """Items say 10 m and 10980 x 10980; the files have 120 m and 915 x 915."""
    image, exact = jobs["nearest"].pixels(product), oracle.nearest(sources(jobs["nearest"], product), GRID)
    assert np.mean(image == exact) >= 0.999
    assert np.array_equal(image > 0, exact > 0)


def test_cubic_is_the_exact_convolution_of_the_preferred_tile(jobs: dict[str, Job]) -> None:
    """Upsampled by twelve, each value shows where between the pixels it was taken."""
    for product in DATATAKES:
        first = sources(jobs["cubic"], product)[0]
        exact = oracle.interpolated(first, GRID, KERNELS["cubic"][0], 3)
        whole = ~np.isnan(exact)
        assert whole.mean() > 0.4
        off = np.abs(jobs["cubic"].pixels(product) - np.clip(exact, 1, 65_535))[whole]
        assert off.max() < 6
        assert np.mean(off <= 0.6) > 0.97


def test_the_offset_is_left_alone_because_the_catalogue_says_it_was_removed(jobs: dict[str, Job]) -> None:
    for outcome in jobs["cubic"].said["outcomes"]:
        assert [decision["subtract_dn"] for decision in outcome["offsets"]] == [0, 0]
        assert {decision["evidence"] for decision in outcome["offsets"]} == {
            "baseline 05.09 adds 1000 and the catalogue says that it was removed"
        }


def test_the_cloud_share_is_that_of_the_classification(jobs: dict[str, Job]) -> None:
    shares = []
    for product in DATATAKES:
        classes = oracle.nearest(sources(jobs["cubic"], product, "SCL"), GRID)
        counted = np.count_nonzero(np.isin(classes, (8, 9, 10))) / np.count_nonzero(classes)
        shares.append(counted)
        assert jobs["cubic"].item(product)["properties"]["glacierctl:cloud_share"] == pytest.approx(counted, abs=0.01)
    assert max(shares) - min(shares) > 0.3


def test_passes_that_are_too_cloudy_are_skipped_with_their_figure(tmp_path: Path, jobs: dict[str, Job]) -> None:
    outcomes = run(tmp_path, "--max-cloud", "0.2").said["outcomes"]
    for outcome, seen in zip(outcomes, jobs["cubic"].said["outcomes"], strict=True):
        if seen["cloud_share"] > 0.2:
            assert (outcome["outcome"], outcome["reason"]) == ("skipped", "cloud")
            assert f"{seen['cloud_share']:.1%}" in outcome["detail"]
        else:
            assert outcome["outcome"] == "product"
    assert {outcome["outcome"] for outcome in outcomes} == {"product", "skipped"}
