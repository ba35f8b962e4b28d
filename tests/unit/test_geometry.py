"""Which blocks a grid needs: all of them, hardly any more, and in few requests."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox
from tests.support import oracle
from tests.support.cogs import block_index, bytes_under, write_tile_cog
from tests.support.nginx import Nginx
from tests.support.nginx import serve as serve_with_nginx
from tests.support.oracle import MadeRaster, Source
from tests.support.tiles import tile_grid

from glacierctl.choices import Resampling
from glacierctl.model import Region, SourceFile
from glacierctl.processing.geometry import Positions, blocks_under, bounding_window, chunks
from glacierctl.processing.getters import HttpGetter
from glacierctl.processing.mosaic import Mosaic
from glacierctl.processing.source import open_raster
from glacierctl.processing.transport import ReadPolicy, Transport
from glacierctl.regions.builtin import builtin_regions
from glacierctl.regions.grid import region_grid

REGIONS: dict[str, Region] = {region.name: region for region in builtin_regions()}
TAPS = {Resampling.NEAREST: 1, Resampling.BILINEAR: 2, Resampling.CUBIC: 4, Resampling.LANCZOS: 6}


def tile_source(tile: str) -> Source:
    crs, transform, shape = tile_grid(tile)
    return Source(crs, transform, shape, lambda row, _col: np.ones(row.shape))


def all_cells(grid: GeoBox, source: Source, resampling: Resampling) -> np.ndarray:
    positions = Positions(grid, source.crs, source.transform)
    return np.concatenate([positions.cells(chunk, resampling) for chunk in chunks(grid.shape, 1024)])


def touched_blocks(
    position: tuple[np.ndarray, np.ndarray], shape: tuple[int, int], taps: int, block: int
) -> set[tuple[int, int]]:
    """By the taps of every pixel centre of a grid, `position` (row, column), worked out one by one."""
    first = [np.floor(part if taps == 1 else part - taps / 2 + 0.5).astype(int) for part in position]
    touched = np.zeros((-(-shape[0] // block), -(-shape[1] // block)), bool)
    for down in {0, taps - 1}:
        for across in {0, taps - 1}:
            rows, cols = first[0] + down, first[1] + across
            inside = (rows >= 0) & (cols >= 0) & (rows < shape[0]) & (cols < shape[1])
            touched[rows[inside] // block, cols[inside] // block] = True
    return set(zip(*(part.tolist() for part in np.nonzero(touched)), strict=True))


BOWDOIN = region_grid(REGIONS["163_Bowdoin"], 10)[300:1400, 200:1500]
FOUR_TILES = GeoBox((1220, 1220), Affine(10, 0, 302800, 0, -10, -919800), "EPSG:3413")
TWO_ZONES = GeoBox((1200, 1200), Affine(10, 0, 134000, 0, -10, -856500), "EPSG:3413")
COARSE = GeoBox((800, 800), Affine(15, 0, -541690, 0, -15, -1211600), "EPSG:3413")


@pytest.mark.parametrize(
    ("tile", "grid"),
    [("19XEG", BOWDOIN), ("19XEG", COARSE), ("26XNQ", FOUR_TILES), ("26XMR", FOUR_TILES), ("24XWS", TWO_ZONES)],
    ids=["one tile", "15 m", "its upper left corner", "its lower right corner", "another zone"],
)
def test_blocks_are_those_that_any_kernel_of_any_pixel_touches(tile: str, grid: GeoBox) -> None:
    source = tile_source(tile)
    position = oracle.centres_in(source, grid)
    for resampling in Resampling:
        cells = all_cells(grid, source, resampling)
        for block in (256, 1024):
            found = blocks_under(cells, MadeRaster(source, block_shape=(block, block)))
            needed = touched_blocks(position, source.shape, TAPS[resampling], block)
            assert needed
            assert found >= needed
            assert len(found - needed) <= max(1, 0.06 * len(needed)), (resampling, block)


@pytest.mark.parametrize("tile", ["19XDG", "22XDG"])
def test_a_tile_elsewhere_has_no_blocks_under_a_grid(tile: str) -> None:
    source = tile_source(tile)
    grid = BOWDOIN if tile == "22XDG" else FOUR_TILES
    assert blocks_under(all_cells(grid, source, Resampling.LANCZOS), MadeRaster(source)) == frozenset()


@pytest.mark.parametrize("resampling", Resampling)
def test_the_window_of_a_chunk_holds_every_tap_and_little_more(resampling: Resampling) -> None:
    source = tile_source("19XEG")
    positions = Positions(BOWDOIN, source.crs, source.transform)
    radius = TAPS[resampling] / 2
    for chunk in chunks(BOWDOIN.shape, 512):
        window = bounding_window(positions.cells(chunk, resampling))
        part = BOWDOIN[chunk.row : chunk.row + chunk.height, chunk.col : chunk.col + chunk.width]
        for axis, first, size in ((0, window.row, window.height), (1, window.col, window.width)):
            centre = oracle.centres_in(source, part)[axis]
            # the cells of the lattice reach half a pixel beyond the centres, cut chunks to the end of their cell
            spare = 34 if chunk.height % 32 or chunk.width % 32 else 4
            assert 0 <= np.floor(centre.min() - radius) - first + 1 <= spare
            assert 0 <= first + size + 1 - np.ceil(centre.max() + radius) <= spare


@pytest.mark.parametrize("shape", [(1, 1), (1024, 1024), (1025, 1023), (2070, 1830)])
def test_chunks_make_up_the_grid_once(shape: tuple[int, int]) -> None:
    count = np.zeros(shape, int)
    made = chunks(shape, 1024)
    for chunk in made:
        count[chunk.row : chunk.row + chunk.height, chunk.col : chunk.col + chunk.width] += 1
    assert np.all(count == 1)
    assert [chunk.index for chunk in made] == list(range(len(made)))


# ------------------------------------------------------------------------------------------------ bytes and requests


def noise_near(grid: GeoBox, tile: str) -> "_NoiseNear":
    outline = grid.zoom_to((100, 100))
    row, col = oracle.centres_in(tile_source(tile), outline)
    return _NoiseNear(int(row.min()) - 1100, int(row.max()) + 1100, int(col.min()) - 1100, int(col.max()) + 1100)


class _NoiseNear:
    """Blocks that compress as real ones do (1.4 bytes a pixel) within a rectangle, and to nearly nothing elsewhere."""

    def __init__(self, top: int, bottom: int, left: int, right: int) -> None:
        self._limits = top, bottom, left, right
        self._noise = np.random.default_rng(9).normal(6000, 220, (1024, 1024)).astype(np.uint16)

    def __call__(self, window: object) -> np.ndarray:
        row, col, height, width = (getattr(window, name) for name in ("row_off", "col_off", "height", "width"))
        top, bottom, left, right = self._limits
        if row + height < top or row > bottom or col + width < left or col > right:
            return np.zeros((height, width), np.uint16)
        return self._noise[:height, :width]


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nginx]:
    folder = tmp_path_factory.mktemp("archive")
    (folder / "www").mkdir()
    for tile, name in (("19XEG", "163_Bowdoin"), ("22WEB", "049_jakobshavn")):
        grid = region_grid(REGIONS[name], 10)
        write_tile_cog(folder / "www" / f"{tile}.tif", noise_near(grid, tile), tile)
    with serve_with_nginx(folder / "www", folder / "nginx") as server:
        yield server


@pytest.mark.slow
@pytest.mark.parametrize(
    ("tile", "name", "least_blocks"), [("19XEG", "163_Bowdoin", 6), ("22WEB", "049_jakobshavn", 30)]
)
def test_hardly_more_is_read_than_the_blocks_under_the_region(
    archive: Nginx, tmp_path: Path, tile: str, name: str, least_blocks: int
) -> None:
    path, grid = archive.www / f"{tile}.tif", region_grid(REGIONS[name], 10)
    level = block_index(path)[0]
    perfect = bytes_under(path, grid)
    assert level.block == (1024, 1024)
    under = touched_blocks(oracle.centres_in(tile_source(tile), grid.zoom_to((900, 900))), level.shape, 1, 1024)
    assert len(under) >= least_blocks
    assert sum(level.blocks[block][1] for block in under) == pytest.approx(perfect, rel=0.05)

    transport = Transport({"http": HttpGetter(ReadPolicy(), user_agent="test")}, ReadPolicy())
    source = SourceFile(href=archive.url(f"{tile}.tif"), crs=None, transform=None, shape=None)
    mark = archive.mark()
    with Mosaic([open_raster(source, transport, tmp_path)], grid, Resampling.CUBIC, workers=2) as mosaic:
        assert sum(np.count_nonzero(pixels) for _, pixels in mosaic.render()) > 0.9 * grid.shape[0] * grid.shape[1]

    assert archive.bytes_since(mark) <= 1.10 * perfect
    assert transport.usage.bytes_read <= archive.bytes_since(mark)
    # one for the header, one for each row of blocks, and one more for each 8 MB that a row exceeds
    rows = {row for row, _ in under}
    row_bytes = [sum(level.blocks[block][1] for block in under if block[0] == row) for row in rows]
    largest = max(size for _, size in level.blocks.values())
    assert archive.requests_since(mark) == transport.usage.requests
    assert transport.usage.requests <= 2 + sum(1 + int(size / ((8 << 20) - largest)) for size in row_bytes)
