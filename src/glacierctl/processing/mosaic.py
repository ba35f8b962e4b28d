"""Scenes of one pass as one image on the grid: the first valid pixel wins, then one resampling.

Scenes that share a lattice of pixels (the tiles of one UTM zone do) are merged before the resampling, so that no
kernel ever meets the edge between them: their seams do not exist. Lattices are merged after it; there a pixel whose
kernel is cut by the edge of one lattice gives way to one that another has whole, or the seam would show as a line
two pixels wide. There is no branch for one zone or two.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Self, TypeVar

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from glacierctl.choices import Resampling
from glacierctl.processing.cog import BLOCK_SIZE
from glacierctl.processing.geometry import (
    Chunk,
    Positions,
    Window,
    blocks_under,
    bounding_window,
    chunks,
    covered,
    mark,
)
from glacierctl.processing.pool import BlockPool, Want
from glacierctl.processing.raster import FILL_VALUE, Block, Pixels, Raster, block_size
from glacierctl.processing.warp import warp, whole_kernels

_T = TypeVar("_T")

CHUNK_SIZE = 2 * BLOCK_SIZE
"""Side of a chunk in pixels of the grid: halved it is one block of the image's first overview. Its source
window takes 2-4 MB; twice as large gains no speed."""

_FETCHES_AT_ONCE = 8
_LATTICE_TOLERANCE_PX = 1e-6


@dataclass(frozen=True)
class Member:
    """A raster in a lattice."""

    index: int
    """Index of the raster, in order of preference."""
    row: int
    """Row of the lattice at which the raster's first row lies."""
    col: int
    """Column of the lattice at which the raster's first column lies."""


@dataclass(frozen=True)
class Lattice:
    """Rasters, next to each other in preference, whose pixels coincide."""

    crs: str
    """Their CRS."""
    transform: Affine
    """Pixel to CRS of the first of them."""
    members: tuple[Member, ...]
    """In order of preference."""


