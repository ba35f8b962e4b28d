"""What AWS refuses, in words: botocore's errors are translated here, once.

AwsError             AWS says no; the message is AWS's own
├── NoCredentials        there are none, or they are incomplete
├── ExpiredCredentials   they were valid once
├── Denied               they do not allow an action
├── NotFound             what was asked for is not there
├── Conflict             somebody else is changing it, or has changed it
├── Throttled            too many requests, even after waiting
├── QuotaTooSmall        the account may not have as much
├── NotReady             it did not become ready in time, or failed on the way
└── Unreachable          no answer
"""
# ruff: noqa: N818 - each is named after what happened; "Error" is said by the base

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NoReturn

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
    NoRegionError,
)

from glacierctl.errors import GlacierctlError
from glacierctl.storage.credentials import EXPIRED, SIGN_IN_AGAIN, UNUSABLE, have_expired

_INVALID = frozenset({"InvalidClientTokenId", "UnrecognizedClientException", "SignatureDoesNotMatch",
                      "InvalidSignatureException", "InvalidAccessKeyId", "MissingAuthenticationToken",
                      "IncompleteSignature", "AuthFailure", "InvalidToken"})  # fmt: skip
_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "403", "NotAuthorized"})
_MISSING = frozenset({"ResourceNotFoundException", "RepositoryNotFoundException", "NoSuchEntity", "404", "NoSuchBucket",
                      "ImageNotFoundException", "LifecyclePolicyNotFoundException", "RepositoryPolicyNotFoundException",
                      "AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist", "NoSuchKey",
                      "NoSuchPublicAccessBlockConfiguration", "NoSuchResourceException",
                      "ProvisionedConcurrencyConfigNotFoundException"})  # fmt: skip
_CONFLICT = frozenset({"ResourceConflictException", "PreconditionFailedException", "EntityAlreadyExists",
                       "RepositoryAlreadyExistsException", "ResourceAlreadyExistsException", "ConcurrentModification",
                       "ImageTagAlreadyExistsException", "ImageAlreadyExistsException", "OperationAbortedException",
                       "ConcurrentModificationException", "QueueAlreadyExists", "QueueNameExists", "ResourceInUse",
                       "ResourceInUseException", "DeleteConflict"})  # fmt: skip
_THROTTLED = frozenset({"Throttling", "ThrottlingException", "TooManyRequestsException", "RequestLimitExceeded",
                        "SlowDown", "ThrottledException", "RequestThrottled"})  # fmt: skip
_QUOTA = frozenset({"LimitExceededException", "LimitExceeded", "ServiceQuotaExceededException", "QuotaExceeded",
                    "CodeStorageExceededException"})  # fmt: skip
_CLOCK = re.compile(r"Signature expired|Signature not yet current|RequestTimeTooSkewed")
"""In what AWS says of a request that was signed by a clock that is more than some minutes wrong."""
_MEMORY_CAP = re.compile(r"'?memorySize'?.*less than or equal to (\d+)", re.IGNORECASE | re.DOTALL)
_CONCURRENCY_CAP = "UnreservedConcurrentExecution below its minimum"
_NOT_AUTHORIZED = re.compile(
    r'not authorized to perform: (?P<action>[\w:-]+)(?: on resource: "?(?P<resource>[^\s"]+))?'  # S3 quotes it
)
_NO_CODE = re.compile(r"denied by S3.* permission to GetObject for (?P<resource>\S+?)\.?(?:\s|$)")
"""What Lambda says of code in a bucket; S3's own words may follow."""
_SET_UP = "Set them up with `aws configure` or `aws configure sso`, or name a profile: AWS_PROFILE=name."


class AwsError(GlacierctlError):
    """AWS refuses; `code` is its own word for why, empty if the refusal is ours."""

    def __init__(self, what: str, *, why: str, hint: str, code: str = "") -> None:
        super().__init__(what, why=why, hint=hint)
        self.code = code


class NoCredentials(AwsError):
    """There are no credentials, or none that AWS knows."""


class ExpiredCredentials(AwsError):
    """The credentials were valid once."""


class Denied(AwsError):
    """The credentials do not allow it; `action` is what is missing, `resource` on what."""

    def __init__(self, what: str, *, why: str, hint: str, code: str, action: str, resource: str) -> None:
        super().__init__(what, why=why, hint=hint, code=code)
        self.action = action
        self.resource = resource


class NotFound(AwsError):
    """What was asked for is not there."""


class Conflict(AwsError):
    """Somebody else is changing it, has changed it, or has made it."""


class Throttled(AwsError):
    """Too many requests, even after waiting."""


class QuotaTooSmall(AwsError):
    """The account may not have as much."""


class NotReady(AwsError):
    """It did not become ready in time, or failed on the way."""


class Unreachable(AwsError):
    """No answer."""


