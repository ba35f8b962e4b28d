"""`glacierctl submit`: a run planned once, shown, written down, and handed to whoever does it."""

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from glacierctl.choices import Service
from glacierctl.cli import deployment, ledgers, show
from glacierctl.cli import selection as select
from glacierctl.cli.plan_cache import kept_plan
from glacierctl.cli.preparing import Prepared, prepare, require_cheap, show_prepared
from glacierctl.cli.status import counts_line, notes
from glacierctl.errors import UsageError

if TYPE_CHECKING:
    from glacierctl.aws.hand_over import Target
    from glacierctl.config import Settings
    from glacierctl.runs.reader import LedgerReader
    from glacierctl.runs.state import RunState
    from glacierctl.runs.submission import Submission


class ServiceChoice(StrEnum):
    """What `--service` takes."""

    AUTO = "auto"
    LAMBDA = "lambda"
    LOCAL = "local"


ServiceOption = Annotated[
    ServiceChoice,
    typer.Option("--service", help="Who does the work; auto is local with a folder as --output, else lambda."),
]
OutputOption = Annotated[
    str | None,
    typer.Option("--output", metavar="DIR|URL", help="Where results of a local run go.  [default: ./results]"),
]
MaxCostOption = Annotated[
    float | None, typer.Option("--max-cost", metavar="USD", min=0, help="Begin nothing that would cost more.")
]
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Show what would be done, and at what cost, and begin nothing.")
]
WaitOption = Annotated[bool, typer.Option("--wait", help="Wait for the end, as `glacierctl wait` does.")]
FollowOption = Annotated[
    bool, typer.Option("--follow", help="Show what workers say until the end, as `glacierctl logs --follow` does.")
]


@dataclass(frozen=True, kw_only=True)
class _Way:
    """How a run shall be begun, as it was typed."""

    service: ServiceChoice
    output: str | None
    max_cost: float | None
    dry_run: bool
    wait: bool
    follow: bool
    as_json: bool


def submit(
    *,
    satellite: select.SatelliteOption,
    start_date: select.StartDateOption,
    end_date: select.EndDateOption,
    regions: select.RegionsOption = None,
    bbox: select.BboxOption = None,
    crs: select.CrsOption = None,
    catalog: select.CatalogOption = None,
    collection: select.CollectionOption = None,
    resampling: select.ResamplingOption = None,
    min_coverage: select.MinCoverageOption = None,
    max_cloud: select.MaxCloudOption = None,
    overwrite: select.OverwriteOption = False,
    service: ServiceOption = ServiceChoice.AUTO,
    output: OutputOption = None,
    max_cost: MaxCostOption = None,
    dry_run: DryRunOption = False,
    wait: WaitOption = False,
    follow: FollowOption = False,
    function: deployment.FunctionOption = None,
    alias: deployment.AliasOption = None,
    bucket: deployment.BucketOption = None,
    prefix: deployment.PrefixOption = None,
    aws_region: deployment.AwsRegionOption = None,
    as_json: show.Json = False,
) -> None:
    """Begin a run: plan it, show its cost, hand it over.

    It prints the id of the run. What exists in the store is left out. The same command again begins nothing twice: it
    completes what was interrupted, makes what was removed since, or names the run that there is.

    Examples:
      glacierctl submit --satellite sentinel2 --regions all --start-date 2024-07-01 --end-date 2024-07-31 --max-cost 5
      glacierctl submit --satellite landsat --regions '*Brae' --start-date 2023-06-01 --end-date 2023-06-30 --dry-run
    """
    from glacierctl.config import current_settings

    chosen = select.Selection(
        satellite=satellite, start_date=start_date, end_date=end_date, regions=regions, bbox=bbox, crs=crs,
        catalog=catalog, collection=collection, resampling=resampling, min_coverage=min_coverage,
        max_cloud=max_cloud, output=output, overwrite=overwrite,
    )  # fmt: skip
    named = deployment.Deployment(
        function_name=function, alias=alias, bucket=bucket, prefix=prefix, aws_region=aws_region
    )
    way = _Way(
        service=service, output=output, max_cost=max_cost, dry_run=dry_run, wait=wait, follow=follow, as_json=as_json
    )
    _submit(chosen, current_settings({**named.flags(), **chosen.flags()}), way)


