"""Two real Landsat 8 panchromatic scenes of Yahtse Glacier, Alaska, as LandsatLook items.

The files are cut-outs (whyjz/CARST, MIT; Landsat is in the public domain) of Level-1 scenes of before Collection 2:
times, scene ids and sun are those of the MTL; the tier is given here, for Collection 1 had not begun.
"""

import datetime as dt
import re
from pathlib import Path

import rasterio
from pyproj import Transformer
from tests.support.items import Json, landsat_item, write_static_catalog
from tests.support.paths import require_shared_data

SCENES = ("LC80630182016200LGN00", "LC80630182016216LGN00")
"""16 days apart."""

BBOX = (465067.5, 6665272.5, 490537.5, 6681577.5)
"""The cut-outs' edges (xmin, ymin, xmax, ymax) in EPSG:32607 metres; both have the same."""


def items() -> tuple[Json, ...]:
    """The two scenes; `pan` is the absolute path of the real file and there is no quality band."""
    return tuple(_item(scene) for scene in SCENES)


def catalog(folder: Path) -> Path:
    """Write a static catalogue of the two scenes; returns its `catalog.json`."""
    return write_static_catalog(folder, items())


def pan_path(scene: str) -> Path:
    """The real file of a scene."""
    return require_shared_data("yahtse_landsat8", f"{scene}_B8_yahtse.TIF")


def mtl(scene: str) -> dict[str, str]:
    """The scene's metadata file, flat."""
    text = require_shared_data("yahtse_landsat8", f"{scene}_B8_MTL.txt").read_text(encoding="ascii")
    return {key: value.strip('"') for key, value in re.findall(r"^\s*(\w+) = (.+)$", text, flags=re.MULTILINE)}


def _item(scene: str) -> Json:
    facts = mtl(scene)
    day = facts["DATE_ACQUIRED"].replace("-", "")
    made = facts["FILE_DATE"][:10].replace("-", "")
    # The MTL has seven decimals, datetime six.
    sensed_at = dt.datetime.fromisoformat(f"{facts['DATE_ACQUIRED']}T{facts['SCENE_CENTER_TIME'][:15]}+00:00")
    path = pan_path(scene)
    with rasterio.open(path) as image:
        grid, shape, epsg = image.transform, image.shape, image.crs.to_epsg()
    item = landsat_item(
        item_id=f"LC08_L1TP_{int(facts['WRS_PATH']):03d}{int(facts['WRS_ROW']):03d}_{day}_{made}_02_T1",
        sensed_at=sensed_at,
        scene_id=scene,
        pan_href=str(path),
        epsg=epsg,
        footprint=_footprint(),
        cloud_cover=float(facts["CLOUD_COVER"]),
        cloud_cover_land=float(facts["CLOUD_COVER_LAND"]),
    )
    item["properties"] |= {
        "view:sun_azimuth": float(facts["SUN_AZIMUTH"]),
        "view:sun_elevation": float(facts["SUN_ELEVATION"]),
    }
    item["assets"]["pan"] |= {"proj:shape": list(shape), "proj:transform": list(grid[:6])}
    del item["assets"]["qa_pixel"]
    return item


def _footprint() -> list[tuple[float, float]]:
    xmin, ymin, xmax, ymax = BBOX
    to_wgs84 = Transformer.from_crs("EPSG:32607", "OGC:CRS84", always_xy=True)
    corners = [(xmin, ymax), (xmin, ymin), (xmax, ymin), (xmax, ymax), (xmin, ymax)]
    return [to_wgs84.transform(*corner) for corner in corners]
