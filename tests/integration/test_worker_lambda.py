"""The worker as Lambda runs it: AWS's emulator and runtime client, limits, retries, failure queue; real pixels."""

import base64
import datetime as dt
import hashlib
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
import rasterio
from tests.support import bowdoin, lambda_rie, nginx, small
from tests.support.faulty import FaultyServer, Status
from tests.support.lambda_environment import Environment, Limits
from tests.support.moto_server import ACCOUNT, AWS_REGION, Moto
from tests.support.processes import wait_for
from tests.support.s3_proxy import Proxy
from tests.support.small import SmallScene

from glacierctl.model import Region, Request, Task
from glacierctl.planning.catalog import Found
from glacierctl.planning.plan import make_plan
from glacierctl.planning.tasks import tasks
from glacierctl.processing.getters import HttpGetter
from glacierctl.processing.process import Means, process
from glacierctl.processing.transport import ReadPolicy, Transport
from glacierctl.runs.ledger import Ledger, Report
from glacierctl.storage import FolderStore
from glacierctl.storage.s3 import S3Store

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

URL = "s3://glaciers/results"
NAME = "worker"
SUFFIXES = ("tif", "json", "png")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[SmallScene]]:
    """Three passes behind a web server."""
    folder = tmp_path_factory.mktemp("served")
    (folder / "www").mkdir()
    with nginx.serve(folder / "www", folder / "nginx") as server:
        yield [small.scene(folder / "www", day, address=server.url().rstrip("/")) for day in (1, 2, 3)]


@pytest.fixture
def task(served: list[SmallScene]) -> Task:
    return small.task(served, URL)


@pytest.fixture
def worker(cloud: Moto, s3_faults: Proxy) -> Moto:
    """A deployed function whose S3 may misbehave, and a queue for what it cannot do."""
    cloud.create_function(NAME, Timeout=60)
    boto3.client("sqs").create_queue(QueueName="failures")
    boto3.client("lambda").put_function_event_invoke_config(
        FunctionName=NAME,
        DestinationConfig={"OnFailure": {"Destination": f"arn:aws:sqs:{AWS_REGION}:{ACCOUNT}:failures"}},
    )
    cloud.wish(variables={"AWS_ENDPOINT_URL_S3": s3_faults.url})
    return cloud


def event_of(task: Task) -> dict[str, Any]:
    event: dict[str, Any] = task.model_dump(mode="json", by_alias=True)
    return event


def send(event: object) -> None:
    boto3.client("lambda").invoke(FunctionName=NAME, InvocationType="Event", Payload=json.dumps(event))


def failures() -> list[dict[str, Any]]:
    queue = boto3.client("sqs")
    url = queue.get_queue_url(QueueName="failures")["QueueUrl"]
    return [json.loads(one["Body"]) for one in queue.receive_message(QueueUrl=url).get("Messages", [])]


def reports(s3: "S3Client", task: Task) -> list[Report]:
    return list(Ledger(S3Store(URL, s3), task.run_id).reports(task.task_id))


def words(report: Report) -> list[str]:
    return [getattr(outcome, "reason", outcome.outcome) for outcome in report.outcomes]


def stored(s3: "S3Client", part: str = "sentinel2/") -> dict[str, bytes]:
    """Key below the store's prefix to content, of everything that is no ledger."""
    store = S3Store(URL, s3)
    return {key: store.get(key) or b"" for key in store.list(part)}


def made_here(task: Task, folder: Path) -> dict[str, bytes]:
    """The same products made by this process into a folder."""
    store = FolderStore(folder)
    http = HttpGetter(ReadPolicy(attempts=1), user_agent="tests")
    transport = Transport({"http": http}, ReadPolicy(attempts=1))
    list(process(task, store, Means(transport=transport, scratch=folder, workers=2)))
    return {key: store.get(key) or b"" for key in store.list("sentinel2/")}


def require_all_products(s3: "S3Client", task: Task, folder: Path) -> None:
    """Whatever went wrong on the way: byte for byte what an undisturbed run makes, and nothing else."""
    found = stored(s3)
    assert [key for key in found if "combined_csv" in key] == ["sentinel2/metadata/combined_csv/small.csv"]
    assert {key: content for key, content in found.items() if "combined_csv" not in key} == made_here(task, folder)


