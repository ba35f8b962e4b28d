"""Runs whose tasks are really carried out, by the worker under AWS's emulator: real pixels, real failures."""

import functools
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.client import BaseClient
from tests.support import deployed, nginx, small
from tests.support.command import Ran, run_inside
from tests.support.deployed import BUCKET, STORE
from tests.support.items import write_static_catalog
from tests.support.moto_server import ACCOUNT, AWS_REGION, Moto
from tests.support.policies import ALLOWED, decide
from tests.support.s3_proxy import Proxy
from tests.support.schemas import check_document

from glacierctl.aws import roles
from glacierctl.aws.names import Names
from glacierctl.storage.s3 import S3Store

Glacierctl = Callable[..., Ran]
JULY = ("--start-date", "2024-07-01", "--end-date", "2024-07-31")


@pytest.fixture
def glacierctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Glacierctl:
    monkeypatch.setattr("glacierctl.cli.wait._POLL_S", 0.3)
    return functools.partial(run_inside, cwd=tmp_path)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[tuple[str, ...], Path]]:
    """The flags of a run of three passes behind a web server, and the folder that it serves."""
    (tmp_path / "www").mkdir()
    with nginx.serve(tmp_path / "www", tmp_path / "nginx") as server:
        scenes = [small.scene(tmp_path / "www", day, address=server.url().rstrip("/")) for day in (1, 2, 3)]
        catalog = write_static_catalog(tmp_path / "catalog", [scene.item for scene in scenes])
        asked = ("submit", "--satellite", "sentinel2", "--bbox", small.BBOX, *JULY, "--catalog", str(catalog))
        yield asked, tmp_path / "www"


def document(ran: Ran, code: int = 0) -> dict[str, Any]:
    assert ran.code == code, ran.stderr
    content: dict[str, Any] = json.loads(ran.stdout)
    return content


def images() -> list[str]:
    return [key for key in S3Store(STORE, deployed.client("s3")).list("sentinel2/") if key.endswith(".tif")]


def test_from_submit_to_products(glacierctl: Glacierctl, served: tuple[tuple[str, ...], Path], cloud: Moto) -> None:
    deployed.deploy(timeout_s=60)
    made = document(glacierctl(*served[0], "--wait", "--json"))
    assert (made["state"], made["total"]["succeeded"]) == ("ended", 3)
    assert len(images()) == 3
    again = document(glacierctl(*served[0], "--wait", "--json"))
    assert again["total"]["succeeded"] == 3
    assert len(cloud.settle()) == 1, "the second submit began something"
    deployed.client("s3").delete_object(Bucket=BUCKET, Key=f"results/runs/{made['run_id']}/plan.json")
    assert document(glacierctl("status", made["run_id"], "--json"))["total"]["succeeded"] == 3


def test_products_that_were_removed_are_made_by_the_same_submit_again(
    glacierctl: Glacierctl, served: tuple[tuple[str, ...], Path], cloud: Moto
) -> None:
    deployed.deploy(timeout_s=60)
    first = document(glacierctl(*served[0], "--wait", "--json"))
    gone, *rest = images()
    for key in (gone, gone.replace(".tif", ".json")):
        deployed.client("s3").delete_object(Bucket=BUCKET, Key=f"results/{key}")
    ran = glacierctl(*served[0], "--wait", "--json")
    second = document(ran)
    assert f"Missing now of what {first['run_id']} left in the store: 1 product." in ran.stderr
    assert second["run_id"] != first["run_id"]
    assert (second["total"]["succeeded"], second["skipped_by_reason"]) == (1, {"exists": 2})
    assert images() == [gone, *rest]
    third = glacierctl(*served[0])
    assert "nothing was begun twice" in third.stderr
    assert len(cloud.settle()) == 2
    for key in (rest[0], rest[0].replace(".tif", ".json")):  # one that the second run found there
        deployed.client("s3").delete_object(Bucket=BUCKET, Key=f"results/{key}")
    fourth = document(glacierctl(*served[0], "--wait", "--json"))
    assert fourth["run_id"] not in {first["run_id"], second["run_id"]}
    assert images() == [gone, *rest]


