"""Where things lie in a store. A contract: the tools that read today's results read these keys."""

from glacierctl.choices import Satellite

RUNS = "runs/"
"""What the keys of all ledgers begin with."""


def product_key(satellite: Satellite, region: str, product: str, suffix: str) -> str:
    """Key of a product's file; `suffix` is `tif` (image), `json` (STAC item) or `png` (quicklook)."""
    return f"{satellite}/clipped/{region}/{product}.{suffix}"


def images_prefix(satellite: Satellite) -> str:
    """What the keys of all products of a satellite begin with; the names of regions follow."""
    return f"{satellite}/clipped/"


def products_prefix(satellite: Satellite, region: str) -> str:
    """What the keys of a region's products begin with."""
    return f"{satellite}/clipped/{region}/"


def lineage_key(satellite: Satellite, region: str, product: str) -> str:
    """Key of the table that names a product's source files in mosaic order."""
    return f"{satellite}/metadata/individual_csv/{region}/{product}.csv"


def lineage_prefix(satellite: Satellite, region: str) -> str:
    """What the keys of a region's lineage tables begin with."""
    return f"{satellite}/metadata/individual_csv/{region}/"


def combined_lineage_key(satellite: Satellite, region: str) -> str:
    """Key of the table of all lineage rows of a region."""
    return f"{satellite}/metadata/combined_csv/{region}.csv"


def plan_key(run_id: str) -> str:
    """Key of what a run was to do."""
    return f"runs/{run_id}/plan.json"


def task_key(run_id: str, task_id: str) -> str:
    """Key of one task of a run."""
    return f"runs/{run_id}/tasks/{task_id}.json"


def report_key(run_id: str, task_id: str, attempt: int) -> str:
    """Key of what one attempt at a task came to."""
    return f"runs/{run_id}/reports/{task_id}/{attempt}.json"


def reports_prefix(run_id: str, task_id: str) -> str:
    """What the keys of a task's reports begin with."""
    return f"runs/{run_id}/reports/{task_id}/"


def run_prefix(run_id: str) -> str:
    """What the keys of one run's ledger begin with."""
    return f"{RUNS}{run_id}/"


def submission_key(run_id: str) -> str:
    """Key of what was handed to whom; written last of what a run begins with."""
    return f"runs/{run_id}/submission.json"


def handed_key(run_id: str, task_id: str, number: int) -> str:
    """Key that shows that a task was handed over for the `number`-th time, from 1."""
    return f"runs/{run_id}/handed/{task_id}/{number}.json"


def lease_key(run_id: str, name: str, number: int) -> str:
    """Key of the `number`-th holder's lease on `name`, which is a task's id or `handover`."""
    return f"runs/{run_id}/leases/{name}/{number}.json"


def leases_prefix(run_id: str, name: str) -> str:
    """What the keys of all leases on `name` begin with."""
    return f"runs/{run_id}/leases/{name}/"


def cancelled_key(run_id: str) -> str:
    """Key that shows that a run was called off."""
    return f"runs/{run_id}/cancelled"
