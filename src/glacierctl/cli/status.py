"""`glacierctl status`: how a run stands, from its ledger alone, on whatever machine."""

from typing import TYPE_CHECKING, Any

from glacierctl.cli import ledgers, show
from glacierctl.cli.table import Column

if TYPE_CHECKING:
    from glacierctl.runs.state import AcquisitionState, RunState

_ALWAYS = ("SUCCEEDED", "FAILED")
"""Said even of a run that has none."""
_NAMED = 20
"""How many failures are told one by one."""


def status(*, run: ledgers.RunArgument, output: ledgers.LedgerOption = None, as_json: show.Json = False) -> None:
    """Show how a run stands, region by region, and why.

    A line of counts, a table of regions, and why acquisitions failed or were skipped. It reads the run's ledger, so
    that it works from any machine.

    Examples:
      glacierctl status 20240701-20240731-sentinel2-4f1d0c2ab9e3
      glacierctl status 4f1d --json
    """
    from glacierctl.config import current_settings

    reader = ledgers.find_run(current_settings({"output": output}), run)
    show_state(reader.state(), as_json=as_json)


def show_state(state: "RunState", *, as_json: bool) -> None:
    """Show how a run stands: counts, regions and reasons, or one JSON document."""
    if as_json:
        show.print_json(state_document(state))
        return
    show.print_line(counts_line(state))
    _show_regions(state)
    for line in notes(state):
        show.print_line(line)


def counts_line(state: "RunState") -> str:
    """One line: `SUCCEEDED 180 · RUNNING 9 · FAILED 3 · SKIPPED 12`."""
    return " · ".join(f"{one} {count}" for one, count in state.counts().items() if count or one in _ALWAYS)


def state_document(state: "RunState") -> dict[str, Any]:
    """How a run stands, as one JSON document."""
    from glacierctl.runs.state import State

    page = state.submission
    bad = [one for one in state.acquisitions if one.state in {State.FAILED, State.LOST}]
    return {
        "run_id": state.run_id,
        "store": page.store_url,
        "service": str(page.service),
        "function": page.binding.model_dump(mode="json") if page.binding else None,
        "submitted_at": page.submitted_at.isoformat(),
        "state": state_word(state),
        "total": _counts_document(state),
        "regions": [{"region": name, "total": _counts_document(state, name)} for name in page.regions],
        "tasks": {"total": len(page.tasks), "not_handed_over": len(state.not_handed)},
        "skipped_by_reason": state.reasons(State.SKIPPED),
        "failed": [_failure_document(one) for one in bad],
        "expected": page.expected.model_dump(mode="json"),
    }


def state_word(state: "RunState") -> str:
    """How the run stands as a whole: running, ended, interrupted or cancelled."""
    if state.interrupted:
        return "interrupted"
    if not state.settled:
        return "running"
    return "cancelled" if state.cancelled else "ended"


def notes(state: "RunState") -> list[str]:
    """What else is to be said: reasons, and what to do."""
    from glacierctl.runs.state import State

    bad = [one for one in state.acquisitions if one.state in {State.FAILED, State.LOST}]
    lines = [_failure_line(one) for one in bad[:_NAMED]]
    if len(bad) > _NAMED:
        lines.append(f"... and {len(bad) - _NAMED} more; --json names all.")
    skipped = state.reasons(State.SKIPPED)
    if skipped:
        lines.append(f"Skipped: {', '.join(f'{count} {reason}' for reason, count in skipped.items())}.")
    return [*lines, *_advice(state, failed=bool(bad))]


def _advice(state: "RunState", *, failed: bool) -> list[str]:
    from glacierctl.runs.state import NO_TIME, State

    if state.interrupted:
        left = f"{len(state.not_begun)} of {len(state.submission.tasks)} tasks are left"
        return [f"Interrupted: {left}. Go on with: glacierctl resume {state.run_id}"]
    if state.settled and failed:
        late = {one.hint for one in state.acquisitions if one.state is State.FAILED and one.reason == NO_TIME}
        return [f"Try these again with: glacierctl retry {state.run_id}", *late]
    if state.cancelled:
        again = f" Take that back with: glacierctl retry {state.run_id}" if state.called_off else ""
        is_whole = len(state.off) == len(state.submission.tasks)
        return [f"{'The run' if is_whole else 'A part of the run'} was called off.{again}"]
    return []


def _show_regions(state: "RunState") -> None:
    from glacierctl.runs.state import State

    shown = [one for one in State if state.counts()[one] or one in _ALWAYS]
    columns = [Column("region"), *(Column(one.lower(), numeric=True) for one in shown)]
    rows = []
    for name in state.submission.regions:
        counts = state.counts(name)
        rows.append([name, *(str(counts[one]) for one in shown)])
    show.print_table(columns, rows)


def _counts_document(state: "RunState", region: str | None = None) -> dict[str, int]:
    return {str(one).lower(): count for one, count in state.counts(region).items()}


def _failure_line(one: "AcquisitionState") -> str:
    return f"{one.state} {one.region} {one.product}: {one.reason}: {one.detail}"


def _failure_document(one: "AcquisitionState") -> dict[str, str]:
    return {
        "region": one.region,
        "product": one.product,
        "state": str(one.state),
        "what": one.reason,
        "why": one.detail,
        "hint": one.hint,
    }
