"""The S3 store: whole objects or none, whatever S3 does; one winner among many; refusals in words."""

import hashlib
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import botocore
import pytest
from botocore import exceptions
from botocore.config import Config
from tests.support.moto_server import AWS_REGION, Moto
from tests.support.s3_proxy import Proxy

from glacierctl.aws.session import s3_client
from glacierctl.errors import StoreError, StoreLoginError
from glacierctl.storage.s3 import S3Store

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

URL = "s3://glaciers/results"
CONTENT = bytes(range(256)) * 4000
BUSY = [(500, "InternalError"), (503, "SlowDown"), (503, "ServiceUnavailable")]


@pytest.fixture
def store(s3: "S3Client") -> S3Store:
    return S3Store(URL, s3)


@pytest.fixture
def shaky(moto: Moto, s3_faults: Proxy) -> S3Store:
    """The same through what misbehaves; waits for nothing, and is asked as often as the worker asks."""
    return S3Store(URL, moto.s3(s3_faults.url), sleep=lambda _seconds: None)


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """botocore waits between attempts; tests need not."""
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0.0)


def objects(s3: "S3Client") -> dict[str, bytes]:
    found = s3.list_objects_v2(Bucket="glaciers").get("Contents", [])
    return {one["Key"]: s3.get_object(Bucket="glaciers", Key=one["Key"])["Body"].read() for one in found}


def test_objects_lie_under_the_prefix_with_their_media_type(store: S3Store, s3: "S3Client", tmp_path: Path) -> None:
    (tmp_path / "image").write_bytes(b"pixels")
    store.put("a/b.tif", tmp_path / "image")
    store.put("a/b.json", b"{}")
    assert objects(s3) == {"results/a/b.tif": b"pixels", "results/a/b.json": b"{}"}
    types = [s3.head_object(Bucket="glaciers", Key=f"results/a/b.{end}")["ContentType"] for end in ("tif", "json")]
    assert types == ["image/tiff; application=geotiff; profile=cloud-optimized", "application/json"]


@pytest.mark.parametrize("url", ["s3://glaciers", "s3://glaciers/", "s3://glaciers/a/b/", "s3://glaciers/a/b"])
def test_keys_come_back_as_they_were_put(url: str, s3: "S3Client") -> None:
    store = S3Store(url, s3)
    for key in ("b/2.csv", "b/1.csv", "b/x/3.csv", "bb.csv"):
        store.put(key, key.encode())
    assert list(store.list("b/")) == ["b/1.csv", "b/2.csv", "b/x/3.csv"]
    assert list(store.list("")) == ["b/1.csv", "b/2.csv", "b/x/3.csv", "bb.csv"]
    assert store.get("b/x/3.csv") == b"b/x/3.csv"
    assert store.url == url.rstrip("/")


def test_more_keys_than_a_page_holds_are_all_listed(shaky: S3Store, s3_faults: Proxy) -> None:
    keys = [f"runs/{number:04d}" for number in range(8)]
    for key in keys:
        shaky.put(key, b"")
    s3_faults.page_size = 3
    assert list(shaky.list("runs/")) == keys
    assert len(s3_faults.requests("GET", "list-type")) == 3


def test_what_is_not_there_is_none_and_can_be_deleted(store: S3Store) -> None:
    assert store.get("a.tif") is None
    assert not store.exists("a.tif")
    assert list(store.list("a")) == []
    store.delete("a.tif")


def test_what_is_put_replaces_and_what_is_deleted_is_gone(store: S3Store) -> None:
    store.put("a.json", b"one")
    store.put("a.json", b"two")
    assert (store.get("a.json"), store.exists("a.json")) == (b"two", True)
    store.delete("a.json")
    assert (store.get("a.json"), store.exists("a.json")) == (None, False)


def test_a_new_key_is_put_once(store: S3Store) -> None:
    assert store.put_new("a.json", b"one") is True
    assert store.put_new("a.json", b"two") is False
    assert store.get("a.json") == b"one"


