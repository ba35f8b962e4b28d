"""A plan carried out on this machine in the image that AWS Lambda runs, under AWS's own emulator."""

import datetime as dt
import json
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pydantic import TypeAdapter

from glacierctl.aws.session import credentials_environment
from glacierctl.cli.image_build import ensure_built
from glacierctl.cli.local_run import LocalRun, shown
from glacierctl.cli.progress import Watcher, watch
from glacierctl.config import ENVIRONMENT_PREFIX, Settings
from glacierctl.errors import ImageError
from glacierctl.image.context import build_context
from glacierctl.image.emulator import Emulator, Limits, Mount, Response
from glacierctl.image.engine import Engine
from glacierctl.model import Acquisition, Failed, Outcome, Plan, Task, Usage
from glacierctl.planning.tasks import run_id, tasks
from glacierctl.runs.ledger import Ledger, Report
from glacierctl.runs.signs import HANDOVER
from glacierctl.runs.submission import new_submission
from glacierctl.storage import Store
from glacierctl.storage.layout import reports_prefix

_LONG_S = 86_400
"""Timeout of one task: unlike Lambda, one's own machine ends nobody's work."""
_LOOK_S = 0.3
"""Between two looks at what the container says."""
_PASSED_ON = ("workers", "read_timeout_s", "connect_timeout_s", "read_attempts")
"""Settings that hold in the container too; the others are in the task."""
_LOG_FIELDS = frozenset({"time", "level", "step", "request_id", "version", "run_id", "task_id"})
"""Of a line of the worker's log; the others are those of what it is about."""
_OUTCOME: TypeAdapter[Outcome] = TypeAdapter(Outcome)

_OpenContainer = Callable[[Task], AbstractContextManager[Emulator]]


@dataclass(frozen=True)
class _Done:
    """What one task came to."""

    outcomes: tuple[Outcome, ...]
    """Of all its acquisitions."""
    peak_memory_mb: int
    """Most memory that the worker had resident; 0 where it can no longer be asked."""


def execute(plan: Plan, store: Store, settings: Settings) -> LocalRun:
    """Do all that is planned, each task as one event to a fresh container, and show how far it is.

    Raises:
        ImageError: there is no engine, or the image cannot be built or started.
        StoreError: the ledger cannot be written.
    """
    now = dt.datetime.now(dt.UTC)
    # who makes all anew shall see what this image makes, not what an earlier try in the same folder has made
    maker = f"container at {now.isoformat()}" if plan.request.options.overwrite else ""
    todo = tasks(plan, store.url, maker=maker)
    ledger = Ledger(store, run_id(plan, maker=maker))
    started = time.monotonic()
    done: list[_Done] = []
    if todo:
        with closing(Engine.connect()) as engine:
            context = build_context(settings.stack, settings.architecture)
            image = ensure_built(engine, context, settings.docker_network)
            ledger.open(plan, todo, new_submission(plan, todo, ledger.run_id, store.url, now))
            ledger.go_on()
            container = partial(_container, engine, image.name, settings, _environment(settings))
            acquisitions = sum(len(task.acquisitions) for task in todo)
            with shown(store, ledger.run_id, HANDOVER), watch(acquisitions) as watcher:
                done += [_carry_out(task, store, ledger, container, watcher) for task in todo]
    outcomes = tuple(outcome for one in done for outcome in one.outcomes)
    usage = sum((one.usage for one in outcomes), Usage()).model_copy(update={"seconds": time.monotonic() - started})
    return LocalRun(ledger.run_id, store.url, outcomes, usage, max((one.peak_memory_mb for one in done), default=0))


def _environment(settings: Settings) -> dict[str, str]:
    """Variables of the function: what is set here, and who pays for reading Landsat."""
    passed_on = {ENVIRONMENT_PREFIX + name.upper(): str(getattr(settings, name)) for name in _PASSED_ON}
    return {**passed_on, **credentials_environment(settings.aws_region)}


