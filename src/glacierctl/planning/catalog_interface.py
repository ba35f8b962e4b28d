"""What planning asks of a catalogue, whatever is behind it."""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from shapely import MultiPolygon

from glacierctl.planning.item_fields import Item, mapping

Progress = Callable[[int, int | None], None]
"""Told now and then: items received so far, items there are (None: not known)."""


def silent(_received: int, _matched: int | None) -> None:
    """Progress that nobody watches."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a search came to."""

    items: tuple[Item, ...]
    """STAC items as JSON, each once, sorted by id. Hrefs of assets are absolute or relative to the `self` link."""
    matched: int
    """How many the catalogue says there are; none of them is missing in `items`."""
    requests: int
    """How many documents were asked for."""


class Catalog(Protocol):
    """Finds items."""

    @property
    def href(self) -> str:
        """Where it is: URL or absolute path."""

    def search(
        self, collection: str, area: MultiPolygon, start: dt.datetime, end: dt.datetime, *, progress: Progress = silent
    ) -> Found:
        """All items of a collection that touch an area, sensed between two times.

        Args:
            collection: its id.
            area: in longitude and latitude, degrees.
            start: the earliest time of sensing, inclusive.
            end: the latest, inclusive.
            progress: told after each page or file.

        Raises:
            CatalogError: the catalogue cannot be reached, refuses, contradicts itself, loses items, or has no such
                collection.
        """


def links(document: Item) -> list[dict[str, Any]]:
    """The links of a STAC document that are whole."""
    given = document.get("links")
    found = [dict(mapping(link)) for link in given] if isinstance(given, list) else []
    return [link for link in found if isinstance(link.get("href"), str)]
