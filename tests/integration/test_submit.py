"""`glacierctl submit` and `resume` on Lambda: planned once, shown, written down, handed over once and completely."""

import csv
import datetime as dt
import functools
import gc
import json
import os
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.session import Session
from tests.support import deployed, ledgers, wire
from tests.support.command import PROGRAM, Ran, run_inside
from tests.support.deployed import BUCKET, FUNCTION, STORE
from tests.support.items import sentinel2_item, write_static_catalog
from tests.support.moto_server import Moto
from tests.support.schemas import check_document

from glacierctl.aws.session import Aws, Patience
from glacierctl.choices import Satellite
from glacierctl.cli.deployment import names_in
from glacierctl.model import Task
from glacierctl.planning import speed
from glacierctl.runs.ledger import Ledger
from glacierctl.runs.reader import LedgerReader
from glacierctl.storage.layout import product_key
from glacierctl.storage.s3 import S3Store
from glacierctl.worker.events import read_event

Glacierctl = Callable[..., Ran]
JULY = ("--satellite", "sentinel2", "--start-date", "2024-07-01", "--end-date", "2024-07-31")


@pytest.fixture
def glacierctl(tmp_path: Path) -> Glacierctl:
    return functools.partial(run_inside, cwd=tmp_path)


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], tuple[str, ...]]:
    """Flags of a run of so many small regions under tile 19XEG, with two passes over each; made once each."""

    @functools.cache
    def make(count: int) -> tuple[str, ...]:
        folder = tmp_path_factory.mktemp(f"regions-{count}")
        with (folder / "regions.csv").open("w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["name", "xmin", "ymin", "xmax", "ymax"])
            for number in range(count):
                x, y = -541_690 + 1000 * (number % 16), -1_232_300 + 1000 * (number // 16)
                rows.writerow([f"r{number:03}", x, y, x + 900, y + 900])
        here = {"GLACIERCTL_DATA_DIR": str(folder / "data"), "XDG_CONFIG_HOME": str(folder)}
        imported = run_inside("regions", "import", "regions.csv", "--crs", "EPSG:3413", cwd=folder, env=here)
        assert imported.code == 0, imported.stderr
        days = [dt.datetime(2024, 7, day, 15, tzinfo=dt.UTC) for day in (4, 9)]
        items = [sentinel2_item(tile="19XEG", sensed_at=day, nir_href=f"/{day:%d}.tif", scl_href=None) for day in days]
        catalog = write_static_catalog(folder / "catalog", items)
        return str(folder / "data"), "submit", *JULY, "--regions", "r[0-9][0-9][0-9]", "--catalog", str(catalog)

    return make


@pytest.fixture
def asked(imported: Callable[[int], tuple[str, ...]], monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """The flags of a run of six regions, two acquisitions each."""
    data_dir, *flags = imported(6)
    monkeypatch.setenv("GLACIERCTL_DATA_DIR", data_dir)
    return tuple(flags)


def keys(client: Any = None) -> list[str]:
    """Of all ledgers."""
    s3 = client or deployed.client("s3")
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix="results/runs/")
    return [found["Key"] for page in pages for found in page.get("Contents", [])]


def document(ran: Ran) -> dict[str, Any]:
    assert ran.code == 0, ran.stderr
    content: dict[str, Any] = json.loads(ran.stdout)
    return content


def deliveries(moto: Moto) -> Counter[str]:
    """How often each region was handed over."""
    return Counter(one["event"]["region"]["name"] for one in moto.accepted())


def test_a_run_is_shown_written_down_and_begun(glacierctl: Glacierctl, asked: tuple[str, ...], moto: Moto) -> None:
    version = deployed.deploy()
    ran = glacierctl(*asked)
    assert ran.code == 0, ran.stderr
    run_id = ran.stdout.strip()
    assert run_id.startswith("20240701-20240731-sentinel2-")
    assert "12 acquisitions to do in 6 tasks" in ran.stderr
    assert "of work, about $0.0" in ran.stderr
    assert f"By version {version} of {FUNCTION} (2048 MB), into {STORE}" in ran.stderr
    assert [one["qualifier"] for one in moto.accepted()] == [version] * 6
    assert deliveries(moto) == {f"r{number:03}": 1 for number in range(6)}
    (task,), store = read_event(moto.accepted()[0]["event"], lambda url: url)
    assert (task.run_id, store, len(task.acquisitions)) == (run_id, STORE, 2)
    kinds = Counter(key.split("/")[3] for key in keys())
    assert kinds == {"plan.json": 1, "submission.json": 1, "tasks": 6, "handed": 6, "leases": 1}


def test_a_run_in_another_bucket_is_followed_as_submit_says(
    glacierctl: Glacierctl, asked: tuple[str, ...], moto: Moto
) -> None:
    del moto
    deployed.deploy()
    place = {"LocationConstraint": "us-west-2"}
    deployed.client("s3").create_bucket(Bucket="another-bucket", CreateBucketConfiguration=place)
    ran = glacierctl(*asked, "--bucket", "another-bucket")
    run_id = ran.stdout.strip()
    assert glacierctl("status", run_id).code == 2
    words = ran.stderr.splitlines()[-1].partition("glacierctl wait ")[2].split()
    assert words == [run_id, "--output", "s3://another-bucket/results"]
    assert "PENDING 12" in glacierctl("status", *words).stdout
    assert glacierctl(*asked).stderr.endswith(f"glacierctl wait {run_id}\n")


def test_the_same_again_begins_nothing_twice(glacierctl: Glacierctl, asked: tuple[str, ...], moto: Moto) -> None:
    deployed.deploy()
    first = document(glacierctl(*asked, "--json"))
    check_document("submit", first)
    again = glacierctl(*asked, "--json")
    second = document(again)
    check_document("submit", second)
    assert (first["handed_over"], second["handed_over"]) == (6, 0)
    assert first["run_id"] == second["run_id"]
    assert "nothing was begun twice" in again.stderr
    assert set(deliveries(moto).values()) == {1}


def test_the_same_again_tells_how_the_run_stands_and_refuses_no_cost(
    glacierctl: Glacierctl, asked: tuple[str, ...], moto: Moto
) -> None:
    del moto
    deployed.deploy()
    run_id = glacierctl(*asked).stdout.strip()
    again = glacierctl(*asked, "--max-cost", "0")
    assert again.code == 0, again.stderr
    assert "SUCCEEDED 0 · FAILED 0 · PENDING 12" in again.stderr
    assert "to do" not in again.stderr
    glacierctl("cancel", run_id)
    assert "Follow it" not in glacierctl(*asked).stderr
    assert f"called off. Take that back with: glacierctl retry {run_id}" in glacierctl(*asked).stderr


def test_what_was_called_off_before_it_was_handed_over_is_not_handed_over(
    glacierctl: Glacierctl, asked: tuple[str, ...], moto: Moto, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployed.deploy()
    with monkeypatch.context() as broken:
        broken.setattr("glacierctl.cli.handing.deliver_all", _interrupt)
        assert glacierctl(*asked).code == 130
    run_id = keys()[0].split("/")[2]
    assert glacierctl("cancel", run_id).code == 0
    assert glacierctl(*asked).code == 0
    resumed = glacierctl("resume", run_id)
    assert resumed.code == 2
    assert f"glacierctl retry {run_id}" in resumed.stderr
    assert moto.accepted() == []
    assert document(glacierctl("retry", run_id, "--json"))["handed_over"] == 6
    assert deliveries(moto) == {f"r{number:03}": 1 for number in range(6)}


def _interrupt(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_products_that_were_taken_away_are_missed_when_the_same_is_submitted_again(
    glacierctl: Glacierctl, asked: tuple[str, ...], moto: Moto
) -> None:
    deployed.deploy()
    run_id = glacierctl(*asked).stdout.strip()
    task = Task.model_validate(moto.accepted()[0]["event"])
    ledgers.report(Ledger(S3Store(STORE, deployed.client("s3")), run_id), task, "product", "product")
    assert "2 products of it cannot be found in the store: the same command" in glacierctl(*asked).stderr


def test_a_run_stays_with_its_version_when_another_is_deployed(
    glacierctl: Glacierctl, asked: tuple[str, ...], moto: Moto
) -> None:
    version = deployed.deploy()
    run_id = glacierctl(*asked).stdout.strip()
    deployed.client("s3").delete_object(Bucket=BUCKET, Key=next(key for key in keys() if "/handed/" in key))
    assert deployed.redeploy() != version
    resumed = document(glacierctl("resume", run_id, "--json"))
    check_document("resume", resumed)
    assert resumed["handed_over"] == 1
    assert {one["qualifier"] for one in moto.accepted()} == {version}


def test_to_overwrite_again_is_another_run_once_another_version_is_live(
    glacierctl: Glacierctl, asked: tuple[str, ...], moto: Moto
) -> None:
    first_version = deployed.deploy()
    first, same = (document(glacierctl(*asked, "--overwrite", "--json")) for _ in range(2))
    assert (same["run_id"], same["handed_over"]) == (first["run_id"], 0)
    second_version = deployed.redeploy()
    second = document(glacierctl(*asked, "--overwrite", "--json"))
    assert second["run_id"] != first["run_id"]
    assert [one["qualifier"] for one in moto.accepted()] == [first_version] * 6 + [second_version] * 6


def test_the_same_work_on_this_machine_and_on_lambda_are_two_runs(
    glacierctl: Glacierctl, asked: tuple[str, ...], moto: Moto
) -> None:
    deployed.deploy()
    tried = json.loads(glacierctl("run-local", *asked[1:], "--json").stdout)["run_id"]
    submitted = glacierctl(*asked).stdout.strip()
    assert glacierctl("cancel", submitted).code == 0
    standing = {run: document(glacierctl("status", run, "--json")) for run in (tried, submitted)}
    assert [(one["service"], one["state"]) for one in standing.values()] == [
        ("local", "ended"),
        ("lambda", "cancelled"),
    ]
    assert len(moto.accepted()) == 6


def test_what_exists_is_left_out(glacierctl: Glacierctl, asked: tuple[str, ...], moto: Moto) -> None:
    deployed.deploy()
    key = product_key(Satellite.SENTINEL2, "r002", "S2A_MSIL2A_20240704T145700_N0510_R025", "json")
    deployed.client("s3").put_object(Bucket=BUCKET, Key=f"results/{key}", Body=b"{}")
    made = document(glacierctl(*asked, "--json"))
    assert (made["acquisitions"], made["left_out"]) == (11, {"exists": 1, "coverage": 0})
    (task,) = [one["event"] for one in moto.accepted() if one["event"]["region"]["name"] == "r002"]
    assert [one["product"] for one in task["acquisitions"]] == ["S2A_MSIL2A_20240709T145700_N0510_R025"]


def test_a_dry_run_and_a_cost_that_is_too_high_begin_nothing(
    glacierctl: Glacierctl, asked: tuple[str, ...], moto: Moto
) -> None:
    deployed.deploy()
    planned = document(glacierctl(*asked, "--dry-run", "--json"))
    check_document("submit", planned)
    assert (planned["begun"], planned["acquisitions"]) == (False, 12)
    dollars = planned["expected"]["dollars"]
    refused = glacierctl(*asked, "--max-cost", str(dollars * 0.9))
    assert refused.code == 2
    assert "--max-cost allows" in refused.stderr
    assert keys() == []
    assert moto.accepted() == []
    assert glacierctl(*asked, "--max-cost", str(dollars * 1.1)).code == 0
    assert len(moto.accepted()) == 6


def test_the_cost_is_that_of_the_price_list(glacierctl: Glacierctl, asked: tuple[str, ...], moto: Moto) -> None:
    del moto
    deployed.deploy(memory_mb=1769)
    expected = document(glacierctl(*asked, "--dry-run", "--json"))["expected"]
    work = speed.serial_s(90 * 90) + speed.parallel_s(90 * 90)
    assert expected["seconds"] == pytest.approx(6 * speed.START_S + 12 * work, abs=0.06)
    dollars = (expected["seconds"] + 6 * 1) * 1769 / 1024 * 0.0000166667 + 6 * 0.20e-6 + (12 * 4 + 6 * 6) * 0.005 / 1000
    assert expected["dollars"] == pytest.approx(dollars, rel=0.01)


def test_nothing_to_do_is_told_and_no_run_is_begun(glacierctl: Glacierctl, asked: tuple[str, ...], moto: Moto) -> None:
    deployed.deploy()
    ran = glacierctl(*asked, "--min-coverage", "1", "--start-date", "2023-07-01", "--end-date", "2023-07-02", "--json")
    made = document(ran)
    check_document("submit", made)
    assert (made["begun"], made["tasks"]) == (False, 0)
    assert "has no scenes" in made["nothing_because"]
    assert moto.accepted() == []


def test_throttled_invocations_are_repeated_until_all_are_taken(
    glacierctl: Glacierctl, asked: tuple[str, ...], moto: Moto
) -> None:
    deployed.deploy()
    moto.wish(throttles=9)
    assert document(glacierctl(*asked, "--json"))["handed_over"] == 6
    assert deliveries(moto) == {f"r{number:03}": 1 for number in range(6)}


def test_ctrl_c_while_lambda_throttles_leaves_the_rest_to_resume(
    glacierctl: Glacierctl, asked: tuple[str, ...], moto: Moto, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployed.deploy()
    moto.wish(throttles=1_000_000)
    with monkeypatch.context() as interrupted:
        interrupted.setattr("glacierctl.runs.handover.wait", _interrupt)
        assert glacierctl(*asked).code == 130
    moto.wish(throttles=0)
    assert moto.accepted() == []
    run_id = keys()[0].split("/")[2]
    assert glacierctl("resume", run_id).stdout == "Handed over 6 tasks; 0 had been before.\n"


def test_an_event_above_the_limit_goes_by_its_key(
    glacierctl: Glacierctl, asked: tuple[str, ...], moto: Moto, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployed.deploy()
    monkeypatch.setattr("glacierctl.runs.events.LARGEST_EVENT_BYTES", 500)
    run_id = glacierctl(*asked).stdout.strip()
    events = [one["event"] for one in moto.accepted()]
    assert all(set(event) == {"schema", "store_url", "task_key"} for event in events)
    read = {event["task_key"]: json.loads(_object(f"results/{event['task_key']}")) for event in events}
    assert {Task.model_validate(task).region.name for task in read.values()} == {f"r{n:03}" for n in range(6)}
    assert all(key == f"runs/{run_id}/tasks/{Task.model_validate(task).task_id}.json" for key, task in read.items())


def _object(key: str) -> bytes:
    return deployed.client("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read()


def test_two_submitters_at_once_begin_everything_once(asked: tuple[str, ...], moto: Moto, tmp_path: Path) -> None:
    deployed.deploy()
    processes = [_submitting(asked, tmp_path) for _ in range(3)]
    ended = [process.communicate(timeout=120) for process in processes]
    codes = [process.returncode for process in processes]
    assert 0 in codes, ended
    assert set(codes) <= {0, 1}, ended
    assert all("being handed over by somebody else" in err for code, (_, err) in zip(codes, ended, strict=True) if code)
    assert deliveries(moto) == {f"r{number:03}": 1 for number in range(6)}


def _submitting(asked: tuple[str, ...], folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [PROGRAM, *asked], cwd=folder, env=os.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize(("request_number", "answered"), [(1, True), (7, True), (8, False), (10, False), (15, True)])
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # who is killed closes no socket
def test_killed_at_any_request_it_is_completed_by_the_same_again(
    glacierctl: Glacierctl, asked: tuple[str, ...], moto: Moto, request_number: int, *, answered: bool
) -> None:
    """Within tasks (1 to 6), plan, first page, lease, and twelve times an invocation or the note of it."""
    deployed.deploy()
    with wire.watched() as cut:
        cut.cut_at(request_number, answered=answered)
        with pytest.raises(wire.Killed):
            glacierctl(*asked)
    gc.collect()
    before = deliveries(moto)
    _lapse_leases()
    made = document(glacierctl(*asked, "--json"))
    assert made["begun"]
    assert set(deliveries(moto)) == {f"r{number:03}" for number in range(6)}
    noted = 6 - made["handed_over"]
    assert sum(before.values()) - noted == sum(deliveries(moto).values()) - 6, "what was noted is never sent again"
    names = LedgerReader(S3Store(STORE, deployed.client("s3")), made["run_id"]).state()
    assert names.not_handed == ()


def test_killed_for_good_it_is_completed_by_resume(
    glacierctl: Glacierctl, asked: tuple[str, ...], moto: Moto, tmp_path: Path
) -> None:
    deployed.deploy()
    client = deployed.client("s3")
    process = _submitting(asked, tmp_path)
    while process.poll() is None and not any("/handed/" in key for key in keys(client)):
        time.sleep(0.002)
    process.kill()
    process.communicate()
    _lapse_leases()
    run_id = keys()[0].split("/")[2]
    assert glacierctl("resume", run_id).code == 0
    assert set(deliveries(moto)) == {f"r{number:03}" for number in range(6)}
    assert glacierctl("resume", run_id).stdout == "Nothing was left: all 6 tasks had been handed over.\n"


def _lapse_leases() -> None:
    """Half a minute passes."""
    client = deployed.client("s3")
    for key in keys():
        if "/leases/" in key:
            client.put_object(Bucket=BUCKET, Key=key, Body=b"")


def test_while_the_killed_one_s_lease_lasts_the_next_is_told_to_wait(
    glacierctl: Glacierctl, asked: tuple[str, ...], moto: Moto
) -> None:
    deployed.deploy()
    run_id = glacierctl(*asked).stdout.strip()
    deployed.client("s3").put_object(Bucket=BUCKET, Key=f"results/runs/{run_id}/leases/handover/1.json", Body=b"held")
    ran = glacierctl("resume", run_id)
    assert ran.code == 1
    assert f"glacierctl wait {run_id}" in ran.stderr
    assert "try again in 30 s" in ran.stderr
    assert len(moto.accepted()) == 6


def test_lambda_that_refuses_leaves_a_run_that_resume_completes(
    glacierctl: Glacierctl, asked: tuple[str, ...], moto: Moto, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployed.deploy()
    with monkeypatch.context() as broken:
        broken.setenv("AWS_ENDPOINT_URL_LAMBDA", f"{moto.url}/nowhere")
        broken.setattr("glacierctl.cli.deployment.reach", _reach_there(moto))
        broken.setattr("glacierctl.aws.hand_over._PATIENCE_S", 0.0)
        ran = glacierctl(*asked)
    assert ran.code == 1, ran.stdout
    (run_id,) = {key.split("/")[2] for key in keys()}
    stopped = glacierctl("status", run_id)
    assert "Interrupted: 6 of 6 tasks are left" in stopped.stdout
    waited = glacierctl("wait", run_id)
    assert waited.code == 1
    assert f"glacierctl resume {run_id}" in waited.stderr
    assert glacierctl("resume", run_id).stdout == "Handed over 6 tasks; 0 had been before.\n"
    assert glacierctl("resume", run_id).stdout == "Nothing was left: all 6 tasks had been handed over.\n"
    assert deliveries(moto) == {f"r{number:03}": 1 for number in range(6)}


def _reach_there(moto: Moto) -> Callable[..., Any]:
    """The account by way of its own address, while hand-over is misled."""

    class Direct(Session):
        def create_client(self, *args: Any, **kwargs: Any) -> Any:
            return super().create_client(*args, **{**kwargs, "endpoint_url": moto.url})

    return lambda settings: (Aws("us-west-2", Patience(), Direct()), names_in(settings, "123456789012"))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        ("no function", "Run `glacierctl deploy` first"),
        ("no alias", "Run `glacierctl deploy` first"),
        ("no bucket", "NoSuchBucket"),
        ("no credentials", "credentials"),
        ("small function", "need more memory than the function has"),
        ("short function", "Run `glacierctl deploy --timeout 17`"),
        ("no catalogue", "/nowhere cannot be read"),
        ("output", "--output says nothing about a run on Lambda"),
    ],
)
def test_what_cannot_be_is_told_before_anything_begins(
    glacierctl: Glacierctl, asked: tuple[str, ...], moto: Moto, spoil: str, words: str
) -> None:
    deployed.deploy(
        memory_mb=128 if spoil == "small function" else 2048, timeout_s=16 if spoil == "short function" else 900
    )
    more: tuple[str, ...] = ()
    env: dict[str, str] = {}
    match spoil:
        case "no function":
            deployed.client("lambda").delete_function(FunctionName=FUNCTION)
        case "no alias":
            deployed.client("lambda").delete_alias(FunctionName=FUNCTION, Name="live")
        case "no bucket":
            deployed.client("s3").delete_bucket(Bucket=BUCKET)
        case "no credentials":
            env = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}
        case "no catalogue":
            more = ("--catalog", "/nowhere")
        case "output":
            more = ("--output", "results", "--service", "lambda")
    ran = glacierctl(*asked, *more, env=env)
    assert ran.code in {1, 2}, ran.stderr
    assert words in ran.stderr
    assert "Traceback" not in ran.stderr
    assert moto.accepted() == []
    if spoil != "no bucket":
        assert keys() == []


def test_a_season_of_all_regions_is_handed_over_in_few_requests(
    glacierctl: Glacierctl, imported: Callable[[int], tuple[str, ...]], moto: Moto, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 192 regions, three requests each: its task, the invocation, the note of it; and a handful for the run."""
    deployed.deploy()
    data_dir, *asked = imported(192)
    monkeypatch.setenv("GLACIERCTL_DATA_DIR", data_dir)
    with wire.watched() as watched:
        assert document(glacierctl(*asked, "--json"))["handed_over"] == 192
    counts = watched.counts
    assert counts["Invoke"] == 192
    assert counts["PutObject"] <= 192 * 2 + 6
    assert counts["ListObjectsV2"] <= 192 + 4
    assert sum(counts.values()) <= 192 * 4 + 20
    assert len(moto.accepted()) == 192
