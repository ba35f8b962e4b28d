"""What a run began with: who was to do what, where, and what that was expected to take."""

import datetime as dt
from collections.abc import Iterable
from typing import Literal

from pydantic import Field

from glacierctl import __version__
from glacierctl.choices import Satellite, Service
from glacierctl.model import SCHEMA_VERSION, PathSafe, Plan, Task, UtcDatetime, Value

LAMBDA_ATTEMPTS = 3
"""How often Lambda tries a task that fails: once, and twice more (aws/wanted.py asks for two)."""


class Binding(Value):
    """The version of a function that a run was handed to. A later deployment changes nothing for the run."""

    function: str
    """Name of the Lambda function."""
    version: str
    """Number of its version."""
    aws_region: str
    """Where it runs."""
    memory_mb: int
    """Its memory."""
    timeout_s: int
    """Seconds after which Lambda ends an invocation."""
    architecture: str
    """Its processors: x86_64 or arm64."""


class PlannedTask(Value):
    """One task, as far as it must be known to tell what became of it."""

    task_id: PathSafe
    """The task; it lies whole in the ledger."""
    region: PathSafe
    """Its region."""
    products: tuple[PathSafe, ...] = Field(min_length=1)
    """Names of what its acquisitions become, in order."""
    seconds: float = 0.0
    """What it takes, by the estimate; 0 where nothing was estimated."""


LeftOutReason = Literal["exists", "coverage"]
"""Why an acquisition is in no task: its product is in the store, or its footprints cannot cover enough."""


class LeftOut(Value):
    """An acquisition of the plan that is in no task."""

    region: PathSafe
    """Its region."""
    product: PathSafe
    """What it would become."""
    reason: LeftOutReason
    """In one word."""


class ExpectedDollars(Value):
    """What the parts of a run were expected to cost, in US dollars."""

    compute: float = 0.0
    """Memory over time."""
    requests: float = 0.0
    """Invocations."""
    puts: float = 0.0
    """What is written to S3."""
    reads: float = 0.0
    """Reads of scenes that their reader pays for."""


class Expected(Value):
    """What a run was expected to take."""

    bytes_to_read: int = 0
    """Of scenes."""
    requests: int = 0
    """Reads of scenes."""
    paid_requests: int = 0
    """How many of these the reader pays for."""
    seconds: float = 0.0
    """Of work, all tasks one after the other."""
    gb_seconds: float = 0.0
    """Memory over time, as Lambda bills it; 0 for a run on one's own machine."""
    dollars: float = 0.0
    """US dollars, without free tiers; 0 for a run on one's own machine."""
    parts: ExpectedDollars = ExpectedDollars()
    """What these are for."""


class Submission(Value):
    """The first page of a ledger, written when all else of the plan is in it."""

    schema_version: Literal[1] = Field(default=SCHEMA_VERSION, alias="schema")
    """Version of this document; written as `schema`."""
    run_id: PathSafe
    """The run."""
    store_url: str
    """Where products and ledger lie."""
    service: Service
    """Who does the work."""
    binding: Binding | None = None
    """The function it was handed to; none for a run on one's own machine."""
    submitted_at: UtcDatetime
    """When, by the submitter's clock."""
    satellite: Satellite
    """Mission."""
    start: dt.date
    """First day, inclusive, UTC."""
    end: dt.date
    """Last day, inclusive, UTC."""
    regions: tuple[PathSafe, ...]
    """All that were asked for, those without acquisitions included."""
    tasks: tuple[PlannedTask, ...]
    """What was to be done."""
    left_out: tuple[LeftOut, ...] = ()
    """What was not."""
    expected: Expected = Expected()
    """What it was expected to take."""
    version: str = __version__
    """Of glacierctl."""

    @property
    def attempts(self) -> int:
        """How often a task that fails is tried without anybody asking."""
        return LAMBDA_ATTEMPTS if self.service is Service.LAMBDA else 1


def new_submission(
    plan: Plan,
    tasks: Iterable[Task],
    run_id: str,
    store_url: str,
    submitted_at: dt.datetime,
    *,
    seconds: Iterable[float] = (),
    left_out: tuple[LeftOut, ...] = (),
    binding: Binding | None = None,
    expected: Expected | None = None,
) -> Submission:
    """Put together what a run begins with.

    Args:
        plan: all that was found.
        tasks: what is to be done of it.
        run_id: the run.
        store_url: where products and ledger go.
        submitted_at: the current time, with its zone.
        seconds: estimate of each task, in order; empty if there is none.
        left_out: what is in no task.
        binding: the function that does it; none for this machine.
        expected: what it is expected to take.
    """
    every = tuple(tasks)
    each = tuple(seconds) or (0.0,) * len(every)
    return Submission(
        schema=1,
        run_id=run_id,
        store_url=store_url,
        service=Service.LAMBDA if binding else Service.LOCAL,
        binding=binding,
        submitted_at=submitted_at,
        satellite=plan.request.satellite,
        start=plan.request.start,
        end=plan.request.end,
        regions=tuple(region.name for region in plan.request.regions),
        tasks=tuple(_planned(task, taking) for task, taking in zip(every, each, strict=True)),
        left_out=left_out,
        expected=expected or Expected(),
    )


def _planned(task: Task, seconds: float) -> PlannedTask:
    return PlannedTask(
        task_id=task.task_id,
        region=task.region.name,
        products=tuple(one.product for one in task.acquisitions),
        seconds=seconds,
    )
