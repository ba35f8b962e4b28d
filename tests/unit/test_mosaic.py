"""Many scenes, one image: registered exactly, first valid pixel first, no seams, nothing read in vain."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox
from pyproj import Transformer
from tests.support import oracle
from tests.support.oracle import MadeRaster, Reader, Source, place_code
from tests.support.tiles import tile_grid

from glacierctl.choices import Resampling
from glacierctl.demo.glacier import Glacier
from glacierctl.errors import ReadError
from glacierctl.processing.mosaic import CHUNK_SIZE, Mosaic, lattices
from glacierctl.processing.raster import Block, Run

SEAM_PX = 5
"""Half the width of the band in which a seam would show."""


def grid_at(left: float, top: float, shape: tuple[int, int], resolution_m: float = 10.0) -> GeoBox:
    return GeoBox(shape, Affine(resolution_m, 0, left, 0, -resolution_m, top), "EPSG:3413")


BOWDOIN = grid_at(-541690, -1211600, (900, 1100))
"""The upper left of region 163_Bowdoin, on tile 19XEG."""
HAGEN_TILES = ("26XMR", "26XNR", "26XMQ", "26XNQ")
HAGEN = grid_at(302800, -919800, (1220, 1220))
"""The part of 191_Hagen_Brae in which its four tiles meet, larger than their overlap of 9.8 km."""
ACADEMY_TILES = ("25XDL", "25XEL", "24XWS")
ACADEMY = grid_at(134000, -856500, (1200, 1200))
"""The part of 190_Academy where the tiles of zone 25 end and that of zone 24 goes on."""


def tile_source(tile: str, values: Reader) -> Source:
    crs, transform, shape = tile_grid(tile)
    return Source(crs, transform, shape, values)


def render(rasters: Sequence[MadeRaster], grid: GeoBox, resampling: Resampling, *, workers: int = 2) -> np.ndarray:
    image = np.zeros(grid.shape, np.uint16)
    seen = np.zeros(grid.shape, int)
    with Mosaic(rasters, grid, resampling, workers=workers) as mosaic:
        for chunk, pixels in mosaic.render():
            place = np.s_[chunk.row : chunk.row + chunk.height, chunk.col : chunk.col + chunk.width]
            image[place] = pixels
            seen[place] += 1
    assert np.all(seen == 1)
    return image


def render_sources(sources: Sequence[Source], grid: GeoBox, resampling: Resampling, *, workers: int = 2) -> np.ndarray:
    return render([MadeRaster(source) for source in sources], grid, resampling, workers=workers)


def left_of(edge: Callable[[np.ndarray], np.ndarray], values: Reader) -> Reader:
    """Data only where the column is below `edge(row)`."""
    return lambda row, col: np.where(col < edge(row), values(row, col), 0)


# ---------------------------------------------------------------------------------------------------- registration


def orbit_edge(row: np.ndarray) -> np.ndarray:
    """Cuts the first of Hagen's tiles, so that the others show inside its extent too."""
    return 10980 - 420 + 0.31 * (10600 - row)


HAGEN_SOURCES = [
    tile_source(tile, left_of(orbit_edge, place_code(0)) if number == 0 else place_code(number))
    for number, tile in enumerate(HAGEN_TILES)
]
ACADEMY_SOURCES = [tile_source(tile, place_code(number)) for number, tile in enumerate(ACADEMY_TILES)]
LANDSAT = Source("EPSG:32626", Affine(15, 0, 460007.5, 0, -15, 9070007.5), (6000, 6000), place_code(0))


@pytest.mark.parametrize(
    ("sources", "grid", "showing"),
    [
        ([tile_source("19XEG", place_code(0))], BOWDOIN, 1),
        (HAGEN_SOURCES, HAGEN, 4),
        (ACADEMY_SOURCES, ACADEMY, 2),
        ([LANDSAT], grid_at(268000, -880000, (700, 800), 15.0), 1),
    ],
    ids=["one tile", "four tiles", "two zones", "15 m"],
)
def test_nearest_is_the_exact_neighbour_of_the_first_valid_scene(
    sources: list[Source], grid: GeoBox, showing: int
) -> None:
    exact = oracle.nearest(sources, grid)
    image = render_sources(sources, grid, Resampling.NEAREST)
    assert np.mean(image == exact) >= 0.999
    assert np.array_equal(image > 0, exact > 0)
    shares = np.bincount((exact[exact > 0].astype(int) - 1) % 4) / exact.size
    assert np.count_nonzero(shares > 0.01) == showing


