"""Works one after the other, each begun while the one before it comes to its end."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError

import pytest

from glacierctl.processing.relay import Leg, in_relay

WAIT_S = 20
"""Longer than anything takes that does not hang."""


def plain(result: int) -> Callable[[Leg], int]:
    return lambda _leg: result


def test_results_come_in_order() -> None:
    slow = threading.Event()

    def first(leg: Leg) -> int:
        leg.hand_on()
        assert slow.wait(WAIT_S)
        return 1

    def second(_leg: Leg) -> int:
        slow.set()  # had it to wait for the first to end, neither would ever end
        return 2

    assert list(in_relay([first, second, plain(3)])) == [1, 2, 3]


def test_the_next_does_not_begin_before_the_work_is_handed_on() -> None:
    seen: list[str] = []

    def first(leg: Leg) -> int:
        seen.append("first is half done")
        leg.hand_on()
        return 1

    def second(leg: Leg) -> int:
        seen.append("second begins")
        leg.wait_until_alone()
        assert leg.is_alone
        return 2

    assert list(in_relay([first, second])) == [1, 2]
    assert seen == ["first is half done", "second begins"]


def test_a_work_that_never_hands_on_is_followed_when_it_ends() -> None:
    alone: list[bool] = []

    def noted(leg: Leg) -> int:
        alone.append(leg.is_alone)
        return 0

    assert list(in_relay([plain(1), noted, noted])) == [1, 0, 0]
    assert alone == [True, True]


def test_no_more_than_two_are_under_way() -> None:
    lock, under_way, most = threading.Lock(), 0, 0

    def work(leg: Leg) -> int:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        leg.hand_on()
        leg.wait_until_alone()
        with lock:
            under_way -= 1
        return 0

    assert list(in_relay([work] * 20)) == [0] * 20
    assert most <= 2


def _endless(begun: threading.Event, ended: list[str]) -> Callable[[Leg], int]:
    def work(leg: Leg) -> int:
        begun.set()
        try:
            while True:
                leg.go_on()
                threading.Event().wait(0.001)
        except CancelledError:
            ended.append("called off")
            raise

    return work


def _ending(begun: threading.Event, result: Callable[[], int]) -> Callable[[Leg], int]:
    """Ends when the next one has begun."""

    def work(leg: Leg) -> int:
        leg.hand_on()
        assert begun.wait(WAIT_S)
        return result()

    return work


def test_what_is_under_way_ends_when_nobody_wants_more() -> None:
    begun, ended = threading.Event(), list[str]()
    results: Iterator[int] = in_relay([_ending(begun, lambda: 1), _endless(begun, ended), plain(3)])
    assert next(results) == 1
    results.close()  # type: ignore[attr-defined]
    assert ended == ["called off"]


def test_a_defect_ends_what_is_under_way_and_is_raised() -> None:
    begun, ended = threading.Event(), list[str]()

    def fails() -> int:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(in_relay([_ending(begun, fails), _endless(begun, ended), plain(3)]))
    assert ended == ["called off"]


def test_what_is_done_beside_another_waits_until_that_was_taken() -> None:
    """Whoever stops after a result has not made the next one happen, however far that was."""
    far, stored = threading.Event(), list[int]()

    def work(number: int) -> Callable[[Leg], int]:
        def stores(leg: Leg) -> int:
            if number == 2:
                far.set()
            leg.hand_on()
            if number == 1:
                assert far.wait(WAIT_S)
            leg.wait_until_wanted()
            stored.append(number)
            return number

        return stores

    results: Iterator[int] = in_relay([work(1), work(2), work(3)])
    assert next(results) == 1
    results.close()  # type: ignore[attr-defined]
    assert stored == [1]
    assert list(in_relay([work(1), work(2), work(3)])) == [1, 2, 3]