def test_of_many_that_put_a_new_key_at_once_one_succeeds(moto: Moto, s3: "S3Client") -> None:
    barrier, won = threading.Barrier(8), []

    def put(number: int) -> None:
        mine = S3Store(URL, moto.s3())
        barrier.wait()
        if mine.put_new("a.json", str(number).encode()):
            won.append(number)

    threads = [threading.Thread(target=put, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert objects(s3) == {"results/a.json": str(*won).encode()}


def faults() -> list[dict[str, Any]]:
    """Each as often as is put up with."""
    return [
        *({"status": status, "code": code, "times": 5} for status, code in BUSY),
        {"status": 500, "code": "InternalError", "after": True, "times": 5},
        {"drop": True, "times": 5},
        {"wait_s": 0.5, "times": 1},
    ]


@pytest.mark.parametrize("fault", faults(), ids=str)
def test_what_fails_in_passing_is_repeated_and_nothing_lost(
    fault: dict[str, Any], shaky: S3Store, s3_faults: Proxy, s3: "S3Client", tmp_path: Path
) -> None:
    (tmp_path / "image").write_bytes(CONTENT)
    for method, act in (
        ("PUT", lambda: shaky.put("a.tif", tmp_path / "image")),
        ("PUT", lambda: shaky.put("a.json", b"{}")),
        ("PUT", lambda: shaky.put_new("new.json", b"[]") or pytest.fail("another wrote it")),
        ("GET", lambda: shaky.get("a.tif") == CONTENT or pytest.fail("read wrongly")),
        ("GET", lambda: list(shaky.list("")) == ["a.json", "a.tif", "new.json"] or pytest.fail("listed wrongly")),
        ("HEAD", lambda: shaky.exists("a.tif") or pytest.fail("not found")),
        ("DELETE", lambda: shaky.delete("a.json")),
    ):
        s3_faults.behave()
        s3_faults.misbehave(method=method, **fault)
        act()
    assert objects(s3) == {"results/a.tif": CONTENT, "results/new.json": b"[]"}


@pytest.mark.parametrize(("status", "code"), BUSY)
def test_what_keeps_failing_leaves_what_was_there(
    status: int, code: str, shaky: S3Store, s3_faults: Proxy, s3: "S3Client"
) -> None:
    shaky.put("a.tif", b"before")
    s3_faults.misbehave(status=status, code=code, times=1000)
    for act in (
        lambda: shaky.put("a.tif", CONTENT),
        lambda: shaky.put_new("a.json", b"{}"),
        lambda: shaky.get("a.tif"),
        lambda: list(shaky.list("a")),
    ):
        with pytest.raises(StoreError, match=f"a.* cannot be .*{URL}: S3 answers {code}"):
            act()
    assert objects(s3) == {"results/a.tif": b"before"}


def test_an_upload_that_changes_on_its_way_is_refused_and_sent_again(
    shaky: S3Store, s3_faults: Proxy, s3: "S3Client", tmp_path: Path
) -> None:
    (tmp_path / "image").write_bytes(CONTENT)
    s3_faults.misbehave(method="PUT", spoil=True, times=2)
    shaky.put("a.tif", tmp_path / "image")
    s3_faults.misbehave(method="PUT", spoil=True, times=2)
    assert shaky.put_new("a.json", b"{}") is True
    assert objects(s3) == {"results/a.tif": CONTENT, "results/a.json": b"{}"}
    assert [status for _, _, status in s3_faults.requests("PUT")] == [400, 400, 200, 400, 400, 200]


def test_an_upload_that_always_changes_is_an_error_and_not_there(
    shaky: S3Store, s3_faults: Proxy, s3: "S3Client"
) -> None:
    s3_faults.misbehave(method="PUT", spoil=True, times=1000)
    with pytest.raises(StoreError, match="BadDigest"):
        shaky.put("a.tif", CONTENT)
    assert objects(s3) == {}


@pytest.mark.parametrize("fault", [{"cut": 0.5}, {"cut": 0.0}, {"spoil": True}], ids=str)
def test_what_arrives_cut_or_changed_is_read_again(fault: dict[str, Any], shaky: S3Store, s3_faults: Proxy) -> None:
    shaky.put("a.tif", CONTENT)
    s3_faults.misbehave(method="GET", **fault, times=3)
    assert hashlib.sha256(shaky.get("a.tif") or b"").digest() == hashlib.sha256(CONTENT).digest()
    assert len(s3_faults.requests("GET")) == 4


@pytest.mark.parametrize("fault", [{"cut": 0.5}, {"spoil": True}], ids=str)
def test_what_always_arrives_cut_or_changed_is_an_error(
    fault: dict[str, Any], shaky: S3Store, s3_faults: Proxy
) -> None:
    shaky.put("a.tif", CONTENT)
    s3_faults.misbehave(method="GET", **fault, times=1000)
    with pytest.raises(StoreError, match=r"a\.tif cannot be read from"):
        shaky.get("a.tif")


def test_a_new_key_whose_answer_was_lost_is_still_ours(shaky: S3Store, s3_faults: Proxy) -> None:
    s3_faults.misbehave(method="PUT", status=500, code="InternalError", after=True)
    assert shaky.put_new("a.json", b"same for all") is True


def test_a_new_key_that_another_wrote_while_we_tried_is_his(shaky: S3Store, store: S3Store, s3_faults: Proxy) -> None:
    assert store.put_new("a.json", b"same for all") is True
    s3_faults.misbehave(method="PUT", status=500, code="InternalError")
    assert shaky.put_new("a.json", b"same for all") is False


def test_a_write_that_collides_with_another_is_tried_again(shaky: S3Store, s3_faults: Proxy) -> None:
    s3_faults.misbehave(method="PUT", status=409, code="ConditionalRequestConflict", times=3)
    assert shaky.put_new("a.json", b"{}") is True


def test_where_listing_is_allowed_below_a_prefix_only_a_missing_key_is_still_none(
    shaky: S3Store, s3_faults: Proxy
) -> None:
    shaky.put("a.json.old", b"")
    s3_faults.hides_keys = True
    assert shaky.get("a.json") is None
    assert not shaky.exists("a.json")


def test_a_key_that_is_there_and_denied_is_not_taken_for_missing(shaky: S3Store, s3_faults: Proxy) -> None:
    shaky.put("a.json", b"{}")
    for method, ask in (("GET", shaky.get), ("HEAD", shaky.exists)):
        s3_faults.misbehave(method=method, part="a.json", status=403, code="AccessDenied")
        with pytest.raises(StoreError, match=r"a\.json cannot be"):
            ask("a.json")


def test_without_the_right_to_list_a_missing_key_is_an_error_that_says_what_right_is_missing(
    shaky: S3Store, s3_faults: Proxy
) -> None:
    s3_faults.hides_keys = True
    s3_faults.misbehave(part="list-type", status=403, code="AccessDenied", times=2)
    for ask in (shaky.get, shaky.exists):
        with pytest.raises(StoreError) as caught:
            ask("a.json")
        assert "s3:ListBucket" in caught.value.hint


@pytest.mark.parametrize(
    ("status", "code", "hint"),
    [
        (403, "AccessDenied", "s3:PutObject"),
        (400, "ExpiredToken", "Log in"),
        (403, "InvalidAccessKeyId", "aws sts get-caller-identity"),
        (403, "SignatureDoesNotMatch", "aws sts get-caller-identity"),
        (403, "RequestTimeTooSkewed", "clock"),
        (404, "NoSuchBucket", "bucket"),
        (503, "SlowDown", "fewer"),
        (400, "400", "aws sso login"),
        (418, "SomethingNew", "later"),
    ],
)
def test_a_refusal_says_what_to_do(status: int, code: str, hint: str, shaky: S3Store, s3_faults: Proxy) -> None:
    s3_faults.misbehave(status=status, code=code, times=1000)
    with pytest.raises(StoreError, match=f"a.json cannot be written to {URL}: S3 answers {code}") as caught:
        shaky.put("a.json", b"{}")
    assert hint in caught.value.hint


def test_a_bucket_that_is_not_there_is_an_error(s3: "S3Client") -> None:
    store = S3Store("s3://nowhere/results", s3)
    for act in (
        lambda: store.put("a", b""),
        lambda: store.put_new("a", b""),
        lambda: store.get("a"),
        lambda: list(store.list("")),
        lambda: store.delete("a"),
    ):
        with pytest.raises(StoreError, match="NoSuchBucket"):
            act()


def test_nobody_there_and_no_credentials_are_errors(moto: Moto) -> None:
    nobody = S3Store(URL, moto.s3("http://127.0.0.1:9"), sleep=lambda _seconds: None)
    with pytest.raises(StoreError, match="cannot be reached"):
        nobody.get("a")
    session = botocore.session.get_session({"credentials_file": (None, None, "/nowhere", None)})
    client = boto3.Session(botocore_session=session).client("s3", region_name="us-west-2", config=Config())
    client._request_signer._credentials = None
    with pytest.raises(StoreError, match="no AWS credentials"):
        S3Store(URL, client).get("a")


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (exceptions.UnauthorizedSSOTokenError(), "have expired"),
        (exceptions.SSOTokenLoadError(error_msg="there is none"), "have expired"),
        (exceptions.TokenRetrievalError(provider="sso", error_msg="refresh failed"), "have expired"),
        (exceptions.LoginRefreshRequired(), "have expired"),
        (exceptions.CredentialRetrievalError(provider="process", error_msg="Token Expired"), "have expired"),
        (exceptions.CredentialRetrievalError(provider="process", error_msg="not found"), "there are no AWS cred"),
        (exceptions.PartialCredentialsError(provider="env", cred_var="secret"), "there are no AWS credentials"),
    ],
    ids=lambda one: type(one).__name__ if isinstance(one, Exception) else "",
)
def test_who_has_to_log_in_is_told_so_and_not_that_the_network_fails(
    error: exceptions.BotoCoreError, why: str, moto: Moto
) -> None:
    """Whoever signs finds out with the first request."""

    class Nothing:
        def get_frozen_credentials(self) -> None:
            raise error

    client = moto.s3()
    client._request_signer._credentials = Nothing()
    with pytest.raises(StoreLoginError, match=why) as caught:
        S3Store(URL, client).get("a.json")
    assert ("aws sso login" in caught.value.hint) is (why == "have expired")


