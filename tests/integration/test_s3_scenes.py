"""Scenes on S3: byte ranges through the account's endpoint, paid by the reader where a bucket asks for it."""

from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import UnauthorizedSSOTokenError
from tests.support import small
from tests.support.s3_proxy import Proxy

from glacierctl.aws.objects import S3Getter
from glacierctl.aws.session import s3_client
from glacierctl.errors import ReadError
from glacierctl.processing.getters import LocalGetter
from glacierctl.processing.process import Means, process
from glacierctl.processing.transport import ReadPolicy, Transport
from glacierctl.storage import FolderStore
from glacierctl.storage.ranges import Piece

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from types_boto3_s3 import S3Client

    from glacierctl.model import Task

HREF = "s3://glaciers/scenes/B08.tif"
CONTENT = bytes(range(256)) * 40


def client(monkeypatch: pytest.MonkeyPatch, url: str) -> "Callable[[], S3Client]":
    """As the worker makes it: one attempt, since whoever reads scenes repeats and counts."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", url)
    return lambda: s3_client("us-west-2", connect_timeout_s=5, read_timeout_s=1)


@pytest.fixture
def getter(s3: "S3Client", s3_faults: Proxy, monkeypatch: pytest.MonkeyPatch) -> S3Getter:
    s3.put_object(Bucket="glaciers", Key="scenes/B08.tif", Body=CONTENT)
    return S3Getter(client(monkeypatch, s3_faults.url), requester_pays=())


@pytest.mark.parametrize(("start", "stop"), [(0, 1), (0, 10240), (1000, 2000), (10239, 10240)])
def test_a_range_is_what_was_asked_for_with_the_size_of_the_file(getter: S3Getter, start: int, stop: int) -> None:
    assert getter.get(HREF, start, stop) == Piece(CONTENT[start:stop], len(CONTENT))


def test_a_range_over_the_end_is_short_and_one_beyond_it_empty(getter: S3Getter) -> None:
    assert getter.get(HREF, 10_000, 20_000) == Piece(CONTENT[10_000:], len(CONTENT))
    assert getter.get(HREF, 20_000, 30_000).data == b""


@pytest.mark.parametrize(
    ("fault", "transient"),
    [
        ({"status": 500, "code": "InternalError"}, True),
        ({"status": 503, "code": "SlowDown"}, True),
        ({"cut": 0.5}, True),
        ({"drop": True}, True),
        ({"wait_s": 2}, True),
        ({"status": 403, "code": "AccessDenied"}, False),
        ({"status": 403, "code": "SignatureDoesNotMatch"}, False),
        ({"status": 400, "code": "ExpiredToken"}, False),
        ({"status": 403, "code": "RequestTimeTooSkewed"}, False),
    ],
    ids=str,
)
def test_what_another_attempt_can_help_is_told_apart(
    getter: S3Getter, s3_faults: Proxy, fault: dict[str, Any], transient: bool
) -> None:
    s3_faults.misbehave(method="GET", **fault)
    with pytest.raises(ReadError, match=r"B08\.tif cannot be read") as caught:
        getter.get(HREF, 0, 100)
    assert (caught.value.transient, caught.value.href) == (transient, HREF)
    assert getter.get(HREF, 0, 100).data == CONTENT[:100]


def test_a_login_that_has_expired_is_to_be_renewed_and_no_other_attempt_helps(
    s3_faults: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Expired:
        def get_frozen_credentials(self) -> None:
            raise UnauthorizedSSOTokenError

    made = client(monkeypatch, s3_faults.url)()
    made._request_signer._credentials = Expired()
    with pytest.raises(ReadError, match="ExpiredToken") as caught:
        S3Getter(lambda: made, requester_pays={"glaciers"}).get(HREF, 0, 100)
    assert not caught.value.transient
    assert "aws sso login" in caught.value.hint


@pytest.mark.parametrize("href", ["s3://glaciers/scenes/none.tif", "s3://nowhere/B08.tif"])
def test_a_scene_that_is_not_there_is_the_catalogue_s_mistake(getter: S3Getter, href: str) -> None:
    with pytest.raises(ReadError, match="NoSuch") as caught:
        getter.get(href, 0, 100)
    assert not caught.value.transient
    assert "catalogue" in caught.value.hint


def test_only_buckets_that_charge_are_paid(getter: S3Getter, s3_faults: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    s3_faults.charged_bucket = "glaciers"
    with pytest.raises(ReadError, match="AccessDenied"):
        getter.get(HREF, 0, 100)
    paying = S3Getter(client(monkeypatch, s3_faults.url), requester_pays={"glaciers"})
    assert paying.get(HREF, 0, 100).data == CONTENT[:100]


def test_products_of_scenes_on_s3_are_those_of_the_same_scenes_on_disk(
    s3: "S3Client", s3_faults: Proxy, monkeypatch: pytest.MonkeyPatch, tmp_path: "Path"
) -> None:
    on_disk = small.scene(tmp_path / "scenes", 1)
    on_s3 = small.scene(tmp_path / "scenes", 1, address="s3://glaciers/scenes")
    for name in ("B08.tif", "SCL.tif"):
        s3.upload_file(str(tmp_path / "scenes/01" / name), "glaciers", f"scenes/01/{name}")
    s3_faults.misbehave(method="GET", part="B08", cut=0.5, times=2)
    s3_faults.charged_bucket = "glaciers"
    getter = S3Getter(client(monkeypatch, s3_faults.url), requester_pays={"glaciers"})
    images = []
    for scene, folder in ((on_disk, tmp_path / "disk"), (on_s3, tmp_path / "s3")):
        task: Task = small.task([scene], str(folder))
        transport = Transport({"": LocalGetter(), "s3": getter}, ReadPolicy(attempts=4), requester_pays={"glaciers"})
        (product,) = process(task, FolderStore(folder), Means(transport=transport, scratch=tmp_path, workers=2))
        answered = product.usage.requests - product.usage.retries
        assert product.usage.paid_requests == (answered if folder.name == "s3" else 0)
        images.append((folder / product.key).read_bytes())
    assert images[0] == images[1]
