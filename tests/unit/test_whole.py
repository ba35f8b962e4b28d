"""Files that are had whole: JPEG2000 and TIFFs in strips, from disk and over a getter; rasterio is the oracle."""

import resource
import threading
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.errors import NotGeoreferencedWarning

from glacierctl.errors import ReadError, StoreError
from glacierctl.model import SourceFile
from glacierctl.processing.getters import LocalGetter
from glacierctl.processing.raster import Pixels
from glacierctl.processing.source import open_raster, open_rasters
from glacierctl.processing.transport import DamagedError, ReadPolicy, Transport
from glacierctl.processing.whole import WholeRaster
from glacierctl.storage.ranges import Piece

CRS = "EPSG:32633"
PLACE = Affine(10, 0, 500_000, 0, -10, 7_700_000)
SHAPE = (1100, 1300)
LOSSLESS = {"QUALITY": "100", "REVERSIBLE": "YES"}


def texture() -> np.ndarray:
    rng = np.random.default_rng(5)
    values = (np.add.outer(np.arange(SHAPE[0]), np.arange(SHAPE[1])) * 5 + rng.integers(1, 40, SHAPE)).astype("uint16")
    values[:200, :300] = 0
    return values


def write(path: Path, *, placed: bool = True) -> Path:
    driver = {".jp2": "JP2OpenJPEG", ".tif": "GTiff"}[path.suffix]
    options = LOSSLESS if path.suffix == ".jp2" else {"compress": "deflate", "tiled": False, "blockysize": 16}
    place = {"crs": CRS, "transform": PLACE} if placed else {}
    height, width = SHAPE
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(
            path, "w", driver=driver, height=height, width=width, count=1, dtype="uint16", **place, **options
        ) as image:
            image.write(texture(), 1)
    return path


@dataclass
class Bytes:
    """A file in memory that keeps what is asked of it; `spoil(number, start, data)` may change an answer."""

    content: bytes
    asked: list[tuple[int, int]] = field(default_factory=list)
    spoil: Callable[[int, int, bytes], bytes] = lambda _number, _start, data: data

    def get(self, href: str, start: int, stop: int) -> Piece:
        del href
        self.asked.append((start, stop))
        return Piece(self.spoil(len(self.asked), start, self.content[start:stop]), len(self.content))


def source(href: str, crs: str | None = None, transform: Affine | None = None) -> SourceFile:
    return SourceFile(href=href, crs=crs, transform=tuple(transform)[:6] if transform else None, shape=SHAPE)


def open_bytes(content: Bytes, scratch: Path, href: str = "mem://bucket/a.jp2") -> WholeRaster:
    raster = open_raster(source(href, CRS, PLACE), Transport({"mem": content}, ReadPolicy(attempts=1)), scratch)
    assert isinstance(raster, WholeRaster)
    return raster


