"""Two real Landsat scenes through the Landsat path, and the displacement between them."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox
from tests.support import command, oracle, yahtse
from tests.support.oracle import KERNELS, Source
from tests.support.paths import require_shared_data
from tests.support.tracking import CHIP_PX, shift

PRODUCTS = (
    "20160718203706_LC80630182016200LGN00_LC08_L1TP_063018_20160718_20160718_02_T1_ortho",
    "20160803203709_LC80630182016216LGN00_LC08_L1TP_063018_20160803_20160804_02_T1_ortho",
)
ASKEW = (470_003.0, 6_668_007.0, 485_003.0, 6_678_957.0)
"""(xmin, ymin, xmax, ymax) in EPSG:32607: its pixels lie between those of the scenes."""


@dataclass(frozen=True)
class Job:
    """What the command line made of both scenes in one box."""

    folder: Path
    said: dict

    def images(self) -> list[np.ndarray]:
        images = []
        for path in sorted(self.folder.glob("*.tif")):
            with rasterio.open(path) as image:
                images.append(image.read(1))
        return images


def run(folder: Path, bbox: tuple[float, ...], crs: str, *flags: str) -> Job:
    catalog = yahtse.catalog(folder / "catalog")
    ran = command.run(
        "run-local", "--satellite", "landsat", f"--bbox={','.join(map(str, bbox))}", "--crs", crs,
        "--start-date", "2016-07-18", "--end-date", "2016-08-03", "--catalog", catalog,
        "--output", folder / "out", "--json", *flags,
        cwd=folder, env={"HOME": str(folder), "AWS_EC2_METADATA_DISABLED": "true"},
    )  # fmt: skip
    assert ran.code == 0, ran.stderr
    said = json.loads(ran.stdout)
    (region,) = (folder / "out" / "landsat" / "clipped").iterdir()
    return Job(region, said)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Job:
    """On the scenes' own pixels, and a row more: a box must be a multiple of 30 m high."""
    return run(tmp_path_factory.mktemp("whole"), yahtse.BBOX, "EPSG:32607")


def source(scene: str) -> Source:
    with rasterio.open(yahtse.pan_path(scene)) as image:
        return Source.of_array(image.read(1), "EPSG:32607", image.transform)


def test_there_is_a_product_of_each_scene(whole: Job) -> None:
    share = pytest.approx(1087 / 1088)
    assert [(one["outcome"], one["coverage"]) for one in whole.said["outcomes"]] == [("product", share)] * 2
    assert tuple(path.stem for path in sorted(whole.folder.glob("*.tif"))) == PRODUCTS
    assert all(one["cloud_share"] is None for one in whole.said["outcomes"])
    assert {one["offsets"][0]["evidence"] for one in whole.said["outcomes"]} == {"Landsat adds no offset"}


def test_they_lie_on_the_box_at_15_m(whole: Job) -> None:
    xmin, ymin, xmax, ymax = yahtse.BBOX
    for path in whole.folder.glob("*.tif"):
        with rasterio.open(path) as image:
            assert (image.res, image.crs.to_epsg()) == ((15, 15), 32607)
            assert tuple(image.bounds) == (xmin, ymin - 15, xmax, ymax)


def test_on_the_scenes_own_pixels_nothing_changes(whole: Job) -> None:
    for image, scene in zip(whole.images(), yahtse.SCENES, strict=True):
        with rasterio.open(yahtse.pan_path(scene)) as real:
            assert np.array_equal(image[:-1], real.read(1))
        assert not image[-1].any()


def test_between_pixels_the_values_are_those_of_the_exact_convolution(tmp_path: Path) -> None:
    job = run(tmp_path, ASKEW, "EPSG:32607")
    grid = GeoBox((730, 1000), Affine(15, 0, ASKEW[0], 0, -15, ASKEW[3]), "EPSG:32607")
    for image, scene in zip(job.images(), yahtse.SCENES, strict=True):
        exact = oracle.interpolated(source(scene), grid, *KERNELS["cubic"])
        assert np.abs(image - np.clip(exact, 1, 65_535)).max() < 1


def test_in_another_crs_nearest_is_the_exact_neighbour(tmp_path: Path) -> None:
    """Alaska Albers, as a region of another catalogue would have it."""
    bbox = (686_000.0, 1_197_000.0, 695_000.0, 1_203_000.0)
    job = run(tmp_path, bbox, "EPSG:3338", "--resampling", "nearest")
    grid = GeoBox((400, 600), Affine(15, 0, bbox[0], 0, -15, bbox[3]), "EPSG:3338")
    images = job.images()
    assert len(images) == 2
    for image, scene in zip(images, yahtse.SCENES, strict=True):
        exact = oracle.nearest([source(scene)], grid)
        assert np.mean(exact > 0) > 0.9
        assert np.mean(image == exact) >= 0.999


@pytest.mark.slow
def test_the_displacement_agrees_with_another_tools(whole: Job) -> None:
    """CARST's result of the same two scenes: 120 m grid, metres in 16 days, its east counted westward."""
    tracked = tracked_m(*whole.images())
    reference = np.array([carst("north"), carst("east")])
    both = np.isfinite(tracked).all(axis=0) & (np.abs(reference) < 200).all(axis=0)
    assert np.count_nonzero(both) > 300
    north, east = tracked[0][both] - reference[0][both], tracked[1][both] + reference[1][both]
    # its own offset over ground that is at rest, as its authors give it
    assert np.median(north) == pytest.approx(-8, abs=4)
    assert np.median(east) == pytest.approx(3, abs=4)
    north, east = north - np.median(north), east - np.median(east)
    assert np.median(np.hypot(north, east)) < 10
    speed = np.hypot(*tracked)[both]
    fast = speed > 30
    assert np.count_nonzero(fast) > 25
    # a pixel is 15 m; CARST's own scatter is several metres, and its outliers on ice are many
    assert np.median(np.hypot(north, east)[fast]) < 0.4 * np.median(speed[fast])
    assert np.median(np.abs(speed[speed < 10])) < 8


def carst(component: str) -> np.ndarray:
    """Metres, NaN where there is none, every third point each way."""
    name = f"2016200_2016216_r32x32_s32x32_{component}xyz.tif"
    with rasterio.open(require_shared_data("yahtse_landsat8", name)) as image:
        assert image.transform == Affine(120, 0, 465_727.5, 0, -120, 6_681_037.5)
        values = image.read(1).astype(float)
    return np.where(values == -32_768, np.nan, values)[::3, ::3]


def tracked_m(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """(north, east) in metres at CARST's points; NaN where the chips are unlike."""
    found = np.full((2, *carst("north").shape), np.nan)
    half, reach = CHIP_PX // 2, 8
    for i, j in np.ndindex(found.shape[1:]):
        # the middle of its pixel: 8 of ours each, 44 right of and 36 below our corner
        row, col = 36 + 24 * i + 4, 44 + 24 * j + 4
        if not (half + reach <= row <= before.shape[0] - half - reach):
            continue
        if not (half + reach <= col <= before.shape[1] - half - reach):
            continue
        chip = before[row - half : row + half, col - half : col + half].astype(float)
        more = half + reach
        right, down, likeness = shift(chip, after[row - more : row + more, col - more : col + more].astype(float))
        if likeness > 0.75:
            found[:, i, j] = -15 * down, 15 * right
    return found
