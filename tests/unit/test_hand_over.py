"""Handing over: at the pace that Lambda takes, and nothing after the lease is lost."""

import json
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from tests.support.ledgers import BINDING, begin, plan

from glacierctl.aws.errors import AwsError, NotFound, Throttled
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


class Clock:
    """Time that passes only by sleeping."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


class Lambda:
    """Answers as told, then takes everything."""

    def __init__(self, *answers: Exception) -> None:
        self.answers = list(answers)
        self.taken: list[dict[str, Any]] = []

    def invoke(self, **asked: Any) -> None:
        if self.answers:
            raise self.answers.pop(0)
        self.taken.append(asked)


def invoker(client: Lambda, clock: Clock) -> Invoker:
    return Invoker(client, "worker", "7", pace=Pace(clock=clock, sleep=clock.sleep), clock=clock)


def test_an_event_goes_to_the_version_asynchronously() -> None:
    client = Lambda()
    invoker(client, Clock())(b"{}")
    assert client.taken == [{"FunctionName": "worker", "Qualifier": "7", "InvocationType": "Event", "Payload": b"{}"}]


@pytest.mark.parametrize(
    "passing",
    [
        refusal("TooManyRequestsException"),
        refusal("ServiceException"),
        refusal("ResourceConflictException"),
        EndpointConnectionError(endpoint_url="https://lambda"),
    ],
)
def test_what_passes_is_repeated_after_ever_longer_pauses(passing: Exception) -> None:
    clock, client = Clock(), Lambda(*[passing] * 5)
    invoker(client, clock)(b"{}")
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
        invoker(Lambda(refusal(code)), clock)(b"{}")
    assert clock.slept == []


def test_a_lambda_that_stays_busy_is_given_up_after_ten_minutes() -> None:
    clock = Clock()
    with pytest.raises(Throttled):
        invoker(Lambda(*[refusal("TooManyRequestsException")] * 1000), clock)(b"{}")
    assert 600 <= clock.now <= 660


def test_all_threads_pause_for_one_refusal_and_it_counts_once() -> None:
    clock = Clock()
    pace = Pace(clock=clock, sleep=clock.sleep)
    for _ in range(32):
        pace.slow_down()
    pace.wait()
    assert 0.2 <= clock.now <= 0.26
    pace.wait()
    assert len(clock.slept) == 1


def test_after_a_success_pauses_are_shorter_again() -> None:
    clock = Clock()
    pace = Pace(clock=clock, sleep=clock.sleep)
    for _ in range(4):
        pace.slow_down()
        pace.wait()
    for _ in range(4):
        pace.speed_up()
    pace.slow_down()
    pace.wait()
    assert clock.slept[-1] <= 0.26
    assert clock.slept[-2] >= 1.6


@pytest.fixture
def run(tmp_path: Path) -> tuple[FolderStore, Ledger, tuple[Task, ...]]:
    store = FolderStore(tmp_path)
    return store, *begin(store, plan(regions=12, days=1))


def numbered(tasks: tuple[Task, ...]) -> list[tuple[Task, int]]:
    return [(task, 1) for task in tasks]


def test_each_task_is_delivered_and_noted_with_its_version(run: tuple[FolderStore, Ledger, tuple[Task, ...]]) -> None:
    store, ledger, tasks = run
    events: list[bytes] = []
    with handover_lease(store, ledger.run_id) as lease:
        hand_over(numbered(tasks), ledger, events.append, lease, binding=BINDING)
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

    def deliver(event: bytes) -> None:
        asked.append(event)
        if len(delivered) == 4:
            raise Throttled("no", why="busy", hint="")
        delivered.append(event)

    with pytest.raises(Throttled), handover_lease(store, ledger.run_id) as lease:
        hand_over(numbered(tasks), ledger, deliver, lease)
    assert len(asked) == 5, "others were delivered after the failure"
    left = LedgerReader(store, ledger.run_id).state().not_handed
    assert len(tasks) - len(left) == len(delivered) == 4
    with handover_lease(store, ledger.run_id) as lease:
        hand_over([(task, 1) for task in tasks if task.task_id in left], ledger, delivered.append, lease)
    assert len(set(delivered)) == len(delivered) == 12


def test_nothing_is_delivered_once_the_lease_is_lost(run: tuple[FolderStore, Ledger, tuple[Task, ...]]) -> None:
    store, ledger, tasks = run
    clock = Clock()
    lease = Lease(store, ledger.run_id, "handover", 1, clock=clock)
    clock.now = 31
    with pytest.raises(BusyError, match="was stopped"):
        hand_over(numbered(tasks), ledger, _refuse, lease)


def _refuse(_: bytes) -> None:
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
