"""Files that show whether their maker is still at work, so that what a killed process left can be told and removed.

A maker holds a lock on its file, and the kernel drops a lock when its holder ends in whatever way. All processes of
one host see it, those in containers included; on most network file systems other hosts see it too. Since not on all,
what another host made is taken for abandoned only when it has not changed for a day.
"""

import fcntl
import socket
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

_OLD_S = 24 * 3600


@contextmanager
def claimed_file(folder: Path, *, prefix: str = "", suffix: str = "") -> Iterator[tuple[Path, BinaryIO]]:
    """A new file in `folder`, open for writing and held for as long as the context lasts; removed at its end.

    Whoever renames it within the context keeps it.

    Raises:
        OSError: it cannot be made or written.
    """
    path, file = _create(folder, prefix, suffix)
    try:
        with file:
            yield path, file
    finally:
        path.unlink(missing_ok=True)


def remove_abandoned(
    folder: Path, pattern: str, now_s: float, *, also: Callable[[Path], None] = lambda _path: None
) -> None:
    """Remove claimed files whose makers are gone.

    Args:
        folder: where they lie.
        pattern: shell pattern of their names.
        now_s: the time, in seconds since 1970.
        also: removes what belongs to such a file; called before the file goes, while nobody else can do the same.
    """
    for path in folder.glob(pattern):
        # gone: its maker has just finished. Denied: another user's, who cleans up after himself
        with suppress(FileNotFoundError, PermissionError), path.open("r+b") as file:
            if _is_abandoned(path, file, now_s):
                also(path)
                path.unlink()


def _create(folder: Path, prefix: str, suffix: str) -> tuple[Path, BinaryIO]:
    while True:
        path = folder / f"{prefix}{_host()}-{uuid.uuid4().hex}{suffix}"
        file = path.open("xb")
        with suppress(OSError):  # a file system without locks: then age alone tells
            fcntl.flock(file, fcntl.LOCK_EX)
        if path.exists():
            return path, file
        file.close()  # removed by another process that looked before the lock was there


def _is_abandoned(path: Path, file: BinaryIO, now_s: float) -> bool:
    """Whether nobody holds it; if so, it is held by us from now until it is closed."""
    is_old = now_s - path.stat().st_mtime > _OLD_S
    if not is_old and f"{_host()}-" not in path.name:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return is_old
    return True


def _host() -> str:
    return socket.gethostname().replace("/", "_")
