"""The made-up Lambda that other tests rely on: it runs what it is sent, within limits, and repeats and reports."""

import json
import time
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from tests.support.moto_server import ACCOUNT, AWS_REGION, Moto, make_worker_role

if TYPE_CHECKING:
    from types_boto3_lambda import LambdaClient

NAME = "obedient"
OBEDIENT = "tests.support.handlers.obedient"
IMAGE = f"{ACCOUNT}.dkr.ecr.{AWS_REGION}.amazonaws.com/some:image"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/worker"


@pytest.fixture
def functions(cloud: Moto) -> "LambdaClient":
    """One attempt a request, so that a throttle is seen."""
    config = Config(retries={"total_max_attempts": 1})
    return boto3.client("lambda", endpoint_url=cloud.url, config=config)


def create(functions: "LambdaClient", handler: str = OBEDIENT, **settings: Any) -> None:
    make_worker_role(boto3.client("iam"))
    functions.create_function(
        FunctionName=NAME,
        Role=ROLE,
        PackageType="Image",
        Code={"ImageUri": IMAGE},
        ImageConfig={"Command": [handler]} if handler else {},
        **{"MemorySize": 512, "Timeout": 20, **settings},
    )


def invoke(functions: "LambdaClient", event: Any, **how: Any) -> tuple[Any, str | None]:
    answer = functions.invoke(FunctionName=NAME, Payload=json.dumps(event), **how)
    text = answer["Payload"].read()
    return json.loads(text) if text else None, answer.get("FunctionError")


def lines() -> list[str]:
    events = boto3.client("logs").filter_log_events(logGroupName=f"/aws/lambda/{NAME}")["events"]
    return [event["message"].rstrip("\n") for event in events]


def queue_for(functions: "LambdaClient", **config: Any) -> str:
    """A queue that failures of every version that $LATEST names are reported to."""
    url: str = boto3.client("sqs").create_queue(QueueName="failures")["QueueUrl"]
    functions.put_function_event_invoke_config(
        FunctionName=NAME,
        DestinationConfig={"OnFailure": {"Destination": f"arn:aws:sqs:{AWS_REGION}:{ACCOUNT}:failures"}},
        **config,
    )
    return url


