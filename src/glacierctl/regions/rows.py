"""From the rows of a file of regions to regions. Every row is checked, and all problems are told together."""

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import shapely
from pydantic import TypeAdapter, ValidationError
from pyproj import CRS, Transformer
from shapely.geometry.base import BaseGeometry

from glacierctl.errors import RegionError
from glacierctl.model import GREENLAND_CRS, Bounds, PathSafe, Region
from glacierctl.regions.boxes import (
    WHOLE_M,
    crs_code,
    grown_to_whole_pixels,
    is_grid_crs,
    size_problem,
    transform_box,
)
from glacierctl.regions.names import ALL

_TILE = re.compile(r"(?:MGRS-|T)?(\d{1,2})([C-HJ-NP-X][A-HJ-NP-Z][A-HJ-NP-V])")
"""Zone, latitude band, 100 km square. I and O are left out, and the letters of squares' rows end with V."""

_UTM_ZONES = range(1, 61)
_AGREE_M = 1.0
_SEGMENTS = 50
_NAMES_IN_A_NOTE = 5
_PROBLEMS_TOLD = 20
_PATH_SAFE: TypeAdapter[str] = TypeAdapter(PathSafe)


@dataclass(frozen=True)
class Placed:
    """A box or a shape, and the CRS of its coordinates."""

    what: Bounds | BaseGeometry | None
    """Bounds (xmin, ymin, xmax, ymax), or a geometry as the file has it, which may be none."""
    crs: CRS
    """CRS of the coordinates, x or longitude first."""


@dataclass(frozen=True)
class Row:
    """One region as its file has it, unchecked."""

    number: int
    """Counted from one."""
    name: object
    """What stands in the column of names."""
    tiles: object
    """What stands in the column of tiles."""
    box: Placed | None = None
    """Bounds from the columns xmin, ymin, xmax, ymax."""
    keeps_crs: bool = False
    """The row says the CRS of its box itself, and the region's grid stays in it."""
    shape: Placed | None = None
    """The geometry."""


@dataclass(frozen=True)
class ReadRegions:
    """What a file of regions holds."""

    regions: tuple[Region, ...]
    """In the order of the file."""
    notes: tuple[str, ...]
    """What was done to the shapes of the file, in sentences for the user."""


@dataclass
class _Findings:
    problems: list[str] = field(default_factory=list)
    reshaped: list[str] = field(default_factory=list)
    grown: list[str] = field(default_factory=list)


def regions_from_rows(rows: Sequence[Row], source: str, grid_crs: CRS | None = None) -> ReadRegions:
    """Check all rows and make regions of them: all, or none.

    A box in the CRS of its grid is taken exactly. Anything else becomes its bounding box there, with its edges
    followed point by point. Sides that are no multiples of 30 m grow outward.

    Args:
        rows: of the file.
        source: the file, for messages.
        grid_crs: CRS of the grids; by default that which a row says for itself, else EPSG:3413.

    Raises:
        RegionError: with every problem that was found.
    """
    findings = _Findings()
    regions = [_region(row, grid_crs, findings) for row in rows]
    names = Counter(_text(row.name) for row in rows)
    findings.problems += [f"{name}: {count} regions have this name" for name, count in names.items() if count > 1]
    if findings.problems:
        raise _refused(source, findings.problems)
    return ReadRegions(tuple(region for region in regions if region), tuple(_notes(findings, len(rows))))


def _region(row: Row, grid_crs: CRS | None, findings: _Findings) -> Region | None:
    label = _text(row.name) or f"row {row.number}"
    before = len(findings.problems)
    target = grid_crs or _default_grid_crs(row)
    code = crs_code(target)
    bounds: Bounds | None = None
    tiles: tuple[str, ...] = ()
    for check in (_check_name, _check_agreement):
        findings.problems += [f"{label}: {problem}" for problem in check(row)]
    try:
        tiles = parse_tiles(_text(row.tiles))
    except ValueError as error:
        findings.problems.append(f"{label}: {error}")
    try:
        bounds = _bounds(row, target, label, findings)
    except (ValueError, RegionError) as error:
        findings.problems.append(f"{label}: {error}")
    if bounds is None or code is None or len(findings.problems) > before:
        return None
    return Region(name=label, bounds=bounds, crs=code, tiles=tiles)


def _default_grid_crs(row: Row) -> CRS:
    if row.box and row.keeps_crs and is_grid_crs(row.box.crs):
        return row.box.crs
    return CRS.from_user_input(GREENLAND_CRS)


def _check_name(row: Row) -> list[str]:
    name = _text(row.name)
    if not name:
        return ["it has no name"]
    if name == ALL:
        return ["this name selects every region; choose another"]
    try:
        _PATH_SAFE.validate_python(name)
    except ValidationError:
        return [f"the name is used for folders and cannot be; {clean_name(name)} could"]
    return []


def clean_name(name: str) -> str:
    """Path-safe name that is nearest to `name`: accents dropped, `_` for whatever else is not allowed."""
    ascii_only = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", ascii_only).strip("_.-") or "region"


