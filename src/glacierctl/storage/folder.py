"""A store in a folder of this machine."""

import datetime as dt
import errno
import fcntl
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from glacierctl.errors import StoreError
from glacierctl.storage.claims import claimed_file, remove_abandoned
from glacierctl.storage.interface import Entry

_UNFINISHED = ".unfinished"
"""Folder for files that are still being written. On the same file system, so that a rename is atomic."""
_NO_LINKS = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS})
"""What systems say on a disk that knows no links: FAT, exFAT and some network shares."""
_PIECE = 1 << 20
"""Bytes read at once."""


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

    @contextmanager
    def writing(self, key: str, modified: dt.datetime) -> Iterator[BinaryIO]:
        """A file that is open for writing, and visible under `key`, as of `modified`, when the context ends.

        If it ends by an exception, what was there before is still there.

        Raises:
            StoreError: it cannot be written.
        """
        try:
            with self._aside() as (unfinished, target):
                yield target
                _to_disk(target)
                stamp(unfinished, modified)
                unfinished.replace(self._prepare(key))
        except OSError as error:
            raise self._refusal(key, error) from error

    def put_new(self, key: str, content: bytes) -> bool:
        """See `Store.put_new`."""
        try:
            with self._written_aside(content) as unfinished:
                return _take_name(unfinished, self._prepare(key))
        except OSError as error:
            raise self._refusal(key, error) from error

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

    def read(self, key: str) -> Iterator[bytes] | None:
        """See `Store.read`."""
        return self._pieces(key) if self.exists(key) else None

    def exists(self, key: str) -> bool:
        """See `Store.exists`."""
        return (self.root / key).is_file()

    def list(self, prefix: str) -> Iterator[str]:
        """See `Store.list`."""
        folder = self.root / prefix.rpartition("/")[0]
        paths = (path for path in folder.rglob("*") if path.is_file())
        keys = (path.relative_to(self.root).as_posix() for path in paths)
        yield from sorted(key for key in keys if key.startswith(prefix) and not key.startswith(_UNFINISHED))

    def listing(self, prefix: str) -> Iterator[Entry]:
        """See `Store.listing`. What vanishes meanwhile is left out."""
        for key in self.list(prefix):
            with suppress(FileNotFoundError):
                found = (self.root / key).stat()
                yield Entry(key, found.st_size, dt.datetime.fromtimestamp(found.st_mtime, dt.UTC))

    def folders(self, prefix: str) -> Iterator[str]:
        """See `Store.folders`. Folders that hold no file count for nothing."""
        try:
            inside = sorted(path for path in (self.root / prefix).iterdir() if path.is_dir())
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            raise self._refusal(prefix, error) from error
        yield from (path.name for path in inside if path.name != _UNFINISHED and _holds_a_file(path))

    def now(self) -> dt.datetime:
        """See `Store.now`."""
        return dt.datetime.fromtimestamp(self._clock(), dt.UTC)

    @contextmanager
    def _written_aside(self, content: bytes | Path) -> Iterator[Path]:
        with self._aside() as (unfinished, target):
            if isinstance(content, bytes):
                target.write(content)
            else:
                with content.open("rb") as source:
                    shutil.copyfileobj(source, target, _PIECE)
            _to_disk(target)
            yield unfinished

    @contextmanager
    def _aside(self) -> Iterator[tuple[Path, BinaryIO]]:
        folder = self.root / _UNFINISHED
        folder.mkdir(parents=True, exist_ok=True)
        if not self._is_clean:
            remove_abandoned(folder, "*", self._clock())
            self._is_clean = True
        with claimed_file(folder) as (unfinished, target):
            yield unfinished, target

    def _pieces(self, key: str) -> Iterator[bytes]:
        try:
            with (self.root / key).open("rb") as file:
                while piece := file.read(_PIECE):
                    yield piece
        except OSError as error:
            raise self._refusal(key, error) from error

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


def _take_name(unfinished: Path, path: Path) -> bool:
    """Give a file its name; False if there is one of that name."""
    try:
        os.link(unfinished, path)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        return _take_name_by_lock(unfinished, path)
    return True


def _take_name_by_lock(unfinished: Path, path: Path) -> bool:
    """The same on a disk without links: only who holds the folder of unfinished files takes a name."""
    folder = os.open(unfinished.parent, os.O_RDONLY)
    try:
        with suppress(OSError):  # without locks either, two that come at the same moment may both think to be the first
            fcntl.flock(folder, fcntl.LOCK_EX)
        if path.exists():
            return False
        unfinished.replace(path)
        return True
    finally:
        os.close(folder)


def _holds_a_file(folder: Path) -> bool:
    return any(path.is_file() for path in folder.rglob("*"))


def is_as_of(path: Path, size: int, modified: dt.datetime) -> bool:
    """Whether there is a file of so many bytes that is as of `modified`."""
    try:
        found = path.stat()
    except OSError:
        return False
    return found.st_size == size and found.st_mtime_ns == _nanoseconds(modified)


def stamp(path: Path, modified: dt.datetime) -> None:
    """Let a file be as of `modified`, to the microsecond.

    Raises:
        OSError: it is not ours, or not there.
    """
    os.utime(path, ns=(_nanoseconds(modified), _nanoseconds(modified)))


def _nanoseconds(moment: dt.datetime) -> int:
    """Since 1970."""
    return (moment - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(microseconds=1) * 1000


def _to_disk(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())