def reported(url: str) -> list[dict[str, Any]]:
    messages = boto3.client("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
    return [json.loads(message["Body"]) for message in messages]


def test_a_deployment_asks_the_worker_itself_whether_it_is_ready(functions: "LambdaClient") -> None:
    create(functions, handler="")
    answer, error = invoke(functions, {"smoke": True})
    assert (answer["ready"], error) == (True, None)


def test_an_answer_comes_from_the_handler_with_the_function_s_environment(functions: "LambdaClient") -> None:
    create(functions, Environment={"Variables": {"GLACIERCTL_WORKERS": "3"}}, MemorySize=777)
    answer, error = invoke(functions, {})
    assert error is None
    assert answer["environment"]["GLACIERCTL_WORKERS"] == "3"
    assert answer["environment"]["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] == "777"
    assert answer["environment"]["AWS_REGION"] == AWS_REGION
    assert 10_000 < answer["left_ms"] < 20_000


def test_a_log_has_start_the_handler_s_lines_end_and_report(functions: "LambdaClient") -> None:
    create(functions)
    answer, _ = invoke(functions, {"say": ["one", '{"step": "two"}'], "hold_mb": 100, "wait_s": 0.2})
    start, *said, end, report = lines()
    assert start == f"START RequestId: {answer['request_id']} Version: $LATEST"
    assert said == ["one", '{"step": "two"}']
    assert end == f"END RequestId: {answer['request_id']}"
    fields = dict(field.split(": ", 1) for field in report.strip().split("\t"))
    assert float(fields["Duration"].split()[0]) > 200
    assert float(fields["Init Duration"].split()[0]) > 10
    assert int(fields["Billed Duration"].split()[0]) > float(fields["Duration"].split()[0])
    assert 100 < int(fields["Max Memory Used"].split()[0]) < 300


def test_lines_are_events_the_moment_they_are_written(functions: "LambdaClient", cloud: Moto) -> None:
    create(functions)
    invoke(functions, {"say": ["working"], "wait_s": 15}, InvocationType="Event")
    end = time.monotonic() + 10
    while "working" not in lines() and time.monotonic() < end:
        time.sleep(0.05)
    assert "working" in lines()
    assert cloud.running()


@pytest.mark.parametrize(
    ("event", "settings", "kind", "status"),
    [
        ({"fail": "no"}, {}, "ValueError", ""),
        ({"die": True}, {}, "Runtime.ExitError", "Status: error\tError Type: Runtime.ExitError"),
        ({"wait_s": 30}, {"Timeout": 2}, "Sandbox.Timedout", "Status: timeout"),
        (
            {"hold_mb": 400, "wait_s": 1},
            {"MemorySize": 256},
            "Runtime.OutOfMemory",
            "Status: error\tError Type: Runtime.OutOfMemory",
        ),
        ({"write_mb": 600}, {"MemorySize": 2048}, "OSError", ""),
    ],
)
def test_whoever_fails_or_breaks_a_limit_is_an_error(
    functions: "LambdaClient", event: dict[str, Any], settings: dict[str, Any], kind: str, status: str
) -> None:
    create(functions, **settings)
    answer, error = invoke(functions, event)
    assert (answer["errorType"], error) == (kind, "Unhandled")
    assert lines()[-1].endswith(status)


def test_an_asynchronous_failure_is_tried_three_times_and_reported(functions: "LambdaClient", cloud: Moto) -> None:
    create(functions)
    url = queue_for(functions)
    invoke(functions, {"fail": "no"}, InvocationType="Event")
    done = cloud.settle()
    assert [(one["attempt"], one["error"]) for one in done] == [(n, "ValueError") for n in (1, 2, 3)]
    assert len({one["request_id"] for one in done}) == 1
    (message,) = reported(url)
    assert message["requestPayload"] == {"fail": "no"}
    assert message["requestContext"]["condition"] == "RetriesExhausted"
    assert message["requestContext"]["approximateInvokeCount"] == 3
    assert message["requestContext"]["requestId"] == done[0]["request_id"]
    assert message["responseContext"]["functionError"] == "Unhandled"
    assert message["responsePayload"]["errorMessage"] == "no"


def test_retries_are_as_many_as_configured(functions: "LambdaClient", cloud: Moto) -> None:
    create(functions)
    url = queue_for(functions, MaximumRetryAttempts=0)
    invoke(functions, {"fail": "no"}, InvocationType="Event")
    assert len(cloud.settle()) == len(reported(url)) == 1


def test_every_qualifier_has_its_own_configuration_and_runs_its_version(functions: "LambdaClient", cloud: Moto) -> None:
    create(functions)
    version = functions.publish_version(FunctionName=NAME)["Version"]
    functions.create_alias(FunctionName=NAME, Name="live", FunctionVersion=version)
    functions.put_function_event_invoke_config(FunctionName=NAME, Qualifier="live", MaximumRetryAttempts=1)
    with pytest.raises(ClientError, match="ResourceNotFound"):
        functions.get_function_event_invoke_config(FunctionName=NAME)
    (config,) = functions.list_function_event_invoke_configs(FunctionName=NAME)["FunctionEventInvokeConfigs"]
    assert config["FunctionArn"].endswith(f":function:{NAME}:live")
    invoke(functions, {"fail": "no"}, InvocationType="Event", Qualifier="live")
    assert [one["version"] for one in cloud.settle()] == [version, version]
    answer, _ = invoke(functions, {}, Qualifier=version)
    assert answer["version"] == version


def test_throttles_duplicates_and_large_events(functions: "LambdaClient", cloud: Moto) -> None:
    create(functions)
    cloud.wish(throttles=1, duplicates=1)
    with pytest.raises(functions.exceptions.TooManyRequestsException):
        invoke(functions, {}, InvocationType="Event")
    with pytest.raises(functions.exceptions.RequestTooLargeException):
        invoke(functions, {"say": ["x" * 300_000]}, InvocationType="Event")
    invoke(functions, {}, InvocationType="Event")
    assert len({one["request_id"] for one in cloud.settle()}) == 1
    assert len(cloud.invocations()) == 2


def test_a_killed_worker_is_an_error_and_tried_again(functions: "LambdaClient", cloud: Moto) -> None:
    create(functions)
    invoke(functions, {"say": ["begun"], "wait_s": 1.5}, InvocationType="Event")
    while not (cloud.running() and "begun" in lines()):
        time.sleep(0.05)
    assert cloud.kill_workers() == 1
    assert [one["error"] for one in cloud.settle()] == ["Runtime.ExitError", None]


def test_resetting_ends_what_runs(functions: "LambdaClient", cloud: Moto) -> None:
    create(functions)
    for _ in range(6):
        invoke(functions, {"wait_s": 300}, InvocationType="Event")
    cloud.reset()
    assert (cloud.running(), cloud.invocations()) == ([], [])
    cloud.settle(1)
