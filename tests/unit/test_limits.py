"""What an account may have, beside what the settings ask for."""

import pytest

from glacierctl.aws.finding import Verdict
from glacierctl.aws.limits import Limits, judge

OPEN = Limits(concurrency=1000, unreserved=1000, memory_mb=10_240)
NEW = Limits(concurrency=10, unreserved=10, memory_mb=None)


def verdict(limits: Limits, *, memory_mb: int = 2048, reserved: int | None = None, already: int = 0) -> Verdict:
    return judge(limits, memory_mb=memory_mb, reserved=reserved, already_reserved=already).verdict


def test_an_account_with_room_is_ok() -> None:
    assert verdict(OPEN) is Verdict.OK
    assert verdict(Limits(1000, 1000, None), memory_mb=10_240) is Verdict.OK


@pytest.mark.parametrize(("memory_mb", "expected"), [(3008, Verdict.OK), (3009, Verdict.BROKEN)])
def test_more_memory_than_the_account_may_have_is_broken(memory_mb: int, expected: Verdict) -> None:
    assert verdict(Limits(1000, 1000, 3008), memory_mb=memory_mb) is expected


@pytest.mark.parametrize(
    ("reserved", "already", "expected"),
    [(900, 0, Verdict.OK), (901, 0, Verdict.BROKEN), (901, 1, Verdict.OK), (0, 0, Verdict.OK)],
)
def test_a_hundred_invocations_stay_free(reserved: int, already: int, expected: Verdict) -> None:
    assert verdict(OPEN, reserved=reserved, already=already) is expected


def test_a_new_account_is_worth_a_look_and_its_memory_is_told_of_only_if_it_matters() -> None:
    assert verdict(NEW) is Verdict.LOOK
    words = {mb: judge(NEW, memory_mb=mb, reserved=None, already_reserved=0).words for mb in (2048, 4096)}
    assert "3008 MB" in words[4096]
    assert "3008 MB" not in words[2048]
