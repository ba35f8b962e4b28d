"""How a line of a worker's log is shown: time, region, and what it says in words."""

import sys
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from glacierctl.choices import Level
from glacierctl.cli import show

if TYPE_CHECKING:
    from rich.text import Text

    from glacierctl.aws.attribution import Entry
    from glacierctl.aws.log_lines import Line, Report

_COLOURS = ("cyan", "green", "magenta", "yellow", "blue", "bright_cyan", "bright_green", "bright_magenta")
_LEVEL_COLOURS = {Level.ERROR: "bold red", Level.WARNING: "bold yellow"}
_ON_EVERY_LINE = frozenset({"time", "level", "step", "request_id", "version", "run_id", "task_id", "region"})
"""Fields of a worker's line that need not be said again."""


class LogView:
    """Shows lines on stdout: on a terminal each region has its colour, anywhere else they are plain.

    As JSON, each is a document of its own in one line, for whoever reads them as they come.
    """

    def __init__(self, *, as_json: bool = False) -> None:
        self._console = show.result_console()
        self._as_json = as_json

    def show(self, entries: "Sequence[Entry]") -> None:
        """Show lines, and let them be read at once."""
        for entry in entries:
            if self._as_json:
                show.print_json_line(entry_document(entry))
            elif self._console:
                self._console.print(_coloured(entry), soft_wrap=True)
            else:
                sys.stdout.write(plain(entry) + "\n")
        sys.stdout.flush()


def plain(entry: "Entry") -> str:
    """A line as it is shown where there are no colours."""
    return "".join(text for text, _ in _parts(entry))


def entry_document(entry: "Entry") -> dict[str, Any]:
    """A line as a JSON document."""
    return {
        "time": entry.event.time.isoformat(timespec="milliseconds"),
        "level": str(entry.line.level),
        "kind": str(entry.line.kind),
        "run_id": entry.origin.run_id,
        "task_id": entry.origin.task_id,
        "region": entry.origin.region,
        "request_id": entry.origin.request_id,
        "version": entry.version,
        "stream": entry.event.stream,
        "message": entry.line.message,
    }


def region_colour(region: str) -> str:
    """The same for the same region, in every run."""
    return _COLOURS[zlib.crc32(region.encode()) % len(_COLOURS)]


def _coloured(entry: "Entry") -> "Text":
    from rich.text import Text

    return Text.assemble(*_parts(entry))


def _parts(entry: "Entry") -> list[tuple[str, str]]:
    region, level = entry.origin.region, entry.line.level
    colour = region_colour(region) if region else ""
    time = entry.event.time
    return [
        (f"{time:%Y-%m-%d %H:%M:%S}.{time.microsecond // 1000:03d}  ", "dim"),
        (f"{region or '-':<16}  ", colour),
        (f"{level}  ", _LEVEL_COLOURS.get(level, "")) if level in _LEVEL_COLOURS else ("", ""),
        (_without_control(words(entry.line)), _LEVEL_COLOURS.get(level, colour)),
    ]


def words(line: "Line") -> str:
    """What a line says."""
    from glacierctl.aws.log_lines import Kind

    if line.report:
        return _report_words(line.report)
    if line.kind is Kind.START:
        return f"start of {line.request_id}" + (f", version {line.version}" if line.version else "")
    if line.kind is Kind.END:
        return f"end of {line.request_id}"
    if line.kind is Kind.STEP:
        return _step_words(line.fields)
    said = line.fields.get("message")
    return said if isinstance(said, str) else line.message


def _report_words(report: "Report") -> str:
    begun = f", started in {show.format_seconds(report.init_ms / 1000)}" if report.init_ms is not None else ""
    ended = "" if report.status == "success" else f", ended by {report.error_type or report.status}"
    return (
        f"took {show.format_seconds(report.duration_ms / 1000)}{begun}, "
        f"billed {report.billed_gb_seconds:.1f} GB-s, {report.max_memory_mb} of {report.memory_mb} MB{ended}"
    )


def _step_words(fields: Mapping[str, Any]) -> str:
    step = fields["step"]
    known = _STEPS.get(str(fields.get("outcome", "")) if step == "outcome" else step)
    try:
        if known:
            return known(fields)
    except (KeyError, TypeError, ValueError, AttributeError):
        pass  # a step of another version: its fields are shown as they are
    rest = ", ".join(f"{name} {value}" for name, value in fields.items() if name not in _ON_EVERY_LINE)
    return f"{step}: {rest}" if rest else str(step)


def _begin(fields: Mapping[str, Any]) -> str:
    return f"begin: {show.counted(fields['acquisitions'], 'acquisition')}"


def _product(fields: Mapping[str, Any]) -> str:
    cloud = "" if fields["cloud_share"] is None else f", cloud {fields['cloud_share']:.0%}"
    return f"product {fields['product']}: coverage {fields['coverage']:.1%}{cloud}{_usage(fields)}"


def _skipped(fields: Mapping[str, Any]) -> str:
    return f"skipped {fields['product']}: {fields['reason']}: {fields['detail']}"


def _failed(fields: Mapping[str, Any]) -> str:
    return f"failed {fields['product']}: {fields['what']}: {fields['why']}"


def _end(fields: Mapping[str, Any]) -> str:
    usage = fields["usage"]
    read = f"{show.format_bytes(usage['bytes_read'])} read in {show.counted(usage['requests'], 'request')}"
    made = show.counted(fields["product"], "product")
    return f"end: {made}, {fields['skipped']} skipped, {fields['failed']} failed, {read}"


def _raised(fields: Mapping[str, Any]) -> str:
    return f"{fields['error']}: {fields['message']}"


def _wait(fields: Mapping[str, Any]) -> str:
    return f"waits: {fields['why']}"


def _usage(fields: Mapping[str, Any]) -> str:
    usage = fields["usage"]
    return f", {show.format_bytes(usage['bytes_read'])} read, {show.format_seconds(usage['seconds'])}"


_STEPS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "begin": _begin,
    "product": _product,
    "skipped": _skipped,
    "failed": _failed,
    "end": _end,
    "raised": _raised,
    "wait": _wait,
}


def _without_control(text: str) -> str:
    """Text that cannot move the cursor or ring a bell; a line stays one line."""
    return "".join(letter if letter.isprintable() else " " for letter in text)
