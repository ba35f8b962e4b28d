"""A static STAC catalogue in the shape of Earth Search v1's `sentinel-2-l2a`."""

import datetime as dt
import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from pyproj import Transformer
from shapely import MultiPolygon, Polygon, box, orient_polygons, segmentize, set_precision
from shapely import transform as move
from shapely.geometry import mapping

from glacierctl import __version__
from glacierctl.demo.passes import BASELINE, OrbitEdge, Pass
from glacierctl.demo.raster import box_on_grid
from glacierctl.demo.scenes import MARGIN_M, NIR_FILE, NIR_M, SCL_FILE, SCL_M
from glacierctl.demo.tiles import Tile
from glacierctl.model import GREENLAND_CRS, Bounds

Json = dict[str, Any]

COLLECTION = "sentinel-2-l2a"

_REACH_M = 50_000.0
"""Further than any corner of the filled rectangle lies from an orbit edge."""
_VERTEX_EVERY_M = 1000.0
_DEGREES = 1e-7
_PROCESSING_TIME = dt.timedelta(hours=5)
_ALONG_TRACK = dt.timedelta(minutes=2, seconds=33)
"""From the start of a datatake to the tile; Earth Search dates items by the tile."""
_EXTENSIONS = [
    "https://stac-extensions.github.io/view/v1.0.0/schema.json",
    "https://stac-extensions.github.io/eo/v1.0.0/schema.json",
    "https://stac-extensions.github.io/grid/v1.0.0/schema.json",
    "https://stac-extensions.github.io/raster/v1.1.0/schema.json",
    "https://stac-extensions.github.io/processing/v1.1.0/schema.json",
    "https://stac-extensions.github.io/projection/v1.0.0/schema.json",
    "https://stac-extensions.github.io/mgrs/v1.0.0/schema.json",
]
_COG = "image/tiff; application=geotiff; profile=cloud-optimized"


def item_id(seen: Pass, tile: Tile) -> str:
    """Earth Search's id, like `S2A_20XNQ_20240704_0_L2A`."""
    return f"{seen.spacecraft}_{tile.name}_{seen.sensed_at:%Y%m%d}_0_L2A"


def write_catalogue(folder: Path, scenes: Iterable[tuple[Pass, Tile]], region: Bounds) -> None:
    """Write catalog.json, the collection and one item beside each scene's files; links are relative."""
    items = [_item(seen, tile, region) for seen, tile in scenes]
    for item in items:
        _write(folder / COLLECTION / item["id"] / f"{item['id']}.json", item)
    _write(folder / COLLECTION / "collection.json", _collection(items))
    _write(folder / "catalog.json", _catalog())


def footprint(seen: Pass, tile: Tile, region: Bounds) -> Polygon | MultiPolygon:
    """Longitude-latitude outline of the pixels that a demo scene holds: those near the region, within the swath."""
    area = box(*tile.bounds).intersection(box(*box_on_grid(tile.epsg, region, MARGIN_M)))
    if seen.edge is not None:
        to_tile = Transformer.from_crs(GREENLAND_CRS, tile.epsg, always_xy=True)
        swath = segmentize(_swath(seen.edge), _VERTEX_EVERY_M)
        area = area.intersection(move(swath, to_tile.transform, interleaved=False))
    to_degrees = Transformer.from_crs(tile.epsg, "EPSG:4326", always_xy=True)
    outline = move(segmentize(area, _VERTEX_EVERY_M), to_degrees.transform, interleaved=False)
    return orient_polygons(set_precision(outline, _DEGREES))


def _swath(edge: OrbitEdge) -> Polygon:
    """What lies on the inner side of an orbit edge, in EPSG:3413, as far as it matters."""
    inward, along = edge.outward + math.pi, edge.outward + math.pi / 2
    half = _REACH_M * np.array([math.cos(along), math.sin(along)])
    depth = _REACH_M * np.array([math.cos(inward), math.sin(inward)])
    on_edge = np.array(edge.point)
    corners = [on_edge - half, on_edge + half, on_edge + half + depth, on_edge - half + depth]
    return Polygon(corners)


def _item(seen: Pass, tile: Tile, region: Bounds) -> Json:
    outline = footprint(seen, tile, region)
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "stac_extensions": _EXTENSIONS,
        "id": item_id(seen, tile),
        "collection": COLLECTION,
        "geometry": mapping(outline),
        "bbox": list(outline.bounds),
        "properties": _properties(seen, tile),
        "assets": {"nir": _nir(tile), "scl": _scl(tile)},
        "links": [
            _link("root", "../../catalog.json"),
            _link("collection", "../collection.json"),
            _link("parent", "../collection.json"),
        ],
    }


