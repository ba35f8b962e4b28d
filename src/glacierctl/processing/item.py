"""The STAC item of a product: what it is, where it came from, what was decided on the way."""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from odc.geo.geobox import GeoBox
from pyproj import Transformer
from shapely import Polygon
from shapely.geometry import mapping
from shapely.geometry.polygon import orient

from glacierctl import __version__
from glacierctl.choices import Satellite
from glacierctl.model import Acquisition, OffsetDecision, Options, Region
from glacierctl.processing.lineage import lineage_row
from glacierctl.processing.raster import FILL_VALUE

_STAC_VERSION = "1.1.0"
_EXTENSIONS = [
    "https://stac-extensions.github.io/projection/v2.0.0/schema.json",
    "https://stac-extensions.github.io/raster/v2.0.0/schema.json",
    "https://stac-extensions.github.io/eo/v2.0.0/schema.json",
    "https://stac-extensions.github.io/processing/v1.2.0/schema.json",
    "https://stac-extensions.github.io/file/v2.1.0/schema.json",
]
_COMMON_NAME = {"B08": "nir", "B8": "pan", "B4": "nir08"}
"""By band, as the catalogues name them; the eo extension wants one field of its own in every item, clouds or not."""
_CONSTELLATION = {Satellite.SENTINEL2: "sentinel-2", Satellite.LANDSAT: "landsat"}
_OUTLINE_POINTS_PER_SIDE = 8
_COG = "image/tiff; application=geotiff; profile=cloud-optimized"
_SHA256_MULTIHASH = "1220"
"""Code of SHA-256 and its length in bytes: https://github.com/multiformats/multihash"""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What processing found out about a product."""

    region: Region
    """Where."""
    acquisition: Acquisition
    """What it was made of."""
    options: Options
    """How it was made."""
    grid: GeoBox
    """Its pixels."""
    coverage: float
    """Share of the region with valid pixels."""
    cloud_share: float | None
    """Share of cloud over the classified pixels."""
    offsets: tuple[OffsetDecision, ...]
    """Scene by scene."""


def tags(facts: Facts) -> dict[str, str]:
    """Provenance for the GeoTIFF itself, which may travel without its item."""
    scenes = facts.acquisition.scenes
    return {
        "TIFFTAG_SOFTWARE": f"glacierctl {__version__}",
        "TIFFTAG_DATETIME": facts.acquisition.acquired_at.strftime("%Y:%m:%d %H:%M:%S"),
        "PRODUCT": facts.acquisition.product,
        "REGION": facts.region.name,
        "ACQUIRED_AT": _utc(facts.acquisition.acquired_at),
        "PLATFORM": scenes[0].platform,
        "SOURCE_FILES": ",".join(scene.source_file for scene in scenes),
        "SOURCE_ITEMS": ",".join(scene.item_id for scene in scenes),
        "RESAMPLING": str(facts.options.resampling),
        "SUBTRACTED_DN": ",".join(str(decision.subtract_dn) for decision in facts.offsets),
    }


@dataclass(frozen=True)
class Content:
    """What the item tells of a file."""

    sha256: str
    """Of its bytes, hexadecimal."""
    size: int
    """Bytes."""


def content_of(file: Path | bytes) -> Content:
    """Of a file on a local disk, or of its bytes."""
    if isinstance(file, bytes):
        return Content(hashlib.sha256(file).hexdigest(), len(file))
    with file.open("rb") as opened:
        return Content(hashlib.file_digest(opened, "sha256").hexdigest(), file.stat().st_size)


def product_item(facts: Facts, image: Content, quicklook: Content) -> bytes:
    """The item as JSON. Nothing in it depends on when or where it was made: same input, same bytes.

    Args:
        facts: what is known of the product.
        image: the finished GeoTIFF.
        quicklook: the finished PNG.
    """
    product = facts.acquisition.product
    outline = _outline(facts.region)
    item = {
        "type": "Feature",
        "stac_version": _STAC_VERSION,
        "stac_extensions": _EXTENSIONS,
        "id": f"{facts.region.name}_{product}",
        "geometry": _rounded(mapping(outline)),
        "bbox": [round(value, 6) for value in outline.bounds],
        "properties": {**_properties(facts), "datetime": _exact(facts.acquisition.acquired_at)},
        "links": [
            {"rel": "derived_from", "href": scene.item_href, "type": "application/geo+json", "title": scene.item_id}
            for scene in facts.acquisition.scenes
        ],
        "assets": {
            "image": _image_asset(facts, image),
            "quicklook": _quicklook_asset(product, quicklook),
            "lineage": _lineage_asset(facts),
        },
    }
    return (json.dumps(item, indent=2) + "\n").encode()


def _properties(facts: Facts) -> dict[str, Any]:
    scene, grid = facts.acquisition.scenes[0], facts.grid
    properties: dict[str, Any] = {
        "platform": scene.platform,
        "constellation": _CONSTELLATION[scene.satellite],
        "gsd": abs(grid.affine.a),
        "proj:code": str(grid.crs),
        "proj:shape": [grid.height, grid.width],
        "proj:transform": list(grid.affine)[:6],
        "proj:bbox": list(facts.region.bounds),
        "processing:software": {"glacierctl": __version__},
        "processing:lineage": (
            "Source blocks merged in order of preference, first valid pixel wins; "
            f"one {facts.options.resampling} resampling onto the region's grid"
        ),
        "glacierctl:region": facts.region.name,
        "glacierctl:product": facts.acquisition.product,
        "glacierctl:resampling": str(facts.options.resampling),
        "glacierctl:coverage": round(facts.coverage, 6),
        "glacierctl:cloud_share": None if facts.cloud_share is None else round(facts.cloud_share, 6),
        "glacierctl:offsets": [decision.model_dump() for decision in facts.offsets],
        "glacierctl:superseded": [loser.model_dump() for loser in facts.acquisition.superseded],
    }
    if facts.cloud_share is not None:
        properties["eo:cloud_cover"] = round(100 * facts.cloud_share, 4)
    return properties


def _image_asset(facts: Facts, image: Content) -> dict[str, Any]:
    name = facts.acquisition.scenes[0].band
    band = {
        "name": name,
        "eo:common_name": _COMMON_NAME[name],
        "data_type": "uint16",
        "nodata": FILL_VALUE,
        "raster:spatial_resolution": abs(facts.grid.affine.a),
        "raster:sampling": "area",
    }
    return {
        "href": f"./{facts.acquisition.product}.tif",
        "type": _COG,
        "bands": [band],
        **_file_fields(image),
        "roles": ["data"],
    }


def _quicklook_asset(product: str, picture: Content) -> dict[str, Any]:
    return {"href": f"./{product}.png", "type": "image/png", **_file_fields(picture), "roles": ["overview"]}


def _lineage_asset(facts: Facts) -> dict[str, Any]:
    return {
        "href": f"../../metadata/individual_csv/{facts.region.name}/{facts.acquisition.product}.csv",
        "type": "text/csv",
        **_file_fields(content_of(lineage_row(facts.acquisition))),
        "roles": ["metadata"],
    }


def _file_fields(content: Content) -> dict[str, Any]:
    return {"file:checksum": _SHA256_MULTIHASH + content.sha256, "file:size": content.size}


def _outline(region: Region) -> Polygon:
    """The region in longitude and latitude, counterclockwise; points between the corners, for its sides are curves."""
    xmin, ymin, xmax, ymax = region.bounds
    corners = np.array([(xmin, ymin), (xmax, ymin), (xmax, ymax), (xmin, ymax), (xmin, ymin)])
    along = np.linspace(0, len(corners) - 1, (len(corners) - 1) * _OUTLINE_POINTS_PER_SIDE + 1)
    x, y = (np.interp(along, range(len(corners)), values) for values in corners.T)
    to_wgs84 = Transformer.from_crs(region.crs, "OGC:CRS84", always_xy=True)
    return orient(Polygon(np.column_stack(to_wgs84.transform(x, y))))


def _rounded(geometry: dict[str, Any]) -> dict[str, Any]:
    rings = [[[round(x, 6), round(y, 6)] for x, y in ring] for ring in geometry["coordinates"]]
    return {"type": geometry["type"], "coordinates": rings}


def _exact(moment: datetime) -> str:
    """A time in UTC with as many decimals as it has."""
    return moment.isoformat().replace("+00:00", "Z")


def _utc(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