def variables(moto: Moto) -> dict[str, str]:
    return {**moto.environment, "AWS_REGION": AWS_REGION}


@pytest.fixture
def environment(s3: "S3Client", moto: Moto, tmp_path: Path) -> Iterator[Environment]:  # noqa: ARG001 (makes the bucket)
    """One environment that takes several events, its /tmp at `tmp_path/tmp`."""
    lambda_rie.require_emulator()
    (tmp_path / "tmp").mkdir()
    with lambda_rie.start(variables(moto), scratch=tmp_path / "tmp") as started:
        yield started


# One environment


def test_products_are_stored_with_checksums_and_the_log_says_what_was_done(
    environment: Environment, task: Task, s3: "S3Client", tmp_path: Path
) -> None:
    answer = environment.invoke(event_of(task))
    assert (answer.value, answer.error) == ({"product": 3, "skipped": 0, "failed": 0}, None)
    require_all_products(s3, task, tmp_path / "here")
    for key, content in stored(s3).items():
        head = s3.head_object(Bucket="glaciers", Key=f"results/{key}", ChecksumMode="ENABLED")
        assert base64.b64decode(head["ChecksumSHA256"]) == hashlib.sha256(content).digest()
    lines = [json.loads(line) for line in environment.lines]
    assert [line["step"] for line in lines] == ["begin", "outcome", "outcome", "outcome", "end"]
    for line in lines:
        assert line["request_id"] == answer.request_id
        assert (line["run_id"], line["task_id"], line["region"]) == (task.run_id, task.task_id, "small")
        assert dt.datetime.fromisoformat(line["time"]).tzinfo is not None
    assert [line["product"] for line in lines[1:4]] == [one.product for one in task.acquisitions]
    (report,) = reports(s3, task)
    assert (report.complete, words(report)) == (True, ["product"] * 3)


def test_a_warm_environment_keeps_nothing_of_earlier_events(
    environment: Environment, task: Task, served: list[SmallScene], tmp_path: Path
) -> None:
    for scene in served:
        answer = environment.invoke(event_of(small.task([scene], URL)))
        assert answer.value == {"product": 1, "skipped": 0, "failed": 0}
        assert list((tmp_path / "tmp").iterdir()) == []
    assert environment.invoke({"schema": 1}).error == "BadEventError"
    assert environment.invoke(event_of(task)).value == {"product": 0, "skipped": 3, "failed": 0}
    assert {json.loads(line)["step"] for line in environment.lines if line.startswith("{")} >= {"raised", "end"}
    assert list((tmp_path / "tmp").iterdir()) == []


def test_what_a_killed_event_left_is_removed_by_the_next(
    environment: Environment, served: list[SmallScene], tmp_path: Path
) -> None:
    task = small.task(served[:1], URL)
    left = tmp_path / "tmp" / f"glacierctl-{socket.gethostname()}-0"
    left.mkdir()  # a worker that is killed leaves its folder, and a lock that nobody holds
    (left / "image.tif").write_bytes(b"half")
    left.with_suffix(".lock").touch()
    assert environment.invoke(event_of(task)).value == {"product": 1, "skipped": 0, "failed": 0}
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_task_that_is_too_large_for_an_event_comes_by_its_key(
    environment: Environment, task: Task, s3: "S3Client"
) -> None:
    key = f"runs/{task.run_id}/tasks/{task.task_id}.json"
    S3Store(URL, s3).put(key, task.model_dump_json(by_alias=True).encode())
    answer = environment.invoke({"schema": 1, "store_url": URL, "task_key": key})
    assert answer.value == {"product": 3, "skipped": 0, "failed": 0}


@pytest.mark.parametrize(
    ("change", "kind", "said"),
    [
        ({"surprise": 1}, "BadEventError", "surprise: Extra inputs"),
        ({"region": None}, "BadEventError", "region"),
        ({"store_url": "ftp://a/b"}, "UsageError", "neither a folder"),
        ({"store_url": "s3://nowhere/results"}, "StoreError", "NoSuchBucket"),
    ],
)
def test_what_cannot_be_done_is_raised_with_the_reason_and_logged(
    environment: Environment, task: Task, change: dict[str, Any], kind: str, said: str
) -> None:
    answer = environment.invoke({**event_of(task), **change})
    assert answer.error == kind
    assert said in json.loads(answer.payload)["errorMessage"]
    raised = [json.loads(line) for line in environment.lines if line.startswith('{"time"')][-1]
    assert (raised["step"], raised["level"], raised["error"]) == ("raised", "ERROR", kind)


