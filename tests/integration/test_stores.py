"""A folder and an S3 prefix are one to whoever uses them."""

import datetime as dt
import os
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from tests.support.moto_server import Moto

from glacierctl.errors import StoreError, UsageError
from glacierctl.storage import FolderStore, Store, open_store
from glacierctl.storage.s3 import S3Store

KEYS = ("a/1.json", "a/b/2.json", "a/b/3.json", "c/4.json", "5.json")


@pytest.fixture(params=["folder", "s3", "s3 with prefix"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "folder":
        yield open_store(str(tmp_path), boto3_client)
        return
    request.getfixturevalue("moto")
    client = boto3_client()
    client.create_bucket(Bucket="data", CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    client.put_object(Bucket="data", Key="elsewhere", Body=b"")
    yield open_store("s3://data/results/" if "prefix" in request.param else "s3://data", boto3_client)


def boto3_client():  # noqa: ANN201
    return boto3.client("s3", region_name="us-west-2")


def test_a_listing_tells_sizes_and_times(store: Store) -> None:
    before = store.now() - dt.timedelta(seconds=2)
    for key in KEYS:
        store.put(key, key.encode())
    found = list(store.listing("a/"))
    assert [(one.key, one.size) for one in found] == [("a/1.json", 8), ("a/b/2.json", 10), ("a/b/3.json", 10)]
    assert all(before <= one.modified <= store.now() + dt.timedelta(seconds=2) for one in found)
    assert [one.key for one in store.listing("a/b/3")] == ["a/b/3.json"]
    assert list(store.listing("nowhere/")) == []
    assert list(store.list("a/")) == [one.key for one in found]


def test_folders_are_what_stands_before_the_next_slash(store: Store) -> None:
    for key in KEYS:
        store.put(key, b"")
    assert list(store.folders("")) == ["a", "c"]
    assert list(store.folders("a/")) == ["b"]
    assert list(store.folders("a/b/")) == []
    assert list(store.folders("nowhere/")) == []


def test_what_was_emptied_has_no_size_and_is_still_there(store: Store) -> None:
    store.put("lease", b"held")
    store.put("lease", b"")
    assert [one.size for one in store.listing("lease")] == [0]
    assert store.put_new("lease", b"mine") is False


def test_more_keys_than_a_page_holds_are_all_listed(moto: Moto) -> None:
    del moto
    client = boto3_client()
    client.create_bucket(Bucket="data", CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    client.meta.events.register("before-parameter-build.s3.ListObjectsV2", _ask_for_three)
    keys = [f"runs/{number:04}/x" for number in range(10)]
    for key in keys:
        client.put_object(Bucket="data", Key=f"p/{key}", Body=b"")
    store = S3Store("s3://data/p", client)
    assert [one.key for one in store.listing("runs/")] == keys
    assert list(store.folders("runs/")) == [f"{number:04}" for number in range(10)]


def _ask_for_three(params: dict[str, object], **_: object) -> None:
    params["MaxKeys"] = 3


@pytest.mark.parametrize("wrong", [dt.timedelta(hours=-5), dt.timedelta(days=2)])
def test_the_time_of_a_store_on_s3_is_that_of_s3(moto: Moto, wrong: dt.timedelta) -> None:
    del moto
    client = boto3_client()
    client.create_bucket(Bucket="data", CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    store = S3Store("s3://data", client, clock=lambda: dt.datetime.now(dt.UTC) + wrong)
    assert abs(store.now() - dt.datetime.now(dt.UTC)) < dt.timedelta(minutes=1)


def test_a_bucket_that_is_not_there_is_told(moto: Moto) -> None:
    del moto
    with pytest.raises(StoreError, match="NoSuchBucket"):
        list(open_store("s3://nobody/x", boto3_client).listing(""))


@pytest.mark.parametrize("url", ["ftp://host/folder", "https://host/x"])
def test_what_is_neither_is_wrong_usage(url: str) -> None:
    with pytest.raises(UsageError, match="cannot be written to"):
        open_store(url, boto3_client)


def test_a_folder_asks_for_no_client(tmp_path: Path) -> None:
    def refuse():  # noqa: ANN202
        raise AssertionError

    assert isinstance(open_store(str(tmp_path), refuse), FolderStore)


def test_a_folder_that_may_not_be_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(_self: Path) -> Iterator[Path]:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "runs").mkdir()
    monkeypatch.setattr(Path, "iterdir", denied)
    with pytest.raises(StoreError, match="Permission denied"):
        list(FolderStore(tmp_path).folders("runs/"))


def test_times_in_a_folder_are_those_of_its_files(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.put("a", b"")
    os.utime(tmp_path / "a", (1_700_000_000, 1_700_000_000))
    (entry,) = store.listing("a")
    assert entry.modified == dt.datetime.fromtimestamp(1_700_000_000, dt.UTC)
