"""`glacierctl results`: what a store holds, copies of it, and stacks."""

from typing import TYPE_CHECKING, Any

import typer

from glacierctl.cli import deployment, show
from glacierctl.cli import selection as select
from glacierctl.cli.help import add_command, new_app
from glacierctl.cli.results_open import open_
from glacierctl.cli.results_place import OutputOption, Place, RunArgument, SatelliteOption
from glacierctl.cli.results_sync import sync
from glacierctl.cli.table import Column

if TYPE_CHECKING:
    from collections.abc import Sequence

    from glacierctl.results.catalogue import Listing, Read
    from glacierctl.results.product import StoredProduct

_FAILED = 1
_COLUMNS = (
    Column("region"),
    Column("product", whole=True),
    Column("date", whole=True, spare=2),
    Column("size", numeric=True, spare=1),
    Column("coverage", numeric=True),
    Column("cloud", numeric=True),
)

app = new_app(name="results", help="Results of runs: list, copy and open them.")


def ls(
    run: RunArgument = None,
    *,
    regions: select.RegionsOption = None,
    satellite: SatelliteOption = None,
    output: OutputOption = None,
    bucket: deployment.BucketOption = None,
    prefix: deployment.PrefixOption = None,
    aws_region: deployment.AwsRegionOption = None,
    as_json: show.Json = False,
) -> None:
    """List products with date, size, coverage and cloud.

    All of this is read from the STAC items. Without a run and --regions it lists everything that is whole.
    Exits 1 if an item cannot be understood; the others are listed all the same.

    Examples:
      glacierctl results ls
      glacierctl results ls --regions '*Brae' --satellite landsat
      glacierctl results ls 20240701-20240731-sentinel2-4f1d0c2ab9e3 --json
      glacierctl results ls --output ./results
    """
    from glacierctl.cli.results_progress import counted
    from glacierctl.results.catalogue import list_products, read_products

    place = Place(output=output, bucket=bucket, prefix=prefix, aws_region=aws_region)
    store, wanted = place.find(run, regions, satellite)
    listing = list_products(store, wanted)
    with counted("Reading items", len(listing.products)) as on_read:
        read = read_products(store, listing.products, on_read)
    if as_json:
        show.print_json(listing_document(store.url, listing, read))
    else:
        _show_listing(store.url, listing, read)
    if read.broken:
        raise typer.Exit(_FAILED)


def listing_document(store_url: str, listing: "Listing", read: "Read") -> dict[str, Any]:
    """The products as one JSON document."""
    return {
        "store": store_url,
        "products": [_document(one) for one in read.products],
        "total": {
            "products": len(read.products),
            "regions": _count_regions(read.products),
            "size_bytes": sum(one.size for one in read.products),
        },
        "unfinished": list(listing.unfinished),
        "not_understood": [{"what": one.what, "why": one.why, "hint": one.hint} for one in read.broken],
    }


def _document(product: "StoredProduct") -> dict[str, Any]:
    return {
        "satellite": str(product.satellite),
        "region": product.region,
        "product": product.name,
        "acquired_at": product.acquired_at.isoformat(),
        "size_bytes": product.size,
        "coverage": product.coverage,
        "cloud_share": product.cloud_share,
        "item": product.item_key,
        "image": product.image.key,
    }


def _show_listing(store_url: str, listing: "Listing", read: "Read") -> None:
    if read.products:
        show.print_table(_COLUMNS, [_row(one) for one in read.products])
    for one in read.broken:
        show.print_glacierctl_error(one)
    size = show.format_bytes(sum(one.size for one in read.products))
    show.print_line(f"PRODUCTS {len(read.products)} · REGIONS {_count_regions(read.products)} · {size} in {store_url}")
    if listing.unfinished:
        show.print_line(f"{len(listing.unfinished)} more are not whole: being made, or left by a worker that died.")


def _row(product: "StoredProduct") -> list[str]:
    return [
        product.region,
        product.name,
        f"{product.acquired_at:%Y-%m-%d %H:%M}",
        show.format_bytes(product.size),
        f"{product.coverage:.1%}",
        "" if product.cloud_share is None else f"{product.cloud_share:.0%}",
    ]


def _count_regions(products: "Sequence[StoredProduct]") -> int:
    return len({(one.satellite, one.region) for one in products})


add_command(app, "ls", ls)
add_command(app, "sync", sync)
add_command(app, "open", open_)
