"""What is to do, cut into tasks that a worker of limited memory and time can do."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from glacierctl.errors import UsageError
from glacierctl.model import Plan, Task
from glacierctl.planning.estimate import Estimate
from glacierctl.planning.preview import PreviewedAcquisition, RegionPreview, State
from glacierctl.planning.speed import MEMORY_MARGIN, SAFETY, START_S
from glacierctl.planning.tasks import new_task

_MB_PER_CPU = 1769
"""Memory with which Lambda gives one processor; with more or less of it, more or less of one."""
_SHARE_OF_TIME = 1 / SAFETY
"""How much of its time a task may take by the estimate: so it ends in time even where all takes as long as is allowed
for, and many small tasks are done sooner than few large ones."""
RESERVE_S = 15.0
"""Of its time a worker keeps so much back for writing the report before it is stopped."""
_LONGEST_S = 900
"""Lambda lets no invocation take more."""
_NAMED = 3
"""How many regions an error names."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a worker has."""

    memory_mb: float
    """Memory; infinite for a machine of one's own."""
    timeout_s: float
    """Seconds until it is stopped; infinite for a machine of one's own."""
    cpus: float
    """Processors."""
    start_s: float = 0.0
    """Seconds until a task begins; 0 where one process does all of them."""

    @classmethod
    def of_function(cls, memory_mb: int, timeout_s: int) -> "Limits":
        """Those of a Lambda function."""
        return cls(memory_mb, timeout_s, memory_mb / _MB_PER_CPU, START_S)

    @classmethod
    def of_machine(cls, cpus: int) -> "Limits":
        """Those of a machine of one's own."""
        return cls(float("inf"), float("inf"), cpus)

    def seconds(self, estimate: Estimate) -> float:
        """How long an acquisition takes here, from its estimate on one processor."""
        shared_s = estimate.seconds - estimate.serial_s
        return estimate.serial_s / min(1, self.cpus) + shared_s / self.cpus

    def seconds_needed(self, estimate: Estimate) -> float:
        """How much time must be left for an acquisition to be begun here."""
        return SAFETY * self.seconds(estimate)

    @property
    def most_time_left_s(self) -> float:
        """How much time is left to the first acquisition of a task."""
        return self.timeout_s - RESERVE_S - self.start_s


@dataclass(frozen=True, slots=True)
class PackedTask:
    """A task, and what it takes."""

    task: Task
    """What is to be done."""
    seconds: float
    """On the worker that it was packed for, its start included."""


def pack(
    plan: Plan, previews: Sequence[RegionPreview], store_url: str, run_id: str, limits: Limits
) -> list[PackedTask]:
    """Cut what is to do into tasks: each of one region, its acquisitions in order of time.

    Args:
        plan: all that was found.
        previews: the same beside what the store holds, estimated on one processor.
        store_url: where products and ledger go.
        run_id: the run.
        limits: what a worker has.

    Raises:
        UsageError: an acquisition needs more memory or time than a worker has.
    """
    _require_memory(previews, limits)
    _require_time(previews, limits)
    regions = {region.name: region for region in plan.request.regions}
    packed = []
    for preview in previews:
        for part in _parts(preview, limits):
            acquisitions = tuple(one.acquisition for one in part)
            task = new_task(plan, run_id, regions[preview.region], acquisitions, store_url)
            packed.append(PackedTask(task, limits.start_s + sum(limits.seconds(one.estimate) for one in part)))
    return packed


def _parts(preview: RegionPreview, limits: Limits) -> Iterator[list[PreviewedAcquisition]]:
    budget_s = limits.timeout_s * _SHARE_OF_TIME - limits.start_s
    part: list[PreviewedAcquisition] = []
    taken_s = 0.0
    for one in _to_do(preview):
        seconds = limits.seconds(one.estimate)
        if part and taken_s + seconds > budget_s:
            yield part
            part, taken_s = [], 0.0
        part.append(one)
        taken_s += seconds
    if part:
        yield part


def _to_do(preview: RegionPreview) -> list[PreviewedAcquisition]:
    return [one for one in preview.acquisitions if one.state is State.TO_DO]


def _require_memory(previews: Iterable[RegionPreview], limits: Limits) -> None:
    needed = {
        preview.region: round(MEMORY_MARGIN * max((one.estimate.memory_mb for one in _to_do(preview)), default=0))
        for preview in previews
    }
    too_large = {name: memory_mb for name, memory_mb in needed.items() if memory_mb > limits.memory_mb}
    if not too_large:
        return
    raise UsageError(
        f"{len(too_large)} regions need more memory than the function has",
        why=f"it has {limits.memory_mb:.0f} MB; {_named(too_large, 'MB')}",
        hint=f"Run `glacierctl deploy --memory {max(too_large.values())}`, or leave these regions out.",
    )


def _require_time(previews: Iterable[RegionPreview], limits: Limits) -> None:
    """A worker begins nothing that it may not have the time for: such a region would never be begun."""
    needed = {
        preview.region: max((limits.seconds_needed(one.estimate) for one in _to_do(preview)), default=-math.inf)
        for preview in previews
    }
    too_long = {name: math.ceil(needed_s) for name, needed_s in needed.items() if needed_s >= limits.most_time_left_s}
    if not too_long:
        return
    raise UsageError(
        f"{len(too_long)} regions need more time than the function has",
        why=(
            f"of its {limits.timeout_s:.0f} s {max(0, limits.most_time_left_s):.0f} s are for work, and it begins only "
            f"what ends in time if it takes {SAFETY:.0f} times what is expected; {_named(too_long, 's')}"
        ),
        hint=f"{_more_time(max(too_long.values()), limits)}, or leave these regions out.",
    )


def _more_time(needed_s: int, limits: Limits) -> str:
    """What to do where something needs so many seconds by these limits."""
    other_s = limits.timeout_s - limits.most_time_left_s
    timeout_s = math.ceil(needed_s + other_s)
    if timeout_s <= _LONGEST_S:
        return f"Run `glacierctl deploy --timeout {timeout_s}`, or give it more --memory, which brings processors"
    memory_mb = math.ceil(limits.memory_mb * needed_s / (_LONGEST_S - other_s))
    return f"Run `glacierctl deploy --timeout {_LONGEST_S} --memory {memory_mb}`, since memory brings processors"


def _named(needed: dict[str, int], unit: str) -> str:
    """Regions and what they need, not too many of them."""
    named = [f"{name} up to {amount} {unit}" for name, amount in list(needed.items())[:_NAMED]]
    more = f" and {len(needed) - _NAMED} more" if len(needed) > _NAMED else ""
    return f"{', '.join(named)}{more}"
