"""The door of the program: what is loaded, what is said, and the exit code, whatever happens behind it."""

import io
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import pytest
import typer
from rich.console import Console
from tests.support.command import PROGRAM

from glacierctl import __version__
from glacierctl.cli import app as door
from glacierctl.cli import main, selection, show
from glacierctl.cli.completion import complete_regions
from glacierctl.cli.help import add_command, help_text, new_app
from glacierctl.cli.table import Column
from glacierctl.errors import CatalogError, RegionError
from glacierctl.model import Region
from glacierctl.regions.catalogue import RegionCatalogue

HEAVY = {
    "pydantic",
    "rasterio",
    "geopandas",
    "pyproj",
    "botocore",
    "numpy",
    "rich",
    "pystac_client",
    "obstore",
    "docker",
}


def commands() -> list[tuple[str, ...]]:
    """Every command and group, the program itself first."""
    group = typer.main.get_command(door.new_program())
    found: list[tuple[str, ...]] = [()]
    for name, command in group.commands.items():
        found.append((name,))
        found += [(name, sub) for sub in getattr(command, "commands", {})]
    return found


@pytest.mark.parametrize("command", commands(), ids=" ".join)
def test_help_loads_nothing_heavy(command: tuple[str, ...]) -> None:
    code = (
        "import sys; from glacierctl.cli import main; "
        f"code = main({[*command, '--help']!r}); "
        "sys.stderr.write(' '.join({name.partition('.')[0] for name in sys.modules})); sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert HEAVY.isdisjoint(done.stderr.split())
    assert done.stdout.startswith(f"Usage: {' '.join(['glacierctl', *command])}")


@pytest.mark.parametrize("command", commands(), ids=" ".join)
def test_every_command_says_in_one_sentence_what_it_does(
    command: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert door.main([*command, "-h"]) == 0
    said = capsys.readouterr().out.split("\n\n")[1]
    assert said.strip().endswith((".", ":"))


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    assert door.main(["--version"]) == 0
    assert capsys.readouterr().out == f"glacierctl {__version__}\n"


@pytest.mark.parametrize("arguments", [[], ["regions"]])
def test_without_a_command_the_help_is_shown_as_wrong_usage(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert door.main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"Usage: {' '.join(['glacierctl', *arguments])}")
    assert "error:" not in err


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["nonsense"], "nonsense"),
        (["--nonsense"], "--nonsense"),
        (["regions", "show"], "NAME"),
        (["regions", "list", "--nonsense"], "--nonsense"),
        (["regions", "list", "a", "b"], "b"),
    ],
)
def test_wrong_usage_says_what_why_and_where_help_is(
    arguments: list[str], what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert door.main(arguments) == 2
    out, err = capsys.readouterr()
    lines = err.splitlines()
    assert out == ""
    assert len(lines) == 3
    assert lines[0].startswith("error: ")
    assert what in lines[0]
    assert lines[1].startswith("  why: Usage: glacierctl")
    assert lines[2].startswith("  fix: See `glacierctl")


def fail_with(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make `glacierctl fail` raise."""

    def fail(*, as_json: show.Json = False) -> None:
        """Fail."""
        del as_json
        raise error

    program = new_app()
    program.callback()(door.root)
    add_command(program, "fail", fail)
    monkeypatch.setattr(door, "new_program", lambda _only: program)


def test_an_error_that_the_user_can_mend_is_three_lines(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fail_with(RegionError("no region", why="there is none", hint="Name one."), monkeypatch)
    assert door.main(["fail"]) == 2
    assert capsys.readouterr() == ("", "error: no region\n  why: there is none\n  fix: Name one.\n")


def test_the_exit_code_is_the_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    fail_with(CatalogError("no answer", why="it is down", hint="Wait."), monkeypatch)
    assert door.main(["fail"]) == 1


def test_with_json_an_error_is_one_document_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fail_with(RegionError("no region", why="there is none", hint="Name one."), monkeypatch)
    assert door.main(["fail", "--json"]) == 2
    out, err = capsys.readouterr()
    assert json.loads(out) == {"schema": 1, "error": {"what": "no region", "why": "there is none", "hint": "Name one."}}
    assert err.startswith("error: no region\n")


def test_wrong_usage_with_json_is_one_document_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert door.main(["regions", "list", "--json", "--nonsense"]) == 2
    assert "--nonsense" in json.loads(capsys.readouterr().out)["error"]["what"]


def test_a_bug_is_owned_and_the_way_to_its_traceback_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fail_with(ZeroDivisionError("division\nby zero"), monkeypatch)
    assert door.main(["fail", "--json"]) == 1
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    assert err.splitlines()[0] == "error: glacierctl stopped on ZeroDivisionError: division by zero"
    assert "mistake in glacierctl" in err
    assert "glacierctl --traceback fail --json" in err
    assert "ZeroDivisionError" in json.loads(out)["error"]["what"]


@pytest.mark.parametrize("way", ["option", "environment"])
@pytest.mark.parametrize("error", [ZeroDivisionError("x"), RegionError("x", why="y", hint="z")])
def test_a_traceback_is_shown_on_request(
    way: str, error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fail_with(error, monkeypatch)
    if way == "environment":
        monkeypatch.setenv("GLACIERCTL_TRACEBACK", "1")
    door.main(["--traceback", "fail"] if way == "option" else ["fail"])
    assert "Traceback (most recent call last)" in capsys.readouterr().err


def test_an_interrupt_is_one_line_and_130(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    fail_with(KeyboardInterrupt(), monkeypatch)
    assert door.main(["fail"]) == 130
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert err.startswith("Interrupted.")


def test_an_interrupt_while_the_program_is_loaded_is_one_line_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Interrupted(ModuleType):
        def __getattr__(self, name: str) -> object:
            raise KeyboardInterrupt(name)

    monkeypatch.setitem(sys.modules, "glacierctl.cli.app", Interrupted("glacierctl.cli.app"))
    assert main([]) == 130
    assert capsys.readouterr().err == "Interrupted.\n"


@pytest.mark.parametrize("code", [0, 1, 2])
def test_a_commands_own_exit_code_is_kept(code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    fail_with(typer.Exit(code), monkeypatch)
    assert door.main(["fail"]) == code


@pytest.mark.parametrize("arguments", [["regions", "list"], ["regions", "list", "--json"], ["--help"]])
def test_a_reader_that_goes_away_is_no_error(arguments: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run([PROGRAM, *arguments], stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writing)
    assert done.stderr == ""
    assert done.returncode == 1


def test_python_dash_m_is_the_same_program() -> None:
    done = subprocess.run([sys.executable, "-m", "glacierctl", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"glacierctl {__version__}\n"


def test_examples_in_a_docstring_keep_their_lines() -> None:
    def command() -> None:
        """Do it.

        A paragraph that
        is filled.

        Examples:
          glacierctl one
          glacierctl two
        """

    assert help_text(command) == (
        "Do it.\n\nA paragraph that\nis filled.\n\n\b\nExamples:\n  glacierctl one\n  glacierctl two"
    )


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (999.6, "1.0 kB"),
        (1000, "1.0 kB"),
        (9_949, "9.9 kB"),
        (219_000_000, "219 MB"),
        (1_470_000_000, "1.5 GB"),
        (999_999_999, "1.0 GB"),
        (3e15, "3.0 PB"),
        (3e18, "3000 PB"),
    ],
)
def test_bytes_are_decimal(count: float, text: str) -> None:
    assert show.format_bytes(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0 s"),
        (0.44, "0.4 s"),
        (9.96, "10 s"),
        (13.4, "13 s"),
        (59.6, "1 min 00 s"),
        (125, "2 min 05 s"),
        (3599.7, "1 h 00 min"),
        (3720, "1 h 02 min"),
        (90_000, "25 h 00 min"),
    ],
)
def test_durations_are_short(seconds: float, text: str) -> None:
    assert show.format_seconds(seconds) == text


def test_one_thing_is_no_plural() -> None:
    assert [show.counted(number, "task") for number in (0, 1, 2)] == ["0 tasks", "1 task", "2 tasks"]


def test_a_search_whose_end_is_not_known_tells_what_has_come(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.StringIO()
    monkeypatch.setattr(show, "talk_console", lambda: Console(file=written, width=80, force_terminal=True))
    with selection._search_progress("Looking") as told:
        told(1, None)
        time.sleep(0.2)  # the spinner's next turn
        told(100, 250)
        time.sleep(0.2)
    assert "Looking: 1 item\r" in written.getvalue()
    assert "Looking: 100 of 250 items" in written.getvalue()


def test_pixels_are_counted_in_millions() -> None:
    assert show.format_megapixels(108_008_100) == "108.0 Mpx"


def test_a_table_is_plain_and_whole_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    columns = [Column("name"), Column("km2", numeric=True), Column("tiles")]
    show.print_table(columns, [["a", "5", "22WEB"], ["b" * 90, "1000", ""]], caption="two")
    out, err = capsys.readouterr()
    assert out.splitlines() == [
        f"{'name':<90}   km2  tiles",
        f"{'a':<90}     5  22WEB",
        f"{'b' * 90}  1000",
    ]
    assert err == ""


TABLE = (
    [
        Column("region"),
        Column("product", whole=True),
        Column("requests made", numeric=True, spare=1),
        Column("total", numeric=True),
        Column("a month", numeric=True, spare=2),
    ],
    [["191_Hagen_Brae_and_more", "S2A_MSIL2A_20240704", "1234567", "$0.000123", "$0.000004"]],
)
WIDE = (
    "region                   product              requests made      total    a month\n"
    "191_Hagen_Brae_and_more  S2A_MSIL2A_20240704        1234567  $0.000123  $0.000004\n"
)
NARROW = (
    "                                   requests\n"
    "region        product                  made      total\n"
    "191_Hagen_Br  S2A_MSIL2A_20240704   1234567  $0.000123\n"
    "ae_and_more\n"
)
TOO_NARROW = (
    "region        product                  total\n"
    "191_Hagen_Br  S2A_MSIL2A_20240704  $0.000123\n"
    "ae_and_more\n"
)  # fmt: skip


@pytest.mark.parametrize(
    ("width", "shown", "hidden"),
    [(90, WIDE, ""), (54, NARROW, "a month"), (44, TOO_NARROW, "requests made, a month"),
     (20, TOO_NARROW, "requests made, a month")],
)  # fmt: skip
def test_a_terminal_shows_the_columns_that_it_has_room_for_and_breaks_no_number(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, width: int, shown: str, hidden: str
) -> None:
    monkeypatch.setattr(show, "result_console", lambda: Console(width=width, force_terminal=True, color_system=None))
    show.print_table(*TABLE)
    out, err = capsys.readouterr()
    assert out == shown
    assert err == (f"No room for {hidden}: widen the window, or write to a file.\n" if hidden else "")


def test_json_is_text_as_written_and_never_nan() -> None:
    stream = io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", stream)
        show.print_json({"name": "Ísbræ"})
        with pytest.raises(ValueError, match="not JSON compliant"):
            show.print_json({"share": float("nan")})
    assert json.loads(stream.getvalue()) == {"schema": 1, "name": "Ísbræ"}
    assert "Ísbræ" in stream.getvalue()


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("16", ["163_Bowdoin"]),
        ("163_b", ["163_Bowdoin"]),
        ("163_Bowdoin,19", ["163_Bowdoin,190_Academy", "163_Bowdoin,191_Hagen_Brae"]),
        ("190_Academy,191_Hagen_Brae,19", []),
        ("a", ["all"]),
        ("zz", []),
    ],
)
def test_the_last_of_several_names_is_completed(typed: str, offered: list[str]) -> None:
    assert complete_regions(typed) == offered


def test_imported_names_are_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLACIERCTL_DATA_DIR", str(tmp_path))
    region = Region(name="zz_mine", bounds=(0, 0, 30, 30))
    RegionCatalogue.load(tmp_path).merged([region], replace=False).catalogue.save(tmp_path)
    assert complete_regions("zz") == ["zz_mine"]


def test_completion_stays_silent_where_a_command_would_complain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "regions.json").write_text("damaged")
    monkeypatch.setenv("GLACIERCTL_DATA_DIR", str(tmp_path))
    assert complete_regions("1") == []
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("glacierctl reg", "regions"),
        ("glacierctl regions sh", "show"),
        ("glacierctl regions show 16", "163_Bowdoin"),
        ("glacierctl regions export x.csv --regions 163_Bowdoin,18", "163_Bowdoin,189_Ryder"),
        ("glacierctl plan --regions 163_Bowdoin,18", "163_Bowdoin,189_Ryder"),
    ],
)
def test_bash_is_offered_what_fits(words: str, offered: str) -> None:
    place = {"COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1)}
    environ = {**os.environ, "_GLACIERCTL_COMPLETE": "complete_bash", **place}
    done = subprocess.run([PROGRAM], env=environ, capture_output=True, text=True, check=False)
    assert done.stdout.split() == [offered]
    assert done.stderr == ""
