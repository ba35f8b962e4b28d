"""What processing and runs ask of a store."""

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol


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

    def exists(self, key: str) -> bool:
        """Whether there is such a key."""

    def list(self, prefix: str) -> Iterator[str]:
        """Keys that begin with `prefix`, sorted."""
