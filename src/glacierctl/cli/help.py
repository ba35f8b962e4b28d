"""Commands and their help: a docstring is the help, in plain lines.

Plain, because loading rich's layout of help alone takes 0.2 s, and because plain lines can be pasted.
"""

import inspect
from collections.abc import Callable, Sequence
from itertools import takewhile
from typing import Any

import typer

_HELP_FLAGS = ["-h", "--help"]

CONTEXT_SETTINGS: dict[str, Any] = {"help_option_names": _HELP_FLAGS, "max_content_width": 100}
"""Of every command and group."""

_KEEP_LINES = "\b\n"
"""Before a paragraph: typer leaves its line breaks alone."""


def new_app(**settings: Any) -> typer.Typer:
    """Make a program or a group of commands. Without a command after its name, a group shows its help."""
    return typer.Typer(
        no_args_is_help=not settings.get("invoke_without_command", False),
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings=CONTEXT_SETTINGS,
        **settings,
    )


def add_command(app: typer.Typer, name: str, function: Callable[..., None]) -> None:
    """Register `function` as the command `name` of `app`; its docstring becomes the help."""
    app.command(name, help=help_text(function), context_settings=CONTEXT_SETTINGS)(function)


def help_text(function: Callable[..., None]) -> str:
    """The docstring as typer wants it: paragraphs with indented lines (worked examples) keep their line breaks."""
    paragraphs = inspect.cleandoc(function.__doc__ or "").split("\n\n")
    return "\n\n".join(_KEEP_LINES + text if "\n  " in text else text for text in paragraphs)


def asked_help(program: Any, name: str, arguments: Sequence[str]) -> str | None:
    """Help of the command that `arguments` name, if they ask for help; None if not, or if there is no such command.

    Typer would give it too, but first check every flag's value, and load pydantic for that: another 0.15 s.

    Args:
        program: typer's command of the whole program.
        name: of the program.
        arguments: as typed.
    """
    before = list(takewhile(lambda word: word not in {*_HELP_FLAGS, "--"}, arguments))
    if len(before) == len(arguments) or arguments[len(before)] == "--":
        return None
    command, context = program, typer.Context(program, info_name=name, **CONTEXT_SETTINGS)
    for word in before:
        commands = getattr(command, "commands", None)
        if commands is None:
            break
        if word in commands:
            command = commands[word]
            context = typer.Context(command, info_name=word, parent=context, **CONTEXT_SETTINGS)
        elif not word.startswith("-"):
            return None
    return str(command.get_help(context))