def read_all(raster: WholeRaster) -> Pixels:
    pixels = np.zeros(raster.shape, np.uint16)
    height, width = raster.block_shape
    blocks = [(row, col) for row in range(-(-SHAPE[0] // height)) for col in range(-(-SHAPE[1] // width))]
    for run in raster.runs(blocks):
        for (row, col), encoded in raster.fetch(run).items():
            block = raster.decode((row, col), encoded)
            pixels[row * height : row * height + block.shape[0], col * width : col * width + block.shape[1]] = block
    return pixels


@pytest.fixture(scope="module")
def jp2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("jp2") / "a.jp2")


@pytest.fixture(scope="module")
def strips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("strips") / "a.tif")


@pytest.fixture(params=["jp2", "strips"])
def path(request: pytest.FixtureRequest) -> Path:
    made: Path = request.getfixturevalue(request.param)
    return made


def test_every_pixel_is_the_one_that_rasterio_reads(path: Path, tmp_path: Path) -> None:
    with rasterio.open(path) as image:
        expected = image.read(1)
        assert image.transform == PLACE
    np.testing.assert_array_equal(expected, texture())
    local = open_raster(source(str(path)), Transport({"": LocalGetter()}, ReadPolicy()), tmp_path)
    remote = open_bytes(Bytes(path.read_bytes()), tmp_path)
    for raster in (local, remote):
        assert isinstance(raster, WholeRaster)
        assert (raster.crs, raster.transform, raster.shape) == (CRS, PLACE, SHAPE)
        np.testing.assert_array_equal(read_all(raster), expected)


def test_a_remote_file_is_copied_once_and_a_local_one_not_at_all(path: Path, tmp_path: Path) -> None:
    content = Bytes(path.read_bytes())
    raster = open_bytes(content, tmp_path)
    read_all(raster)
    assert len(content.asked) == 2
    (copy,) = tmp_path.iterdir()
    assert copy.read_bytes() == content.content
    open_raster(source(str(path)), Transport({"": LocalGetter()}, ReadPolicy()), tmp_path)
    assert list(tmp_path.iterdir()) == [copy]


def test_a_long_query_in_the_address_does_no_harm(jp2: Path, tmp_path: Path) -> None:
    raster = open_bytes(Bytes(jp2.read_bytes()), tmp_path, "mem://bucket/a.jp2?X-Amz-Signature=a.b/" + "x" * 400)
    assert read_all(raster).any()


def test_the_catalogue_places_a_file_that_does_not_place_itself(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jp2", placed=False)
    (tmp_path / "scratch").mkdir()
    raster = open_bytes(Bytes(path.read_bytes()), tmp_path / "scratch")
    assert (raster.crs, raster.transform) == (CRS, PLACE)
    with pytest.raises(ReadError, match="where it lies"):
        open_raster(source(str(path), crs=CRS), Transport({"": LocalGetter()}, ReadPolicy()), tmp_path)


def test_the_coarsest_level_is_about_as_large_as_an_overview(path: Path, tmp_path: Path) -> None:
    coarsest = open_bytes(Bytes(path.read_bytes()), tmp_path).coarsest()
    assert coarsest.shape == (SHAPE[0] // 2, SHAPE[1] // 2)
    assert np.count_nonzero(coarsest == 0) == pytest.approx(200 * 300 / 4, rel=0.02)


def test_a_truncated_file_is_an_error_and_never_nodata(path: Path, tmp_path: Path) -> None:
    whole = path.read_bytes()
    for share in (0.3, 0.7, 0.99):
        with pytest.raises(ReadError, match=r"a\.jp2 cannot be read"):
            read_all(open_bytes(Bytes(whole[: int(share * len(whole))]), tmp_path))


def damage(content: bytes) -> bytes:
    """Tears pages from the middle, so that a stream of deflate ends in nonsense that GDAL notices."""
    middle = len(content) // 2
    return content[:middle] + b"\xff" * 20_000 + content[middle + 20_000 :]


def test_a_copy_that_was_damaged_on_its_way_is_made_anew(strips: Path, tmp_path: Path) -> None:
    content = Bytes(strips.read_bytes(), spoil=lambda number, _, data: damage(data) if number == 2 else data)
    np.testing.assert_array_equal(read_all(open_bytes(content, tmp_path)), texture())
    assert len(content.asked) == 3


def test_a_file_that_is_damaged_at_its_source_is_read_twice_then_named(strips: Path, tmp_path: Path) -> None:
    content = Bytes(damage(strips.read_bytes()))
    with pytest.raises(DamagedError, match=r"a\.jp2 cannot be read") as caught:
        read_all(open_bytes(content, tmp_path))
    assert caught.value.href == "mem://bucket/a.jp2"
    assert "\n" not in str(caught.value)
    assert len(content.asked) == 3


def test_no_room_for_the_copy_is_said_so(jp2: Path, tmp_path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
    try:
        with pytest.raises(StoreError, match="temporary files cannot be written") as caught:
            open_bytes(Bytes(jp2.read_bytes()), tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "TMPDIR" in caught.value.hint


def test_files_of_one_pass_do_not_take_each_other_s_place(tmp_path: Path) -> None:
    """All are opened at once; here their bytes arrive at the same moment."""
    contents = {}
    for number in range(4):
        values = np.full((64, 64), 100 + number, np.uint16)
        with rasterio.open(
            tmp_path / f"{number}.tif", "w", driver="GTiff", height=64, width=64, count=1, dtype="uint16", crs=CRS,
            transform=PLACE, tiled=False,
        ) as image:  # fmt: skip
            image.write(values, 1)
        contents[f"memory://{number}.tif"] = (tmp_path / f"{number}.tif").read_bytes()
    heads = threading.Barrier(len(contents), timeout=20)

    class Together:
        def get(self, href: str, start: int, stop: int) -> Piece:
            heads.wait()
            return Piece(contents[href][start:stop], len(contents[href]))

    transport = Transport({"memory": Together()}, ReadPolicy(attempts=1))
    sources = [SourceFile(href=href, crs=None, transform=None, shape=None) for href in contents]
    for turn in range(20):
        scratch = tmp_path / f"scratch-{turn}"
        scratch.mkdir()
        rasters = open_rasters(sources, transport, scratch)
        assert [int(raster.coarsest()[0, 0]) for raster in rasters] == [100, 101, 102, 103]
