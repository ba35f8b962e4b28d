"""How a run stands: what the signs in its ledger and the outcomes in its reports come to. Nothing is read here."""

import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import TypeGuard

from glacierctl.choices import Service
from glacierctl.model import Failed, Outcome, Product, Skipped
from glacierctl.runs.signs import Names, Signs
from glacierctl.runs.submission import LeftOut, PlannedTask, Submission

LOST_S = 20 * 60
"""After so many seconds without a sign of life, what was handed over counts as lost."""
DEAD_S = 60
"""After so many seconds without a beat a worker is taken for dead; others may have its task since half of them."""
RETRY_WAIT_S = 5 * 60
"""Lambda tries again what failed after one and after two minutes; after so many seconds it will not."""

_ID_LENGTH = 13
"""Of a task's id, what follows its region: a hyphen and twelve digits."""


class State(StrEnum):
    """How one acquisition stands."""

    SUCCEEDED = "SUCCEEDED"
    RUNNING = "RUNNING"
    FAILED = "FAILED"
    SKIPPED = "SKIPPED"
    PENDING = "PENDING"
    LOST = "LOST"


@dataclass(frozen=True, slots=True)
class AcquisitionState:
    """How one acquisition stands."""

    region: str
    """Its region."""
    product: str
    """What it becomes."""
    task_id: str | None
    """The task it is in; none if it is in none."""
    state: State
    """In one word."""
    reason: str = ""
    """Why it failed or was skipped, in few words for counting; else empty."""
    detail: str = ""
    """The same in a sentence."""
    hint: str = ""
    """What to do about a failure."""


@dataclass(frozen=True, slots=True)
class RunState:
    """How a run stands."""

    submission: Submission
    """What it began with."""
    acquisitions: tuple[AcquisitionState, ...]
    """All of them, task by task, then those that are in none."""
    outcomes: tuple[Outcome, ...]
    """Of every attempt, in order of time."""
    cancelled: bool
    """Whether it was called off, or a part of it."""
    off: frozenset[str]
    """Tasks that are not to be begun, since they were called off."""
    not_handed: tuple[str, ...]
    """Tasks that nobody was told of yet."""
    handing_over: bool
    """Whether somebody is at it."""
    settled: bool
    """Whether nothing more will happen unless somebody asks."""

    @property
    def run_id(self) -> str:
        """The run."""
        return self.submission.run_id

    @property
    def interrupted(self) -> bool:
        """Whether whoever handed over, or did it all on one's own machine, has stopped half-way: `resume` goes on."""
        return bool(self.not_begun) and not self.handing_over

    @property
    def stuck(self) -> bool:
        """Whether it will not end by itself: it was interrupted, and nothing that was handed over is at work."""
        if not self.interrupted:
            return False
        is_local = self.submission.service is Service.LOCAL
        return is_local or not set(self.tasks_in({State.PENDING, State.RUNNING})) - set(self.not_handed)

    @property
    def unfinished(self) -> tuple[str, ...]:
        """Tasks that have not come to an end, in order."""
        return self.tasks_in({State.PENDING, State.RUNNING, State.LOST})

    @property
    def not_begun(self) -> tuple[str, ...]:
        """Tasks that `resume` begins: those that nobody was told of; on one's own machine all that are unfinished.

        None that was called off: that has to be taken back first.
        """
        left = self.unfinished if self.submission.service is Service.LOCAL else self.not_handed
        return tuple(one for one in left if one not in self.off)

    @property
    def called_off(self) -> tuple[str, ...]:
        """Tasks that would have had more to do when the run was called off, in order."""
        off = (one.task_id for one in self.acquisitions if one.state is State.SKIPPED and one.reason == _CANCELLED[0])
        return tuple(dict.fromkeys(name for name in off if name))

    def counts(self, region: str | None = None) -> dict[State, int]:
        """How many acquisitions stand how, of one region or of all."""
        counted = Counter(one.state for one in self.acquisitions if region in {None, one.region})
        return {state: counted[state] for state in State}

    def reasons(self, state: State) -> dict[str, int]:
        """Why acquisitions are in a state, and how many, the most frequent first."""
        return dict(Counter(one.reason for one in self.acquisitions if one.state is state).most_common())

    def tasks_in(self, states: Iterable[State]) -> tuple[str, ...]:
        """Tasks that have an acquisition in one of these states, in order."""
        wanted = frozenset(states)
        return tuple(dict.fromkeys(one.task_id for one in self.acquisitions if one.task_id and one.state in wanted))


