"""Commands and their help: a docstring is the help, in plain lines.

Plain, because loading rich's layout of help alone takes 0.2 s, and because plain lines can be pasted.
"""

import inspect
from collections.abc import Callable
from typing import Any

import typer

CONTEXT_SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
"""Of every command and group."""

_KEEP_LINES = "\b\n"
"""Before a paragraph: typer leaves its line breaks alone."""


def new_app(**settings: Any) -> typer.Typer:
    """Make a program or a group of commands."""
    return typer.Typer(
        no_args_is_help=True,
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
