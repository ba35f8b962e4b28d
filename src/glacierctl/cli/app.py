"""The program `glacierctl`: its commands, and the door through which every error leaves."""

import importlib
import os
import shlex
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import typer
from typer.main import get_command

from glacierctl.cli import show
from glacierctl.cli.help import add_command, asked_help, new_app
from glacierctl.errors import GlacierctlError
from glacierctl.processing.algebra import keep_algebra_to_one_thread
from glacierctl.processing.heap import share_heap

_NAME = "glacierctl"
_FAILED = 1
_INTERRUPTED = 130

_COMMANDS = {
    "run-local": "run_local.run_local",
    "plan": "plan.plan",
    "submit": "submit.submit",
    "runs": "runs.app",
    "status": "status.status",
    "wait": "wait.wait",
    "cancel": "cancel.cancel",
    "resume": "resume.resume",
    "retry": "retry.retry",
    "logs": "logs.logs",
    "cost": "cost.cost",
    "results": "results.app",
    "regions": "regions.app",
    "deploy": "deploy.app",
    "doctor": "doctor.doctor",
    "iam": "iam.app",
    "destroy": "destroy.destroy",
    "demo": "demo.demo",
}
"""Where in this room each command or group is, in the order of the help."""


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


def new_program(only: str | None = None) -> typer.Typer:
    """The program with all its commands, or with `only` one of them, which spares it the loading of the others."""
    program = new_app(name=_NAME)
    program.callback()(root)
    for name in _COMMANDS if only is None else [only]:
        module, _, attribute = _COMMANDS[name].partition(".")
        command = getattr(importlib.import_module(f"glacierctl.cli.{module}"), attribute)
        if isinstance(command, typer.Typer):
            program.add_typer(command)
        else:
            add_command(program, name, command)
    return program


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line `argv` (default: this process's own) and return its exit code.

    0 done, 1 something failed, 2 wrong usage or configuration, 130 interrupted.
    """
    share_heap()  # before any thread begins
    keep_algebra_to_one_thread()  # before any command loads numpy
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
    program = get_command(new_program(_asked_command(arguments)))
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


def _asked_command(arguments: list[str]) -> str | None:
    """The command that is certainly meant; None if the program must look for itself."""
    first = next((word for word in arguments if word != "--traceback"), None)
    return first if first in _COMMANDS else None


def _show_wrong_usage(error: typer.TyperException, *, as_json: bool) -> None:
    message = error.format_message().replace(": Value error, ", ": ")  # whose words those are
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
