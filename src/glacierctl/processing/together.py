"""Several things that are mostly waiting for answers, at once."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

_T = TypeVar("_T")
_AT_ONCE = 8


def map_together(function: Callable[..., _T], *arguments: Iterable[Any]) -> list[_T]:
    """`map`, in threads. If some raise, all have ended before the first of them in order is raised."""
    with ThreadPoolExecutor(_AT_ONCE, "together") as threads:
        return list(threads.map(function, *arguments))


def run_together(*works: Callable[[], Any]) -> list[Any]:
    """Results of works, as `map_together` gives them."""
    return map_together(lambda work: work(), works)
