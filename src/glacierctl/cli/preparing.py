"""A run before it begins: what is to do, for whom, and what that will take."""

import datetime as dt
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from glacierctl import __version__
from glacierctl.choices import Service
from glacierctl.cli import show
from glacierctl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from glacierctl.aws.hand_over import Target
    from glacierctl.config import Settings
    from glacierctl.model import Plan
    from glacierctl.planning.packing import Limits, PackedTask
    from glacierctl.planning.preview import RegionPreview
    from glacierctl.runs.submission import Expected, ExpectedDollars, LeftOut, Submission
    from glacierctl.storage import Store

_ENVIRONMENT_S = 1.0
"""Billed for each invocation beside its work and the program's start, about: the runtime's own start, and files of the
image that come over a network. Lambda bills this part, INIT, for images too."""
_DIGITS = 9
"""Of dollars: a request costs 0.2 millionths."""
_PUTS_PER_PRODUCT = 4
_PUTS_PER_TASK = 6
"""Task, hand-over, lease and report in the ledger, the lineage table, and one more for the plan."""


@dataclass(frozen=True)
class Prepared:
    """A run before it begins."""

    plan: "Plan"
    """All that was found."""
    previews: "tuple[RegionPreview, ...]"
    """The same beside what the store holds."""
    packed: "list[PackedTask]"
    """What is to do."""
    page: "Submission"
    """The first page of its ledger, as it will be."""

    @property
    def acquisitions(self) -> int:
        """How many are to do."""
        return sum(len(one.task.acquisitions) for one in self.packed)


def prepare(plan: "Plan", store: "Store", settings: "Settings", target: "Target | None", now: dt.datetime) -> Prepared:
    """Compare what was found with the store, and cut what is to do into tasks.

    A plan has one run. Where that has ended, and products that it left behind are missing now, another one follows.

    Args:
        plan: all that was found.
        store: where products and ledger go.
        settings: how to work on this machine.
        target: the version of a function that does the work; none for this machine.
        now: the current time, with its zone.

    Raises:
        UsageError: an acquisition needs more memory or time than the function has.
        StoreError: the store cannot be listed.
    """
    from glacierctl.planning.packing import Limits
    from glacierctl.planning.preview import preview

    limits = Limits.of_function(target.memory_mb, target.timeout_s) if target else Limits.of_machine(settings.workers)
    previews = preview(plan, store, cores=1)
    again = 0
    prepare_run = partial(_prepared, plan, previews, store, limits=limits, target=target, now=now)
    while gone := _gone(prepared := prepare_run(again=again), store):
        missing = f"Missing now of what {prepared.page.run_id} left in the store: {show.counted(gone, 'product')}"
        show.say(f"{missing}. Another run follows.")
        again += 1
    return prepared


def _prepared(
    plan: "Plan",
    previews: "tuple[RegionPreview, ...]",
    store: "Store",
    *,
    limits: "Limits",
    target: "Target | None",
    now: dt.datetime,
    again: int,
) -> Prepared:
    from glacierctl.cli.handing import binding_of
    from glacierctl.planning.packing import pack
    from glacierctl.planning.tasks import run_id
    from glacierctl.runs.submission import new_submission

    maker = _maker(target) if plan.request.options.overwrite else ""
    run = run_id(plan, service=Service.LAMBDA if target else Service.LOCAL, again=again, maker=maker)
    packed = pack(plan, previews, store.url, run, limits)
    page = new_submission(
        plan,
        [one.task for one in packed],
        run,
        store.url,
        now,
        seconds=[round(one.seconds, 1) for one in packed],
        left_out=_left_out(previews),
        binding=binding_of(target) if target else None,
        expected=_expected(previews, packed, target),
    )
    return Prepared(plan, previews, packed, page)


def _maker(target: "Target | None") -> str:
    """What makes products: the same one makes the same bytes."""
    return f"{target.function}:{target.version} in {target.aws_region}" if target else f"glacierctl {__version__}"


def _gone(prepared: Prepared, store: "Store") -> int:
    """How many products that a run left in the store when it ended are missing and to be made."""
    from glacierctl.runs.reader import LedgerReader
    from glacierctl.runs.state import State

    reader = LedgerReader(store, prepared.page.run_id)
    if prepared.plan.request.options.overwrite or not prepared.packed or not reader.has_begun():
        return 0
    state = reader.state()
    if not state.settled or state.cancelled:
        return 0
    todo = {(one.task.region.name, made.product) for one in prepared.packed for made in one.task.acquisitions}
    had = (one for one in state.acquisitions if one.state is State.SUCCEEDED or one.reason == "exists")
    return len(todo & {(one.region, one.product) for one in had})


