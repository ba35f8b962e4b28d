"""The made-up Lambda where it runs images: the one that a function names, within the function's limits."""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from tests.support import deployed, pushed
from tests.support.docker_engine import DockerEngine
from tests.support.moto_server import Moto
from tests.support.processes import wait_for
from tests.support.registry import Registry

from glacierctl.image.engine import Engine

if TYPE_CHECKING:
    from types_boto3_lambda import LambdaClient

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def images(
    docker_engine: DockerEngine, engine: Engine, registry: Registry, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """Two whose handlers do what their events say: mark to address."""
    made = {mark: pushed.build_obedient(docker_engine, tmp_path_factory.mktemp(mark), mark) for mark in ("one", "two")}
    return {mark: pushed.push(engine, image, registry, "obedient") for mark, image in made.items()}


@pytest.fixture
def deploy(cloud_of_images: Moto, images: dict[str, str]) -> Callable[..., None]:
    """Makes the function of the first image, with a small /tmp."""
    cloud_of_images.wish(ephemeral_mb=16)

    def make(**settings: Any) -> None:
        deployed.deploy(image=images["one"], **{"memory_mb": 256, "timeout_s": 20, **settings})

    return make


def invoke(event: Any, qualifier: str = "live", **how: Any) -> tuple[Any, str | None]:
    functions: LambdaClient = boto3.client("lambda")
    answer = functions.invoke(FunctionName=deployed.FUNCTION, Qualifier=qualifier, Payload=json.dumps(event), **how)
    text = answer["Payload"].read()
    return json.loads(text) if text else None, answer.get("FunctionError")


def lines() -> list[str]:
    events = boto3.client("logs").filter_log_events(logGroupName=f"/aws/lambda/{deployed.FUNCTION}")["events"]
    return [event["message"].rstrip("\n") for event in events]


def report() -> dict[str, str]:
    """Fields of the last line."""
    fields: dict[str, str] = dict(field.split(": ", 1) for field in lines()[-1].strip().split("\t"))
    return fields


def test_the_image_runs_as_nobody_and_writes_to_tmp_alone(
    deploy: Callable[..., None], docker_engine: DockerEngine
) -> None:
    deploy(Environment={"Variables": {"GLACIERCTL_WORKERS": "3"}})
    answer, error = invoke({"say": ["one", '{"step": "two"}'], "hold_mb": 100, "wait_s": 0.2})
    assert error is None
    assert (answer["user"], answer["writable"], answer["version"]) == (993, ["/tmp"], "1")
    expected = {
        "MARK": "one", "GLACIERCTL_WORKERS": "3", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
        "AWS_LAMBDA_FUNCTION_NAME": deployed.FUNCTION, "AWS_ACCESS_KEY_ID": "testing",
    }  # fmt: skip
    assert {name: answer["environment"].get(name) for name in expected} == expected
    assert 10_000 < answer["left_ms"] < 20_000
    start, *said, end, _ = lines()
    assert start == f"START RequestId: {answer['request_id']} Version: 1"
    assert said == ["one", '{"step": "two"}']
    assert end == f"END RequestId: {answer['request_id']}"
    assert float(report()["Duration"].split()[0]) > 200
    assert float(report()["Init Duration"].split()[0]) > 10
    assert 100 < int(report()["Max Memory Used"].split()[0]) < 200
    assert docker_engine.containers() == []


@pytest.mark.parametrize(
    ("event", "kind", "status"),
    [
        ({"fail": "no"}, "ValueError", ""),
        ({"die": True}, "Runtime.ExitError", "Status: error\tError Type: Runtime.ExitError"),
        ({"wait_s": 60}, "Sandbox.Timedout", "Status: timeout"),
        ({"hold_mb": 400, "wait_s": 1}, "Runtime.OutOfMemory", "Status: error\tError Type: Runtime.OutOfMemory"),
        ({"write_mb": 17}, "OSError", ""),
    ],
)
def test_whoever_fails_or_breaks_a_limit_is_an_error_and_its_container_is_gone(
    deploy: Callable[..., None], docker_engine: DockerEngine, event: dict[str, Any], kind: str, status: str
) -> None:
    deploy(timeout_s=4)
    answer, error = invoke({"say": ["begun"], **event})
    assert (answer["errorType"], error) == (kind, "Unhandled")
    assert "begun" in lines()
    assert lines()[-1].endswith(status)
    assert (report()["Max Memory Used"] == "256 MB") == (kind == "Runtime.OutOfMemory")
    assert docker_engine.containers() == []


def test_a_version_runs_the_image_that_it_was_published_with(
    deploy: Callable[..., None], images: dict[str, str]
) -> None:
    deploy()
    deployed.redeploy(image=images["two"], memory_mb=256)
    assert [invoke({}, qualifier)[0]["environment"]["MARK"] for qualifier in ("1", "2", "live")] == [
        "one",
        "two",
        "two",
    ]


def test_a_killed_container_is_an_error_and_tried_again_and_resetting_ends_all(
    deploy: Callable[..., None], cloud_of_images: Moto, docker_engine: DockerEngine
) -> None:
    deploy(timeout_s=60)
    invoke({"say": ["begun"], "wait_s": 3}, InvocationType="Event")
    wait_for(lambda: "begun" in lines())
    assert cloud_of_images.kill_workers() == 1
    assert [one["error"] for one in cloud_of_images.settle()] == ["Runtime.ExitError", None]
    for _ in range(3):
        invoke({"say": ["begun"], "wait_s": 50}, InvocationType="Event")
    wait_for(lambda: lines().count("begun") == 5)
    assert len(docker_engine.containers()) == 3
    cloud_of_images.reset()
    assert docker_engine.containers() == []
    assert (cloud_of_images.running(), cloud_of_images.invocations()) == ([], [])
