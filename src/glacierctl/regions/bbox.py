"""A region from four numbers: any place that is in no catalogue."""

from dataclasses import dataclass

from glacierctl.errors import RegionError
from glacierctl.model import GREENLAND_CRS, Bounds, Region
from glacierctl.regions.boxes import (
    crs_code,
    grid_crs_for,
    grown_to_whole_pixels,
    parse_crs,
    size_problem,
    transform_box,
)

_EXAMPLE = "Give xmin,ymin,xmax,ymax such as -541690,-1232300,-523390,-1211600, longitude before latitude in degrees."
_NUMBERS = 4


@dataclass(frozen=True)
class BoxRegion:
    """A region made of a box."""

    region: Region
    """Its bounds are those asked for, or contain them."""
    note: str
    """What was done to the bounds, in a sentence for the user; empty if they are as asked for."""


def bbox_region(text: str, crs: str = GREENLAND_CRS) -> BoxRegion:
    """Read `xmin,ymin,xmax,ymax` in `crs` (x or longitude first) as a region with a grid of whole pixels.

    The grid lies in `crs` if that is projected and in metres; else see `grid_crs_for`. The region's name is made
    of its bounds and, outside EPSG:3413, of the CRS.

    Raises:
        RegionError: these are not four numbers in order, the CRS is unknown, or the box is not of this world.
    """
    asked, source = _parse_bounds(text), parse_crs(crs)
    target = grid_crs_for(asked, source)
    bounds = transform_box(asked, source, target)
    problem = size_problem(bounds)
    if problem:
        raise _refused(text, problem)
    bounds = grown_to_whole_pixels(bounds)
    code = crs_code(target)
    assert code is not None, "grid_crs_for gives only CRS that have a code"
    note = (
        ""
        if bounds == asked
        else f"The region is {_join(bounds, ',')} in {code}: whole pixels around the box asked for."
    )
    return BoxRegion(Region(name=_name(bounds, code), bounds=bounds, crs=code), note)


def _parse_bounds(text: str) -> Bounds:
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError as error:
        raise _refused(text, str(error)) from error
    if len(numbers) != _NUMBERS:
        raise _refused(text, f"it has {len(numbers)} numbers, not four")
    xmin, ymin, xmax, ymax = numbers
    if not (xmin < xmax and ymin < ymax):
        raise _refused(text, "xmin must be below xmax, and ymin below ymax")
    return xmin, ymin, xmax, ymax


def _refused(text: str, why: str) -> RegionError:
    return RegionError(f"the box {text!r} cannot be used", why=why, hint=_EXAMPLE)


def _join(bounds: Bounds, separator: str) -> str:
    return separator.join(format(edge, ".10g") for edge in bounds)


def _name(bounds: Bounds, crs: str) -> str:
    place = "" if crs == GREENLAND_CRS else "_" + crs.lower().replace(":", "")
    return f"bbox_{_join(bounds, '_')}{place}"
