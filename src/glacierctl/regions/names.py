"""Choosing regions by name: an expression and the names there are -> the names that are meant."""

import difflib
import fnmatch
import re
from collections.abc import Sequence

from glacierctl.errors import RegionError

ALL = "all"
"""Selects every region; so no region may be called this."""

_INDEX_SLICE = re.compile(r"(-?\d+)?:(-?\d+)?")
_PATTERN_SIGNS = frozenset("*?[")
_SUGGESTIONS = 5
_SEE_LIST = "`glacierctl regions list` shows all of them."


def select_names(expression: str, names: Sequence[str]) -> list[str]:
    """Names, shell patterns (`*Brae`), `all` and index slices (`0:65`, `-5:`), by commas -> names, each once.

    Args:
        expression: what the user typed. A name is met exactly or, if only one is alike, in upper or lower case.
        names: all there are, sorted; what slices count in.

    Returns:
        In the order of the expression; those of one pattern or slice in the order of `names`.

    Raises:
        RegionError: the expression is empty, a name is unknown, or a pattern or a slice selects nothing.
    """
    parts = [part.strip() for part in expression.split(",") if part.strip()]
    if not parts:
        raise RegionError("no region is named", why=f"{expression!r} is empty", hint=_SEE_LIST)
    chosen = {part: _choose(part, names) for part in parts}
    unmatched = [part for part, found in chosen.items() if not found]
    if unmatched:
        raise _nothing_found(unmatched, names)
    return list(dict.fromkeys(name for found in chosen.values() for name in found))


def search_names(pattern: str, names: Sequence[str]) -> list[str]:
    """Names that match the shell pattern, or that contain the text if it is no pattern."""
    return _matching(pattern if _is_pattern(pattern) else f"*{pattern}*", names)


def _choose(part: str, names: Sequence[str]) -> list[str]:
    if part == ALL:
        return list(names)
    if part in names:
        return [part]
    if index_slice := _INDEX_SLICE.fullmatch(part):
        first, last = (int(text) if text else None for text in index_slice.groups())
        return list(names[first:last])
    found = _matching(part, names)
    return found if _is_pattern(part) or len(found) == 1 else []


def _is_pattern(text: str) -> bool:
    return not _PATTERN_SIGNS.isdisjoint(text)


def _matching(pattern: str, names: Sequence[str]) -> list[str]:
    """Names that match with upper and lower case as given, or else with either."""
    exact = [name for name in names if fnmatch.fnmatchcase(name, pattern)]
    return exact or [name for name in names if fnmatch.fnmatchcase(name.lower(), pattern.lower())]


def _nothing_found(unmatched: Sequence[str], names: Sequence[str]) -> RegionError:
    near = list(dict.fromkeys(name for part in unmatched if _is_name(part) for name in _nearest(part, names)))
    meant = f"Did you mean {', '.join(near)}? " if near else ""
    verb = "is called or matched by" if len(unmatched) > 1 or not _is_name(unmatched[0]) else "is called"
    return RegionError(
        f"no region {verb} {', '.join(unmatched)}",
        why=f"there are {len(names)} regions, from {names[0]} to {names[-1]}",
        hint=meant + _SEE_LIST,
    )


def _is_name(part: str) -> bool:
    return not _is_pattern(part) and not _INDEX_SLICE.fullmatch(part)


def _nearest(text: str, names: Sequence[str]) -> list[str]:
    """Names that contain the text, then those spelt like it; the number that a name begins with may be left out."""
    folded = text.lower()
    containing = [name for name in names if folded in name.lower()]
    spelt = {_without_number(name.lower()): name for name in names} | {name.lower(): name for name in names}
    close = difflib.get_close_matches(folded, spelt, n=_SUGGESTIONS)
    close += difflib.get_close_matches(_without_number(folded), spelt, n=_SUGGESTIONS)
    return list(dict.fromkeys([*containing, *(spelt[spelling] for spelling in close)]))[:_SUGGESTIONS]


def _without_number(name: str) -> str:
    return re.sub(r"^\d+_", "", name)