def parse_tiles(text: str) -> tuple[str, ...]:
    """MGRS tiles from a list with commas, semicolons or blanks, each once: `T19XEG, 1WCR` -> `19XEG`, `01WCR`.

    Raises:
        ValueError: one of them is no tile.
    """
    words = [word for word in re.split(r"[\s,;]+", text) if word]
    found = [_TILE.fullmatch(word.upper()) for word in words]
    bad = [word for word, tile in zip(words, found, strict=True) if not tile or int(tile[1]) not in _UTM_ZONES]
    if bad:
        msg = f"no MGRS tile: {', '.join(bad)} (tiles are like 19XEG or 01WCR)"
        raise ValueError(msg)
    return tuple(dict.fromkeys(f"{int(tile[1]):02d}{tile[2]}" for tile in found if tile))


def _bounds(row: Row, target: CRS, label: str, findings: _Findings) -> Bounds:
    if row.box:
        bounds, exact = _box_bounds(row.box, target)
    else:
        bounds, exact = _shape_bounds(row.shape, target)
    problem = size_problem(bounds)
    if problem:
        raise ValueError(problem)
    grown = grown_to_whole_pixels(bounds)
    if not exact:
        findings.reshaped.append(label)
    elif grown != bounds:
        findings.grown.append(label)
    return grown


def _box_bounds(box: Placed, target: CRS) -> tuple[Bounds, bool]:
    bounds = box.what
    assert isinstance(bounds, tuple)
    xmin, ymin, xmax, ymax = bounds
    if not all(map(math.isfinite, bounds)) or xmin >= xmax or ymin >= ymax:
        msg = f"xmin,ymin,xmax,ymax are {','.join(f'{edge:g}' for edge in bounds)}: min must be below max"
        raise ValueError(msg)
    return transform_box(bounds, box.crs, target), box.crs == target


def _shape_bounds(shape: Placed | None, target: CRS) -> tuple[Bounds, bool]:
    geometry = shape.what if shape else None
    if shape is None or not isinstance(geometry, BaseGeometry) or geometry.is_empty:
        msg = "it has no geometry"
        raise ValueError(msg)
    if geometry.geom_type not in {"Polygon", "MultiPolygon"}:
        msg = f"its geometry is a {geometry.geom_type}; regions are polygons"
        raise ValueError(msg)
    if not geometry.is_valid:
        msg = f"its geometry is invalid: {shapely.is_valid_reason(geometry)}"
        raise ValueError(msg)
    is_box = shape.crs == target and bool(shapely.equals(geometry, shapely.box(*geometry.bounds)))
    return _bounds_in(geometry, shape.crs, target), is_box


def _bounds_in(geometry: BaseGeometry, source: CRS, target: CRS, *, follow_edges: bool = True) -> Bounds:
    if source != target:
        xmin, ymin, xmax, ymax = geometry.bounds
        step = max(xmax - xmin, ymax - ymin) / _SEGMENTS
        detailed = shapely.segmentize(geometry, step) if follow_edges else geometry
        transform = Transformer.from_crs(source, target, always_xy=True).transform
        geometry = shapely.transform(detailed, transform, interleaved=False)
    xmin, ymin, xmax, ymax = (float(edge) for edge in geometry.bounds)
    return xmin, ymin, xmax, ymax


def _check_agreement(row: Row) -> list[str]:
    """Whoever moved the shape in an exported file, but not the columns beside it, meant what we cannot know.

    Corners are compared, not edges: in another CRS these are curves, of which the file holds some points only.
    """
    if row.box is None or row.shape is None or not isinstance(row.shape.what, BaseGeometry) or row.shape.what.is_empty:
        return []
    assert isinstance(row.box.what, tuple)
    drawn = _bounds_in(row.shape.what, row.shape.crs, row.box.crs, follow_edges=False)
    apart = max(abs(a - b) for a, b in zip(drawn, row.box.what, strict=True))
    unit = 1.0 if row.box.crs.is_projected else 1e-5
    if apart <= _AGREE_M * unit:
        return []
    return ["its geometry and its columns xmin,ymin,xmax,ymax disagree; delete the columns to use the geometry"]


def _text(value: object) -> str:
    """Text of a cell; a missing one (None, NaN) is empty, and 12.0, which a table made of 12, is 12 again."""
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.15g}"
    return "" if value is None else str(value).strip()


def _notes(findings: _Findings, total: int) -> list[str]:
    notes = []
    if findings.reshaped:
        notes.append(
            f"{len(findings.reshaped)} of {total} are bounding boxes of what the file draws, in whole pixels of their "
            f"grid's CRS: {_some(findings.reshaped)}."
        )
    if findings.grown:
        notes.append(
            f"{len(findings.grown)} of {total} grew outward to sides that are multiples of {WHOLE_M} m: "
            f"{_some(findings.grown)}."
        )
    return notes


def _some(names: Sequence[str]) -> str:
    more = len(names) - _NAMES_IN_A_NOTE
    return ", ".join(names[:_NAMES_IN_A_NOTE]) + (f" and {more} more" if more > 0 else "")


def _refused(source: str, problems: Sequence[str]) -> RegionError:
    more = len(problems) - _PROBLEMS_TOLD
    told = "; ".join(problems[:_PROBLEMS_TOLD]) + (f"; and {more} more" if more > 0 else "")
    plural = "problems" if len(problems) > 1 else "problem"
    return RegionError(
        f"nothing was imported from {source}: {len(problems)} {plural}",
        why=told,
        hint="Mend the file and import it again.",
    )
