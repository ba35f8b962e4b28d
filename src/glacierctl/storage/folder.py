"""A store in a folder of this machine."""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from glacierctl.errors import StoreError
from glacierctl.storage.claims import claimed_file, remove_abandoned

_UNFINISHED = ".unfinished"
"""Folder for files that are still being written. On the same file system, so that a rename is atomic."""


class FolderStore:
    """Files under `root`. A file appears under its name by one atomic link or rename, complete and on disk.

    What killed processes left unfinished is removed before the first file is written.
    """

    def __init__(self, root: Path, *, clock: Callable[[], float] = time.time) -> None:
        """`clock` tells the time in seconds since 1970."""
        self.root = root.absolute()
        self._clock = clock
        self._is_clean = False

    @property
    def url(self) -> str:
        """The folder's absolute path."""
        return str(self.root)

    def put(self, key: str, content: bytes | Path) -> None:
        """See `Store.put`."""
        try:
            with self._written_aside(content) as unfinished:
                unfinished.replace(self._prepare(key))
        except OSError as error:
            raise self._refusal(key, error) from error

    def put_new(self, key: str, content: bytes) -> bool:
        """See `Store.put_new`."""
        try:
            with self._written_aside(content) as unfinished:
                path = self._prepare(key)
                try:
                    os.link(unfinished, path)
                except FileExistsError:
                    return False
        except OSError as error:
            raise self._refusal(key, error) from error
        return True

    def delete(self, key: str) -> None:
        """See `Store.delete`."""
        try:
            (self.root / key).unlink(missing_ok=True)
        except OSError as error:
            raise self._refusal(key, error) from error

    def get(self, key: str) -> bytes | None:
        """See `Store.get`."""
        try:
            return (self.root / key).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._refusal(key, error) from error

    def exists(self, key: str) -> bool:
        """See `Store.exists`."""
        return (self.root / key).is_file()

    def list(self, prefix: str) -> Iterator[str]:
        """See `Store.list`."""
        folder = self.root / prefix.rpartition("/")[0]
        paths = (path for path in folder.rglob("*") if path.is_file())
        keys = (path.relative_to(self.root).as_posix() for path in paths)
        yield from sorted(key for key in keys if key.startswith(prefix) and not key.startswith(_UNFINISHED))

    @contextmanager
    def _written_aside(self, content: bytes | Path) -> Iterator[Path]:
        folder = self.root / _UNFINISHED
        folder.mkdir(parents=True, exist_ok=True)
        if not self._is_clean:
            remove_abandoned(folder, "*", self._clock())
            self._is_clean = True
        with claimed_file(folder) as (unfinished, target):
            if isinstance(content, bytes):
                target.write(content)
            else:
                with content.open("rb") as source:
                    shutil.copyfileobj(source, target, 1 << 20)
            target.flush()
            os.fsync(target.fileno())
            yield unfinished

    def _prepare(self, key: str) -> Path:
        path = self.root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def _refusal(self, key: str, error: OSError) -> StoreError:
        return StoreError(
            f"{key} cannot be written to or read from {self.root}",
            why=f"{error.strerror or error}",
            hint="Check that the folder exists, is yours to write to and has room, or name another with --output.",
        )
