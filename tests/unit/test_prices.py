"""What AWS charges, against sums that AWS's own pages and every bill make."""

import datetime as dt

import pytest

from glacierctl.aws import prices
from glacierctl.choices import Architecture

OREGON = prices.prices_of("us-west-2")


def test_three_million_seconds_of_half_a_gigabyte_cost_25_dollars() -> None:
    used = prices.gb_seconds(512, 1000) * 3_000_000
    assert used == 1_500_000
    assert OREGON.compute(used, Architecture.X86_64) == pytest.approx(25.00, abs=0.001)


def test_arm_costs_a_fifth_less() -> None:
    assert OREGON.compute(1e6, Architecture.ARM64) / OREGON.compute(1e6, Architecture.X86_64) == pytest.approx(
        0.8, rel=1e-5
    )


@pytest.mark.parametrize(
    ("dollars", "expected"),
    [
        (OREGON.requests(5_000_000), 1.00),
        (OREGON.puts(200_000), 1.00),
        (OREGON.storage_month(1_000_000_000_000), 23.00),
        (OREGON.logs(4_000_000_000), 2.00),
    ],
)
def test_requests_objects_storage_and_logs(dollars: float, expected: float) -> None:
    assert dollars == pytest.approx(expected)


def test_prices_of_a_region_that_is_not_in_the_table_say_whose_they_are() -> None:
    assert prices.prices_of("us-east-1").aws_region == "us-east-1"
    assert prices.prices_of("eu-north-1").aws_region == "us-west-2"


def test_the_table_has_a_date_and_sources() -> None:
    assert dt.date(2026, 1, 1) <= prices.AS_OF
    assert all(source.startswith("https://aws.amazon.com/") for source in prices.SOURCES)
