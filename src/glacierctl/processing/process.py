"""Task in, outcomes out, one by one: the same behind every door."""

import json
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from odc.geo.geobox import GeoBox

from glacierctl.errors import GlacierctlError, ReadError, StoreError
from glacierctl.model import Acquisition, Failed, Outcome, Product, Reason, Skipped, Task, Usage
from glacierctl.processing.clouds import cloud_share
from glacierctl.processing.geometry import Chunk
from glacierctl.processing.image import Image, read_overview, write_image
from glacierctl.processing.item import Facts, product_item, tags
from glacierctl.processing.lineage import lineage_row
from glacierctl.processing.mosaic import Mosaic
from glacierctl.processing.quicklook import LONGEST_SIDE, quicklook
from glacierctl.processing.radiometry import decide_offset, remove_offset
from glacierctl.processing.raster import Pixels, Raster
from glacierctl.processing.scratch import scratch_folder
from glacierctl.processing.source import open_raster
from glacierctl.processing.transport import Transport
from glacierctl.regions.grid import region_grid
from glacierctl.storage import Store
from glacierctl.storage.layout import lineage_key, product_key


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
    """Threads that make chunks."""
    clock: Callable[[], float] = time.monotonic
    """Seconds, to say how long things took."""
    time_left_s: Callable[[], float] = lambda: float("inf")
    """Seconds until this worker is stopped."""
    seconds_needed: Callable[[Acquisition], float] = lambda _acquisition: 0.0
    """Estimate, to stop cleanly before the end."""
    on_progress: Callable[[Progress], None] = lambda _progress: None
    """Told after each chunk."""


def process(task: Task, store: Store, means: Means) -> Iterator[Outcome]:
    """Make the products of a task: one outcome for each acquisition, each written as soon as it is done.

    What a user can mend (an unreadable scene, a full disk) becomes a `Failed` outcome, and the next acquisition
    follows. Anything else is a defect and is raised.
    """
    grid = region_grid(task.region, task.resolution_m)
    for acquisition in task.acquisitions:
        yield _Job(task, acquisition, grid, store, means).outcome()