def _submit(chosen: select.Selection, settings: "Settings", way: _Way) -> None:
    """Plan the run, say what it is, begin it unless that is not wished, and see it to its end if that is."""
    from glacierctl.runs.reader import LedgerReader

    now = dt.datetime.now(dt.UTC)
    request = select.build_request(chosen, settings, now.date())
    who = _service(way.service, way.output)
    target = _live_target(settings) if who is Service.LAMBDA else None
    store = select.open_store(settings, ledgers.bucket_url(settings) if target else None)
    prepared = prepare(kept_plan(request, now, select.find_plan), store, settings, target, now)
    reader = LedgerReader(store, prepared.page.run_id)
    before = reader.state() if reader.has_begun() else None
    if before and not before.not_begun:
        _say_known(before, prepared)
    else:
        show_prepared(prepared)
        require_cheap(prepared.page, way.max_cost)
    if way.dry_run or not (before or prepared.packed):
        _show_end(prepared, None, 0, as_json=way.as_json)
        return
    handed = _begin(prepared, reader, settings, is_new=before is None)
    if way.follow and who is Service.LAMBDA and not way.as_json:
        _follow(reader, settings)
    if way.wait or way.follow or who is Service.LOCAL:
        from glacierctl.cli.wait import wait_for

        wait_for(reader, as_json=way.as_json)
    else:
        if not (before and before.settled):
            show.say(f"Follow it with: glacierctl wait {reader.run_id}{_elsewhere(settings)}")
        _show_end(prepared, reader.submission(), handed, as_json=way.as_json)


def _begin(prepared: Prepared, reader: "LedgerReader", settings: "Settings", *, is_new: bool) -> int:
    """Write the run down if it is new, and hand over what nobody was told of yet; how many tasks that were."""
    from glacierctl.cli.handing import hand_over_rest
    from glacierctl.runs.ledger import Ledger

    todo = tuple(one.task for one in prepared.packed)
    if is_new:
        Ledger(reader.store, reader.run_id).open(prepared.plan, todo, prepared.page)
    handed = hand_over_rest(reader, settings, todo)
    if handed.tasks and handed.before:
        total = show.counted(handed.tasks + handed.before, "task")
        show.say(f"This run was interrupted; the {handed.tasks} of {total} that were left follow.")
    return handed.tasks


def _follow(reader: "LedgerReader", settings: "Settings") -> None:
    from glacierctl.cli.logs import logs

    logs(run=reader.run_id, follow=True, output=reader.store.url, function=settings.function_name)


def _service(asked: ServiceChoice, output: str | None) -> Service:
    is_folder = output is not None and not output.startswith("s3://")
    if asked is ServiceChoice.LAMBDA and output is not None:
        raise UsageError(
            "--output says nothing about a run on Lambda",
            why="its results go to the bucket that its function may write to",
            hint="Leave --output out, or say --service local. --bucket and --prefix name the deployment's bucket.",
        )
    if asked is ServiceChoice.LOCAL or (asked is ServiceChoice.AUTO and is_folder):
        return Service.LOCAL
    if output is not None:
        raise UsageError(
            f"it is not clear who shall do the work for {output}",
            why="a run on Lambda writes to its own bucket, a local one wherever it is told",
            hint="Say --service local, or leave --output out.",
        )
    return Service.LAMBDA


def _live_target(settings: "Settings") -> "Target":
    from glacierctl.aws.hand_over import live_target

    return live_target(*deployment.reach(settings))


def _elsewhere(settings: "Settings") -> str:
    """What other commands must be told to find the run: they look where the settings say, without these flags."""
    is_named = any(settings.origin(name).startswith("flag") for name in ("bucket", "prefix"))
    return f" --output {ledgers.bucket_url(settings)}" if is_named else ""


def _say_known(state: "RunState", prepared: Prepared) -> None:
    """Say that a run was handed over before, how it stands, and what its user may want to do."""
    from glacierctl.runs.state import State

    page = state.submission
    show.say(f"This run was submitted at {page.submitted_at:%Y-%m-%d %H:%M} UTC: nothing was begun twice.")
    for line in (counts_line(state), *notes(state)):
        show.say(line)
    made = {(one.region, one.product) for one in state.acquisitions if one.state is State.SUCCEEDED}
    todo = {(one.task.region.name, each.product) for one in prepared.packed for each in one.task.acquisitions}
    gone = len(made & todo)
    if gone and not prepared.plan.request.options.overwrite:
        way = "--overwrite makes all anew" if state.settled else "the same command makes that once the run has ended"
        show.say(f"{show.counted(gone, 'product')} of it cannot be found in the store: {way}.")


def _show_end(prepared: Prepared, page: "Submission | None", handed: int, *, as_json: bool) -> None:
    """Show the run's id, or why there is none; `page` is that of the ledger, none if nothing was begun."""
    if as_json:
        show.print_json(_document(prepared, page, handed))
    elif page is not None:
        show.print_line(page.run_id)


def _document(prepared: Prepared, page: "Submission | None", handed: int) -> dict[str, Any]:
    from glacierctl.cli.plan import why_nothing

    told = page or prepared.page
    reasons = [one.reason for one in told.left_out]
    return {
        "run_id": told.run_id,
        "store": told.store_url,
        "service": str(told.service),
        "function": told.binding.model_dump(mode="json") if told.binding else None,
        "begun": page is not None,
        "handed_over": handed,
        "tasks": len(told.tasks),
        "acquisitions": sum(len(task.products) for task in told.tasks),
        "left_out": {"exists": reasons.count("exists"), "coverage": reasons.count("coverage")},
        "expected": told.expected.model_dump(mode="json"),
        "nothing_because": why_nothing(prepared.plan),
    }