def test_a_login_that_expired_is_one_to_renew(shaky: S3Store, s3_faults: Proxy) -> None:
    s3_faults.misbehave(status=400, code="ExpiredToken", times=1000)
    for ask in (lambda: shaky.get("a"), lambda: list(shaky.list("")), lambda: shaky.put("a", b"")):
        with pytest.raises(StoreLoginError) as caught:
            ask()
        assert "aws sso login" in caught.value.hint


def test_who_has_no_credentials_and_is_denied_is_told_to_set_them_up(
    s3: "S3Client", monkeypatch: pytest.MonkeyPatch
) -> None:
    s3.put_object(Bucket="glaciers", Key="results/a.json", Body=b"{}")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    unsigned = s3_client(AWS_REGION, connect_timeout_s=5, read_timeout_s=5)
    with pytest.raises(StoreError, match="no AWS credentials") as caught:
        S3Store(URL, unsigned).get("a.json")
    assert "aws configure" in caught.value.hint


@pytest.mark.parametrize("url", ["s3://", "s3:///a", "https://a/b", "s3://a/b?c", "s3://a/b#c"])
def test_an_address_without_a_bucket_is_refused(url: str, s3: "S3Client") -> None:
    with pytest.raises(StoreError, match="no place for results"):
        S3Store(url, s3)


def test_a_file_that_vanished_is_an_error(store: S3Store, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"a\.tif cannot be written .* cannot be read"):
        store.put("a.tif", tmp_path / "gone")