def run_state(submission: Submission, names: Names, outcomes: Mapping[str, Sequence[Outcome]]) -> RunState:
    """Say how every acquisition stands.

    Args:
        submission: what the run began with.
        names: what is in its ledger.
        outcomes: of each report, by its key.
    """
    reports = sorted((e for s in names.tasks.values() for e in s.reports.values()), key=lambda e: (e.modified, e.key))
    ended = [_Ended(entry.modified, outcome) for entry in reports for outcome in outcomes.get(entry.key, ())]
    judge = _Judge(submission, names, ended)
    by_task = [judge.task(task) for task in submission.tasks]
    return RunState(
        submission=submission,
        acquisitions=(*(one for each in by_task for one in each), *map(_left_out, submission.left_out)),
        outcomes=tuple(one.outcome for one in ended),
        cancelled=names.called_off is not None,
        off=frozenset(task.task_id for task in submission.tasks if judge.is_off(task)),
        not_handed=tuple(task.task_id for task in submission.tasks if task.task_id not in names.tasks),
        handing_over=bool(names.handover and names.handover.is_live),
        settled=all(judge.is_settled(task, each) for task, each in zip(submission.tasks, by_task, strict=True)),
    )


@dataclass(frozen=True, slots=True)
class _Ended:
    """An acquisition that an attempt brought to an end."""

    reported_at: dt.datetime
    """When the attempt's report was written, by the store's clock."""
    outcome: Outcome
    """What it came to."""


