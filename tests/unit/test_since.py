"""How `--since` is understood."""

import datetime as dt

import pytest

from glacierctl.cli.since import read_since
from glacierctl.errors import UsageError

NOW = dt.datetime(2026, 7, 1, 12, 30, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90s", NOW - dt.timedelta(seconds=90)),
        ("15m", NOW - dt.timedelta(minutes=15)),
        ("1h", NOW - dt.timedelta(hours=1)),
        ("2d", NOW - dt.timedelta(days=2)),
        ("2026-06-30", dt.datetime(2026, 6, 30, tzinfo=dt.UTC)),
        ("2026-06-30T23:15", dt.datetime(2026, 6, 30, 23, 15, tzinfo=dt.UTC)),
        ("2026-06-30T23:15:00+02:00", dt.datetime(2026, 6, 30, 21, 15, tzinfo=dt.UTC)),
        ("2026-06-30T23:15:00Z", dt.datetime(2026, 6, 30, 23, 15, tzinfo=dt.UTC)),
    ],
)
def test_spans_and_times(text: str, expected: dt.datetime) -> None:
    assert read_since(text, NOW) == expected


@pytest.mark.parametrize("text", ["", "1", "1w", "-1h", "1.5h", "yesterday", "9999999999d", "2026-13-01"])
def test_what_is_no_time_is_refused_with_what_to_write(text: str) -> None:
    with pytest.raises(UsageError) as error:
        read_since(text, NOW)
    assert "90s, 15m, 1h or 2d" in error.value.hint


def test_the_future_is_refused() -> None:
    with pytest.raises(UsageError, match="lies in the future"):
        read_since("2026-07-01T12:31", NOW)
