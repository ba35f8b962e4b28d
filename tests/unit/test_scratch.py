"""Scratch folders: gone after use, after errors, and after kills, without taking anybody else's."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from glacierctl.errors import StoreError
from glacierctl.processing.scratch import scratch_folder, writing_to

DAY_S = 24 * 3600

_HOLD = """
import sys, pathlib
from glacierctl.processing.scratch import scratch_folder
with scratch_folder(pathlib.Path(sys.argv[1])) as folder:
    (folder / "image.tif").write_bytes(b"x")
    print(folder.name, flush=True)
    sys.stdin.read()
"""


def hold(parent: Path) -> tuple[subprocess.Popen[str], Path]:
    process = subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(parent)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    return process, parent / process.stdout.readline().strip()


def test_the_folder_is_there_and_then_nothing_is_left(tmp_path: Path) -> None:
    with scratch_folder(tmp_path / "new") as folder:
        (folder / "deep").mkdir()
        (folder / "deep" / "file").write_bytes(b"x")
    assert list((tmp_path / "new").iterdir()) == []


def test_nothing_is_left_after_an_error_and_the_error_is_its_own(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="mine"), scratch_folder(tmp_path):
        raise OSError("mine")
    assert list(tmp_path.iterdir()) == []


def test_two_of_one_process_have_their_own(tmp_path: Path) -> None:
    with scratch_folder(tmp_path) as one, scratch_folder(tmp_path) as other:
        assert one != other
        assert one.is_dir()


def test_one_at_work_is_left_alone_and_a_killed_one_is_removed(tmp_path: Path) -> None:
    process, theirs = hold(tmp_path)
    with process:
        with scratch_folder(tmp_path, clock=lambda: time.time() + 2 * DAY_S):
            assert (theirs / "image.tif").exists()
        process.kill()
        process.wait()
        assert (theirs / "image.tif").exists()
        with scratch_folder(tmp_path):
            assert not theirs.exists()
    assert list(tmp_path.iterdir()) == []


def test_one_of_another_host_is_removed_when_it_is_a_day_old(tmp_path: Path) -> None:
    (tmp_path / "glacierctl-elsewhere-1.lock").write_bytes(b"")
    (tmp_path / "glacierctl-elsewhere-1").mkdir()
    with scratch_folder(tmp_path, clock=lambda: time.time() + 0.9 * DAY_S):
        assert (tmp_path / "glacierctl-elsewhere-1").exists()
    with scratch_folder(tmp_path, clock=lambda: time.time() + 1.1 * DAY_S):
        assert not (tmp_path / "glacierctl-elsewhere-1").exists()
    assert list(tmp_path.iterdir()) == []


def test_what_is_not_ours_stays(tmp_path: Path) -> None:
    (tmp_path / "glacierctl-notes").mkdir()
    (tmp_path / "other.lock").write_bytes(b"")
    with scratch_folder(tmp_path, clock=lambda: time.time() + 2 * DAY_S):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == ["glacierctl-notes", "other.lock"]


def test_a_place_where_nothing_can_be_written_is_an_error_with_a_hint(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with (
        pytest.raises(StoreError, match="temporary files cannot be written") as caught,
        scratch_folder(tmp_path / "file" / "below"),
    ):
        pass
    assert "TMPDIR" in caught.value.hint


def test_a_full_disk_is_put_in_words_which_are_the_same_each_time(tmp_path: Path) -> None:
    with (
        scratch_folder(tmp_path) as folder,
        pytest.raises(StoreError, match="No space left") as caught,
        writing_to(folder),
        Path("/dev/full").open("wb", buffering=0) as full,
    ):
        full.write(b"x")
    assert caught.value.what == f"temporary files cannot be written in {tmp_path}"
    assert all(word in caught.value.hint for word in ("TMPDIR", "--ephemeral-storage"))
