"""Making a deployment what it shall be.

Each step looks at what is there and does what is missing. So one that is interrupted anywhere is completed by the next.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from glacierctl.aws import function, function_update, going_live, lease, log_group, queue, repository, worker_role
from glacierctl.aws.changes import Kind, Plan, Resource, differences, unmarked, wanted_log_group
from glacierctl.aws.clock import Clock
from glacierctl.aws.errors import AwsError, NotFound
from glacierctl.aws.function_update import Waiting
from glacierctl.aws.session import Aws
from glacierctl.aws.wanted import Wanted

Deliver = Callable[[repository.Login | None, str], str]
"""Builds an image unless it is built, pushes it to `host/repository:tag`, and gives its digest there.

It is handed the login of the account's own registry, or None for another.
"""
Convert = Callable[[Wanted, Callable[[], None]], tuple[str, ...]]
"""Puts a function that runs an image, as wanted, in place of one that is a Zip package.

Meanwhile it calls what it is handed, to show that it is still there. Gives what it could not carry over.
"""


@dataclass(frozen=True)
class Deployed:
    """What a deployment came to."""

    version: int
    """The version that the alias names."""
    image: str
    """What it runs: `host/repository@sha256:...`."""
    changed: bool
    """Whether anything had to be done."""
    worker_version: str
    """The version of glacierctl inside, as it says itself."""
    not_carried: tuple[str, ...] = ()
    """What should hang on a function that was converted, and could not be carried over: each with the reason."""


def refuse_to_convert(wanted: Wanted, beat: Callable[[], None]) -> tuple[str, ...]:
    """Refuse: who converts a function has to say so.

    Raises:
        AwsError: always.
    """
    del beat
    raise AwsError(
        f"the function {wanted.names.function} is a Zip package",
        why="Lambda cannot turn it into an image: it has to be deleted and made anew under its name",
        hint="Run `glacierctl deploy --yes` if that is what you want, or choose another name: --function.",
    )


def apply(
    aws: Aws,
    plan: Plan,
    *,
    deliver: Deliver | None,
    on_step: Callable[[str], None],
    clock: Clock,
    convert: Convert = refuse_to_convert,
    resume: bool = False,
) -> Deployed:
    """Do what the plan says.

    The surroundings first, then the image, then, one deploy at a time, the function. Its alias moves last, when the
    version that it shall name is active and has answered; otherwise it stays where it was.

    Args:
        aws: the account.
        plan: the differences.
        deliver: brings the image to the registry; None if it must be there already.
        on_step: told what is done, before it is done.
        clock: for waiting.
        convert: what is done with a function that is a Zip package.
        resume: whether an earlier conversion was interrupted, so that `convert` has to complete it whatever is there.

    Raises:
        NotFound: the image is not there and may not be pushed, or a role that the user brings is not.
        NotReady: the function or its version does not become active, or does not work.
        QuotaTooSmall: the account may not have as much memory or concurrency.
        Conflict: somebody else is deploying, or has moved the alias.
        Denied: the credentials do not allow a step.
        GlacierctlError: what `deliver` raises.
    """
    steps = _Steps(on_step)
    if plan.converts and convert is refuse_to_convert:
        refuse_to_convert(plan.wanted, lambda: None)
    wanted = _prepare(aws, plan, deliver, Waiting(aws, clock), steps)
    with lease.hold(aws, wanted.names, clock, on_step) as held:
        # Whoever held it before may have changed the function since the plan was made.
        now = replace(plan.current, digest=wanted.image.digest, function=function.read(aws, wanted.names))
        fresh = differences(now, wanted)
        waiting = Waiting(aws, clock, held.renew)
        not_carried: tuple[str, ...] = ()
        if resume or fresh.converts:
            steps.say(f"Converting the function {wanted.names.function} from a Zip package")
            not_carried = convert(wanted, held.renew)
        else:
            _make_function(aws, fresh, waiting, steps)
        version = going_live.make_version(aws, wanted, waiting, steps.say)
        held.renew()
        going_live.move_alias(aws, wanted, version, waiting, steps.say)
        going_live.reserve(aws, wanted, steps.say)
        held.renew()
        going_live.tidy(aws, wanted, steps.say)
    return Deployed(version.number, wanted.image.reference, steps.any, version.worker_version, not_carried)


class _Steps:
    """Says what is done and remembers whether anything was."""

    def __init__(self, on_step: Callable[[str], None]) -> None:
        self._on_step = on_step
        self.any = False

    def say(self, text: str) -> None:
        self.any = True
        self._on_step(text)


def _prepare(aws: Aws, plan: Plan, deliver: Deliver | None, waiting: Waiting, steps: _Steps) -> Wanted:
    """Make all that the function needs; what is wanted, with the image's digest."""
    wanted, names = plan.wanted, plan.wanted.names
    if plan.needs_image and deliver is None:
        raise NotFound(
            f"there is no image {wanted.image.reference}",
            why="it has to be in the registry already, as nothing shall be built",
            hint="Leave out --no-build: then it is built and pushed.",
        )
    if wanted.role_arn is not None:
        worker_role.require(aws, wanted.role_arn)
    if digests := unmarked(plan.current):
        # First of all: as soon as the repository has its lifecycle, it removes what is not marked.
        steps.say(f"Marking the images in {names.repository} that {names.function} runs, so that they stay")
        repository.keep(aws, names, digests)
    _make(aws, plan, Resource.REPOSITORY, waiting, steps)
    digest = plan.current.digest or _deliver(aws, wanted, deliver, steps)
    for resource in (Resource.ROLE, Resource.LOG_GROUP, Resource.QUEUE):
        _make(aws, plan, resource, waiting, steps)
    if wanted.in_ecr:
        repository.find_image(aws, names, digest)
    return replace(wanted, image=replace(wanted.image, digest=digest))