def _properties(seen: Pass, tile: Tile) -> Json:
    start, made = f"{seen.sensed_at:%Y%m%dT%H%M%S}", f"{seen.sensed_at + _PROCESSING_TIME:%Y%m%dT%H%M%S}"
    generated = _iso(seen.sensed_at + _PROCESSING_TIME)
    return {
        "created": generated,
        "updated": generated,
        "datetime": _iso(seen.sensed_at + _ALONG_TRACK),
        "platform": f"sentinel-{seen.spacecraft[1:].lower()}",
        "constellation": "sentinel-2",
        "instruments": ["msi"],
        "proj:epsg": tile.epsg,
        "mgrs:utm_zone": int(tile.name[:2]),
        "mgrs:latitude_band": tile.name[2],
        "mgrs:grid_square": tile.name[3:],
        "grid:code": f"MGRS-{tile.name}",
        "s2:product_type": "S2MSI2A",
        "s2:processing_baseline": BASELINE,
        "s2:product_uri": f"{seen.product}_T{tile.name}_{made}.SAFE",
        "s2:generation_time": generated,
        "s2:datatake_id": f"G{seen.spacecraft}_{start}_{seen.absolute_orbit:06}_N{BASELINE}",
        "s2:datatake_type": "INS-NOBS",
        "s2:sequence": "0",
        "earthsearch:boa_offset_applied": tile.name not in seen.tiles_with_offset,
        "processing:software": {"glacierctl demo": __version__},
    }


def _nir(tile: Tile) -> Json:
    name = {"name": "nir", "common_name": "nir", "description": "NIR 1 (band 8)", "center_wavelength": 0.842}
    band = {"nodata": 0, "data_type": "uint16", "bits_per_sample": 15, "spatial_resolution": int(NIR_M)}
    return {
        **_file(NIR_FILE, "NIR 1 (band 8) - 10m", tile, NIR_M),
        "eo:bands": [{**name, "full_width_half_max": 0.145}],
        "gsd": int(NIR_M),
        "raster:bands": [{**band, "scale": 0.0001, "offset": -0.1}],
    }


def _scl(tile: Tile) -> Json:
    band = {"nodata": 0, "data_type": "uint8", "spatial_resolution": int(SCL_M)}
    return {**_file(SCL_FILE, "Scene classification map (SCL)", tile, SCL_M), "raster:bands": [band]}


def _file(href: str, title: str, tile: Tile, resolution_m: float) -> Json:
    return {
        "href": href,
        "type": _COG,
        "title": title,
        "proj:shape": list(tile.shape(resolution_m)),
        "proj:transform": list(tile.transform(resolution_m))[:6],
        "roles": ["data", "reflectance"],
    }


def _collection(items: list[Json]) -> Json:
    boxes = np.array([item["bbox"] for item in items])
    times = sorted(item["properties"]["datetime"] for item in items)
    return {
        "type": "Collection",
        "id": COLLECTION,
        "stac_version": "1.0.0",
        "stac_extensions": [],
        "title": "Sentinel-2 Level 2A (analytic)",
        "description": "An analytic glacier in the shape of Earth Search's Sentinel-2 Level 2A. No satellite saw it.",
        "license": "MIT",
        "extent": {
            "spatial": {"bbox": [[*boxes[:, :2].min(axis=0).tolist(), *boxes[:, 2:].max(axis=0).tolist()]]},
            "temporal": {"interval": [[times[0], times[-1]]]},
        },
        "links": [
            _link("root", "../catalog.json"),
            _link("parent", "../catalog.json"),
            *(_link("item", f"./{item['id']}/{item['id']}.json", "application/geo+json") for item in items),
        ],
    }


def _catalog() -> Json:
    return {
        "type": "Catalog",
        "id": "glacierctl-demo",
        "stac_version": "1.0.0",
        "description": "An analytic glacier: known texture, known motion",
        "links": [_link("root", "./catalog.json"), _link("child", f"./{COLLECTION}/collection.json")],
    }


def _link(rel: str, href: str, media_type: str = "application/json") -> Json:
    return {"rel": rel, "href": href, "type": media_type}


def _iso(moment: dt.datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S.%fZ}"


def _write(path: Path, content: Json) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
