"""Plans kept for a quarter of an hour, so that a look at what a run would cost and the run itself search once."""

import datetime as dt
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from glacierctl.cli import show
from glacierctl.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable

    from glacierctl.model import Plan, Request

KEPT = dt.timedelta(minutes=15)
"""How long a plan is taken for true: catalogues get new scenes all the time."""


def kept_plan(request: "Request", now: dt.datetime, search: "Callable[[Request, dt.datetime], Plan]") -> "Plan":
    """The plan of a request: one that was found within the last quarter of an hour, or a new one.

    How products are made does not matter to what is found: only regions, days and catalogue do.

    Args:
        request: what is asked.
        now: the current time, with its zone.
        search: finds the plan in the catalogue.

    Raises:
        CatalogError: see `search`.
    """
    if "://" not in request.catalog:  # a folder is searched in no time, and may have changed
        return search(request, now)
    path = _path(request)
    found = _read(path, request, now)
    if found is None:
        found = search(request, now)
        _keep(path, found, now)
    return found


def _path(request: "Request") -> Path:
    import platformdirs

    from glacierctl.model import content_id

    content = request.model_dump(mode="json", exclude={"options"})
    return platformdirs.user_cache_path("glacierctl") / "plans" / f"{content_id(content, length=24)}.json"


def _read(path: Path, request: "Request", now: dt.datetime) -> "Plan | None":
    """The plan at a path; None if there is none that is new enough and understood."""
    from glacierctl.model import Plan

    try:
        age = _age(path, now)
        if not dt.timedelta(0) <= age <= KEPT:
            return None
        plan = Plan.model_validate_json(path.read_bytes())
    except (OSError, ValueError):
        return None
    show.say(f"What {request.catalog} had {show.format_seconds(age.total_seconds())} ago is taken.")
    same = plan.request.model_copy(update={"options": request.options})
    return plan.model_copy(update={"request": same})


def _keep(path: Path, plan: "Plan", now: dt.datetime) -> None:
    """Keep a plan, and remove what is too old to be taken. A disk that is full or not ours is no reason to stop."""
    from glacierctl.storage import FolderStore

    with suppress(OSError, StoreError):
        FolderStore(path.parent).put(path.name, plan.model_dump_json(by_alias=True).encode())
        for one in path.parent.glob("*.json"):
            if _age(one, now) > KEPT:
                one.unlink(missing_ok=True)


def _age(path: Path, now: dt.datetime) -> dt.timedelta:
    return now - dt.datetime.fromtimestamp(path.stat().st_mtime, dt.UTC)
