"""How things are shown, the same in every command.

stdout carries results only, stderr talk and progress. On a terminal rich lays out the lines; anywhere else they are
plain and as long as they need to be, so that a pipe or a log gets every word.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, TextIO

import typer

from glacierctl.errors import GlacierctlError

if TYPE_CHECKING:
    from rich.console import Console

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
"""The `--json` of every command that has results."""

_SCHEMA = 1
"""Version of the JSON documents that commands print."""

_MINUTE_S = 60
_HOUR_S = 3600
_PRECISE_BELOW = 10


@dataclass(frozen=True)
class Column:
    """A column of a table."""

    title: str
    """Header, with the unit if there is one."""
    numeric: bool = False
    """Numbers stand to the right."""
    whole: bool = False
    """Never broken over two lines, so that it can be copied."""


def result_console() -> "Console":
    """Console on stdout, for results."""
    from rich.console import Console

    return Console(highlight=False, markup=False, emoji=False)


def talk_console() -> "Console":
    """Console on stderr, for talk and progress."""
    from rich.console import Console

    return Console(stderr=True, highlight=False, markup=False, emoji=False)


def print_json(document: Mapping[str, Any]) -> None:
    """Print a command's one JSON document on stdout, the number of its schema first.

    `document` holds only what JSON knows; `docs/schemas` describes it.
    """
    numbered = {"schema": _SCHEMA, **document}
    sys.stdout.write(json.dumps(numbered, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def say(text: str) -> None:
    """Print a line of talk on stderr."""
    _write(talk_console(), sys.stderr, text)


def print_line(text: str) -> None:
    """Print a line of a result on stdout."""
    _write(result_console(), sys.stdout, text)


def print_table(columns: Sequence[Column], rows: Sequence[Sequence[str]], *, caption: str = "") -> None:
    """Print a table on stdout, under it a line that says what it is."""
    console = result_console()
    if console.is_terminal:
        console.print(_rich_table(columns, rows))
        if caption:
            console.print(f"\n{caption}", style="dim")
        return
    for line in _plain_table(columns, rows):
        sys.stdout.write(line + "\n")


def print_facts(facts: Sequence[tuple[str, str]]) -> None:
    """Print what is known of one thing on stdout: a word and its value per line."""
    console = result_console()
    width = max(len(word) for word, _ in facts)
    for word, value in facts:
        if console.is_terminal:
            console.print(_styled((f"{word:<{width}}  ", "cyan"), (value, "")))
        else:
            sys.stdout.write(f"{word:<{width}}  {value}\n")


def print_error(what: str, *, why: str, hint: str, as_json: bool = False) -> None:
    """Print what happened, why and what to do on stderr; with `--json` as one JSON document on stdout too."""
    if as_json:
        print_json({"error": {"what": what, "why": why, "hint": hint}})
    console = talk_console()
    for label, style, text in (("error", "bold red", what), ("  why", "yellow", why), ("  fix", "green", hint)):
        if not text:
            continue
        if console.is_terminal:
            console.print(_styled((f"{label}: ", style), (text, "")))
        else:
            sys.stderr.write(f"{label}: {text}\n")


def print_glacierctl_error(error: GlacierctlError, *, as_json: bool = False) -> None:
    """Print an error that the user can mend; see `print_error`."""
    print_error(error.what, why=error.why, hint=error.hint, as_json=as_json)


def format_bytes(count: float) -> str:
    """Bytes in decimal units, as storage and networks are billed: `219 MB`, `1.5 GB`, `12 B`."""
    units = ("B", "kB", "MB", "GB", "TB", "PB")
    power = 0
    while round(count) >= 1000 and power < len(units) - 1:  # noqa: PLR2004 (kilo)
        count, power = count / 1000, power + 1
    precise = power > 0 and count < _PRECISE_BELOW
    return f"{count:.1f} {units[power]}" if precise else f"{count:.0f} {units[power]}"


def format_seconds(seconds: float) -> str:
    """A duration: `0.4 s`, `13 s`, `2 min 05 s`, `1 h 02 min`."""
    if round(seconds, 1) < _PRECISE_BELOW:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < _MINUTE_S:
        return f"{whole} s"
    if whole < _HOUR_S:
        return f"{whole // _MINUTE_S} min {whole % _MINUTE_S:02d} s"
    minutes = round(seconds / _MINUTE_S)
    return f"{minutes // _MINUTE_S} h {minutes % _MINUTE_S:02d} min"


def format_megapixels(pixels: int) -> str:
    """A number of pixels in millions: `108.0 Mpx`."""
    return f"{pixels / 1e6:.1f} Mpx"


def _write(console: "Console", stream: TextIO, text: str) -> None:
    if console.is_terminal:
        console.print(text)
    else:
        stream.write(text + "\n")


def _styled(*parts: tuple[str, str]) -> Any:
    from rich.text import Text

    return Text.assemble(*parts)


def _rich_table(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> Any:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    for column in columns:
        justify: Literal["left", "right"] = "right" if column.numeric else "left"
        table.add_column(column.title, justify=justify, overflow="fold", no_wrap=column.whole)
    for row in rows:
        table.add_row(*map(Text, row))
    return table


def _plain_table(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [[column.title for column in columns], *map(list, rows)]
    widths = [max(map(len, cells)) for cells in zip(*lines, strict=True)]
    return ["  ".join(_pad(*cell) for cell in zip(line, widths, columns, strict=True)).rstrip() for line in lines]


def _pad(text: str, width: int, column: Column) -> str:
    return text.rjust(width) if column.numeric else text.ljust(width)
