"""Logs and cost of workers that really run: AWS's emulator, real pixels, every line as the function wrote it."""

import datetime as dt
import json
import os
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import pytest
from tests.support import command, nginx, small
from tests.support.command import Ran
from tests.support.moto_server import AWS_REGION, Moto

from glacierctl.model import Task
from glacierctl.runs.submission import Binding, Expected, PlannedTask, Submission
from glacierctl.storage.layout import submission_key
from glacierctl.storage.s3 import S3Store

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

Glacierctl = Callable[..., Ran]

URL = "s3://glaciers/results"
NAME = "worker"


@pytest.fixture
def task(tmp_path: Path) -> Iterator[Task]:
    """Two passes behind a web server."""
    (tmp_path / "www").mkdir()
    with nginx.serve(tmp_path / "www", tmp_path / "nginx") as server:
        scenes = [small.scene(tmp_path / "www", day, address=server.url().rstrip("/")) for day in (1, 2)]
        yield small.task(scenes, URL)


@pytest.fixture
def run(cloud: Moto, s3: "S3Client", task: Task) -> Submission:
    """A run of that task, which was handed to a version of a function and has not begun."""
    cloud.create_function(NAME)
    version = boto3.client("lambda").publish_version(FunctionName=NAME)["Version"]
    boto3.client("logs").create_log_group(logGroupName=f"/aws/lambda/{NAME}")
    products = tuple(one.product for one in task.acquisitions)
    page = Submission(
        schema=1,
        run_id=task.run_id,
        store_url=URL,
        service="lambda",
        binding=Binding(
            function=NAME, version=version, aws_region=AWS_REGION, memory_mb=1024, timeout_s=60, architecture="x86_64"
        ),
        submitted_at=dt.datetime.now(dt.UTC),
        satellite=task.satellite,
        start=dt.date(2024, 7, 1),
        end=dt.date(2024, 7, 31),
        regions=(task.region.name,),
        tasks=(PlannedTask(task_id=task.task_id, region=task.region.name, products=products),),
        expected=Expected(seconds=4, dollars=0.0001),
    )
    S3Store(URL, s3).put_new(submission_key(task.run_id), page.model_dump_json(by_alias=True).encode())
    return page


def send(event: object, version: str) -> None:
    boto3.client("lambda").invoke(
        FunctionName=NAME, Qualifier=version, InvocationType="Event", Payload=json.dumps(event)
    )


@pytest.mark.slow
def test_what_a_real_worker_writes_is_followed_reported_and_charged(
    glacierctl: Glacierctl, cloud: Moto, run: Submission, task: Task, tmp_path: Path
) -> None:
    flags = (run.run_id, "--output", URL)
    with subprocess.Popen(
        [command.PROGRAM, "logs", *flags, "--follow", "--json"],
        cwd=tmp_path,
        env={**os.environ},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert run.binding
        send({"no": "task"}, run.binding.version)
        send(task.model_dump(mode="json", by_alias=True), run.binding.version)
        followed = [json.loads(line) for line in process.stdout or ()]
        assert process.wait() == 0
    done = cloud.settle()
    pages = boto3.client("logs").get_paginator("filter_log_events").paginate(logGroupName=f"/aws/lambda/{NAME}")
    written = Counter(event["message"].rstrip("\n") for page in pages for event in page["events"])
    assert Counter(line["message"] for line in followed) == written
    assert {line["region"] for line in followed if line["run_id"]} == {task.region.name}
    assert {line["run_id"] for line in followed} == {run.run_id, None}

    shown = glacierctl("logs", *flags).stdout
    assert "product S2A_MSIL2A_20240701T150901_N0301_R025: coverage 100.0%, cloud 0%" in shown
    assert shown.count("ERROR  BadEventError: the event is not a Task") == 3, "Lambda tries it three times"

    (ours,) = [one["request_id"] for one in done if one["error"] is None]
    every = glacierctl("logs", *flags, "--report").stdout
    assert every.count("error: BadEventError") == 3
    assert "4 invocations" in every
    report = json.loads(glacierctl("logs", *flags, "--report", "--region", task.region.name, "--json").stdout)
    (invocation,) = report["invocations"]
    assert (invocation["request_id"], invocation["memory_mb"], invocation["status"]) == (ours, 1024, "success")
    assert 0 < invocation["max_memory_mb"] <= 1024

    cost = json.loads(glacierctl("cost", *flags, "--json").stdout)
    assert cost["total"]["gb_seconds"] == pytest.approx(invocation["billed_gb_seconds"])
    assert [one["outcome"] for one in cost["scenes"]] == ["product", "product"]
    stored = boto3.client("s3").list_objects_v2(Bucket="glaciers", Prefix="results/sentinel2/clipped/")["Contents"]
    assert cost["total"]["stored_bytes"] == sum(one["Size"] for one in stored)
    assert (cost["expected"]["dollars"], cost["tasks_without_log"]) == (0.0001, 0)
