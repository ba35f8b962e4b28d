"""The selection that `plan` and `run-local` share: which scenes of which regions, and how products are made of them."""

import datetime as dt
import re
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from glacierctl.choices import Resampling, Satellite
from glacierctl.cli import show
from glacierctl.cli.completion import complete_regions
from glacierctl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from types_boto3_s3 import S3Client

    from glacierctl.config import Settings
    from glacierctl.model import Plan, Region, Request
    from glacierctl.planning.catalog import Progress
    from glacierctl.storage import Store

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}|\d{8}")
_STORE_ATTEMPTS = 6
"""How often S3 is asked to take or give one object."""
_STORE_CONNECTIONS = 32
_DATE_HINT = "Write dates as 2024-07-31; they are days in UTC, and both the first and the last are included."


SatelliteOption = Annotated[Satellite, typer.Option("--satellite", help="Which mission's scenes to use.")]
RegionsOption = Annotated[
    str | None,
    typer.Option(
        "--regions",
        metavar="NAMES",
        help="Names or patterns, with commas between; `all`; or a slice of the sorted list, such as 0:65.",
        autocompletion=complete_regions,
    ),
]
BboxOption = Annotated[
    str | None, typer.Option("--bbox", metavar="XMIN,YMIN,XMAX,YMAX", help="Any other place, instead of --regions.")
]
CrsOption = Annotated[
    str | None, typer.Option("--crs", metavar="CODE", help="CRS of --bbox.  [default: EPSG:3413]", show_default=False)
]
StartDateOption = Annotated[str, typer.Option("--start-date", metavar="YYYY-MM-DD", help="First day, UTC, included.")]
EndDateOption = Annotated[
    str,
    typer.Option("--end-date", metavar="YYYY-MM-DD", help="Last day, UTC, included; a day to come means until now."),
]
CatalogOption = Annotated[
    str | None,
    typer.Option(
        "--catalog",
        metavar="URL|PATH",
        help="STAC API or static catalogue.  [default: Earth Search or LandsatLook]",
        show_default=False,
    ),
]
CollectionOption = Annotated[
    str | None,
    typer.Option(
        "--collection",
        metavar="NAME",
        help="Collection to search.  [default: sentinel-2-l2a or landsat-c2l1]",
        show_default=False,
    ),
]
ResamplingOption = Annotated[
    Resampling | None, typer.Option("--resampling", help="How pixels are interpolated.  [default: cubic]")
]
MinCoverageOption = Annotated[
    float | None,
    typer.Option("--min-coverage", metavar="SHARE", help="Least share of valid pixels, 0 to 1.  [default: 0.5]"),
]
MaxCloudOption = Annotated[
    float | None,
    typer.Option("--max-cloud", metavar="SHARE", help="Largest share of cloud over the region, 0 to 1.  [default: 1]"),
]
OutputOption = Annotated[
    str | None,
    typer.Option(
        "--output", metavar="DIR|URL", help="Folder, or s3://bucket/prefix, for the products.  [default: ./results]"
    ),
]
OverwriteOption = Annotated[bool, typer.Option("--overwrite", help="Make products anew that exist.")]


@dataclass(frozen=True, kw_only=True)
class Selection:
    """What was typed; None where a flag was not given."""

    satellite: Satellite
    start_date: str
    end_date: str
    regions: str | None = None
    bbox: str | None = None
    crs: str | None = None
    catalog: str | None = None
    collection: str | None = None
    resampling: Resampling | None = None
    min_coverage: float | None = None
    max_cloud: float | None = None
    output: str | None = None
    workers: int | None = None
    overwrite: bool = False

    def flags(self) -> dict[str, object]:
        """Settings that were given as flags, by the names that `config` has for them."""
        return {
            f"{self.satellite}_catalog": self.catalog,
            f"{self.satellite}_collection": self.collection,
            "resampling": self.resampling,
            "min_coverage": self.min_coverage,
            "max_cloud": self.max_cloud,
            "output": self.output,
            "workers": self.workers,
        }


def build_request(selection: Selection, settings: "Settings", today: dt.date) -> "Request":
    """Turn what was typed into a request.

    Args:
        selection: the text.
        settings: with the selection's flags in them.
        today: the current day, UTC.

    Raises:
        UsageError: a date is malformed, dates are reversed or wholly in the future, or not exactly one of --regions
            and --bbox is given.
        RegionError: a region is unknown, a box is malformed, or a region has no whole number of pixels.
    """
    from glacierctl.model import Options, Request

    start, end = _read_days(selection.start_date, selection.end_date, today)
    return Request(
        satellite=selection.satellite,
        regions=_read_regions(selection, settings),
        start=start,
        end=end,
        catalog=settings.catalog(selection.satellite),
        collection=settings.collection(selection.satellite),
        options=Options(
            resampling=settings.resampling,
            min_coverage=settings.min_coverage,
            max_cloud=settings.max_cloud,
            overwrite=selection.overwrite,
        ),
    )


