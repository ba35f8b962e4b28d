"""Leases: of several who would do the same, one does it, and when that one dies, another may.

A lease is an object that its holder writes again and again. All times are the store's own, read from its listing, so
that nobody's clock matters. It is numbered: whoever takes over a lapsed lease writes the next number, which a store
grants to one alone. A lease that was given back is empty, since not everybody may delete.
"""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath

from glacierctl.errors import StoreError
from glacierctl.storage import Entry, Store
from glacierctl.storage.layout import lease_key, leases_prefix

BEAT_S = 10.0
"""How often a holder shows that it is alive, seconds."""
LAPSE_S = 30.0
"""After so many seconds without a beat, another may take over."""


@dataclass(frozen=True, slots=True)
class Beat:
    """What a listing shows of a lease's last holder."""

    number: int
    """Which holder it is, from 1."""
    given_back: bool
    """Whether it has ended in good order."""
    age_s: float
    """Seconds since its last beat."""

    @property
    def is_live(self) -> bool:
        """Whether somebody holds the lease."""
        return not self.given_back and self.age_s <= LAPSE_S


class Lease:
    """One that this process holds, until it is given back or lapses."""

    def __init__(self, store: Store, run_id: str, name: str, number: int, *, clock: Callable[[], float]) -> None:
        """`clock` tells seconds; only differences count."""
        self._store = store
        self._run_id = run_id
        self._name = name
        self._number = number
        self._clock = clock
        self._last_beat = clock()
        self._beats = 0
        self._overtaken = False

    @property
    def is_held(self) -> bool:
        """Whether nobody else can have taken it; ask before every step that must not be done twice."""
        return not self._overtaken and self._clock() - self._last_beat <= LAPSE_S

    def beat(self) -> None:
        """Show that this holder is alive. A store that does not answer is asked again at the next beat."""
        began = self._clock()
        try:
            if not self.is_held or self._store.exists(self._key(self._number + 1)):
                self._overtaken = True
                return
            self._beats += 1
            self._store.put(self._key(self._number), _content(self._beats))
        except StoreError:
            return
        self._last_beat = began

    def give_back(self) -> None:
        """Let others have it at once. If the store does not answer, it lapses by itself."""
        if self._overtaken:
            return
        try:
            self._store.put(self._key(self._number), b"")
        except StoreError:
            return

    def _key(self, number: int) -> str:
        return lease_key(self._run_id, self._name, number)


def take_lease(store: Store, run_id: str, name: str, *, clock: Callable[[], float] = time.monotonic) -> Lease | None:
    """Become the holder of the lease on `name`; None if somebody else is.

    Args:
        store: where the ledger lies.
        run_id: the run.
        name: a task's id, or `handover`.
        clock: seconds; only differences count.

    Raises:
        StoreError: the store cannot be listed or written to.
    """
    last = last_beat(store.listing(leases_prefix(run_id, name)), store)
    if last and last.is_live:
        return None
    number = last.number + 1 if last else 1
    lease = Lease(store, run_id, name, number, clock=clock)
    return lease if store.put_new(lease_key(run_id, name, number), _content(0)) else None


def last_beat(entries: Iterator[Entry], store: Store) -> Beat | None:
    """What the listing of one lease shows; None if nobody ever held it."""
    newest = max(entries, key=lambda entry: lease_number(entry.key), default=None)
    if newest is None:
        return None
    age_s = (store.now() - newest.modified).total_seconds()
    return Beat(lease_number(newest.key), newest.size == 0, age_s)


def lease_number(key: str) -> int:
    """Which holder's a lease's key is."""
    return int(PurePosixPath(key).stem)


@contextmanager
def beating(lease: Lease, *, beat_s: float = BEAT_S) -> Iterator[Lease]:
    """Beat in the background while the context lasts, then give the lease back."""
    over = threading.Event()

    def beat() -> None:
        while not over.wait(beat_s):
            lease.beat()

    thread = threading.Thread(target=beat, name="lease", daemon=True)
    thread.start()
    try:
        yield lease
    finally:
        over.set()
        thread.join()
        lease.give_back()


def _content(beats: int) -> bytes:
    return (json.dumps({"beats": beats}) + "\n").encode()
