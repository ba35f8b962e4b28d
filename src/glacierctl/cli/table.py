"""Tables: plain and whole in a pipe; on a terminal as many columns as there is room for."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

_GAP = 2
"""Spaces between columns."""
_NARROWEST = 12
"""Text is not broken into shorter pieces, and numbers never."""


@dataclass(frozen=True)
class Column:
    """A column of a table."""

    title: str
    """Header, with the unit if there is one."""
    numeric: bool = False
    """Numbers stand to the right, and are never broken."""
    whole: bool = False
    """Never broken over two lines, so that it can be copied."""
    spare: int = 0
    """Where a terminal has no room for all columns, those with a number are left out, the highest first."""


@dataclass(frozen=True)
class Table:
    """A table as lines."""

    header: list[str]
    """One line, or more where titles are broken."""
    body: list[str]
    """The rows."""
    hidden: list[str]
    """Titles of columns that there was no room for."""


def lay_out(columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int | None = None) -> Table:
    """Lay a table out in lines of `width` characters, or more if it cannot be helped; as long as they are if None."""
    least = [_least_width(column, [row[number] for row in rows]) for number, column in enumerate(columns)]
    shown = list(range(len(columns))) if width is None else _fitting(columns, least, width)
    columns_shown = [columns[one] for one in shown]
    cells = [[row[one] for one in shown] for row in rows]
    titles = [column.title for column in columns_shown]
    widths = [max(map(len, column)) for column in zip(titles, *cells, strict=True)]
    if width is not None:
        widths = _narrowed(widths, [least[one] for one in shown], width)
    return Table(
        header=_lines(titles, widths, columns_shown, at_bottom=True),
        body=[line for row in cells for line in _lines(row, widths, columns_shown)],
        hidden=[column.title for number, column in enumerate(columns) if number not in shown],
    )


def _least_width(column: Column, cells: Sequence[str]) -> int:
    longest = max(map(len, cells), default=0)
    header = len(column.title) if column.whole else max(map(len, column.title.split()))
    return max(header, longest if column.numeric or column.whole else min(longest, _NARROWEST))


def _fitting(columns: Sequence[Column], least: Sequence[int], width: int) -> list[int]:
    """The columns that there is room for, by their number."""
    shown = list(range(len(columns)))
    spare = sorted((one for one in shown if columns[one].spare), key=lambda one: columns[one].spare)
    while spare and _line_width([least[one] for one in shown]) > width:
        shown.remove(spare.pop())
    return shown


def _narrowed(widths: Sequence[int], least: Sequence[int], width: int) -> list[int]:
    """Widths that fit, as far as these can be made smaller, the widest first."""
    narrowed = list(widths)
    while _line_width(narrowed) > width:
        wider = [one for one in range(len(narrowed)) if narrowed[one] > least[one]]
        if not wider:
            break
        narrowed[max(wider, key=narrowed.__getitem__)] -= 1
    return narrowed


def _lines(
    texts: Sequence[str], widths: Sequence[int], columns: Sequence[Column], *, at_bottom: bool = False
) -> list[str]:
    """A row, in as many lines as its longest cell takes."""
    cells = [textwrap.wrap(text, width, break_on_hyphens=False) for text, width in zip(texts, widths, strict=True)]
    if at_bottom:
        cells = [[""] * (max(map(len, cells)) - len(cell)) + cell for cell in cells]
    lines = zip_longest(*cells, fillvalue="")
    return [(" " * _GAP).join(map(_padded, line, widths, columns)).rstrip() for line in lines] or [""]


def _line_width(widths: Sequence[int]) -> int:
    return sum(widths) + _GAP * (len(widths) - 1)


def _padded(text: str, width: int, column: Column) -> str:
    return text.rjust(width) if column.numeric else text.ljust(width)
