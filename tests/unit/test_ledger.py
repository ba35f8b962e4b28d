"""The ledger: plan and tasks once, a report for every attempt, in whatever order the attempts end."""

import datetime as dt
import json
import threading
from pathlib import Path

import pytest
from pydantic import ValidationError
from tests.support.items import sentinel2_item

from glacierctl.choices import Satellite
from glacierctl.errors import StoreError
from glacierctl.model import Outcome, Plan, Region, Request, Skipped, Task
from glacierctl.planning.catalog import Found
from glacierctl.planning.plan import make_plan
from glacierctl.planning.tasks import run_id, tasks
from glacierctl.runs.ledger import Ledger, Report
from glacierctl.storage import FolderStore

NOW = dt.datetime(2024, 8, 15, 12, tzinfo=dt.UTC)
LATER = NOW + dt.timedelta(minutes=3)


class OneItem:
    """A catalogue of one scene."""

    href = "memory"

    def search(self, *_: object, **__: object) -> Found:
        return Found((sentinel2_item(tile="19XEG", nir_href="/data/B08.tif", scl_href=None),), 1, 1)


@pytest.fixture
def plan() -> Plan:
    region = Region(name="163_Bowdoin", bounds=(-541690, -1232300, -523390, -1211600), tiles=("19XEG",))
    request = Request(
        satellite=Satellite.SENTINEL2,
        regions=(region,),
        start=dt.date(2024, 7, 1),
        end=dt.date(2024, 7, 31),
        catalog="memory",
        collection="sentinel-2-l2a",
    )
    return make_plan(request, OneItem(), NOW)


def outcomes(task: Task) -> list[Outcome]:
    (acquisition,) = task.acquisitions
    return [Skipped(region=task.region.name, product=acquisition.product, reason="exists", detail="it exists")]


def test_plan_and_tasks_can_be_read_back_as_they_were(plan: Plan, tmp_path: Path) -> None:
    (task,) = tasks(plan, str(tmp_path))
    Ledger(FolderStore(tmp_path), run_id(plan)).open(plan, (task,))
    folder = tmp_path / "runs" / run_id(plan)
    assert Plan.model_validate_json((folder / "plan.json").read_bytes()) == plan
    assert Task.model_validate_json((folder / "tasks" / f"{task.task_id}.json").read_bytes()) == task


def test_opening_again_changes_nothing(plan: Plan, tmp_path: Path) -> None:
    ledger = Ledger(FolderStore(tmp_path), run_id(plan))
    ledger.open(plan, tasks(plan, str(tmp_path)))
    before = {path: (path.read_bytes(), path.stat().st_ino) for path in tmp_path.rglob("*.json")}
    ledger.open(plan, tasks(plan, str(tmp_path)))
    assert {path: (path.read_bytes(), path.stat().st_ino) for path in tmp_path.rglob("*.json")} == before


def test_every_attempt_has_a_report_of_its_own(plan: Plan, tmp_path: Path) -> None:
    (task,) = tasks(plan, str(tmp_path))
    ledger = Ledger(FolderStore(tmp_path), run_id(plan))
    broken_off = ledger.report(task, [], NOW, LATER)
    done = ledger.report(task, outcomes(task), NOW, LATER)
    assert [(one.attempt, one.complete) for one in (broken_off, done)] == [(1, False), (2, True)]
    folder = tmp_path / "runs" / run_id(plan) / "reports" / task.task_id
    assert sorted(path.name for path in folder.iterdir()) == ["1.json", "2.json"]
    assert Report.model_validate_json((folder / "2.json").read_bytes()) == done


def test_attempts_that_end_at_once_do_not_overwrite_each_other(plan: Plan, tmp_path: Path) -> None:
    (task,) = tasks(plan, str(tmp_path))
    barrier, reports = threading.Barrier(6), []

    def report() -> None:
        ledger = Ledger(FolderStore(tmp_path), run_id(plan))
        barrier.wait()
        reports.append(ledger.report(task, outcomes(task), NOW, LATER))

    threads = [threading.Thread(target=report) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(report.attempt for report in reports) == [1, 2, 3, 4, 5, 6]


def test_a_report_with_a_field_missing_or_unknown_is_refused(plan: Plan, tmp_path: Path) -> None:
    (task,) = tasks(plan, str(tmp_path))
    report = Ledger(FolderStore(tmp_path), run_id(plan)).report(task, outcomes(task), NOW, LATER)
    content = json.loads(report.model_dump_json())
    for name in content.keys() - {"version"}:
        with pytest.raises(ValidationError, match=name):
            Report.model_validate({key: value for key, value in content.items() if key != name})
    with pytest.raises(ValidationError, match="surprise"):
        Report.model_validate({**content, "surprise": 1})


@pytest.mark.parametrize("blocked", ["runs", "runs/{run}", "runs/{run}/tasks", "runs/{run}/reports"])
def test_a_ledger_that_cannot_be_written_is_an_error(plan: Plan, tmp_path: Path, blocked: str) -> None:
    (task,) = tasks(plan, str(tmp_path))
    path = tmp_path / blocked.format(run=run_id(plan))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"a file where a folder is needed")
    ledger = Ledger(FolderStore(tmp_path), run_id(plan))

    def write() -> None:
        ledger.open(plan, (task,))
        ledger.report(task, [], NOW, LATER)

    with pytest.raises(StoreError, match="cannot be written"):
        write()


def test_reports_come_in_the_order_of_their_attempts(plan: Plan, tmp_path: Path) -> None:
    (task,) = tasks(plan, str(tmp_path))
    ledger = Ledger(FolderStore(tmp_path), run_id(plan))
    written = [ledger.report(task, outcomes(task), NOW, NOW + dt.timedelta(minutes=number)) for number in range(11)]
    assert list(ledger.reports(task.task_id)) == written
    assert ledger.reports("another") == ()


def test_a_report_that_is_not_understood_is_an_error(plan: Plan, tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.put(f"runs/{run_id(plan)}/reports/task/1.json", b'{"surprise": 1}')
    with pytest.raises(StoreError, match="not understood"):
        Ledger(store, run_id(plan)).reports("task")
