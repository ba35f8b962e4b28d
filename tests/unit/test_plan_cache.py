"""Plans that are kept for a quarter of an hour, and never stand in the way."""

import datetime as dt
import os
from pathlib import Path

import pytest
from tests.support import ledgers

from glacierctl.cli.plan_cache import KEPT, kept_plan
from glacierctl.model import Options, Plan, Request


class Catalogue:
    """Counts searches."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.searches = 0

    def search(self, request: Request, _: dt.datetime) -> Plan:
        self.searches += 1
        return self.plan.model_copy(update={"request": request})


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "glacierctl" / "plans"


@pytest.fixture
def catalogue() -> Catalogue:
    made = ledgers.plan(regions=2, days=2)
    request = made.request.model_copy(update={"catalog": "https://host/stac"})
    return Catalogue(made.model_copy(update={"request": request}))


def now(after: dt.timedelta = dt.timedelta(seconds=2)) -> dt.datetime:
    return dt.datetime.now(dt.UTC) + after


def test_the_same_request_searches_once(cache: Path, catalogue: Catalogue) -> None:
    request = catalogue.plan.request
    first = kept_plan(request, now(), catalogue.search)
    assert kept_plan(request, now(), catalogue.search) == first == catalogue.plan
    assert catalogue.searches == 1
    assert len(list(cache.glob("*.json"))) == 1


def test_how_products_are_made_is_that_of_the_request(cache: Path, catalogue: Catalogue) -> None:
    del cache
    kept_plan(catalogue.plan.request, now(), catalogue.search)
    other = catalogue.plan.request.model_copy(update={"options": Options(min_coverage=0.9, overwrite=True)})
    assert kept_plan(other, now(), catalogue.search).request == other
    assert catalogue.searches == 1


def test_other_days_are_searched(cache: Path, catalogue: Catalogue) -> None:
    kept_plan(catalogue.plan.request, now(), catalogue.search)
    other = catalogue.plan.request.model_copy(update={"end": dt.date(2024, 7, 30)})
    kept_plan(other, now(), catalogue.search)
    assert catalogue.searches == 2
    assert len(list(cache.glob("*.json"))) == 2


def test_a_folder_is_searched_each_time(cache: Path, catalogue: Catalogue) -> None:
    here = catalogue.plan.request.model_copy(update={"catalog": "/data/catalog"})
    for _ in range(2):
        kept_plan(here, now(), catalogue.search)
    assert catalogue.searches == 2
    assert not cache.exists()


def test_what_is_too_old_is_searched_again_and_removed(cache: Path, catalogue: Catalogue) -> None:
    kept_plan(catalogue.plan.request, now(), catalogue.search)
    (old,) = cache.glob("*.json")
    then = old.stat().st_mtime - KEPT.total_seconds() - 5
    os.utime(old, (then, then))
    kept_plan(catalogue.plan.request, now(), catalogue.search)
    assert catalogue.searches == 2
    os.utime(old, (then, then))
    kept_plan(catalogue.plan.request.model_copy(update={"end": dt.date(2024, 7, 30)}), now(), catalogue.search)
    assert old not in cache.glob("*.json")


@pytest.mark.parametrize("content", [b"", b"{", b'{"request": 1}'])
def test_what_is_not_understood_is_searched_again(cache: Path, catalogue: Catalogue, content: bytes) -> None:
    kept_plan(catalogue.plan.request, now(), catalogue.search)
    (kept,) = cache.glob("*.json")
    kept.write_bytes(content)
    assert kept_plan(catalogue.plan.request, now(), catalogue.search) == catalogue.plan
    assert catalogue.searches == 2


def test_a_cache_that_cannot_be_written_is_no_reason_to_stop(cache: Path, catalogue: Catalogue) -> None:
    cache.parent.mkdir(parents=True)
    cache.write_bytes(b"a file where a folder is needed")
    assert kept_plan(catalogue.plan.request, now(), catalogue.search) == catalogue.plan
