"""Leases: one holder at a time, by the store's clock alone, and never a lost one for longer than half a minute."""

import os
import threading
import time
from pathlib import Path

import pytest

from glacierctl.errors import StoreError
from glacierctl.runs.leases import BEAT_S, LAPSE_S, Lease, beating, take_lease
from glacierctl.storage import FolderStore
from glacierctl.storage.layout import lease_key

RUN, NAME = "run", "handover"


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class DeafStore(FolderStore):
    """Takes nothing while `is_deaf`."""

    is_deaf = False

    def put(self, key: str, content: bytes | Path) -> None:
        if self.is_deaf:
            raise StoreError("no", why="no network", hint="")
        super().put(key, content)


def age(root: Path, number: int, seconds: float) -> None:
    path = root / lease_key(RUN, NAME, number)
    then = path.stat().st_mtime - seconds
    os.utime(path, (then, then))


def take(root: Path, clock: Clock | None = None) -> Lease | None:
    return take_lease(FolderStore(root), RUN, NAME, clock=clock or Clock())


def test_the_second_is_refused_while_the_first_is_alive(tmp_path: Path) -> None:
    assert take(tmp_path)
    assert take(tmp_path) is None
    age(tmp_path, 1, LAPSE_S - 5)
    assert take(tmp_path) is None


def test_a_lease_that_was_given_back_is_free_at_once(tmp_path: Path) -> None:
    first = take(tmp_path)
    assert first
    first.give_back()
    assert take(tmp_path)


def test_a_lease_whose_holder_died_is_free_after_its_time(tmp_path: Path) -> None:
    assert take(tmp_path)
    age(tmp_path, 1, LAPSE_S + 1)
    assert take(tmp_path)
    assert take(tmp_path) is None


def test_of_many_that_take_a_lapsed_lease_at_once_one_gets_it(tmp_path: Path) -> None:
    assert take(tmp_path)
    age(tmp_path, 1, LAPSE_S + 1)
    barrier, got = threading.Barrier(8), []

    def race() -> None:
        barrier.wait()
        got.append(take(tmp_path))

    threads = [threading.Thread(target=race) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(one is not None for one in got) == 1


def test_beats_keep_a_lease(tmp_path: Path) -> None:
    clock = Clock()
    lease = take(tmp_path, clock)
    assert lease
    for _ in range(10):
        clock.now += BEAT_S
        age(tmp_path, 1, BEAT_S)
        lease.beat()
    assert lease.is_held
    assert take(tmp_path) is None


def test_a_holder_that_was_overtaken_knows_it(tmp_path: Path) -> None:
    clock = Clock()
    first = take(tmp_path, clock)
    assert first
    age(tmp_path, 1, LAPSE_S + 1)
    second = take(tmp_path, clock)
    assert second
    first.beat()
    assert not first.is_held
    first.give_back()
    assert second.is_held
    assert take(tmp_path) is None, "giving back an old lease frees the new one"


def test_a_holder_that_cannot_show_itself_stops_before_another_may_begin(tmp_path: Path) -> None:
    clock, store = Clock(), DeafStore(tmp_path)
    lease = take_lease(store, RUN, NAME, clock=clock)
    assert lease
    store.is_deaf = True
    for _ in range(3):
        clock.now += BEAT_S
        lease.beat()
    assert lease.is_held
    clock.now += 1
    assert not lease.is_held
    store.is_deaf = False
    lease.beat()
    assert not lease.is_held, "what has lapsed is not taken up again"


@pytest.mark.parametrize("wrong_s", [-7200, 7200])
def test_a_wrong_clock_of_the_machine_matters_not(tmp_path: Path, wrong_s: float) -> None:
    store = FolderStore(tmp_path, clock=lambda: time.time() + wrong_s)
    assert take_lease(store, RUN, NAME, clock=lambda: 5.0 + wrong_s)
    path = tmp_path / lease_key(RUN, NAME, 1)
    os.utime(path, (time.time() + wrong_s, time.time() + wrong_s))
    assert take_lease(store, RUN, NAME, clock=lambda: 5.0) is None


def test_it_beats_in_the_background_and_is_given_back(tmp_path: Path) -> None:
    lease = take_lease(FolderStore(tmp_path), RUN, NAME)
    assert lease
    path = tmp_path / lease_key(RUN, NAME, 1)
    with beating(lease, beat_s=0.01):
        before = path.read_bytes()
        while path.read_bytes() == before:
            time.sleep(0.01)
        assert take(tmp_path) is None
    assert path.read_bytes() == b""
    assert take(tmp_path)
