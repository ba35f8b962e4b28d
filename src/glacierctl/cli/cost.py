"""`glacierctl cost`: what runs cost, by their logs, beside what was expected."""

import datetime as dt
from typing import Annotated

import typer

from glacierctl.cli import deployment, ledgers, show
from glacierctl.cli.cost_document import all_document, run_document
from glacierctl.cli.cost_view import show_all, show_run
from glacierctl.cli.run_costs import all_usage, run_usage
from glacierctl.cli.since import SinceOption, read_since
from glacierctl.errors import UsageError

CostRunArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="[RUN]", help="Id of the run, or the beginning of it or of its last digits; or else say --since."
    ),
]
ScenesOption = Annotated[bool, typer.Option("--scenes", help="A row for each acquisition instead of each region.")]


def cost(
    *,
    run: CostRunArgument = None,
    since: SinceOption = None,
    scenes: ScenesOption = False,
    output: ledgers.LedgerOption = None,
    function: deployment.FunctionOption = None,
    aws_region: deployment.AwsRegionOption = None,
    as_json: show.Json = False,
) -> None:
    """Show what a run cost, or all runs since a day.

    --since counts the deployment's function and every other that a known run was handed to; --function one alone.

    GB-seconds are those that Lambda reports for each invocation, dollars come from a dated table of list prices.
    Beside it stands what the run was expected to cost. Free tiers and data transfer are not included.

    Examples:
      glacierctl cost 20240701-20240731-sentinel2-4f1d0c2ab9e3
      glacierctl cost 4f1d --scenes
      glacierctl cost --since 30d --json
    """
    from glacierctl.config import current_settings

    named = deployment.Deployment(function_name=function, aws_region=aws_region)
    settings = current_settings({**named.flags(), "output": output})
    now = dt.datetime.now(dt.UTC)
    if run is not None and since is None:
        used = run_usage(settings, run, now)
        if as_json:
            show.print_json(run_document(used))
        else:
            show_run(used, scenes=scenes)
    elif since is not None and run is None and not scenes:
        begin = read_since(since, now)
        every = all_usage(settings, begin, one_function=function is not None)
        if as_json:
            show.print_json(all_document(every, settings.architecture, begin))
        else:
            show_all(every, settings.architecture, begin)
    else:
        raise UsageError(
            "it is not clear whose cost is asked for",
            why="a run, or --since for all runs: one of the two must be said; --scenes goes with a run",
            hint="Say `glacierctl cost RUN` or `glacierctl cost --since 30d`.",
        )
