"""What every invocation of a run took, by Lambda's own reports: a table, or a JSON document."""

from typing import TYPE_CHECKING, Any

from glacierctl.cli import show
from glacierctl.cli.table import Column

if TYPE_CHECKING:
    from collections.abc import Sequence

    from glacierctl.aws.log_invocations import Invocation

_COLUMNS = (
    Column("began", whole=True),
    Column("region"),
    Column("request", whole=True, spare=3),
    Column("time", numeric=True),
    Column("start", numeric=True, spare=1),
    Column("billed", numeric=True),
    Column("GB-s", numeric=True),
    Column("memory", numeric=True),
    Column("of", numeric=True, spare=2),
    Column("ended"),
)


def show_report(invocations: "Sequence[Invocation]", *, running: int) -> None:
    """Show a table of invocations, and what they come to."""
    if invocations:
        show.print_table(_COLUMNS, [_row(one) for one in invocations])
    show.print_line(_summary(invocations, running))


def report_document(invocations: "Sequence[Invocation]", *, running: int) -> dict[str, Any]:
    """The same as a JSON document."""
    return {
        "invocations": [_document(one) for one in invocations],
        "total": {
            "invocations": len(invocations),
            "running": running,
            "failed": _failed(invocations),
            "billed_gb_seconds": _gb_seconds(invocations),
            "max_memory_mb": max((one.report.max_memory_mb for one in invocations), default=0),
        },
    }


def _summary(invocations: "Sequence[Invocation]", running: int) -> str:
    peak = max((one.report.max_memory_mb for one in invocations), default=0)
    count = show.counted(len(invocations), "invocation")
    parts = [count, f"{_gb_seconds(invocations):.1f} GB-s billed", f"at most {peak} MB"]
    if failed := _failed(invocations):
        parts.append(f"{failed} failed")
    if running:
        parts.append(f"{running} have not ended")
    return ", ".join(parts) + "."


def _row(one: "Invocation") -> list[str]:
    report = one.report
    return [
        f"{one.began_at:%Y-%m-%d %H:%M:%S}",
        ", ".join(one.regions) or "-",
        report.request_id,
        show.format_seconds(report.duration_ms / 1000),
        show.format_seconds(report.init_ms / 1000) if report.init_ms is not None else "",
        show.format_seconds(report.billed_ms / 1000),
        f"{report.billed_gb_seconds:.1f}",
        f"{report.max_memory_mb} MB",
        f"{report.memory_mb} MB",
        _ending(one),
    ]


def _document(one: "Invocation") -> dict[str, Any]:
    report = one.report
    return {
        "request_id": report.request_id,
        "run_id": one.origin.run_id,
        "task_ids": list(one.task_ids),
        "regions": list(one.regions),
        "version": one.version,
        "stream": one.stream,
        "began_at": one.began_at.isoformat(timespec="milliseconds"),
        "ended_at": one.ended_at.isoformat(timespec="milliseconds"),
        "duration_ms": report.duration_ms,
        "init_ms": report.init_ms,
        "billed_ms": report.billed_ms,
        "billed_gb_seconds": round(report.billed_gb_seconds, 6),
        "memory_mb": report.memory_mb,
        "max_memory_mb": report.max_memory_mb,
        "status": "error" if one.raised and report.status == "success" else report.status,
        "error_type": report.error_type or one.raised,
    }


def _ending(one: "Invocation") -> str:
    named = one.report.error_type or one.raised
    if one.succeeded or named is None:
        return one.report.status
    return f"error: {named}" if one.report.status == "success" else f"{one.report.status}: {named}"


def _failed(invocations: "Sequence[Invocation]") -> int:
    return sum(not one.succeeded for one in invocations)


def _gb_seconds(invocations: "Sequence[Invocation]") -> float:
    return round(sum(one.report.billed_gb_seconds for one in invocations), 6)
