"""A Zip function becomes an image by the command itself: its code really fetched, the worker really asked."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest
from tests.support import command
from tests.support.deployments import Trial, manifest
from tests.support.moto_server import Moto
from tests.support.schemas import check_document
from tests.support.zips import CODE, Old, look, package_of

from glacierctl.aws import worker_role

Run = Callable[..., command.Ran]


@pytest.fixture
def old(cloud: Moto) -> Old:
    """Beside an image that can take its place."""
    del cloud
    old = Old(Trial())
    repository, ecr = old.trial.names.repository, boto3.client("ecr")
    ecr.create_repository(repositoryName=repository)
    ecr.put_image(repositoryName=repository, imageManifest=manifest("ours"), imageTag="ours")
    return old


def deploy(glacierctl: Run, old: Old, folder: Path, *, role: str) -> tuple[command.Ran, Any]:
    """What is said, and the document."""
    names = old.trial.names
    ran = glacierctl(
        "deploy", "--no-build", "--image", "ours", "--yes", "--json", "--function", names.function,
        "--repository", names.repository, "--role", role, env={"GLACIERCTL_DATA_DIR": str(folder)},
    )  # fmt: skip
    told = json.loads(ran.stdout)
    check_document("deploy", told)
    return ran, told


def test_the_command_converts_and_the_worker_answers(glacierctl: Run, old: Old, tmp_path: Path) -> None:
    trial, names = old.trial, old.trial.names
    before = look(trial)
    ran, told = deploy(glacierctl, old, tmp_path / "data", role=old.role_arn)
    assert ran.code == 0, ran.stderr
    assert f"event source {old.queue_arn}" in told["conversion"]["carried"]
    assert told["conversion"]["not_carried"] == []
    assert f"Deleting the Zip function {names.function}" in ran.stderr
    assert package_of(trial) == "Image"
    assert look(trial) == before
    (code,) = (tmp_path / "data").rglob("*.zip")
    assert hashlib.sha256(code.read_bytes()).digest() == hashlib.sha256(CODE).digest()
    assert str(code.parent) == told["conversion"]["folder"]


def test_what_could_not_be_carried_over_is_in_the_document_and_in_the_exit_code(
    glacierctl: Run, old: Old, tmp_path: Path
) -> None:
    worker_role.create(old.aws, old.trial.names, old.trial.wanted().role())
    ran, told = deploy(glacierctl, old, tmp_path / "data", role=old.trial.names.role_arn)
    assert ran.code == 1
    _, source = told["conversion"]["not_carried"]
    assert source.startswith(f"the event source {old.queue_arn}, which stays stopped: InvalidParameterValueException")
    assert (told["applied"], package_of(old.trial)) == (True, "Image")
    assert old.trial.alias_version() == str(told["version"])


def test_what_is_left_of_a_conversion_is_not_nothing(glacierctl: Run, old: Old, tmp_path: Path) -> None:
    names, data = old.trial.names, tmp_path / "data"
    deploy(glacierctl, old, data, role=old.role_arn)
    (record,) = data.rglob("*.json")
    record.rename(record.with_name("unfinished.json"))  # as if it had been killed at the very end
    shown = glacierctl(
        "deploy", "--no-build", "--image", "ours", "--dry-run", "--function", names.function,
        "--repository", names.repository, "--role", old.role_arn, env={"GLACIERCTL_DATA_DIR": str(data)},
    )  # fmt: skip
    assert shown.code == 0, shown.stderr
    assert "A conversion from a Zip package was interrupted" in shown.stdout
    assert "Nothing to change" not in shown.stdout
    assert "  ~ " not in shown.stdout
