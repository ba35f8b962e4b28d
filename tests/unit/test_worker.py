"""A worker's task: what is no task is refused, outcomes are told as they come, what is left to do is raised."""

import datetime as dt
import json
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from tests.support import small
from tests.support.small import SmallScene

from glacierctl.errors import GlacierctlError
from glacierctl.model import Task
from glacierctl.processing.getters import LocalGetter
from glacierctl.processing.process import Means, process
from glacierctl.processing.transport import ReadPolicy, Transport
from glacierctl.runs.leases import take_lease
from glacierctl.runs.ledger import Ledger, Report
from glacierctl.storage import FolderStore, Store, open_store
from glacierctl.storage.layout import submission_key
from glacierctl.storage.ranges import Piece
from glacierctl.worker.events import BadEventError, is_smoke, read_event
from glacierctl.worker.log import Log
from glacierctl.worker.work import (
    AcquisitionsFailedError,
    DeadlineError,
    TasksLeftError,
    TaskTakenError,
    carry_out,
    in_turn,
)

NOW = dt.datetime(2024, 8, 15, 12, tzinfo=dt.UTC)


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> list[SmallScene]:
    folder = tmp_path_factory.mktemp("scenes")
    return [small.scene(folder, day) for day in (1, 2, 3)]


@pytest.fixture
def event(scenes: list[SmallScene], tmp_path: Path) -> dict[str, Any]:
    return as_event(small.task(scenes, str(tmp_path / "out")))


def as_event(task: Task) -> dict[str, Any]:
    content: dict[str, Any] = task.model_dump(mode="json", by_alias=True)
    return content


def opened(url: str) -> Store:
    return open_store(url, lambda: pytest.fail("there is no S3 here"))


# What comes in


def test_a_task_is_read_with_its_store(event: dict[str, Any], tmp_path: Path) -> None:
    (task,), store = read_event(event, opened)
    assert as_event(task) == event
    assert store.url == str(tmp_path / "out")


def test_a_task_too_large_for_an_event_is_read_from_the_ledger(event: dict[str, Any], tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "out")
    store.put("runs/r/tasks/t.json", json.dumps(event).encode())
    (task,), _ = read_event({"schema": 1, "store_url": store.url, "task_key": "runs/r/tasks/t.json"}, opened)
    assert as_event(task) == event


def test_several_tasks_are_read_in_their_order(scenes: list[SmallScene], tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "out")
    sent = [small.task([scene], store.url) for scene in reversed(scenes)]
    keys = [f"runs/{task.run_id}/tasks/{task.task_id}.json" for task in sent]
    for key, task in zip(keys, sent, strict=True):
        store.put(key, task.model_dump_json(by_alias=True).encode())
    assert read_event({"schema": 1, "store_url": store.url, "task_keys": keys}, opened)[0] == tuple(sent)
    for wrong in ([], "", [keys[0], ""], None):
        with pytest.raises(BadEventError, match="task_keys"):
            read_event({"schema": 1, "store_url": store.url, "task_keys": wrong}, opened)
    with pytest.raises(BadEventError, match=r"no task runs/none\.json"):
        read_event({"schema": 1, "store_url": store.url, "task_keys": [*keys, "runs/none.json"]}, opened)


REQUIRED = ["acquisitions", "region", "resolution_m", "run_id", "satellite", "store_url"]


@pytest.mark.parametrize("name", REQUIRED)
def test_a_task_that_lacks_a_field_is_refused(event: dict[str, Any], name: str) -> None:
    del event[name]
    with pytest.raises(BadEventError, match=f"{name}: Field required"):
        read_event(event, opened)


@pytest.mark.parametrize("name", ["name", "bounds"])
def test_a_region_that_lacks_a_field_is_refused(event: dict[str, Any], name: str) -> None:
    del event["region"][name]
    with pytest.raises(BadEventError, match=rf"region\.{name}: Field required"):
        read_event(event, opened)


def places() -> list[tuple[Any, ...]]:
    """Where a field may be that nobody knows."""
    scene = ("acquisitions", 0, "scenes", 0)
    return [(), ("region",), ("options",), ("acquisitions", 0), scene, (*scene, "image")]


@pytest.mark.parametrize("place", places(), ids=str)
def test_a_task_with_an_unknown_field_is_refused(event: dict[str, Any], place: tuple[Any, ...]) -> None:
    inside: Any = event
    for part in place:
        inside = inside[part]
    inside["surprise"] = 1
    with pytest.raises(BadEventError, match="surprise: Extra inputs are not permitted"):
        read_event(event, opened)


