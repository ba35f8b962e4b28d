"""The parts that all STAC items share, collections, and static catalogues on disk."""

import datetime as dt
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

Json = dict[str, Any]
Ring = Sequence[tuple[float, float]]
"""Corners as (longitude, latitude), the last one equal to the first."""

_STAC = "https://stac-extensions.github.io"

_COLLECTION_TITLES = {
    "sentinel-2-l2a": "Sentinel-2 Level 2A",
    "sentinel-2-c1-l2a": "Sentinel-2 Collection 1 Level-2A",
    "landsat-c2l1": "Landsat Collection 2 Level-1 Product",
}
COLLECTIONS = tuple(_COLLECTION_TITLES)


def feature(
    *, item_id: str, collection_id: str, properties: Json, assets: Json, geometry: Json, links: Sequence[Json]
) -> Json:
    """A STAC item around its properties and assets."""
    points = list(_points(geometry["coordinates"]))
    extensions = ("eo/v1.1.0", "projection/v1.1.0", "raster/v1.1.0", "view/v1.0.0", "grid/v1.0.0")
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "stac_extensions": [f"{_STAC}/{name}/schema.json" for name in extensions],
        "id": item_id,
        "collection": collection_id,
        "geometry": geometry,
        "bbox": [f(p[axis] for p in points) for f in (min, max) for axis in (0, 1)],
        "properties": properties,
        "assets": assets,
        "links": list(links),
    }


def geometry(footprint: Ring | Json | None, default: Ring) -> Json:
    """GeoJSON geometry of a ring, or the one given."""
    if isinstance(footprint, dict):
        return footprint
    return {"type": "Polygon", "coordinates": [[list(point) for point in footprint or default]]}


def iso(moment: dt.datetime) -> str:
    """As Earth Search writes moments, with microseconds."""
    return moment.astimezone(dt.UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def collection(collection_id: str) -> Json:
    """A collection that covers everything, with the id of the real one."""
    return {
        "type": "Collection",
        "stac_version": "1.0.0",
        "stac_extensions": [],
        "id": collection_id,
        "title": _COLLECTION_TITLES[collection_id],
        "description": _COLLECTION_TITLES[collection_id],
        "license": "proprietary",
        "extent": {
            "spatial": {"bbox": [[-180, -90, 180, 90]]},
            "temporal": {"interval": [["1972-07-23T00:00:00Z", None]]},
        },
        "links": [],
    }


def write_static_catalog(folder: Path, items: Sequence[Json]) -> Path:
    """Write a static STAC catalogue, laid out like Earth Search's copies: catalog, collections, a folder per item.

    Hrefs of assets stay as the items say: a relative one is relative to the item's own folder,
    `folder/{collection}/{item id}/`.

    Returns:
        The catalogue's file, `folder/catalog.json`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    ids = sorted({item["collection"] for item in items})
    links = [_link("root", "./catalog.json"), *(_link("child", f"./{name}/collection.json") for name in ids)]
    root = {"type": "Catalog", "id": "test-catalog", "stac_version": "1.0.0", "description": "For tests"}
    _write_json(folder / "catalog.json", {**root, "links": links})
    for name in ids:
        _write_collection(folder / name, name, [item for item in items if item["collection"] == name])
    return folder / "catalog.json"


def _points(coordinates: Sequence[Any]) -> Iterator[Sequence[float]]:
    if isinstance(coordinates[0], int | float):
        yield coordinates
        return
    for part in coordinates:
        yield from _points(part)


def _write_collection(folder: Path, collection_id: str, items: Sequence[Json]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    links = [_link("root", "../catalog.json"), _link("parent", "../catalog.json")]
    links += [_link("item", f"./{item['id']}/{item['id']}.json", "application/geo+json") for item in items]
    _write_json(folder / "collection.json", {**collection(collection_id), "links": links})
    up = [_link("root", "../../catalog.json"), _link("parent", "../collection.json")]
    up.append(_link("collection", "../collection.json"))
    for item in items:
        (folder / item["id"]).mkdir(exist_ok=True)
        _write_json(folder / item["id"] / f"{item['id']}.json", {**item, "links": [*item["links"], *up]})


def _link(rel: str, href: str, media_type: str = "application/json") -> Json:
    return {"rel": rel, "href": href, "type": media_type}


def _write_json(path: Path, content: Json) -> None:
    path.write_text(json.dumps(content, indent=1), encoding="utf-8")
