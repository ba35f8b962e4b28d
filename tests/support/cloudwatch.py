"""CloudWatch Logs as hard as it can be: events that show late, pages of any size, new streams, and throttling."""

import dataclasses
import heapq
from bisect import bisect_left, insort
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from glacierctl.aws.session import Aws, Patience, connect


@dataclass(order=True)
class _Stored:
    timestamp: int
    taken: int
    number: int
    stream: str = field(compare=False)
    message: str = field(compare=False)


@dataclass
class CloudWatch:
    """Answers `filter_log_events` from a log group in memory. Its clock moves when it is told, or asked."""

    now_ms: int
    """Its own clock."""
    page: int = 10_000
    """Most events of a page."""
    throttles: int = 0
    """Of so many questions all but one are refused; 0 and 1 refuse none."""
    asked: int = 0
    """Questions so far, refused ones included."""
    _stored: list[_Stored] = field(default_factory=list)
    _coming: list[tuple[int, int, _Stored]] = field(default_factory=list)
    _number: int = 0

    def write(self, stream: str, events: Iterable[tuple[int, str]], *, delay_ms: int = 0) -> None:
        """Take events, which show after a while: by then, this clock has moved on."""
        for timestamp, message in events:
            self._number += 1
            shows = self.now_ms + delay_ms
            heapq.heappush(
                self._coming, (shows, self._number, _Stored(timestamp, shows, self._number, stream, message))
            )

    def forward(self, seconds: float) -> None:
        """Let time pass."""
        self.now_ms += round(seconds * 1000)

    def filter_log_events(self, **asked: Any) -> dict[str, Any]:
        """As CloudWatch Logs does, which has it in this order always."""
        self.asked += 1
        if self.throttles and self.asked % self.throttles:
            raise ClientError({"Error": {"Code": "ThrottlingException", "Message": "Rate exceeded"}}, "FilterLogEvents")
        self._show()
        offset = int(asked.get("nextToken", 0))
        first = bisect_left(self._stored, asked["startTime"], key=lambda one: one.timestamp) + offset
        last = len(self._stored)
        if "endTime" in asked:
            last = bisect_left(self._stored, asked["endTime"] + 1, key=lambda one: one.timestamp)
        found = self._stored[first : min(first + self.page, last)]
        answer: dict[str, Any] = {
            "events": [
                {
                    "eventId": f"{one.number:056d}",
                    "logStreamName": one.stream,
                    "timestamp": one.timestamp,
                    "ingestionTime": one.taken,
                    "message": one.message,
                }
                for one in found
            ]
        }
        if first + len(found) < last:
            answer["nextToken"] = str(offset + len(found))
        return answer

    def _show(self) -> None:
        while self._coming and self._coming[0][0] <= self.now_ms:
            insort(self._stored, heapq.heappop(self._coming)[2])


def instead_of_aws(cloudwatch: CloudWatch) -> Aws:
    """An account whose logs are these."""
    aws = dataclasses.replace(connect("us-west-2", Patience()), retries=1)
    aws.__dict__["logs"] = cloudwatch
    return aws