class _Judge:
    """Says how acquisitions stand, by all that is known of a run."""

    def __init__(self, submission: Submission, names: Names, ended: list[_Ended]) -> None:
        self._submission = submission
        self._names = names
        self._last_sign = names.last_sign()
        self._ended: dict[tuple[str, str], list[_Ended]] = {}
        for one in ended:
            self._ended.setdefault((one.outcome.region, one.outcome.product), []).append(one)
        known = {task.task_id for task in submission.tasks}
        self._handed_on: dict[str, list[Signs]] = {}  # what workers handed on to others, by region
        for name, signs in names.tasks.items():
            if name not in known:
                self._handed_on.setdefault(name[:-_ID_LENGTH], []).append(signs)

    def task(self, task: PlannedTask) -> list[AcquisitionState]:
        """All acquisitions of a task."""
        signs = [self._own(task), *self._handed_on.get(task.region, [])]
        return [self._acquisition(task, product, signs) for product in task.products]

    def is_settled(self, task: PlannedTask, acquisitions: list[AcquisitionState]) -> bool:
        """Whether nothing more will happen to a task unless somebody asks."""
        states = {one.state for one in acquisitions}
        if states & {State.RUNNING, State.PENDING}:
            return False
        signs = self._own(task)
        if State.FAILED not in states or len(signs.reports_since_handed()) >= self._submission.attempts:
            return True
        return self._is_silent(signs.last(), RETRY_WAIT_S)

    def is_off(self, task: PlannedTask) -> bool:
        """Whether a task is called off."""
        mark = self._names.called_off
        return mark is not None and mark.holds(task.task_id)

    def _acquisition(self, task: PlannedTask, product: str, signs: list[Signs]) -> AcquisitionState:
        every = self._ended.get((task.region, product), [])
        ended = [one for one in every if not _is_put_off(one.outcome)]
        last = ended[-1] if ended else None
        stands = partial(AcquisitionState, task.region, product, task.task_id)
        if any(isinstance(one.outcome, Product) for one in ended):
            return stands(State.SUCCEEDED)
        if last and isinstance(last.outcome, Skipped):
            return stands(State.SKIPPED, last.outcome.reason, last.outcome.detail)
        if any(self._is_running(one) for one in signs):
            return stands(State.RUNNING)
        if last and isinstance(last.outcome, Failed) and last.reported_at >= (signs[0].handed_at or last.reported_at):
            return stands(State.FAILED, last.outcome.what, last.outcome.why, last.outcome.hint)
        return self._not_done(task, every[-1] if every else None, signs, stands)

    def _not_done(
        self, task: PlannedTask, last: _Ended | None, signs: list[Signs], stands: Callable[..., AcquisitionState]
    ) -> AcquisitionState:
        """One that nobody has and that is not done; `last` is what its last attempt came to."""
        no_time = None
        if last and _is_late(last.outcome) and last.reported_at >= (signs[0].handed_at or last.reported_at):
            no_time = stands(State.FAILED, NO_TIME, last.outcome.detail, _MORE_TIME)
        if no_time and self._is_used_up(signs):
            return no_time
        if self.is_off(task):
            return stands(State.SKIPPED, *_CANCELLED)
        if not self._is_lost(signs):
            return stands(State.PENDING)
        return no_time or stands(State.LOST, *_LOST)

    def _own(self, task: PlannedTask) -> Signs:
        return self._names.tasks.get(task.task_id, Signs())

    def _is_running(self, signs: Signs) -> bool:
        """Whether a worker has it. One that died has not: its task is to be tried again."""
        return bool(signs.beat and not signs.beat.given_back and not self._is_silent(signs.beat_at, DEAD_S))

    def _is_lost(self, signs: list[Signs]) -> bool:
        """Whether nothing was heard for too long: of what had begun, of itself; of what waits its turn, of the run."""
        if any(one.beat or one.reports for one in signs):
            return self._is_silent(max((at for one in signs if (at := one.last())), default=None), LOST_S)
        return bool(signs[0].handed) and self._is_silent(self._last_sign, LOST_S)

    def _is_used_up(self, signs: list[Signs]) -> bool:
        """Whether nobody will try again by himself: neither Lambda nor another task that a worker handed it on to."""
        own, *handed_on = signs
        return not handed_on and len(own.reports_since_handed()) >= self._submission.attempts

    def _is_silent(self, last: dt.datetime | None, seconds: float) -> bool:
        return last is None or (self._names.now - last).total_seconds() > seconds


NO_TIME = "no time"
"""Why an acquisition failed that no attempt has begun, since each had too little time left for it."""
_MORE_TIME = (
    "What had no time may need more memory, which brings processors: glacierctl retry RUN --memory MB. "
    "A longer timeout is for other runs: glacierctl deploy --timeout S."
)
_LOST = ("no sign of life", f"nothing was heard of it for {LOST_S // 60} minutes", "Run it again: glacierctl retry.")
_CANCELLED = ("cancelled", "the run was called off before this was done")
_LEFT_OUT = {
    "exists": "its product was in the store",
    "coverage": "its footprints cannot cover enough of the region",
}


def _left_out(one: LeftOut) -> AcquisitionState:
    return AcquisitionState(one.region, one.product, None, State.SKIPPED, one.reason, _LEFT_OUT[one.reason])


def _is_put_off(outcome: Outcome) -> bool:
    """Whether it was left to another attempt: there was no time, or the run was called off, which can be taken back."""
    return _is_late(outcome) or (isinstance(outcome, Skipped) and outcome.reason == "cancelled")


def _is_late(outcome: Outcome) -> TypeGuard[Skipped]:
    return isinstance(outcome, Skipped) and outcome.reason == "deadline"
