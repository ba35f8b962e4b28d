"""`glacierctl wait`, `cancel` and `retry`, as a user runs them; ledgers in a folder and in the made-up account."""

import functools
import io
import json
import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError
from rich.console import Console
from tests.support import deployed, ledgers, small, wire
from tests.support.command import Ran, run_inside
from tests.support.deployed import FUNCTION, STORE
from tests.support.items import write_static_catalog
from tests.support.ledgers import begin, plan, report
from tests.support.moto_server import Moto
from tests.support.schemas import check_document

from glacierctl.cli import wait
from glacierctl.cli.wait import InterruptedRunError, follow, seconds_left
from glacierctl.errors import StoreError, StoreLoginError
from glacierctl.model import Task
from glacierctl.runs.events import key_event
from glacierctl.runs.leases import LAPSE_S, take_lease
from glacierctl.runs.ledger import Ledger
from glacierctl.runs.reader import LedgerReader
from glacierctl.runs.signs import HANDOVER
from glacierctl.runs.state import LOST_S, RunState, State
from glacierctl.storage import Entry, FolderStore
from glacierctl.storage.s3 import S3Store

Glacierctl = Callable[..., Ran]
Run = tuple[Ledger, tuple[Task, ...]]


@pytest.fixture
def glacierctl(tmp_path: Path) -> Glacierctl:
    return functools.partial(run_inside, cwd=tmp_path)


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """The made-up queue is where it is asked for."""
    monkeypatch.setattr("glacierctl.aws.failures._WAIT_S", 0)


@pytest.fixture
def here(tmp_path: Path) -> Run:
    """A run of three regions on this machine, in the folder where commands look by themselves; not begun."""
    return begin(FolderStore(tmp_path / "results"), plan(regions=3, days=2), binding=None)


@pytest.fixture
def submitted(moto: Moto) -> Run:
    """A run of three regions on Lambda, not handed over."""
    del moto
    return begun_on_lambda(deployed.deploy(), regions=3)


@pytest.fixture
def there(submitted: Run) -> Run:
    """The same, handed over."""
    return handed_over(submitted)


def begun_on_lambda(version: str, *, regions: int) -> Run:
    """A run of so many regions on a version of the function."""
    store = S3Store(STORE, deployed.client("s3"))
    binding = ledgers.BINDING.model_copy(update={"function": FUNCTION, "version": version})
    return begin(store, plan(regions=regions, days=2), binding=binding)


def handed_over(run: Run) -> Run:
    ledger, tasks = run
    for task in tasks:
        ledger.hand(task.task_id, 1)
    return run


def document(ran: Ran, code: int = 0) -> dict[str, Any]:
    assert ran.code == code, ran.stderr
    content: dict[str, Any] = json.loads(ran.stdout)
    return content


def deliveries(moto: Moto) -> Counter[str]:
    return Counter(one["event"]["region"]["name"] for one in moto.accepted())


def age(store: FolderStore, seconds: float) -> None:
    for path in store.root.rglob("*.json"):
        then = path.stat().st_mtime - seconds
        os.utime(path, (then, then))


