"""The failure queue: an invocation that failed for good is reported here instead of being forgotten."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from glacierctl.aws.errors import NotFound, talking_about
from glacierctl.aws.names import MANAGED, Names
from glacierctl.aws.session import Aws
from glacierctl.aws.wanted import QueueSettings

if TYPE_CHECKING:
    from types_boto3_sqs.literals import QueueAttributeNameType


@dataclass(frozen=True)
class Queue:
    """A queue that is there."""

    settings: QueueSettings
    """What can be compared."""
    url: str
    """Its address."""
    made_by_us: bool
    """Whether a deployment made it, rather than found it."""


def read(aws: Aws, names: Names) -> Queue | None:
    """What the queue is like; None if there is none."""
    try:
        with talking_about(f"the queue {names.queue}"):
            url = aws.sqs.get_queue_url(QueueName=names.queue)["QueueUrl"]
            attributes = aws.sqs.get_queue_attributes(
                QueueUrl=url, AttributeNames=["MessageRetentionPeriod", "SqsManagedSseEnabled"]
            ).get("Attributes", {})
            tags = aws.sqs.list_queue_tags(QueueUrl=url).get("Tags", {})
    except NotFound:
        return None
    settings = QueueSettings(
        retention_s=int(attributes.get("MessageRetentionPeriod", 345_600)),
        encrypted=attributes.get("SqsManagedSseEnabled", "true") == "true",
        managed=MANAGED in tags,
    )
    return Queue(settings, url, tags.get(MANAGED) == "true")


def create(aws: Aws, names: Names, then: QueueSettings) -> None:
    """Make the queue; SQS gives back one that is there with the same settings."""
    with talking_about(f"the queue {names.queue}"):
        aws.sqs.create_queue(QueueName=names.queue, Attributes=_attributes(then), tags={MANAGED: "true"})


def update(aws: Aws, names: Names, then: QueueSettings) -> None:
    """Make the queue's settings those that are wanted."""
    now = read(aws, names)
    if now is None:
        create(aws, names, then)
        return
    with talking_about(f"the queue {names.queue}"):
        aws.sqs.set_queue_attributes(QueueUrl=now.url, Attributes=_attributes(then))
        if not now.settings.managed:
            aws.sqs.tag_queue(QueueUrl=now.url, Tags={MANAGED: "adopted"})


def delete(aws: Aws, names: Names) -> None:
    """Remove the queue with its messages; if there is none, nothing happens."""
    try:
        with talking_about(f"the queue {names.queue}"):
            aws.sqs.delete_queue(QueueUrl=aws.sqs.get_queue_url(QueueName=names.queue)["QueueUrl"])
    except NotFound:
        return


def _attributes(then: QueueSettings) -> "dict[QueueAttributeNameType, str]":
    return {
        "MessageRetentionPeriod": str(then.retention_s),
        "SqsManagedSseEnabled": "true" if then.encrypted else "false",
    }