def show_prepared(prepared: Prepared) -> None:
    """Show on stderr what is to do, and what it will take: stdout is for the run's id."""
    from glacierctl.cli.plan import paid_line, why_nothing

    nothing = why_nothing(prepared.plan)
    if nothing:
        show.say(f"Nothing to do: {nothing}.")
        return
    page, expected = prepared.page, prepared.page.expected
    reasons = [one.reason for one in page.left_out]
    left_out = f"{reasons.count('exists')} exist, {reasons.count('coverage')} cover too little"
    if not prepared.packed:
        show.say(f"Nothing to do; left out: {left_out}")
        return
    todo = f"{show.counted(prepared.acquisitions, 'acquisition')} to do in {show.counted(len(page.tasks), 'task')}"
    show.say(f"{todo}; left out: {left_out}")
    bound = page.binding
    cost = f", about {show.format_dollars(expected.dollars)}" if bound else ""
    work = f"{show.format_bytes(expected.bytes_to_read)} to read, {show.format_seconds(expected.seconds)} of work{cost}"
    show.say(work)
    if bound and expected.paid_requests:
        show.say(paid_line(expected.paid_requests, bound.aws_region))
    if bound:
        show.say(f"By version {bound.version} of {bound.function} ({bound.memory_mb} MB), into {page.store_url}")
    else:
        show.say(f"On this machine, into {page.store_url}")


def require_cheap(page: "Submission", max_cost: float | None) -> None:
    """Refuse what would cost more than is allowed.

    Raises:
        UsageError: it would.
    """
    if max_cost is None or page.expected.dollars <= max_cost:
        return
    raise UsageError(
        f"the run would cost about ${page.expected.dollars:.6g}",
        why=f"--max-cost allows ${max_cost:.6g}; nothing was begun",
        hint="Ask for fewer regions or days, or allow more.",
    )


def _left_out(previews: "Sequence[RegionPreview]") -> "tuple[LeftOut, ...]":
    from glacierctl.planning.preview import State
    from glacierctl.runs.submission import LeftOut

    reasons = {State.EXISTS: "exists", State.LITTLE_OVERLAP: "coverage"}
    return tuple(
        LeftOut.model_validate({"region": preview.region, "product": one.acquisition.product, "reason": reason})
        for preview in previews
        for one in preview.acquisitions
        if (reason := reasons.get(one.state))
    )


def _expected(
    previews: "Sequence[RegionPreview]", packed: "Sequence[PackedTask]", target: "Target | None"
) -> "Expected":
    from glacierctl.planning.estimate import Estimate
    from glacierctl.planning.speed import START_S
    from glacierctl.runs.submission import Expected, ExpectedDollars

    whole = Estimate.total(preview.estimate for preview in previews)
    start_s = START_S if packed and not target else 0.0
    gb_seconds = _gb_seconds(packed, target) if target else 0.0
    parts = _dollars(packed, gb_seconds, whole.paid_requests, target) if target else ExpectedDollars()
    return Expected(
        bytes_to_read=whole.bytes_to_read,
        requests=whole.requests,
        paid_requests=whole.paid_requests,
        seconds=round(start_s + sum(one.seconds for one in packed), 1),
        gb_seconds=round(gb_seconds, 3),
        dollars=round(parts.compute + parts.requests + parts.puts + parts.reads, 6),
        parts=parts,
    )


def _gb_seconds(packed: "Sequence[PackedTask]", target: "Target") -> float:
    from glacierctl.aws.prices import gb_seconds

    return gb_seconds(target.memory_mb, sum(one.seconds + _ENVIRONMENT_S for one in packed) * 1000)


def _dollars(
    packed: "Sequence[PackedTask]", gb_seconds: float, paid_requests: int, target: "Target"
) -> "ExpectedDollars":
    """What is stored is charged by the month, and not here."""
    from glacierctl.aws.prices import prices_of
    from glacierctl.choices import Architecture
    from glacierctl.runs.submission import ExpectedDollars

    prices = prices_of(target.aws_region)
    products = sum(len(one.task.acquisitions) for one in packed)
    return ExpectedDollars(
        compute=round(prices.compute(gb_seconds, Architecture(target.architecture)), _DIGITS),
        requests=round(prices.requests(len(packed)), _DIGITS),
        puts=round(prices.puts(products * _PUTS_PER_PRODUCT + len(packed) * _PUTS_PER_TASK), _DIGITS),
        reads=round(prices.gets(paid_requests), _DIGITS),
    )