@contextmanager
def talking_about(resource: str) -> Iterator[None]:
    """Translate what botocore raises inside; `resource` is named in the message, as in "the function x".

    Raises:
        AwsError: or the subclass that fits.
    """
    try:
        yield
    except ClientError as error:
        raise refusal(error, resource) from error
    except UNUSABLE as error:
        _raise_credentials(error, resource)
    except (EndpointConnectionError, ConnectTimeoutError, HTTPClientError) as error:
        raise Unreachable(
            f"AWS does not answer about {resource}",
            why=" ".join(str(error).split()),
            hint="Check the network and the AWS region, then try again: what is done already is not done twice.",
        ) from error
    except NoRegionError as error:
        raise AwsError(f"{resource} cannot be asked for", why=str(error), hint="Say the AWS region.") from error
    except BotoCoreError as error:
        raise AwsError(
            f"{resource} cannot be asked for", why=" ".join(str(error).split()), hint="Mend what AWS's library says."
        ) from error


def refusal(error: ClientError, resource: str) -> AwsError:
    """What an answer of AWS with an error means."""
    code, message = _code_and_message(error)
    what = f"AWS refuses {error.operation_name} for {resource}"
    if useless := _useless_credentials(message, code):
        return useless
    if code in _DENIED:
        return _denied(error, resource)
    if cap := _cap(message, resource, code):
        return cap
    for codes, kind, hint in (
        (_MISSING, NotFound, "Check its name and the AWS region; `glacierctl deploy` makes what is missing."),
        (_CONFLICT, Conflict, "Somebody else may be deploying. Wait until they are done, then repeat the command."),
        (_THROTTLED, Throttled, "Wait a minute, then repeat the command: what is done already is not done twice."),
        (
            _QUOTA,
            QuotaTooSmall,
            "Free some, or ask AWS for more: Service Quotas in the console. See `glacierctl doctor`.",
        ),
    ):
        if code in codes:
            return kind(what, why=f"{message or code}", hint=hint, code=code)
    return AwsError(what, why=f"{code}: {message}", hint="Mend what AWS says, then repeat the command.", code=code)


def _useless_credentials(message: str, code: str) -> AwsError | None:
    """What an answer means that says why a request is not signed well; None if it is about something else."""
    if _CLOCK.search(f"{code} {message}"):
        return AwsError(
            "this machine's clock is wrong",
            why=f"{code}: {message}",
            hint="Set the clock, then repeat the command: AWS takes no request that is signed some minutes off.",
            code=code,
        )
    if code in EXPIRED:
        return ExpiredCredentials(
            "the AWS credentials have expired", why=message or code, hint=SIGN_IN_AGAIN, code=code
        )
    if code in _INVALID:
        return NoCredentials("AWS does not know these credentials", why=message or code, hint=_SET_UP, code=code)
    return None


def _code_and_message(error: ClientError) -> tuple[str, str]:
    told: Mapping[str, Any] = error.response.get("Error", {})
    # Services that answer in JSON write "message", those that answer in XML "Message".
    return told.get("Code", ""), " ".join((told.get("Message") or told.get("message") or "").split())


def _denied(error: ClientError, resource: str) -> Denied:
    code, message = _code_and_message(error)
    action, on = error.operation_name, resource
    if told := _NOT_AUTHORIZED.search(message):
        action, on = told["action"], told["resource"] or resource
    elif told := _NO_CODE.search(message):
        action, on = "s3:GetObject", told["resource"]
    return Denied(
        f"these credentials do not allow {action}",
        why=message or f"AWS answers {code} about {resource}",
        hint=f"Ask whoever manages the account to allow {action} on {on}; `glacierctl iam show` prints what is needed.",
        code=code,
        action=action,
        resource=on,
    )


def _cap(message: str, resource: str, code: str) -> QuotaTooSmall | None:
    """What a limit of the account means, which Lambda words as an invalid value; None if the message tells of none."""
    if cap := _MEMORY_CAP.search(message):
        return QuotaTooSmall(
            f"{resource} cannot have as much memory",
            why=f"this account's functions may have {cap[1]} MB at most",
            hint=f"Say --memory {cap[1]} or less, or ask AWS Support to raise the account's Lambda memory.",
            code=code,
        )
    if _CONCURRENCY_CAP in message:
        return QuotaTooSmall(
            "the account cannot hold back as many concurrent invocations",
            why=message,
            hint="Set reserved_concurrency lower, or ask AWS for more: Service Quotas in the console.",
            code=code,
        )
    return None


def _raise_credentials(error: BotoCoreError, resource: str) -> NoReturn:
    text = " ".join(str(error).split())
    if have_expired(error):
        raise ExpiredCredentials("the AWS credentials have expired", why=text, hint=SIGN_IN_AGAIN) from error
    raise NoCredentials(f"there are no AWS credentials to ask about {resource}", why=text, hint=_SET_UP) from error
