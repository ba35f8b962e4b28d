"""What S3 refuses, put in words."""

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError

from glacierctl.errors import StoreError, StoreLoginError
from glacierctl.storage.credentials import EXPIRED, SIGN_IN_AGAIN, UNUSABLE, have_expired

DENIED = frozenset({"AccessDenied", "403"})
"""Codes of what the asker may not do."""
_HINTS = {
    "NoSuchBucket": "Create the bucket, or name another one.",
    "AccessDenied": (
        "The role or user needs s3:GetObject, s3:PutObject and s3:DeleteObject on these keys and s3:ListBucket on the "
        "bucket; without the last, S3 answers the same for keys that are not there."
    ),
    "PermanentRedirect": "The bucket lies in another AWS region: name that region.",
    "InvalidAccessKeyId": "Check the AWS credentials (aws sts get-caller-identity).",
    "SignatureDoesNotMatch": "Check the AWS credentials (aws sts get-caller-identity).",
    "RequestTimeTooSkewed": "This machine's clock is wrong: set it, then try again.",
    "SlowDown": "S3 asks to go slower. Try again with fewer workers at once.",
    "400": f"S3 says no more than that to some questions; mostly the credentials have expired. {SIGN_IN_AGAIN}",
    "NoCredentials": "Set up AWS credentials (aws configure), then try again.",
}
_HINTS["403"] = _HINTS["AccessDenied"]
_HINTS["301"] = _HINTS["PermanentRedirect"]


@contextmanager
def in_words(what: str, *, signed: bool = True) -> Iterator[None]:
    """Put what S3 refuses within the context in words.

    Args:
        what: what cannot be done.
        signed: whether requests are signed. Those that are not may read what is public.

    Raises:
        StoreLoginError: there are no credentials, or they have expired.
        StoreError: instead of botocore's other errors.
    """
    try:
        yield
    except ClientError as error:
        code, message = code_of(error), error.response["Error"].get("Message", "")
        why = f"S3 answers {code}" + (f": {message}" if message and message != code else "")
        if not signed and code in DENIED:
            raise StoreError(
                what, why=f"there are no AWS credentials, and {why}", hint=_HINTS["NoCredentials"]
            ) from error
        if code in EXPIRED:
            raise StoreLoginError(what, why=why, hint=SIGN_IN_AGAIN) from error
        raise StoreError(what, why=why, hint=_HINTS.get(code, "Try again later.")) from error
    except UNUSABLE as error:
        if have_expired(error):
            raise StoreLoginError(
                what, why=f"the AWS credentials have expired ({error})", hint=SIGN_IN_AGAIN
            ) from error
        raise StoreLoginError(
            what, why=f"there are no AWS credentials ({error})", hint=_HINTS["NoCredentials"]
        ) from error
    except (BotoCoreError, HTTPClientError) as error:
        raise StoreError(what, why=f"S3 cannot be reached ({error})", hint="Try again later.") from error


def code_of(error: ClientError) -> str:
    """S3's code of an error: a word, or the status as text where an answer has no body."""
    return str(error.response["Error"]["Code"])
