"""Objects of S3 read piece by piece; a read that is cut off goes on from there."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Protocol

from botocore.exceptions import (
    ConnectionClosedError,
    HTTPClientError,
    IncompleteReadError,
    ReadTimeoutError,
    ResponseStreamingError,
)

if TYPE_CHECKING:
    from types_boto3_s3.type_defs import GetObjectOutputTypeDef

PIECE = 1 << 20
"""Bytes that are handed on at once."""
_BREAKS = 5
"""How many breaks in a row, without a byte between them, are too many."""
_PAUSE_S = 0.2
"""Before the first attempt to go on; doubled with each break in a row."""
_CUT = (ConnectionClosedError, HTTPClientError, IncompleteReadError, ReadTimeoutError, ResponseStreamingError)


class Ask(Protocol):
    """Asks S3 for an object."""

    def __call__(self, start: int, etag: str) -> "GetObjectOutputTypeDef":
        """From byte `start` on; refused if there is an `etag` and the object is another by now."""


def pieces(ask: Ask, answer: "GetObjectOutputTypeDef", sleep: Callable[[float], None]) -> Iterator[bytes]:
    """What is left of an object, to its end.

    Args:
        ask: asks for the rest.
        answer: to a first question.
        sleep: waits for seconds.

    Raises:
        BotoCoreError, ClientError: it cannot be read to its end, or is another by now.
    """
    done, breaks = 0, 0
    while True:
        try:
            for piece in answer["Body"].iter_chunks(PIECE):
                done, breaks = done + len(piece), 0
                yield piece
        except _CUT:
            breaks += 1
            if breaks > _BREAKS:
                raise
        else:
            return
        sleep(_PAUSE_S * 2 ** (breaks - 1))
        answer = ask(done, answer["ETag"])
