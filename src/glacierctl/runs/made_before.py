"""What a run has made already, where existing products are made anew and must be told from older ones."""

from glacierctl.model import Product, Task
from glacierctl.runs.ledger import Ledger
from glacierctl.storage import Store
from glacierctl.storage.layout import products_prefix, submission_key


def made_before(task: Task, ledger: Ledger, store: Store) -> frozenset[str]:
    """Products of a task that earlier attempts made; none is named where existing ones are left alone anyway.

    Reports name them. A worker that was killed wrote none: what it made is newer than the run's first page.

    Raises:
        StoreError: the store cannot be read.
    """
    if not task.options.overwrite:
        return frozenset()
    outcomes = (outcome for report in ledger.reports(task.task_id) for outcome in report.outcomes)
    reported = {outcome.product for outcome in outcomes if isinstance(outcome, Product)}
    begun = next(store.listing(submission_key(task.run_id)), None)
    if begun is None:
        return frozenset(reported)
    folder = products_prefix(task.satellite, task.region.name)
    items = (
        entry for entry in store.listing(folder) if entry.key.endswith(".json") and entry.modified > begun.modified
    )
    return frozenset(reported.union(entry.key.removeprefix(folder).removesuffix(".json") for entry in items))
