"""Several things at once."""

import threading
import time

import pytest

from glacierctl.processing.together import map_together


def test_all_are_under_way_at_once_and_come_back_in_order() -> None:
    everybody = threading.Barrier(4, timeout=20)

    def wait(number: int, factor: int) -> int:
        everybody.wait()
        return number * factor

    assert map_together(wait, range(4), [10, 100, 1000, 10_000]) == [0, 100, 2000, 30_000]


def test_the_first_error_is_raised_when_all_have_ended() -> None:
    ended: list[int] = []

    def work(number: int) -> None:
        if number in {1, 2}:
            raise ValueError(number)
        time.sleep(0.2)
        ended.append(number)

    with pytest.raises(ValueError, match="1"):
        map_together(work, range(4))
    assert sorted(ended) == [0, 3]
