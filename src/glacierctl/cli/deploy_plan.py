"""What a deployment would change, shown before anything is."""

import sys
from typing import TYPE_CHECKING, Any

import typer

from glacierctl.cli import show
from glacierctl.errors import GlacierctlError, UsageError

if TYPE_CHECKING:
    from glacierctl.aws.changes import Plan

_SIGNS = {"create": "+", "push": "+", "publish": "+", "update": "~", "move": "~", "remove": "-", "convert": "!"}
"""What begins the line of a change, by its kind."""


def show_plan(plan: "Plan", *, unfinished: bool = False) -> None:
    """Show a plan: a line for each part that changes, under it its settings as they are and as they shall be.

    An empty one is not all if something else is `unfinished`.
    """
    names = plan.wanted.names
    show.print_line(f"Deployment {names.function} in account {names.account}, {names.aws_region}: {_size(plan)}")
    if plan.is_empty and not unfinished:
        show.print_line("Nothing to change: all is as it shall be.")
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
        GlacierctlError: the answer is no.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError(
            "this needs a yes, and nobody is there to be asked",
            why=question,
            hint="Look at it with --dry-run, then say --yes.",
        )
    if not typer.confirm(question, err=True):
        raise GlacierctlError(
            "nothing was changed",
            why=f"the answer was no: {question}",
            hint="Look at it with --dry-run, then run the command again.",
        )
