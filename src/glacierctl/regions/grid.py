"""A region's grid: the pixels of its products."""

from affine import Affine
from odc.geo.geobox import GeoBox

from glacierctl.model import Region
from glacierctl.regions.shape import grid_shape


def region_grid(region: Region, resolution_m: float) -> GeoBox:
    """Grid whose outer edges are the region's bounds exactly: north up, square pixels of `resolution_m`.

    odc-geo's own constructors snap bounds to multiples of the resolution, which at 15 m would shift 166 of
    Greenland's 192 regions; so the affine is written down here.

    Raises:
        RegionError: the sides are not whole numbers of pixels.
    """
    xmin, _, _, ymax = region.bounds
    affine = Affine(resolution_m, 0, xmin, 0, -resolution_m, ymax)
    return GeoBox(grid_shape(region, resolution_m), affine, region.crs)