class _Job:
    """One acquisition on its way to an outcome."""

    def __init__(self, task: Task, acquisition: Acquisition, grid: GeoBox, store: Store, means: Means) -> None:
        self._task = task
        self._acquisition = acquisition
        self._grid = grid
        self._store = store
        self._means = means
        self._started_at = means.clock()
        self._read_before = means.transport.usage

    def outcome(self) -> Outcome:
        try:
            return self._if_exists() or self._if_too_little_overlap() or self._if_too_late() or self._made()
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
        if self._task.options.overwrite:
            return None
        content = self._store.get(self._key("json"))
        if content is None:
            return None
        try:
            found = _compare(content, self._acquisition, self._task)
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise StoreError(
                f"{self._key('json')} in {self._store.url} is not understood",
                why=f"it is not the item of a product ({error})",
                hint="Make the product anew with --overwrite, or write to another folder with --output.",
            ) from error
        return self._skipped("exists", found)

    def _if_too_little_overlap(self) -> Skipped | None:
        overlap, least = self._acquisition.overlap, self._task.options.min_coverage
        if not self._acquisition.cannot_cover(least):
            return None
        return self._skipped(
            "coverage", f"its footprints cover {overlap:.1%} of the region, below {least:.1%}; nothing was read"
        )

    def _if_too_late(self) -> Skipped | None:
        left, needed = self._means.time_left_s(), self._means.seconds_needed(self._acquisition)
        if left > needed:
            return None
        return self._skipped("deadline", f"{left:.0f} s are left and about {needed:.0f} s are needed")

    def _made(self) -> Outcome:
        with scratch_folder(self._means.scratch) as scratch:
            scenes, workers = self._acquisition.scenes, self._means.workers
            clouds = cloud_share(scenes, self._grid, self._means.transport, scratch, workers=workers)
            return self._if_too_cloudy(clouds) or self._imaged(clouds, scratch)

    def _if_too_cloudy(self, clouds: float | None) -> Skipped | None:
        most = self._task.options.max_cloud
        if clouds is None or clouds <= most:
            return None
        return self._skipped("cloud", f"clouds cover {clouds:.1%} of the region, above {most:.1%}")

    def _imaged(self, clouds: float | None, scratch: Path) -> Outcome:
        scenes, transport = self._acquisition.scenes, self._means.transport
        rasters = [open_raster(scene.image, transport, scratch) for scene in scenes]
        offsets = tuple(decide_offset(scene, raster.coarsest) for scene, raster in zip(scenes, rasters, strict=True))
        facts = Facts(
            region=self._task.region,
            acquisition=self._acquisition,
            options=self._task.options,
            grid=self._grid,
            coverage=0.0,
            cloud_share=clouds,
            offsets=offsets,
        )
        image = self._image(facts, rasters, scratch / "image.tif")
        coverage = image.valid_pixels / (self._grid.height * self._grid.width)
        return self._if_too_little_coverage(coverage) or self._stored(replace(facts, coverage=coverage), image)

    def _image(self, facts: Facts, rasters: list[Raster], path: Path) -> Image:
        def prepare(index: int, pixels: Pixels) -> Pixels:
            return remove_offset(pixels, facts.offsets[index].subtract_dn)

        workers = self._means.workers
        with Mosaic(rasters, self._grid, facts.options.resampling, workers=workers, prepare=prepare) as mosaic:
            chunks = self._watched(mosaic.render(), len(mosaic.chunks))
            return write_image(chunks, self._grid, path, tags=tags(facts), workers=workers)

    def _watched(self, chunks: Iterable[tuple[Chunk, Pixels]], total: int) -> Iterator[tuple[Chunk, Pixels]]:
        for chunk, pixels in chunks:
            yield chunk, pixels
            self._means.on_progress(Progress(self._acquisition.product, chunk.index + 1, total, self._usage()))

    def _if_too_little_coverage(self, coverage: float) -> Skipped | None:
        least = self._task.options.min_coverage
        if coverage == 0:
            return self._skipped("no valid pixels", "none of the region's pixels has data")
        if coverage >= least:
            return None
        return self._skipped("coverage", f"{coverage:.1%} of the region has data, below {least:.1%}")

    def _stored(self, facts: Facts, image: Image) -> Product:
        """Write all files of a product, the item last: whoever sees it finds the rest."""
        picture = quicklook(read_overview(image.path, LONGEST_SIDE))
        if self._task.options.overwrite:
            self._store.delete(self._key("json"))  # else a kill now would leave the old item beside the new image
        satellite, region, product = self._task.satellite, self._task.region.name, self._acquisition.product
        self._store.put(self._key("tif"), image.path)
        self._store.put(self._key("png"), picture)
        self._store.put(lineage_key(satellite, region, product), lineage_row(self._acquisition))
        self._store.put(self._key("json"), product_item(facts, image.path, picture))
        return Product(
            region=region,
            product=product,
            key=self._key("tif"),
            coverage=facts.coverage,
            cloud_share=facts.cloud_share,
            offsets=facts.offsets,
            usage=self._usage(),
        )

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

    def _usage(self) -> Usage:
        read, before = self._means.transport.usage, self._read_before
        return Usage(
            bytes_read=read.bytes_read - before.bytes_read,
            requests=read.requests - before.requests,
            retries=read.retries - before.retries,
            seconds=self._means.clock() - self._started_at,
        )


def _compare(content: bytes, acquisition: Acquisition, task: Task) -> str:
    """How an existing product differs from the one that would be made now."""
    item = json.loads(content)
    made_with = item["properties"].get("glacierctl:resampling")
    known = {link.get("title") for link in item["links"] if link["rel"] == "derived_from"}
    new = [scene.item_id for scene in acquisition.scenes if scene.item_id not in known]
    differences = [f"the catalogue has {len(new)} more of its scenes now"] if new else []
    if made_with != task.options.resampling:
        differences.append(f"it was made with {made_with} resampling, not {task.options.resampling}")
    return "; ".join(["it exists", *differences]) + ("; --overwrite makes it anew" if differences else "")
