"""What a deployment would change, shown before anything is."""

import sys
from typing import TYPE_CHECKING, Any

import typer

from glacierctl.cli import show
from glacierctl.errors import UsageError

if TYPE_CHECKING:
    from glacierctl.aws.changes import Plan

_SIGNS = {"create": "+", "push": "+", "publish": "+", "update": "~", "move": "~", "remove": "-", "convert": "!"}
"""What begins the line of a change, by its kind."""


def show_plan(plan: "Plan") -> None:
    """Show a plan: a line for each part that changes, under it its settings as they are and as they shall be."""
    names = plan.wanted.names
    show.print_line(f"Deployment {names.function} in account {names.account}, {names.aws_region}: {_size(plan)}")
    if plan.is_empty:
        show.print_line("Nothing to change: all is as it shall be.")
        return
    for change in plan.changes:
        show.print_line(f"  {_SIGNS[change.kind]} {change.kind} {change.resource} {change.name}")
        for setting, now, then in change.fields:
            show.print_line(f"      {setting}: {now} -> {then}")


def _size(plan: "Plan") -> str:
    wanted = plan.wanted
    scratch = f"{wanted.ephemeral_storage_mb} MB of scratch"
    return f"{wanted.architecture}, {wanted.memory_mb} MB of memory, {scratch}, {wanted.timeout_s} s"


def plan_document(plan: "Plan") -> dict[str, Any]:
    """A plan as JSON."""
    return {**plan.as_json(), "alias": plan.wanted.names.alias}


def confirm(question: str, *, yes: bool) -> None:
    """Ask before what cannot be undone; `yes` answers beforehand.

    Raises:
        UsageError: nobody is there to be asked.
        typer.Abort: the answer is no.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError(
            "this needs a yes, and nobody is there to be asked",
            why=question,
            hint="Look at it with --dry-run, then say --yes.",
        )
    typer.confirm(question, abort=True, err=True)
