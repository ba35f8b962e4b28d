"""What Lambda writes to a function's log group: its own lines in its words, the worker's by the worker's log."""

import datetime as dt
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

from glacierctl.model import Failed, Outcome, Product, Skipped, Usage
from glacierctl.worker.log import Log

if TYPE_CHECKING:
    from types_boto3_logs import CloudWatchLogsClient

GROUP = "/aws/lambda/glacier-sentinel2-processor"
NOON = dt.datetime(2026, 7, 1, 12, tzinfo=dt.UTC)
RUN = "20260601-20260630-sentinel2-4f1d0c2ab9e3"
OTHER_RUN = "20260601-20260630-sentinel2-aaaaaaaaaaaa"

_BATCH = 5000
"""CloudWatch Logs takes up to 10 000 events at once."""

Written = tuple[int, str]
"""(milliseconds since 1970, message)."""


@dataclass
class Clock:
    """A time that moves by what it is told."""

    now: dt.datetime = NOON

    def __call__(self) -> dt.datetime:
        return self.now

    def forward(self, seconds: float) -> None:
        self.now += dt.timedelta(seconds=seconds)


@dataclass
class Environment:
    """One execution environment, which writes to one stream, one invocation after the other."""

    clock: Clock = field(default_factory=Clock)
    version: str = "3"
    memory_mb: int = 2048
    stream: str = ""
    written: list[Written] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.stream = self.stream or f"{self.clock.now:%Y/%m/%d}/[{self.version}]{uuid.uuid4().hex}"

    def write(self, message: str) -> None:
        self.written.append((round(self.clock.now.timestamp() * 1000), message))

    def start(self, request_id: str) -> None:
        self.write(f"START RequestId: {request_id} Version: {self.version}\n")

    def end(
        self,
        request_id: str,
        *,
        duration_ms: float,
        max_memory_mb: int = 311,
        init_ms: float | None = None,
        status: str = "",
    ) -> None:
        init = f"Init Duration: {init_ms:.2f} ms\t" if init_ms is not None else ""
        billed_ms = -int(-(duration_ms + (init_ms or 0)) // 1)
        self.write(f"END RequestId: {request_id}\n")
        self.write(
            f"REPORT RequestId: {request_id}\tDuration: {duration_ms:.2f} ms\tBilled Duration: {billed_ms} ms\t"
            f"Memory Size: {self.memory_mb} MB\tMax Memory Used: {max_memory_mb} MB\t{init}{status}\n"
        )

    def log(self, request_id: str) -> Log:
        """As the worker begins it."""
        return Log(self.write, self.clock).about(request_id=request_id, version="0.1.0")

    def invoke(
        self,
        region: str,
        outcomes: Iterable[Outcome] = (),
        *,
        run: str = RUN,
        task: str = "",
        request_id: str = "",
        says: Iterable[str] = (),
        duration_ms: float = 1234.5,
        init_ms: float | None = None,
        status: str = "",
    ) -> str:
        """One invocation of the worker, whole; its id."""
        request_id = request_id or str(uuid.uuid4())
        self.start(request_id)
        self.clock.forward(0.01)
        log = self.log(request_id).about(run_id=run, task_id=task or f"{region}-0123456789ab")
        every = list(outcomes)
        log.info("begin", region=region, acquisitions=len(every))
        for text in says:
            self.clock.forward(0.01)
            self.write(text)
        for one in every:
            self.clock.forward(0.1)
            (log.failure if isinstance(one, Failed) else log.info)("outcome", **one.model_dump(mode="json"))
        self.clock.forward(0.01)
        words = [one.outcome for one in every]
        counts = {word: words.count(word) for word in ("product", "skipped", "failed")}
        log.info(
            "end", **counts, attempt=1, usage=Usage(bytes_read=1000, requests=2, seconds=0.5).model_dump(mode="json")
        )
        self.end(request_id, duration_ms=duration_ms, init_ms=init_ms, status=status)
        return request_id


def product(region: str, name: str = "S2A_MSIL2A_20260604T150901_N0511_R025") -> Product:
    return Product(
        region=region,
        product=name,
        key=f"sentinel2/clipped/{region}/{name}.tif",
        coverage=0.983,
        cloud_share=0.12,
        usage=Usage(bytes_read=3_600_000, requests=12, seconds=1.5),
    )


def skipped(region: str, name: str = "S2B_MSIL2A_20260609T150901_N0511_R025") -> Skipped:
    return Skipped(region=region, product=name, reason="coverage", detail="31.0% of the region, below 50%")


def failed(region: str, name: str = "S2A_MSIL2A_20260614T150901_N0511_R025") -> Failed:
    return Failed(
        region=region, product=name, what="B08.tif is not an image", why="it begins with '<html>'", hint="Wait."
    )


def put(client: "CloudWatchLogsClient", *environments: Environment, group: str = GROUP) -> None:
    """Write all that environments wrote to a log group that is there."""
    for environment in environments:
        client.create_log_stream(logGroupName=group, logStreamName=environment.stream)
        put_events(client, environment.stream, environment.written, group=group)


def put_events(client: "CloudWatchLogsClient", stream: str, written: Iterable[Written], *, group: str = GROUP) -> None:
    """Write to a stream that is there."""
    for batch in batched(written, _BATCH):
        client.put_log_events(
            logGroupName=group,
            logStreamName=stream,
            logEvents=[{"timestamp": time, "message": message} for time, message in batch],
        )


def batched(items: Iterable[Written], size: int) -> Iterator[list[Written]]:
    rest = iter(items)
    while batch := list(islice(rest, size)):
        yield batch
