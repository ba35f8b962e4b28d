"""Where scenes are looked up: a STAC API or a static catalogue, on disk or on the web, behind one interface."""

from glacierctl.errors import CatalogError
from glacierctl.planning.catalog_interface import Catalog, Found, Progress, links
from glacierctl.planning.catalog_reader import CatalogReader, local_path, not_stac
from glacierctl.planning.static_catalog import StaticCatalog

__all__ = ["Catalog", "Found", "Progress", "open_catalog"]

_READABLE = ("http://", "https://")


def open_catalog(href: str, *, timeout_s: float = 60.0, retries: int = 5, backoff_s: float = 0.5) -> Catalog:
    """Look at what is at `href` and return the catalogue that it is.

    Args:
        href: a STAC API's root, a static catalogue's root document, or the local folder that holds its catalog.json.
        timeout_s: how long to wait for a connection or for the next bytes.
        retries: how often to ask again after an answer that may pass (too many requests, server errors).
        backoff_s: pause before the second repetition, doubled each time; 0: no pauses.

    Raises:
        CatalogError: it cannot be reached or read, or is no STAC catalogue.
    """
    reader = CatalogReader(timeout_s=timeout_s, retries=retries, backoff_s=backoff_s)
    address = _root_document(href)
    root = reader.read(address)
    if root.get("conformsTo") or any(link.get("rel") == "search" for link in links(root)):
        from glacierctl.planning.api_catalog import ApiCatalog  # noqa: PLC0415 (loads pystac-client)

        return ApiCatalog(address, root, reader)
    if root.get("type") in {"Catalog", "Collection"} or "links" in root:
        return StaticCatalog(address, root, reader)
    raise not_stac(address, f"it has neither links nor a search (its type is {root.get('type')!r})")


def _root_document(href: str) -> str:
    path = local_path(href)
    if path is not None:
        return str((path / "catalog.json" if path.is_dir() else path).absolute())
    if not href.startswith(_READABLE):
        raise CatalogError(
            f"a catalogue at {href} cannot be read",
            why="only http and https addresses and local paths can",
            hint="Name another with --catalog, or copy this one to a folder.",
        )
    return href
