"""What runs cost, as JSON documents."""

from typing import TYPE_CHECKING, Any

from glacierctl.choices import Architecture
from glacierctl.cli.run_costs import count_scenes

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable

    from glacierctl.aws.costs import SceneCost
    from glacierctl.aws.prices import Prices
    from glacierctl.cli.run_costs import AllUsage, RunUsage

_CENT_DIGITS = 9
"""A request costs 0.2 millionths of a dollar."""


def run_document(run: "RunUsage") -> dict[str, Any]:
    """What one run cost."""
    page, prices, architecture = run.page, run.prices, run.architecture
    return {
        "run_id": page.run_id,
        "store": page.store_url,
        **_prices_document(prices, architecture),
        "running": run.running,
        "tasks_without_log": run.without_log,
        "total": bill_document(run.scenes.values(), prices, architecture),
        "expected": page.expected.model_dump(mode="json"),
        "regions": [
            {"region": name, "scenes": count_scenes(some), **bill_document(some, prices, architecture)}
            for name, some in run.by_region().items()
        ],
        "scenes": [
            {
                "region": key.region,
                "product": key.product,
                "outcome": one.outcome,
                **bill_document([one], prices, architecture),
            }
            for key, one in run.scenes.items()
        ],
    }


def all_document(every: "AllUsage", architecture: Architecture, since: "dt.datetime") -> dict[str, Any]:
    """What all runs since a time cost; `architecture` is that of invocations whose run is not known."""
    rows = [
        {
            "run_id": run.page.run_id,
            **bill_document(run.scenes.values(), run.prices, run.architecture),
            "expected_dollars": run.page.expected.dollars,
        }
        for run in every.runs
    ]
    if every.rest:
        rest = bill_document(every.rest.values(), every.prices, architecture)
        rows.append({"run_id": None, **rest, "expected_dollars": None})
    return {
        "functions": list(every.functions),
        "functions_without_log": list(every.without_log),
        "since": since.isoformat(timespec="milliseconds"),
        **_prices_document(every.prices, architecture),
        "runs": rows,
        "total_dollars": _rounded(sum(row["dollars"]["total"] for row in rows)),
        "storage_dollars_a_month": _rounded(sum(row["dollars"]["storage_a_month"] for row in rows)),
    }


def bill_document(costs: "Iterable[SceneCost]", prices: "Prices", architecture: Architecture) -> dict[str, Any]:
    """What some acquisitions used together, and the dollars for it."""
    from glacierctl.aws.costs import add_up, charge

    used = add_up(costs)
    bill = charge(used, prices, architecture)
    return {
        "invocations": round(used.invocations, 6),
        "gb_seconds": round(used.gb_seconds, 6),
        "log_bytes": round(used.log_bytes),
        "puts": round(used.puts, 6),
        "paid_requests": round(used.gets),
        "stored_bytes": used.stored_bytes,
        "dollars": {
            "compute": _rounded(bill.compute),
            "requests": _rounded(bill.requests),
            "logs": _rounded(bill.logs),
            "puts": _rounded(bill.puts),
            "reads": _rounded(bill.gets),
            "total": _rounded(bill.total),
            "storage_a_month": _rounded(bill.storage_month),
        },
    }


def _prices_document(prices: "Prices", architecture: Architecture) -> dict[str, Any]:
    from glacierctl.aws.prices import AS_OF, NOT_INCLUDED, SOURCES

    return {
        "prices": {
            "as_of": AS_OF.isoformat(),
            "aws_region": prices.aws_region,
            "architecture": str(architecture),
            "sources": list(SOURCES),
        },
        "not_included": list(NOT_INCLUDED),
    }


def _rounded(dollars: float) -> float:
    return round(dollars, _CENT_DIGITS)
