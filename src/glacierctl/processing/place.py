"""Where an image lies on Earth: by its file's GeoTIFF tags, or by the catalogue."""

import math
from collections.abc import Mapping

import numpy as np
import pyproj
import tifffile
from affine import Affine

from glacierctl.model import SourceFile
from glacierctl.processing.transport import damaged

_USER_DEFINED = 32767
_PIXEL_IS_POINT = 2
_GEO_KEYS_TAG, _PIXEL_SCALE_TAG, _TIEPOINT_TAG, _TRANSFORMATION_TAG = 34735, 33550, 33922, 34264
_RASTER_TYPE_KEY, _PROJECTED_CRS_KEY = 1025, 3072
_GEO_KEY_WORDS = 4


def crs_of(page: tifffile.TiffPage, source: SourceFile) -> str:
    """Authority code of a TIFF's CRS, by its own keys, else by the catalogue.

    Raises:
        ReadError: neither names one.
    """
    code = _geo_keys(page).get(_PROJECTED_CRS_KEY, _USER_DEFINED)
    crs = source.crs if code == _USER_DEFINED else f"EPSG:{code}"
    if crs is None:
        raise damaged(source.href, "neither the file nor the catalogue names its coordinate reference system")
    pyproj.CRS.from_user_input(crs)
    return crs


def transform_of(page: tifffile.TiffPage, source: SourceFile) -> Affine:
    """Pixel to CRS of a TIFF, by its own tags, else by the catalogue.

    Raises:
        ReadError: neither says it.
        ValueError: the tags make no sense.
    """
    keys = _geo_keys(page)
    transform = _file_transform(page.tags) if keys else None
    if transform is None:
        return catalogued_transform(source, (page.imagelength, page.imagewidth))
    if transform.is_degenerate or not all(map(math.isfinite, transform)):
        raise ValueError(f"it is placed by {tuple(transform)[:6]}")
    is_point = keys.get(_RASTER_TYPE_KEY) == _PIXEL_IS_POINT
    return transform @ Affine.translation(-0.5, -0.5) if is_point else transform


def _geo_keys(page: tifffile.TiffPage) -> Mapping[int, int]:
    """GeoTIFF's keys whose values are numbers. tifffile would first load names for all codes of EPSG there are."""
    version, _, _, count, *words = page.tags.valueof(_GEO_KEYS_TAG, default=(0, 0, 0, 0))
    if version != 1:
        return {}
    entries = (words[at : at + _GEO_KEY_WORDS] for at in range(0, count * _GEO_KEY_WORDS, _GEO_KEY_WORDS))
    return {key: value for key, stored_in, _, value in entries if stored_in == 0}


def _file_transform(tags: tifffile.TiffTags) -> Affine | None:
    """Pixel to CRS as the tags say it, whether they mean a pixel's corner or its centre."""
    if _TRANSFORMATION_TAG in tags:
        matrix = np.asarray(tags.valueof(_TRANSFORMATION_TAG), float).reshape(4, 4)
        return Affine(matrix[0, 0], matrix[0, 1], matrix[0, 3], matrix[1, 0], matrix[1, 1], matrix[1, 3])
    if _PIXEL_SCALE_TAG in tags and _TIEPOINT_TAG in tags:
        width, height, *_ = tags.valueof(_PIXEL_SCALE_TAG)
        col, row, _, x, y, *_ = tags.valueof(_TIEPOINT_TAG)
        return Affine(width, 0, x - col * width, 0, -height, y + row * height)
    return None


def catalogued_transform(source: SourceFile, shape: tuple[int, int]) -> Affine:
    """Transform by the catalogue, scaled to the pixels that the file really has.

    Raises:
        ReadError: the catalogue gives none either.
    """
    if source.transform is None or source.shape is None:
        raise damaged(source.href, "neither the file nor the catalogue says where it lies")
    return Affine(*source.transform) @ Affine.scale(source.shape[1] / shape[1], source.shape[0] / shape[0])
