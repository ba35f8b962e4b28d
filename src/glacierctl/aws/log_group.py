"""The log group of the function. Lambda would make one by itself, which keeps logs for ever."""

from dataclasses import dataclass

from glacierctl.aws.errors import Conflict, NotFound, talking_about
from glacierctl.aws.names import MANAGED, Names
from glacierctl.aws.session import Aws
from glacierctl.aws.wanted import LogGroupSettings

KEPT_RETENTION = "glacierctl:kept-retention-days"
"""Tag: the retention that a converted function's logs had, which stays although the settings say another."""


@dataclass(frozen=True)
class LogGroup:
    """A log group that is there."""

    settings: LogGroupSettings
    """What can be compared."""
    kept_retention_days: int | None
    """The retention that was carried over from before; None if none was."""
    made_by_us: bool
    """Whether a deployment made it, rather than found it."""


def read(aws: Aws, names: Names) -> LogGroup | None:
    """What the log group is like; None if there is none."""
    with talking_about(f"the log group {names.log_group}"):
        pages = aws.logs.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=names.log_group)
        groups = [group for page in pages for group in page["logGroups"] if group["logGroupName"] == names.log_group]
        if not groups:
            return None
        tags = aws.logs.list_tags_for_resource(resourceArn=names.log_group_arn)["tags"]
        settings = LogGroupSettings(retention_days=groups[0].get("retentionInDays"), managed=MANAGED in tags)
        kept = tags.get(KEPT_RETENTION)
        return LogGroup(settings, int(kept) if kept else None, tags.get(MANAGED) == "true")


def create(aws: Aws, names: Names, then: LogGroupSettings) -> None:
    """Make the log group; one that appeared in the meantime is taken as it is."""
    try:
        with talking_about(f"the log group {names.log_group}"):
            aws.logs.create_log_group(logGroupName=names.log_group, tags={MANAGED: "true"})
    except Conflict:
        pass
    _put_retention(aws, names, then)


def update(aws: Aws, names: Names, then: LogGroupSettings) -> None:
    """Make the log group's settings those that are wanted."""
    _put_retention(aws, names, then)
    now = read(aws, names)
    if now is not None and not now.settings.managed:
        with talking_about(f"the log group {names.log_group}"):
            aws.logs.tag_resource(resourceArn=names.log_group_arn, tags={MANAGED: "adopted"})


def keep_retention(aws: Aws, names: Names, days: int) -> None:
    """Remember that the retention is the user's own."""
    with talking_about(f"the log group {names.log_group}"):
        aws.logs.tag_resource(resourceArn=names.log_group_arn, tags={KEPT_RETENTION: str(days)})


def delete(aws: Aws, names: Names) -> None:
    """Remove the log group with all logs; if there is none, nothing happens."""
    try:
        with talking_about(f"the log group {names.log_group}"):
            aws.logs.delete_log_group(logGroupName=names.log_group)
    except NotFound:
        return


def _put_retention(aws: Aws, names: Names, then: LogGroupSettings) -> None:
    if then.retention_days is not None:
        with talking_about(f"the log group {names.log_group}"):
            aws.logs.put_retention_policy(logGroupName=names.log_group, retentionInDays=then.retention_days)
