"""What an acquisition will take, by the catalogue alone: which blocks lie under the region, and how large they are."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import numpy as np
import shapely
import shapely.affinity
from affine import Affine
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from glacierctl.choices import Satellite
from glacierctl.model import Acquisition, Affine6, Region, Scene
from glacierctl.planning.footprints import EDGE_M, Projector
from glacierctl.planning.speed import memory_mb, parallel_s, serial_s
from glacierctl.regions.grid import region_grid

_FIRST_BASELINE_WITH_OFFSET = "04.00"
"""Of Sentinel-2: from there on it is looked at whether pixels are shifted."""
_BLOCK_PX = {Satellite.SENTINEL2: 1024, Satellite.LANDSAT: 256}
"""Side of a block in the files on AWS."""
_BYTES_PER_PIXEL = {Satellite.SENTINEL2: 1.7, Satellite.LANDSAT: 1.5}
"""Deflated 16-bit snow and rock, where the catalogue gives no file size."""
_CLOUD_BYTES = {Satellite.SENTINEL2: 0.02, Satellite.LANDSAT: 0.03}
"""Bytes of scene classification or quality bits for each byte of image under the same ground."""
_CLOUD_COARSER = 2.0
"""How much larger their pixels are, where the catalogue does not say."""
_FULL_RESOLUTION_SHARE = 0.75
"""Of a file with overviews, which add a third."""
_HEADER_BYTES = 16_384
"""Read at the beginning of each file."""
_MORE_HEADER_BYTES = 65_536
"""Read then, by a request of its own, of a file of very many blocks: Landsat's images."""
_COARSEST_PX = 700 * 700
"""Of the overview of Sentinel-2's images that tells whether an offset is in them."""
_RUN_BYTES = 8 << 20
"""Blocks that lie side by side in a file are read by one request, up to so many bytes."""
_REACH_PX = 6.0
"""Pixels around a region that are read too: what interpolation takes in, and a little for how it is looked up."""
_WITHOUT_GRID = 1.3
"""Blocks reach over the region's edge; by so much where the catalogue does not say where they lie."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What it will take, about."""

    blocks: int = 0
    """Blocks of the images that lie under what they are needed for."""
    bytes_to_read: int = 0
    """Images and cloud masks."""
    pixels: int = 0
    """Of the product."""
    seconds: float = 0.0
    """On the cores that were given, in a process that has started."""
    memory_mb: int = 0
    """At the peak."""
    requests: int = 0
    """Reads of byte ranges."""
    paid_requests: int = 0
    """How many of these are of buckets that charge the reader."""
    serial_s: float = 0.0
    """How many of the seconds more cores do not shorten."""

    @classmethod
    def total(cls, estimates: Iterable[Self]) -> "Estimate":
        """One after the other: everything adds up except memory, which is that of the largest."""
        every = tuple(estimates)
        return Estimate(
            blocks=sum(one.blocks for one in every),
            bytes_to_read=sum(one.bytes_to_read for one in every),
            pixels=sum(one.pixels for one in every),
            seconds=sum(one.seconds for one in every),
            memory_mb=max((one.memory_mb for one in every), default=0),
            requests=sum(one.requests for one in every),
            paid_requests=sum(one.paid_requests for one in every),
            serial_s=sum(one.serial_s for one in every),
        )


def estimate(
    acquisition: Acquisition, region: Region, resolution_m: float, *, cores: int = 1, projector: Projector | None = None
) -> Estimate:
    """Estimate one acquisition of a region.

    Scenes count for the ground that those before them do not see. Superseded ones count nothing: they are read only
    where the others have gaps within their footprints, which the catalogue does not tell.

    Args:
        acquisition: what is to be read.
        region: the region.
        resolution_m: pixel size of the product.
        cores: how many work on it.
        projector: kept from one estimate to the next, it saves time.

    Raises:
        RegionError: the region has no whole number of pixels.
    """
    projector = projector or Projector()
    superseded = {one.item_id for one in acquisition.superseded}
    grid = region_grid(region, resolution_m)
    unseen: BaseGeometry = shapely.box(*region.bounds)
    reads, zones = [], set()
    for scene in acquisition.scenes:
        reads.append(_headers(scene))
        if scene.item_id not in superseded and unseen.area > 0:
            footprint = projector.footprint(scene, region.crs)
            reads += _under(scene, unseen, footprint, region.crs, projector)
            unseen = unseen.difference(footprint)
            zones.add(scene.image.crs)
    pixels = grid.shape[0] * grid.shape[1]
    return Estimate(
        blocks=sum(one.blocks for one in reads),
        bytes_to_read=round(sum(one.size for one in reads)),
        pixels=pixels,
        seconds=serial_s(pixels) + parallel_s(pixels, max(1, len(zones))) / cores,
        memory_mb=round(memory_mb(pixels, cores)),
        requests=sum(one.requests for one in reads),
        paid_requests=sum(one.requests for one in reads if one.paid),
        serial_s=serial_s(pixels),
    )


@dataclass(frozen=True, slots=True)
class _Read:
    """What is read of one file."""

    size: float
    """Bytes."""
    requests: int
    """Byte ranges."""
    paid: bool
    """Whether the reader pays."""
    blocks: int = 0
    """Of the image."""


