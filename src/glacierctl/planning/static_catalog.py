"""A static catalogue: files that link to each other, on disk or on the web, filtered here."""

import datetime as dt
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import shapely
from shapely import GEOSException, MultiPolygon

from glacierctl.planning.catalog_interface import Found, Progress, links, silent
from glacierctl.planning.catalog_reader import CatalogReader, local_path, not_stac, unknown_collection
from glacierctl.planning.item_fields import Item, UnusableItemError, mapping, sensed_at

_READERS = 8
"""Documents read at once: on the web it is latency that counts."""


class StaticCatalog:
    """See `Catalog`."""

    def __init__(self, href: str, root: Item, reader: CatalogReader) -> None:
        """Take the catalogue whose root document `root` was read from `href`."""
        self.href = href
        self._root = root
        self._reader = reader

    def search(
        self, collection: str, area: MultiPolygon, start: dt.datetime, end: dt.datetime, *, progress: Progress = silent
    ) -> Found:
        """See `Catalog.search`."""
        asked_before = self._reader.requests
        shapely.prepare(area)
        found: dict[str, Item] = {}
        with ThreadPoolExecutor(_READERS) as readers:
            hrefs = self._item_hrefs(collection, readers)
            for item in readers.map(self._item, hrefs):
                if _belongs(item, collection) and _within(item, start, end) and _touches(item, area):
                    found[str(item.get("id"))] = item
                progress(len(found), None)
        items = tuple(found[item_id] for item_id in sorted(found))
        return Found(items, len(items), self._reader.requests - asked_before)

    def _item_hrefs(self, collection: str, readers: ThreadPoolExecutor) -> list[str]:
        """Items that are linked from the collection, or from catalogues that are in no collection or in this one."""
        hrefs: dict[str, None] = {}
        names: list[str] = []
        for href, document, enclosing in self._containers(readers):
            if document.get("type") == "Collection":
                names.append(str(document.get("id")))
            if enclosing in {collection, None}:
                hrefs |= dict.fromkeys(_linked(document, "item", href))
        if collection not in names and names:
            raise unknown_collection(self.href, collection, names)
        return list(hrefs)

    def _containers(self, readers: ThreadPoolExecutor) -> Iterator[tuple[str, Item, str | None]]:
        """(href, document, id of the collection that it is or is in) of every catalogue and collection, once."""
        level: list[tuple[str, Item, str | None]] = [(self.href, self._root, _collection_of(self._root, None))]
        visited = {self.href}
        while level:
            yield from level
            children = {
                child: enclosing
                for href, document, enclosing in level
                for child in _linked(document, "child", href)
                if child not in visited
            }
            visited |= children.keys()
            documents = readers.map(self._reader.read, children)
            pairs = zip(children.items(), documents, strict=True)
            level = [(href, document, _collection_of(document, enclosing)) for (href, enclosing), document in pairs]

    def _item(self, href: str) -> Item:
        item = self._reader.read(href)
        if item.get("type") != "Feature":
            raise not_stac(href, f"a catalogue names it as an item, but its type is {item.get('type')!r}")
        return _with_absolute_hrefs(item, href)


def _collection_of(document: Item, enclosing: str | None) -> str | None:
    return str(document.get("id")) if document.get("type") == "Collection" else enclosing


def _linked(document: Item, rel: str, href: str) -> Iterable[str]:
    return [_absolute(link["href"], href) for link in links(document) if link.get("rel") == rel]


def _absolute(href: str, base: str) -> str:
    path = local_path(href)
    if path is None:
        return href
    return urljoin(base, str(path)) if local_path(base) is None else os.path.normpath(Path(base).parent / path)


def _with_absolute_hrefs(item: dict[str, Any], href: str) -> Item:
    """The item with the hrefs of its assets resolved against its own file, and its `self` link that file."""
    resolved = deepcopy(item)
    for asset in mapping(resolved.get("assets")).values():
        alternates = mapping(mapping(asset).get("alternate")).values()
        for one in (asset, *alternates):
            if isinstance(one, dict) and isinstance(one.get("href"), str):
                one["href"] = _absolute(one["href"], href)
    others = [link for link in links(resolved) if link.get("rel") != "self"]
    return {**resolved, "links": [{"rel": "self", "href": href}, *others]}


def _belongs(item: Item, collection: str) -> bool:
    """An item that names no collection is of the one in which it was found."""
    return item.get("collection") in {None, collection}


def _within(item: Item, start: dt.datetime, end: dt.datetime) -> bool:
    """Whether it was sensed in that time. One that does not say is kept, to be rejected by name."""
    try:
        return start <= sensed_at(item) <= end
    except UnusableItemError:
        return True


def _touches(item: Item, area: MultiPolygon) -> bool:
    """Whether its footprint touches the area. One that cannot be judged is kept, to be rejected by name."""
    try:
        footprint = shapely.make_valid(shapely.geometry.shape(dict(mapping(item.get("geometry")))))
        return bool(area.intersects(footprint))
    except (GEOSException, LookupError, TypeError, ValueError, AttributeError):
        return True
