"""The door of AWS Lambda: one invocation is one task, or a list of them.

Whatever is left to do is raised: Lambda repeats an asynchronous invocation that raises, and one that does not is a
success to it, whatever it returns.
"""

import datetime as dt
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from glacierctl import __version__
from glacierctl.aws.objects import S3Getter
from glacierctl.config import Settings, load_settings
from glacierctl.model import Acquisition, Task
from glacierctl.planning.estimate import estimate
from glacierctl.planning.packing import RESERVE_S, Limits
from glacierctl.processing.getters import HttpGetter, LocalGetter
from glacierctl.processing.heap import share_heap
from glacierctl.processing.process import Means
from glacierctl.processing.transport import ReadPolicy, Transport
from glacierctl.regions.grid import region_grid
from glacierctl.storage import Store, open_store
from glacierctl.worker.events import is_smoke, read_event
from glacierctl.worker.log import Log
from glacierctl.worker.work import carry_out, in_turn

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

_STORE_ATTEMPTS = 6
"""How often S3 is asked to take or give one object."""


class LambdaContext(Protocol):
    """What Lambda tells about an invocation."""

    aws_request_id: str
    """Of the invocation; the same when it is repeated."""
    memory_limit_in_mb: str
    """Of the function."""

    def get_remaining_time_in_millis(self) -> int:
        """Until Lambda ends it."""


def handler(event: Any, context: LambdaContext) -> dict[str, Any]:
    """Carry out the task, or the tasks, that an event is.

    Returns:
        how many acquisitions came to what; for a smoke event the version, and whether all works.

    Raises:
        BadEventError: the event is no task.
        AcquisitionsFailedError: some acquisitions failed; the others are done.
        TaskTakenError: another worker has the task and does not end in time.
        DeadlineError: there was no time for some.
        TasksLeftError: of several tasks, more than one is not done.
        StoreError: the store or its ledger cannot be used.
    """
    if is_smoke(event):
        return smoke()
    share_heap()
    log = Log(_write_line, _now).about(request_id=context.aws_request_id, version=__version__)
    with _told(log):
        settings = _settings(os.environ)
        tasks, store = read_event(event, lambda url: _open_store(url, settings))
    return in_turn(tasks, lambda task: _carry_out(task, store, settings, context, log))


def smoke() -> dict[str, Any]:
    """Show, without AWS, that the program and what it stands on work here: a projection, and a place to write."""
    from glacierctl.processing.scratch import scratch_folder  # noqa: PLC0415
    from glacierctl.regions.builtin import builtin_regions  # noqa: PLC0415

    with scratch_folder(Path(tempfile.gettempdir())) as folder:
        (folder / "smoke").write_bytes(b"ready")
    region = builtin_regions()[0]
    return {"version": __version__, "ready": region_grid(region, 10.0).extent.to_crs("EPSG:4326").is_valid}


def _carry_out(task: Task, store: Store, settings: Settings, context: LambdaContext, log: Log) -> dict[str, int]:
    log = log.about(run_id=task.run_id, task_id=task.task_id, region=task.region.name)
    with _told(log):
        return carry_out(task, store, _means(task, settings, context), log, now=_now, sleep=time.sleep)


@contextmanager
def _told(log: Log) -> Iterator[None]:
    """Say in the log what is raised."""
    try:
        yield
    except Exception as error:
        log.failure("raised", error=type(error).__name__, message=str(error))
        raise


def _open_store(url: str, settings: Settings) -> Store:
    return open_store(url, lambda: _s3_client(settings, attempts=_STORE_ATTEMPTS))


def _means(task: Task, settings: Settings, context: LambdaContext) -> Means:
    return Means(
        transport=_transport(task, settings),
        scratch=Path(tempfile.gettempdir()),
        workers=settings.workers,
        time_left_s=lambda: context.get_remaining_time_in_millis() / 1000 - RESERVE_S,
        seconds_needed=lambda acquisition: _seconds_needed(acquisition, task, int(context.memory_limit_in_mb)),
        clock=time.monotonic,
    )


def _transport(task: Task, settings: Settings) -> Transport:
    policy = ReadPolicy(
        attempts=settings.read_attempts,
        connect_timeout_s=settings.connect_timeout_s,
        read_timeout_s=settings.read_timeout_s,
    )
    http = HttpGetter(policy, user_agent=f"glacierctl/{__version__}")
    paid = _buckets_that_charge(task)
    s3 = S3Getter(lambda: _s3_client(settings, attempts=1), requester_pays=paid)
    return Transport({"": LocalGetter(), "http": http, "https": http, "s3": s3}, policy, requester_pays=paid)


def _seconds_needed(acquisition: Acquisition, task: Task, memory_mb: int) -> float:
    """With the share of a processor that comes with the memory; how many of them are seen says nothing of that."""
    limits = Limits.of_function(memory_mb, timeout_s=0)
    return limits.seconds_needed(estimate(acquisition, task.region, task.resolution_m))


def _buckets_that_charge(task: Task) -> set[str]:
    scenes = (scene for acquisition in task.acquisitions for scene in acquisition.scenes)
    files = (file for scene in scenes for file in (scene.image, scene.clouds) if file and file.requester_pays)
    return {file.href.removeprefix("s3://").partition("/")[0] for file in files}


def _s3_client(settings: Settings, *, attempts: int) -> "S3Client":
    from glacierctl.aws.session import s3_client  # noqa: PLC0415 (botocore is loaded only for S3)

    return s3_client(
        settings.aws_region,
        connect_timeout_s=settings.connect_timeout_s,
        read_timeout_s=settings.read_timeout_s,
        attempts=attempts,
    )


def _settings(environ: Mapping[str, str]) -> Settings:
    """Those of the function's environment; in its own region, where its bucket lies too, if it names no other."""
    own = {"GLACIERCTL_AWS_REGION": environ["AWS_REGION"]} if "AWS_REGION" in environ else {}
    scratch = Path(tempfile.gettempdir())
    return load_settings({}, {**own, **environ}, scratch, user_config_dir=scratch)


def _write_line(line: str) -> None:
    sys.stdout.write(line)
    sys.stdout.flush()


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
