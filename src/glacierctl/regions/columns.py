"""Which column of a table of regions is what."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import shapely
from pyproj import CRS

from glacierctl.errors import RegionError
from glacierctl.regions.boxes import parse_crs
from glacierctl.regions.rows import Placed, Row

NAME_COLUMNS = ("region", "name", "glacier", "glacier_name", "region_name", "id")
"""Where names are looked for, in this order, in upper or lower case."""

TILES_COLUMNS = ("tiles", "utm_grid", "mgrs", "mgrs_tiles", "tile")
"""Where tiles are looked for, in this order, in upper or lower case."""

WKT_COLUMNS = ("geometry", "wkt")
"""Where a CSV may hold shapes."""

BOUNDS_COLUMNS = ("xmin", "ymin", "xmax", "ymax")
"""Exact bounds. They go before the geometry, which must agree with them."""

CRS_COLUMN = "crs"
"""CRS of the exact bounds, and of the region's grid."""


@dataclass(frozen=True)
class Table:
    """A file of regions as it was read."""

    source: str
    """The file, for messages."""
    columns: tuple[str, ...]
    """All but the geometry of a vector file."""
    rows: Sequence[Mapping[str, Any]]
    """Cells by column."""
    shapes: Sequence[Any] | None
    """Geometries of a vector file, row by row; None for a CSV."""
    crs: CRS | None
    """CRS of the geometries as the file says it."""


@dataclass(frozen=True)
class ColumnChoice:
    """What the user says about the columns; None leaves it to the names of the columns."""

    name: str | None = None
    """Column of names."""
    tiles: str | None = None
    """Column of tiles."""
    crs: str | None = None
    """CRS of the coordinates, for a file that does not say it."""


def rows_of(table: Table, choice: ColumnChoice) -> list[Row]:
    """Rows of a table, with names, tiles, boxes and shapes found in its columns.

    Raises:
        RegionError: a column that is needed, or the CRS, is missing.
    """
    name = _name_column(table, choice.name)
    tiles = _column(table, choice.tiles, "--tiles-column") if choice.tiles else _find(table.columns, TILES_COLUMNS)
    crs_column = _find(table.columns, (CRS_COLUMN,))
    bounds_columns = _bounds_columns(table, crs_column)
    shapes = _shapes(table, needed=bounds_columns is None)
    file_crs = _file_crs(table, choice.crs)
    known_crs: dict[str, CRS] = {}
    rows = []
    for number, (cells, shape) in enumerate(zip(table.rows, shapes, strict=True), 1):
        own = str(cells[crs_column] or "").strip() if crs_column and bounds_columns else ""
        if own and own not in known_crs:
            known_crs[own] = parse_crs(own)
        rows.append(
            Row(
                number,
                cells[name],
                cells[tiles] if tiles else None,
                box=_box(table, cells, bounds_columns, known_crs.get(own, file_crs)),
                keeps_crs=bool(own),
                shape=_placed(table, shape, file_crs, needed=bounds_columns is None),
            )
        )
    return rows


def _name_column(table: Table, asked: str | None) -> str:
    if asked:
        return _column(table, asked, "--name-column")
    found = _find(table.columns, NAME_COLUMNS)
    if found is None:
        raise RegionError(
            f"{table.source} has no column of names",
            why=f"none of its columns is called {', '.join(NAME_COLUMNS)}; they are {_list(table.columns)}",
            hint="Say which one it is with --name-column.",
        )
    return found


def _column(table: Table, asked: str, flag: str) -> str:
    if asked not in table.columns:
        raise RegionError(
            f"{table.source} has no column {asked!r}",
            why=f"its columns are {_list(table.columns)}",
            hint=f"Name one of them with {flag}.",
        )
    return asked


def _bounds_columns(table: Table, crs_column: str | None) -> list[str] | None:
    """Columns of exact bounds. Those of a vector file count only if it says their CRS, for they may mean anything."""
    found = [column for wanted in BOUNDS_COLUMNS if (column := _find(table.columns, (wanted,)))]
    if len(found) < len(BOUNDS_COLUMNS) or (table.shapes is not None and crs_column is None):
        return None
    return found


def _shapes(table: Table, *, needed: bool) -> Sequence[Any]:
    if table.shapes is not None:
        return table.shapes
    column = _find(table.columns, WKT_COLUMNS)
    if column is None and needed:
        raise RegionError(
            f"{table.source} says nowhere where its regions lie",
            why=f"its columns are {_list(table.columns)}",
            hint=f"Add the columns {', '.join(BOUNDS_COLUMNS)}, or one of WKT called {' or '.join(WKT_COLUMNS)}.",
        )
    if column is None:
        return [None] * len(table.rows)
    return [shapely.from_wkt(row[column] or None, on_invalid="ignore") for row in table.rows]


def _file_crs(table: Table, asked: str | None) -> CRS | None:
    if asked is None:
        return table.crs
    crs = parse_crs(asked)
    if table.crs is not None and table.crs != crs:
        raise RegionError(
            f"{table.source} says its CRS itself, and it is not {asked}",
            why=f"it says {table.crs.name}",
            hint="Leave --crs out; it is for files that do not say their CRS.",
        )
    return crs


def _box(table: Table, cells: Mapping[str, Any], columns: Sequence[str] | None, crs: CRS | None) -> Placed | None:
    if columns is None:
        return None
    if crs is None:
        raise _no_crs(table)
    xmin, ymin, xmax, ymax = (_number(cells[column]) for column in columns)
    return Placed((xmin, ymin, xmax, ymax), crs)


def _placed(table: Table, shape: Any, crs: CRS | None, *, needed: bool) -> Placed | None:
    if crs is None and needed:
        raise _no_crs(table)
    return None if shape is None or crs is None else Placed(shape, crs)


def _number(cell: Any) -> float:
    try:
        return float(cell)
    except (TypeError, ValueError):
        return float("nan")


def _no_crs(table: Table) -> RegionError:
    return RegionError(
        f"{table.source} does not say the CRS of its coordinates",
        why="it has none, and --crs was not given",
        hint="Say it with --crs, such as --crs EPSG:3413, or EPSG:4326 for longitude and latitude.",
    )


def _find(columns: Sequence[str], wanted: Sequence[str]) -> str | None:
    by_lower = {column.lower(): column for column in reversed(columns)}
    return next((by_lower[word] for word in wanted if word in by_lower), None)


def _list(columns: Sequence[str]) -> str:
    return ", ".join(columns) or "none"
