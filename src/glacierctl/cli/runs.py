"""`glacierctl runs`: which runs there are, and what each was to do."""

from typing import TYPE_CHECKING, Any

from glacierctl.cli import ledgers, show
from glacierctl.cli.help import add_command, new_app
from glacierctl.cli.table import Column

if TYPE_CHECKING:
    from glacierctl.runs.submission import Submission

_COLUMNS = (
    Column("run", whole=True),
    Column("submitted", whole=True),
    Column("service", whole=True, spare=2),
    Column("regions", numeric=True, spare=1),
    Column("acquisitions", numeric=True),
    Column("tasks", numeric=True, spare=3),
)

app = new_app(name="runs", help="Runs that have been submitted: list and show them.")


def list_runs(*, output: ledgers.LedgerOption = None, as_json: show.Json = False) -> None:
    """List all runs, the newest first.

    Examples:
      glacierctl runs list
      glacierctl runs list --output s3://greenland-glacier-data/results --json
    """
    from glacierctl.config import current_settings

    known = ledgers.known_runs(current_settings({"output": output}))
    pages = [page for reader in known if (page := ledgers.first_page(reader))]
    pages.sort(key=lambda page: (page.submitted_at, page.run_id), reverse=True)
    if as_json:
        show.print_json({"runs": [_summary_document(page) for page in pages]})
    elif pages:
        show.print_table(_COLUMNS, [_row(page) for page in pages])
    else:
        show.print_line("There are no runs yet.")


def show_run(*, run: ledgers.RunArgument, output: ledgers.LedgerOption = None, as_json: show.Json = False) -> None:
    """Show what a run was to do, by whom, and at what cost.

    Examples:
      glacierctl runs show 4f1d
    """
    from glacierctl.config import current_settings

    page = ledgers.find_run(current_settings({"output": output}), run).submission()
    if as_json:
        show.print_json(submission_document(page))
    else:
        show.print_facts(facts(page))


def submission_document(page: "Submission") -> dict[str, Any]:
    """What a run began with, as one JSON document."""
    return {
        **_summary_document(page),
        "region_names": list(page.regions),
        "function": page.binding.model_dump(mode="json") if page.binding else None,
        "expected": page.expected.model_dump(mode="json"),
        "task_list": [task.model_dump(mode="json") for task in page.tasks],
        "left_out": [one.model_dump(mode="json") for one in page.left_out],
    }


def facts(page: "Submission") -> list[tuple[str, str]]:
    """What a run began with, a word and its value per line."""
    bound = page.binding
    function = f"{bound.function}, version {bound.version}, {bound.memory_mb} MB" if bound else "this machine"
    left_out = [one.reason for one in page.left_out]
    return [
        ("run", page.run_id),
        ("submitted", f"{page.submitted_at:%Y-%m-%d %H:%M} UTC"),
        ("results", page.store_url),
        ("done by", function),
        ("satellite", str(page.satellite)),
        ("days", f"{page.start} to {page.end}"),
        ("regions", str(len(page.regions))),
        ("acquisitions", f"{_acquisitions(page)} in {show.counted(len(page.tasks), 'task')}"),
        *((("left out", f"{left_out.count('exists')} exist, {left_out.count('coverage')} cover too little"),)
          if left_out else ()),
        ("to read", show.format_bytes(page.expected.bytes_to_read)),
        ("work", show.format_seconds(page.expected.seconds)),
        *((("cost", f"{show.format_dollars(page.expected.dollars)} expected"),) if bound else ()),
    ]  # fmt: skip


def _row(page: "Submission") -> list[str]:
    counts = (len(page.regions), _acquisitions(page), len(page.tasks))
    return [page.run_id, f"{page.submitted_at:%Y-%m-%d %H:%M}", str(page.service), *map(str, counts)]


def _summary_document(page: "Submission") -> dict[str, Any]:
    return {
        "run_id": page.run_id,
        "store": page.store_url,
        "service": str(page.service),
        "submitted_at": page.submitted_at.isoformat(),
        "satellite": str(page.satellite),
        "start": page.start.isoformat(),
        "end": page.end.isoformat(),
        "regions": len(page.regions),
        "acquisitions": _acquisitions(page),
        "tasks": len(page.tasks),
    }


def _acquisitions(page: "Submission") -> int:
    return sum(len(task.products) for task in page.tasks)


add_command(app, "list", list_runs)
add_command(app, "show", show_run)
