"""How things are shown, the same in every command.

stdout carries results only, stderr talk and progress. On a terminal rich lays out the lines; anywhere else they are
plain and as long as they need to be, so that a pipe or a log gets every word.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from glacierctl.cli.table import Column, lay_out
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


def result_console() -> "Console | None":
    """Console on stdout, for results; None where that is no terminal."""
    return _console(stderr=False) if sys.stdout.isatty() else None


def talk_console() -> "Console | None":
    """Console on stderr, for talk and progress; None where that is no terminal."""
    return _console(stderr=True) if sys.stderr.isatty() else None


def print_json(document: Mapping[str, Any]) -> None:
    """Print a command's one JSON document on stdout, the number of its schema first.

    `document` holds only what JSON knows; `docs/schemas` describes it.
    """
    numbered = {"schema": _SCHEMA, **document}
    sys.stdout.write(json.dumps(numbered, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def print_json_line(document: Mapping[str, Any]) -> None:
    """Print a JSON document in one line on stdout, for whoever reads documents as they come."""
    sys.stdout.write(json.dumps({"schema": _SCHEMA, **document}, ensure_ascii=False, allow_nan=False) + "\n")


def say(text: str) -> None:
    """Print a line of talk on stderr."""
    _write(talk_console(), sys.stderr, text)


def print_line(text: str) -> None:
    """Print a line of a result on stdout."""
    _write(result_console(), sys.stdout, text)


def print_table(columns: Sequence[Column], rows: Sequence[Sequence[str]], *, caption: str = "") -> None:
    """Print a table on stdout, under it a line that says what it is."""
    console = result_console()
    table = lay_out(columns, rows, console.width if console else None)
    if console is None:
        sys.stdout.writelines(f"{line}\n" for line in (*table.header, *table.body))
        return
    console.print("\n".join(table.header), style="bold", soft_wrap=True)
    for line in table.body:
        console.print(line, soft_wrap=True)
    if table.hidden:
        say(f"No room for {', '.join(table.hidden)}: widen the window, or write to a file.")
    if caption:
        console.print(f"\n{caption}", style="dim")


def print_facts(facts: Sequence[tuple[str, str]]) -> None:
    """Print what is known of one thing on stdout: a word and its value per line."""
    console = result_console()
    width = max(len(word) for word, _ in facts)
    for word, value in facts:
        if console:
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
        if console:
            console.print(_styled((f"{label}: ", style), (text, "")))
        else:
            sys.stderr.write(f"{label}: {text}\n")


def print_glacierctl_error(error: GlacierctlError, *, as_json: bool = False) -> None:
    """Print an error that the user can mend; see `print_error`."""
    print_error(error.what, why=error.why, hint=error.hint, as_json=as_json)


def counted(number: int, one: str) -> str:
    """A number of things: `1 task`, `12 tasks`."""
    return f"{number} {one}" if number == 1 else f"{number} {one}s"


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


def format_dollars(dollars: float) -> str:
    """US dollars: `$0.0042`, `$1.37`, `$250`."""
    if dollars >= _PRECISE_BELOW**2:
        return f"${dollars:.0f}"
    return f"${dollars:.2f}" if dollars >= 1 else f"${dollars:.4f}"


def format_megapixels(pixels: int) -> str:
    """A number of pixels in millions: `108.0 Mpx`."""
    return f"{pixels / 1e6:.1f} Mpx"


def _console(*, stderr: bool) -> "Console | None":
    """Of a stream that is a terminal; None where the environment asks for plain text, as rich understands it."""
    from rich.console import Console

    console = Console(stderr=stderr, highlight=False, markup=False, emoji=False)
    return console if console.is_terminal else None


def _write(console: "Console | None", stream: TextIO, text: str) -> None:
    if console:
        console.print(text)
    else:
        stream.write(text + "\n")


def _styled(*parts: tuple[str, str]) -> Any:
    from rich.text import Text

    return Text.assemble(*parts)