def _make(aws: Aws, plan: Plan, resource: Resource, waiting: Waiting, steps: _Steps) -> None:
    """Create or update one of the surroundings, if the plan says so."""
    change = next((change for change in plan.changes if change.resource is resource), None)
    if change is None:
        return
    wanted, names, created = plan.wanted, plan.wanted.names, change.kind is Kind.CREATE
    steps.say(f"{'Creating' if created else 'Updating'} the {resource} {change.name}")
    match resource:
        case Resource.REPOSITORY:
            (repository.create if created else repository.update)(aws, names, wanted.repository())
        case Resource.ROLE:
            make_role = worker_role.create if created else worker_role.update
            waiting.patiently(lambda: make_role(aws, names, wanted.role()))
        case Resource.LOG_GROUP:
            (log_group.create if created else log_group.update)(aws, names, wanted_log_group(plan.current, wanted))
        case Resource.QUEUE:
            make_queue = queue.create if created else queue.update
            waiting.patiently(lambda: make_queue(aws, names, wanted.queue()))


def _deliver(aws: Aws, wanted: Wanted, deliver: Deliver | None, steps: _Steps) -> str:
    reference = f"{wanted.image.repository_uri}:{wanted.image.tag}"
    assert deliver is not None
    steps.say(f"Bringing the image to {reference}")
    return deliver(repository.login(aws) if wanted.in_ecr else None, reference)


def _make_function(aws: Aws, plan: Plan, waiting: Waiting, steps: _Steps) -> None:
    wanted, names = plan.wanted, plan.wanted.names
    now = plan.current.function
    then = wanted.function()
    if now is None:
        steps.say(f"Creating the function {names.function}")
        function_update.create(aws, names, then, waiting)
    elif plan.has(Resource.FUNCTION):
        steps.say(f"{'Making anew' if now.never_was else 'Updating'} the function {names.function}")
        function_update.update(aws, names, now, then, waiting)
    else:
        function_update.wait(aws, names, waiting)