@pytest.mark.parametrize("resampling", [Resampling.CUBIC, Resampling.BILINEAR])
@pytest.mark.parametrize("axis", [0, 1], ids=["row", "column"])
def test_positions_are_right_to_a_hundredth_of_a_pixel_where_four_tiles_meet(resampling: Resampling, axis: int) -> None:
    """A ramp of 90 DN a pixel over all tiles' common lattice gives back positions to 1/180 px."""
    grid = HAGEN[380:840, 380:840]
    origin = np.array(oracle.centres_in(HAGEN_SOURCES[0], grid)).reshape(2, -1).min(axis=1).astype(int) - 10
    _, first, _ = tile_grid(HAGEN_TILES[0])

    def ramp_on(tile: str) -> Source:
        _, transform, _ = tile_grid(tile)
        shift = ~first @ transform
        at = (round(shift.f) - origin[0], round(shift.c) - origin[1])
        return tile_source(tile, lambda row, col: np.clip(100 + 90 * ((row, col)[axis] + at[axis]), 1, 65535))

    sources = [ramp_on(tile) for tile in HAGEN_TILES]
    position = oracle.centres_in(sources[0], grid)[axis] - origin[axis]
    found = (render_sources(sources, grid, resampling) - 100.0) / 90 + 0.5
    assert np.abs(found - position).max() < 0.01


def test_chunks_are_made_alike_in_any_number_of_threads() -> None:
    images = [render_sources(HAGEN_SOURCES, HAGEN, Resampling.CUBIC, workers=workers) for workers in (1, 3)]
    assert np.array_equal(*images)


# ----------------------------------------------------------------------------------------------------------- seams


def test_tiles_of_one_zone_leave_no_seam_at_all() -> None:
    """They give the very pixels of one undivided raster."""
    _, corner, _ = tile_grid("26XMR")
    texture = place_code(0)
    whole = Source("EPSG:32626", corner, (20_980, 20_980), texture)

    def cut(tile: str) -> Source:
        shift = ~corner @ tile_grid(tile)[1]
        return tile_source(tile, lambda row, col: texture(row + round(shift.f), col + round(shift.c)))

    parts = [cut(tile) for tile in HAGEN_TILES]
    for resampling in (Resampling.CUBIC, Resampling.LANCZOS):
        assert np.array_equal(render_sources(parts, HAGEN, resampling), render_sources([whole], HAGEN, resampling)), (
            resampling
        )


ACADEMY_BOX = (134000.0, -868500.0, 146000.0, -856500.0)
GLACIER = Glacier.in_box(ACADEMY_BOX)
EXACT = GLACIER.reflectance(
    *np.meshgrid(134000 + 10 * np.arange(1200) + 5.0, -856500 - 10 * np.arange(1200) - 5.0), 0.0
)


def analytic(tile: str) -> Reader:
    """What a tile sees of the glacier, by pyproj pixel by pixel; where it is not looked at, 1."""
    crs, transform, _ = tile_grid(tile)
    to_grid = Transformer.from_crs(crs, "EPSG:3413", always_xy=True)
    xmin, ymin, xmax, ymax = ACADEMY_BOX

    def values(row: np.ndarray, col: np.ndarray) -> np.ndarray:
        x, y = map(np.asarray, to_grid.transform(*(transform @ (col + 0.5, row + 0.5))))
        near = (x > xmin - 200) & (x < xmax + 200) & (y > ymin - 200) & (y < ymax + 200)
        seen = np.ones(x.shape)
        seen[near] = np.rint(GLACIER.reflectance(x[near], y[near], 0.0))
        return seen

    return values


def zone_edge_distance(sources: Sequence[Source]) -> np.ndarray:
    """How far inside the nearest of some tiles each pixel lies; negative outside all of them."""

    def inside(source: Source) -> np.ndarray:
        row, col = oracle.centres_in(source, ACADEMY)
        return np.minimum.reduce([row, col, source.shape[0] - row, source.shape[1] - col])

    return np.maximum.reduce([inside(source) for source in sources])


def rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(values**2)))


@pytest.mark.slow
@pytest.mark.parametrize("slanted", [False, True], ids=["tile edge", "orbit edge"])
def test_zones_leave_no_seam(slanted: bool) -> None:
    """Beside the seam the image is as near the truth as elsewhere."""
    sources = [tile_source(tile, analytic(tile)) for tile in ACADEMY_TILES]
    distance = zone_edge_distance(sources[:2])
    if slanted:
        row, col = oracle.centres_in(sources[0], ACADEMY)
        middle = float(np.median(col))
        sources[0] = tile_source("25XDL", left_of(lambda row: middle - 0.4 * (row - 600), analytic("25XDL")))
        sources = [sources[0], sources[2]]
        distance = np.minimum(row, (middle - 0.4 * (row - 600) - col) / np.hypot(1, 0.4))
    seam = np.abs(distance) < SEAM_PX
    assert 0.2 < np.mean(distance > 0) < 0.8
    for resampling in (Resampling.CUBIC, Resampling.BILINEAR, Resampling.LANCZOS):
        off = render_sources(sources, ACADEMY, resampling) - EXACT
        assert rms(off[seam]) < 1.15 * rms(off[~seam]), resampling
        assert np.abs(off[seam]).max() < 1.1 * np.abs(off[~seam]).max(), resampling


# ---------------------------------------------------------------------------------------------- first valid, lazily


def constant(value: int) -> Reader:
    return lambda row, _col: np.full(row.shape, value)


def holed(value: int, hole: tuple[slice, slice]) -> Reader:
    """A constant with a rectangle of nodata."""
    rows, cols = hole

    def values(row: np.ndarray, col: np.ndarray) -> np.ndarray:
        inside = (row >= rows.start) & (row < rows.stop) & (col >= cols.start) & (col < cols.stop)
        return np.where(inside, 0, value)

    return values


LEFT_PX, TOP_PX = 3000, 4000
TILE = "19XEG"
UTM_GRID = GeoBox((2048, 2048), tile_grid(TILE)[1] @ Affine.translation(LEFT_PX, TOP_PX), "EPSG:32619")
"""On the tile's own pixels, so that what is expected can be counted by hand: two chunks each way."""
HOLE = np.s_[TOP_PX + 100 : TOP_PX + 300, LEFT_PX + 1500 : LEFT_PX + 1600]


@pytest.mark.parametrize("resampling", Resampling)
def test_an_older_duplicate_fills_only_what_is_nodata(resampling: Resampling) -> None:
    newest, older = (tile_source(TILE, values) for values in (holed(5000, HOLE), constant(7000)))
    image = render_sources([newest, older], UTM_GRID, resampling)
    expected = np.full((2048, 2048), 5000)
    expected[100:300, 1500:1600] = 7000
    assert np.array_equal(image, expected)


def test_a_fully_valid_first_scene_means_that_the_second_is_not_read() -> None:
    rasters = [MadeRaster(tile_source(TILE, constant(value))) for value in (5000, 7000)]
    assert np.all(render(rasters, UTM_GRID, Resampling.CUBIC) == 5000)
    assert sorted(rasters[0].asked) == [(row, col) for row in range(3, 6) for col in range(2, 5)]
    assert rasters[1].asked == []


