"""What the failure queue tells: invocations that failed for good, so that nobody tries them again by himself."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from glacierctl.aws.errors import NotFound, talking_about
from glacierctl.aws.names import Names
from glacierctl.aws.session import Aws
from glacierctl.model import Task

if TYPE_CHECKING:
    from types_boto3_sqs.type_defs import MessageTypeDef

_HIDDEN_S = 60
"""How long a message that was received stays out of others' sight."""
_ROUNDS = 500
"""How often is asked; each time up to ten messages come."""


@dataclass(frozen=True)
class Failure:
    """An invocation that failed for good."""

    run_id: str
    """Its run."""
    task_id: str
    """Its task."""
    why: str
    """What Lambda says: the error of the last attempt, or that its time was up."""
    receipt: str
    """Needed to remove the message."""


def read_failures(aws: Aws, names: Names, run_id: str) -> tuple[Failure, ...]:
    """Failures of one run that are in the queue, each message once; those of other runs stay where they are.

    Raises:
        AwsError: as it says. A queue that is not there has none.
    """
    try:
        with talking_about(f"the queue {names.queue}"):
            url = aws.sqs.get_queue_url(QueueName=names.queue)["QueueUrl"]
            found = [failure for message in _messages(aws, url) for failure in _failures(message)]
    except NotFound:
        return ()
    return tuple(one for one in found if one.run_id == run_id)


def forget(aws: Aws, names: Names, failures: Iterable[Failure]) -> None:
    """Remove failures from the queue: somebody has seen to them.

    Raises:
        AwsError: as it says.
    """
    with talking_about(f"the queue {names.queue}"):
        url = aws.sqs.get_queue_url(QueueName=names.queue)["QueueUrl"]
        for receipt in dict.fromkeys(failure.receipt for failure in failures):
            aws.sqs.delete_message(QueueUrl=url, ReceiptHandle=receipt)


def _messages(aws: Aws, url: str) -> "Iterator[MessageTypeDef]":
    for _ in range(_ROUNDS):
        answer = aws.sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=_HIDDEN_S, WaitTimeSeconds=1
        )
        if not answer.get("Messages"):
            return
        yield from answer["Messages"]


def _failures(message: "MessageTypeDef") -> list[Failure]:
    """What a message tells of each task of its event; nothing if it is not about tasks."""
    try:
        told = json.loads(message["Body"])
        tasks = _tasks_of(told["requestPayload"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return []
    return [Failure(run_id, task_id, _why(told), message["ReceiptHandle"]) for run_id, task_id in tasks]


def _tasks_of(event: Any) -> list[tuple[str, str]]:
    """(run, task) of all that an event is or names.

    Raises:
        ValueError: it is neither a task nor the key of one.
    """
    keys = event.get("task_keys") or [event["task_key"]] if {"task_key", "task_keys"} & event.keys() else []
    if keys:
        return [_task_named(key) for key in keys]
    try:
        task = Task.model_validate(event)
    except ValidationError as error:
        raise ValueError(str(error)) from error
    return [(task.run_id, task.task_id)]


def _task_named(key: str) -> tuple[str, str]:
    runs, run_id, tasks, name = PurePosixPath(key).parts
    if (runs, tasks) != ("runs", "tasks"):
        raise ValueError(key)
    return run_id, PurePosixPath(name).stem


def _why(told: Any) -> str:
    answer: Any = told.get("responsePayload")
    if isinstance(answer, str):
        try:
            answer = json.loads(answer)
        except ValueError:
            return str(answer)
    said = answer.get("errorMessage") if isinstance(answer, dict) else None
    return str(said or told.get("requestContext", {}).get("condition") or "it failed")
