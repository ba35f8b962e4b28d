"""`glacierctl results sync`: real products on S3 and in folders, with faults, kills and damage."""

import hashlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest
from tests.support import results, s3_proxy
from tests.support.command import PROGRAM, Ran
from tests.support.moto_server import Moto
from tests.support.results import Results
from tests.support.schemas import check_document

from glacierctl.cli import main
from glacierctl.errors import StoreError
from glacierctl.results.catalogue import Wanted, list_products
from glacierctl.results.sync import Manner, ProductOutcome, State, sync
from glacierctl.storage import FolderStore, Store
from glacierctl.storage.s3 import S3Store

Glacierctl = Callable[..., Ran]
EAST, WEST = results.REGIONS
FIRST = f"sentinel2/clipped/{EAST}/S2A_MSIL2A_20240704T150901_N0301_R025"
TABLE = f"sentinel2/metadata/combined_csv/{EAST}.csv"


def tree(folder: Path) -> dict[str, str]:
    """Checksums of all files of products by their keys."""
    paths = (path for path in folder.rglob("*") if path.is_file())
    keys = {path.relative_to(folder).as_posix(): path for path in paths}
    return {key: hashlib.sha256(path.read_bytes()).hexdigest() for key, path in keys.items() if key[:5] != "runs/"}


def copy(store: Store, folder: Path, **manner: object) -> list[ProductOutcome]:
    return list(sync(store, list_products(store, Wanted()).products, FolderStore(folder), Manner(**manner)))


def states(outcomes: list[ProductOutcome]) -> dict[str, int]:
    every = [file.state for one in outcomes for file in one.files]
    return {str(state): every.count(state) for state in set(every)}


@pytest.fixture
def store(small_results: Results, tmp_path: Path) -> Path:
    """A copy of the results that a test may spoil."""
    return shutil.copytree(small_results.folder, tmp_path / "store")


@pytest.fixture
def proxy(results_bucket: Moto, monkeypatch: pytest.MonkeyPatch) -> Iterator[s3_proxy.Proxy]:
    """The results on S3, behind what misbehaves on request."""
    with s3_proxy.serve(results_bucket.url) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        yield server


def s3_store(*, sleep: Callable[[float], None] = lambda _seconds: None) -> S3Store:
    return S3Store(results.URL, results.client(), sleep=sleep)


def test_a_bucket_is_copied_just_so_and_once(
    glacierctl: Glacierctl, small_results: Results, proxy: s3_proxy.Proxy, tmp_path: Path
) -> None:
    ran = glacierctl("results", "sync", "--to", "here", "--json")
    assert ran.code == 0, ran.stderr
    document = json.loads(ran.stdout)
    check_document("results-sync", document)
    assert tree(tmp_path / "here") == tree(small_results.folder), "the combined tables too"
    assert document["total"] == {
        "products": 6, "copied": 24, "new": 0, "same": 0, "failed": 0,
        "size_bytes": sum((small_results.folder / one["key"]).stat().st_size for one in document["files"]),
    }  # fmt: skip
    assert [line for line in ran.stderr.splitlines() if "4 files copied" in line][5].startswith("[6/6] small_west ")
    before, asked = tree(tmp_path / "here"), len(proxy.requests())
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "here").rglob("*")}
    again = json.loads(glacierctl("results", "sync", "--to", "here", "--json").stdout)
    assert again["files"] == []
    assert again["total"]["same"] == 24
    assert tree(tmp_path / "here") == before
    changed = {path for path in times if times[path] != path.stat().st_mtime_ns}
    assert changed <= {tmp_path / "here/.unfinished"}
    assert len(proxy.requests()) - asked == 2, "a listing of each satellite, and nothing is read"


def test_a_dry_run_says_what_would_be_copied_and_copies_nothing(
    glacierctl_here: Glacierctl, small_results: Results, tmp_path: Path
) -> None:
    ran = glacierctl_here("results", "sync", "--output", small_results.folder, "--to", "here", "--dry-run", "--json")
    document = json.loads(ran.stdout)
    check_document("results-sync", document)
    assert {one["state"] for one in document["files"]} == {"new"}
    assert document["total"]["new"] == 24
    assert not (tmp_path / "here").exists()
    copy(FolderStore(small_results.folder), tmp_path / "here")
    (tmp_path / "here" / f"{FIRST}.png").unlink()
    outcomes = copy(FolderStore(small_results.folder), tmp_path / "here", dry_run=True)
    assert [file.key for one in outcomes for file in one.having(State.NEW)] == [f"{FIRST}.png"]
    assert not (tmp_path / "here" / f"{FIRST}.png").exists()