def test_near_the_deadline_a_worker_stops_cleanly_and_the_next_one_goes_on(
    moto: Moto, s3: "S3Client", task: Task, tmp_path: Path
) -> None:
    lambda_rie.require_emulator()
    with lambda_rie.start(variables(moto), limits=Limits(timeout_s=16)) as short:
        answer = short.invoke(event_of(task))
    assert answer.error == "DeadlineError"
    assert "no time for 3 of 3 acquisitions" in json.loads(answer.payload)["errorMessage"]
    assert [words(report) for report in reports(s3, task)] == [["deadline"] * 3]
    with lambda_rie.start(variables(moto)) as longer:
        assert longer.invoke(event_of(task)).value == {"product": 3, "skipped": 0, "failed": 0}
    require_all_products(s3, task, tmp_path / "here")


@pytest.mark.slow
def test_a_real_glacier_fits_the_memory_and_equals_what_a_laptop_makes(
    moto: Moto,
    s3: "S3Client",
    bowdoin_scenes: tuple[bowdoin.BowdoinScene, ...],
    bowdoin_folder: Path,
    tmp_path: Path,
) -> None:
    lambda_rie.require_emulator()
    with nginx.serve(bowdoin_folder, tmp_path / "nginx") as server:
        items = bowdoin.served(bowdoin_scenes, bowdoin_folder, server.url())
        task = bowdoin_task(items[1:2])
        with lambda_rie.start(variables(moto), limits=Limits(memory_mb=1024)) as environment:
            answer = environment.invoke(event_of(task))
        expected = made_here(task, tmp_path / "here")
    assert (answer.value, answer.error) == ({"product": 1, "skipped": 0, "failed": 0}, None)
    found = stored(s3)
    assert {key: found[key] for key in expected} == expected
    (tif,) = (key for key in found if key.endswith(".tif"))
    with rasterio.MemoryFile(found[tif]) as file, file.open() as image:
        assert image.shape == (2070, 1830)
        assert (image.read(1) > 0).mean() > 0.9


def bowdoin_task(items: list[dict[str, Any]]) -> Task:
    class Items:
        href = "memory"

        def search(self, *_: object, **__: object) -> Found:
            return Found(tuple(items), len(items), 1)

    request = Request(
        satellite="sentinel2",
        regions=(Region(name="163_Bowdoin", bounds=(-541_690, -1_232_300, -523_390, -1_211_600), tiles=("19XEG",)),),
        start=dt.date(2016, 1, 1),
        end=dt.date(2017, 12, 31),
        catalog="memory",
        collection="sentinel-2-l2a",
    )
    (made,) = tasks(make_plan(request, Items(), dt.datetime.now(dt.UTC)), URL)
    return made


# Lambda around it


def test_each_product_is_stored_as_it_is_done_its_item_last(worker: Moto, task: Task, s3_faults: Proxy) -> None:
    send(event_of(task))
    (done,) = worker.settle()
    assert done["error"] is None
    puts = [path for _, path, _ in s3_faults.requests("PUT", "/clipped/")]
    products = [one.product for one in task.acquisitions]
    assert [Path(path).stem for path in puts] == [product for product in products for _ in SUFFIXES]
    suffixes = [Path(path).suffix for path in puts]
    assert suffixes[2::3] == [".json"] * 3
    assert [{*suffixes[first : first + 2]} for first in (0, 3, 6)] == [{".tif", ".png"}] * 3


def test_a_duplicate_delivery_makes_each_product_once(
    worker: Moto, task: Task, s3: "S3Client", s3_faults: Proxy, tmp_path: Path
) -> None:
    worker.wish(duplicates=1)
    send(event_of(task))
    done = worker.settle()
    assert [one["error"] for one in done] == [None, None]
    assert sorted(one["answer"]["product"] for one in done) == [0, 3]
    assert len(s3_faults.requests("PUT", ".tif")) == 3
    require_all_products(s3, task, tmp_path / "here")
    assert failures() == []


