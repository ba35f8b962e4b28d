"""What a check of `glacierctl doctor` comes to."""

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """How it stands with something."""

    OK = "ok"
    LOOK = "look"
    """Works, or is not needed by everybody; worth a look."""
    BROKEN = "broken"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    name: str
    """What it is."""
    verdict: Verdict
    """How it stands."""
    words: str
    """What was found, for people."""
    next: str = ""
    """What to do about it, a command where there is one; empty if there is nothing to do."""