def test_what_fails_for_good_is_told_reported_and_retried(
    glacierctl: Glacierctl, served: tuple[tuple[str, ...], Path], cloud: Moto
) -> None:
    deployed.deploy(timeout_s=60)
    asked, www = served
    (www / "02" / "B08.tif").rename(www / "away.tif")
    failed = document(glacierctl(*asked, "--wait", "--json"), code=1)
    assert (failed["total"]["succeeded"], failed["total"]["failed"]) == (2, 1)
    assert "B08.tif" in failed["failed"][0]["what"]
    assert [one["attempt"] for one in cloud.settle()] == [1, 2, 3]
    assert deployed.messages() == 1
    (www / "away.tif").rename(www / "02" / "B08.tif")
    retried = document(glacierctl("retry", failed["run_id"], "--json"))
    assert retried["handed_over"] == 1
    assert deployed.messages() == 0
    assert document(glacierctl("wait", failed["run_id"], "--json"))["total"]["succeeded"] == 3
    assert len(images()) == 3


def test_a_run_that_is_called_off_stops_at_the_next_acquisition(
    glacierctl: Glacierctl, served: tuple[tuple[str, ...], Path], cloud: Moto
) -> None:
    deployed.deploy(timeout_s=60)
    cloud.wish(concurrency=0)
    run_id = glacierctl(*served[0]).stdout.strip()
    assert glacierctl("cancel", run_id).code == 0
    cloud.wish(concurrency=4)
    cloud.settle()
    state = document(glacierctl("status", run_id, "--json"))
    assert state["skipped_by_reason"] == {"cancelled": 3}
    assert images() == []
    assert document(glacierctl("retry", run_id, "--json"))["handed_over"] == 1
    assert document(glacierctl("wait", run_id, "--json"))["total"]["succeeded"] == 3


def test_a_duplicate_delivery_makes_nothing_twice_and_loses_nothing(
    glacierctl: Glacierctl, served: tuple[tuple[str, ...], Path], cloud: Moto
) -> None:
    deployed.deploy(timeout_s=60)
    cloud.wish(duplicates=1)
    run_id = glacierctl(*served[0]).stdout.strip()
    state = document(glacierctl("wait", run_id, "--json"))
    assert state["total"]["succeeded"] == 3
    assert len(cloud.settle()) == 2
    assert document(glacierctl("status", run_id, "--json"))["total"]["succeeded"] == 3
    assert len(images()) == 3


def test_what_a_run_cost_is_what_lambda_reports_and_s3_counts_and_stands_beside_the_estimate(
    glacierctl: Glacierctl, cloud: Moto, s3_faults: Proxy, tmp_path: Path
) -> None:
    """Scenes lie in the bucket that charges its readers; its requests and writes are counted on the wire."""
    deployed.deploy(timeout_s=60, memory_mb=1024)
    cloud.wish(variables={"AWS_ENDPOINT_URL_S3": s3_faults.url})
    s3_faults.charged_bucket = "usgs-landsat"
    asked = ("submit", "--satellite", "sentinel2", "--bbox", small.BBOX, *JULY, "--catalog", charged_catalog(tmp_path))
    made = document(glacierctl(*asked, "--json"))
    cloud.settle()
    run_id, expected = made["run_id"], made["expected"]
    said = document(glacierctl("cost", run_id, "--json"))
    check_document("cost", said)
    assert said["expected"] == expected
    total, dollars = said["total"], said["total"]["dollars"]

    events = [one["message"] for one in log_events()]
    billed = [REPORT.search(message) for message in events if message.startswith("REPORT")]
    gb_seconds = sum(int(one["mb"]) / 1024 * int(one["ms"]) / 1000 for one in billed if one)
    reads = len(s3_faults.requests("GET", "/usgs-landsat/"))
    assert (total["invocations"], total["paid_requests"]) == (len(billed), reads)
    assert len(billed) == 1
    assert reads >= 3 * 2
    assert total["gb_seconds"] == pytest.approx(gb_seconds)
    assert dollars["compute"] == pytest.approx(gb_seconds * 0.0000166667, abs=1e-9)
    assert dollars["requests"] == pytest.approx(len(billed) * 0.20 / 1e6, abs=1e-9)
    assert dollars["reads"] == pytest.approx(reads * 0.0004 / 1000, abs=1e-9)
    assert dollars["logs"] == pytest.approx(sum(len(text.encode()) + 26 for text in events) * 0.5e-9, abs=1e-9)
    writes = len(s3_faults.requests("PUT"))
    assert total["puts"] == pytest.approx(writes, abs=3), "counted as four a product and six an invocation"
    assert dollars["puts"] == pytest.approx(total["puts"] * 0.005 / 1000, abs=1e-9)
    parts = ("compute", "requests", "puts", "reads", "logs")
    assert dollars["total"] == pytest.approx(sum(dollars[part] for part in parts), abs=1e-8)

    assert expected["paid_requests"] == expected["requests"] > 0
    assert expected["parts"]["reads"] == pytest.approx(expected["paid_requests"] * 0.0004 / 1000, abs=1e-9)
    assert expected["dollars"] == pytest.approx(sum(expected["parts"].values()), abs=1e-6)
    *_, real, planned, _, _, _ = glacierctl("cost", run_id).stdout.splitlines()
    assert real.split()[:3] == ["total", "3", "1"]
    assert planned.split()[:3] == ["expected", "3", "1"]
    assert f"{expected['gb_seconds']:.1f}" == planned.split()[3]


