"""Which store results are read from, and which of its products are meant."""

import contextlib
import shlex
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated

import typer

from glacierctl.choices import Satellite
from glacierctl.cli import deployment, ledgers, show
from glacierctl.cli import selection as select
from glacierctl.errors import RegionError, StoreError, UsageError

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

    from glacierctl.config import Settings
    from glacierctl.regions.catalogue import RegionCatalogue
    from glacierctl.results.catalogue import Wanted
    from glacierctl.runs.reader import LedgerReader
    from glacierctl.storage import Store

RunArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="RUN",
        help="Id of a run, or the beginning of it or of its last digits; without it, all runs.",
        show_default=False,
    ),
]
SatelliteOption = Annotated[
    Satellite | None, typer.Option("--satellite", help="Only this mission's.", show_default=False)
]
OutputOption = Annotated[
    str | None,
    typer.Option(
        "--output",
        metavar="DIR|URL",
        help="Where the results are: a folder, or s3://bucket/prefix.  [default: the deployment's bucket]",
    ),
]


@dataclass(frozen=True, kw_only=True)
class Place:
    """What was typed about where results are; None where a flag was not given."""

    output: str | None
    bucket: str | None
    prefix: str | None
    aws_region: str | None

    def find(self, run: str | None, regions: str | None, satellite: Satellite | None) -> "tuple[Store, Wanted]":
        """The store, and which of its products are meant.

        Raises:
            UsageError: the place is none, there is no such run, a region is named where a run belongs, or both
                --output and a bucket are given.
            RegionError: a region is unknown.
            StoreError: the store does not answer.
        """
        from glacierctl.results.catalogue import Wanted, wanted_of_run

        settings = self.settings()
        if run is not None:
            ledger = self._find_run(settings, run)
            store, wanted = ledger.store, wanted_of_run(ledger.store, ledger.run_id)
        else:
            store, wanted = self.open(settings), Wanted()
        if satellite:
            wanted = replace(wanted, satellites=(satellite,) if satellite in wanted.satellites else ())
        if regions is not None:
            wanted = replace(wanted, regions=_choose(regions, store, wanted, settings))
        return store, wanted

    def _find_run(self, settings: "Settings", run: str) -> "LedgerReader":
        try:
            return ledgers.find_run(settings, run)
        except (UsageError, StoreError) as error:
            if not self._means_regions(run, settings):
                raise
            raise UsageError(
                f"{run} is no run",
                why="it names regions, and what stands here is a run",
                hint=f"Type --regions {shlex.quote(run)} instead of {shlex.quote(run)}.",
            ) from error

    def _means_regions(self, text: str, settings: "Settings") -> bool:
        """Whether what was typed for a run names regions, in the catalogue or, if it answers, in the store."""
        from glacierctl.regions.names import select_names
        from glacierctl.results.catalogue import region_names

        names = {region.name for region in _catalogue(settings).regions}
        with contextlib.suppress(StoreError):
            names.update(region_names(self.open(settings), list(Satellite)))
        with contextlib.suppress(RegionError):
            return bool(select_names(text, sorted(names)))
        return False

    def settings(self) -> "Settings":
        """The settings, with what was typed in them.

        Raises:
            UsageError: both --output and a bucket are given.
        """
        from glacierctl.config import current_settings

        if self.output is not None and (self.bucket is not None or self.prefix is not None):
            raise UsageError(
                "results are read from one place",
                why="--output is given, and --bucket or --prefix as well",
                hint="Name a folder or an s3:// address with --output, or the bucket of a deployment.",
            )
        named = deployment.Deployment(bucket=self.bucket, prefix=self.prefix, aws_region=self.aws_region)
        return current_settings({**named.flags(), "output": self.output})

    def open(self, settings: "Settings") -> "Store":
        """The store that was named, by default the deployment's bucket.

        Raises:
            UsageError: it is neither a folder nor an s3:// address.
        """
        return select.open_store(settings, None if self.output is not None else ledgers.bucket_url(settings))

    def s3_client(self) -> "S3Client":
        """A client for the store, if it is on S3."""
        return select.store_client(self.settings())


def _choose(expression: str, store: "Store", wanted: "Wanted", settings: "Settings") -> frozenset[str]:
    """Regions by name: of those in the store and those in the catalogue, so that slices count as elsewhere."""
    from glacierctl.regions.names import select_names
    from glacierctl.results.catalogue import region_names

    having = {one: region_names(store, [one]) for one in Satellite}
    there = {name for one in wanted.satellites for name in having[one]}
    known = {region.name for region in _catalogue(settings).regions}
    chosen = select_names(expression, sorted(known.union(*having.values())))
    without = [name for name in chosen if name not in there]
    if without:
        show.say(f"No products of: {', '.join(without)}.")
    return frozenset(chosen) & there


def _catalogue(settings: "Settings") -> "RegionCatalogue":
    from glacierctl.regions.catalogue import RegionCatalogue

    return RegionCatalogue.load(settings.data_dir)