def _headers(scene: Scene) -> _Read:
    """What is read of each scene in any case."""
    size, requests = float(_HEADER_BYTES), 1
    if scene.satellite is Satellite.LANDSAT:
        size, requests = size + _MORE_HEADER_BYTES, requests + 1
    if (scene.baseline or "") >= _FIRST_BASELINE_WITH_OFFSET and not scene.offset_applied:
        size, requests = size + _COARSEST_PX * _bytes_per_pixel(scene, None), requests + 1
    if scene.clouds:
        size, requests = size + _HEADER_BYTES, requests + 1
    return _Read(size, requests, scene.image.requester_pays)


def _under(scene: Scene, wanted: BaseGeometry, footprint: BaseGeometry, crs: str, projector: Projector) -> list[_Read]:
    """What is read of a scene's image and classification under an area of `crs`; of what has no data, next to nothing.

    Args:
        scene: whose files these are.
        wanted: what no better scene sees.
        footprint: where the scene has data.
        crs: of both.
        projector: moves them.
    """
    image, paid = scene.image, scene.image.requester_pays
    if image.crs is None or image.transform is None or image.shape is None:
        return _under_unknown_grid(scene, wanted.intersection(footprint))
    area = _to_pixels(projector.move(shapely.segmentize(wanted, EDGE_M), crs, image.crs), image.transform)
    data = _to_pixels(projector.footprint(scene, image.crs), image.transform).intersection(_frame(image.shape))
    side = _BLOCK_PX[scene.satellite]
    places, boxes = _blocks_touching(area.buffer(_REACH_PX, join_style="mitre"), image.shape, side)
    each = _bytes_per_pixel(scene, float(data.area))
    size = float(shapely.area(shapely.intersection(boxes, data)).sum()) * each
    if len(places) == 0:
        return []
    reads = [_Read(size, _runs(places, image.shape, side, each), paid, len(places))]
    if scene.clouds:
        coarser = image.shape[0] / scene.clouds.shape[0] if scene.clouds.shape else _CLOUD_COARSER
        shape = (round(image.shape[0] / coarser), round(image.shape[1] / coarser))
        thin = each * _CLOUD_BYTES[scene.satellite] * coarser**2
        runs = _runs(np.unique((places / coarser).astype(int), axis=0), shape, side, thin)
        reads.append(_Read(size * _CLOUD_BYTES[scene.satellite], runs, scene.clouds.requester_pays))
    return reads


def _runs(places: NDArray[np.int_], shape: tuple[int, int], side: int, bytes_per_pixel: float) -> int:
    """How many requests blocks take, (row, column) in order: those that follow one another in the file are one."""
    most = max(1, int(_RUN_BYTES // (side**2 * bytes_per_pixel)))
    numbers = places[:, 0] * -(-shape[1] // side) + places[:, 1]
    ends = np.flatnonzero(np.diff(numbers) != 1) + 1
    return sum(-(-len(one) // most) for one in np.split(numbers, ends))


def _under_unknown_grid(scene: Scene, wanted: BaseGeometry) -> list[_Read]:
    resolution_m, side = (10.0 if scene.satellite is Satellite.SENTINEL2 else 15.0), _BLOCK_PX[scene.satellite]
    pixels, each = wanted.area / resolution_m**2 * _WITHOUT_GRID, _BYTES_PER_PIXEL[scene.satellite]
    blocks = int(np.ceil(pixels / side**2))
    rows = int(np.ceil(blocks**0.5))
    requests = rows * int(np.ceil(rows * side**2 * each / _RUN_BYTES))
    size, paid = pixels * each, scene.image.requester_pays
    clouds = [_Read(size * _CLOUD_BYTES[scene.satellite], -(-rows // 2), paid)] if scene.clouds else []
    return [_Read(size, requests, paid, blocks), *clouds]


def _bytes_per_pixel(scene: Scene, data_pixels: float | None) -> float:
    """Of the pixels with data; the others compress to nothing. `data_pixels` are those of the file; None: not known."""
    if scene.image.size_bytes is None or not data_pixels:
        return _BYTES_PER_PIXEL[scene.satellite]
    return scene.image.size_bytes * _FULL_RESOLUTION_SHARE / data_pixels


def _blocks_touching(
    area: BaseGeometry, shape: tuple[int, int], side: int
) -> tuple[NDArray[np.int_], NDArray[np.object_]]:
    """(row, column) of the blocks that an area in pixels touches, row by row; and their rectangles, in pixels."""
    height, width = shape
    clipped = area.intersection(_frame(shape))
    if clipped.is_empty:
        return np.empty((0, 2), dtype=int), np.empty(0, dtype=object)
    left, top, right, bottom = (int(edge // side) for edge in clipped.bounds)
    rows, columns = np.meshgrid(np.arange(top, bottom + 1), np.arange(left, right + 1), indexing="ij")
    places = np.column_stack([rows.ravel(), columns.ravel()])
    y, x = places.T * side
    boxes = shapely.box(x, y, np.minimum(x + side, width), np.minimum(y + side, height))
    shapely.prepare(clipped)
    touched = (x < width) & (y < height) & shapely.intersects(clipped, boxes)
    return places[touched], boxes[touched]


def _frame(shape: tuple[int, int]) -> BaseGeometry:
    return shapely.box(0, 0, shape[1], shape[0])


def _to_pixels(shape: BaseGeometry, transform: Affine6) -> BaseGeometry:
    to = ~Affine(*transform)
    return shapely.affinity.affine_transform(shape, (to.a, to.b, to.d, to.e, to.c, to.f))
