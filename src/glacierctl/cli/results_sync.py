"""`glacierctl results sync`: copies of products on this machine."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from glacierctl.cli import deployment, show
from glacierctl.cli import selection as select
from glacierctl.cli.results_place import OutputOption, Place, RunArgument, SatelliteOption
from glacierctl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from glacierctl.results.catalogue import Listing
    from glacierctl.results.sync import FileOutcome, Manner, ProductOutcome
    from glacierctl.storage import FolderStore, Store

_FAILED = 1
_NAMED = 20
"""How many failures are told one by one."""

ToOption = Annotated[
    str, typer.Option("--to", metavar="DIR", help="Folder that the products are copied to, laid out as in the store.")
]
IncludeOption = Annotated[
    str, typer.Option("--include", metavar="KINDS", help="Which files, with commas between: tif, json, png, csv.")
]


def sync(
    run: RunArgument = None,
    *,
    regions: select.RegionsOption = None,
    satellite: SatelliteOption = None,
    to: ToOption = "./results",
    include: IncludeOption = "tif,json,png,csv",
    verify: Annotated[
        bool, typer.Option("--verify", help="Read what is here already, and compare every checksum again.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be copied, and copy nothing.")] = False,
    output: OutputOption = None,
    bucket: deployment.BucketOption = None,
    prefix: deployment.PrefixOption = None,
    aws_region: deployment.AwsRegionOption = None,
    as_json: show.Json = False,
) -> None:
    """Copy what is new to a folder, checksums compared.

    Every file is compared with the size and SHA-256 in its product's STAC item. It appears whole or not at all, an item
    after its files. What was killed is completed by the same command again, what is here already is not copied again,
    and nothing is removed. At the end the table of each region's sources is written. Exits 1 if a file could not be
    copied; the others are copied all the same.

    Examples:
      glacierctl results sync
      glacierctl results sync 4f1d --to season-2024
      glacierctl results sync --regions '*Brae' --include tif,json --dry-run
    """
    from glacierctl.cli.results_progress import watch_copying
    from glacierctl.results.catalogue import list_products
    from glacierctl.results.sync import Manner
    from glacierctl.results.sync import sync as copy
    from glacierctl.storage import FolderStore

    kinds = _kinds(include)
    place = Place(output=output, bucket=bucket, prefix=prefix, aws_region=aws_region)
    store, wanted = place.find(run, regions, satellite)
    target = FolderStore(Path(to))
    _refuse_same_place(store, target)
    listing = list_products(store, wanted)
    with watch_copying(len(listing.products)) as watcher:
        manner = Manner(include=kinds, verify=verify, dry_run=dry_run, on_bytes=watcher.arrived)
        outcomes = []
        for outcome in copy(store, listing.products, target, manner):
            outcomes.append(outcome)
            watcher.ended(outcome)
    if "csv" in kinds and not dry_run:
        _combine(target, outcomes)
    _show(store, target, listing, outcomes, manner, as_json=as_json)
    if _failed(outcomes):
        raise typer.Exit(_FAILED)


def sync_document(
    store: "Store", target: "FolderStore", listing: "Listing", outcomes: "Sequence[ProductOutcome]", manner: "Manner"
) -> dict[str, Any]:
    """What was copied as one JSON document; what was here already is counted only."""
    from glacierctl.results.sync import State

    files = [file for one in outcomes for file in one.files]
    counts = Counter(file.state for file in files)
    return {
        "store": store.url,
        "folder": target.url,
        "dry_run": manner.dry_run,
        "files": [_file_document(file) for file in files if file.state is not State.SAME],
        "total": {
            "products": len(outcomes),
            **{str(state): counts[state] for state in State},
            "size_bytes": _size(files),
        },
        "unfinished": list(listing.unfinished),
    }


def _kinds(text: str) -> frozenset[str]:
    from glacierctl.results.sync import SUFFIXES

    kinds = frozenset(part.strip().lower().removeprefix(".") for part in text.split(",")) - {""}
    if not kinds or not kinds <= set(SUFFIXES):
        raise UsageError(
            f"--include {text!r} names no kinds of files",
            why=f"unknown: {', '.join(sorted(kinds - set(SUFFIXES))) or 'it is empty'}",
            hint=f"Name some of {', '.join(SUFFIXES)}, with commas between.",
        )
    return kinds


def _refuse_same_place(store: "Store", target: "FolderStore") -> None:
    if "://" not in store.url and Path(store.url).resolve() == target.root.resolve():
        raise UsageError(
            "the results are in that folder already",
            why=f"they are read from {store.url} and would be copied to {target.url}",
            hint="Name another folder with --to, or another place to read from with --output.",
        )


def _combine(target: "FolderStore", outcomes: "Sequence[ProductOutcome]") -> None:
    """Let the table of each region hold all products that are here, those of earlier copies too."""
    from glacierctl.processing.lineage import combine_lineage

    for satellite, region in dict.fromkeys((one.satellite, one.region) for one in outcomes if one.files):
        combine_lineage(target, satellite, region)


def _show(
    store: "Store",
    target: "FolderStore",
    listing: "Listing",
    outcomes: "Sequence[ProductOutcome]",
    manner: "Manner",
    *,
    as_json: bool,
) -> None:
    if as_json:
        show.print_json(sync_document(store, target, listing, outcomes, manner))
        return
    failed = _failed(outcomes)
    for one in failed[:_NAMED]:
        if one.error:
            show.print_glacierctl_error(one.error)
    if len(failed) > _NAMED:
        show.say(f"... and {len(failed) - _NAMED} more; --json names all.")
    show.print_line(_summary(store, target, outcomes, manner))
    if listing.unfinished:
        show.print_line(f"{len(listing.unfinished)} more products are not whole in the store, and were left out.")


def _summary(store: "Store", target: "FolderStore", outcomes: "Sequence[ProductOutcome]", manner: "Manner") -> str:
    from glacierctl.results.sync import State

    files = [file for one in outcomes for file in one.files]
    counts = Counter(file.state for file in files)
    did = State.NEW if manner.dry_run else State.COPIED
    return (
        f"{did.upper()} {counts[did]} ({show.format_bytes(_size(files))}) · SAME {counts[State.SAME]} · "
        f"FAILED {counts[State.FAILED]} · {show.counted(len(outcomes), 'product')}, from {store.url} to {target.url}"
    )


def _failed(outcomes: "Sequence[ProductOutcome]") -> "list[FileOutcome]":
    from glacierctl.results.sync import State

    return [file for one in outcomes for file in one.having(State.FAILED)]


def _size(files: "Sequence[FileOutcome]") -> int:
    from glacierctl.results.sync import State

    return sum(file.size for file in files if file.state in {State.COPIED, State.NEW})


def _file_document(file: "FileOutcome") -> dict[str, Any]:
    error = file.error
    return {
        "key": file.key,
        "size_bytes": file.size,
        "state": str(file.state),
        "error": {"what": error.what, "why": error.why, "hint": error.hint} if error else None,
    }
