"""The program `glacierctl`: its commands, and the door through which every error leaves."""

import os
import shlex
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import typer
from typer.main import get_command

from glacierctl.cli import regions, show
from glacierctl.cli.demo import demo
from glacierctl.cli.help import add_command, asked_help, new_app
from glacierctl.cli.plan import plan
from glacierctl.cli.run_local import run_local
from glacierctl.errors import GlacierctlError

_NAME = "glacierctl"
_FAILED = 1
_INTERRUPTED = 130

app = new_app(name=_NAME)


@dataclass
class Asked:
    """What the options before the command ask for; the door needs it after the command is over."""

    traceback: bool = False
    """Show where in the code an error arose."""


def _print_version(asked: bool) -> None:
    if asked:
        from glacierctl import __version__

        show.print_line(f"glacierctl {__version__}")
        raise typer.Exit


@app.callback()
def root(
    context: typer.Context,
    *,
    show_traceback: Annotated[
        bool,
        typer.Option("--traceback", envvar="GLACIERCTL_TRACEBACK", help="Show where in the code an error arose."),
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Stacks of co-gridded Sentinel-2 and Landsat images of glacier regions."""
    del version
    context.ensure_object(Asked).traceback = show_traceback


add_command(app, "run-local", run_local)
add_command(app, "plan", plan)
app.add_typer(regions.app)
add_command(app, "demo", demo)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line `argv` (default: this process's own) and return its exit code.

    0 done, 1 something failed, 2 wrong usage or configuration, 130 interrupted.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    asked = Asked()
    try:
        code = _run(arguments, asked)
        sys.stdout.flush()
    except BrokenPipeError:
        code = _leave_broken_pipe()
    return code


def _run(arguments: list[str], asked: Asked) -> int:
    as_json = "--json" in arguments
    program = get_command(app)
    help_lines = asked_help(program, _NAME, arguments)
    if help_lines is not None:
        sys.stdout.write(help_lines + "\n")
        return 0
    try:
        code = program.main(arguments, prog_name=_NAME, standalone_mode=False, obj=asked)
    except BrokenPipeError:
        raise
    except GlacierctlError as error:
        _show_traceback(error, asked)
        show.print_glacierctl_error(error, as_json=as_json)
        return error.exit_code
    except typer.TyperException as error:
        _show_wrong_usage(error, as_json=as_json)
        return error.exit_code
    except typer.Abort:
        code = _INTERRUPTED
    except Exception as error:  # noqa: BLE001 (the door: whatever else it is, it is our mistake, and it is said so)
        _show_traceback(error, asked)
        _show_bug(error, arguments, asked, as_json=as_json)
        return _FAILED
    if code == _INTERRUPTED:
        show.say("Interrupted. What was finished is kept; the same command goes on from there.")
    return code if isinstance(code, int) else 0


def _show_wrong_usage(error: typer.TyperException, *, as_json: bool) -> None:
    message = error.format_message()
    if type(error).__name__ == "NoArgsIsHelpError":  # typer names it so and exports it nowhere; its message is the help
        show.say(message)
        return
    context = getattr(error, "ctx", None)
    command = context.command_path if context else _NAME
    why = context.get_usage() if context else ""
    show.print_error(message, why=why, hint=f"See `{command} --help`.", as_json=as_json)


def _show_traceback(error: Exception, asked: Asked) -> None:
    if asked.traceback:
        traceback.print_exception(error)


def _show_bug(error: Exception, arguments: list[str], asked: Asked, *, as_json: bool) -> None:
    again = shlex.join([_NAME, "--traceback", *arguments])
    show.print_error(
        f"glacierctl stopped on {type(error).__name__}: {' '.join(str(error).split())}",
        why="This is a mistake in glacierctl, not in what you asked for.",
        hint="Report it with the lines above." if asked.traceback else f"Report it with what this shows: {again}",
        as_json=as_json,
    )


def _leave_broken_pipe() -> int:
    """Whoever read stdout has gone: say nothing, and keep Python from complaining when it flushes at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return _FAILED
