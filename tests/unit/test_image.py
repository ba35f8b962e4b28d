"""The product's file: a cloud-optimised GeoTIFF, exact in place and value."""

import itertools
import struct
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import rasterio
import tifffile
from affine import Affine
from odc.geo.geobox import GeoBox

from glacierctl.errors import StoreError
from glacierctl.processing.geometry import chunks
from glacierctl.processing.image import Encoded, encode, pyramid_in

GRID = GeoBox((1500, 2304), Affine(10, 0, -541_690, 0, -10, -1_211_600), "EPSG:3413")
TAGS = {"TIFFTAG_SOFTWARE": "glacierctl 1", "PRODUCT": "the product", "SOURCE_FILES": "a.tif,b.tif"}


def made_pixels() -> np.ndarray:
    row, col = np.mgrid[:1500, :2304]
    pixels = (3000 + 2000 * np.sin(row / 40) * np.cos(col / 55)).astype(np.uint16)
    pixels[col > 2200 - row // 3] = 0
    pixels[700:703, 100:900] = 0
    return pixels


PIXELS = made_pixels()


def pieces(pixels: np.ndarray) -> list[Encoded]:
    return [
        encode(chunk, pixels[chunk.row : chunk.row + chunk.height, chunk.col : chunk.col + chunk.width])
        for chunk in chunks(pixels.shape, 1024)
    ]


@dataclass(frozen=True)
class Image:
    """An image as it was written."""

    path: Path
    valid_pixels: int
    reduced: dict[int, np.ndarray]
    """By the longest side asked for."""


def write_image(chunks: list[Encoded], grid: GeoBox, path: Path) -> Image:
    with pyramid_in(path.parent, grid) as pyramid:
        for chunk in chunks:
            pyramid.add(chunk)
        pyramid.write(path, TAGS)
        return Image(path, pyramid.valid_pixels, {side: pyramid.reduced(side) for side in (100, 1024, 5000)})


def write(folder: Path, pixels: np.ndarray = PIXELS, *, name: str = "image.tif") -> Image:
    grid = GeoBox(pixels.shape, GRID.affine, "EPSG:3413")
    return write_image(pieces(pixels), grid, folder / name)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    return write(tmp_path_factory.mktemp("image"))


def test_the_pixels_are_those_of_the_chunks(image: Image) -> None:
    with rasterio.open(image.path) as dataset:
        assert np.array_equal(dataset.read(1), PIXELS)
        assert np.array_equal(dataset.read_masks(1) > 0, PIXELS > 0)
    assert image.valid_pixels == np.count_nonzero(PIXELS)


def test_it_lies_where_the_grid_lies(image: Image) -> None:
    with rasterio.open(image.path) as dataset:
        assert dataset.crs.to_epsg() == 3413
        assert dataset.transform == GRID.affine
        assert tuple(dataset.bounds) == (-541_690, -1_226_600, -518_650, -1_211_600)
        assert (dataset.dtypes, dataset.nodata, dataset.count) == (("uint16",), 0, 1)


def test_provenance_is_in_its_tags(image: Image) -> None:
    with rasterio.open(image.path) as dataset:
        assert dataset.tags().items() >= TAGS.items()


def test_it_is_tiled_and_compressed_with_a_predictor(image: Image) -> None:
    with tifffile.TiffFile(image.path) as tiff:
        for page in tiff.pages:
            assert (page.is_tiled, page.tilewidth, page.tilelength) == (True, 512, 512)
            assert page.compression == tifffile.COMPRESSION.ADOBE_DEFLATE
            assert page.predictor == tifffile.PREDICTOR.HORIZONTAL
            assert page.dtype == np.uint16


def test_overviews_halve_until_one_fits_a_block(image: Image) -> None:
    with tifffile.TiffFile(image.path) as tiff:
        shapes = [page.shape for page in tiff.pages]
        assert all(page.subfiletype == 1 for page in tiff.pages[1:])
    assert shapes == [(1500, 2304), (750, 1152), (375, 576), (188, 288)]


def test_overviews_are_means_of_valid_pixels(image: Image) -> None:
    with rasterio.open(image.path, OVERVIEW_LEVEL=0) as dataset:
        overview = dataset.read(1).astype(float)
    quads = np.where(PIXELS == 0, np.nan, PIXELS)[:].reshape(750, 2, 1152, 2)
    valid = (~np.isnan(quads)).sum(axis=(1, 3))
    mean = np.nansum(quads, axis=(1, 3)) / np.maximum(valid, 1)
    assert np.array_equal(overview > 0, valid > 0)
    assert np.abs(overview - mean)[valid > 0].max() <= 0.5


def test_further_overviews_are_means_of_those_before(image: Image) -> None:
    levels = []
    for number in (1, 2):
        with rasterio.open(image.path, OVERVIEW_LEVEL=number) as dataset:
            levels.append(dataset.read(1).astype(float))
    fine, coarse = np.pad(levels[0], [(0, 1), (0, 0)]), levels[1]
    quads = np.where(fine == 0, np.nan, fine).reshape(188, 2, 288, 2)
    valid = (~np.isnan(quads)).sum(axis=(1, 3))
    assert np.array_equal(coarse > 0, valid > 0)
    assert np.abs(coarse - np.nansum(quads, axis=(1, 3)) / np.maximum(valid, 1))[valid > 0].max() <= 0.5


def test_overviews_of_many_rows_of_blocks_are_whole(tmp_path: Path) -> None:
    pixels = np.random.default_rng(1).integers(0, 3, (4611, 1030)).astype(np.uint16)
    image = write(tmp_path, pixels)
    with tifffile.TiffFile(image.path) as tiff:
        levels = [page.asarray() for page in tiff.pages]
    assert [level.shape for level in levels] == [(4611, 1030), (2306, 515), (1153, 258), (577, 129), (289, 65)]
    for fine, coarse in itertools.pairwise(levels):
        padded = np.pad(fine.astype(float), [(0, size % 2) for size in fine.shape])
        quads = padded.reshape(coarse.shape[0], 2, coarse.shape[1], 2)
        valid = (quads > 0).sum(axis=(1, 3))
        assert np.array_equal(coarse > 0, valid > 0)
        assert np.abs(coarse - quads.sum(axis=(1, 3)) / np.maximum(valid, 1))[valid > 0].max() <= 0.5


def test_all_headers_lie_before_all_data_and_the_coarsest_data_first(image: Image) -> None:
    """What makes a TIFF cloud-optimised: the header is had at once, then a picture, then the blocks asked for."""
    with tifffile.TiffFile(image.path) as tiff:
        headers = [page.offset for page in tiff.pages]
        data = [[offset for offset in page.dataoffsets if offset] for page in tiff.pages]
        tables = [(tag.valueoffset, tag.valuebytecount) for page in tiff.pages for tag in page.tags.values()]
    assert headers == sorted(headers)
    first = min(min(offsets) for offsets in data)
    assert max(headers) < first
    assert max(start + size for start, size in tables) <= first
    assert all(max(coarse) < min(fine) for fine, coarse in itertools.pairwise(data))
    assert all(offsets == sorted(offsets) for offsets in data)


def test_gdal_knows_it_for_a_cog_and_each_block_says_its_size(image: Image) -> None:
    with rasterio.open(image.path) as dataset:
        assert dataset.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
    content = image.path.read_bytes()
    with tifffile.TiffFile(image.path) as tiff:
        page = tiff.pages[0]
        for offset, size in zip(page.dataoffsets, page.databytecounts, strict=True):
            assert struct.unpack("<I", content[offset - 4 : offset]) == (size,)


def test_the_bytes_do_not_depend_on_the_order_of_chunks_or_on_the_file_name(image: Image, tmp_path: Path) -> None:
    other = write_image(pieces(PIXELS)[::-1], GRID, tmp_path / "other.tif")
    assert other.path.read_bytes() == image.path.read_bytes()


def test_nothing_is_left_beside_it(tmp_path: Path) -> None:
    write(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["image.tif"]


def test_no_data_at_all_is_an_image_too(tmp_path: Path) -> None:
    image = write(tmp_path, np.zeros_like(PIXELS))
    assert image.valid_pixels == 0
    with rasterio.open(image.path) as dataset:
        assert not dataset.read(1).any()


def test_the_extremes_survive(tmp_path: Path) -> None:
    pixels = np.random.default_rng(1).choice([0, 1, 2, 65_534, 65_535], PIXELS.shape).astype(np.uint16)
    with rasterio.open(write(tmp_path, pixels).path) as dataset:
        assert np.array_equal(dataset.read(1), pixels)


@pytest.mark.parametrize(
    "size", [(1500, 2304), (2300, 5000), (1024, 1024), (1025, 900), (2457, 2458), (2460, 1200), (9831, 100)]
)
@pytest.mark.parametrize("longest", [100, 1024, 5000])
def test_a_reduced_image_is_what_gdal_makes_of_the_file(tmp_path: Path, size: tuple[int, int], longest: int) -> None:
    image = write(tmp_path, np.random.default_rng(1).integers(0, 3000, size).astype(np.uint16))
    scale = min(1, longest / max(size))
    shape = tuple(max(1, round(side * scale)) for side in size)
    with rasterio.open(image.path) as dataset:
        assert np.array_equal(image.reduced[longest], dataset.read(1, out_shape=shape))


@pytest.mark.parametrize("shape", [(1, 1), (513, 1), (1023, 1025)])
def test_odd_sizes_are_kept(tmp_path: Path, shape: tuple[int, int]) -> None:
    pixels = np.random.default_rng(1).integers(0, 9, shape).astype(np.uint16)
    image = write(tmp_path, pixels)
    with rasterio.open(image.path) as dataset:
        assert np.array_equal(dataset.read(1), pixels)


def test_a_folder_that_is_not_there_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="temporary files cannot be written") as raised:
        write(tmp_path / "none")
    assert "TMPDIR" in raised.value.hint


def test_chunks_are_encoded_to_the_same_bytes_whatever_other_threads_do() -> None:
    """As a search that keeps tables from block to block would not."""
    noise = np.random.default_rng(7).integers(2900, 3100, (1500, 2304)).astype(np.uint16)
    images = [PIXELS, noise, PIXELS // 64 * 64 + 1]
    alone = [[each.blocks for each in pieces(pixels)] for pixels in images]
    with ThreadPoolExecutor(8) as threads:
        together = list(threads.map(lambda n: [each.blocks for each in pieces(images[n % 3])], range(24)))
    assert all(blocks == alone[number % 3] for number, blocks in enumerate(together))
