"""Makers of STAC items in the shape of the real ones, so that a test states only what matters to it.

Modelled on Earth Search's `sentinel-2-l2a` and `sentinel-2-c1-l2a` and on LandsatLook's `landsat-c2l1`.
"""

import datetime as dt
from collections.abc import Sequence

from tests.support.catalogs import (
    COLLECTIONS,
    Json,
    Ring,
    collection,
    feature,
    geometry,
    iso,
    write_static_catalog,
)
from tests.support.tiles import tile_grid, tile_outline

__all__ = ["COLLECTIONS", "Json", "collection", "landsat_item", "sentinel2_item", "write_static_catalog"]


_COG = "image/tiff; application=geotiff; profile=cloud-optimized"
_USGS_COG = "image/vnd.stac.geotiff; cloud-optimized=true"
_LICENCE = {"rel": "license", "href": "https://sentinel.esa.int/documents/247904/690755/Sentinel_Data_Legal_Notice"}


def sentinel2_item(
    *,
    tile: str = "22WEB",
    sensed_at: dt.datetime = dt.datetime(2024, 7, 4, 15, 14, 22, 119000, tzinfo=dt.UTC),
    datatake_start: dt.datetime | None = None,
    baseline: str = "05.10",
    relative_orbit: int = 25,
    platform: str = "sentinel-2a",
    collection: str = "sentinel-2-l2a",
    nir_href: str = "B08.tif",
    scl_href: str | None = "SCL.tif",
    epsg: int | None = None,
    transform: Sequence[float] | None = None,
    shape: tuple[int, int] = (10980, 10980),
    footprint: Ring | Json | None = None,
    offset_applied: bool | None = True,
    sequence: int = 0,
    cloud_cover: float = 8.5,
    generated_at: dt.datetime | None = None,
) -> Json:
    """One scene of one tile.

    Args:
        sensed_at: the tile's own time.
        datatake_start: the pass's time, the one in the product's name; three minutes before `sensed_at` if not given.
        nir_href: B08, 10 m. `transform` (a, b, c, d, e, f, in metres of `epsg`) and `shape` (height, width) are its.
        scl_href: scene classification at half the resolution; none leaves the asset out.
        footprint: ring of (longitude, latitude), or any GeoJSON geometry; the whole tile if not given.
        offset_applied: Earth Search's flag; `sentinel-2-c1-l2a` never has it.
        sequence: Earth Search v1's count of file sets of one tile and day, in the id.
        generated_at: when the provider made the files; five hours after `sensed_at` if not given.
    """
    crs, grid, _ = tile_grid(tile)
    start = datatake_start or (sensed_at - dt.timedelta(minutes=3)).replace(microsecond=0)
    made = generated_at or (sensed_at + dt.timedelta(hours=5)).replace(microsecond=0)
    affine = list(transform) if transform is not None else list(grid[:6])
    names = _sentinel2_names(
        tile=tile, start=start, made=made, baseline=baseline, relative_orbit=relative_orbit, platform=platform
    )
    is_c1 = collection == "sentinel-2-c1-l2a"
    spacecraft = _spacecraft(platform)
    item_id = f"{spacecraft}_T{tile}_{_stamp(start)}_L2A" if is_c1 else _v1_id(spacecraft, tile, sensed_at, sequence)
    properties = {
        "datetime": iso(sensed_at),
        "created": iso(made),
        "updated": iso(made),
        "platform": platform,
        "constellation": "sentinel-2",
        "instruments": ["msi"],
        "eo:cloud_cover": cloud_cover,
        "proj:epsg": epsg if epsg is not None else int(crs.removeprefix("EPSG:")),
        "grid:code": f"MGRS-{int(tile[:-3])}{tile[-3:]}",
        "mgrs:utm_zone": int(tile[:-3]),
        "mgrs:latitude_band": tile[-3],
        "mgrs:grid_square": tile[-2:],
        "s2:processing_baseline": baseline,
        "s2:product_type": "S2MSI2A",
        "s2:generation_time": iso(made),
        "s2:datatake_type": "INS-NOBS",
        **names,
        **_collection_only(is_c1=is_c1, sequence=sequence, offset_applied=offset_applied),
    }
    assets = {"nir": _nir_asset(nir_href, affine, shape, baseline)}
    if scl_href is not None:
        assets["scl"] = _scl_asset(scl_href, affine, shape)
    return feature(
        item_id=item_id,
        collection_id=collection,
        properties=properties,
        assets=assets,
        geometry=geometry(footprint, tile_outline(tile)),
        links=[_LICENCE],
    )


