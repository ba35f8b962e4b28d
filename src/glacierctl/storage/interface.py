"""What processing and runs ask of a store."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Entry:
    """What a listing tells of one key, without reading it."""

    key: str
    """The key."""
    size: int
    """Bytes of its content."""
    modified: dt.datetime
    """When it was last written, UTC, by the store's own clock: to be compared with `Store.now` only."""


class Store(Protocol):
    """Keys are relative, with `/` between their parts. Whatever is visible under a key is complete."""

    @property
    def url(self) -> str:
        """Names the store: an absolute folder or an `s3://` prefix."""

    def put(self, key: str, content: bytes | Path) -> None:
        """Make `content` (bytes, or a local file's) visible under `key`, whole, replacing what was there.

        Raises:
            StoreError: it cannot be written. What was there before is still there, whole.
        """

    def put_new(self, key: str, content: bytes) -> bool:
        """Like `put`, unless the key exists: then nothing changes and the answer is False."""

    def delete(self, key: str) -> None:
        """Make `key` vanish; if there is none, nothing happens.

        Raises:
            StoreError: it cannot be removed.
        """

    def get(self, key: str) -> bytes | None:
        """The content, or None if there is no such key."""

    def read(self, key: str) -> Iterator[bytes] | None:
        """The content piece by piece, for what is too large for memory, or None if there is no such key.

        Reading goes on where it was cut off. What is read is what was there when reading began, or an error.

        Raises:
            StoreError: here, or at any piece: the key cannot be read to its end.
        """

    def exists(self, key: str) -> bool:
        """Whether there is such a key."""

    def list(self, prefix: str) -> Iterator[str]:
        """Keys that begin with `prefix`, sorted."""

    def listing(self, prefix: str) -> Iterator[Entry]:
        """Like `list`, with size and time of each key.

        Raises:
            StoreError: the store cannot be listed.
        """

    def folders(self, prefix: str) -> Iterator[str]:
        """What stands between `prefix`, which ends in a slash, and the next slash of keys: sorted, once each.

        Raises:
            StoreError: the store cannot be listed.
        """

    def now(self) -> dt.datetime:
        """The time by the store's own clock, UTC, to a second; this machine's clock may be wrong.

        Raises:
            StoreError: the store does not answer.
        """