SPOILED = [
    ("schema", 2, "schema"),
    ("satellite", "spot", "satellite"),
    ("run_id", "../other", "run_id"),
    ("resolution_m", 0, "resolution_m"),
    ("resolution_m", "ten", "resolution_m"),
    ("acquisitions", [], "acquisitions"),
    ("region", None, "region"),
    ("options", {"resampling": "best"}, r"options\.resampling"),
]


@pytest.mark.parametrize(("name", "value", "said"), SPOILED)
def test_a_task_with_a_wrong_field_is_refused(event: dict[str, Any], name: str, value: Any, said: str) -> None:
    with pytest.raises(BadEventError, match=f"not a Task of schema 1: {said}"):
        read_event({**event, name: value}, opened)


def test_many_problems_are_told_in_one_short_sentence(event: dict[str, Any]) -> None:
    with pytest.raises(BadEventError, match=r"; and \d+ more$") as caught:
        read_event({"store_url": event["store_url"]}, opened)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("event", [None, [], "task", 7, [{"smoke": True}]])
def test_what_is_no_object_is_refused(event: Any) -> None:
    with pytest.raises(BadEventError, match="must be a JSON object"):
        read_event(event, opened)


@pytest.mark.parametrize(
    ("spoiled", "said"),
    [
        ({"store_url": None}, "store_url"),
        ({"task_key": ""}, "task_key"),
        ({"schema": 9}, "schema"),
        ({"surprise": 1}, "surprise"),
        ({"task_key": "runs/r/tasks/none.json"}, "there is no task"),
        ({"task_key": "broken.json"}, "Invalid JSON"),
        ({"task_key": "other.json"}, "Field required"),
    ],
)
def test_a_key_that_names_no_task_is_refused(spoiled: dict[str, Any], said: str, tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.put("broken.json", b'{"schema": 1')
    store.put("other.json", b"{}")
    named = {"schema": 1, "store_url": store.url, "task_key": "runs/r/tasks/t.json", **spoiled}
    with pytest.raises(BadEventError, match=said):
        read_event({name: value for name, value in named.items() if value is not None}, opened)


@pytest.mark.parametrize("url", ["ftp://a/b", "https://a/b"])
def test_a_store_of_another_kind_is_refused(event: dict[str, Any], url: str) -> None:
    with pytest.raises(GlacierctlError, match="neither a folder"):
        read_event({**event, "store_url": url}, opened)


@pytest.mark.parametrize(
    ("event", "expected"),
    [({"smoke": True}, True), ({"smoke": False}, False), ({"smoke": True, "schema": 1}, False), ([], False)],
)
def test_only_the_question_of_a_deployment_is_one(event: Any, expected: bool) -> None:
    assert is_smoke(event) is expected


# What is done about it


class Bench:
    """A store, a worker's log, and clocks that a test turns."""

    def __init__(self, folder: Path) -> None:
        self.store = FolderStore(folder / "out", clock=lambda: self.seconds)
        self.seconds = time.time()
        self.lines: list[dict[str, Any]] = []
        self.scratch = folder / "scratch"
        self.getter: Any = LocalGetter()

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds

    def work(self, task: Task, **means: Any) -> dict[str, int]:
        transport = Transport({"": self.getter}, ReadPolicy(attempts=1))
        made = Means(transport=transport, scratch=self.scratch, workers=2, clock=lambda: self.seconds, **means)
        log = Log(lambda line: self.lines.append(json.loads(line)), lambda: NOW, {"task_id": task.task_id})
        return carry_out(task, self.store, made, log, now=lambda: NOW, sleep=self.sleep)

    def reports(self, task: Task) -> list[Report]:
        return list(Ledger(self.store, task.run_id).reports(task.task_id))

    def said(self, step: str) -> list[dict[str, Any]]:
        return [line for line in self.lines if line["step"] == step]

    def items(self) -> dict[str, int]:
        """Products that are there, and when each was written."""
        return {path.stem: path.stat().st_mtime_ns for path in self.store.root.glob("sentinel2/clipped/small/*.json")}


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def words(report: Report) -> list[str]:
    return [getattr(outcome, "reason", outcome.outcome) for outcome in report.outcomes]


def test_products_are_made_told_and_reported(bench: Bench, scenes: list[SmallScene]) -> None:
    task = small.task(scenes, bench.store.url)
    assert bench.work(task) == {"product": 3, "skipped": 0, "failed": 0}
    products = [scene.product for scene in scenes]
    assert sorted(bench.items()) == products
    (report,) = bench.reports(task)
    assert (words(report), report.complete, report.attempt) == (["product"] * 3, True, 1)
    assert [line["step"] for line in bench.lines] == ["begin", "outcome", "outcome", "outcome", "end"]
    assert bench.said("begin")[0]["products"] == products
    assert [line["product"] for line in bench.said("outcome")] == products
    assert {line["task_id"] for line in bench.lines} == {task.task_id}
    assert {line["time"] for line in bench.lines} == {"2024-08-15T12:00:00.000Z"}
    combined = (bench.store.root / "sentinel2/metadata/combined_csv/small.csv").read_text()
    assert [row.split(",")[0] for row in combined.splitlines()[1:]] == products


def test_the_same_task_again_makes_nothing(bench: Bench, scenes: list[SmallScene]) -> None:
    task = small.task(scenes, bench.store.url)
    bench.work(task)
    before = bench.items()
    assert bench.work(task) == {"product": 0, "skipped": 3, "failed": 0}
    assert bench.items() == before
    assert [words(report) for report in bench.reports(task)] == [["product"] * 3, ["exists"] * 3]


def test_a_scene_that_cannot_be_read_is_raised_and_the_others_are_made(
    bench: Bench, tmp_path: Path, scenes: list[SmallScene]
) -> None:
    broken = small.scene(tmp_path, 9)
    task = small.task([scenes[0], broken, scenes[1]], bench.store.url)
    broken.image.unlink()
    with pytest.raises(AcquisitionsFailedError, match=rf"1 of 3 acquisitions failed\. small {broken.product}"):
        bench.work(task)
    assert sorted(words(bench.reports(task)[0])) == ["failed", "product", "product"]
    (failure,) = [line for line in bench.lines if line["level"] == "ERROR"]
    assert (failure["product"], failure["region"]) == (broken.product, "small")


def test_without_time_the_rest_is_left_to_the_next_attempt(bench: Bench, scenes: list[SmallScene]) -> None:
    task = small.task(scenes, bench.store.url)
    left = iter([100.0, 5.0, 5.0])
    with pytest.raises(DeadlineError, match=r"no time for 2 of 3 acquisitions"):
        bench.work(task, time_left_s=lambda: next(left), seconds_needed=lambda _acquisition: 10.0)
    before = bench.items()
    assert list(before) == [scenes[0].product]
    assert bench.work(task) == {"product": 2, "skipped": 1, "failed": 0}
    assert bench.items().items() > before.items()
    assert [words(report) for report in bench.reports(task)] == [
        ["product", "deadline", "deadline"],
        ["exists", "product", "product"],
    ]


def test_what_an_earlier_attempt_made_anew_is_not_made_anew_again(bench: Bench, scenes: list[SmallScene]) -> None:
    bench.work(small.task(scenes, bench.store.url))
    old = bench.items()
    task = small.task(scenes, bench.store.url, overwrite=True)
    left = iter([100.0, 5.0, 5.0])
    with pytest.raises(DeadlineError):
        bench.work(task, time_left_s=lambda: next(left), seconds_needed=lambda _acquisition: 10.0)
    first = bench.items()
    bench.work(task)
    last = bench.items()
    done, *rest = (scene.product for scene in scenes)
    assert old[done] < first[done] == last[done]
    assert all(old[product] == first[product] < last[product] for product in rest)


@pytest.mark.parametrize(("resampling", "kept"), [("cubic", True), ("nearest", False)])
def test_what_a_killed_worker_made_anew_is_not_made_anew_again(
    bench: Bench, scenes: list[SmallScene], *, resampling: str, kept: bool
) -> None:
    """It wrote no report; what it made is newer than the run's first page, and as the run wants it."""
    bench.work(small.task(scenes, bench.store.url))
    task = small.task(scenes, bench.store.url, overwrite=True)
    bench.store.put(submission_key(task.run_id), b"{}")
    other = small.task(scenes[:1], bench.store.url, overwrite=True, resampling=resampling)
    transport = Transport({"": LocalGetter()}, ReadPolicy(attempts=1))
    list(process(other, bench.store, Means(transport=transport, scratch=bench.scratch, workers=2)))
    killed = bench.items()
    assert bench.work(task) == {"product": 2 if kept else 3, "skipped": 1 if kept else 0, "failed": 0}
    last = bench.items()
    done, *rest = (scene.product for scene in scenes)
    assert (killed[done] == last[done]) is kept
    assert all(killed[product] < last[product] for product in rest)
    assert bench.work(task)["skipped"] == 3, "now all of them are this run's"


def test_a_run_that_is_called_off_ends_at_the_next_acquisition(bench: Bench, scenes: list[SmallScene]) -> None:
    task = small.task(scenes, bench.store.url)
    ledger = Ledger(bench.store, task.run_id)
    counts = bench.work(task, on_progress=lambda _progress: ledger.cancel(NOW))
    assert counts == {"product": 1, "skipped": 2, "failed": 0}
    assert words(bench.reports(task)[0]) == ["product", "cancelled", "cancelled"]
    assert list(bench.items()) == [scenes[0].product]


def test_a_report_is_written_whatever_breaks_the_attempt_off(bench: Bench, scenes: list[SmallScene]) -> None:
    class Defect:
        """Reads the first scene, then breaks."""

        def get(self, href: str, start: int, stop: int) -> Piece:
            if "/01/" not in href:
                raise ZeroDivisionError
            return LocalGetter().get(href, start, stop)

    task = small.task(scenes, bench.store.url)
    bench.getter = Defect()
    with pytest.raises(ZeroDivisionError):
        bench.work(task)
    (report,) = bench.reports(task)
    assert (words(report), report.complete) == (["product"], False)
    bench.getter = LocalGetter()
    assert bench.work(task) == {"product": 2, "skipped": 1, "failed": 0}


# Several tasks


def test_of_several_tasks_one_that_fails_does_not_keep_the_others_from_being_done(
    bench: Bench, tmp_path: Path, scenes: list[SmallScene]
) -> None:
    broken = small.scene(tmp_path, 9)
    todo = [small.task([scene], bench.store.url) for scene in (scenes[0], broken, scenes[1])]
    broken.image.unlink()
    with pytest.raises(AcquisitionsFailedError, match=broken.product):
        in_turn(todo, bench.work)
    assert sorted(bench.items()) == [scenes[0].product, scenes[1].product]
    late = small.task([scenes[2]], bench.store.url)
    with pytest.raises(TasksLeftError, match="2 tasks are not done"):
        in_turn([todo[1], late], lambda task: bench.work(task, time_left_s=lambda: 0.0 if task is late else 100.0))
    assert in_turn([todo[0], late], bench.work) == {"product": 1, "skipped": 1, "failed": 0}


# Two at once


def test_a_worker_waits_for_a_dead_one_s_task_until_it_shows(bench: Bench, scenes: list[SmallScene]) -> None:
    task = small.task(scenes[:1], bench.store.url)
    began = bench.seconds
    assert take_lease(bench.store, task.run_id, task.task_id)  # and never beaten again
    assert bench.work(task)["product"] == 1
    assert bench.seconds - began > 25
    assert len(bench.said("wait")) == 1


def test_a_worker_gives_up_on_a_task_that_another_keeps(bench: Bench, scenes: list[SmallScene]) -> None:
    task = small.task(scenes[:1], bench.store.url)
    lease = take_lease(bench.store, task.run_id, task.task_id, clock=lambda: bench.seconds)
    assert lease
    end = bench.seconds + 120

    (held,) = (bench.store.root / "runs").rglob("leases/**/*.json")

    def left() -> float:
        lease.beat()
        os.utime(held, (bench.seconds, bench.seconds))  # the store's clock is this test's
        return end - bench.seconds

    with pytest.raises(TaskTakenError, match=task.task_id):
        bench.work(task, time_left_s=left)
    assert (bench.items(), bench.reports(task)) == ({}, [])


def test_of_workers_at_one_task_one_makes_it_and_the_others_find_it_made(
    tmp_path: Path, scenes: list[SmallScene]
) -> None:
    task = small.task(scenes, Bench(tmp_path).store.url)
    barrier, counts = threading.Barrier(3), []

    def work() -> None:
        bench = Bench(tmp_path)
        bench.sleep = lambda _seconds: time.sleep(0.05)  # type: ignore[method-assign]
        barrier.wait()
        counts.append(bench.work(task))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(one["product"] for one in counts) == [0, 0, 3]
    assert len(Bench(tmp_path).reports(task)) == 3


def test_a_worker_that_stood_still_too_long_leaves_the_rest(bench: Bench, scenes: list[SmallScene]) -> None:
    task = small.task(scenes, bench.store.url)

    def stand_still(_progress: Any) -> None:
        bench.seconds += 40

    with pytest.raises(TaskTakenError, match="taken over"):
        bench.work(task, on_progress=stand_still)
    assert words(bench.reports(task)[0]) == ["product"]
    assert bench.work(task)["product"] == 2


def test_tables_of_workers_that_end_at_once_hold_all_their_rows(tmp_path: Path, scenes: list[SmallScene]) -> None:
    tasks = [small.task([scene], str(tmp_path / "out")) for scene in scenes]
    threads = [threading.Thread(target=Bench(tmp_path).work, args=(task,)) for task in tasks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    table = (tmp_path / "out/sentinel2/metadata/combined_csv/small.csv").read_text()
    assert [row.split(",")[0] for row in table.splitlines()[1:]] == [scene.product for scene in scenes]
