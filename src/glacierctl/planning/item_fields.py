"""Reading the fields of a STAC item, which come in the shapes of many years and servers."""

import datetime as dt
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit

from glacierctl.model import Affine6, SourceFile

Item = Mapping[str, Any]
"""A STAC item as it came from the catalogue."""

Ring = tuple[tuple[float, float], ...]
"""Closed line of (longitude, latitude) in degrees."""

_READABLE_SCHEMES = frozenset({"http", "https", "s3"})
_REQUESTER_PAYS_PREFIX = "s3://usgs-landsat/"
_MIN_RING = 4
_GRID_TOLERANCE_M = 1e-6


class UnusableItemError(ValueError):
    """An item that lacks what is needed; its text says what, in words."""


def mapping(value: Any) -> Mapping[str, Any]:
    """The value if it is a JSON object, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def text(value: Any) -> str | None:
    """The value if it is a string with something in it."""
    return value.strip() or None if isinstance(value, str) else None


def moment(value: Any) -> dt.datetime | None:
    """UTC time from any ISO form: a date alone, no zone (then UTC), nanoseconds, `Z` or an offset."""
    written = text(value)
    if written is None:
        return None
    try:
        parsed = dt.datetime.fromisoformat(written.upper())
    except ValueError:
        return None
    return parsed.replace(tzinfo=parsed.tzinfo or dt.UTC).astimezone(dt.UTC)


def sensed_at(item: Item) -> dt.datetime:
    """When the item was sensed: `datetime`, or `start_datetime` where that is null.

    Raises:
        UnusableItemError: neither is a time.
    """
    properties = mapping(item.get("properties"))
    found = moment(properties.get("datetime")) or moment(properties.get("start_datetime"))
    if found is None:
        raise UnusableItemError("it has no readable datetime")
    return found


def cloud_cover(*values: Any) -> float | None:
    """The first of some percentages that is one, as a share 0-1; Landsat writes -1 for none."""
    numbers = (value for value in values if isinstance(value, int | float) and not isinstance(value, bool))
    return next((value / 100 for value in numbers if 0 <= value <= 100), None)  # noqa: PLR2004 - per cent


def footprint(item: Item) -> tuple[Ring, ...]:
    """Outer rings of the item's geometry.

    Raises:
        UnusableItemError: it has no polygon, or one with coordinates that are not on Earth.
    """
    geometry = mapping(item.get("geometry"))
    kind, coordinates = geometry.get("type"), geometry.get("coordinates")
    if kind not in {"Polygon", "MultiPolygon"} or not coordinates:
        raise UnusableItemError("it has no footprint")
    polygons = [coordinates] if kind == "Polygon" else coordinates
    try:
        return tuple(_ring(polygon[0]) for polygon in polygons)
    except (TypeError, ValueError, LookupError) as error:
        raise UnusableItemError("its footprint is no polygon in longitude and latitude") from error


def image_file(item: Item, key: str, *, pixel_m: float) -> SourceFile | None:
    """The file of one asset with what the catalogue says of its grid; None if there is no such asset.

    The grid may stand on the asset or, for all assets of one resolution, on the item: there it counts only if its
    pixels measure `pixel_m`, since a Landsat item's is that of its 30 m bands.

    Raises:
        UnusableItemError: the asset has no href that can be read.
    """
    asset = mapping(mapping(item.get("assets")).get(key))
    if not asset:
        return None
    href, paid = _href(item, key, asset)
    properties = mapping(item.get("properties"))
    crs = _crs(asset) or _crs(properties)
    transform, shape = _grid(asset)
    if transform is None and shape is None:
        transform, shape = _item_grid(properties, pixel_m)
    size = asset.get("file:size")
    return SourceFile(
        href=href,
        crs=crs,
        transform=transform,
        shape=shape,
        size_bytes=size if isinstance(size, int) and size > 0 else None,
        requester_pays=paid,
    )


def self_href(item: Item) -> str:
    """Where the item itself lies, or its id if the catalogue does not say."""
    links = item.get("links")
    by_rel = {link.get("rel"): link.get("href") for link in map(mapping, links if isinstance(links, list) else ())}
    return text(by_rel.get("self")) or text(by_rel.get("canonical")) or str(item.get("id"))


def _ring(points: Any) -> Ring:
    ring = tuple((float(point[0]), float(point[1])) for point in points)
    if len(ring) < _MIN_RING or not all(abs(x) <= 360 and abs(y) <= 90 for x, y in ring):  # noqa: PLR2004 - degrees
        msg = "not a ring on Earth"
        raise ValueError(msg)
    return ring


def _crs(fields: Mapping[str, Any]) -> str | None:
    """CRS from `proj:code` or, in items of older versions, `proj:epsg`."""
    code, epsg = text(fields.get("proj:code")), fields.get("proj:epsg")
    if code is not None and re.fullmatch(r"[A-Za-z_]+:\w+", code):
        return code.upper()
    return f"EPSG:{int(epsg)}" if isinstance(epsg, int | str) and str(epsg).isdigit() else None


def _grid(fields: Mapping[str, Any]) -> tuple[Affine6 | None, tuple[int, int] | None]:
    return _transform(fields.get("proj:transform")), _shape(fields.get("proj:shape"))


def _item_grid(fields: Mapping[str, Any], pixel_m: float) -> tuple[Affine6 | None, tuple[int, int] | None]:
    transform, shape = _grid(fields)
    if transform is None or abs(transform[0] - pixel_m) > _GRID_TOLERANCE_M:
        return None, None
    return transform, shape


def _transform(value: Any) -> Affine6 | None:
    """Six numbers in rasterio's order, from six or from a whole 3 x 3 matrix."""
    if not isinstance(value, list) or len(value) not in {6, 9}:
        return None
    try:
        a, b, c, d, e, f = (float(number) for number in value[:6])
    except (TypeError, ValueError):
        return None
    usable = all(map(math.isfinite, (a, b, c, d, e, f))) and a * e - b * d != 0
    return (a, b, c, d, e, f) if usable else None


def _shape(value: Any) -> tuple[int, int] | None:
    match value:
        case [int(height), int(width)] if height > 0 and width > 0:
            return height, width
        case _:
            return None


def _href(item: Item, key: str, asset: Mapping[str, Any]) -> tuple[str, bool]:
    """(href, whether the reader pays): the S3 one where the catalogue offers it beside another."""
    in_s3 = mapping(mapping(asset.get("alternate")).get("s3"))
    preferred = text(in_s3.get("href"))
    href = readable_href(preferred or asset.get("href"), base=self_href(item), key=key)
    said = (in_s3 if preferred else asset).get("storage:requester_pays")
    if said is None:
        said = mapping(item.get("properties")).get("storage:requester_pays")
    return href, said is True or href.startswith(_REQUESTER_PAYS_PREFIX)


def readable_href(value: Any, *, base: str, key: str) -> str:
    """An https or s3 URL or an absolute local path; `base` is what a relative one is relative to.

    Raises:
        UnusableItemError: there is none, or it lies where we cannot read.
    """
    written = text(value)
    if written is None:
        raise UnusableItemError(f"its asset {key} has no href")
    scheme = urlsplit(written).scheme
    if scheme == "file":
        return unquote(urlsplit(written).path)
    if scheme in _READABLE_SCHEMES or Path(written).is_absolute():
        return written
    if scheme == "" and urlsplit(base).scheme in {"http", "https"}:
        return urljoin(base, written)
    if scheme == "" and Path(base).is_absolute():
        return str((Path(base).parent / written).resolve())
    raise UnusableItemError(f"its asset {key} lies where it cannot be read: {written}")
