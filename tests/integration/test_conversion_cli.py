"""A Zip function becomes an image by the command itself: its code really fetched, the worker really asked."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import boto3
from tests.support import command
from tests.support.deployments import Trial, manifest
from tests.support.moto_server import Moto
from tests.support.schemas import check_document
from tests.support.zips import CODE, Old, look, package_of

Run = Callable[..., command.Ran]


def test_the_command_converts_and_the_worker_answers(glacierctl: Run, cloud: Moto, tmp_path: Path) -> None:
    del cloud
    trial = Trial()
    old, names = Old(trial), trial.names
    ecr = boto3.client("ecr")
    ecr.create_repository(repositoryName=names.repository)
    ecr.put_image(repositoryName=names.repository, imageManifest=manifest("ours"), imageTag="ours")
    before = look(trial)

    ran = glacierctl(
        "deploy", "--no-build", "--image", "ours", "--yes", "--json", "--function", names.function,
        "--repository", names.repository, env={"GLACIERCTL_DATA_DIR": str(tmp_path / "data")},
    )  # fmt: skip
    assert ran.code == 0, ran.stderr
    told = json.loads(ran.stdout)
    check_document("deploy", told)
    assert f"event source {old.queue_arn}" in told["conversion"]["carried"]
    assert f"Deleting the Zip function {names.function}" in ran.stderr
    assert package_of(trial) == "Image"
    assert look(trial) == before
    (code,) = (tmp_path / "data").rglob("*.zip")
    assert hashlib.sha256(code.read_bytes()).digest() == hashlib.sha256(CODE).digest()
    assert str(code.parent) == told["conversion"]["folder"]
