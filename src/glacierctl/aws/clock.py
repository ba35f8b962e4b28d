"""Time, for what waits."""

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Clock:
    """How time is told and spent; a test has one of its own."""

    seconds: Callable[[], float] = time.monotonic
    """Seconds since whenever; never goes back."""
    sleep: Callable[[float], None] = time.sleep
    """Waits for so many seconds."""
