"""One deployment at a time: a lease on changing the function, as empty log streams of its log group.

Streams are numbered. Whoever creates number n + 1 holds the lease, and AWS lets one caller create a name. That is
possible when n is marked as done, or when it is too old: its holder renews by creating the next number, too, so one
that was killed soon is. The newest number is never deleted, so no number is given twice. A list that is out of date
does no harm: what it does not show yet cannot be created again.
"""

import datetime as dt
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from glacierctl.aws.clock import Clock
from glacierctl.aws.errors import AwsError, Conflict, NotFound, talking_about
from glacierctl.aws.names import Names
from glacierctl.aws.session import Aws

if TYPE_CHECKING:
    from types_boto3_logs.type_defs import DescribeLogStreamsResponseTypeDef

PREFIX = "glacierctl-deploy/"
"""What the streams' names begin with."""
_NAME = re.compile(re.escape(PREFIX) + r"(\d{9})(-done)?")
_DONE = "-done"


@dataclass(frozen=True)
class _Newest:
    """The lease that was given last."""

    number: int
    """Counted from 1; 0 if none was given yet."""
    is_free: bool
    """Whether the next one may be taken."""
    heard: str
    """When its holder gave the last sign of life, for people."""


class Lease:
    """A lease that is held."""

    def __init__(self, aws: Aws, names: Names, clock: Clock, number: int) -> None:
        self._aws = aws
        self._names = names
        self._clock = clock
        self._number = number
        self._taken_at = clock.seconds()

    def renew(self) -> None:
        """Show that the holder is still there; cheap to call often.

        Raises:
            Conflict: it was too late, somebody else holds it now.
        """
        if self._clock.seconds() - self._taken_at < self._aws.patience.lease_s / 3:
            return
        if not _take_number(self._aws, self._names, self._number + 1):
            raise Conflict(
                f"another deploy of {self._names.function} has taken over",
                why="this one gave no sign of life for too long",
                hint="Wait until the other is done, then run `glacierctl deploy` again.",
            )
        self._number += 1
        self._taken_at = self._clock.seconds()

    def release(self) -> None:
        """Let the next one in, and leave nothing older behind."""
        with talking_about(f"the log group {self._names.log_group}"):
            self._aws.logs.create_log_stream(
                logGroupName=self._names.log_group, logStreamName=_name(self._number) + _DONE
            )
            for name in _older(self._aws, self._names, self._number):
                self._aws.logs.delete_log_stream(logGroupName=self._names.log_group, logStreamName=name)


@contextmanager
def hold(aws: Aws, names: Names, clock: Clock, on_step: Callable[[str], None]) -> Iterator[Lease]:
    """Hold the lease while the context lasts. The log group must be there.

    Args:
        aws: the account.
        names: whose lease.
        clock: for waiting.
        on_step: told, if somebody else holds the lease and is waited for.

    Raises:
        Conflict: somebody else has held it for as long as is waited.
    """
    lease = Lease(aws, names, clock, _take(aws, names, clock, on_step))
    try:
        yield lease
    finally:
        try:
            lease.release()
        except AwsError:
            # The log group went, the network did, or somebody else has taken over: then it expires, or is gone.
            on_step("The lease was not given back; it ends by itself")


def _take(aws: Aws, names: Names, clock: Clock, on_step: Callable[[str], None]) -> int:
    newest = _newest(aws, names)
    for attempt in range(aws.patience.attempts):
        if newest.is_free and _take_number(aws, names, newest.number + 1):
            return newest.number + 1
        if attempt == 0:
            on_step(f"Another deploy of {names.function} is at work, last heard of at {newest.heard}: waiting for it")
        clock.sleep(aws.patience.delay_s)
        newest = _newest(aws, names)
    raise Conflict(
        f"another deploy of {names.function} is under way",
        why=f"it was last heard of at {newest.heard}",
        hint="Wait until it is done, then run `glacierctl deploy` again.",
    )


def _newest(aws: Aws, names: Names) -> _Newest:
    with talking_about(f"the log group {names.log_group}"):
        answer = aws.logs.describe_log_streams(
            logGroupName=names.log_group, logStreamNamePrefix=PREFIX, orderBy="LogStreamName", descending=True, limit=2
        )
    for stream in answer["logStreams"]:
        if found := _NAME.fullmatch(stream["logStreamName"]):
            age_s = _now_ms(answer) / 1000 - stream["creationTime"] / 1000
            heard = dt.datetime.fromtimestamp(stream["creationTime"] / 1000, dt.UTC)
            is_free = bool(found[2]) or age_s > aws.patience.lease_s
            return _Newest(int(found[1]), is_free, f"{heard:%H:%M:%S} UTC")
    return _Newest(0, is_free=True, heard="")


def _now_ms(answer: "DescribeLogStreamsResponseTypeDef") -> float:
    """AWS's own time: creation times are by its clock, and a laptop's may be wrong by minutes."""
    told = answer["ResponseMetadata"]["HTTPHeaders"]["date"]
    return parsedate_to_datetime(told).timestamp() * 1000


def _take_number(aws: Aws, names: Names, number: int) -> bool:
    """Take this number; False if somebody else has, or has gone beyond it while we slept."""
    try:
        with talking_about(f"the log group {names.log_group}"):
            aws.logs.create_log_stream(logGroupName=names.log_group, logStreamName=_name(number))
    except Conflict:
        return False
    return _newest(aws, names).number <= number


def _older(aws: Aws, names: Names, number: int) -> list[str]:
    try:
        pages = aws.logs.get_paginator("describe_log_streams").paginate(
            logGroupName=names.log_group, logStreamNamePrefix=PREFIX
        )
        found = [stream["logStreamName"] for page in pages for stream in page["logStreams"]]
    except NotFound:
        return []
    return [name for name in found if name < _name(number)]


def _name(number: int) -> str:
    return f"{PREFIX}{number:09d}"
