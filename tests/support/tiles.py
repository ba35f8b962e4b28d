"""The real grids of Sentinel-2's tiles, computed from the MGRS scheme (NGA.STND.0037) rather than looked up."""

import math
import re

from affine import Affine
from pyproj import Transformer

TILE_PIXELS = 10980
"""Width and height of a 10 m band."""

_SQUARE_M = 100_000
_ROW_CYCLE_M = 2_000_000
_COLUMN_LETTERS = ("ABCDEFGH", "JKLMNPQR", "STUVWXYZ")
_ROW_LETTERS = "ABCDEFGHJKLMNPQRSTUV"
_BANDS = "CDEFGHJKLMNPQRSTUVWX"
_CORNER_STEP_M = 60
"""Tile corners lie on whole 60 m pixels, so that the bands of all resolutions share them."""


def tile_grid(tile: str) -> tuple[str, Affine, tuple[int, int]]:
    """CRS (`EPSG:32619`), transform of the 10 m bands and shape (height, width) of a tile such as `19XEG`."""
    zone, band, column, row = _parse(tile)
    east = (_COLUMN_LETTERS[(zone - 1) % 3].index(column) + 1) * _SQUARE_M
    north = _northing(zone, band, row)
    left = math.floor(east / _CORNER_STEP_M) * _CORNER_STEP_M
    top = math.ceil((north + _SQUARE_M) / _CORNER_STEP_M) * _CORNER_STEP_M
    return _crs(zone, band), Affine(10, 0, left, 0, -10, top), (TILE_PIXELS, TILE_PIXELS)


def tile_outline(tile: str) -> list[tuple[float, float]]:
    """Corners of a tile as (longitude, latitude): upper left, lower left, lower right, upper right, upper left."""
    crs, transform, (height, width) = tile_grid(tile)
    to_wgs84 = Transformer.from_crs(crs, "OGC:CRS84", always_xy=True)
    corners = [(0, 0), (0, height), (width, height), (width, 0), (0, 0)]
    return [to_wgs84.transform(*(transform @ corner)) for corner in corners]


def _parse(tile: str) -> tuple[int, str, str, str]:
    match = re.fullmatch(r"(\d{1,2})([C-HJ-NP-X])([A-HJ-NP-Z])([A-HJ-NP-V])", tile)
    if not match:
        raise ValueError(f"{tile!r} is no MGRS tile")
    return int(match[1]), match[2], match[3], match[4]


def _crs(zone: int, band: str) -> str:
    return f"EPSG:{(32600 if band >= 'N' else 32700) + zone}"


def _northing(zone: int, band: str, row: str) -> int:
    """South edge of the 100 km square; its letters repeat every 2000 km, the latitude band says which is meant."""
    first_row_letter = 5 if zone % 2 == 0 else 0
    north = (_ROW_LETTERS.index(row) - first_row_letter) % len(_ROW_LETTERS) * _SQUARE_M
    south_of_band_deg = -80 + 8 * _BANDS.index(band)
    central_meridian_deg = zone * 6 - 183
    to_utm = Transformer.from_crs("OGC:CRS84", _crs(zone, band), always_xy=True)
    _, least = to_utm.transform(central_meridian_deg, south_of_band_deg)
    while north + _SQUARE_M <= least:
        north += _ROW_CYCLE_M
    return north
