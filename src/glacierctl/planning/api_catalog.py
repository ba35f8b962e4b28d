"""A STAC API: one search for all regions, page by page, and proof that nothing is missing."""

import datetime as dt
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urljoin

from pystac import Link
from pystac_client import ItemSearch
from shapely import MultiPolygon, set_precision
from shapely.geometry import mapping as geojson

from glacierctl.errors import CatalogError
from glacierctl.planning.catalog_interface import Found, Progress, links, silent
from glacierctl.planning.catalog_reader import CatalogAnswerError, CatalogReader, not_stac, unknown_collection
from glacierctl.planning.item_fields import Item, mapping

_PAGE_SIZES = (250, 100)
"""Items a page: larger ones first. Earth Search refuses 1000, and answers 502 when a page exceeds 6 MB."""

_REFUSED_PAGE = frozenset({400, 413, 422, 500, 502, 503, 504})
_BAD_SEARCH = frozenset({400, 404, 422})
_NOT_FOUND = 404
_DEGREES_PRECISION = 1e-5
"""About a metre: keeps the request for 192 regions small."""

_PROPERTIES = (
    *("datetime", "start_datetime", "platform", "instruments", "eo:cloud_cover", "grid:code"),
    *("mgrs:utm_zone", "mgrs:latitude_band", "mgrs:grid_square"),
    *("proj:epsg", "proj:code", "proj:shape", "proj:transform", "storage:requester_pays"),
    *("s2:product_uri", "s2:processing_baseline", "s2:generation_time", "earthsearch:boa_offset_applied"),
    *("landsat:scene_id", "landsat:collection_category", "landsat:cloud_cover_land", "landsat:product_generated"),
)
_ASSETS = ("nir", "scl", "pan", "nir08", "qa_pixel")
_FIELDS = {
    "include": [
        *("id", "type", "stac_version", "collection", "geometry", "bbox", "links"),
        *(f"properties.{name}" for name in _PROPERTIES),
        *(f"assets.{name}" for name in _ASSETS),
    ]
}
"""What `planning.scenes` reads. Whole items are ten times as large."""


class ApiCatalog:
    """See `Catalog`."""

    def __init__(self, href: str, root: Item, reader: CatalogReader) -> None:
        """Take the API whose landing page `root` was read from `href`."""
        self.href = href
        self._reader = reader
        search = [link for link in links(root) if link.get("rel") == "search"]
        methods = {str(link.get("method", "POST")).upper() for link in search}
        self._method = "POST" if "POST" in methods or not methods else "GET"
        self._search_href = urljoin(href, search[0]["href"]) if search else f"{href.rstrip('/')}/search"
        self._has_fields = "#fields" in json.dumps(root.get("conformsTo"))

    def search(
        self, collection: str, area: MultiPolygon, start: dt.datetime, end: dt.datetime, *, progress: Progress = silent
    ) -> Found:
        """See `Catalog.search`."""
        question = {
            "collections": [collection],
            "intersects": geojson(set_precision(area, _DEGREES_PRECISION)),
            "datetime": (start, end),
            "fields": _FIELDS if self._has_fields else None,
        }
        asked_before = self._reader.requests
        try:
            items, matched = self._complete(question, progress)
        except CatalogAnswerError as error:
            if error.status in _BAD_SEARCH:
                self._require_collection(collection)
            raise
        if not items:
            self._require_collection(collection)
        found = tuple(items[item_id] for item_id in sorted(items))
        return Found(found, matched, self._reader.requests - asked_before)

    def _complete(self, question: dict[str, Any], progress: Progress) -> tuple[dict[str, Item], int]:
        """All items, once more if some are missing: pages shift when the catalogue grows while it is read."""
        items, matched = self._by_pages(question, progress)
        if len(items) < matched:
            items, matched = self._by_pages(question, progress)
        if len(items) < matched:
            raise CatalogError(
                f"{matched - len(items)} of {matched} items are missing in the answer of {self.href}",
                why="the catalogue says how many it has, and twice sent fewer",
                hint="Try again later, or ask for fewer days or regions at a time.",
            )
        return items, max(matched, len(items))

    def _by_pages(self, question: dict[str, Any], progress: Progress) -> tuple[dict[str, Item], int]:
        """Items by id, and how many there should be; in smaller pages if the server refuses large ones."""
        *larger, smallest = _PAGE_SIZES
        for size in larger:
            try:
                return self._collected(question, size, progress)
            except CatalogAnswerError as error:
                if error.status not in _REFUSED_PAGE:
                    raise
        return self._collected(question, smallest, progress)

    def _collected(self, question: dict[str, Any], size: int, progress: Progress) -> tuple[dict[str, Item], int]:
        items: dict[str, Item] = {}
        matched = None
        for page in self._pages(ItemSearch(self._search_href, method=self._method, limit=size, **question)):
            items |= {str(item.get("id")): item for item in map(mapping, page["features"])}
            matched = _matched(page) if matched is None else matched
            progress(len(items), matched)
        return items, len(items) if matched is None else matched

    def _pages(self, search: ItemSearch) -> Iterator[dict[str, Any]]:
        """Pages as they come. pystac-client's own loop drops an empty first page, and with it the number matched."""
        parameters = search.get_parameters()
        page = self._reader.read(search.url, method=self._method, parameters=parameters)
        followed = set()
        while True:
            if not isinstance(page.get("features"), list):
                raise not_stac(self._search_href, "its answer to a search holds no list of features")
            yield page
            following = next((link for link in links(page) if link.get("rel") == "next"), None)
            if following is None or not page["features"]:
                return
            if (written := json.dumps(following, sort_keys=True)) in followed:
                raise not_stac(self._search_href, "its pages lead back to one that was already read")
            followed.add(written)
            page = self._reader.read(Link.from_dict(following), parameters=parameters)

    def _require_collection(self, collection: str) -> None:
        """Tell an empty answer from a wrong name.

        Raises:
            CatalogError: there is no such collection.
        """
        collections = f"{self.href.rstrip('/')}/collections"
        try:
            self._reader.read(f"{collections}/{quote(collection, safe='')}")
        except CatalogAnswerError as error:
            if error.status != _NOT_FOUND:
                raise
            listed = self._reader.read(collections).get("collections")
            names = [str(mapping(one).get("id")) for one in listed] if isinstance(listed, list) else []
            raise unknown_collection(self.href, collection, names) from error


def _matched(page: Item) -> int | None:
    """How many items there are in all, in the words of old and new servers."""
    count = page.get("numberMatched", mapping(page.get("context")).get("matched"))
    return count if isinstance(count, int) else None
