"""What botocore raises where there are no credentials to sign with, or none that are valid any more."""

from typing import Any

from botocore import exceptions

EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired"})
"""AWS's codes for credentials that were valid once."""
SIGN_IN_AGAIN = "Log in to AWS again (`aws sso login`, or get new credentials), then repeat the command."
"""What to do about those."""
_LOGIN: Any = getattr(exceptions, "LoginError", exceptions.SSOError)  # of `aws login`, which is younger than SSO
_SIGN_IN = (exceptions.SSOError, exceptions.TokenRetrievalError, _LOGIN)
UNUSABLE: tuple[type[exceptions.BotoCoreError], ...] = (
    *_SIGN_IN,
    exceptions.NoCredentialsError,
    exceptions.PartialCredentialsError,
    exceptions.CredentialRetrievalError,
    exceptions.ProfileNotFound,
)
"""Errors before anything is asked: there is nothing to sign with. They come with the first request, not before."""


def have_expired(error: exceptions.BotoCoreError) -> bool:
    """Whether an error of `UNUSABLE` tells of credentials, or of a login, that were valid once."""
    return isinstance(error, _SIGN_IN) or "expired" in str(error).lower()
