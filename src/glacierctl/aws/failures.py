"""What the failure queue tells: invocations that failed for good, so that nobody tries them again by himself."""

import json
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from glacierctl.aws.errors import AwsError, NotFound, talking_about
from glacierctl.aws.names import Names
from glacierctl.aws.session import Aws
from glacierctl.model import Task

if TYPE_CHECKING:
    from types_boto3_sqs.type_defs import MessageTypeDef

_HIDDEN_S = 60
"""How long a message that was received stays out of others' sight."""
_WAIT_S = 1
"""How long a message is waited for: SQS asks all its servers then, and an empty answer means an empty queue."""
_ROUNDS = 500
"""How often is asked; each time up to ten messages come."""
_AT_ONCE = 10
"""How many messages one request can be about."""


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


def read_failures(aws: Aws, names: Names, run_id: str, task_ids: Collection[str]) -> tuple[Failure, ...]:
    """Failures of some tasks of a run that are in the queue, out of others' sight until they are given back.

    What else is in the queue stays there for others to see.

    Raises:
        AwsError: as it says. A queue that is not there has none.
    """
    url, received, kept = "", dict[str, "MessageTypeDef"](), set[str]()
    try:
        with talking_about(f"the queue {names.queue}"):
            url = aws.sqs.get_queue_url(QueueName=names.queue)["QueueUrl"]
            _receive(aws, url, received)
        told = (failure for message in received.values() for failure in _failures(message))
        wanted = tuple(one for one in told if one.run_id == run_id and one.task_id in task_ids)
        kept = {one.receipt for one in wanted}
    except NotFound:
        return ()
    else:
        return wanted
    finally:
        _show(aws, url, [one["ReceiptHandle"] for one in received.values() if one["ReceiptHandle"] not in kept])


def give_back(aws: Aws, names: Names, failures: Iterable[Failure]) -> None:
    """Let others see failures that stay in the queue; where that cannot be done, they do so after a minute."""
    with suppress(AwsError), talking_about(f"the queue {names.queue}"):
        url = aws.sqs.get_queue_url(QueueName=names.queue)["QueueUrl"]
        _show(aws, url, list(dict.fromkeys(failure.receipt for failure in failures)))


def forget(aws: Aws, names: Names, failures: Iterable[Failure]) -> None:
    """Remove failures from the queue: somebody has seen to them.

    Raises:
        AwsError: as it says.
    """
    with talking_about(f"the queue {names.queue}"):
        url = aws.sqs.get_queue_url(QueueName=names.queue)["QueueUrl"]
        for receipt in dict.fromkeys(failure.receipt for failure in failures):
            aws.sqs.delete_message(QueueUrl=url, ReceiptHandle=receipt)


def _receive(aws: Aws, url: str, received: "dict[str, MessageTypeDef]") -> None:
    """Add each message of the queue to what was received, by its id."""
    for _ in range(_ROUNDS):
        answer = aws.sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=_AT_ONCE, VisibilityTimeout=_HIDDEN_S, WaitTimeSeconds=_WAIT_S
        )
        came = {message["MessageId"]: message for message in answer.get("Messages", [])}
        is_over = came.keys() <= received.keys()  # nothing comes, or what was hidden for its minute comes again
        received |= came  # of several receipts of a message the newest counts
        if is_over:
            return


def _show(aws: Aws, url: str, receipts: Sequence[str]) -> None:
    """Let others see messages again, as far as that can be done: each shows itself when its minute is over."""
    with suppress(AwsError), talking_about("the queue"):
        for start in range(0, len(receipts), _AT_ONCE):
            aws.sqs.change_message_visibility_batch(
                QueueUrl=url,
                Entries=[
                    {"Id": str(number), "ReceiptHandle": receipt, "VisibilityTimeout": 0}
                    for number, receipt in enumerate(receipts[start : start + _AT_ONCE])
                ],
            )


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
