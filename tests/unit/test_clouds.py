"""How much of a region is under cloud, by the providers' classifications."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox
from pyproj import Transformer
from rasterio.warp import Resampling as GdalResampling
from rasterio.warp import reproject
from tests.support.cogs import write_cog
from tests.support.items import landsat_item, sentinel2_item

from glacierctl.choices import Satellite
from glacierctl.model import Scene, SourceFile
from glacierctl.planning.scenes import parse_scene
from glacierctl.processing.clouds import classify, cloud_share
from glacierctl.processing.getters import LocalGetter
from glacierctl.processing.transport import ReadPolicy, Transport

CRS, CORNER = "EPSG:32619", Affine(20, 0, 500_000, 0, -20, 8_640_000)
SIDE = 800
CLOUDY_CLASSES = (8, 9, 10)
PX = 640


def grid() -> GeoBox:
    """10 m, a little more than two thirds of the classification, askew in it."""
    to_grid = Transformer.from_crs(CRS, "EPSG:3413", always_xy=True)
    x, y = to_grid.transform(*(CORNER @ (SIDE / 2, SIDE / 2)))
    return GeoBox((PX, PX + 3), Affine(10, 0, x - 5 * PX, 0, -10, y + 5 * PX), "EPSG:3413")


def patches(seed: int, classes: Sequence[int]) -> np.ndarray:
    """Squares of 40 x 40 pixels, a class each."""
    drawn = np.random.default_rng(seed).choice(classes, (SIDE // 40, SIDE // 40))
    return np.kron(drawn, np.ones((40, 40), int)).astype("uint8")


def scene_with(path: Path | None, satellite: Satellite = Satellite.SENTINEL2) -> Scene:
    item = (
        sentinel2_item(nir_href="/nowhere.tif", scl_href=None)
        if satellite is Satellite.SENTINEL2
        else landsat_item(pan_href="/nowhere.tif", qa_href="/nowhere.tif")
    )
    parsed = parse_scene(item, satellite, "none")
    assert isinstance(parsed, Scene)
    clouds = SourceFile(href=str(path), crs=None, transform=None, shape=None) if path else None
    return parsed.model_copy(update={"clouds": clouds})


def share(scenes: Sequence[Scene], scratch: Path, where: GeoBox | None = None) -> float | None:
    transport = Transport({"": LocalGetter()}, ReadPolicy())
    return cloud_share(scenes, where or grid(), transport, scratch, workers=2)


def written(folder: Path, name: str, classes: np.ndarray, corner: Affine = CORNER) -> Path:
    return write_cog(folder / name, classes, CRS, corner, block=256, predictor=1, overview_resampling="nearest")


def counted(paths: Sequence[Path], cloudy: Sequence[int]) -> float:
    """GDAL warps each classification onto every pixel of the grid; the first that has a class there counts."""
    where = grid()
    merged = np.zeros(where.shape, "uint16")
    for path in paths:
        with rasterio.open(path) as source:
            warped = np.zeros(where.shape, source.dtypes[0])
            reproject(
                rasterio.band(source, 1), warped, dst_transform=where.affine, dst_crs=str(where.crs),
                resampling=GdalResampling.nearest,
            )  # fmt: skip
        merged = np.where(merged == 0, warped, merged)
    return np.count_nonzero(np.isin(merged, cloudy)) / np.count_nonzero(merged)


def test_the_share_is_that_of_a_count_of_every_pixel(tmp_path: Path) -> None:
    path = written(tmp_path, "SCL.tif", patches(1, range(12)))
    assert share([scene_with(path)], tmp_path) == pytest.approx(counted([path], CLOUDY_CLASSES), abs=0.005)


def test_several_classifications_are_one_mosaic(tmp_path: Path) -> None:
    """The first has gaps, the second is clearer and overlaps it by half."""
    first = patches(1, (0, 0, 8, 9, 11))
    shifted = CORNER @ Affine.translation(SIDE // 2, 0)
    paths = [written(tmp_path, "1.tif", first), written(tmp_path, "2.tif", patches(2, (0, 4, 11, 11, 10)), shifted)]
    found = share([scene_with(path) for path in paths], tmp_path)
    assert found == pytest.approx(counted(paths, CLOUDY_CLASSES), abs=0.006)
    assert abs(counted(paths, CLOUDY_CLASSES) - counted(paths[::-1], CLOUDY_CLASSES)) > 0.05


def test_landsats_quality_bits_are_counted(tmp_path: Path) -> None:
    bits = np.kron(np.random.default_rng(3).choice([1, 21824, 22280, 54596, 30048], (20, 20)), np.ones((40, 40), int))
    path = written(tmp_path, "QA.tif", bits.astype("uint16"))
    found = share([scene_with(path, Satellite.LANDSAT)], tmp_path)
    with rasterio.open(path) as source:
        warped = np.ones(grid().shape, "uint16")
        reproject(
            rasterio.band(source, 1), warped, dst_transform=grid().affine, dst_crs="EPSG:3413",
            resampling=GdalResampling.nearest,
        )  # fmt: skip
    seen = warped[warped != 1]
    assert found == pytest.approx(np.mean([(int(value) >> 2 & 3) > 0 for value in seen]), abs=0.006)


@pytest.mark.parametrize("value", range(12))
def test_classes_of_sentinel_2(value: int) -> None:
    expected = {0: 0, 8: 2, 9: 2, 10: 2}.get(value, 1)
    assert classify(np.full((2, 2), value, np.uint16), Satellite.SENTINEL2).tolist() == [[expected] * 2] * 2


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0b0000_0000_0000_0000, 0),
        (0b0000_0000_0000_0001, 0),
        (0b0101_0101_0100_0000, 1),
        (0b0101_0101_0100_0010, 1),
        (0b0101_0101_0100_0100, 2),
        (0b0101_0101_0100_1000, 2),
        (0b0101_0101_0101_0000, 1),
        (0b0101_0101_0110_0000, 1),
        (0b0101_0101_0100_1001, 0),
        (0b1111_1111_1111_0010, 1),
    ],
    ids=["none", "fill", "clear", "dilated", "cirrus", "cloud", "shadow", "snow", "fill and cloud", "confidences"],
)
def test_bits_of_landsat(value: int, expected: int) -> None:
    assert classify(np.array([[value]], np.uint16), Satellite.LANDSAT).item() == expected


def test_without_a_classification_the_share_is_unknown(tmp_path: Path) -> None:
    assert share([scene_with(None), scene_with(None)], tmp_path) is None


def test_scenes_without_a_classification_are_left_out(tmp_path: Path) -> None:
    path = written(tmp_path, "SCL.tif", np.full((SIDE, SIDE), 9, "uint8"))
    assert share([scene_with(None), scene_with(path)], tmp_path) == 1.0


def test_where_nothing_is_classified_the_share_is_unknown(tmp_path: Path) -> None:
    path = written(tmp_path, "SCL.tif", np.zeros((SIDE, SIDE), "uint8"))
    assert share([scene_with(path)], tmp_path) is None


def test_nodata_is_no_clear_sky(tmp_path: Path) -> None:
    classes = np.zeros((SIDE, SIDE), "uint8")
    classes[:, 300:340] = 9
    path = written(tmp_path, "SCL.tif", classes)
    assert share([scene_with(path)], tmp_path) == 1.0


@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (5, 4)])
def test_regions_smaller_than_the_sampling_are_looked_at(tmp_path: Path, shape: tuple[int, int]) -> None:
    path = written(tmp_path, "SCL.tif", np.full((SIDE, SIDE), 9, "uint8"))
    assert share([scene_with(path)], tmp_path, grid()[300 : 300 + shape[0], 300 : 300 + shape[1]]) == 1.0
