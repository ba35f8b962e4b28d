"""Task in, outcomes out, one by one: the same behind every door."""

import json
import time
from collections.abc import Callable, Collection, Generator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from odc.geo.geobox import GeoBox

from glacierctl.errors import GlacierctlError, ReadError, StoreError
from glacierctl.model import Acquisition, Failed, Outcome, Product, Reason, Skipped, Task, Usage
from glacierctl.processing.clouds import cloud_share
from glacierctl.processing.existing import compare, grid_of, grid_words, resampling_of
from glacierctl.processing.image import Pyramid, encode, pyramid_in
from glacierctl.processing.item import Content, Facts, content_of, product_item, tags
from glacierctl.processing.lineage import lineage_row
from glacierctl.processing.mosaic import Mosaic
from glacierctl.processing.quicklook import LONGEST_SIDE, quicklook
from glacierctl.processing.radiometry import decide_offset, remove_offset
from glacierctl.processing.raster import Pixels, Raster
from glacierctl.processing.relay import Leg, in_relay
from glacierctl.processing.scratch import scratch_folder
from glacierctl.processing.source import open_rasters
from glacierctl.processing.together import map_together, run_together
from glacierctl.processing.transport import Transport
from glacierctl.processing.whole import COPIES
from glacierctl.regions.grid import region_grid
from glacierctl.storage import Store
from glacierctl.storage.layout import lineage_key, product_key

_MOST_THREADS = 8
"""Of one product: with eight the largest regions take 370 MB; more were not measured."""

_SCRATCH_BYTES = 512 << 20
"""That may be used; Lambda's smallest /tmp has as much."""
_MOST_FILES_AT_ONCE = 3
"""As large as an image: blocks and image of the one that is finished, and the blocks of the next. Beside them
lie the scenes of both that must be had whole."""


@dataclass(frozen=True)
class Progress:
    """How far one acquisition is."""

    product: str
    """Which."""
    done: int
    """Chunks made."""
    total: int
    """Chunks in all."""
    usage: Usage
    """What it took so far."""


@dataclass(frozen=True, kw_only=True)
class Means:
    """What a task is done with."""

    transport: Transport
    """Reads the scenes."""
    scratch: Path
    """Folder for temporary files; up to 512 MB at a time, removed in any case."""
    workers: int
    """Threads that make chunks; above eight they are not used."""
    clock: Callable[[], float] = time.monotonic
    """Seconds, to say how long things took."""
    time_left_s: Callable[[], float] = lambda: float("inf")
    """Seconds until this worker is stopped."""
    seconds_needed: Callable[[Acquisition], float] = lambda _acquisition: 0.0
    """Estimate, to stop cleanly before the end."""
    on_progress: Callable[[Progress], None] = lambda _progress: None
    """Told after each chunk."""
    is_cancelled: Callable[[], bool] = lambda: False
    """Whether nothing more is to be made; asked before each acquisition."""
    kept: Collection[str] = frozenset()
    """Products that an earlier attempt at the task made: they stay even where others are made anew, unless they were
    made with another resampling."""


def process(task: Task, store: Store, means: Means) -> Generator[Outcome, None, None]:
    """Make the products of a task: one outcome for each acquisition, each written as soon as it is done.

    What a user can mend (an unreadable scene, a full disk) becomes a `Failed` outcome, and the next acquisition
    follows. Anything else is a defect and is raised. While one product is finished and stored, the chunks of the next
    are being made already. So close the generator when no more is wanted: that ends what is under way.
    """
    grid = region_grid(task.region, task.resolution_m)

    def job(acquisition: Acquisition) -> Callable[[Leg], Outcome]:
        return lambda leg: _Job(task, acquisition, grid, store, means, leg=leg).outcome()

    yield from in_relay(map(job, task.acquisitions))


