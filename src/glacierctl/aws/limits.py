"""What the account may have of Lambda, beside what the settings ask for."""

import re
from dataclasses import dataclass

from glacierctl.aws.errors import AwsError, NotFound, talking_about
from glacierctl.aws.finding import Finding, Verdict
from glacierctl.aws.names import Names
from glacierctl.aws.session import Aws

_MEMORY = re.compile(r"function memory maximum", re.IGNORECASE)
_KEPT_FREE = 100
"""Concurrent invocations that Lambda does not let anybody reserve."""
_FEW = 50
"""Accounts with fewer concurrent invocations are new ones, which AWS has not opened yet."""
_NEW_ACCOUNT_MEMORY_MB = 3008


@dataclass(frozen=True)
class Limits:
    """Quotas of an account in an AWS region."""

    concurrency: int
    """How many invocations may run at once, of all functions."""
    unreserved: int
    """How many of these no function has reserved for itself."""
    memory_mb: int | None
    """Most memory of a function; None if AWS does not tell."""


def read(aws: Aws) -> Limits:
    """Ask for the account's limits.

    Raises:
        AwsError: AWS does not let us look at the concurrency; of memory it need not tell.
    """
    with talking_about("the account's limits"):
        told = aws.functions.get_account_settings()["AccountLimit"]
    return Limits(
        concurrency=told.get("ConcurrentExecutions", 0),
        unreserved=told.get("UnreservedConcurrentExecutions", 0),
        memory_mb=_memory_mb(aws),
    )


def check_limits(aws: Aws, names: Names, *, memory_mb: int, reserved: int | None) -> Finding:
    """Whether the account may have as much as the settings say.

    Args:
        aws: the account.
        names: what the deployment's parts are called.
        memory_mb: that the function shall have.
        reserved: concurrent invocations that shall be held back for it; None for none.
    """
    try:
        with talking_about(f"the concurrency of {names.function}"):
            told = aws.functions.get_function_concurrency(FunctionName=names.function)
            already = told.get("ReservedConcurrentExecutions", 0)
    except NotFound:
        already = 0
    return judge(read(aws), memory_mb=memory_mb, reserved=reserved, already_reserved=already)


def judge(limits: Limits, *, memory_mb: int, reserved: int | None, already_reserved: int) -> Finding:
    """Compare limits with what is asked for.

    Args:
        limits: of the account.
        memory_mb: that the function shall have.
        reserved: concurrent invocations that shall be held back for it; None for none.
        already_reserved: how many are now.
    """
    told = f"{limits.concurrency} invocations at once, {limits.unreserved} of them not reserved"
    more = "Ask for more: Service Quotas in the AWS console, AWS Lambda, Concurrent executions."
    if limits.memory_mb is not None and limits.memory_mb < memory_mb:
        words = f"a function may have {limits.memory_mb} MB of memory, the settings say {memory_mb}"
        return Finding("quotas", Verdict.BROKEN, words, f"Set memory_mb to {limits.memory_mb} or less.")
    if reserved is not None and reserved > limits.unreserved + already_reserved - _KEPT_FREE:
        words = f"{reserved} invocations cannot be reserved: {told}, and Lambda keeps {_KEPT_FREE} free"
        return Finding("quotas", Verdict.BROKEN, words, f"Set reserved_concurrency lower. {more}")
    if limits.concurrency < _FEW:
        cap = f"; functions of so small an account often get {_NEW_ACCOUNT_MEMORY_MB} MB at most"
        words = f"only {told}: tasks will wait{cap if memory_mb > _NEW_ACCOUNT_MEMORY_MB else ''}"
        return Finding("quotas", Verdict.LOOK, words, more)
    memory = f"; up to {limits.memory_mb} MB" if limits.memory_mb is not None else ""
    return Finding("quotas", Verdict.OK, f"{told}{memory}")


def _memory_mb(aws: Aws) -> int | None:
    try:
        with talking_about("the quotas of Lambda"):
            pages = aws.quotas.get_paginator("list_service_quotas").paginate(ServiceCode="lambda")
            found = [quota for page in pages for quota in page["Quotas"] if _MEMORY.search(quota.get("QuotaName", ""))]
    except AwsError:
        return None
    return int(found[0]["Value"]) if found and "Value" in found[0] else None