class Mosaic:
    """Rasters in order of preference, on a grid. Use as a context manager: it holds threads."""

    def __init__(
        self,
        rasters: Sequence[Raster],
        grid: GeoBox,
        resampling: Resampling,
        *,
        workers: int,
        prepare: Callable[[int, Pixels], Pixels] = lambda _index, pixels: pixels,
    ) -> None:
        """`prepare(index, pixels)` is applied to each block before anything else sees it."""
        self.chunks = chunks((grid.height, grid.width), CHUNK_SIZE)
        self._rasters = rasters
        self._grid = grid
        self._resampling = resampling
        self._lattices = lattices(rasters)
        self._workers = workers
        self._positions = [Positions(grid, lattice.crs, lattice.transform) for lattice in self._lattices]
        wants, self._windows = self._plan()
        self._fetchers = ThreadPoolExecutor(_FETCHES_AT_ONCE, "fetch")
        self._makers = ThreadPoolExecutor(workers, "make")
        self._pool = BlockPool(rasters, wants, self._fetchers, prepare)
        self._wants = wants

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for executor in (self._makers, self._fetchers):
            executor.shutdown(wait=True, cancel_futures=True)

    def render(self) -> Iterator[tuple[Chunk, Pixels]]:
        """Each chunk with its pixels; see `render_as`."""
        return self.render_as(lambda chunk, pixels: (chunk, pixels))

    def render_as(self, finish: Callable[[Chunk, Pixels], _T]) -> Iterator[_T]:
        """What `finish` makes of each chunk, in order, while later ones are being fetched and made.

        Args:
            finish: called in the thread that made the chunk.

        Raises:
            ReadError: a block cannot be had.
        """

        def made(chunk: Chunk) -> _T:
            return finish(chunk, self._make(chunk))

        under_way: deque[Future[_T]] = deque()
        for chunk in self.chunks:
            # one chunk beyond those in the makers' hands is fetched ahead
            for ahead in self.chunks[chunk.index : chunk.index + 2]:
                self._pool.fetch_ahead(ahead.index)
            under_way.append(self._makers.submit(made, chunk))
            if len(under_way) > 2 * self._workers:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()

    def _make(self, chunk: Chunk) -> Pixels:
        made: Pixels = np.zeros((chunk.height, chunk.width), np.uint16)
        whole = np.zeros(made.shape, bool)
        windows = [(number, window) for number, window in enumerate(self._windows[chunk.index]) if window]
        for number, window in windows:
            source = self._merge(chunk, number, window)
            if not source.any():
                continue
            place = (window, self._positions[number], chunk)
            is_whole = bool(source.all() or source[self._needed(chunk, number, window)].all())
            warped = warp(source, *place, self._resampling, is_whole=is_whole)
            if is_whole and not whole.any():
                made = warped
                break
            if len(windows) == 1 or is_whole:
                here = warped != FILL_VALUE
            else:
                here = whole_kernels(source, *place, self._resampling)
            made = np.where(np.where(here, ~whole, made == FILL_VALUE), warped, made)
            whole |= here
            if whole.all():
                break
        self._pool.release(chunk.index)
        return made

    def _merge(self, chunk: Chunk, number: int, window: Window) -> Pixels:
        source: Pixels = np.zeros((window.height, window.width), np.uint16)
        needed: NDArray[np.bool_] | None = None
        members = {member.index: member for member in self._lattices[number].members}
        for want in self._wants[chunk.index]:
            if want.raster not in members:
                continue
            if not want.ahead and needed is None:
                needed = self._needed(chunk, number, window)
            for block in sorted(want.blocks):
                if self._pool.holds(want.raster, block):
                    self._paste(source, window, members[want.raster], block, None if want.ahead else needed)
        return source

    def _needed(self, chunk: Chunk, number: int, window: Window) -> NDArray[np.bool_]:
        """Mask of a window in a lattice, True where a kernel of the chunk may reach; the rest need not be read."""
        return mark(self._positions[number].cells(chunk, self._resampling), window)

    def _paste(
        self, source: Pixels, window: Window, member: Member, block: Block, needed: NDArray[np.bool_] | None
    ) -> None:
        """Fill what is still nodata in `source` from one block; if nothing of that is needed, it is not even read."""
        raster = self._rasters[member.index]
        height, width = block_size(raster, block)
        top = member.row + block[0] * raster.block_shape[0] - window.row
        left = member.col + block[1] * raster.block_shape[1] - window.col
        there = np.s_[max(top, 0) : max(top + height, 0), max(left, 0) : max(left + width, 0)]
        target = source[there]
        gaps = target == FILL_VALUE
        if not (gaps if needed is None else gaps & needed[there]).any():
            return
        from_row, from_col = max(-top, 0), max(-left, 0)
        pixels = self._pool.get(member.index, block)
        piece = pixels[from_row : from_row + target.shape[0], from_col : from_col + target.shape[1]]
        if gaps.all():
            target[:] = piece
        else:
            np.copyto(target, piece, where=gaps)

    def _plan(self) -> tuple[list[list[Want]], list[list[Window | None]]]:
        """What each chunk wants of each raster, and the source window of each chunk in each lattice."""
        wants: list[list[Want]] = [[] for _ in self.chunks]
        windows: list[list[Window | None]] = [[] for _ in self.chunks]
        open_cells: list[NDArray[np.bool_] | None] = [None] * len(self.chunks)
        for lattice, positions in zip(self._lattices, self._positions, strict=True):
            for chunk in self.chunks:
                cells = positions.cells(chunk, self._resampling)
                still_open = open_cells[chunk.index]
                if still_open is None:
                    still_open = np.ones(len(cells), bool)
                found, open_cells[chunk.index] = self._wants_of(lattice, cells, still_open)
                wants[chunk.index] += found
                windows[chunk.index].append(bounding_window(cells) if found else None)
        return wants, windows

    def _wants_of(
        self, lattice: Lattice, cells: NDArray[np.float64], still_open: NDArray[np.bool_]
    ) -> tuple[list[Want], NDArray[np.bool_]]:
        """Wants of one chunk in one lattice, and the cells that no raster so far covers by its extent."""
        found = []
        for member in lattice.members:
            own = cells - np.array([member.row, member.col, member.row, member.col])
            raster = self._rasters[member.index]
            ahead = blocks_under(own[still_open], raster)
            later = frozenset() if still_open.all() else blocks_under(own, raster) - ahead
            found += [
                Want(member.index, blocks, certain) for blocks, certain in ((ahead, True), (later, False)) if blocks
            ]
            still_open = still_open & ~covered(own, raster.shape)
        return found, still_open


def lattices(rasters: Sequence[Raster]) -> tuple[Lattice, ...]:
    """Group rasters whose pixels coincide, without changing their order of preference."""
    found: list[Lattice] = []
    for index, raster in enumerate(rasters):
        last = found[-1] if found else None
        offset = _offset(last, raster) if last else None
        if last and offset:
            found[-1] = Lattice(last.crs, last.transform, (*last.members, Member(index, *offset)))
        else:
            found.append(Lattice(raster.crs, raster.transform, (Member(index, 0, 0),)))
    return tuple(found)


def _offset(lattice: Lattice, raster: Raster) -> tuple[int, int] | None:
    """(row, column) of a raster's first pixel in a lattice; None if their pixels do not coincide."""
    relative = ~lattice.transform @ raster.transform
    row, col = round(relative.f), round(relative.c)
    same = relative.almost_equals(Affine.translation(col, row), precision=_LATTICE_TOLERANCE_PX)
    return (row, col) if same and lattice.crs == raster.crs else None
