"""Everything of a deployment that is there."""

from dataclasses import dataclass

from glacierctl.aws import function, log_group, queue, repository, worker_role
from glacierctl.aws.function import Function
from glacierctl.aws.log_group import LogGroup
from glacierctl.aws.queue import Queue
from glacierctl.aws.repository import Repository
from glacierctl.aws.session import Aws
from glacierctl.aws.wanted import Wanted
from glacierctl.aws.worker_role import Role


@dataclass(frozen=True)
class Current:
    """What is there of a deployment; None where something is missing."""

    repository: Repository | None
    """With its images; None as well if the image lies in another registry."""
    digest: str | None
    """`sha256:...` of the image that is wanted, where the function pulls it from; None if it has to be pushed."""
    role: Role | None
    """The worker's; None as well if the user brings a role."""
    log_group: LogGroup | None
    """Of the function."""
    queue: Queue | None
    """Where failed invocations are reported."""
    function: Function | None
    """With its versions and aliases."""


def read_current(aws: Aws, wanted: Wanted) -> Current:
    """Look at everything; nothing is changed.

    Raises:
        NotFound: a role that the user brings does not exist, or Lambda may not work as it.
        Conflict: a deployment in another AWS region works as the role.
        Denied: the credentials do not allow to look.
    """
    names = wanted.names
    if wanted.role_arn is not None:
        worker_role.require(aws, wanted.role_arn)
    role = worker_role.read(aws, names) if wanted.role_arn is None else None
    worker_role.require_own(role, names)
    found = repository.read(aws, names) if wanted.in_ecr else None
    return Current(
        repository=found,
        digest=_digest(wanted, found),
        role=role,
        log_group=log_group.read(aws, names),
        queue=queue.read(aws, names),
        function=function.read(aws, names),
    )


def _digest(wanted: Wanted, found: Repository | None) -> str | None:
    image = wanted.image
    if not wanted.in_ecr:
        return image.digest
    if found is None:
        return None
    if image.digest is not None:
        return image.digest if image.digest in found.images else None
    return found.digest(image.tag)