def landsat_item(
    *,
    item_id: str = "LC08_L1TP_084008_20240704_20240712_02_T1",
    sensed_at: dt.datetime | None = None,
    scene_id: str | None = None,
    instruments: Sequence[str] | None = None,
    pan_href: str | None = None,
    nir_href: str | None = None,
    qa_href: str | None = None,
    s3: bool = True,
    epsg: int = 32622,
    transform: Sequence[float] = (30, 0, 433785, 0, -30, 7780815),
    shape: tuple[int, int] = (8161, 8071),
    footprint: Ring | Json | None = None,
    cloud_cover: float = 12.31,
    cloud_cover_land: float = 10.02,
) -> Json:
    """One Level-1 scene; sensor, path, row, day and tier are read from `item_id` as USGS writes it.

    Assets follow the sensor: `pan` for Landsat 7, 8 and 9, `nir08` for TM and MSS, `qa_pixel` always.

    Args:
        sensed_at: 21:33:10.976578 UTC of the day in the id if not given.
        scene_id: `landsat:scene_id`, in the old form.
        pan_href: panchromatic band; USGS's own address if not given.
        nir_href: `nir08`; USGS's own address if not given.
        qa_href: `qa_pixel`; USGS's own address if not given.
        s3: whether USGS's addresses carry `alternate.s3` (requester pays). Given hrefs never do.
        transform: (a, b, c, d, e, f) of the 30 m bands, in metres of `epsg`; `shape` (height, width) is theirs too.
        footprint: ring of (longitude, latitude), or any GeoJSON geometry; a box over Jakobshavn if not given.
        cloud_cover_land: -1 means that there is none.
    """
    sensor, level, path_row, day, _, number, tier = item_id.split("_")
    date = dt.datetime.strptime(day, "%Y%m%d").replace(tzinfo=dt.UTC)
    properties = {
        "datetime": iso(sensed_at or date.replace(hour=21, minute=33, second=10, microsecond=976578)),
        "eo:cloud_cover": cloud_cover,
        "view:sun_azimuth": 171.3,
        "view:sun_elevation": 41.2,
        "view:off_nadir": 0,
        "platform": f"LANDSAT_{int(sensor[2:])}",
        "instruments": list(instruments or _LANDSAT_INSTRUMENTS[sensor[:2]]),
        "landsat:cloud_cover_land": cloud_cover_land,
        "landsat:wrs_type": "2",
        "landsat:wrs_path": path_row[:3],
        "landsat:wrs_row": path_row[3:],
        "landsat:scene_id": scene_id or f"{sensor[:2]}{int(sensor[2:])}{path_row}{date:%Y%j}LGN00",
        "landsat:collection_category": tier,
        "landsat:collection_number": number,
        "landsat:correction": level,
        "proj:epsg": epsg,
        "proj:shape": list(shape),
        "proj:transform": list(transform),
        "created": "2024-07-12T05:21:58.975Z",
        "updated": "2024-07-12T05:21:58.975Z",
    }
    given = {"pan": pan_href, "nir08": nir_href, "qa_pixel": qa_href}
    assets = {
        name: _landsat_asset(name, item_id, given[name], s3=s3) for name in _landsat_asset_names(sensor, pan=pan_href)
    }
    if "pan" in assets:
        assets["pan"] |= _pan_grid(transform, shape)
    return feature(
        item_id=item_id,
        collection_id="landsat-c2l1",
        properties=properties,
        assets=assets,
        geometry=geometry(footprint, _JAKOBSHAVN_BOX),
        links=[],
    )


_LANDSAT_INSTRUMENTS = {
    "LC": ("OLI", "TIRS"),
    "LO": ("OLI",),
    "LE": ("ETM",),
    "LT": ("TM",),
    "LM": ("MSS",),
}
_JAKOBSHAVN_BOX: Ring = [(-52.4, 70.1), (-52.4, 68.2), (-46.8, 68.2), (-46.8, 70.1), (-52.4, 70.1)]
_LANDSAT_BANDS = {
    "pan": ("Panchromatic Band (B8)", "B8", "data"),
    "nir08": ("Near Infrared Band 0.8 (B4)", "B4", "data"),
    "qa_pixel": ("Quality Assessment Band", "QA_PIXEL", "cloud"),
}