REPORT = re.compile(r"Billed Duration: (?P<ms>\d+) ms\s+Memory Size: (?P<mb>\d+) MB")


def charged_catalog(folder: Path) -> str:
    """Three passes in the bucket that charges its readers; the catalogue of them."""
    s3 = deployed.client("s3")
    s3.create_bucket(Bucket="usgs-landsat", CreateBucketConfiguration={"LocationConstraint": AWS_REGION})
    scenes = [small.scene(folder / "scenes", day, address="s3://usgs-landsat/scenes") for day in (1, 2, 3)]
    for path in (folder / "scenes").rglob("*.tif"):
        s3.upload_file(str(path), "usgs-landsat", path.relative_to(folder).as_posix())
    return str(write_static_catalog(folder / "catalog", [scene.item for scene in scenes]))


def log_events() -> list[dict[str, Any]]:
    pages = deployed.client("logs").get_paginator("filter_log_events")
    every = pages.paginate(logGroupName=f"/aws/lambda/{deployed.FUNCTION}")
    return [event for page in every for event in page["events"]]


def test_the_submitter_s_policy_suffices(
    glacierctl: Glacierctl, served: tuple[tuple[str, ...], Path], moto: Moto, monkeypatch: pytest.MonkeyPatch
) -> None:
    del moto
    deployed.deploy()
    deployed.report_failure({"surprise": 1})
    policy = json.loads(json.dumps(roles.submitter(NAMES)))
    judged: dict[tuple[str, str], str] = {}
    make_call = BaseClient._make_api_call

    def judge(self: Any, operation: str, params: dict[str, Any]) -> Any:
        action, resource, context = _asked(self.meta.service_model.service_name, operation, params)
        judged[action, resource] = decide([policy], action, resource, context)
        return make_call(self, operation, params)

    with monkeypatch.context() as watched:
        watched.setattr(BaseClient, "_make_api_call", judge)
        run_id = glacierctl(*served[0]).stdout.strip()
        for command in (("status",), ("runs", "show"), ("cancel",), ("retry",), ("resume",)):
            assert glacierctl(*command, run_id).code == 0
    del judged["sts:GetCallerIdentity", "*"]
    assert {action for action, _ in judged} == {
        "lambda:GetAlias", "lambda:GetFunctionConfiguration", "lambda:InvokeFunction",
        "s3:GetObject", "s3:ListBucket", "s3:PutObject",
        "sqs:ChangeMessageVisibility", "sqs:GetQueueUrl", "sqs:ReceiveMessage",
    }  # fmt: skip
    assert [asked for asked, verdict in judged.items() if verdict != ALLOWED] == []


NAMES = Names(
    account=ACCOUNT,
    aws_region=AWS_REGION,
    function=deployed.FUNCTION,
    repository="r",
    alias="live",
    bucket=BUCKET,
    prefix="results/",
)


def _asked(service: str, operation: str, params: dict[str, Any]) -> tuple[str, str, dict[str, str]]:
    """Action, resource and condition keys of a call, as the Service Authorization Reference has them."""
    if service == "s3":
        if operation == "ListObjectsV2":
            return "s3:ListBucket", f"arn:aws:s3:::{params['Bucket']}", {"s3:prefix": params["Prefix"]}
        action = {"HeadObject": "GetObject"}.get(operation, operation)
        return f"s3:{action}", f"arn:aws:s3:::{params['Bucket']}/{params['Key']}", {}
    if service == "lambda":
        action = {"Invoke": "InvokeFunction"}.get(operation, operation)
        qualifier = f":{params['Qualifier']}" if "Qualifier" in params else ""
        return f"lambda:{action}", NAMES.function_arn + qualifier, {}
    if service == "sqs":
        return f"sqs:{operation.removesuffix('Batch')}", NAMES.queue_arn, {}
    return f"{service}:{operation}", "*", {}
