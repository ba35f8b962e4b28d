"""Works one after the other, where each may begin while the one before it comes to its end."""

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from typing import TypeVar

_T = TypeVar("_T")


class Leg:
    """What a work knows of those before and after it."""

    def __init__(self, called_off: threading.Event, before: "Leg | None") -> None:
        self.handed_on = threading.Event()
        self.taken = threading.Event()
        self._ended = threading.Event()
        self._called_off = called_off
        # not the leg: it would hold all before it
        self._before_ended = before._ended if before else None  # noqa: SLF001
        self._before_taken = before.taken if before else None

    def go_on(self) -> None:
        """To be asked now and then.

        Raises:
            CancelledError: nobody waits for the result any more.
        """
        if self._called_off.is_set():
            raise CancelledError

    @property
    def is_alone(self) -> bool:
        """Whether the work before has ended."""
        return self._before_ended is None or self._before_ended.is_set()

    def hand_on(self) -> None:
        """Let the next work begin beside this one."""
        self.handed_on.set()

    def wait_until_wanted(self) -> None:
        """Wait until the result before this one is taken and this one asked for.

        Raises:
            CancelledError: nobody waits for the result any more.
        """
        if self._before_taken is not None:
            self._before_taken.wait()
        self.go_on()

    def wait_until_alone(self) -> None:
        """Wait for the work before to end."""
        if self._before_ended is not None:
            self._before_ended.wait()

    def run(self, work: Callable[["Leg"], _T]) -> _T:
        """Do the work; the next one may begin after it in any case."""
        try:
            return work(self)
        finally:
            self._ended.set()
            self.hand_on()


def in_relay(works: Iterable[Callable[[Leg], _T]]) -> Iterator[_T]:
    """Results in order, each as soon as it is there. At most two works are under way, in threads of their own.

    When a work raises, or nobody wants more results, what is under way is called off and has ended before this returns.
    """
    called_off = threading.Event()
    before: tuple[Leg, Future[_T]] | None = None
    with ThreadPoolExecutor(2, "relay") as threads:
        try:
            for work in works:
                if before:
                    before[0].handed_on.wait()
                leg = Leg(called_off, before[0] if before else None)
                result = threads.submit(leg.run, work)
                if before:
                    yield before[1].result()
                    before[0].taken.set()
                before = leg, result
            if before:
                yield before[1].result()
        finally:
            called_off.set()
            if before:
                before[0].taken.set()  # else who waits for that would wait for ever
