"""A deployment in the made-up account, without building an image: function, version, alias, queue and bucket."""

import functools
import json
import os
from typing import Any

import boto3
from tests.support.moto_server import ACCOUNT, AWS_REGION, make_worker_role

FUNCTION = "glacier-sentinel2-processor"
"""As the settings name it by themselves."""
BUCKET = "greenland-glacier-data"
"""The same."""
QUEUE = f"{FUNCTION}-failures"
"""The same."""
IMAGE = f"{ACCOUNT}.dkr.ecr.{AWS_REGION}.amazonaws.com/{FUNCTION}:one"
STORE = f"s3://{BUCKET}/results"
"""Where results go."""


def client(service: str) -> Any:
    """Of the made-up account; making one takes longer than all that it is asked."""
    return _client(service, os.environ["AWS_ENDPOINT_URL"])


@functools.cache
def _client(service: str, endpoint: str) -> Any:
    return boto3.client(service, endpoint_url=endpoint, region_name=AWS_REGION)


def deploy(*, memory_mb: int = 2048, timeout_s: int = 900, image: str = IMAGE, **settings: Any) -> str:
    """Make all that `glacierctl submit` needs; the number of the version that is live."""
    client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": AWS_REGION})
    make_worker_role(client("iam"))
    client("sqs").create_queue(QueueName=QUEUE)
    client("logs").create_log_group(logGroupName=f"/aws/lambda/{FUNCTION}")
    functions = client("lambda")
    functions.create_function(
        FunctionName=FUNCTION,
        Role=f"arn:aws:iam::{ACCOUNT}:role/worker",
        PackageType="Image",
        Code={"ImageUri": image},
        MemorySize=memory_mb,
        Timeout=timeout_s,
        **settings,
    )
    version = functions.publish_version(FunctionName=FUNCTION)["Version"]
    functions.create_alias(FunctionName=FUNCTION, Name="live", FunctionVersion=version)
    functions.put_function_event_invoke_config(
        FunctionName=FUNCTION,
        Qualifier=version,
        MaximumRetryAttempts=2,
        DestinationConfig={"OnFailure": {"Destination": f"arn:aws:sqs:{AWS_REGION}:{ACCOUNT}:{QUEUE}"}},
    )
    return str(version)


def redeploy(*, memory_mb: int = 2048, image: str = f"{IMAGE}-more") -> str:
    """Put other code live; the number of its version."""
    functions = client("lambda")
    functions.update_function_code(FunctionName=FUNCTION, ImageUri=image)
    functions.update_function_configuration(FunctionName=FUNCTION, MemorySize=memory_mb)
    version = functions.publish_version(FunctionName=FUNCTION)["Version"]
    functions.update_alias(FunctionName=FUNCTION, Name="live", FunctionVersion=version)
    return str(version)


def report_failure(event: Any, message: str = "out of memory") -> None:
    """Put into the failure queue what Lambda puts there after the last attempt at an event."""
    sqs = client("sqs")
    body = {
        "version": "1.0",
        "requestContext": {"condition": "RetriesExhausted", "approximateInvokeCount": 3},
        "requestPayload": event,
        "responsePayload": {"errorType": "Runtime.ExitError", "errorMessage": message},
    }
    sqs.send_message(QueueUrl=sqs.get_queue_url(QueueName=QUEUE)["QueueUrl"], MessageBody=json.dumps(body))


def messages() -> int:
    """How many messages the failure queue holds, hidden ones included."""
    sqs = client("sqs")
    url = sqs.get_queue_url(QueueName=QUEUE)["QueueUrl"]
    told = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    return int(told["ApproximateNumberOfMessages"]) + int(told["ApproximateNumberOfMessagesNotVisible"])
