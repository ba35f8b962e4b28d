"""STAC items, reduced to the scenes that can be used; every other one is rejected with a reason."""

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from glacierctl.choices import Satellite
from glacierctl.model import Rejected, Scene, SourceFile
from glacierctl.planning import item_fields as fields
from glacierctl.planning.item_fields import Item, UnusableItemError

_SENTINEL2_NAME = re.compile(
    r"(?P<spacecraft>S2[A-Z])_MSI(?P<level>L[12][AC])_(?P<start>\d{8}T\d{6})_N(?P<baseline>\d{4})"
    r"_R(?P<orbit>\d{3})_T(?P<tile>\d{2}[C-X][A-Z]{2})_(?P<made>\d{8}T\d{6})"
)
"""https://sentiwiki.copernicus.eu/web/s2-products: mission, level, datatake start, baseline, orbit, tile, made at."""

_TILE = re.compile(r"(\d{1,2})([C-X][A-Z]{2})")
_BASELINE = re.compile(r"\d{2}\.\d{2}")
_TIERS = frozenset({"T1", "T2"})
_LANDSAT_BANDS = {"4": ("nir08", "B4", 30.0), "5": ("nir08", "B4", 30.0)} | dict.fromkeys("789", ("pan", "B8", 15.0))
"""Landsat number -> (asset, band in file names, pixel in metres)."""


@dataclass(frozen=True, slots=True)
class Sentinel2Name:
    """What the name of a Sentinel-2 product says."""

    spacecraft: str
    """`S2A`."""
    level: str
    """`L2A`."""
    start: dt.datetime
    """Start of the datatake, UTC: the same for all tiles of one pass."""
    baseline: str
    """Processing baseline `NN.NN`."""
    orbit: str
    """Relative orbit, three digits."""
    tile: str
    """MGRS tile such as `19XEG`."""
    made: dt.datetime
    """When the provider made it, UTC; tells products of one datatake and tile apart."""

    @classmethod
    def parse(cls, name: str) -> "Sentinel2Name | None":
        """The parts of a product name without `.SAFE`, or None if it is not one."""
        match = _SENTINEL2_NAME.fullmatch(name)
        if match is None:
            return None
        start, made = fields.moment(match["start"]), fields.moment(match["made"])
        if start is None or made is None:
            return None
        baseline = f"{match['baseline'][:2]}.{match['baseline'][2:]}"
        return cls(match["spacecraft"], match["level"], start, baseline, match["orbit"], match["tile"], made)


def parse_scene(item: Item, satellite: Satellite, collection: str) -> Scene | Rejected:
    """One item as the catalogue returned it, as a scene of this satellite.

    Args:
        item: a STAC item of any version, as JSON. Its hrefs may be relative to its `self` link.
        satellite: what it should be of.
        collection: the collection it was found in, for items that do not say.

    Returns:
        The scene, or why it cannot be used.
    """
    item_id = fields.text(item.get("id")) or "(without an id)"
    parse = _sentinel2 if satellite is Satellite.SENTINEL2 else _landsat
    try:
        return parse(item, item_id, fields.text(item.get("collection")) or collection)
    except UnusableItemError as error:
        return Rejected(item_id=item_id, reason=str(error))
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        return Rejected(item_id=item_id, reason=f"its {field} cannot be used: {first['msg']}")


def _sentinel2(item: Item, item_id: str, collection: str) -> Scene:
    properties = fields.mapping(item.get("properties"))
    name, parts = _sentinel2_name(properties, item_id)
    platform = _platform(properties) or f"sentinel-{parts.spacecraft[1:].lower()}"
    if not platform.startswith("sentinel-2"):
        raise UnusableItemError("it is not of Sentinel-2")
    offset_applied = properties.get("earthsearch:boa_offset_applied")
    return Scene(
        item_id=item_id,
        item_href=fields.self_href(item),
        collection=collection,
        satellite=Satellite.SENTINEL2,
        platform=platform,
        sensed_at=fields.sensed_at(item),
        tile=_tile(properties) or parts.tile,
        baseline=_baseline(properties) or parts.baseline,
        generated_at=fields.moment(properties.get("s2:generation_time")) or parts.made,
        source_name=name,
        band="B08",
        image=_required(item, "nir", pixel_m=10.0),
        clouds=fields.image_file(item, "scl", pixel_m=20.0),
        cloud_cover=fields.cloud_cover(properties.get("eo:cloud_cover")),
        offset_applied=offset_applied if isinstance(offset_applied, bool) else None,
        footprint=fields.footprint(item),
    )


