"""A store under a prefix of an S3 bucket."""

import datetime as dt
import functools
import io
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from email.utils import parsedate_to_datetime
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import urlsplit

from botocore import UNSIGNED
from botocore.exceptions import (
    ClientError,
    FlexibleChecksumError,
    IncompleteReadError,
    ReadTimeoutError,
    ResponseStreamingError,
)

from glacierctl.errors import StoreError
from glacierctl.storage.interface import Entry
from glacierctl.storage.s3_reading import pieces
from glacierctl.storage.s3_refusals import DENIED, code_of, in_words

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_s3.type_defs import (
        GetObjectOutputTypeDef,
        GetObjectRequestTypeDef,
        ListObjectsV2OutputTypeDef,
    )

_MISSING = frozenset({"NoSuchKey", "404"})
_EXISTS = frozenset({"PreconditionFailed", "412"})
_SENT_AGAIN = frozenset({"ConditionalRequestConflict", "409", "BadDigest"})
"""Two conditional writes of one key at once, of which neither is done; or content that changed on its way."""
_BROKEN = (FlexibleChecksumError, IncompleteReadError, ReadTimeoutError, ResponseStreamingError)
"""An object arrived cut or changed. What goes wrong before that, the client repeats."""
_PAUSES_S = (0.1, 0.3, 1.0, 3.0)
"""Before what went wrong in such a way is tried again, seconds."""

_MEDIA_TYPES = {
    ".tif": "image/tiff; application=geotiff; profile=cloud-optimized",
    ".json": "application/json",
    ".png": "image/png",
    ".csv": "text/csv; charset=utf-8",
}


