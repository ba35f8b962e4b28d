"""Runs whose client is killed, whose bucket or catalogue fails, or whose workers' clocks are wrong: nothing is lost."""

import datetime as dt
import functools
import json
import os
import random
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support import deployed, s3_proxy, small
from tests.support.catalogs import Json, write_static_catalog
from tests.support.command import PROGRAM, Ran, run_inside
from tests.support.deployed import BUCKET, STORE
from tests.support.items import sentinel2_item
from tests.support.moto_server import Moto
from tests.support.processes import free_port
from tests.unit.test_catalog import Api, run_api

from glacierctl.processing.getters import LocalGetter
from glacierctl.processing.process import Means
from glacierctl.processing.transport import ReadPolicy, Transport
from glacierctl.runs.ledger import Ledger
from glacierctl.runs.reader import LedgerReader
from glacierctl.storage.s3 import S3Store
from glacierctl.worker.log import Log
from glacierctl.worker.work import carry_out

Glacierctl = Callable[..., Ran]
JULY = ("--satellite", "sentinel2", "--start-date", "2024-07-01", "--end-date", "2024-07-31")
COUNT = 6
NAMES = tuple(f"r{number:02}" for number in range(COUNT))


@pytest.fixture
def glacierctl(tmp_path: Path) -> Glacierctl:
    return functools.partial(run_inside, cwd=tmp_path)


@pytest.fixture
def proxy(moto: Moto, monkeypatch: pytest.MonkeyPatch) -> Iterator[s3_proxy.Proxy]:
    """Stands before the whole account, for whatever the command line asks of it."""
    deployed.deploy(timeout_s=60)
    with s3_proxy.serve(moto.url) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        yield server