def _landsat(item: Item, item_id: str, collection: str) -> Scene:
    properties = fields.mapping(item.get("properties"))
    platform = _platform(properties) or ""
    number = platform.removeprefix("landsat-")
    if number == platform or not number.isdigit():
        raise UnusableItemError("it is not of Landsat")
    if number not in _LANDSAT_BANDS or _is_mss(properties, item_id):
        raise UnusableItemError("it is of a sensor without a usable band (MSS, Landsat 1-3 or 6)")
    if _tier(properties, item_id) not in _TIERS:
        raise UnusableItemError("it is not of tier T1 or T2 (real-time scenes are replaced later)")
    scene_id = fields.text(properties.get("landsat:scene_id"))
    if scene_id is None:
        raise UnusableItemError("it has no landsat:scene_id")
    asset, band, pixel_m = _LANDSAT_BANDS[number]
    return Scene(
        item_id=item_id,
        item_href=fields.self_href(item),
        collection=collection,
        satellite=Satellite.LANDSAT,
        platform=platform,
        sensed_at=fields.sensed_at(item),
        tile=None,
        baseline=None,
        generated_at=fields.moment(properties.get("landsat:product_generated")),
        source_name=item_id,
        scene_id=scene_id,
        band=band,
        image=_required(item, asset, pixel_m=pixel_m),
        clouds=fields.image_file(item, "qa_pixel", pixel_m=30.0),
        cloud_cover=fields.cloud_cover(properties.get("eo:cloud_cover"), properties.get("landsat:cloud_cover_land")),
        offset_applied=None,
        footprint=fields.footprint(item),
    )


def _sentinel2_name(properties: Mapping[str, Any], item_id: str) -> tuple[str, Sentinel2Name]:
    for candidate in (properties.get("s2:product_uri"), properties.get("sentinel:product_id"), item_id):
        name = (fields.text(candidate) or "").removesuffix(".SAFE")
        parts = Sentinel2Name.parse(name)
        if parts is not None:
            return name, parts
    raise UnusableItemError("it has no Sentinel-2 product name (s2:product_uri)")


def _platform(properties: Mapping[str, Any]) -> str | None:
    """Spacecraft in lower case with hyphens, whether written `LANDSAT_8` or `Sentinel-2A`."""
    written = fields.text(properties.get("platform")) or fields.text(properties.get("eo:platform"))
    return written.lower().replace("_", "-").replace(" ", "-") if written else None


def _tile(properties: Mapping[str, Any]) -> str | None:
    """MGRS tile with two digits of zone; `grid:code` may leave out the leading zero."""
    code = (fields.text(properties.get("grid:code")) or "").removeprefix("MGRS-")
    parts = (properties.get(f"mgrs:{part}", "") for part in ("utm_zone", "latitude_band", "grid_square"))
    match = _TILE.fullmatch(code) or _TILE.fullmatch("".join(map(str, parts)))
    return f"{match[1]:0>2}{match[2]}" if match else None


def _baseline(properties: Mapping[str, Any]) -> str | None:
    written = fields.text(properties.get("s2:processing_baseline"))
    return written if written and _BASELINE.fullmatch(written) else None


def _is_mss(properties: Mapping[str, Any], item_id: str) -> bool:
    instruments = properties.get("instruments")
    named = [str(name).upper() for name in instruments] if isinstance(instruments, list) else []
    return "MSS" in named or item_id.upper().startswith("LM")


def _tier(properties: Mapping[str, Any], item_id: str) -> str:
    category = fields.text(properties.get("landsat:collection_category"))
    return category or item_id.rpartition("_")[2]


def _required(item: Item, asset: str, *, pixel_m: float) -> SourceFile:
    file = fields.image_file(item, asset, pixel_m=pixel_m)
    if file is None:
        raise UnusableItemError(f"it has no asset {asset}")
    return file