@pytest.mark.parametrize(
    ("flags", "suffixes", "count"),
    [
        (["--include", "tif"], {".tif"}, 6),
        (["--include", "PNG, .json", "--regions", EAST], {".png", ".json"}, 6),
        (["--include", "csv", "--regions", WEST], {".csv"}, 4),
    ],
)
def test_kinds_and_regions_are_chosen(
    small_results: Results, tmp_path: Path, flags: list[str], suffixes: set[str], count: int
) -> None:
    asked = ["results", "sync", "--output", str(small_results.folder), "--to", str(tmp_path / "here")]
    assert main([*asked, *flags]) == 0
    made = tree(tmp_path / "here")
    assert {Path(key).suffix for key in made} == suffixes
    assert len(made) == count
    assert made.items() <= tree(small_results.folder).items()


def test_a_run_is_copied_alone(glacierctl_here: Glacierctl, small_results: Results, tmp_path: Path) -> None:
    ran = glacierctl_here(
        "results", "sync", small_results.first_run_id, "--output", small_results.folder, "--to", "here"
    )
    assert ran.code == 0
    assert len(tree(tmp_path / "here")) == 5, "four files of one product and the table of its region"
    assert ran.stdout.startswith("COPIED 4 (")


def test_the_combined_table_holds_what_is_here_from_before_too(
    glacierctl_here: Glacierctl, small_results: Results, tmp_path: Path
) -> None:
    flags = ("--output", small_results.folder, "--to", "here")
    glacierctl_here("results", "sync", small_results.first_run_id, *flags)
    own = tmp_path / f"here/sentinel2/metadata/individual_csv/{WEST}/S2B_mine.csv"
    own.write_text("S2B_mine,a_B08.tif,b_B08.tif\n")
    glacierctl_here("results", "sync", *flags)
    table = pd.read_csv(tmp_path / f"here/sentinel2/metadata/combined_csv/{WEST}.csv", keep_default_na=False)
    assert list(table.columns) == ["0", "1", "2"]
    assert [name[:20] for name in table["0"]] == [
        "S2A_MSIL2A_20240704T", "S2A_MSIL2A_20240709T", "S2A_MSIL2A_20240714T", "S2B_mine",
    ]  # fmt: skip


def test_what_changed_here_is_mended(small_results: Results, tmp_path: Path) -> None:
    source = FolderStore(small_results.folder)
    copy(source, tmp_path)
    image = tmp_path / f"{FIRST}.tif"
    content = image.read_bytes()
    for spoiled in (b"", content[:-1], content + b"\0", bytes([content[0] ^ 1]) + content[1:]):
        image.write_bytes(spoiled)
        assert states(copy(source, tmp_path)) == {"copied": 1, "same": 23}
        assert image.read_bytes() == content
    image.unlink()
    (tmp_path / f"{FIRST}.json").write_text("{}")
    assert states(copy(source, tmp_path)) == {"copied": 2, "same": 22}
    assert tree(tmp_path) == {key: value for key, value in tree(small_results.folder).items() if "combined" not in key}


def test_what_is_the_same_is_only_read_where_its_time_differs(small_results: Results, tmp_path: Path) -> None:
    source = FolderStore(small_results.folder)
    copy(source, tmp_path)
    image = tmp_path / f"{FIRST}.tif"
    when = image.stat().st_mtime_ns
    image.touch()
    assert states(copy(source, tmp_path)) == {"same": 24}
    assert image.stat().st_mtime_ns == when
    content = image.read_bytes()
    image.write_bytes(bytes([content[0] ^ 1]) + content[1:])
    os.utime(image, ns=(when, when))
    assert states(copy(source, tmp_path)) == {"same": 24}, "neither size nor time tells it"
    assert states(copy(source, tmp_path, verify=True)) == {"copied": 1, "same": 23}