def test_a_hole_makes_only_what_lies_under_it_be_read() -> None:
    rasters = [MadeRaster(tile_source(TILE, values)) for values in (holed(5000, HOLE), constant(7000))]
    render(rasters, UTM_GRID, Resampling.CUBIC)
    assert rasters[1].asked == [(HOLE[0].start // 1024, HOLE[1].start // 1024)]


def test_no_block_is_fetched_or_prepared_twice() -> None:
    rasters = [MadeRaster(tile_source(TILE, values)) for values in (holed(5000, HOLE), constant(7000))]
    prepared: list[int] = []

    def prepare(index: int, pixels: np.ndarray) -> np.ndarray:
        prepared.append(index)
        return pixels

    with Mosaic(rasters, UTM_GRID, Resampling.CUBIC, workers=2, prepare=prepare) as mosaic:
        list(mosaic.render())
    for index, raster in enumerate(rasters):
        assert len(raster.asked) == len(set(raster.asked)) == prepared.count(index) > 0


def test_a_scene_of_another_zone_is_not_read_where_the_first_covers_all() -> None:
    rasters = [MadeRaster(source) for source in ACADEMY_SOURCES]
    inside = ACADEMY[900:1200, 0:300]
    render(rasters, inside, Resampling.CUBIC)
    assert rasters[0].asked
    assert rasters[2].asked == []


def test_scenes_are_prepared_each_in_its_own_way_before_they_are_merged() -> None:
    rasters = [MadeRaster(tile_source(TILE, values)) for values in (holed(6000, HOLE), constant(5000))]

    def prepare(index: int, pixels: np.ndarray) -> np.ndarray:
        return np.where(pixels > 0, pixels - 1000, 0).astype(np.uint16) if index == 0 else pixels

    with Mosaic(rasters, UTM_GRID, Resampling.CUBIC, workers=2, prepare=prepare) as mosaic:
        assert all(np.all(pixels == 5000) for _, pixels in mosaic.render())


def test_blocks_that_a_sparse_file_leaves_out_are_nodata_and_are_filled() -> None:
    empty = (4, 3)
    first = MadeRaster(tile_source(TILE, constant(5000)), left_out=frozenset({empty}))
    second = MadeRaster(tile_source(TILE, constant(7000)))
    image = render([first, second], UTM_GRID, Resampling.CUBIC)
    expected = np.full((2048, 2048), 5000)
    expected[4 * 1024 - TOP_PX : 5 * 1024 - TOP_PX, 3 * 1024 - LEFT_PX : 4 * 1024 - LEFT_PX] = 7000
    assert np.array_equal(image, expected)
    assert second.asked == [empty]


def test_where_no_scene_reaches_there_is_nodata() -> None:
    beyond = GeoBox((64, 64), tile_grid(TILE)[1] @ Affine.translation(10980 - 30, 10980 - 20), "EPSG:32619")
    image = render_sources([tile_source(TILE, constant(5000))], beyond, Resampling.CUBIC)
    expected = np.zeros((64, 64))
    expected[:20, :30] = 5000
    assert np.array_equal(image, expected)


def test_a_block_that_cannot_be_read_is_an_error_and_not_nodata() -> None:
    class Broken(MadeRaster):
        def fetch(self, run: Run) -> dict[Block, bytes]:
            if (4, 3) in run.blocks:
                raise ReadError("made cannot be read", why="it is broken", hint="mend it", href=self.href)
            return super().fetch(run)

    rasters = [Broken(tile_source(TILE, constant(5000))), MadeRaster(tile_source(TILE, constant(7000)))]
    with pytest.raises(ReadError, match="made cannot be read"):
        render(rasters, UTM_GRID, Resampling.CUBIC)


# -------------------------------------------------------------------------------------------------------- lattices


def members(found: tuple) -> list[list[int]]:
    return [[member.index for member in lattice.members] for lattice in found]


def test_tiles_of_one_zone_share_a_lattice_and_others_do_not() -> None:
    found = lattices([MadeRaster(source) for source in ACADEMY_SOURCES])
    assert members(found) == [[0, 1], [2]]
    assert (found[0].members[1].row, found[0].members[1].col) == (0, 10002)


def test_the_order_of_preference_goes_before_sharing_a_lattice() -> None:
    in_turn = [ACADEMY_SOURCES[index] for index in (0, 2, 1)]
    assert members(lattices([MadeRaster(source) for source in in_turn])) == [[0], [1], [2]]


@pytest.mark.parametrize(
    "changed",
    [Affine.translation(0.5, 0), Affine.translation(0, 0.01), Affine.scale(2)],
    ids=["half a pixel", "a hundredth", "pixel size"],
)
def test_rasters_whose_pixels_do_not_coincide_share_no_lattice(changed: Affine) -> None:
    crs, transform, shape = tile_grid(TILE)
    pair = [Source(crs, place, shape, constant(1)) for place in (transform, transform @ changed)]
    assert members(lattices([MadeRaster(source) for source in pair])) == [[0], [1]]


def test_a_chunk_is_as_large_as_a_block() -> None:
    """Otherwise what is said above about which blocks are read would need other figures."""
    assert CHUNK_SIZE == 1024
