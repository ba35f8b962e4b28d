"""Byte ranges of objects on S3, the reader paying where a bucket asks for it."""

import threading
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from glacierctl.errors import ReadError
from glacierctl.storage.ranges import Piece

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_s3.type_defs import GetObjectRequestTypeDef

_CLOCK = "RequestTimeTooSkewed"
_DENIED = "AccessDenied"
_EXPIRED = "ExpiredToken"
_LASTING = frozenset({"NoSuchKey", "NoSuchBucket", "404", _DENIED, "403", "InvalidAccessKeyId",
                      "SignatureDoesNotMatch", _EXPIRED, "PermanentRedirect", _CLOCK})  # fmt: skip
_BEYOND_THE_END = frozenset({"InvalidRange", "416"})
_MISSING = frozenset({"NoSuchKey", "NoSuchBucket", "404"})


class S3Getter:
    """Ranges of `s3://` addresses. Safe to use from many threads; the client is made at the first read."""

    def __init__(self, client: "Callable[[], S3Client]", requester_pays: Collection[str]) -> None:
        """`requester_pays` are the buckets whose reads the reader agrees to pay for."""
        self._make_client = client
        self._client: S3Client | None = None
        self._lock = threading.Lock()
        self._requester_pays = frozenset(requester_pays)

    def get(self, href: str, start: int, stop: int) -> Piece:
        """See `RangeGetter.get`."""
        # loaded by the first read of S3 only
        from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError  # noqa: PLC0415

        from glacierctl.storage.credentials import UNUSABLE, have_expired  # noqa: PLC0415

        address = urlsplit(href)
        pays = address.netloc in self._requester_pays
        asked: GetObjectRequestTypeDef = {
            "Bucket": address.netloc,
            "Key": address.path.lstrip("/"),
            "Range": f"bytes={start}-{stop - 1}",
        }
        if pays:
            asked["RequestPayer"] = "requester"
        try:
            answer = self._connected().get_object(**asked)
            return Piece(answer["Body"].read(), int(answer["ContentRange"].rpartition("/")[2]))
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code in _BEYOND_THE_END:
                return Piece(b"", start)
            raise _refusal(href, code, error.response["Error"].get("Message", ""), pays=pays) from error
        except UNUSABLE as error:
            code, why = (_EXPIRED, str(error)) if have_expired(error) else (_DENIED, "there are no AWS credentials")
            raise _refusal(href, code, why, pays=pays) from error
        except (BotoCoreError, HTTPClientError) as error:
            raise _refusal(href, type(error).__name__, str(error), pays=pays) from error

    def _connected(self) -> "S3Client":
        with self._lock:
            if self._client is None:
                self._client = self._make_client()
            return self._client


def _refusal(href: str, code: str, message: str, *, pays: bool) -> ReadError:
    from glacierctl.storage.credentials import SIGN_IN_AGAIN  # noqa: PLC0415 (it loads botocore)

    if code in _MISSING:
        hint = "The catalogue lists a file that its archive does not hold. Leave this date out, or ask the provider."
    elif code == _CLOCK:
        hint = "This machine's clock is wrong: set it, then try again."
    elif code == _EXPIRED:
        hint = SIGN_IN_AGAIN
    elif pays:
        hint = "These files are paid for by their reader: set up AWS credentials (`aws configure`), then try again."
    else:
        hint = "Check the AWS credentials and that they may read this bucket."
    return ReadError(
        f"{href} cannot be read",
        why=f"S3 answers {code}" + (f": {message}" if message else ""),
        hint=hint if code in _LASTING else "Try again later.",
        href=href,
        transient=code not in _LASTING,
    )
