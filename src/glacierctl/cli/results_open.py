"""`glacierctl results open`: products as stacks, one for each region."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from glacierctl.cli import deployment, show
from glacierctl.cli import selection as select
from glacierctl.cli.results_place import OutputOption, Place, RunArgument, SatelliteOption
from glacierctl.cli.results_stacks import Target, open_stacks, stacks_document
from glacierctl.cli.table import Column
from glacierctl.errors import UsageError

if TYPE_CHECKING:
    from glacierctl.results.catalogue import Wanted
    from glacierctl.storage import Store

_FAILED = 1
_NAMED = 5
"""How many regions an error names."""
_PLACED = {"written": "written to", "same": "already in", "new": "would go to"}
_COLUMNS = (
    Column("region"),
    Column("images", numeric=True),
    Column("first"),
    Column("last"),
    Column("grid"),
    Column("in memory", numeric=True),
    Column("stack"),
)


def open_(
    run: RunArgument = None,
    *,
    regions: select.RegionsOption = None,
    satellite: SatelliteOption = None,
    to: Annotated[
        str | None,
        typer.Option(
            "--to",
            metavar="DIR|FILE",
            help="Write: a folder takes a .zarr of each region; a .zarr or .nc file takes one region.",
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be written, and write nothing.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")] = False,
    output: OutputOption = None,
    bucket: deployment.BucketOption = None,
    prefix: deployment.PrefixOption = None,
    aws_region: deployment.AwsRegionOption = None,
    as_json: show.Json = False,
) -> None:
    """Open products as stacks (time, y, x), one a region.

    Of a run, of --regions, or of the regions of a run. Without --to it tells what the stacks hold, and reads no pixel.
    With --to it writes Zarr or NetCDF, a few pieces in memory at a time; a stack that is there and holds the same
    products is left as it is, so what was interrupted is completed by the same command. Exits 1 if a stack could not be
    made; the others are made all the same. In Python: glacierctl.results.open_stack. Needs the extra packages `stack`.

    Examples:
      glacierctl results open 4f1d
      glacierctl results open 4f1d --to stacks/
      glacierctl results open --regions 163_Bowdoin --satellite landsat --to bowdoin.nc
    """
    from glacierctl.results.stack import require_packages

    require_packages()
    if run is None and regions is None:
        raise UsageError(
            "it is not said what is to be opened",
            why="neither a run nor --regions is given",
            hint="For example `glacierctl results open 4f1d`, or `glacierctl results open --regions 163_Bowdoin`.",
        )
    target = Target.of(to, overwrite=overwrite, dry_run=dry_run) if to else None
    place = Place(output=output, bucket=bucket, prefix=prefix, aws_region=aws_region)
    store, wanted = place.find(run, regions, satellite)
    found = _regions(store, wanted)
    if target and target.is_file and len(found) > 1:
        raise _too_many(found, target.path)
    document = stacks_document(store.url, open_stacks(store, found, place.s3_client, target))
    if as_json:
        show.print_json(document)
    else:
        _show(document)
    if document["failed"]:
        raise typer.Exit(_FAILED)


def _regions(store: "Store", wanted: "Wanted") -> "dict[str, Wanted]":
    """What is wanted of each region that has products; each of one mission."""
    from glacierctl.results.catalogue import Wanted, list_products

    missions: dict[str, set[Any]] = {}
    for one in list_products(store, wanted).products:
        missions.setdefault(one.region, set()).add(one.satellite)
    if not missions:
        raise UsageError(
            "there are no products to open",
            why=f"none that is meant is in {store.url}",
            hint="`glacierctl results ls` shows what there is.",
        )
    mixed = [name for name, having in missions.items() if len(having) > 1]
    if mixed:
        raise UsageError(
            "a stack is of one mission",
            why=f"{_named(mixed)} {'has' if len(mixed) == 1 else 'have'} products of sentinel2 and landsat",
            hint="Say --satellite sentinel2 or --satellite landsat.",
        )
    return {
        name: Wanted(tuple(having), frozenset({name}), wanted.products) for name, having in sorted(missions.items())
    }


def _too_many(found: "dict[str, Wanted]", path: Path) -> UsageError:
    return UsageError(
        f"{path.name} cannot take the stacks of {len(found)} regions",
        why=f"a stack is of one region; meant are {_named(list(found))}",
        hint=f"Name a folder, such as --to {path.stem}/, that takes a .zarr of each; or one region with --regions.",
    )


def _named(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _show(document: dict[str, Any]) -> None:
    stacks, failed = document["stacks"], document["failed"]
    if len(stacks) == 1 and not failed:
        show.print_facts(_facts(stacks[0], document["store"]))
        return
    if stacks:
        show.print_table(_COLUMNS, [_row(one) for one in stacks])
    for one in failed:
        show.print_error(one["what"], why=one["why"], hint=one["hint"])
    images = sum(len(one["products"]) for one in stacks)
    size = show.format_bytes(sum(one["size_bytes"] for one in stacks))
    show.print_line(
        f"STACKS {len(stacks)} · IMAGES {images} · FAILED {len(failed)} · {size} in memory, from {document['store']}"
    )


def _facts(stack: dict[str, Any], store_url: str) -> list[tuple[str, str]]:
    place = [(_PLACED[stack["state"]], stack["path"])] if stack["path"] else []
    return [
        ("region", stack["region"]),
        ("satellite", stack["satellite"]),
        ("images", f"{stack['shape'][0]}, {stack['first'][:10]} to {stack['last'][:10]}"),
        ("grid", _grid(stack)),
        ("in memory", show.format_bytes(stack["size_bytes"])),
        ("read from", store_url),
        *place,
    ]


def _row(stack: dict[str, Any]) -> list[str]:
    return [
        stack["region"],
        str(stack["shape"][0]),
        stack["first"][:10],
        stack["last"][:10],
        _grid(stack),
        show.format_bytes(stack["size_bytes"]),
        f"{stack['state']}: {stack['path']}" if stack["path"] else "",
    ]


def _grid(stack: dict[str, Any]) -> str:
    _, height, width = stack["shape"]
    return f"{width} x {height} px of {stack['transform'][0]:g} m, {stack['crs']}"
