"""Tiled TIFFs read block by block, in every layout that providers use; rasterio is the oracle."""

import random
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from tests.support.cogs import block_index, write_cog

from glacierctl.errors import ReadError
from glacierctl.model import SourceFile
from glacierctl.processing.raster import Pixels, Raster
from glacierctl.processing.source import open_raster
from glacierctl.processing.tiff import HEADER_BYTES, TiffRaster
from glacierctl.processing.transport import DamagedError, ReadPolicy, Transport
from glacierctl.storage.ranges import Piece

CRS = "EPSG:32622"
PLACE = Affine(10, 0, 500_000, 0, -10, 7_700_000)
SHAPE = (150, 210)


def texture(dtype: str = "uint16", shape: tuple[int, int] = SHAPE) -> np.ndarray:
    """Smooth, with noise, with an empty corner, and with the largest and smallest values."""
    rng = np.random.default_rng(7)
    top = np.iinfo(dtype).max
    values = (np.add.outer(np.arange(shape[0]), np.arange(shape[1])) * top // 400 + rng.integers(1, 40, shape)) % top
    values[:70, :80] = 0
    values[-1, -1], values[-1, -2] = top, 1
    return values.astype(dtype)


def write_plain(path: Path, values: np.ndarray, **profile: Any) -> Path:
    fields = {"crs": CRS, "transform": PLACE, "nodata": 0, "tiled": True, "blockxsize": 64, "blockysize": 64}
    height, width = values.shape
    size = {"height": height, "width": width, "count": 1, "dtype": values.dtype.name}
    with rasterio.open(path, "w", driver="GTiff", **{**fields, **size, **profile}) as image:
        image.write(values, 1)
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


def open_bytes(content: Bytes, source: SourceFile | None = None) -> TiffRaster:
    transport = Transport({"mem": content}, ReadPolicy(attempts=1))
    source = source or SourceFile(href="mem://a.tif", crs=None, transform=None, shape=None)
    raster = open_raster(source, transport, Path("/nowhere"))
    assert isinstance(raster, TiffRaster)
    return raster


def all_blocks(raster: Raster) -> list[tuple[int, int]]:
    down, across = (-(-side // step) for side, step in zip(raster.shape, raster.block_shape, strict=True))
    return [(row, col) for row in range(down) for col in range(across)]


def read_all(raster: Raster) -> Pixels:
    pixels = np.zeros(raster.shape, np.uint16)
    height, width = raster.block_shape
    for run in raster.runs(all_blocks(raster)):
        for (row, col), encoded in raster.fetch(run).items():
            target = pixels[row * height : (row + 1) * height, col * width : (col + 1) * width]
            target[:] = raster.decode((row, col), encoded)
    return pixels


def expected(path: Path, **level: int) -> np.ndarray:
    """By rasterio: 0 where it masks, never 0 where it does not."""
    with rasterio.open(path, **level) as image:
        values = image.read(1).astype(np.uint16)
        if image.nodata is None:
            return values
        return np.where(image.read_masks(1) > 0, np.maximum(values, 1), 0).astype(np.uint16)


LAYOUTS: dict[str, dict[str, Any]] = {
    "uncompressed": {},
    "deflate": {"compress": "deflate"},
    "deflate, predictor": {"compress": "deflate", "predictor": 2},
    "lzw": {"compress": "lzw"},
    "lzw, predictor": {"compress": "lzw", "predictor": 2},
    "zstd": {"compress": "zstd"},
    "zstd, predictor": {"compress": "zstd", "predictor": 2},
    "big endian": {"ENDIANNESS": "BIG"},
    "big endian, deflate, predictor": {"ENDIANNESS": "BIG", "compress": "deflate", "predictor": 2},
    "BigTIFF": {"BIGTIFF": "YES", "compress": "deflate"},
    "BigTIFF, big endian": {"BIGTIFF": "YES", "ENDIANNESS": "BIG", "compress": "lzw", "predictor": 2},
    "bytes": {"dtype": "uint8", "compress": "deflate", "predictor": 2},
    "bytes, nodata 255": {"dtype": "uint8", "nodata": 255, "compress": "deflate"},
    "nodata 65535": {"nodata": 65535, "compress": "deflate"},
    "no nodata": {"nodata": None, "compress": "deflate"},
    "sparse": {"SPARSE_OK": True, "compress": "deflate"},
    "blocks of 16 x 32": {"blockxsize": 32, "blockysize": 16, "compress": "deflate"},
    "one block": {"blockxsize": 256, "blockysize": 256, "compress": "deflate"},
}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS.keys())
def test_every_pixel_is_the_one_that_rasterio_reads(tmp_path: Path, layout: dict[str, Any]) -> None:
    path = write_plain(tmp_path / "a.tif", texture(layout.get("dtype", "uint16")), **layout)
    raster = open_bytes(Bytes(path.read_bytes()))
    with rasterio.open(path) as image:
        assert (raster.shape, raster.block_shape) == (image.shape, image.block_shapes[0])
        assert (raster.crs, raster.transform) == (CRS, image.transform)
    np.testing.assert_array_equal(read_all(raster), expected(path))
    np.testing.assert_array_equal(raster.coarsest(), expected(path))


@pytest.mark.parametrize("nodata", [0, 65535, None])
def test_the_coarsest_level_is_the_last_overview(tmp_path: Path, nodata: int | None) -> None:
    values = texture(shape=(500, 610))
    path = write_cog(tmp_path / "a.tif", values, CRS, PLACE, block=128, nodata=nodata)
    raster = open_bytes(Bytes(path.read_bytes()))
    with rasterio.open(path) as image:
        last = len(image.overviews(1)) - 1
    assert last == 2
    np.testing.assert_array_equal(read_all(raster), expected(path))
    np.testing.assert_array_equal(raster.coarsest(), expected(path, OVERVIEW_LEVEL=last))


def test_opening_a_cog_takes_one_request_and_its_blocks_few(tmp_path: Path) -> None:
    path = write_cog(tmp_path / "a.tif", texture(shape=(500, 610)), CRS, PLACE, block=128)
    content = Bytes(path.read_bytes())
    raster = open_bytes(content)
    assert content.asked == [(0, HEADER_BYTES)]
    row = [(1, col) for col in range(5)]
    (run,) = raster.runs(row)
    extents = [block_index(path)[0].blocks[block] for block in row]
    assert run.blocks == tuple(row)
    assert (run.start, run.stop) == (extents[0][0], sum(extents[-1]))
    assert run.stop - run.start <= sum(size for _, size in extents) + 4 * 8
    apart = raster.runs([(0, 0), (3, 4)])
    assert [run.blocks for run in apart] == [((0, 0),), ((3, 4),)]
    raster.fetch(run)
    assert content.asked[1:] == [(run.start, run.stop)]


def test_a_header_longer_than_the_first_request_is_read_on(tmp_path: Path) -> None:
    """Landsat COGs have block tables of up to 60 kB."""
    path = write_plain(tmp_path / "a.tif", texture(shape=(900, 900)), blockxsize=16, blockysize=16, compress="deflate")
    content = Bytes(path.read_bytes())
    raster = open_bytes(content)
    assert len(all_blocks(raster)) * 8 > HEADER_BYTES
    assert len(content.asked) <= 3
    np.testing.assert_array_equal(read_all(raster), expected(path))


def test_a_directory_at_the_end_of_the_file_is_found(tmp_path: Path) -> None:
    path = write_plain(tmp_path / "a.tif", texture(), compress="deflate")
    with rasterio.open(path, "r+", IGNORE_COG_LAYOUT_BREAK="YES") as image:
        image.update_tags(NOTE="x" * 4000)
    data = path.read_bytes()
    (directory,) = struct.unpack_from("<I", data, 4)
    assert directory > len(data) // 2
    content = Bytes(data)
    np.testing.assert_array_equal(read_all(open_bytes(content)), expected(path))


def test_a_transform_may_mean_the_centres_of_pixels(tmp_path: Path) -> None:
    path = write_plain(tmp_path / "a.tif", texture())
    with rasterio.open(path, "r+") as image:
        image.update_tags(AREA_OR_POINT="Point")
    with rasterio.open(path) as image:
        assert image.tags()["AREA_OR_POINT"] == "Point"
        assert open_bytes(Bytes(path.read_bytes())).transform == image.transform == PLACE


def test_a_transform_may_be_a_matrix(tmp_path: Path) -> None:
    turned = Affine.translation(500_000, 7_700_000) @ Affine.rotation(30) @ Affine.scale(10, -10)
    path = write_plain(tmp_path / "a.tif", texture(), transform=turned)
    with rasterio.open(path) as image:
        assert open_bytes(Bytes(path.read_bytes())).transform.almost_equals(image.transform, 1e-9)


def test_the_catalogue_places_a_file_that_does_not_place_itself(tmp_path: Path) -> None:
    with pytest.warns(rasterio.errors.NotGeoreferencedWarning):
        path = write_plain(tmp_path / "a.tif", texture(), crs=None, transform=Affine.identity())
    twice = SourceFile(href="mem://a.tif", crs="EPSG:32633", transform=(5, 0, 7, 0, -5, 9), shape=(300, 420))
    raster = open_bytes(Bytes(path.read_bytes()), twice)
    assert raster.crs == "EPSG:32633"
    assert raster.transform == Affine(10, 0, 7, 0, -10, 9)


@pytest.mark.parametrize(
    ("crs", "transform", "said"),
    [
        (None, (5, 0, 7, 0, -5, 9), "coordinate reference system"),
        ("EPSG:32633", None, "where it lies"),
        ("EPSG:999999", (5, 0, 7, 0, -5, 9), "EPSG:999999"),
    ],
)
def test_a_file_that_nobody_places_is_an_error(
    tmp_path: Path, crs: str | None, transform: tuple[float, ...] | None, said: str
) -> None:
    with pytest.warns(rasterio.errors.NotGeoreferencedWarning):
        path = write_plain(tmp_path / "a.tif", texture(), crs=None, transform=Affine.identity())
    source = SourceFile(href="mem://a.tif", crs=crs, transform=transform, shape=SHAPE)  # type: ignore[arg-type]
    with pytest.raises(ReadError, match=said):
        open_bytes(Bytes(path.read_bytes()), source)


@pytest.mark.parametrize("dtype", ["int16", "float32", "uint32"])
def test_values_that_are_no_digital_numbers_are_refused(tmp_path: Path, dtype: str) -> None:
    path = write_plain(tmp_path / "a.tif", np.ones(SHAPE, dtype))
    with pytest.raises(ReadError, match=dtype):
        read_all(open_bytes(Bytes(path.read_bytes())))


def flip(data: bytes, start: int, stop: int) -> bytes:
    return data[:start] + bytes(byte ^ 0xFF for byte in data[start:stop]) + data[stop:]


def test_a_corrupt_block_is_an_error_that_names_it_and_never_nodata(tmp_path: Path) -> None:
    """Deflate, which all providers use, carries a checksum."""
    path = write_plain(tmp_path / "a.tif", texture(), compress="deflate")
    offset, size = block_index(path)[0].blocks[1, 2]
    raster = open_bytes(Bytes(flip(path.read_bytes(), offset + size // 3, offset + size // 2)))
    with pytest.raises(DamagedError, match="block 1,2 does not decode") as caught:
        read_all(raster)
    assert caught.value.href == "mem://a.tif"


@pytest.mark.parametrize("compress", ["deflate", "zstd", "lzw", "none"])
def test_a_block_that_is_too_short_is_an_error_and_never_nodata(tmp_path: Path, compress: str) -> None:
    raster = open_bytes(Bytes(write_plain(tmp_path / "a.tif", texture(), compress=compress).read_bytes()))
    (run,) = raster.runs([(1, 2)])
    encoded = raster.fetch(run)[1, 2]
    for share in (0, 0.3, 0.9):
        with pytest.raises(DamagedError, match="block 1,2"):
            raster.decode((1, 2), encoded[: int(share * len(encoded))])


def test_an_overview_that_is_corrupt_is_read_once_more(tmp_path: Path) -> None:
    path = write_cog(tmp_path / "a.tif", texture(shape=(500, 610)), CRS, PLACE, block=128)
    offset, size = block_index(path)[-1].blocks[0, 0]

    def spoil(number: int, start: int, data: bytes) -> bytes:
        return flip(data, offset + size // 2 - start, offset + size - start) if number == 2 else data

    content = Bytes(path.read_bytes() + b"\0" * HEADER_BYTES, spoil=spoil)
    assert offset > 1000
    np.testing.assert_array_equal(open_bytes(content).coarsest(), expected(path, OVERVIEW_LEVEL=2))
    assert len(content.asked) == 3


def test_a_header_that_is_corrupt_is_read_once_more(tmp_path: Path) -> None:
    path = write_cog(tmp_path / "a.tif", texture(), CRS, PLACE, block=64)
    content = Bytes(path.read_bytes(), spoil=lambda number, _, data: flip(data, 0, 600) if number == 1 else data)
    np.testing.assert_array_equal(read_all(open_bytes(content)), expected(path))
    content = Bytes(flip(path.read_bytes(), 2, 1000))
    with pytest.raises(DamagedError):
        open_bytes(content)
    assert len(content.asked) == 2


def test_a_header_that_cannot_be_read_on_fails_as_such(tmp_path: Path) -> None:
    """tifffile forgives tags that it cannot read; that must not hide a server in trouble."""
    path = write_plain(tmp_path / "a.tif", texture(shape=(900, 900)), blockxsize=16, blockysize=16, compress="deflate")

    def refuse(number: int, start: int, data: bytes) -> bytes:
        if number > 1:
            raise ReadError(f"no {start}", why="the server is in trouble", hint="wait", href="mem://a.tif")
        return data

    with pytest.raises(ReadError, match="the server is in trouble"):
        open_bytes(Bytes(path.read_bytes(), spoil=refuse))


def test_a_file_that_ends_too_early_is_truncated_and_not_read_for_it(tmp_path: Path) -> None:
    path = write_cog(tmp_path / "a.tif", texture(shape=(500, 610)), CRS, PLACE, block=128)
    whole = path.read_bytes()
    content = Bytes(whole[: len(whole) * 3 // 4])
    with pytest.raises(ReadError, match=r"truncated: its header places data up to byte [\d,]+, but it ends") as caught:
        read_all(open_bytes(content))
    assert not isinstance(caught.value, DamagedError)
    assert content.asked == [(0, HEADER_BYTES)]


@pytest.mark.parametrize("kind", ["header", "length", "both"])
def test_whatever_happens_to_a_file_is_a_read_error_or_nothing(
    tmp_path: Path, kind: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """Bytes of the header at random, lengths at random: no other error, and no talk on stderr."""
    path = write_cog(tmp_path / "a.tif", texture(), CRS, PLACE, block=64)
    good, chance = path.read_bytes(), random.Random(3)
    first_block = min(offset for level in block_index(path) for offset, _ in level.blocks.values())
    refused: list[ReadError] = []
    for _ in range(150):
        data = bytearray(good)
        if kind != "length":
            for _ in range(chance.choice([1, 2, 8])):
                data[chance.randrange(first_block)] = chance.randrange(256)
        if kind != "header":
            del data[chance.randrange(len(data)) :]
        try:
            transport = Transport({"mem": Bytes(bytes(data))}, ReadPolicy(attempts=1))
            source = SourceFile(href="mem://a.tif", crs=CRS, transform=tuple(PLACE)[:6], shape=SHAPE)
            raster = open_raster(source, transport, tmp_path)
            if raster.shape[0] * raster.shape[1] < 10**7:
                read_all(raster)
                raster.coarsest()
        except ReadError as error:
            refused.append(error)
    assert len(refused) > 40
    assert all(error.href == "mem://a.tif" and "\n" not in str(error) + error.hint for error in refused)
    assert capfd.readouterr() == ("", "")
