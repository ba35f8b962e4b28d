"""`--since`: how far back, as text and as a time."""

import datetime as dt
import re
from typing import Annotated

import typer

from glacierctl.errors import UsageError

_AGO = re.compile(r"(\d+)\s*([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}

SinceOption = Annotated[
    str | None,
    typer.Option("--since", metavar="WHEN", help="How far back: 90s, 15m, 1h, 2d, or a time such as 2024-07-31T12:00."),
]


def read_since(text: str, now: dt.datetime) -> dt.datetime:
    """The time that `--since` means, UTC where it names no zone.

    Args:
        text: as typed.
        now: the current time, with its zone.

    Raises:
        UsageError: it is neither a time span nor a time, or lies in the future.
    """
    ago = _AGO.fullmatch(text.strip())
    try:
        moment = now - dt.timedelta(**{_UNITS[ago[2]]: int(ago[1])}) if ago else dt.datetime.fromisoformat(text)
    except (ValueError, OverflowError) as error:
        raise UsageError(
            f"--since {text} is no time",
            why="it is neither a number of seconds, minutes, hours or days nor a date",
            hint="Write 90s, 15m, 1h or 2d, or a time in UTC such as 2024-07-31 or 2024-07-31T12:00.",
        ) from error
    moment = moment.replace(tzinfo=dt.UTC) if moment.tzinfo is None else moment.astimezone(dt.UTC)
    if moment > now:
        raise UsageError(
            f"--since {text} lies in the future",
            why=f"now it is {now.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC",
            hint="Times without a zone are UTC.",
        )
    return moment