class _Job:
    """One acquisition on its way to an outcome."""

    def __init__(
        self, task: Task, acquisition: Acquisition, grid: GeoBox, store: Store, means: Means, *, leg: Leg
    ) -> None:
        self._task = task
        self._acquisition = acquisition
        self._grid = grid
        self._store = store
        self._means = means
        self._transport = means.transport.part()
        self._leg = leg
        self._started_at = means.clock()

    def outcome(self) -> Outcome:
        try:
            skipped = self._if_exists() or self._if_too_little_overlap() or self._if_cancelled() or self._if_too_late()
            return skipped or self._made()
        except GlacierctlError as error:
            return Failed(
                region=self._task.region.name,
                product=self._acquisition.product,
                what=error.what,
                why=error.why,
                hint=error.hint,
                href=error.href if isinstance(error, ReadError) else None,
                usage=self._usage(),
            )

    def _if_exists(self) -> Skipped | None:
        """An acquisition is done when its item exists."""
        if self._task.options.overwrite and self._acquisition.product not in self._means.kept:
            return None
        content = self._store.get(self._key("json"))
        if content is None:
            return None
        try:
            item = json.loads(content)
            if self._task.options.overwrite and resampling_of(item) != self._task.options.resampling:
                return None  # somebody else made it otherwise meanwhile
            there, found = grid_of(item), compare(item, self._acquisition, self._task)
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise StoreError(
                f"{self._key('json')} in {self._store.url} is not understood",
                why=f"it is not the item of a product ({error})",
                hint="Make the product anew with --overwrite, or write to another folder with --output.",
            ) from error
        if there != grid_words(self._grid):
            raise StoreError(
                f"{self._key('json')} in {self._store.url} lies on another grid",
                why=f"the region {self._task.region.name} had other bounds when it was made: it does not fit the stack",
                hint="Make it anew with --overwrite, name the region differently, or write to another --output.",
            )
        return self._skipped("exists", found)

    def _if_too_little_overlap(self) -> Skipped | None:
        overlap, least = self._acquisition.overlap, self._task.options.min_coverage
        if not self._acquisition.cannot_cover(least):
            return None
        return self._skipped(
            "coverage", f"its footprints cover {overlap:.1%} of the region, below {least:.1%}; nothing was read"
        )

    def _if_cancelled(self) -> Skipped | None:
        return self._skipped("cancelled", "the run was called off") if self._means.is_cancelled() else None

    def _if_too_late(self) -> Skipped | None:
        left, needed = self._means.time_left_s(), self._means.seconds_needed(self._acquisition)
        if needed < left <= 2 * needed and not self._leg.is_alone:
            self._leg.wait_until_alone()  # what is left of the one before takes from the same time
            left = self._means.time_left_s()
        if left > needed:
            return None
        return self._skipped("deadline", f"{left:.0f} s are left and about {needed:.0f} s are needed")

    def _made(self) -> Outcome:
        with scratch_folder(self._means.scratch) as scratch:
            clouds = cloud_share(self._acquisition.scenes, self._grid, self._transport, scratch, workers=self._threads)
            return self._if_too_cloudy(clouds) or self._imaged(clouds, scratch)

    def _if_too_cloudy(self, clouds: float | None) -> Skipped | None:
        most = self._task.options.max_cloud
        if clouds is None or clouds <= most:
            return None
        return self._skipped("cloud", f"clouds cover {clouds:.1%} of the region, above {most:.1%}")

    def _imaged(self, clouds: float | None, scratch: Path) -> Outcome:
        scenes = self._acquisition.scenes
        rasters = open_rasters([scene.image for scene in scenes], self._transport, scratch)
        offsets = map_together(lambda scene, raster: decide_offset(scene, raster.coarsest), scenes, rasters)
        facts = Facts(
            region=self._task.region,
            acquisition=self._acquisition,
            options=self._task.options,
            grid=self._grid,
            coverage=0.0,
            cloud_share=clouds,
            offsets=tuple(offsets),
        )
        with pyramid_in(scratch, self._grid) as pyramid:
            self._fill(pyramid, facts, rasters)
            if _MOST_FILES_AT_ONCE * _most_bytes(self._grid) + 2 * _copied_bytes(scratch) <= _SCRATCH_BYTES:
                self._leg.hand_on()
            coverage = pyramid.valid_pixels / (self._grid.height * self._grid.width)
            too_little = self._if_too_little_coverage(coverage)
            return too_little or self._stored(replace(facts, coverage=coverage), pyramid, scratch / "image.tif")

    def _fill(self, pyramid: Pyramid, facts: Facts, rasters: list[Raster]) -> None:
        def prepare(index: int, pixels: Pixels) -> Pixels:
            return remove_offset(pixels, facts.offsets[index].subtract_dn)

        resampling = facts.options.resampling
        with Mosaic(rasters, self._grid, resampling, workers=self._threads, prepare=prepare) as mosaic:
            for encoded in mosaic.render_as(encode):
                self._leg.go_on()
                pyramid.add(encoded)
                done, total = encoded.chunk.index + 1, len(mosaic.chunks)
                self._means.on_progress(Progress(self._acquisition.product, done, total, self._usage()))

    @property
    def _threads(self) -> int:
        return min(self._means.workers, _MOST_THREADS)

    def _if_too_little_coverage(self, coverage: float) -> Skipped | None:
        least = self._task.options.min_coverage
        if coverage == 0:
            return self._skipped("no valid pixels", "none of the region's pixels has data")
        if coverage >= least:
            return None
        return self._skipped("coverage", f"{coverage:.1%} of the region has data, below {least:.1%}")

    def _stored(self, facts: Facts, pyramid: Pyramid, path: Path) -> Product:
        """Write all files of a product, the item last: whoever sees it finds the rest."""
        self._leg.wait_until_wanted()  # what is stored is told of
        if self._task.options.overwrite:
            self._store.delete(self._key("json"))  # else a kill now would leave the old item beside the new image
        image_content, picture_content, _ = run_together(
            lambda: self._store_image(facts, pyramid, path),
            lambda: self._store_picture(pyramid),
            lambda: self._store.put(self._lineage_key, lineage_row(self._acquisition)),
        )
        self._store.put(self._key("json"), product_item(facts, image_content, picture_content))
        return Product(
            region=self._task.region.name,
            product=self._acquisition.product,
            key=self._key("tif"),
            coverage=facts.coverage,
            cloud_share=facts.cloud_share,
            offsets=facts.offsets,
            usage=self._usage(),
        )

    def _store_image(self, facts: Facts, pyramid: Pyramid, path: Path) -> Content:
        pyramid.write(path, tags(facts))
        content: Content
        content, _ = run_together(lambda: content_of(path), lambda: self._store.put(self._key("tif"), path))
        return content

    def _store_picture(self, pyramid: Pyramid) -> Content:
        picture = quicklook(pyramid.reduced(LONGEST_SIDE))
        self._store.put(self._key("png"), picture)
        return content_of(picture)

    def _skipped(self, reason: Reason, detail: str) -> Skipped:
        return Skipped(
            region=self._task.region.name,
            product=self._acquisition.product,
            reason=reason,
            detail=detail,
            usage=self._usage(),
        )

    def _key(self, suffix: str) -> str:
        return product_key(self._task.satellite, self._task.region.name, self._acquisition.product, suffix)

    @property
    def _lineage_key(self) -> str:
        return lineage_key(self._task.satellite, self._task.region.name, self._acquisition.product)

    def _usage(self) -> Usage:
        return self._transport.usage.model_copy(update={"seconds": self._means.clock() - self._started_at})


def _most_bytes(grid: GeoBox) -> float:
    """Of an image with its overviews, if nothing could be compressed."""
    return grid.height * grid.width * np.dtype(np.uint16).itemsize * 4 / 3


def _copied_bytes(scratch: Path) -> int:
    """Of scenes that had to be copied whole."""
    return sum(path.stat().st_size for path in scratch.glob(COPIES))
