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
from glacierctl.regions.grid import region_grid

START_S = 0.5
"""Opening files, writing the product: once an acquisition."""
SECONDS_PER_MEGAPIXEL = 0.18
"""Reading, warping and compressing a million pixels of the product on one core."""
BASE_MEMORY_MB = 220
"""Libraries, and the chunks in work."""
MEMORY_MB_PER_MEGAPIXEL = 2.5
"""Blocks in use at once, more the wider the region; measured up to 115 megapixels, where it is below 500 MB in all."""

_BLOCK_PX = {Satellite.SENTINEL2: 1024, Satellite.LANDSAT: 256}
"""Side of a block in the files on AWS."""
_BYTES_PER_PIXEL = {Satellite.SENTINEL2: 1.7, Satellite.LANDSAT: 1.5}
"""Deflated 16-bit snow and rock, where the catalogue gives no file size."""
_CLOUD_BYTES = {Satellite.SENTINEL2: 0.02, Satellite.LANDSAT: 0.03}
"""Bytes of scene classification or quality bits for each byte of image under the same ground."""
_FULL_RESOLUTION_SHARE = 0.75
"""Of a file with overviews, which add a third."""
_HEADER_BYTES = 32_768
"""Read at the beginning of each file."""
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
    """On the cores that were given."""
    memory_mb: int = 0
    """At the peak."""

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
    blocks, size = 0, 0.0
    for scene in acquisition.scenes:
        footprint = projector.footprint(scene, region.crs)
        if scene.item_id not in superseded:
            count, image_bytes = _under(scene, unseen.intersection(footprint), region.crs, projector)
            blocks, size = blocks + count, size + _with_clouds(scene, image_bytes)
            unseen = unseen.difference(footprint)
    pixels = grid.shape[0] * grid.shape[1]
    return Estimate(
        blocks=blocks,
        bytes_to_read=round(size),
        pixels=pixels,
        seconds=START_S + SECONDS_PER_MEGAPIXEL * pixels / 1e6 / cores,
        memory_mb=round(BASE_MEMORY_MB + MEMORY_MB_PER_MEGAPIXEL * pixels / 1e6),
    )


def _with_clouds(scene: Scene, image_bytes: float) -> float:
    if image_bytes == 0:
        return 0.0
    clouds = image_bytes * _CLOUD_BYTES[scene.satellite] + _HEADER_BYTES if scene.clouds else 0.0
    return image_bytes + _HEADER_BYTES + clouds


def _under(scene: Scene, wanted: BaseGeometry, crs: str, projector: Projector) -> tuple[int, float]:
    """(blocks, bytes) of a scene's image under an area of `crs`."""
    image = scene.image
    if wanted.area == 0:
        return 0, 0.0
    if image.crs is None or image.transform is None or image.shape is None:
        return _under_unknown_grid(scene, wanted)
    area = _to_pixels(projector.move(shapely.segmentize(wanted, EDGE_M), crs, image.crs), image.transform)
    data = _to_pixels(projector.footprint(scene, image.crs), image.transform).intersection(_frame(image.shape))
    blocks = _blocks_touching(area, image.shape, _BLOCK_PX[scene.satellite])
    pixels = float(shapely.area(shapely.intersection(blocks, data)).sum())
    return len(blocks), pixels * _bytes_per_pixel(scene, float(data.area))


def _under_unknown_grid(scene: Scene, wanted: BaseGeometry) -> tuple[int, float]:
    resolution_m, side = (10.0 if scene.satellite is Satellite.SENTINEL2 else 15.0), _BLOCK_PX[scene.satellite]
    pixels = wanted.area / resolution_m**2 * _WITHOUT_GRID
    return int(np.ceil(pixels / side**2)), pixels * _BYTES_PER_PIXEL[scene.satellite]


def _bytes_per_pixel(scene: Scene, data_pixels: float) -> float:
    """Of the pixels with data; the others compress to nothing."""
    if scene.image.size_bytes is None or data_pixels == 0:
        return _BYTES_PER_PIXEL[scene.satellite]
    return scene.image.size_bytes * _FULL_RESOLUTION_SHARE / data_pixels


def _blocks_touching(area: BaseGeometry, shape: tuple[int, int], side: int) -> NDArray[np.object_]:
    """Rectangles, in pixels, of the blocks that an area in pixels touches."""
    height, width = shape
    clipped = area.intersection(_frame(shape))
    if clipped.is_empty:
        return np.empty(0, dtype=object)
    left, top, right, bottom = (int(edge // side) for edge in clipped.bounds)
    rows, columns = np.meshgrid(np.arange(top, bottom + 1) * side, np.arange(left, right + 1) * side, indexing="ij")
    x, y = columns.ravel(), rows.ravel()
    boxes = shapely.box(x, y, np.minimum(x + side, width), np.minimum(y + side, height))
    shapely.prepare(clipped)
    touched: NDArray[np.object_] = boxes[(x < width) & (y < height) & shapely.intersects(clipped, boxes)]
    return touched


def _frame(shape: tuple[int, int]) -> BaseGeometry:
    return shapely.box(0, 0, shape[1], shape[0])


def _to_pixels(shape: BaseGeometry, transform: Affine6) -> BaseGeometry:
    to = ~Affine(*transform)
    return shapely.affinity.affine_transform(shape, (to.a, to.b, to.d, to.e, to.c, to.f))
