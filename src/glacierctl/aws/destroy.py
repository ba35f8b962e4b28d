"""Leaving: what a deployment made goes, what was there before stays, and the data always does."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from glacierctl.aws import function, log_group, queue, repository, roles, worker_role
from glacierctl.aws.changes import Resource
from glacierctl.aws.errors import Denied, NotFound, talking_about
from glacierctl.aws.function import Function
from glacierctl.aws.log_group import LogGroup
from glacierctl.aws.names import Names
from glacierctl.aws.queue import Queue
from glacierctl.aws.repository import Repository
from glacierctl.aws.session import Aws
from glacierctl.aws.worker_role import Role


@dataclass(frozen=True)
class Piece:
    """One thing of a deployment."""

    resource: Resource
    """What it is."""
    name: str
    """What it is called."""
    why: str
    """Why it goes or stays, or what goes with it."""


@dataclass(frozen=True)
class Destruction:
    """What a deployment leaves and what it takes with it."""

    names: Names
    """Whose."""
    goes: tuple[Piece, ...]
    """In the order in which it is removed."""
    stays: tuple[Piece, ...]
    """What is not removed."""

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to remove."""
        return not self.goes

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "function": self.names.function,
            "aws_region": self.names.aws_region,
            "account": self.names.account,
            "goes": [_piece_as_json(piece) for piece in self.goes],
            "stays": [_piece_as_json(piece) for piece in self.stays],
        }


def plan_destruction(aws: Aws, names: Names, own_role: str | None = None) -> Destruction:
    """Look at what is there; nothing is changed.

    Args:
        aws: the account.
        names: what the deployment's parts are called.
        own_role: ARN of a role that the user made for it, if that is what the settings say.

    Raises:
        Denied: the credentials do not allow to look.
    """
    there = function.read(aws, names)
    role, hidden = _role(aws, names, own_role or (there.settings.role_arn if there else ""))
    found = (
        (Resource.FUNCTION, names.function, there, "with all versions and aliases"),
        (Resource.QUEUE, names.queue, queue.read(aws, names), "with its messages"),
        (Resource.LOG_GROUP, names.log_group, log_group.read(aws, names), "with all logs"),
        (Resource.ROLE, names.role, role, "with its policy"),
        (Resource.REPOSITORY, names.repository, repository.read(aws, names), "with all images"),
    )
    goes: list[Piece] = []
    stays: list[Piece] = []
    needed = ""
    for resource, name, part, what in found:
        if part is not None:
            why = _why_it_stays(names, part) or needed
            if isinstance(part, Function) and part.settings.managed and why:
                needed = f"the function {name} stays, and needs it"
            (stays if why else goes).append(Piece(resource, name, why or what))
            shared = isinstance(part, Repository) and part.shared_with and roles.lets_pull(names, part.settings.policy)
            if shared and not needed:
                goes.append(Piece(Resource.PULLING, name, "of the function that goes; others keep theirs"))
    if hidden:
        stays.append(Piece(Resource.ROLE, names.role, hidden))
    bucket = Piece(Resource.BUCKET, names.bucket, "results are never removed")
    return Destruction(names, tuple(goes), (*stays, bucket))


def _role(aws: Aws, names: Names, used: str) -> tuple[Role | None, str]:
    """The role that a deployment makes; or none, and why it may not be looked at, unless it is the one that is used."""
    try:
        return worker_role.read(aws, names), ""
    except Denied as error:
        if used == names.role_arn:
            raise
        return None, f"{error.what}" + (f", and the role in use is {used}" if used else "")


def _why_it_stays(names: Names, part: Function | Queue | LogGroup | Role | Repository) -> str:
    """Nothing if it goes."""
    if isinstance(part, Role) and (there := part.other_region(names)):
        return f"the function of the same name in {there} works as it"
    if isinstance(part, Repository) and part.shared_with:
        return f"it is also that of {', '.join(part.shared_with)}"
    if not part.made_by_us:
        return "it was there before the first deploy" if part.settings.managed else "it is none of ours"
    return ""


def destroy(aws: Aws, destruction: Destruction, *, on_step: Callable[[str], None]) -> None:
    """Remove what goes. What is gone already is fine, so it can be repeated.

    Args:
        aws: the account.
        destruction: what goes.
        on_step: told what is removed, before it is.

    Raises:
        Denied: the credentials do not allow a step; what was removed before it stays removed.
        Conflict: something else still uses the role.
    """
    remove: dict[Resource, Callable[[Aws, Names], None]] = {
        Resource.FUNCTION: _delete_function,
        Resource.QUEUE: queue.delete,
        Resource.LOG_GROUP: log_group.delete,
        Resource.ROLE: worker_role.delete,
        Resource.REPOSITORY: repository.delete,
        Resource.PULLING: repository.leave,
    }
    for piece in destruction.goes:
        on_step(f"Removing the {piece.resource} {piece.name}")
        remove[piece.resource](aws, destruction.names)


def _delete_function(aws: Aws, names: Names) -> None:
    """Remove the function; versions, aliases and settings go with it."""
    try:
        with talking_about(f"the function {names.function}"):
            aws.functions.delete_function(FunctionName=names.function)
    except NotFound:
        return


def _piece_as_json(piece: Piece) -> dict[str, str]:
    return {"resource": str(piece.resource), "name": piece.name, "why": piece.why}