def make_anew(store: Path, *suffixes: str) -> None:
    """Let the first product have other files, and an item that says so."""
    names = {"tif": "image", "png": "quicklook"}
    item = store / f"{FIRST}.json"
    document = json.loads(item.read_bytes())
    for suffix in suffixes:
        file = store / f"{FIRST}.{suffix}"
        file.write_bytes(file.read_bytes() + b"\0")
        checksum = "1220" + hashlib.sha256(file.read_bytes()).hexdigest()
        document["assets"][names[suffix]] |= {"file:size": file.stat().st_size, "file:checksum": checksum}
    item.write_text(json.dumps(document))


def test_products_made_anew_are_copied_anew(store: Path, tmp_path: Path) -> None:
    copy(FolderStore(store), tmp_path / "here")
    image, item = store / f"{FIRST}.tif", store / f"{FIRST}.json"
    make_anew(store, "tif")
    assert states(copy(FolderStore(store), tmp_path / "here")) == {"copied": 2, "same": 22}
    assert (tmp_path / "here" / f"{FIRST}.tif").read_bytes() == image.read_bytes()
    assert (tmp_path / "here" / f"{FIRST}.json").read_bytes() == item.read_bytes()


def test_a_new_version_that_is_damaged_leaves_the_old_one_whole(store: Path, tmp_path: Path) -> None:
    copy(FolderStore(store), tmp_path / "here")
    before = tree(tmp_path / "here")
    make_anew(store, "tif")
    (store / f"{FIRST}.tif").write_bytes(b"damaged")
    assert states(copy(FolderStore(store), tmp_path / "here"))["failed"] == 1
    assert tree(tmp_path / "here") == before


def test_an_item_never_stands_beside_files_of_another_version(store: Path, tmp_path: Path) -> None:
    copy(FolderStore(store), tmp_path / "here")
    make_anew(store, "tif", "png")
    (store / f"{FIRST}.png").write_bytes(b"damaged")
    copy(FolderStore(store), tmp_path / "here")
    assert (tmp_path / "here" / f"{FIRST}.tif").read_bytes() == (store / f"{FIRST}.tif").read_bytes()
    assert not (tmp_path / "here" / f"{FIRST}.json").exists()


def test_an_item_made_anew_with_the_same_files_copies_the_item_alone(store: Path, tmp_path: Path) -> None:
    copy(FolderStore(store), tmp_path / "here")
    (store / f"{FIRST}.json").write_bytes((store / f"{FIRST}.json").read_bytes() + b"\n")
    assert states(copy(FolderStore(store), tmp_path / "here")) == {"copied": 1, "same": 23}
    (store / f"{FIRST}.json").touch()
    assert states(copy(FolderStore(store), tmp_path / "here")) == {"same": 24}


def test_damage_in_the_store_is_found_and_the_rest_copied(
    glacierctl_here: Glacierctl, store: Path, tmp_path: Path
) -> None:
    damaged = store / f"{FIRST}.tif"
    content = damaged.read_bytes()
    damaged.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    ran = glacierctl_here("results", "sync", "--output", store, "--to", "here", "--json")
    assert ran.code == 1
    document = json.loads(ran.stdout)
    check_document("results-sync", document)
    (failed,) = [one for one in document["files"] if one["state"] == "failed"]
    assert failed["key"] == f"{FIRST}.tif"
    assert failed["error"]["why"] == "its SHA-256 is not the one that its item says; it was fetched 3 times"
    missing = tree(store).keys() - tree(tmp_path / "here").keys()
    assert missing == {f"{FIRST}.tif", f"{FIRST}.json"}, "an item stands for all its files"
    assert list((tmp_path / "here/.unfinished").iterdir()) == []
    damaged.write_bytes(content)
    assert states(copy(FolderStore(store), tmp_path / "here")) == {"copied": 2, "same": 22}


