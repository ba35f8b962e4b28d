"""Byte ranges of files: what every way to get at them has in common."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Piece:
    """Bytes `start` to `start + len(data)` of a file."""

    data: bytes
    """Fewer than asked for only where the file ends."""
    file_size: int
    """Size of the whole file in bytes."""


class RangeGetter(Protocol):
    """One way to get at files: https, S3, a local disk."""

    def get(self, href: str, start: int, stop: int) -> Piece:
        """Bytes `start` (inclusive) to `stop` (exclusive).

        Raises:
            ReadError: with `transient` telling whether another attempt can help.
        """
