"""Temporary folders that never outlive their use, not even after a kill."""

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from glacierctl.errors import StoreError
from glacierctl.storage.claims import claimed_file, remove_abandoned

_PREFIX, _LOCK = "glacierctl-", ".lock"


@contextmanager
def scratch_folder(parent: Path, *, clock: Callable[[], float] = time.time) -> Iterator[Path]:
    """A new folder under `parent`, removed at the end; so are those that killed processes left there.

    Args:
        parent: may be shared with other processes, users and hosts.
        clock: seconds since 1970.

    Raises:
        StoreError: nothing can be written there.
    """
    with ExitStack() as stack:
        with writing_to(parent):
            parent.mkdir(parents=True, exist_ok=True)
            remove_abandoned(parent, f"{_PREFIX}*{_LOCK}", clock(), also=_remove_folder)
            lock, _ = stack.enter_context(claimed_file(parent, prefix=_PREFIX, suffix=_LOCK))
            stack.callback(_remove_folder, lock)
            _folder(lock).mkdir()
        yield _folder(lock)


@contextmanager
def writing_to(folder: Path) -> Iterator[None]:
    """Put a full disk, and whatever else forbids to write a temporary file, in words.

    Raises:
        StoreError: instead of an `OSError`.
    """
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"temporary files cannot be written in {_given(folder)}",
            why=error.strerror or str(error),
            hint=(
                "The largest region needs about 500 MB. Let TMPDIR name a folder with room; "
                "on Lambda, deploy with more --ephemeral-storage."
            ),
        ) from error


def _given(folder: Path) -> Path:
    """The place that somebody chose: one of ours below it has another name each time."""
    return folder.parent if folder.name.startswith(_PREFIX) else folder


def _folder(lock: Path) -> Path:
    return lock.with_suffix("")


def _remove_folder(lock: Path) -> None:
    shutil.rmtree(_folder(lock), ignore_errors=True)