class S3Store:
    """Objects below `s3://bucket/prefix/`. S3 shows an object whole or not at all."""

    def __init__(
        self,
        url: str,
        client: "S3Client",
        *,
        clock: Callable[[], dt.datetime] | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """`url` is `s3://bucket` or `s3://bucket/prefix`; `client` repeats what fails in passing.

        `clock` tells this machine's time with its zone, S3's may differ; `sleep` waits so many seconds.

        Raises:
            StoreError: `url` names no bucket.
        """
        address = urlsplit(url)
        if address.scheme != "s3" or not address.netloc or address.query or address.fragment:
            raise StoreError(
                f"{url} is no place for results", why="it names no bucket", hint="Write it as s3://bucket/prefix."
            )
        self._bucket = address.netloc
        prefix = address.path.strip("/")
        self._prefix = f"{prefix}/" if prefix else ""
        self._client = client
        self._sleep = sleep
        self._clock = clock or _machine_time
        self._ahead: dt.timedelta | None = None  # how far S3's clock is ahead of this machine's

    @property
    def url(self) -> str:
        """Such as `s3://bucket/prefix`, without a slash at its end."""
        return f"s3://{self._bucket}/{self._prefix}".rstrip("/")

    def put(self, key: str, content: bytes | Path) -> None:
        """See `Store.put`. S3 compares the content with its checksum before it accepts it."""
        with self._refusals("written to", key):
            self._send(key, content)

    def put_new(self, key: str, content: bytes) -> bool:
        """See `Store.put_new`."""
        writer = uuid.uuid4().hex
        with self._refusals("written to", key):
            try:
                self._send(key, content, IfNoneMatch="*", Metadata={"writer": writer})
            except ClientError as error:
                if code_of(error) not in _EXISTS:
                    raise
                return _was_repeated(error) and self._writer(key) == writer
            return True

    def delete(self, key: str) -> None:
        """See `Store.delete`."""
        with self._refusals("removed from", key):
            self._client.delete_object(Bucket=self._bucket, Key=self._prefix + key)

    def get(self, key: str) -> bytes | None:
        """See `Store.get`. S3's checksum of the object is compared."""
        with self._refusals("read from", key):
            for pause_s in (*_PAUSES_S, None):
                try:
                    body = self._client.get_object(Bucket=self._bucket, Key=self._prefix + key)["Body"]
                except ClientError as error:
                    if self._is_missing(key, error):
                        return None
                    raise
                try:
                    return body.read()
                except _BROKEN:
                    if pause_s is None:
                        raise
                    self._sleep(pause_s)
        raise AssertionError

    def read(self, key: str) -> Iterator[bytes] | None:
        """See `Store.read`."""
        with self._refusals("read from", key):
            try:
                return self._pieces(key, self._ask(key, 0, ""))
            except ClientError as error:
                if self._is_missing(key, error):
                    return None
                raise

    def exists(self, key: str) -> bool:
        """See `Store.exists`.

        Raises:
            StoreError: S3 does not say.
        """
        with self._refusals("looked up in", key):
            try:
                self._client.head_object(Bucket=self._bucket, Key=self._prefix + key)
            except ClientError as error:
                if self._is_missing(key, error):
                    return False
                raise
            return True

    def list(self, prefix: str) -> Iterator[str]:
        """See `Store.list`. S3 lists in order."""
        yield from (entry.key for entry in self.listing(prefix))

    def listing(self, prefix: str) -> Iterator[Entry]:
        """See `Store.listing`: one request for each thousand keys."""
        for page in self._pages(prefix):
            for found in page.get("Contents", []):
                key = found["Key"].removeprefix(self._prefix)
                yield Entry(key, found["Size"], found["LastModified"].astimezone(dt.UTC))

    def folders(self, prefix: str) -> Iterator[str]:
        """See `Store.folders`."""
        for page in self._pages(prefix, delimiter="/"):
            for found in page.get("CommonPrefixes", []):
                yield found["Prefix"].removeprefix(self._prefix + prefix).removesuffix("/")

    def now(self) -> dt.datetime:
        """See `Store.now`. S3 dates its answers, so that only a store that was never listed must be asked."""
        if self._ahead is None:
            next(self._pages("runs/", most=1))
        return self._clock() + (self._ahead or dt.timedelta(0))

    def _pages(self, prefix: str, *, delimiter: str = "", most: int = 1000) -> "Iterator[ListObjectsV2OutputTypeDef]":
        with self._refusals("listed in", prefix):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket,
                Prefix=self._prefix + prefix,
                Delimiter=delimiter,
                PaginationConfig={"PageSize": most},
            )
            for page in pages:
                self._set_clock(page["ResponseMetadata"]["HTTPHeaders"].get("date"))
                yield page

    def _set_clock(self, date: str | None) -> None:
        if date:
            self._ahead = parsedate_to_datetime(date).astimezone(dt.UTC) - self._clock()

    def _ask(self, key: str, start: int, etag: str) -> "GetObjectOutputTypeDef":
        asked: GetObjectRequestTypeDef = {"Bucket": self._bucket, "Key": self._prefix + key}
        if etag:
            asked |= {"Range": f"bytes={start}-", "IfMatch": etag}
        return self._client.get_object(**asked)

    def _pieces(self, key: str, answer: "GetObjectOutputTypeDef") -> Iterator[bytes]:
        with self._refusals("read from", key):
            yield from pieces(functools.partial(self._ask, key), answer, self._sleep)

    def _send(self, key: str, content: bytes | Path, **condition: Any) -> None:
        for pause_s in (*_PAUSES_S, None):
            try:
                with self._opened(key, content) as body:
                    self._client.put_object(
                        Bucket=self._bucket,
                        Key=self._prefix + key,
                        Body=body,
                        ContentType=_media_type(key),
                        ChecksumAlgorithm="SHA256",
                        **condition,
                    )
            except ClientError as error:
                if pause_s is None or code_of(error) not in _SENT_AGAIN:
                    raise
                self._sleep(pause_s)
            else:
                return

    def _opened(self, key: str, content: bytes | Path) -> BinaryIO:
        if isinstance(content, bytes):
            return io.BytesIO(content)
        try:
            return content.open("rb")
        except OSError as error:
            raise StoreError(
                f"{key} cannot be written to {self.url}",
                why=f"{content} cannot be read ({error.strerror or error})",
                hint="Try again: the file was made a moment ago.",
            ) from error

    def _writer(self, key: str) -> str:
        """Who put a new key: the client repeats what got no answer, though it may have been done."""
        found = self._client.head_object(Bucket=self._bucket, Key=self._prefix + key)
        return found["Metadata"].get("writer", "")

    def _is_missing(self, key: str, error: ClientError) -> bool:
        """Whether there is no such key. Where listing is allowed below a prefix only, S3 denies what is missing."""
        if code_of(error) in _MISSING:
            return True
        if code_of(error) not in DENIED:
            return False
        try:
            found = self._client.list_objects_v2(Bucket=self._bucket, Prefix=self._prefix + key, MaxKeys=1)
        except ClientError:
            return False  # the denial is the better answer
        return all(one["Key"] != self._prefix + key for one in found.get("Contents", []))

    def _refusals(self, done: str, key: str) -> AbstractContextManager[None]:
        signed = getattr(self._client.meta.config, "signature_version", None) is not UNSIGNED
        return in_words(f"{key} cannot be {done} {self.url}", signed=signed)


def _was_repeated(error: ClientError) -> bool:
    return bool(error.response["ResponseMetadata"].get("RetryAttempts"))


def _media_type(key: str) -> str:
    return _MEDIA_TYPES.get(PurePosixPath(key).suffix, "application/octet-stream")


def _machine_time() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
