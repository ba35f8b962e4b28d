"""Blocks in memory: fetched ahead of their use, decoded once, dropped after their last use."""

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from typing import TypeAlias

from glacierctl.processing.raster import Block, Pixels, Raster, Run
from glacierctl.processing.transport import DamagedError

Key: TypeAlias = tuple[int, Block]
"""(index of the raster, block)."""


@dataclass(frozen=True)
class Want:
    """What one chunk may need of one raster."""

    raster: int
    """Index of the raster."""
    blocks: frozenset[Block]
    """Every block under the chunk."""
    ahead: bool
    """Whether they are certainly needed, and so fetched ahead; otherwise only if others leave gaps."""


@dataclass
class _Fetch:
    """One run under way."""

    encoded: Future[dict[Block, bytes]]
    decoded: dict[Block, Future[Pixels]] = field(default_factory=dict)


class BlockPool:
    """The blocks that a list of chunks needs, shared between the threads that make the chunks."""

    def __init__(
        self,
        rasters: Sequence[Raster],
        wants: Sequence[Sequence[Want]],
        fetchers: Executor,
        prepare: Callable[[int, Pixels], Pixels],
    ) -> None:
        """`wants` by chunk, in the order of making; `prepare(raster, pixels)` is applied to each decoded block."""
        self._rasters = rasters
        self._wants = wants
        self._fetchers = fetchers
        self._prepare = prepare
        self._lock = threading.Lock()
        self._uses = Counter((want.raster, block) for chunk in wants for want in chunk for block in want.blocks)
        self._runs = self._group_runs()
        self._fetches: dict[tuple[int, Run], _Fetch] = {}

    def fetch_ahead(self, chunk: int) -> None:
        """Begin to fetch what a chunk certainly needs; returns at once."""
        for want in self._wants[chunk]:
            if want.ahead:
                for block in sorted(want.blocks):
                    self._begin((want.raster, block))

    def get(self, raster: int, block: Block) -> Pixels:
        """A block's pixels, prepared; waits for them. Blocks that the file leaves out are not asked for.

        Raises:
            ReadError: they cannot be had.
        """
        fetch = self._begin((raster, block))
        if fetch is None:
            raise KeyError(block)
        encoded = fetch.encoded.result()
        with self._lock:
            mine = block not in fetch.decoded
            decoded = fetch.decoded.setdefault(block, Future())
        if mine:
            try:
                decoded.set_result(self._decode(raster, block, encoded.pop(block)))
            except BaseException as error:
                decoded.set_exception(error)
                raise
        return decoded.result()

    def holds(self, raster: int, block: Block) -> bool:
        """Whether the file stores the block at all (sparse files leave out blocks without data)."""
        return (raster, block) in self._runs

    def release(self, chunk: int) -> None:
        """A chunk is made: drop the blocks that no later one needs."""
        with self._lock:
            for want in self._wants[chunk]:
                for block in want.blocks:
                    self._drop((want.raster, block))

    def _drop(self, key: Key) -> None:
        self._uses[key] -= 1
        run = self._runs.get(key)
        if self._uses[key] or run is None:
            return
        fetch = self._fetches.get((key[0], run))
        if fetch:
            fetch.decoded.pop(key[1], None)
            if not any(self._uses[key[0], block] for block in run.blocks):
                del self._fetches[key[0], run]

    def _begin(self, key: Key) -> _Fetch | None:
        run = self._runs.get(key)
        if run is None:
            return None
        with self._lock:
            fetch = self._fetches.get((key[0], run))
            if fetch is None:
                fetch = _Fetch(self._fetchers.submit(self._rasters[key[0]].fetch, run))
                self._fetches[key[0], run] = fetch
        return fetch

    def _decode(self, index: int, block: Block, encoded: bytes) -> Pixels:
        """Decode; once more from fresh bytes if they do not decode, for they may have been damaged on their way."""
        raster = self._rasters[index]
        try:
            pixels = raster.decode(block, encoded)
        except DamagedError:
            (run,) = raster.runs([block])
            pixels = raster.decode(block, raster.fetch(run)[block])
        return self._prepare(index, pixels)

    def _group_runs(self) -> dict[Key, Run]:
        """Certain and uncertain blocks apart, so that fetching the first does not bring the second along."""
        ahead = {(want.raster, block) for chunk in self._wants for want in chunk if want.ahead for block in want.blocks}
        runs: dict[Key, Run] = {}
        for index, raster in enumerate(self._rasters):
            mine = {block for raster_index, block in self._uses if raster_index == index}
            certain = {block for block in mine if (index, block) in ahead}
            for run in (*raster.runs(certain), *raster.runs(mine - certain)):
                runs.update(dict.fromkeys(((index, block) for block in run.blocks), run))
        return runs
