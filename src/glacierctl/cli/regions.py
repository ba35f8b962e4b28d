"""`glacierctl regions`: the catalogue of regions."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from glacierctl.cli import show
from glacierctl.cli.completion import complete_regions
from glacierctl.cli.help import add_command, new_app
from glacierctl.cli.table import Column
from glacierctl.errors import RegionError

if TYPE_CHECKING:
    from glacierctl.model import Region
    from glacierctl.regions.catalogue import Merge, RegionCatalogue

app = new_app(name="regions", help="The catalogue of regions: list, show, import and export them.")

_RESOLUTIONS_M = (10, 15)
_COLUMNS = (
    Column("name", whole=True),
    Column("km2", numeric=True, whole=True),
    Column("10 m pixels", numeric=True, whole=True),
    Column("tiles"),
    Column("origin", whole=True),
)


def list_regions(
    pattern: Annotated[
        str, typer.Argument(metavar="PATTERN", help="A shell pattern, or a part of a name.", show_default=False)
    ] = "*",
    *,
    as_json: show.Json = False,
) -> None:
    """List regions, sorted by name.

    Tiles stand in order of preference; the origin is built-in or imported.

    Examples:
      glacierctl regions list
      glacierctl regions list '*Brae'
      glacierctl regions list ryder --json
    """
    catalogue = _catalogue()
    found = catalogue.search(pattern)
    if not found:
        raise RegionError(
            f"no region matches {pattern!r}",
            why=f"there are {len(catalogue.regions)} regions",
            hint="See them all with `glacierctl regions list`, or add more with `glacierctl regions import FILE`.",
        )
    if as_json:
        show.print_json({"regions": [_document(region, catalogue) for region in found]})
        return
    rows = [_row(region, catalogue) for region in found]
    show.print_table(_COLUMNS, rows, caption=f"{len(found)} of {len(catalogue.regions)} regions")


def show_region(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the region.", autocompletion=complete_regions)],
    *,
    as_json: show.Json = False,
) -> None:
    """Show one region: bounds, size, pixels, tiles and place.

    Examples:
      glacierctl regions show 163_Bowdoin
      glacierctl regions show 191_Hagen_Brae --json
    """
    catalogue = _catalogue()
    found = catalogue.select(name)
    if len(found) > 1:
        raise RegionError(
            f"{name} means {len(found)} regions",
            why="only one can be shown",
            hint=f"See them with `glacierctl regions list`, or show one, such as {found[0].name}.",
        )
    region = found[0]
    document = _document(region, catalogue) | {"centre_lonlat": list(_centre_lonlat(region))}
    if as_json:
        show.print_json({"region": document})
    else:
        show.print_facts(_facts(region, document))


def import_regions(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="GeoPackage, GeoJSON, Shapefile or CSV.")],
    *,
    name_column: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Column of names; else one called region, name, glacier, ...")
    ] = None,
    tiles_column: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Column of MGRS tiles; else one called tiles, utm_grid, ...")
    ] = None,
    layer: Annotated[str | None, typer.Option(metavar="LAYER", help="Layer of a file that has several.")] = None,
    crs: Annotated[
        str | None, typer.Option(metavar="CRS", help="CRS of the coordinates, for a file that does not say it.")
    ] = None,
    grid_crs: Annotated[
        str | None, typer.Option(metavar="CRS", help="CRS of the regions' grids.  [default: EPSG:3413]")
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Replace regions of the same name.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check the file and change nothing.")] = False,
    as_json: show.Json = False,
) -> None:
    """Add the regions of a file to the catalogue.

    All of them are added, or none if anything is wrong. A CSV has the columns xmin, ymin, xmax and ymax, or shapes as
    WKT in a column geometry or wkt. Boxes in EPSG:3413 are taken exactly; other shapes become their bounding box
    there. Sides that are no multiples of 30 m (whole pixels of both Sentinel-2 and Landsat) grow outward. Without
    tiles, every scene that overlaps is used.

    Examples:
      glacierctl regions import glaciers.gpkg
      glacierctl regions import outlines.shp --name-column GLIMS_ID --dry-run
      glacierctl regions import boxes.csv --crs EPSG:4326
      glacierctl regions import alaska.geojson --grid-crs EPSG:32607 --replace
    """
    from glacierctl.config import current_settings
    from glacierctl.regions.catalogue import IMPORTED_FILE, RegionCatalogue
    from glacierctl.regions.columns import ColumnChoice
    from glacierctl.regions.files import read_regions

    choice = ColumnChoice(name=name_column, tiles=tiles_column, crs=crs)
    read = read_regions(file, choice, layer=layer, grid_crs=grid_crs)
    data_dir = current_settings({}).data_dir
    merge = RegionCatalogue.load(data_dir).merged(read.regions, replace=replace)
    if not dry_run:
        merge.catalogue.save(data_dir)
    if as_json:
        show.print_json(
            {
                "added": merge.added,
                "replaced": merge.replaced,
                "unchanged": merge.unchanged,
                "notes": read.notes,
                "kept_in": str(data_dir / IMPORTED_FILE),
                "dry_run": dry_run,
            }
        )
        return
    for note in read.notes:
        show.say(note)
    show.print_line(_import_summary(merge, file, dry_run=dry_run))


def export_regions(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Ends with .gpkg, .geojson or .csv.")],
    *,
    regions: Annotated[
        str,
        typer.Option(
            metavar="EXPR",
            help="Names or patterns, with commas between; `all`; or a slice of the sorted list, such as 0:65.",
            autocompletion=complete_regions,
        ),
    ] = "all",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file that exists.")] = False,
    as_json: show.Json = False,
) -> None:
    """Write regions to a GeoPackage, GeoJSON or CSV file.

    Importing that file gives exactly the same regions again.

    Examples:
      glacierctl regions export regions.gpkg
      glacierctl regions export some.geojson --regions '163_Bowdoin,*Brae'
      glacierctl regions export first.csv --regions 0:10
    """
    if file.exists() and not overwrite:
        raise RegionError(f"{file} exists", why="it would be lost", hint="Name another file, or say --overwrite.")
    from glacierctl.regions.files import write_regions

    chosen = _catalogue().select(regions)
    write_regions(chosen, file)
    if as_json:
        show.print_json({"exported": [region.name for region in chosen], "file": str(file)})
    else:
        show.print_line(f"Exported {show.counted(len(chosen), 'region')} to {file}.")


add_command(app, "list", list_regions)
add_command(app, "show", show_region)
add_command(app, "import", import_regions)
add_command(app, "export", export_regions)


def _catalogue() -> "RegionCatalogue":
    from glacierctl.config import current_settings
    from glacierctl.regions.catalogue import RegionCatalogue

    return RegionCatalogue.load(current_settings({}).data_dir)


def _document(region: "Region", catalogue: "RegionCatalogue") -> dict[str, Any]:
    shapes = {f"shape_{resolution_m}m": _shape(region, resolution_m) for resolution_m in _RESOLUTIONS_M}
    document = region.model_dump(mode="json")
    return document | {"area_km2": region.area_km2, **shapes, "origin": catalogue.origin(region.name)}


def _shape(region: "Region", resolution_m: float) -> tuple[int, int] | None:
    """(height, width); None where the region is no whole number of such pixels."""
    from glacierctl.regions.shape import grid_shape

    try:
        return grid_shape(region, resolution_m)
    except RegionError:
        return None


def _row(region: "Region", catalogue: "RegionCatalogue") -> tuple[str, ...]:
    size = _size(_shape(region, _RESOLUTIONS_M[0]))
    return region.name, f"{region.area_km2:.0f}", size, ", ".join(region.tiles), catalogue.origin(region.name)


def _size(shape: tuple[int, int] | None) -> str:
    """Width and height, as people say it."""
    return f"{shape[1]} x {shape[0]}" if shape else "not whole"


def _facts(region: "Region", document: dict[str, Any]) -> list[tuple[str, str]]:
    xmin, ymin, xmax, ymax = region.bounds
    lon, lat = document["centre_lonlat"]
    pixels = [
        (f"{resolution_m} m pixels", _size_and_count(document[f"shape_{resolution_m}m"]))
        for resolution_m in _RESOLUTIONS_M
    ]
    return [
        ("name", region.name),
        ("origin", document["origin"]),
        ("CRS", region.crs),
        ("bounds", f"{xmin:.10g},{ymin:.10g},{xmax:.10g},{ymax:.10g}"),
        ("size", f"{(xmax - xmin) / 1000:.2f} x {(ymax - ymin) / 1000:.2f} km, {region.area_km2:.1f} km2"),
        *pixels,
        ("tiles", ", ".join(region.tiles) or "every one that overlaps"),
        ("centre", f"{abs(lat):.4f} {'N' if lat >= 0 else 'S'}, {abs(lon):.4f} {'E' if lon >= 0 else 'W'}"),
    ]


def _size_and_count(shape: tuple[int, int] | None) -> str:
    return f"{_size(shape)}, {show.format_megapixels(shape[0] * shape[1])}" if shape else _size(shape)


def _centre_lonlat(region: "Region") -> tuple[float, float]:
    from pyproj import Transformer

    xmin, ymin, xmax, ymax = region.bounds
    to_lonlat = Transformer.from_crs(region.crs, "EPSG:4326", always_xy=True)
    lon, lat = to_lonlat.transform((xmin + xmax) / 2, (ymin + ymax) / 2)
    return round(lon, 6), round(lat, 6)


def _import_summary(merge: "Merge", file: Path, *, dry_run: bool) -> str:
    verb = "Would import" if dry_run else "Imported"
    parts = [f"{verb} {show.counted(len(merge.added) + len(merge.replaced), 'region')} from {file}"]
    if merge.replaced:
        parts.append(f"{len(merge.replaced)} of them replace others")
    if merge.unchanged:
        parts.append(f"{len(merge.unchanged)} were there already")
    return "; ".join(parts) + f". The catalogue has {len(merge.catalogue.regions)}."
