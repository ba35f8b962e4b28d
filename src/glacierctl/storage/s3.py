"""A store under a prefix of an S3 bucket."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, NoCredentialsError

from glacierctl.errors import StoreError

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

_MISSING = frozenset({"NoSuchKey", "404"})
_EXISTS = frozenset({"PreconditionFailed", "412"})
_BUSY = frozenset({"ConditionalRequestConflict", "409"})
"""Two conditional writes of one key at once: neither is done, and S3 asks to try again."""
_CONFLICTS = 8
"""How often a conditional write is tried before it counts as failed."""

_MEDIA_TYPES = {
    ".tif": "image/tiff; application=geotiff; profile=cloud-optimized",
    ".json": "application/json",
    ".png": "image/png",
    ".csv": "text/csv; charset=utf-8",
}

_HINTS = {
    "NoSuchBucket": "Create the bucket, or name another one.",
    "AccessDenied": (
        "The role or user needs s3:GetObject, s3:PutObject and s3:DeleteObject on these keys and s3:ListBucket on the "
        "bucket; without the last, S3 answers the same for keys that are not there."
    ),
    "PermanentRedirect": "The bucket lies in another AWS region: name that region.",
    "ExpiredToken": "Log in to AWS anew, then run the same command again.",
    "InvalidAccessKeyId": "Check the AWS credentials (aws sts get-caller-identity).",
    "SignatureDoesNotMatch": "Check the AWS credentials (aws sts get-caller-identity).",
    "SlowDown": "S3 asks to go slower. Try again with fewer workers at once.",
    "NoCredentials": "Set up AWS credentials (aws configure), then try again.",
}
_HINTS["403"] = _HINTS["AccessDenied"]
_HINTS["301"] = _HINTS["PermanentRedirect"]


class S3Store:
    """Objects below `s3://bucket/prefix/`. S3 shows an object whole or not at all."""

    def __init__(self, url: str, client: "S3Client") -> None:
        """`url` is `s3://bucket` or `s3://bucket/prefix`; `client` repeats what fails in passing.

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

    @property
    def url(self) -> str:
        """Such as `s3://bucket/prefix`, without a slash at its end."""
        return f"s3://{self._bucket}/{self._prefix}".rstrip("/")

    def put(self, key: str, content: bytes | Path) -> None:
        """See `Store.put`. S3 compares the content with its checksum before it accepts it."""
        with self._refusals("written to", key):
            if isinstance(content, bytes):
                self._put(key, content)
            else:
                self._put_file(key, content)

    def put_new(self, key: str, content: bytes) -> bool:
        """See `Store.put_new`."""
        with self._refusals("written to", key):
            for attempt in range(1, _CONFLICTS + 1):
                try:
                    self._client.put_object(
                        Bucket=self._bucket,
                        Key=self._prefix + key,
                        Body=content,
                        ContentType=_media_type(key),
                        ChecksumAlgorithm="SHA256",
                        IfNoneMatch="*",
                    )
                except ClientError as error:
                    if _code(error) in _EXISTS:
                        return False
                    if _code(error) not in _BUSY or attempt == _CONFLICTS:
                        raise
                else:
                    return True
        raise AssertionError

    def delete(self, key: str) -> None:
        """See `Store.delete`."""
        with self._refusals("removed from", key):
            self._client.delete_object(Bucket=self._bucket, Key=self._prefix + key)

    def get(self, key: str) -> bytes | None:
        """See `Store.get`."""
        with self._refusals("read from", key):
            try:
                return self._client.get_object(Bucket=self._bucket, Key=self._prefix + key)["Body"].read()
            except ClientError as error:
                if _code(error) in _MISSING:
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
                if _code(error) in _MISSING:
                    return False
                raise
            return True

    def list(self, prefix: str) -> Iterator[str]:
        """See `Store.list`. S3 lists in order."""
        with self._refusals("listed in", prefix):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=self._prefix + prefix
            )
            for page in pages:
                for found in page.get("Contents", []):
                    yield found["Key"].removeprefix(self._prefix)

    def _put(self, key: str, content: bytes) -> None:
        self._client.put_object(
            Bucket=self._bucket,
            Key=self._prefix + key,
            Body=content,
            ContentType=_media_type(key),
            ChecksumAlgorithm="SHA256",
        )

    def _put_file(self, key: str, path: Path) -> None:
        try:
            with path.open("rb") as file:
                self._client.put_object(
                    Bucket=self._bucket,
                    Key=self._prefix + key,
                    Body=file,
                    ContentType=_media_type(key),
                    ChecksumAlgorithm="SHA256",
                )
        except OSError as error:
            raise StoreError(
                f"{key} cannot be written to {self.url}",
                why=f"{path} cannot be read ({error.strerror or error})",
                hint="Try again: the file was made a moment ago.",
            ) from error

    @contextmanager
    def _refusals(self, done: str, key: str) -> Iterator[None]:
        """Put what S3 refuses in words.

        Raises:
            StoreError: instead of botocore's errors.
        """
        what = f"{key} cannot be {done} {self.url}"
        try:
            yield
        except ClientError as error:
            code, message = _code(error), error.response["Error"].get("Message", "")
            why = f"S3 answers {code}" + (f": {message}" if message and message != code else "")
            raise StoreError(what, why=why, hint=_HINTS.get(code, "Try again later.")) from error
        except NoCredentialsError as error:
            raise StoreError(what, why="there are no AWS credentials", hint=_HINTS["NoCredentials"]) from error
        except (BotoCoreError, HTTPClientError) as error:
            raise StoreError(what, why=f"S3 cannot be reached ({error})", hint="Try again later.") from error


def _code(error: ClientError) -> str:
    return str(error.response["Error"]["Code"])


def _media_type(key: str) -> str:
    return _MEDIA_TYPES.get(PurePosixPath(key).suffix, "application/octet-stream")
