"""`glacierctl logs`: what the workers of a run said, all invocations in order of time."""

import datetime as dt
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated

import typer

from glacierctl.choices import Level
from glacierctl.cli import deployment, ledgers, show
from glacierctl.cli.log_report import report_document, show_report
from glacierctl.cli.log_view import LogView, entry_document
from glacierctl.cli.run_logs import EndOfRun, find_run_log, open_log
from glacierctl.cli.since import SinceOption, read_since
from glacierctl.cli.status import counts_line, notes
from glacierctl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from glacierctl.aws.attribution import Entry
    from glacierctl.aws.log_events import LogEvents
    from glacierctl.aws.log_filter import LogFilter
    from glacierctl.config import Settings
    from glacierctl.runs.reader import LedgerReader

_WITHOUT_RUN = dt.timedelta(hours=1)
"""How far back the whole log is shown where nothing else is said."""

LogRunArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="[RUN]",
        help="Id of the run, or the beginning of it or of its last digits.  [default: all that the function did]",
    ),
]
RegionOption = Annotated[
    str | None, typer.Option("--region", metavar="NAME", help="Only lines of this region; shell patterns work.")
]
FollowOption = Annotated[
    bool, typer.Option("--follow", help="Show lines as they come, until the run ends or Ctrl-C is pressed.")
]
LevelOption = Annotated[
    Level | None, typer.Option("--level", case_sensitive=False, help="Only lines that are at least so serious.")
]
GrepOption = Annotated[
    str | None, typer.Option("--grep", metavar="TEXT", help="Only lines that hold this text, in capitals or not.")
]
ReportOption = Annotated[
    bool, typer.Option("--report", help="Instead of lines, show what each invocation took: time, memory, GB-seconds.")
]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Which log is to be shown, and what of it."""

    reader: "LedgerReader | None"
    """Ledger of the run; None for all that the function did."""
    log_group: str
    """Where the lines are."""
    events: "LogEvents"
    """The lines."""
    since: dt.datetime
    """Inclusive."""
    until: dt.datetime | None
    """Inclusive; None for what there is."""
    wanted: "LogFilter"
    """Which of them."""

    @property
    def run_id(self) -> str | None:
        """The run."""
        return self.reader.run_id if self.reader else None


def logs(
    *,
    run: LogRunArgument = None,
    region: RegionOption = None,
    follow: FollowOption = False,
    since: SinceOption = None,
    level: LevelOption = None,
    grep: GrepOption = None,
    report: ReportOption = False,
    output: ledgers.LedgerOption = None,
    function: deployment.FunctionOption = None,
    aws_region: deployment.AwsRegionOption = None,
    as_json: show.Json = False,
) -> None:
    """Show what the workers of a run said, in order of time.

    All invocations together; on a terminal each region has its colour.
    Without a run: all that the function did in the last hour.
    Lines of invocations that failed before they named a run are shown with every run of their time.

    Examples:
      glacierctl logs 20240701-20240731-sentinel2-4f1d0c2ab9e3 --follow
      glacierctl logs 4f1d --region 163_Bowdoin --level ERROR
      glacierctl logs 4f1d --report
      glacierctl logs --since 15m --grep "no such bucket"
    """
    from glacierctl.aws.log_filter import LogFilter
    from glacierctl.config import current_settings

    _refuse_contradictions(follow=follow, report=report, lines=bool(level or grep))
    named = deployment.Deployment(function_name=function, aws_region=aws_region)
    settings = current_settings({**named.flags(), "output": output})
    asked = _ask(settings, run, since, LogFilter(region=region, level=level, text=grep), follow=follow)
    if report:
        _report(asked, as_json=as_json)
    elif follow:
        _follow(asked, as_json=as_json)
    elif as_json:
        show.print_json(_document(asked))
    else:
        _show(asked)


def _refuse_contradictions(*, follow: bool, report: bool, lines: bool) -> None:
    if report and (follow or lines):
        raise UsageError(
            f"--report and {'--follow' if follow else '--level or --grep'} contradict each other",
            why="a report is about whole invocations that are over, not about lines",
            hint="Leave one of them out.",
        )


def _ask(settings: "Settings", run: str | None, since: str | None, wanted: "LogFilter", *, follow: bool) -> Asked:
    now = dt.datetime.now(dt.UTC)
    begin = read_since(since, now) if since else None
    if run is None:
        log_group, events = open_log(settings, None)
        begin = begin or now - _WITHOUT_RUN
        return Asked(reader=None, log_group=log_group, events=events, since=begin, until=None, wanted=wanted)
    found = find_run_log(settings, run)
    _require_region(found.reader.submission().regions, wanted)
    log_group, events = open_log(settings, found.binding)
    return Asked(
        reader=found.reader,
        log_group=log_group,
        events=events,
        since=max(begin, found.since) if begin else found.since,
        until=None if follow else found.until(now),
        wanted=replace(wanted, run_id=found.reader.run_id, version=found.binding.version),
    )


def _require_region(regions: "Iterable[str]", wanted: "LogFilter") -> None:
    if not any(wanted.wants_region(one) for one in regions):
        raise UsageError(
            f"the run has no region {wanted.region}",
            why=f"its regions are {', '.join(regions)}",
            hint="Name one of these, or a pattern such as '*Brae'.",
        )


def _entries(asked: Asked) -> "Iterator[list[Entry]]":
    from glacierctl.aws.attribution import in_order

    pages = asked.events.read(asked.since, asked.until)
    return (asked.wanted.wanted(page) for page in in_order(pages))


def _show(asked: Asked) -> None:
    view, count = LogView(), 0
    for page in _entries(asked):
        view.show(page)
        count += len(page)
    if not count:
        show.say(f"No such lines in {asked.log_group} since {asked.since:%Y-%m-%d %H:%M} UTC.")


def _follow(asked: Asked, *, as_json: bool) -> None:
    from glacierctl.aws.attribution import Attribution

    view, attribution = LogView(as_json=as_json), Attribution()
    end = EndOfRun(asked.reader) if asked.reader else None
    pages = asked.events.follow(asked.since, ended=end or _never, sweep=end is not None)
    with ledgers.going_on(asked.reader) if asked.reader else nullcontext():
        for page in pages:
            view.show(asked.wanted.wanted(attribution.take(page)))
    view.show(asked.wanted.wanted(attribution.rest()))
    if end and end.state:
        show.say(f"{'It goes no further' if end.state.stuck else 'The run has ended'}: {counts_line(end.state)}")
        for line in notes(end.state) if end.state.stuck else ():
            show.say(line)


def _never() -> bool:
    return False


def _report(asked: Asked, *, as_json: bool) -> None:
    from glacierctl.aws.log_invocations import Invocations

    gathered, wanted = Invocations(), asked.wanted
    whole = replace(asked, wanted=replace(wanted, region=None))  # an invocation may work at several regions
    over = [one for page in _entries(whole) for one in gathered.take(page) if wanted.wants_region(*one.regions)]
    over.sort(key=lambda one: one.began_at)
    if as_json:
        show.print_json({**_head(asked), **report_document(over, running=len(gathered.running))})
    else:
        show_report(over, running=len(gathered.running))


def _head(asked: Asked) -> dict[str, str | None]:
    since = asked.since.isoformat(timespec="milliseconds")
    return {"log_group": asked.log_group, "run_id": asked.run_id, "since": since}


def _document(asked: Asked) -> dict[str, object]:
    return {**_head(asked), "lines": [entry_document(entry) for page in _entries(asked) for entry in page]}