def _container(
    engine: Engine, image: str, settings: Settings, environment: dict[str, str], task: Task
) -> AbstractContextManager[Emulator]:
    """A fresh one that sees the store and the task's own scenes; it writes as whoever runs this."""
    return engine.emulator(
        image,
        Limits(memory_mb=settings.memory_mb, ephemeral_mb=settings.ephemeral_storage_mb, timeout_s=_LONG_S),
        environment=environment,
        mounts=[*_store_mounts(task), *_scene_mounts(task)],
        network=settings.docker_network,
        user=f"{os.getuid()}:{os.getgid()}",
    )


def _store_mounts(task: Task) -> list[Mount]:
    """The folder that products go to, at its own place; a bucket is written to over the network."""
    return [Mount(Path(task.store_url), task.store_url, writable=True)] if _is_path(task.store_url) else []


def _scene_mounts(task: Task) -> list[Mount]:
    """Folders of this machine that hold scenes, each at its own place; a missing one is the worker's to complain of."""
    scenes = (scene for acquisition in task.acquisitions for scene in acquisition.scenes)
    files = (
        Path(file.href) for scene in scenes for file in (scene.image, scene.clouds) if file and _is_path(file.href)
    )
    folders = {folder for path in files for folder in (path.parent, path.resolve().parent)}
    return [Mount(folder, str(folder)) for folder in sorted(folders) if folder.is_dir()]


def _is_path(href: str) -> bool:
    return "://" not in href


def _carry_out(task: Task, store: Store, ledger: Ledger, container: _OpenContainer, watcher: Watcher) -> _Done:
    """Send a task to a container; the worker in it writes the report, and if it dies before, this does."""
    watcher.begin(task)
    started_at = dt.datetime.now(dt.UTC)
    known = set(_reports(task, store))
    # The container goes before the thread that waits for its answer is waited for.
    with ThreadPoolExecutor(1) as pool, container(task) as emulator:
        answer = pool.submit(emulator.invoke, task.model_dump(mode="json", by_alias=True))
        seen = list(_outcomes_as_they_come(answer, emulator, watcher))
        peak_mb = emulator.peak_memory_mb() if answer.exception() is None else 0
    new = [key for key in _reports(task, store) if key not in known]
    if new:
        report = Report.model_validate_json(store.get(new[-1]) or b"")
        return _Done(report.outcomes, peak_mb)
    lost = [_lost(acquisition, task, answer) for acquisition in task.acquisitions[len(seen) :]]
    for outcome in lost:
        watcher.ended(outcome)
    ledger.report(task, [*seen, *lost], started_at, dt.datetime.now(dt.UTC))
    return _Done((*seen, *lost), peak_mb)


def _reports(task: Task, store: Store) -> list[str]:
    return list(store.list(reports_prefix(task.run_id, task.task_id)))


def _outcomes_as_they_come(answer: "Future[Response]", emulator: Emulator, watcher: Watcher) -> Iterator[Outcome]:
    """Outcomes that the worker's log tells of, until it has answered."""
    told = 0
    while True:
        is_last = bool(wait([answer], _LOOK_S).done)
        lines = [] if is_last and answer.exception() else emulator.log().splitlines(keepends=True)
        whole = [line for line in lines if line.endswith("\n")]
        for line in whole[told:]:
            outcome = _read_outcome(line)
            if outcome:
                watcher.ended(outcome)
                yield outcome
        told = max(told, len(whole))
        if is_last:
            return


def _read_outcome(line: str) -> Outcome | None:
    if not line.startswith("{"):
        return None
    said = json.loads(line)
    if said.get("step") != "outcome":
        return None
    return _OUTCOME.validate_python({name: value for name, value in said.items() if name not in _LOG_FIELDS})


def _lost(acquisition: Acquisition, task: Task, answer: "Future[Response]") -> Failed:
    """The outcome of an acquisition whose worker died."""
    error = answer.exception()
    if isinstance(error, ImageError):
        why, hint = error.why, error.hint
    else:
        response = answer.result()
        why, hint = f"{response.error_type}: {response.error_message}", "It may need more memory than memory_mb."
    return Failed(
        region=task.region.name,
        product=acquisition.product,
        what="the worker in the container ended before it was done",
        why=why,
        hint=hint,
    )