def test_a_worker_killed_in_the_middle_is_followed_by_one_that_completes(
    worker: Moto, task: Task, s3: "S3Client", s3_faults: Proxy, tmp_path: Path
) -> None:
    second = task.acquisitions[1].product
    s3_faults.misbehave(method="PUT", part=f"{second}.tif", wait_s=3, status=503, code="SlowDown")
    send(event_of(task))
    wait_for(lambda: any(f"{task.acquisitions[0].product}.json" in key for key in stored(s3)))
    wait_for(lambda: s3_faults.waiting > 0)
    s3_faults.clock_ahead_s = 60  # as if the retry came a minute later, as Lambda's does
    assert worker.kill_workers() == 1
    done = worker.settle()
    assert [one["error"] for one in done] == ["Runtime.ExitError", None]
    assert done[1]["answer"] == {"product": 2, "skipped": 1, "failed": 0}
    require_all_products(s3, task, tmp_path / "here")
    assert failures() == []


@pytest.mark.slow
def test_a_worker_that_hangs_until_the_timeout_is_followed_by_one_that_completes(
    worker: Moto, task: Task, s3: "S3Client", s3_faults: Proxy, tmp_path: Path
) -> None:
    # 15 s are kept back for the report, so that nothing shorter would begin at all
    boto3.client("lambda").update_function_configuration(FunctionName=NAME, Timeout=30)
    s3_faults.misbehave(method="PUT", part=f"{task.acquisitions[1].product}.tif", wait_s=31, status=503)
    send(event_of(task))
    wait_for(lambda: s3_faults.waiting > 0)
    s3_faults.clock_ahead_s = 60
    done = worker.settle()
    assert (done[0]["error"], done[-1]["error"]) == ("Sandbox.Timedout", None)
    require_all_products(s3, task, tmp_path / "here")
    assert failures() == []


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 503, "code": "SlowDown", "times": 4},
        {"status": 500, "code": "InternalError", "after": True, "times": 4},
        {"method": "PUT", "spoil": True, "times": 2},
    ],
    ids=str,
)
def test_s3_that_fails_in_passing_costs_nothing(
    worker: Moto, task: Task, s3_faults: Proxy, tmp_path: Path, fault: dict[str, Any]
) -> None:
    s3_faults.misbehave(part="/results/", **fault)
    send(event_of(task))
    assert [one["error"] for one in worker.settle()] == [None]
    assert len([status for _, _, status in s3_faults.requests() if status in {400, 500, 503}]) == fault["times"]
    require_all_products(worker.s3(), task, tmp_path / "here")


def test_a_poisoned_scene_fails_alone_and_lands_in_the_queue_until_it_is_mended(
    worker: Moto, served: list[SmallScene], faulty_server: FaultyServer, s3: "S3Client", tmp_path: Path
) -> None:
    poisoned = small.scene(faulty_server.www, 9, address=faulty_server.url().rstrip("/"))
    faulty_server.misbehave("09/B08.tif", Status(404))
    task = small.task([served[0], poisoned, served[1]], URL)
    send(event_of(task))
    assert [one["error"] for one in worker.settle()] == ["AcquisitionsFailedError"] * 3
    assert [sorted(words(report)) for report in reports(s3, task)] == [
        ["failed", "product", "product"],
        ["exists", "exists", "failed"],
        ["exists", "exists", "failed"],
    ]
    (message,) = failures()
    assert message["requestContext"]["condition"] == "RetriesExhausted"
    assert poisoned.product in message["responsePayload"]["errorMessage"]
    faulty_server.behave()
    send(message["requestPayload"])
    assert [one["error"] for one in worker.settle()][3:] == [None]
    require_all_products(s3, task, tmp_path / "here")


def test_a_run_that_is_called_off_is_no_failure(worker: Moto, task: Task, s3: "S3Client") -> None:
    Ledger(S3Store(URL, s3), task.run_id).cancel(dt.datetime.now(dt.UTC))
    send(event_of(task))
    assert [(one["error"], one["answer"]["skipped"]) for one in worker.settle()] == [(None, 3)]
    assert [words(report) for report in reports(s3, task)] == [["cancelled"] * 3]
