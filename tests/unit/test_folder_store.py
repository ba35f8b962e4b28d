"""The folder store: whole files or none, and nothing left of those that were killed while writing."""

import errno
import multiprocessing
import os
import resource
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from glacierctl.errors import StoreError
from glacierctl.storage import FolderStore
from glacierctl.storage.claims import claimed_file

DAY_S = 24 * 3600


def unfinished(root: Path) -> list[Path]:
    return list((root / ".unfinished").iterdir())


def test_what_is_put_is_there_whole_and_can_be_replaced(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "new" / "store")
    store.put("a/b.tif", b"one")
    (tmp_path / "file").write_bytes(b"two")
    store.put("a/b.tif", tmp_path / "file")
    assert store.get("a/b.tif") == b"two"
    assert (tmp_path / "file").read_bytes() == b"two"
    assert unfinished(store.root) == []


@pytest.fixture(params=["links", "no links"])
def _disk(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """With links, and without them as FAT and exFAT are."""

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    if request.param == "no links":
        monkeypatch.setattr("glacierctl.storage.folder.os.link", refuse)


@pytest.mark.usefixtures("_disk")
def test_a_new_key_is_put_once(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    assert store.put_new("a/b.json", b"one") is True
    assert store.put_new("a/b.json", b"two") is False
    assert store.get("a/b.json") == b"one"
    assert unfinished(tmp_path) == []


@pytest.mark.usefixtures("_disk")
def test_of_many_that_put_a_new_key_at_once_one_succeeds(tmp_path: Path) -> None:
    stores = [FolderStore(tmp_path) for _ in range(8)]
    barrier, won = threading.Barrier(8), []

    def put(number: int) -> None:
        barrier.wait()
        if stores[number].put_new("a/b.json", str(number).encode()):
            won.append(number)

    threads = [threading.Thread(target=put, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert (tmp_path / "a" / "b.json").read_bytes() == str(won[0]).encode()
    assert unfinished(tmp_path) == []


def test_what_is_not_there_is_none(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "nowhere")
    assert store.get("a/b.tif") is None
    assert not store.exists("a/b.tif")
    assert list(store.list("a/")) == []
    store.delete("a/b.tif")


def test_keys_are_listed_sorted_by_prefix_and_without_what_is_unfinished(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    for key in ("b/2.csv", "b/1.csv", "b/x/3.csv", "a/1.csv", "bb.csv"):
        store.put(key, b"")
    (tmp_path / ".unfinished" / "rest").write_bytes(b"")
    assert list(store.list("b/")) == ["b/1.csv", "b/2.csv", "b/x/3.csv"]
    assert list(store.list("b")) == ["b/1.csv", "b/2.csv", "b/x/3.csv", "bb.csv"]
    assert list(store.list("")) == ["a/1.csv", "b/1.csv", "b/2.csv", "b/x/3.csv", "bb.csv"]


def test_a_deleted_key_is_gone(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.put("a.json", b"")
    store.delete("a.json")
    assert not store.exists("a.json")


@pytest.mark.parametrize("write", [FolderStore.put, FolderStore.put_new], ids=["put", "put_new"])
@pytest.mark.parametrize("blocked", ["", "store", "store/a", "store/a/b"])
def test_a_file_where_a_folder_is_needed_is_an_error_with_a_hint(
    tmp_path: Path, write: Callable[[FolderStore, str, bytes], object], blocked: str
) -> None:
    root = tmp_path / "below" / "store"
    path = tmp_path / "below" / blocked
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"a file")
    with pytest.raises(StoreError, match=r"a/b/c\.json cannot be written") as caught:
        write(FolderStore(root), "a/b/c.json", b"")
    assert "--output" in caught.value.hint
    assert path.read_bytes() == b"a file"
    if blocked.startswith("store/"):
        assert unfinished(root) == []


def test_a_full_disk_leaves_what_was_there_and_nothing_else(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.put("a.tif", b"before")
    with _processes(_put_beyond_the_limit, tmp_path) as (process, talk):
        assert talk.recv() == "a.tif cannot be written to or read from " + str(tmp_path) + ": File too large"
        process.join()
    assert store.get("a.tif") == b"before"
    assert unfinished(tmp_path) == []


def test_the_next_writer_removes_what_a_killed_one_left(tmp_path: Path) -> None:
    with _processes(_write_slowly, tmp_path) as (process, talk):
        talk.recv()
        process.kill()
        process.join()
    assert len(unfinished(tmp_path)) == 1
    FolderStore(tmp_path).put("b.tif", b"b")
    assert unfinished(tmp_path) == []
    assert list(FolderStore(tmp_path).list("")) == ["b.tif"]


@pytest.mark.parametrize("stopped", [False, True], ids=["at work", "asleep"])
def test_what_another_process_is_writing_stays(tmp_path: Path, stopped: bool) -> None:
    with _processes(_write_slowly, tmp_path) as (process, talk):
        talk.recv()
        assert process.pid is not None
        if stopped:
            os.kill(process.pid, signal.SIGSTOP)
        FolderStore(tmp_path, clock=lambda: time.time() + 2 * DAY_S).put("b.tif", b"b")
        assert len(unfinished(tmp_path)) == 1
        os.kill(process.pid, signal.SIGCONT)
        talk.send("go on")
        process.join()
        assert process.exitcode == 0
    assert (tmp_path / "slow.tif").read_bytes() == b"slow"
    assert unfinished(tmp_path) == []


def test_what_another_host_writes_is_left_alone_for_a_day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where a network file system shows no locks of other hosts: the name is another's, and nobody holds it."""
    (tmp_path / ".unfinished").mkdir()
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr("socket.gethostname", lambda: "elsewhere")
        with claimed_file(tmp_path / ".unfinished") as (path, _):
            name = path.name
    (tmp_path / ".unfinished" / name).write_bytes(b"half")
    now = (tmp_path / ".unfinished" / name).stat().st_mtime
    FolderStore(tmp_path, clock=lambda: now + 0.9 * DAY_S).put("b.tif", b"b")
    assert [path.name for path in unfinished(tmp_path)] == [name]
    FolderStore(tmp_path, clock=lambda: now + 1.1 * DAY_S).put("b.tif", b"b")
    assert unfinished(tmp_path) == []


def test_many_processes_may_clean_and_write_at_once(tmp_path: Path) -> None:
    """Cleaning takes nothing from anybody, also in the moment between a file's making and its lock."""
    failures: list[Exception] = []

    def write(number: int) -> None:
        try:
            for count in range(40):
                FolderStore(tmp_path).put(f"{number}/{count}", b"x" * 100)
        except StoreError as error:
            failures.append(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(list(FolderStore(tmp_path).list(""))) == 240
    assert unfinished(tmp_path) == []


def _put_beyond_the_limit(root: Path, talk: Connection) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
    try:
        FolderStore(root).put("a.tif", b"x" * 5000)
    except StoreError as error:
        talk.send(str(error))


def _write_slowly(root: Path, talk: Connection) -> None:
    store = FolderStore(root)
    with store._written_aside(b"slow") as path:
        talk.send("under way")
        talk.recv()
        path.replace(root / "slow.tif")


@contextmanager
def _processes(
    target: Callable[[Path, Connection], None], root: Path
) -> Iterator[tuple[multiprocessing.process.BaseProcess, Connection]]:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=target, args=(root, theirs), daemon=True)
    process.start()
    theirs.close()
    try:
        yield process, ours
    finally:
        process.kill()
        process.join()
        ours.close()
