"""Files of regions: GeoPackage, GeoJSON, Shapefile and CSV in; GeoPackage, GeoJSON and CSV out.

Import this module only where files are read or written: geopandas takes a second to load.
"""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import geopandas as gpd
import pyogrio
import shapely
from pyogrio.errors import DataLayerError, DataSourceError
from pyproj import CRS

from glacierctl.errors import RegionError
from glacierctl.model import GREENLAND_CRS, Region
from glacierctl.regions.boxes import is_grid_crs, parse_crs
from glacierctl.regions.columns import ColumnChoice, Table, rows_of
from glacierctl.regions.rows import ReadRegions, regions_from_rows

VECTOR_SUFFIXES = (".gpkg", ".geojson", ".json", ".shp")
"""Suffixes that are read through GDAL."""

EXPORT_DRIVERS = {".gpkg": "GPKG", ".geojson": "GeoJSON", ".json": "GeoJSON"}
"""Suffixes that are written through GDAL, and by which of its drivers."""

_CSV = ".csv"
_LONLAT = "OGC:CRS84"
_EDGE_SEGMENTS = 20


def read_regions(
    path: Path, choice: ColumnChoice, *, layer: str | None = None, grid_crs: str | None = None
) -> ReadRegions:
    """Read and check a file of regions: all of them, or none.

    Args:
        path: GeoPackage, GeoJSON, Shapefile or CSV (columns xmin, ymin, xmax, ymax, or WKT in `geometry` or `wkt`).
        choice: what the user says about the columns.
        layer: of a file that has several.
        grid_crs: CRS of the regions' grids; by default what the file's column `crs` says, else EPSG:3413.

    Raises:
        RegionError: with everything that is wrong.
    """
    if not path.is_file():
        raise RegionError(f"there is no file {path}", why="it does not exist", hint="Check the name and the folder.")
    table = _read_csv(path) if path.suffix.lower() == _CSV else _read_vector(path, layer)
    if not table.rows:
        raise RegionError(f"{path} holds no regions", why="it has no rows", hint="Import a file that has some.")
    return regions_from_rows(rows_of(table, choice), str(path), _grid_crs(grid_crs) if grid_crs else None)


def write_regions(regions: Sequence[Region], path: Path) -> None:
    """Write regions so that reading them back gives exactly the same: GeoPackage, GeoJSON or CSV, by the suffix.

    GeoJSON is in longitude and latitude, as its standard demands, where edges are curves; so the exact bounds stand
    in the columns xmin, ymin, xmax, ymax and crs. A GeoPackage of regions in EPSG:3413 needs them not.

    Raises:
        RegionError: the suffix is another one, or the file cannot be written.
    """
    suffix = path.suffix.lower()
    if suffix not in {*EXPORT_DRIVERS, _CSV}:
        raise _unknown_suffix(path, (*EXPORT_DRIVERS, _CSV))
    try:
        if suffix == _CSV:
            _write_csv(regions, path)
        else:
            _write_vector(regions, path, EXPORT_DRIVERS[suffix])
    except (OSError, DataSourceError) as error:
        raise RegionError(
            f"{path} cannot be written", why=str(error), hint="Name a folder that exists and is yours to write to."
        ) from error


def _grid_crs(text: str) -> CRS:
    crs = parse_crs(text)
    if not is_grid_crs(crs):
        raise RegionError(
            f"grids cannot lie in {text}",
            why="their CRS must be projected, in metres, and have a code",
            hint="Use EPSG:3413 (Greenland), EPSG:3031 (Antarctica) or a UTM zone such as EPSG:32607.",
        )
    return crs


def _read_vector(path: Path, layer: str | None) -> Table:
    if path.suffix.lower() not in VECTOR_SUFFIXES:
        raise _unknown_suffix(path, (*VECTOR_SUFFIXES, _CSV))
    try:
        frame = gpd.read_file(path, layer=_the_layer(path, layer))
    except (DataSourceError, DataLayerError, UnicodeDecodeError) as error:
        raise _unreadable(path, error) from error
    if not isinstance(frame, gpd.GeoDataFrame):
        raise RegionError(f"{path} holds no regions", why="its table has no geometry", hint="Import another file.")
    cells = frame.drop(columns=frame.geometry.name)
    rows = [{str(column): value for column, value in row.items()} for row in cells.to_dict("records")]
    return Table(str(path), tuple(map(str, cells.columns)), rows, frame.geometry.tolist(), frame.crs)


def _the_layer(path: Path, layer: str | None) -> str:
    layers = [str(name) for name, _ in pyogrio.list_layers(path)]
    if layer in layers:
        return str(layer)
    if layer is not None or len(layers) != 1:
        raise RegionError(
            f"{path} has no layer {layer!r}" if layer else f"{path} has {len(layers)} layers",
            why=f"its layers are {', '.join(layers) or 'none'}",
            hint="Name one of them with --layer.",
        )
    return layers[0]


def _read_csv(path: Path) -> Table:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            rows: list[dict[Any, Any]] = list(reader)
            columns = tuple(reader.fieldnames or ())
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise _unreadable(path, error) from error
    ragged = [str(number) for number, row in enumerate(rows, 1) if None in row or None in row.values()]
    if ragged:
        raise RegionError(
            f"{path} is no table",
            why=f"rows with more or fewer cells than the first line has: {', '.join(ragged)}",
            hint="Put quotes around cells that hold commas, such as lists of tiles.",
        )
    return Table(str(path), columns, rows, None, None)


def _write_csv(regions: Sequence[Region], path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, ["name", "tiles", "xmin", "ymin", "xmax", "ymax", "crs"], lineterminator="\n")
        writer.writeheader()
        writer.writerows({**_described(region), **_exact_bounds(region)} for region in regions)


def _write_vector(regions: Sequence[Region], path: Path, driver: str) -> None:
    codes = {region.crs for region in regions}
    crs = next(iter(codes)) if len(codes) == 1 and driver == "GPKG" else _LONLAT
    rows = [{**_described(region), **({} if crs == GREENLAND_CRS else _exact_bounds(region))} for region in regions]
    shapes = [_shape(region, crs) for region in regions]
    path.unlink(missing_ok=True)
    frame = gpd.GeoDataFrame(rows, geometry=shapes, crs=crs)
    frame.to_file(path, driver=driver, layer="regions")


def _described(region: Region) -> dict[str, str]:
    return {"name": region.name, "tiles": ",".join(region.tiles)}


def _exact_bounds(region: Region) -> dict[str, float | str]:
    xmin, ymin, xmax, ymax = region.bounds
    return {"xmin": xmin, "ymin": ymin, "xmax": xmax, "ymax": ymax, "crs": region.crs}


def _shape(region: Region, crs: str) -> Any:
    box = shapely.box(*region.bounds)
    if crs == region.crs:
        return box
    side = max(region.bounds[2] - region.bounds[0], region.bounds[3] - region.bounds[1])
    curved = gpd.GeoSeries([shapely.segmentize(box, side / _EDGE_SEGMENTS)], crs=region.crs).to_crs(crs)
    return shapely.orient_polygons(curved.iloc[0])


def _unknown_suffix(path: Path, known: Sequence[str]) -> RegionError:
    return RegionError(
        f"{path} is of no known kind",
        why=f"it ends with {path.suffix!r}" if path.suffix else "its name has no suffix",
        hint=f"Use a file that ends with {', '.join(known)}.",
    )


def _unreadable(path: Path, error: Exception) -> RegionError:
    return RegionError(
        f"{path} cannot be read",
        why=" ".join(str(error).split()),
        hint="Check that the file is whole and is what its suffix says.",
    )