def find_plan(request: "Request", now: dt.datetime) -> "Plan":
    """Search the request's catalogue and plan, showing how far the search is.

    Raises:
        CatalogError: see `planning.catalog`.
    """
    from glacierctl.planning.catalog import open_catalog
    from glacierctl.planning.plan import make_plan

    if request.end > now.date():
        show.say(f"The end {request.end} lies in the future: until now, {now:%Y-%m-%d %H:%M} UTC.")
    with _search_progress(f"Looking for {request.collection} in {request.catalog}") as progress:
        return make_plan(request, open_catalog(request.catalog), now, progress=progress)


def open_store(settings: "Settings", url: str | None = None) -> "Store":
    """The store that results go to: at `url`, by default where `--output` says.

    Raises:
        UsageError: it is neither a folder nor an s3:// address.
        StoreError: it names no bucket.
    """
    from glacierctl import storage

    return storage.open_store(url or settings.output, lambda: store_client(settings))


def store_client(settings: "Settings") -> "S3Client":
    """A client for stores: it repeats what fails in passing."""
    from glacierctl.aws.session import s3_client

    return s3_client(
        settings.aws_region,
        connect_timeout_s=settings.connect_timeout_s,
        read_timeout_s=settings.read_timeout_s,
        connections=_STORE_CONNECTIONS,
        attempts=_STORE_ATTEMPTS,
    )


def _read_regions(selection: Selection, settings: "Settings") -> "tuple[Region, ...]":
    from glacierctl.model import RESOLUTION_M
    from glacierctl.regions.catalogue import RegionCatalogue
    from glacierctl.regions.grid import region_grid

    if (selection.regions is None) == (selection.bbox is None):
        given = "neither is given" if selection.regions is None else "both are given"
        raise UsageError(
            "exactly one of --regions and --bbox is needed",
            why=given,
            hint="For example --regions 163_Bowdoin, or --bbox -541690,-1232300,-523390,-1211600.",
        )
    if selection.bbox is not None:
        return (_read_box(selection.bbox, selection.crs),)
    if selection.crs is not None:
        raise UsageError(
            f"--crs {selection.crs} says nothing about --regions",
            why="regions have a CRS of their own",
            hint="Leave --crs out, or use it with --bbox.",
        )
    regions = RegionCatalogue.load(settings.data_dir).select(selection.regions or "")
    for region in regions:
        region_grid(region, RESOLUTION_M[selection.satellite])
    return regions


def _read_box(bbox: str, crs: str | None) -> "Region":
    from glacierctl.model import GREENLAND_CRS
    from glacierctl.regions.bbox import bbox_region

    box = bbox_region(bbox, crs or GREENLAND_CRS)
    if box.note:
        show.say(box.note)
    return box.region


def _read_days(start_text: str, end_text: str, today: dt.date) -> tuple[dt.date, dt.date]:
    start, end = _read_day("--start-date", start_text), _read_day("--end-date", end_text)
    if start > end:
        raise UsageError(
            f"the start {start} is after the end {end}",
            why="there is no day between them",
            hint="Let --start-date be the earlier of the two.",
        )
    if start > today:
        raise UsageError(
            f"nothing can have been sensed since {start}",
            why=f"that is in the future; today is {today} UTC",
            hint="Let --start-date be today or earlier; only the end may lie in the future.",
        )
    return start, end


def _read_day(flag: str, text: str) -> dt.date:
    what = f"{flag} {text!r} is not a date"
    if not _DATE.fullmatch(text.strip()):
        raise UsageError(what, why="it is not written as year, month and day", hint=_DATE_HINT)
    try:
        return dt.date.fromisoformat(text.strip())
    except ValueError as error:
        raise UsageError(what, why=str(error), hint=_DATE_HINT) from error


@contextmanager
def _search_progress(title: str) -> "Iterator[Progress]":
    """Shows items received beside a spinner; on anything but a terminal a line at the start."""
    console = show.talk_console()
    if console is None:
        show.say(title)
        yield lambda _received, _matched: None
        return
    with console.status(title) as status:
        yield lambda received, matched: status.update(f"{title}: {_received(received, matched)}")


def _received(count: int, matched: int | None) -> str:
    """How many items have come; static catalogues do not say of how many."""
    return f"{count} of {show.counted(matched, 'item')}" if matched else show.counted(count, "item")
