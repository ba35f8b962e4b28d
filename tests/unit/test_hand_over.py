"""Handing over: at the pace that Lambda takes, and nothing after the lease is lost."""

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from tests.support.ledgers import BINDING, begin, plan

from glacierctl.aws.errors import AwsError, Denied, NotFound, Throttled
from glacierctl.aws.hand_over import Invoker, Pace
from glacierctl.model import Task
from glacierctl.runs.events import LARGEST_EVENT_BYTES, event_of
from glacierctl.runs.handover import BusyError, hand_over, handover_lease
from glacierctl.runs.leases import Lease
from glacierctl.runs.ledger import Ledger
from glacierctl.runs.reader import LedgerReader
from glacierctl.storage import FolderStore
from glacierctl.worker.events import read_event


def refusal(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, "Invoke")


class Clock(threading.Event):
    """Time that passes only by waiting, for a stop that comes when it is told to."""

    def __init__(self, *, stops_at: float = float("inf")) -> None:
        super().__init__()
        self.now = 0.0
        self.slept: list[float] = []
        self.stops_at = stops_at

    def __call__(self) -> float:
        return self.now

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        self.slept.append(timeout)
        self.now += timeout
        if self.now >= self.stops_at:
            self.set()
        return self.is_set()


class Lambda:
    """Answers as told, then takes everything."""

    def __init__(self, *answers: Exception) -> None:
        self.answers = list(answers)
        self.asked = 0
        self.taken: list[dict[str, Any]] = []

    def invoke(self, **asked: Any) -> None:
        self.asked += 1
        if self.answers:
            raise self.answers.pop(0)
        self.taken.append(asked)


def invoker(client: Lambda, clock: Clock) -> Invoker:
    return Invoker(client, "worker", "7", pace=Pace(clock=clock), clock=clock)


BUSY = refusal("TooManyRequestsException")


def test_an_event_goes_to_the_version_asynchronously() -> None:
    clock, client = Clock(), Lambda()
    assert invoker(client, clock)(b"{}", clock)
    assert client.taken == [{"FunctionName": "worker", "Qualifier": "7", "InvocationType": "Event", "Payload": b"{}"}]


@pytest.mark.parametrize(
    "passing",
    [
        BUSY,
        refusal("ServiceException"),
        refusal("ResourceConflictException"),
        EndpointConnectionError(endpoint_url="https://lambda"),
    ],
)
def test_what_passes_is_repeated_after_ever_longer_pauses(passing: Exception) -> None:
    clock, client = Clock(), Lambda(*[passing] * 5)
    assert invoker(client, clock)(b"{}", clock)
    assert len(client.taken) == 1
    assert len(clock.slept) == 5
    for number, pause in enumerate(clock.slept):
        assert 0.2 * 2**number <= pause <= 0.2 * 2**number * 1.3
    assert max(clock.slept) <= 26


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("ResourceNotFoundException", NotFound),
        ("AccessDeniedException", AwsError),
        ("RequestTooLargeException", AwsError),
    ],
)
def test_what_does_not_pass_is_told_at_once(code: str, kind: type[AwsError]) -> None:
    clock = Clock()
    with pytest.raises(kind):
        invoker(Lambda(refusal(code)), clock)(b"{}", clock)
    assert clock.slept == []


def test_a_lambda_that_stays_busy_is_given_up_after_ten_minutes() -> None:
    clock = Clock()
    with pytest.raises(Throttled):
        invoker(Lambda(*[BUSY] * 1000), clock)(b"{}", clock)
    assert 600 <= clock.now <= 660


def test_told_to_stop_it_asks_no_more_and_says_that_lambda_has_not_got_it() -> None:
    clock, client = Clock(stops_at=5), Lambda(*[BUSY] * 5)
    assert not invoker(client, clock)(b"{}", clock)
    assert client.asked == 5, "after 0.2, 0.4, 0.8, 1.6 and 3.2 seconds it would be taken"
    assert not invoker(client, clock)(b"{}", clock)
    assert client.asked == 5


def test_all_threads_pause_for_one_refusal_and_it_counts_once() -> None:
    clock = Clock()
    pace = Pace(clock=clock)
    for _ in range(32):
        pace.slow_down()
    pace.wait(clock)
    assert 0.2 <= clock.now <= 0.26
    pace.wait(clock)
    assert len(clock.slept) == 1


def test_after_a_success_pauses_are_shorter_again() -> None:
    clock = Clock()
    pace = Pace(clock=clock)
    for _ in range(4):
        pace.slow_down()
        pace.wait(clock)
    for _ in range(4):
        pace.speed_up()
    pace.slow_down()
    pace.wait(clock)
    assert clock.slept[-1] <= 0.26
    assert clock.slept[-2] >= 1.6


@pytest.fixture
def run(tmp_path: Path) -> tuple[FolderStore, Ledger, tuple[Task, ...]]:
    store = FolderStore(tmp_path)
    return store, *begin(store, plan(regions=12, days=1))


def into(events: list[bytes]) -> Callable[[bytes, threading.Event], bool]:
    """Delivers to a list."""

    def deliver(event: bytes, _: threading.Event) -> bool:
        events.append(event)
        return True

    return deliver