def test_a_file_that_is_missing_in_the_store_is_named(glacierctl_here: Glacierctl, store: Path) -> None:
    (store / f"{FIRST}.tif").unlink()
    ran = glacierctl_here("results", "sync", "--output", store, "--to", "here")
    assert ran.code == 1
    assert f"error: {FIRST}.tif is not in {store}" in ran.stderr
    assert "COPIED 22 (" in ran.stdout
    assert "FAILED 1" in ran.stdout


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 500, "code": "InternalError", "times": 3},
        {"status": 503, "code": "SlowDown", "times": 3},
        {"cut": 0.5, "times": 4, "part": ".tif"},
        {"cut": 0.0, "times": 4, "part": ".tif"},
        {"cut": 0.5, "times": 2, "part": ".json"},
        {"drop": True, "times": 3},
        {"spoil": True, "times": 2, "part": f"{FIRST}.tif"},
    ],
    ids=lambda fault: "-".join(f"{key}={value}" for key, value in fault.items() if key != "part"),
)
def test_what_fails_in_passing_is_tried_again(
    small_results: Results, proxy: s3_proxy.Proxy, tmp_path: Path, fault: dict[str, object]
) -> None:
    listed = list_products(s3_store(), Wanted()).products
    proxy.misbehave(method="GET", **fault)
    outcomes = list(sync(s3_store(), listed, FolderStore(tmp_path), Manner()))
    assert states(outcomes) == {"copied": 24}
    assert tree(tmp_path).items() <= tree(small_results.folder).items()
    assert all(left == 0 for _, left in proxy.faults), "the faults did happen"


def test_a_read_that_is_cut_off_goes_on_from_there(small_results: Results, proxy: s3_proxy.Proxy) -> None:
    proxy.misbehave(method="GET", part=f"{FIRST}.tif", cut=0.5, times=3)
    pauses: list[float] = []
    store = s3_store(sleep=pauses.append)
    pieces = store.read(f"{FIRST}.tif")
    assert pieces is not None
    assert b"".join(pieces) == (small_results.folder / f"{FIRST}.tif").read_bytes()
    assert len(proxy.requests("GET", f"{FIRST}.tif")) == 4
    assert len(pauses) == 3
    assert [status for *_, status in proxy.requests("GET", f"{FIRST}.tif")] == [200, 206, 206, 206]


def test_what_is_not_there_is_not_read(proxy: s3_proxy.Proxy, tmp_path: Path) -> None:
    assert s3_store().read(f"{FIRST}.jpg") is None
    assert FolderStore(tmp_path).read("nothing") is None
    assert len(proxy.requests("GET", ".jpg")) == 1