def _collection_only(*, is_c1: bool, sequence: int, offset_applied: bool | None) -> Json:
    if is_c1:
        return {"storage:platform": "AWS", "storage:region": "us-west-2", "storage:requester_pays": False}
    flag = {} if offset_applied is None else {"earthsearch:boa_offset_applied": offset_applied}
    return {"s2:sequence": str(sequence), **flag}


def _sentinel2_names(
    *, tile: str, start: dt.datetime, made: dt.datetime, baseline: str, relative_orbit: int, platform: str
) -> Json:
    craft, number = _spacecraft(platform), baseline.replace(".", "")
    product = f"{craft}_MSIL2A_{_stamp(start)}_N{number}_R{relative_orbit:03d}_T{tile}_{_stamp(made)}"
    return {
        "s2:product_uri": f"{product}.SAFE",
        "s2:datatake_id": f"G{craft}_{_stamp(start)}_041859_N{baseline}",
        "s2:datastrip_id": f"{craft}_OPER_MSI_L2A_DS_2APS_{_stamp(made)}_S{_stamp(start)}_N{baseline}",
    }


def _spacecraft(platform: str) -> str:
    return "S2" + platform[-1].upper()


def _v1_id(spacecraft: str, tile: str, sensed_at: dt.datetime, sequence: int) -> str:
    return f"{spacecraft}_{tile}_{sensed_at:%Y%m%d}_{sequence}_L2A"


def _nir_asset(href: str, affine: list[float], shape: tuple[int, int], baseline: str) -> Json:
    offset = -0.1 if baseline >= "04.00" else 0
    band = {"nodata": 0, "data_type": "uint16", "bits_per_sample": 15, "spatial_resolution": 10, "scale": 0.0001}
    return {
        "href": href,
        "type": _COG,
        "title": "NIR 1 (band 8) - 10m",
        "eo:bands": [{"name": "nir", "common_name": "nir", "description": "NIR 1 (band 8)"}],
        "gsd": 10,
        "proj:shape": list(shape),
        "proj:transform": affine,
        "raster:bands": [{**band, "offset": offset}],
        "roles": ["data", "reflectance"],
    }


def _scl_asset(href: str, nir_affine: list[float], nir_shape: tuple[int, int]) -> Json:
    a, b, c, d, e, f = nir_affine
    return {
        "href": href,
        "type": _COG,
        "title": "Scene classification map (SCL)",
        "proj:shape": [-(-side // 2) for side in nir_shape],
        "proj:transform": [2 * a, 2 * b, c, 2 * d, 2 * e, f],
        "raster:bands": [{"nodata": 0, "data_type": "uint8", "spatial_resolution": 20}],
        "roles": ["data", "reflectance"],
    }


def _landsat_asset_names(sensor: str, *, pan: str | None) -> list[str]:
    image = "pan" if pan is not None or int(sensor[2:]) >= 7 else "nir08"
    return [image, "qa_pixel"]


def _landsat_asset(name: str, item_id: str, href: str | None, *, s3: bool) -> Json:
    title, band, role = _LANDSAT_BANDS[name]
    sensor, _, path_row, day, *_ = item_id.split("_")
    folder = {"LC": "oli-tirs", "LO": "oli-tirs", "LE": "etm", "LT": "tm", "LM": "mss"}[sensor[:2]]
    key = f"collection02/level-1/standard/{folder}/{day[:4]}/{path_row[:3]}/{path_row[3:]}/{item_id}/{item_id}"
    asset = {
        "title": title,
        "description": f"Collection 2 Level-1 {title} Top of Atmosphere Radiance",
        "type": _USGS_COG,
        "roles": [role],
        "href": href or f"https://landsatlook.usgs.gov/data/{key}_{band}.TIF",
    }
    if href is None and s3:
        address = f"s3://usgs-landsat/{key}_{band}.TIF"
        paid = {"storage:platform": "AWS", "storage:requester_pays": True, "href": address}
        asset["alternate"] = {"s3": paid}
    return asset


def _pan_grid(transform: Sequence[float], shape: tuple[int, int]) -> Json:
    """15 m pixels whose outermost centres are those of the 30 m pixels' outer corners, as USGS lays them."""
    a, b, c, d, e, f = transform
    half = a / 4
    return {
        "proj:shape": [2 * side - 1 for side in shape],
        "proj:transform": [a / 2, b / 2, c + half, d / 2, e / 2, f - half],
    }


def _stamp(moment: dt.datetime) -> str:
    return f"{moment.astimezone(dt.UTC):%Y%m%dT%H%M%S}"
