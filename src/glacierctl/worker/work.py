"""A task carried out by one worker: outcomes one by one, a report in the ledger, an error if anything is left to do."""

import datetime as dt
from collections.abc import Callable

from glacierctl.model import Failed, Outcome, Skipped, Task
from glacierctl.processing.lineage import combine_lineage
from glacierctl.processing.process import Means, process
from glacierctl.runs.ledger import Ledger
from glacierctl.storage.interface import Store
from glacierctl.worker.log import Log

_NAMED = 3
"""How many acquisitions an error names; the report names all."""


class AcquisitionsFailedError(Exception):
    """Acquisitions failed. Raised so that whoever sent the task sees it and may send it again."""


class DeadlineError(Exception):
    """There was no time for all acquisitions; those that are done stay done when the task is sent again."""


def carry_out(task: Task, store: Store, means: Means, log: Log, *, now: Callable[[], dt.datetime]) -> dict[str, int]:
    """Make the products of a task.

    Returns:
        how many acquisitions came to what: `product`, `skipped`.

    Raises:
        AcquisitionsFailedError: some failed; the others are done.
        DeadlineError: none failed, but some were not tried.
        StoreError: the ledger cannot be written.
    """
    outcomes: list[Outcome] = []
    started_at = now()
    log.info("begin", region=task.region.name, acquisitions=len(task.acquisitions))
    try:
        for outcome in process(task, store, means):
            outcomes.append(outcome)
            _say(log, outcome)
    finally:
        report = Ledger(store, task.run_id).report(task, outcomes, started_at, now())
        combine_lineage(store, task.satellite, task.region.name)
    counts = _counts(outcomes)
    log.info("end", **counts, attempt=report.attempt, usage=means.transport.usage.model_dump(mode="json"))
    _require_all_done(outcomes)
    return counts


def _say(log: Log, outcome: Outcome) -> None:
    said = outcome.model_dump(mode="json")
    (log.failure if isinstance(outcome, Failed) else log.info)("outcome", **said)


def _counts(outcomes: list[Outcome]) -> dict[str, int]:
    words = [one.outcome for one in outcomes]
    return {word: words.count(word) for word in ("product", "skipped", "failed")}


def _require_all_done(outcomes: list[Outcome]) -> None:
    failed = [one for one in outcomes if isinstance(one, Failed)]
    if failed:
        named = [f"{one.region} {one.product}: {one.what}: {one.why}" for one in failed]
        raise AcquisitionsFailedError(_sentence(f"{len(failed)} of {len(outcomes)} acquisitions failed", named))
    late = [one for one in outcomes if isinstance(one, Skipped) and one.reason == "deadline"]
    if late:
        named = [f"{one.region} {one.product}: {one.detail}" for one in late]
        raise DeadlineError(_sentence(f"no time for {len(late)} of {len(outcomes)} acquisitions", named))


def _sentence(what: str, named: list[str]) -> str:
    more = f"; and {len(named) - _NAMED} more" if len(named) > _NAMED else ""
    return f"{what}. {'; '.join(named[:_NAMED])}{more}"