@pytest.fixture
def regions(glacierctl: Glacierctl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Six boxes of 48 x 48 pixels, side by side."""
    west, south = small.BOUNDS[:2]
    places = [(name, west + 500 * (number % 3), south + 500 * (number // 3)) for number, name in enumerate(NAMES)]
    rows = [f"{name},{x},{y},{x + 480},{y + 480}" for name, x, y in places]
    (tmp_path / "regions.csv").write_text("\n".join(["name,xmin,ymin,xmax,ymax", *rows]) + "\n")
    monkeypatch.setenv("GLACIERCTL_DATA_DIR", str(tmp_path / "data"))
    assert glacierctl("regions", "import", "regions.csv", "--crs", "EPSG:3413").code == 0


@pytest.fixture
def asked(regions: None, tmp_path: Path) -> tuple[str, ...]:  # noqa: ARG001 (imports them)
    """The flags of a run of six tasks."""
    catalog = write_static_catalog(tmp_path / "catalog", [small.scene(tmp_path / "scenes", 4).item])
    return ("submit", *JULY, "--regions", "r[0-9][0-9]", "--catalog", str(catalog))


def keys(moto: Moto, part: str = "") -> list[str]:
    """Of the ledger, past whatever misbehaves."""
    pages = moto.s3().get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix="results/runs/")
    return [found["Key"] for page in pages for found in page.get("Contents", []) if part in found["Key"]]


def deliveries(moto: Moto) -> Counter[str]:
    return Counter(one["event"]["region"]["name"] for one in moto.accepted())


def lapse_leases(moto: Moto) -> None:
    """Half a minute passes."""
    for key in keys(moto, "/leases/handover"):
        moto.s3().put_object(Bucket=BUCKET, Key=key, Body=b"")


def document(ran: Ran) -> Json:
    assert ran.code == 0, ran.stderr
    content: Json = json.loads(ran.stdout)
    return content


def changing(proxy: s3_proxy.Proxy) -> int:
    """How many requests were answered that write to the ledger or begin something."""
    return len(proxy.requests("PUT")) + len(proxy.requests("POST", "/invocations"))


def kill_after(proxy: s3_proxy.Proxy, words: tuple[str, ...], folder: Path, requests: int) -> None:
    """Run a command and end it with SIGKILL after so many requests that change something."""
    before = changing(proxy)
    process = subprocess.Popen(
        [PROGRAM, *words], cwd=folder, env=os.environ, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    while process.poll() is None and changing(proxy) < before + requests:
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    answered = -1
    while proxy.waiting or answered < len(proxy.seen):  # what was under way arrives all the same
        answered = len(proxy.seen)
        time.sleep(0.3)


# The client


@pytest.mark.parametrize("seed", [20240704, 20240709])
def test_submit_killed_for_good_at_random_points_is_completed_and_nothing_noted_begins_twice(
    glacierctl: Glacierctl, asked: tuple[str, ...], proxy: s3_proxy.Proxy, moto: Moto, tmp_path: Path, *, seed: int
) -> None:
    """Six requests write the tasks, then come plan, first page, lease, and of each task its invocation and the note."""
    proxy.misbehave(method="PUT", wait_s=0.05, times=1000)
    proxy.misbehave(method="POST", part="/invocations", wait_s=0.05, times=1000)
    chance = random.Random(seed)
    points = [chance.randint(1, 7), chance.randint(10, 15), chance.randint(2, 6)]
    noted_before: set[str] = set()
    seen: list[tuple[int, int]] = []
    for requests in points:
        kill_after(proxy, asked, tmp_path, requests)
        noted = {key.split("/")[4] for key in keys(moto, "/handed/")}
        assert noted_before <= noted
        begun = {one["event"]["region"]["name"] for one in moto.accepted()}
        assert {task.rpartition("-")[0] for task in noted} <= begun, "what is noted was begun"
        if not keys(moto, "/submission.json"):
            assert begun == set(), "nothing begins before the ledger is whole"
        noted_before = noted
        seen.append((len(begun), len(noted)))
        lapse_leases(moto)
    assert seen[0] == (0, 0)
    assert seen[1][0] > 0, "the second kill came when some were begun"
    proxy.behave()
    begun_before = deliveries(moto)
    finish = ("resume", keys(moto)[0].split("/")[2]) if keys(moto, "/submission.json") and seed % 2 else asked
    made = document(glacierctl(*finish, "--json"))
    assert set(deliveries(moto)) == set(NAMES)
    again = deliveries(moto) - begun_before
    assert set(again.values()) <= {1}
    assert len(again) == made["handed_over"] == COUNT - len(noted_before), "what was noted is never sent again"
    assert document(glacierctl(*asked, "--json"))["handed_over"] == 0
    assert LedgerReader(S3Store(STORE, moto.s3()), made["run_id"]).state().not_handed == ()


def test_a_submit_that_is_killed_while_it_hands_over_makes_each_product_once(
    glacierctl: Glacierctl, asked: tuple[str, ...], cloud: Moto, proxy: s3_proxy.Proxy, tmp_path: Path
) -> None:
    cloud.wish(variables={"AWS_ENDPOINT_URL_S3": proxy.url}, concurrency=0)
    proxy.misbehave(method="PUT", part="/handed/", wait_s=0.5, status=503, code="SlowDown", times=1000)
    kill_after(proxy, asked, tmp_path, 9 + 2)
    begun = sum(deliveries(cloud).values())
    assert begun > len(keys(cloud, "/handed/")) == 0, "killed between an invocation and the note of it"
    proxy.behave()
    lapse_leases(cloud)
    run_id = document(glacierctl(*asked, "--json"))["run_id"]
    assert sum(deliveries(cloud).values()) > COUNT, "what was not noted is delivered twice"
    cloud.wish(concurrency=2)
    cloud.settle()
    images = Counter(path.partition("?")[0] for _, path, status in proxy.requests("PUT", ".tif") if status == 200)
    assert sorted(images.values()) == [1] * COUNT
    assert document(glacierctl("status", run_id, "--json"))["total"]["succeeded"] == COUNT


# Bucket and catalogue


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"method": "PUT", "status": 403, "code": "AccessDenied"}, "s3:PutObject"),
        ({"part": "list-type", "status": 403, "code": "AccessDenied"}, "s3:ListBucket"),
        ({"method": "PUT", "status": 403, "code": "RequestTimeTooSkewed"}, "clock is wrong"),
        ({"part": "list-type", "status": 404, "code": "NoSuchBucket"}, "Create the bucket"),
    ],
    ids=lambda one: one["code"] if isinstance(one, dict) else None,
)
def test_a_bucket_that_is_denied_or_missing_is_told_before_anything_begins(
    glacierctl: Glacierctl,
    asked: tuple[str, ...],
    proxy: s3_proxy.Proxy,
    moto: Moto,
    *,
    fault: dict[str, Any],
    words: str,
) -> None:
    proxy.misbehave(**fault, times=1000)
    ran = glacierctl(*asked)
    assert ran.code == 1
    assert fault["code"] in ran.stderr
    assert words in ran.stderr
    assert "Traceback" not in ran.stderr
    assert (moto.accepted(), keys(moto, "/submission.json")) == ([], [])
    proxy.behave()
    assert document(glacierctl(*asked, "--json"))["handed_over"] == COUNT


@pytest.fixture
def api() -> Iterator[Api]:
    with run_api() as running:
        days = [dt.datetime(2024, 7, day, 15, tzinfo=dt.UTC) for day in (4, 9)]
        running.items = [sentinel2_item(tile="19XEG", sensed_at=day, nir_href="/a.tif", scl_href=None) for day in days]
        yield running


def test_a_catalogue_whose_pages_stop_short_begins_nothing(
    glacierctl: Glacierctl, asked: tuple[str, ...], proxy: s3_proxy.Proxy, moto: Moto, api: Api
) -> None:
    del proxy
    flags = (*asked[:-1], api.url)
    api.count_off_by = 1
    ran = glacierctl(*flags)
    assert ran.code == 1
    assert "1 of 3 items are missing" in ran.stderr
    assert (moto.accepted(), keys(moto)) == ([], [])
    api.count_off_by = 0
    made = document(glacierctl(*flags, "--json"))
    assert (made["acquisitions"], made["handed_over"]) == (2 * COUNT, COUNT), "half a plan was not kept"


def test_a_catalogue_that_is_down_begins_nothing(
    glacierctl: Glacierctl, asked: tuple[str, ...], proxy: s3_proxy.Proxy, moto: Moto
) -> None:
    del proxy
    ran = glacierctl(*asked[:-1], f"http://127.0.0.1:{free_port()}")
    assert ran.code == 1
    assert "cannot be reached" in ran.stderr
    assert (moto.accepted(), keys(moto)) == ([], [])


# Clocks and slowness of workers


@pytest.mark.parametrize("wrong_s", [(600, 0), (-600, 0), (600, -600)])
def test_workers_whose_clocks_are_wrong_neither_lose_nor_duplicate_work(
    proxy: s3_proxy.Proxy, moto: Moto, tmp_path: Path, wrong_s: tuple[int, int]
) -> None:
    """Two at one task, and one more when they are done: all times that count are the store's."""
    task = small.task([small.scene(tmp_path / "scenes", day) for day in (1, 2, 3)], STORE)
    counts: list[dict[str, int]] = []
    barrier = threading.Barrier(2)

    def work(seconds: int) -> None:
        def now() -> dt.datetime:
            return dt.datetime.now(dt.UTC) + dt.timedelta(seconds=seconds)

        store = S3Store(STORE, moto.s3(proxy.url), clock=now)
        transport = Transport({"": LocalGetter()}, ReadPolicy(attempts=1))
        means = Means(transport=transport, scratch=tmp_path / f"scratch{seconds}", workers=1)
        barrier.wait()
        log = Log(lambda _line: None, now)
        counts.append(carry_out(task, store, means, log, now=now, sleep=lambda _seconds: time.sleep(0.05)))

    threads = [threading.Thread(target=work, args=(seconds,)) for seconds in wrong_s]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(one["product"] for one in counts) == [0, 3]
    assert len(proxy.requests("PUT", ".tif")) == 3
    barrier = threading.Barrier(1)
    work(wrong_s[0])
    assert counts[-1] == {"product": 0, "skipped": 3, "failed": 0}
    assert len(Ledger(S3Store(STORE, moto.s3()), task.run_id).reports(task.task_id)) == 3


def test_a_slow_s3_costs_time_alone(
    glacierctl: Glacierctl, asked: tuple[str, ...], cloud: Moto, proxy: s3_proxy.Proxy
) -> None:
    cloud.wish(variables={"AWS_ENDPOINT_URL_S3": proxy.url}, throttles=2)
    proxy.misbehave(part="/results/", wait_s=0.2, times=10_000)
    run_id = document(glacierctl(*asked, "--json"))["run_id"]
    cloud.settle()
    proxy.behave()
    state = document(glacierctl("status", run_id, "--json"))
    assert (state["state"], state["total"]["succeeded"]) == ("ended", COUNT)
    assert len(proxy.requests("PUT", ".tif")) == COUNT