def numbered(tasks: tuple[Task, ...]) -> list[tuple[Task, int]]:
    return [(task, 1) for task in tasks]


def test_each_task_is_delivered_and_noted_with_its_version(run: tuple[FolderStore, Ledger, tuple[Task, ...]]) -> None:
    store, ledger, tasks = run
    events: list[bytes] = []
    with handover_lease(store, ledger.run_id) as lease:
        hand_over(numbered(tasks), ledger, into(events), lease, binding=BINDING)
    assert {read_event(_json(event), lambda _: store)[0][0].region.name for event in events} == {
        task.region.name for task in tasks
    }
    assert LedgerReader(store, ledger.run_id).state().not_handed == ()
    noted = store.get(f"runs/{ledger.run_id}/handed/{tasks[0].task_id}/1.json")
    assert noted is not None
    assert b'"version": "7"' in noted


def _json(event: bytes) -> Any:
    return json.loads(event)


def test_what_fails_stops_the_rest_and_what_was_delivered_is_noted(
    run: tuple[FolderStore, Ledger, tuple[Task, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    store, ledger, tasks = run
    monkeypatch.setattr("glacierctl.runs.handover.THREADS", 1)
    delivered: list[bytes] = []
    asked: list[bytes] = []

    def deliver(event: bytes, _: threading.Event) -> bool:
        asked.append(event)
        if len(delivered) == 4:
            raise Throttled("no", why="busy", hint="")
        delivered.append(event)
        return True

    with pytest.raises(Throttled), handover_lease(store, ledger.run_id) as lease:
        hand_over(numbered(tasks), ledger, deliver, lease)
    assert len(asked) == 5, "others were delivered after the failure"
    left = LedgerReader(store, ledger.run_id).state().not_handed
    assert len(tasks) - len(left) == len(delivered) == 4
    with handover_lease(store, ledger.run_id) as lease:
        hand_over([(task, 1) for task in tasks if task.task_id in left], ledger, into(delivered), lease)
    assert len(set(delivered)) == len(delivered) == 12


class Busy(Lambda):
    """Never takes anything, and denies one request when all tasks are under way."""

    def __init__(self, *, denies: int = -1) -> None:
        super().__init__()
        self.denies = denies
        self.all_asked = threading.Event()
        self.lock = threading.Lock()

    def invoke(self, **_: Any) -> None:
        with self.lock:
            self.asked += 1
            number = self.asked
        if number >= 12:
            self.all_asked.set()
        raise refusal("AccessDeniedException") if number == self.denies else BUSY


def test_an_error_of_one_ends_the_patience_of_the_others(run: tuple[FolderStore, Ledger, tuple[Task, ...]]) -> None:
    store, ledger, tasks = run
    client = Busy(denies=12)
    with pytest.raises(Denied), handover_lease(store, ledger.run_id) as lease:
        hand_over(numbered(tasks), ledger, Invoker(client, "worker", "7"), lease)
    assert len(LedgerReader(store, ledger.run_id).state().not_handed) == 12


def test_ctrl_c_ends_the_patience_of_all(
    run: tuple[FolderStore, Ledger, tuple[Task, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    store, ledger, tasks = run
    client = Busy()

    def interrupted(*_: Any, **__: Any) -> None:
        client.all_asked.wait()
        raise KeyboardInterrupt

    monkeypatch.setattr("glacierctl.runs.handover.wait", interrupted)
    with pytest.raises(KeyboardInterrupt), handover_lease(store, ledger.run_id) as lease:
        hand_over(numbered(tasks), ledger, Invoker(client, "worker", "7"), lease)
    assert len(LedgerReader(store, ledger.run_id).state().not_handed) == 12


def test_nothing_is_delivered_once_the_lease_is_lost(run: tuple[FolderStore, Ledger, tuple[Task, ...]]) -> None:
    store, ledger, tasks = run
    clock = Clock()
    lease = Lease(store, ledger.run_id, "handover", 1, clock=clock)
    clock.now = 31
    with pytest.raises(BusyError, match="was stopped"):
        hand_over(numbered(tasks), ledger, _refuse, lease)


def _refuse(*_: object) -> bool:
    raise AssertionError


def test_two_cannot_hand_over_at_once(run: tuple[FolderStore, Ledger, tuple[Task, ...]]) -> None:
    store, ledger, _ = run
    with (
        handover_lease(store, ledger.run_id),
        pytest.raises(BusyError, match="by somebody else"),
        handover_lease(store, ledger.run_id),
    ):
        pass
    with handover_lease(store, ledger.run_id):
        pass


def test_an_event_is_the_task_up_to_the_limit_and_its_key_above_it(
    run: tuple[FolderStore, Ledger, tuple[Task, ...]],
) -> None:
    store, ledger, (task, *_) = run
    assert read_event(_json(event_of(task)), lambda _: store) == ((task,), store)
    many = task.model_copy(update={"acquisitions": task.acquisitions * 300})
    Ledger(store, ledger.run_id).open(plan(regions=1, days=1), (many,))
    event = event_of(many)
    assert len(many.model_dump_json()) > LARGEST_EVENT_BYTES > len(event)
    assert read_event(_json(event), lambda _: store) == ((many,), store)
