"""The shape of a region's grid. Apart from the grid itself, so that listing regions need not load odc-geo."""

from glacierctl.errors import RegionError
from glacierctl.model import Region

_WHOLE_PIXEL_TOLERANCE = 1e-6


def grid_shape(region: Region, resolution_m: float) -> tuple[int, int]:
    """(height, width) of the region in pixels of `resolution_m`.

    Raises:
        RegionError: the sides are not whole numbers of pixels.
    """
    xmin, ymin, xmax, ymax = region.bounds
    width, height = (xmax - xmin) / resolution_m, (ymax - ymin) / resolution_m
    shape = (round(height), round(width))
    if max(abs(height - shape[0]), abs(width - shape[1])) > _WHOLE_PIXEL_TOLERANCE or min(shape) < 1:
        raise RegionError(
            f"the region {region.name} has no whole number of {resolution_m:g} m pixels",
            why=f"its sides are {xmax - xmin:g} m and {ymax - ymin:g} m",
            hint=f"Use bounds whose sides are multiples of {resolution_m:g} m.",
        )
    return shape