class Flaky(FolderStore):
    """Does not answer as often as it is told."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.deaf = 0

    def listing(self, prefix: str) -> Iterator[Entry]:
        if self.deaf:
            self.deaf -= 1
            raise StoreError("runs cannot be listed", why="S3 answers SlowDown", hint="")
        return super().listing(prefix)


class Following:
    """Follows a run whose tasks end one with each look, on a clock of its own."""

    def __init__(self, store: FolderStore, run: Run) -> None:
        self.reader = LedgerReader(store, run[0].run_id)
        self.ledger, tasks = run
        self.left = list(tasks)
        self.now = 0.0
        self.slept: list[float] = []
        self.troubles: list[str] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        if self.left and not getattr(self.reader.store, "deaf", 0):
            report(self.ledger, self.left.pop(), "product", "product")

    def follow(self) -> RunState:
        def note(error: StoreError) -> None:
            self.troubles.append(error.why)

        return follow(self.reader, lambda *_: None, note, clock=lambda: self.now, sleep=self.sleep)


def begun_by_somebody(store: FolderStore, run: Run) -> None:
    for task in run[1]:
        store.put(f"runs/{run[0].run_id}/leases/{task.task_id}/1.json", b"alive")


def test_waiting_ends_with_the_run(tmp_path: Path) -> None:
    store = Flaky(tmp_path)
    run = begin(store, plan(regions=3, days=2))
    for task in run[1]:
        run[0].hand(task.task_id, 1)
    following = Following(store, run)
    assert following.follow().counts()[State.SUCCEEDED] == 6
    assert following.slept == [5.0, 5.0, 5.0]


def test_waiting_survives_a_store_that_does_not_answer_for_a_while(tmp_path: Path) -> None:
    store = Flaky(tmp_path)
    run = begin(store, plan(regions=3, days=2))
    for task in run[1]:
        run[0].hand(task.task_id, 1)
    following = Following(store, run)

    def go_deaf() -> None:
        store.deaf = 4

    following.reader.state()
    original = following.sleep

    def sleep(seconds: float) -> None:
        if len(following.slept) == 1:
            go_deaf()
        original(seconds)

    following.sleep = sleep  # type: ignore[method-assign]
    assert following.follow().counts()[State.SUCCEEDED] == 6
    assert following.troubles == ["S3 answers SlowDown"] * 4
    assert following.slept[1:5] == [5.0, 10.0, 20.0, 40.0]


def test_a_store_that_never_answers_again_is_given_up_after_half_an_hour(tmp_path: Path) -> None:
    store = Flaky(tmp_path)
    run = begin(store, plan(regions=3, days=2))
    for task in run[1]:
        run[0].hand(task.task_id, 1)
    following = Following(store, run)
    following.left = []
    original = following.sleep

    def sleep(seconds: float) -> None:
        store.deaf = 10_000
        original(seconds)

    following.sleep = sleep  # type: ignore[method-assign]
    with pytest.raises(StoreError):
        following.follow()
    assert 30 * 60 <= following.now <= 32 * 60


def test_a_login_that_has_expired_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Flaky(tmp_path)
    run = begin(store, plan(regions=3, days=2))
    for task in run[1]:
        run[0].hand(task.task_id, 1)
    following = Following(store, run)
    original = following.sleep

    def sleep(seconds: float) -> None:
        original(seconds)
        monkeypatch.setattr(store, "listing", _expired)

    following.sleep = sleep  # type: ignore[method-assign]
    with pytest.raises(StoreLoginError):
        following.follow()
    assert (following.slept, following.troubles) == ([5.0], [])


def _expired(_: str) -> Iterator[Entry]:
    raise StoreLoginError("runs cannot be listed", why="the AWS credentials have expired", hint="")


def test_waiting_for_what_nobody_will_begin_ends(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    run = begin(store, plan(regions=3, days=2))
    with pytest.raises(InterruptedRunError, match="will not end by itself"):
        Following(store, run).follow()


def test_waiting_for_what_nobody_will_begin_ends_also_where_what_was_handed_over_is_lost(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    run = begin(store, plan(regions=3, days=2))
    run[0].hand(run[1][0].task_id, 1)
    reader = LedgerReader(store, run[0].run_id)
    assert not reader.state().stuck, "what was handed over may be at work"
    age(store, LOST_S + 60)
    assert (reader.state().stuck, reader.state().settled) == (True, False)
    with pytest.raises(InterruptedRunError, match="will not end by itself") as caught:
        Following(store, run).follow()
    assert caught.value.why == "2 of its 3 tasks are left, and nobody is at them"


@pytest.mark.parametrize("silent_s", [LAPSE_S + 5, LOST_S + 60])
def test_a_run_on_this_machine_that_was_killed_in_its_last_task_is_interrupted(
    tmp_path: Path, glacierctl: Glacierctl, here: Run, silent_s: float
) -> None:
    ledger, tasks = here
    store = FolderStore(tmp_path / "results")
    for task in tasks[:2]:
        report(ledger, task, "product", "product")
    assert take_lease(store, ledger.run_id, HANDOVER)
    assert take_lease(store, ledger.run_id, tasks[2].task_id)
    assert not LedgerReader(store, ledger.run_id).state().interrupted, "it is at work"
    age(store, silent_s)
    status = glacierctl("status", ledger.run_id)
    words = f"Interrupted: 1 of 3 tasks are left. Go on with: glacierctl resume {ledger.run_id}"
    assert status.stdout.splitlines()[-1] == words
    assert document(glacierctl("status", ledger.run_id, "--json"))["state"] == "interrupted"
    waited = glacierctl("wait", ledger.run_id)
    assert waited.code == 1
    assert "will not end by itself" in waited.stderr
    resumed = glacierctl("resume", ledger.run_id)
    assert "SUCCEEDED 4 · FAILED 2" in resumed.stdout, "scenes of this run do not exist"


def test_the_time_that_is_left_is_by_the_pace_so_far() -> None:
    assert seconds_left(10, 10, 100, 60) is None
    assert seconds_left(10, 40, 100, 60) == pytest.approx(120)
    assert seconds_left(0, 100, 100, 60) == 0


def test_a_terminal_of_sixty_columns_shows_all_counts_and_the_time_that_is_left(
    here: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger, tasks = here
    written = io.StringIO()
    screen = Console(file=written, width=60, force_terminal=True, color_system=None)
    monkeypatch.setattr("glacierctl.cli.show.talk_console", lambda: screen)
    reader = LedgerReader(FolderStore(tmp_path / "results"), ledger.run_id)
    with wait._watch() as watcher:
        watcher.show(reader.state(), 0)
        report(ledger, tasks[0], "product", "failed")
        report(ledger, tasks[1], "cloud", "product")
        watcher.show(reader.state(), 200)
    lines = [line.split("\x1b[2K")[-1].strip() for line in written.getvalue().splitlines()]
    assert "SUCCEEDED 2 · FAILED 1 · SKIPPED 1 · PENDING 2" in lines
    assert any("4/6 about 1 min 40 s left" in line for line in lines)


def test_wait_tells_how_the_run_stands_and_fails_with_it(glacierctl: Glacierctl, there: Run) -> None:
    ledger, tasks = there
    for task, word in zip(tasks, ("product", "cloud", "product"), strict=True):
        report(ledger, task, word, "product")
    good = glacierctl("wait", ledger.run_id)
    assert good.code == 0, good.stderr
    assert good.stdout.startswith("SUCCEEDED 5 · FAILED 0 · SKIPPED 1\n")
    check_document("status", document(glacierctl("wait", ledger.run_id, "--json")), counts=("skipped_by_reason",))


def test_ctrl_c_ends_the_wait_and_says_that_the_run_goes_on(
    glacierctl: Glacierctl, there: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("glacierctl.cli.wait.follow", _interrupt)
    ran = glacierctl("wait", there[0].run_id)
    assert ran.code == 130
    assert f"The run goes on without this; `glacierctl cancel {there[0].run_id}`" in ran.stderr


def test_wait_fails_if_something_failed(glacierctl: Glacierctl, there: Run) -> None:
    ledger, tasks = there
    for task in tasks:
        for _ in range(3):
            report(ledger, task, "product", "failed")
    assert document(glacierctl("wait", ledger.run_id, "--json"), code=1)["total"]["failed"] == 3


def test_cancel_is_told_once_and_kept(glacierctl: Glacierctl, there: Run) -> None:
    ledger, tasks = there
    report(ledger, tasks[0], "product", "product")
    first = document(glacierctl("cancel", ledger.run_id, "--json"))
    check_document("cancel", first)
    assert first["cancelled_before"] is False
    assert document(glacierctl("cancel", ledger.run_id, "--json"))["cancelled_before"] is True
    assert ledger.called_off()
    state = document(glacierctl("status", ledger.run_id, "--json"))
    assert (state["state"], state["skipped_by_reason"]) == ("cancelled", {"cancelled": 4})
    assert glacierctl("wait", ledger.run_id).code == 0


def test_a_run_that_has_ended_is_not_called_off(glacierctl: Glacierctl, there: Run) -> None:
    ledger, tasks = there
    for task in tasks:
        report(ledger, task, "product", "product")
    made = document(glacierctl("cancel", ledger.run_id, "--json"))
    check_document("cancel", made)
    assert (made["cancelled_before"], made["has_ended"], ledger.called_off()) == (False, True, None)
    assert "there is nothing to call off" in glacierctl("cancel", ledger.run_id).stdout


def test_retry_begins_what_failed_and_nothing_else(glacierctl: Glacierctl, there: Run, moto: Moto) -> None:
    ledger, tasks = there
    report(ledger, tasks[0], "product", "product")
    report(ledger, tasks[1], "product", "failed")
    made = document(glacierctl("retry", ledger.run_id, "--json"))
    check_document("retry", made)
    assert made["handed_over"] == 1
    assert deliveries(moto) == {"r001": 1}
    state = document(glacierctl("status", ledger.run_id, "--json"))
    assert state["regions"][1]["total"]["pending"] == 1
    assert glacierctl("retry", ledger.run_id).stdout.startswith("Nothing to begin again")


def test_retry_begins_what_was_called_off_unless_only_failures_are_wanted(
    glacierctl: Glacierctl, there: Run, moto: Moto
) -> None:
    ledger, tasks = there
    report(ledger, tasks[0], "product", "product")
    report(ledger, tasks[1], "product", "failed")
    glacierctl("cancel", ledger.run_id)
    assert document(glacierctl("retry", ledger.run_id, "--failed", "--json"))["handed_over"] == 1
    assert deliveries(moto) == {"r001": 1}
    status = glacierctl("status", ledger.run_id).stdout.splitlines()
    assert status[0] == "SUCCEEDED 3 · FAILED 0 · SKIPPED 2 · PENDING 1"
    assert status[-1].startswith("A part of the run was called off. Take that back with: glacierctl retry")
    assert [ledger.is_cancelled(task.task_id) for task in tasks] == [False, False, True]
    report(ledger, tasks[1], "product", "product")
    waited = glacierctl("wait", ledger.run_id)
    assert (waited.code, waited.stdout.splitlines()[0]) == (0, "SUCCEEDED 4 · FAILED 0 · SKIPPED 2")
    assert glacierctl("retry", ledger.run_id, "--failed").stdout.startswith("Nothing to begin again")
    assert document(glacierctl("retry", ledger.run_id, "--json"))["handed_over"] == 1
    assert deliveries(moto) == {"r001": 1, "r002": 1}
    assert ledger.called_off() is None


def test_retry_of_one_region_leaves_the_others_called_off_also_where_they_were_never_handed_over(
    glacierctl: Glacierctl, submitted: Run, moto: Moto
) -> None:
    ledger, tasks = submitted
    ledger.hand(tasks[0].task_id, 1)
    assert glacierctl("cancel", ledger.run_id).code == 0
    assert document(glacierctl("retry", ledger.run_id, "--region", "r001", "--json"))["handed_over"] == 1
    state = document(glacierctl("status", ledger.run_id, "--json"))
    assert (state["state"], state["total"]["pending"], state["skipped_by_reason"]) == ("running", 2, {"cancelled": 4})
    report(ledger, tasks[1], "product", "product")
    assert glacierctl("wait", ledger.run_id).code == 0
    refused = glacierctl("resume", ledger.run_id)
    assert (refused.code, deliveries(moto)) == (2, {"r001": 1})
    assert document(glacierctl("cancel", ledger.run_id, "--json"))["cancelled_before"] is False
    assert document(glacierctl("cancel", ledger.run_id, "--json"))["cancelled_before"] is True


def test_retry_takes_up_what_the_failure_queue_holds_of_this_run(
    glacierctl: Glacierctl, there: Run, moto: Moto
) -> None:
    ledger, tasks = there
    deployed.report_failure(json.loads(tasks[0].model_dump_json(by_alias=True)))
    deployed.report_failure(json.loads(key_event(tasks[1])))
    other = tasks[2].model_copy(update={"run_id": "another"})
    deployed.report_failure(json.loads(other.model_dump_json(by_alias=True)))
    deployed.report_failure({"surprise": 1})
    assert document(glacierctl("retry", ledger.run_id, "--json"))["handed_over"] == 2
    assert deliveries(moto) == {"r000": 1, "r001": 1}
    assert deployed.messages() == 2, "what is not of this run stays"


def fail(*tasks: Task) -> None:
    """Let the failure queue tell of these tasks."""
    for task in tasks:
        deployed.report_failure(json.loads(task.model_dump_json(by_alias=True)))


def refuse(monkeypatch: pytest.MonkeyPatch, refused: str, *, after: int = 0) -> None:
    """Let AWS refuse an operation, after it was done so often."""
    make_call, left = BaseClient._make_api_call, iter(range(after))

    def call(self: Any, operation: str, params: dict[str, Any]) -> Any:
        if operation == refused and next(left, None) is None:
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, operation)
        return make_call(self, operation, params)

    monkeypatch.setattr(BaseClient, "_make_api_call", call)


def test_failures_of_one_run_are_seen_right_after_another_was_retried(
    glacierctl: Glacierctl, there: Run, moto: Moto
) -> None:
    other, others = handed_over(begun_on_lambda("1", regions=2))
    fail(there[1][0], *others, *others)
    assert document(glacierctl("retry", there[0].run_id, "--json"))["handed_over"] == 1
    assert document(glacierctl("retry", other.run_id, "--json"))["handed_over"] == 2
    assert deliveries(moto) == {"r000": 2, "r001": 1}
    assert deployed.messages() == 0


def test_failures_of_one_region_are_seen_right_after_another_was_retried(
    glacierctl: Glacierctl, there: Run, moto: Moto
) -> None:
    ledger, tasks = there
    fail(*tasks)
    for number, region in enumerate(("r001", "r002", "r000")):
        assert document(glacierctl("retry", ledger.run_id, "--region", region, "--json"))["handed_over"] == 1
        assert deployed.messages() == 2 - number
    assert deliveries(moto) == {"r000": 1, "r001": 1, "r002": 1}


def test_failures_are_seen_right_after_they_could_not_all_be_read(
    glacierctl: Glacierctl, there: Run, moto: Moto, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger, tasks = there
    fail(*tasks)
    with monkeypatch.context() as broken:
        refuse(broken, "ReceiveMessage", after=1)
        ran = glacierctl("retry", ledger.run_id)
        assert "The failure queue is left alone" in ran.stderr
    assert document(glacierctl("retry", ledger.run_id, "--json"))["handed_over"] == 3
    assert deliveries(moto) == {"r000": 1, "r001": 1, "r002": 1}


@pytest.mark.parametrize("broken", ["glacierctl.cli.handing.deliver_all", "glacierctl.aws.failures._failures"])
def test_failures_are_seen_right_after_a_retry_that_broke_off(
    glacierctl: Glacierctl, there: Run, moto: Moto, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    ledger, tasks = there
    fail(*tasks)
    with monkeypatch.context() as interrupted:
        interrupted.setattr(broken, _interrupt)
        assert glacierctl("retry", ledger.run_id).code == 130
    assert document(glacierctl("retry", ledger.run_id, "--json"))["handed_over"] == 3
    assert deliveries(moto) == {"r000": 1, "r001": 1, "r002": 1}
    assert deployed.messages() == 0


def test_a_queue_that_comes_round_again_while_it_is_read_is_read_once(
    glacierctl: Glacierctl, there: Run, moto: Moto, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger, tasks = there
    fail(*tasks)
    monkeypatch.setattr("glacierctl.aws.failures._HIDDEN_S", 0)
    with wire.watched() as watched:
        assert document(glacierctl("retry", ledger.run_id, "--json"))["handed_over"] == 3
    assert watched.counts["ReceiveMessage"] == 2
    assert deliveries(moto) == {"r000": 1, "r001": 1, "r002": 1}
    assert deployed.messages() == 0


def test_who_may_not_show_messages_again_can_retry_all_the_same(
    glacierctl: Glacierctl, there: Run, moto: Moto, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger, tasks = there
    fail(tasks[0], tasks[0].model_copy(update={"run_id": "another"}))
    refuse(monkeypatch, "ChangeMessageVisibilityBatch")
    assert document(glacierctl("retry", ledger.run_id, "--json"))["handed_over"] == 1
    assert deliveries(moto) == {"r000": 1}


def test_retry_without_a_failure_queue_goes_on(glacierctl: Glacierctl, there: Run, moto: Moto) -> None:
    ledger, tasks = there
    sqs = deployed.client("sqs")
    sqs.delete_queue(QueueUrl=sqs.get_queue_url(QueueName=deployed.QUEUE)["QueueUrl"])
    report(ledger, tasks[0], "failed", "failed")
    assert document(glacierctl("retry", ledger.run_id, "--json"))["handed_over"] == 1
    assert deliveries(moto) == {"r000": 1}


def test_retry_with_other_memory_publishes_the_same_code_once(glacierctl: Glacierctl, there: Run, moto: Moto) -> None:
    ledger, tasks = there
    functions = deployed.client("lambda")
    report(ledger, tasks[0], "failed", "failed")
    assert glacierctl("retry", ledger.run_id, "--memory", "4096").code == 0
    (first,) = {one["qualifier"] for one in moto.accepted()}
    assert functions.get_function_configuration(FunctionName=FUNCTION, Qualifier=first)["MemorySize"] == 4096
    assert functions.get_function_configuration(FunctionName=FUNCTION)["MemorySize"] == 2048
    assert functions.get_alias(FunctionName=FUNCTION, Name="live")["FunctionVersion"] != first
    assert (
        functions.get_function_event_invoke_config(FunctionName=FUNCTION, Qualifier=first)["MaximumRetryAttempts"] == 2
    )
    report(ledger, tasks[0], "failed", "failed")
    assert glacierctl("retry", ledger.run_id, "--memory", "4096").code == 0
    assert {one["qualifier"] for one in moto.accepted()} == {first}
    history = document(glacierctl("deploy", "history", "--json"))
    check_document("deploy-history", history)
    assert [one["version"] for one in history["versions"] if one["for_retry"]] == [int(first)]
    assert "for a retry" in glacierctl("deploy", "history").stdout


def test_other_memory_for_code_that_is_not_the_newest_is_refused(
    glacierctl: Glacierctl, there: Run, moto: Moto
) -> None:
    ledger, tasks = there
    report(ledger, tasks[0], "failed", "failed")
    deployed.redeploy()
    ran = glacierctl("retry", ledger.run_id, "--memory", "4096")
    assert ran.code == 1
    assert "other code since" in ran.stderr
    assert moto.accepted() == []


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--region", "nowhere"), "no task of the region nowhere"),
        (("--failed", "--region", "r000"), "two choices"),
        (("--memory", "4096"), "says nothing about a run on this machine"),
        (("--memory", "7"), "greater than or equal to 128"),
    ],
)
def test_a_retry_that_cannot_be_is_wrong_usage(
    glacierctl: Glacierctl, here: Run, flags: tuple[str, ...], words: str
) -> None:
    ran = glacierctl("retry", here[0].run_id, *flags)
    assert ran.code == 2
    assert words in ran.stderr


def test_lost_tasks_are_begun_again(tmp_path: Path, glacierctl: Glacierctl, here: Run) -> None:
    store = FolderStore(tmp_path / "results")
    begun_by_somebody(store, here)
    age(store, LOST_S + 60)
    state = LedgerReader(store, here[0].run_id).state()
    assert state.counts()[State.LOST] == 6
    ran = glacierctl("retry", here[0].run_id)
    assert "SUCCEEDED 0 · FAILED 6" in ran.stdout, "their scenes do not exist"
    assert ran.code == 1
    again = document(glacierctl("retry", here[0].run_id, "--json"), code=1)
    check_document("status", again, counts=("skipped_by_reason",))


@pytest.fixture
def small_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """The flags of a run of two real small scenes on this machine."""
    scenes = [small.scene(tmp_path / "scenes", day) for day in (4, 9)]
    catalog = write_static_catalog(tmp_path / "catalog", [scene.item for scene in scenes])
    monkeypatch.setenv("GLACIERCTL_WORKERS", "2")
    days = ("--start-date", "2024-07-01", "--end-date", "2024-07-31")
    return "submit", "--satellite", "sentinel2", "--bbox", small.BBOX, *days, "--catalog", str(catalog)


def test_a_run_on_this_machine_has_the_same_ledger(
    glacierctl: Glacierctl, small_run: tuple[str, ...], tmp_path: Path
) -> None:
    ran = glacierctl(*small_run, "--output", "out", "--json")
    made = document(ran)
    check_document("status", made)
    assert (made["service"], made["state"], made["total"]["succeeded"]) == ("local", "ended", 2)
    assert len(list((tmp_path / "out").rglob("*.tif"))) == 2
    again = glacierctl(*small_run, "--output", "out")
    assert "nothing was begun twice" in again.stderr
    assert again.stdout.startswith("SUCCEEDED 2 · FAILED 0\n")
    assert document(glacierctl("runs", "list", "--output", "out", "--json"))["runs"][0]["run_id"] == made["run_id"]


def test_a_run_on_this_machine_writes_to_a_bucket_too(
    glacierctl: Glacierctl, small_run: tuple[str, ...], moto: Moto
) -> None:
    del moto
    deployed.client("s3").create_bucket(Bucket="data", CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    made = document(glacierctl(*small_run, "--service", "local", "--output", "s3://data/p", "--json"))
    assert made["total"]["succeeded"] == 2
    keys = list(S3Store("s3://data/p", deployed.client("s3")).list("sentinel2/"))
    assert sum(key.endswith(".tif") for key in keys) == 2


def test_a_run_on_this_machine_that_was_interrupted_is_resumed(
    glacierctl: Glacierctl, small_run: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr("glacierctl.cli.local_run._carry_out", _interrupt)
        assert glacierctl(*small_run, "--output", "out").code == 130
    (run_id,) = FolderStore(tmp_path / "out").folders("runs/")
    stopped = document(glacierctl("status", run_id, "--output", "out", "--json"))
    assert stopped["total"]["pending"] == 2
    made = document(glacierctl("resume", run_id, "--output", "out", "--json"))
    assert made["total"]["succeeded"] == 2


def test_a_run_on_this_machine_that_makes_all_anew_keeps_what_it_has_made_when_it_is_resumed(
    glacierctl: Glacierctl, small_run: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def files() -> dict[str, int]:
        return {path.name: path.stat().st_ino for path in sorted((tmp_path / "out").glob("sentinel2/*/*/*.tif"))}

    assert glacierctl(*small_run, "--output", "out").code == 0
    before = files()
    with monkeypatch.context() as broken:
        broken.setattr("glacierctl.cli.progress._Lines.ended", _interrupt)
        assert glacierctl(*small_run, "--output", "out", "--overwrite").code == 130
    stopped = files()
    (made,) = [name for name in before if stopped[name] != before[name]]
    (run_id,) = [
        one for one in FolderStore(tmp_path / "out").folders("runs/") if "SUCCEEDED 1" in status(one, tmp_path)
    ]
    assert document(glacierctl("resume", run_id, "--output", "out", "--json"))["total"]["succeeded"] == 2
    resumed = files()
    assert [name for name in before if resumed[name] != stopped[name]] == [name for name in before if name != made]


def status(run_id: str, folder: Path) -> str:
    return run_inside("status", run_id, "--output", "out", cwd=folder).stdout


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def test_a_run_on_this_machine_that_is_called_off_stops_at_its_next_acquisition(
    glacierctl: Glacierctl, small_run: tuple[str, ...], tmp_path: Path
) -> None:
    def call_off() -> None:
        while not list((tmp_path / "out").glob("sentinel2/clipped/*/*.tif")):
            pass
        (run_id,) = FolderStore(tmp_path / "out").folders("runs/")
        Ledger(FolderStore(tmp_path / "out"), run_id).cancel(ledgers.NOW)

    thread = threading.Thread(target=call_off)
    thread.start()
    made = document(glacierctl(*small_run, "--output", "out", "--json"))
    thread.join()
    assert made["state"] == "cancelled"
    assert made["total"]["succeeded"] in {1, 2}
    again = document(glacierctl("retry", made["run_id"], "--output", "out", "--json"))
    assert again.get("handed_over") == 0 or again["state"] == "ended"
    assert document(glacierctl("status", made["run_id"], "--output", "out", "--json"))["total"]["succeeded"] == 2