def test_a_read_never_goes_on_in_another_object(proxy: s3_proxy.Proxy) -> None:
    other = S3Store("s3://replaced/results", results.client())
    results.client().create_bucket(Bucket="replaced", CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    other.put("a.tif", b"old" * 1000)
    store = S3Store(other.url, results.client(), sleep=lambda _seconds: other.put("a.tif", b"new" * 1000))
    proxy.misbehave(method="GET", part="a.tif", cut=0.5)
    pieces = store.read("a.tif")
    assert pieces is not None
    with pytest.raises(StoreError) as told:
        list(pieces)
    assert "PreconditionFailed" in told.value.why


def test_a_read_that_never_gets_on_ends(proxy: s3_proxy.Proxy, tmp_path: Path) -> None:
    proxy.misbehave(method="GET", part=f"{FIRST}.tif", cut=0.0, times=1000)
    listed = [one for one in list_products(s3_store(), Wanted()).products if one.item.key == f"{FIRST}.json"]
    (outcome,) = sync(s3_store(), listed, FolderStore(tmp_path), Manner())
    (failed,) = outcome.having(State.FAILED)
    assert failed.key == f"{FIRST}.tif"
    assert not (tmp_path / f"{FIRST}.tif").exists()


def test_an_object_that_is_replaced_while_it_is_read_is_not_mixed(
    small_results: Results, proxy: s3_proxy.Proxy, tmp_path: Path
) -> None:
    """The first half of the old image arrives, then the product is made anew: the copy is the new one."""
    image, item = ((small_results.folder / f"{FIRST}.{suffix}").read_bytes() for suffix in ("tif", "json"))
    new = image[:-1] + bytes([image[-1] ^ 1])
    document = json.loads(item)
    document["assets"]["image"]["file:checksum"] = "1220" + hashlib.sha256(new).hexdigest()
    place = "s3://made-anew/results"
    other = results.upload(small_results.folder, place)

    def make_anew(_seconds: float) -> None:
        other.put(f"{FIRST}.tif", new)
        other.put(f"{FIRST}.json", json.dumps(document).encode())

    store = S3Store(place, results.client(), sleep=make_anew)
    listed = [one for one in list_products(store, Wanted()).products if one.item.key == f"{FIRST}.json"]
    proxy.misbehave(method="GET", part=f"{FIRST}.tif", cut=0.5)
    (outcome,) = sync(store, listed, FolderStore(tmp_path), Manner())
    assert outcome.having(State.FAILED) == ()
    assert (tmp_path / f"{FIRST}.tif").read_bytes() == new
    assert (tmp_path / f"{FIRST}.json").read_bytes() == json.dumps(document).encode()


def test_a_killed_copy_shows_nothing_partial_and_is_completed(
    small_results: Results, proxy: s3_proxy.Proxy, tmp_path: Path
) -> None:
    proxy.misbehave(method="GET", part="clipped", wait_s=0.2, times=1000)
    whole, random_ = tree(small_results.folder), random.Random(20240704)
    seen = set()
    for least in (13, 2, 2, 7):  # after 6 items and 6 images come the pictures: then some image is there
        process = subprocess.Popen(
            [PROGRAM, "results", "sync", "--to", "here"], cwd=tmp_path, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        asked = len(proxy.requests("GET", "clipped/"))
        wanted = least + random_.randint(0, 4)
        while process.poll() is None and len(proxy.requests("GET", "clipped/")) < asked + wanted:
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.wait()
        found = {key: value for key, value in tree(tmp_path / "here").items() if not key.startswith(".unfinished")}
        assert found.items() <= whole.items()
        items = [key.removesuffix(".json") for key in found if key.endswith(".json")]
        assert all(f"{key}.{suffix}" in found for key in items for suffix in ("tif", "png"))
        seen.add(len(found))
    assert any(0 < count < 24 for count in seen), "some kills came in the middle"
    assert states(copy(s3_store(), tmp_path / "here")).keys() <= {"copied", "same"}
    assert list((tmp_path / "here/.unfinished").iterdir()) == []
    assert tree(tmp_path / "here").items() <= whole.items()
    assert len([key for key in tree(tmp_path / "here") if "combined" not in key]) == 24


def test_ctrl_c_ends_it_soon_and_the_same_command_goes_on(
    glacierctl: Glacierctl, small_results: Results, proxy: s3_proxy.Proxy, tmp_path: Path
) -> None:
    proxy.misbehave(method="GET", part=".tif", wait_s=0.5, times=1)
    process = subprocess.Popen(
        [PROGRAM, "results", "sync", "--to", "here"], cwd=tmp_path, stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    while not proxy.requests("GET", "clipped/"):
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "the same command goes on from there" in said
    assert glacierctl("results", "sync", "--to", "here").code == 0
    assert tree(tmp_path / "here") == tree(small_results.folder)


def test_two_copies_at_once_into_one_folder_agree(small_results: Results, tmp_path: Path) -> None:
    threads = [
        threading.Thread(target=copy, args=(FolderStore(small_results.folder), tmp_path / "here")) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(tree(tmp_path / "here")) == 24
    assert tree(tmp_path / "here").items() <= tree(small_results.folder).items()


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--include", "tif,jpg"], "unknown: jpg"),
        (["--include", ","], "it is empty"),
        (["--to", "store"], "in that folder already"),
    ],
)
def test_what_cannot_be_is_said(glacierctl_here: Glacierctl, store: Path, flags: list[str], words: str) -> None:
    ran = glacierctl_here("results", "sync", "--output", store, *flags)
    assert ran.code == 2
    assert words in ran.stderr


def test_a_folder_that_cannot_be_written_fails_clearly(
    glacierctl_here: Glacierctl, small_results: Results, tmp_path: Path
) -> None:
    (tmp_path / "here").write_text("a file")
    ran = glacierctl_here("results", "sync", "--output", small_results.folder, "--to", "here")
    assert ran.code == 1
    assert re.search(r"cannot be written to or read from \S+/here", ran.stderr)
