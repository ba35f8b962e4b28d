"""Boxes: from any CRS into the CRS of a grid, with sides that are whole numbers of every product's pixels."""

import math

from pyproj import CRS, Transformer
from pyproj.exceptions import CRSError, ProjError

from glacierctl.errors import RegionError
from glacierctl.model import GREENLAND_CRS, Bounds

WHOLE_M = 30
"""A side of this many metres, or a multiple, is a whole number of both Sentinel-2's 10 m and Landsat's 15 m pixels."""

MAX_SIDE_M = 1_000_000
"""Longest side of a region. The largest of Greenland's is 136 km; beyond this, coordinates are wrong or mixed up."""

ANTARCTIC_CRS = "EPSG:3031"
"""WGS 84 / Antarctic Polar Stereographic, true at 71 S."""

_POLAR_CIRCLE_DEG = 60.0
_EDGE_POINTS = 51
_TOLERANCE_M = 1e-6


def parse_crs(text: str) -> CRS:
    """Read a CRS as users write it: `EPSG:32622`, a proj string or WKT.

    Raises:
        RegionError: PROJ does not know it.
    """
    try:
        return CRS.from_user_input(text)
    except CRSError as error:
        raise RegionError(
            f"the CRS {text!r} is unknown",
            why=" ".join(str(error).split()),
            hint="Give an authority code such as EPSG:3413 (Greenland), EPSG:32622 (UTM 22 N) or EPSG:4326 (degrees).",
        ) from error


def crs_code(crs: CRS) -> str | None:
    """Authority code such as `EPSG:3413`; None if the CRS has none."""
    authority = crs.to_authority()
    return ":".join(authority) if authority else None


def is_grid_crs(crs: CRS) -> bool:
    """Whether grids can lie in this CRS: projected, in metres, and known by a code."""
    metres = all(axis.unit_conversion_factor == 1.0 for axis in crs.axis_info[:2])
    return crs.is_projected and metres and crs_code(crs) is not None


def grid_crs_for(bounds: Bounds, crs: CRS) -> CRS:
    """Return the CRS of the grid of a box: its own if grids can lie in it, else one that is true to scale there.

    That is EPSG:3413 north of 60 N, EPSG:3031 south of 60 S, between them the UTM zone of the box's centre.
    """
    if is_grid_crs(crs):
        return crs
    west, south, east, north = transform_box(bounds, crs, CRS.from_epsg(4326))
    if south >= _POLAR_CIRCLE_DEG:
        return CRS.from_user_input(GREENLAND_CRS)
    if north <= -_POLAR_CIRCLE_DEG:
        return CRS.from_user_input(ANTARCTIC_CRS)
    zone = min(int(((west + east) / 2 + 180) // 6) + 1, 60)
    hemisphere = 326 if south + north >= 0 else 327
    return CRS.from_epsg(hemisphere * 100 + zone)


def transform_box(bounds: Bounds, source: CRS, target: CRS) -> Bounds:
    """Bounding box in `target` of a box in `source`, whose edges become curves. (xmin, ymin, xmax, ymax), x first.

    Raises:
        RegionError: the box lies where one of the two CRS is not defined.
    """
    if source == target:
        return bounds
    try:
        transformer = Transformer.from_crs(source, target, always_xy=True)
        xmin, ymin, xmax, ymax = transformer.transform_bounds(*bounds, densify_pts=_EDGE_POINTS)
    except ProjError as error:
        raise _outside(bounds, source, target, str(error)) from error
    if not all(map(math.isfinite, (xmin, ymin, xmax, ymax))):
        raise _outside(bounds, source, target, "coordinates become infinite")
    return xmin, ymin, xmax, ymax


def grown_to_whole_pixels(bounds: Bounds) -> Bounds:
    """Same box if its sides are multiples of 30 m; else the smallest such around it.

    A box that grows keeps its left and upper edge where these are whole half metres, as the edges of Landsat's pixels
    are, so that its pixels stay those of the scenes.
    """
    xmin, ymin, xmax, ymax = bounds
    if not _is_whole(xmax - xmin):
        xmin = math.floor(2 * xmin) / 2
        xmax = xmin + WHOLE_M * math.ceil((xmax - xmin) / WHOLE_M)
    if not _is_whole(ymax - ymin):
        ymax = math.ceil(2 * ymax) / 2
        ymin = ymax - WHOLE_M * math.ceil((ymax - ymin) / WHOLE_M)
    return xmin, ymin, xmax, ymax


def size_problem(bounds: Bounds) -> str | None:
    """What is wrong with the size of a box in metres, in words; None if nothing is."""
    xmin, ymin, xmax, ymax = bounds
    if not all(map(math.isfinite, bounds)):
        return "its bounds are not all numbers"
    if xmin >= xmax or ymin >= ymax:
        return "it encloses no area: xmin must be below xmax, ymin below ymax"
    if max(xmax - xmin, ymax - ymin) > MAX_SIDE_M:
        return f"it is {(xmax - xmin) / 1000:.6g} x {(ymax - ymin) / 1000:.6g} km, more than 1000 km a side"
    return None


def _is_whole(side_m: float) -> bool:
    return abs(side_m - WHOLE_M * round(side_m / WHOLE_M)) < _TOLERANCE_M


def _outside(bounds: Bounds, source: CRS, target: CRS, why: str) -> RegionError:
    return RegionError(
        f"the box {','.join(f'{edge:g}' for edge in bounds)} cannot be brought from {source.name} into {target.name}",
        why=why,
        hint="Check the order of the numbers (xmin,ymin,xmax,ymax; longitude before latitude) and the CRS.",
    )
