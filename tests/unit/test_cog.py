"""The header of a cloud-optimised GeoTIFF, read by tifffile."""

import io
import itertools

import pytest
import tifffile
from affine import Affine
from odc.geo.geobox import GeoBox

from glacierctl.processing.cog import Entry, Level, header, level_shapes, place_tags, tiling

SHAPE = (60_000, 70_000)
GRID = GeoBox(SHAPE, Affine(10, 0, -541_690, 0, -10, -1_211_600), "EPSG:3413")


def levels(block_bytes: int) -> list[Level]:
    """Of a large image, each block as large as the last but for a few bytes."""
    tiles = [tiling(shape) for shape in level_shapes(SHAPE)]
    return [
        Level(shape, tuple(block_bytes + number % 7 for number in range(rows * cols)))
        for shape, (rows, cols) in zip(level_shapes(SHAPE), tiles, strict=True)
    ]


@pytest.fixture(scope="module")
def place() -> dict[int, Entry]:
    return place_tags(GRID, 0, {"PRODUCT": "the product"})


@pytest.mark.parametrize(("block_bytes", "is_big"), [(100_000, False), (200_000, True)])
def test_files_above_four_gigabytes_are_bigtiffs(block_bytes: int, is_big: bool, place: dict[int, Entry]) -> None:
    with tifffile.TiffFile(io.BytesIO(header(levels(block_bytes), place))) as tiff:
        assert tiff.is_bigtiff is is_big
        assert tiff.pages.first.geotiff_tags["ProjectedCSTypeGeoKey"] == 3413
        assert [page.shape for page in tiff.pages] == list(level_shapes(SHAPE))


@pytest.mark.parametrize("block_bytes", [100_000, 200_000])
def test_blocks_follow_the_header_from_coarse_to_fine_without_a_gap(block_bytes: int, place: dict[int, Entry]) -> None:
    content = header(levels(block_bytes), place)
    with tifffile.TiffFile(io.BytesIO(content)) as tiff:
        spans = [
            (start - 4, start + size + 4)
            for page in reversed(list(tiff.pages))
            for start, size in zip(page.dataoffsets, page.databytecounts, strict=True)
        ]
    assert spans[0][0] == len(content)
    assert all(end == start for (_, end), (start, _) in itertools.pairwise(spans))
    assert [stop - start - 8 for start, stop in spans][-8:] == list(levels(block_bytes)[0].sizes[-8:])


def test_halves_until_one_fits_a_block() -> None:
    assert level_shapes((512, 512)) == ((512, 512),)
    assert level_shapes((1, 1025)) == ((1, 1025), (1, 513), (1, 257))
