"""Who used what: an invocation shared out among its acquisitions, and nothing lost or counted twice."""

import pytest
from tests.support.lambda_logs import OTHER_RUN, RUN, Environment, failed, product, skipped
from tests.unit.test_attribution import BOWDOIN, RYDER, entries

from glacierctl.aws.costs import SceneCost, SceneKey, Used, add_up, charge, share_out
from glacierctl.aws.log_invocations import Invocation, Invocations
from glacierctl.aws.prices import prices_of
from glacierctl.choices import Architecture
from glacierctl.model import Usage

PRODUCT = product(BOWDOIN).product
KEY = product(BOWDOIN).key


def invocations(*environments: Environment) -> list[Invocation]:
    return Invocations().take(entries(*environments))


def taking(seconds: float, name: str) -> object:
    return product(BOWDOIN, name).model_copy(update={"usage": Usage(seconds=seconds)})


def test_acquisitions_share_an_invocation_by_the_time_they_took() -> None:
    environment = Environment(memory_mb=1024)
    environment.invoke(BOWDOIN, [taking(3, "long"), taking(1, "short")], duration_ms=8000)
    shared = share_out(invocations(environment), {})
    used = {key.product: cost.used for key, cost in shared.items()}
    assert {name: one.gb_seconds for name, one in used.items()} == {"long": 6, "short": 2}
    assert {name: one.invocations for name, one in used.items()} == {"long": 0.75, "short": 0.25}
    assert used["long"].puts == 4 + 6 * 0.75


def test_what_is_shared_out_adds_up_to_what_was_used() -> None:
    environment = Environment()
    environment.invoke(BOWDOIN, [product(BOWDOIN), skipped(BOWDOIN), failed(BOWDOIN)], duration_ms=7777, init_ms=900.5)
    environment.invoke(RYDER, [skipped(RYDER), skipped(RYDER, "other")], duration_ms=20)
    environment.invoke(RYDER, duration_ms=900_000, status="Status: timeout")
    every = invocations(environment)
    used = add_up(share_out(every, {}).values())
    assert used.invocations == pytest.approx(3)
    assert used.gb_seconds == pytest.approx(2 * (8.678 + 0.020 + 900))
    assert used.log_bytes == pytest.approx(sum(len(text.encode()) + 26 for _, text in environment.written))
    assert used.puts == pytest.approx(3 * 6 + 4)


def test_those_that_took_no_time_share_alike() -> None:
    environment = Environment(memory_mb=1024)
    environment.invoke(BOWDOIN, [skipped(BOWDOIN, "a"), skipped(BOWDOIN, "b")], duration_ms=2000)
    assert [cost.used.gb_seconds for cost in share_out(invocations(environment), {}).values()] == [1, 1]


def test_attempts_add_up_and_a_product_stays_one() -> None:
    first, second, third = Environment(), Environment(), Environment()
    request = first.invoke(BOWDOIN, [failed(BOWDOIN, PRODUCT)], duration_ms=1000)
    second.clock.forward(60)
    second.invoke(BOWDOIN, [product(BOWDOIN)], request_id=request, duration_ms=1000)
    third.clock.forward(120)
    there = skipped(BOWDOIN, PRODUCT).model_copy(update={"reason": "exists"})
    third.invoke(BOWDOIN, [there], request_id=request, duration_ms=1000)
    (cost,) = share_out(invocations(first, second, third), {KEY: 5_000_000}).values()
    assert cost == SceneCost(cost.used, "product", KEY)
    assert (cost.used.gb_seconds, cost.used.invocations, cost.used.stored_bytes) == (6, 3, 5_000_000)


def test_what_brought_nothing_to_an_end_is_its_regions() -> None:
    environment = Environment()
    environment.invoke(RYDER, duration_ms=1000)
    assert share_out(invocations(environment), {}).keys() == {SceneKey(RYDER, None)}


def test_only_products_that_are_there_are_stored() -> None:
    environment = Environment()
    environment.invoke(BOWDOIN, [product(BOWDOIN), skipped(BOWDOIN)])
    environment.invoke(RYDER, [product(RYDER)], run=OTHER_RUN)
    every = [one for one in invocations(environment) if one.origin.run_id == RUN]
    assert add_up(share_out(every, {KEY: 7, product(RYDER).key: 9}).values()).stored_bytes == 7


def test_a_bill_is_the_sum_of_its_parts_without_storage() -> None:
    used = Used(invocations=1e6, gb_seconds=1e6, log_bytes=2e9, puts=1000, stored_bytes=10**9)
    bill = charge(used, prices_of("us-west-2"), Architecture.ARM64)
    assert (bill.compute, bill.requests, bill.logs, bill.puts) == pytest.approx((13.3334, 0.20, 1.00, 0.005))
    assert bill.total == pytest.approx(14.5384)
    assert bill.storage_month == pytest.approx(0.023)
