"""Byte ranges of remote and local files, tried again where that helps, every one counted."""

import copy
import random
import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from glacierctl.errors import ReadError
from glacierctl.model import Usage
from glacierctl.storage.ranges import Piece, RangeGetter


class DamagedError(ReadError):
    """What arrived makes no sense. It may have been damaged on its way, so it is worth being read once more."""


@dataclass(frozen=True, kw_only=True)
class ReadPolicy:
    """How patient a read is."""

    attempts: int = 5
    """How often one range is asked for in all."""
    connect_timeout_s: float = 10.0
    """How long a server may take to accept a connection."""
    read_timeout_s: float = 30.0
    """How long a server may send nothing in the middle of an answer."""
    backoff_s: float = 0.5
    """Longest pause before the second attempt; it doubles with each further one."""
    max_backoff_s: float = 20.0
    """Longest pause of all."""

    def pause_s(self, attempt: int, jitter: float) -> float:
        """Pause after the failed attempt number `attempt` (from 1); `jitter` is uniform in 0-1.

        Full jitter, so that many workers refused at once do not come back at once:
        https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
        """
        return jitter * min(self.max_backoff_s, self.backoff_s * 2.0 ** (attempt - 1))


class Transport:
    """Reads ranges by the getter of a file's scheme. Safe to use from many threads."""

    def __init__(
        self,
        getters: Mapping[str, RangeGetter],
        policy: ReadPolicy,
        *,
        requester_pays: Collection[str] = (),
        sleep: Callable[[float], object] | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """`getters` by URL scheme; the one for local paths under the empty scheme.

        `requester_pays` are the buckets whose reads the reader pays for. `sleep` is how pauses are made; by default so
        that `stop` ends them.
        """
        self._getters = getters
        self._policy = policy
        self._paid = tuple(f"s3://{bucket}/" for bucket in requester_pays)
        self._stopped = threading.Event()
        self._sleep = sleep or self._stopped.wait
        self._jitter = jitter
        self._lock = threading.Lock()
        self._usage = Usage()
        self._count_in_whole: Callable[[Usage], None] = lambda _usage: None

    @property
    def usage(self) -> Usage:
        """All that was read so far."""
        with self._lock:
            return self._usage

    def part(self) -> "Transport":
        """The same transport with a count of its own, which is part of this one's."""
        made = copy.copy(self)
        vars(made).update(_lock=threading.Lock(), _usage=Usage(), _count_in_whole=self._count)
        return made

    def stop(self) -> None:
        """End pauses and attempts, now and for ever: whoever waits for bytes is to be told soon that none will come."""
        self._stopped.set()

    def read(self, href: str, start: int, stop: int) -> Piece:
        """See `RangeGetter.get`; transient failures are tried again, with pauses between.

        Raises:
            ReadError: the file cannot be read, or not after all attempts.
        """
        getter = self._getter(href)
        for attempt in range(1, self._policy.attempts + 1):
            if self._stopped.is_set():
                raise _interrupted(href)
            try:
                piece = getter.get(href, start, stop)
            except ReadError as error:
                self._count(Usage(requests=1, retries=int(attempt > 1)))
                if not error.transient:
                    raise
                if attempt == self._policy.attempts:
                    raise self._given_up(error) from error
                self._sleep(self._policy.pause_s(attempt, self._jitter()))
            else:
                read, paid = len(piece.data), int(href.startswith(self._paid))
                self._count(Usage(requests=1, retries=int(attempt > 1), bytes_read=read, paid_requests=paid))
                return piece
        raise AssertionError

    def read_exactly(self, href: str, start: int, stop: int) -> bytes:
        """Like `read`, where the file must reach to `stop`.

        Raises:
            ReadError: also when the file ends before.
        """
        piece = self.read(href, start, stop)
        if len(piece.data) != stop - start:
            raise truncated(href, stop, start + len(piece.data))
        return piece.data

    def _getter(self, href: str) -> RangeGetter:
        scheme = href.partition("://")[0].lower() if "://" in href else ""
        if scheme in self._getters:
            return self._getters[scheme]
        known = ", ".join(sorted(f"{name}://" for name in self._getters if name))
        raise ReadError(
            f"{href} cannot be read",
            why=f"there is no way to read {scheme}:// addresses here",
            hint=f"Use a catalogue whose files lie at {known} or on a local disk.",
            href=href,
        )

    def _count(self, usage: Usage) -> None:
        with self._lock:
            self._usage = self._usage + usage
        self._count_in_whole(usage)

    def _given_up(self, error: ReadError) -> ReadError:
        return ReadError(
            error.what,
            why=f"{error.why} ({self._policy.attempts} attempts)",
            hint=error.hint,
            href=error.href,
        )


def _interrupted(href: str) -> ReadError:
    return ReadError(
        f"{href} was not read", why="the work was interrupted", hint="The same command goes on from there.", href=href
    )


def truncated(href: str, stop: int, file_size: int) -> ReadError:
    """The error of a file that ends at byte `file_size`, before byte `stop` that its header speaks of."""
    return ReadError(
        f"{href} is truncated",
        why=f"its header places data up to byte {stop:,}, but it ends at byte {file_size:,}",
        hint="The file is incomplete at its source. Leave this date out, or ask the provider to repair it.",
        href=href,
    )


def damaged(href: str, why: str) -> DamagedError:
    """The error of a file whose bytes are there and make no sense."""
    return DamagedError(
        f"{href} is damaged",
        why=why,
        hint="The file is damaged at its source. Leave this date out, or ask the provider to repair it.",
        href=href,
    )
