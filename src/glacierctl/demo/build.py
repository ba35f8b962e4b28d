"""The demo's data in a folder: scenes, catalogue, and the truth about them."""

import datetime as dt
import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from affine import Affine
from pyproj import Transformer

from glacierctl import __version__
from glacierctl.demo.catalogue import COLLECTION, item_id, write_catalogue
from glacierctl.demo.passes import Pass, demo_passes
from glacierctl.demo.raster import on_map
from glacierctl.demo.scenes import write_scene
from glacierctl.demo.texture import Floats
from glacierctl.demo.tiles import DEMO_TILES, Tile, demo_region
from glacierctl.model import GREENLAND_CRS, Region

_MARKER = "complete.json"
_EDITION = 1
"""Raised when the files change, so that those of an older edition are written anew."""

_WRITERS = 2
"""Scenes at a time: numpy and GDAL let go of the interpreter, and each needs about 100 MB."""


@dataclass(frozen=True)
class DemoData:
    """Where the demo's data lies, and what to ask for to get all of it."""

    catalog: Path
    """Folder of a static STAC catalogue."""
    region: Region
    """The only region that it covers."""
    start: dt.date
    """Day of the first pass, UTC."""
    end: dt.date
    """Day of the last pass, UTC."""


def build_demo(folder: Path) -> DemoData:
    """Write three passes over an analytic glacier, unless they are there already, whole.

    Args:
        folder: becomes a static STAC catalogue; made if need be. What an interrupted run or an older edition left of
            the demo in it is replaced.

    Raises:
        OSError: the folder cannot be written.
    """
    passes, region = demo_passes(), demo_region()
    if not _is_complete(folder):
        _build(folder, [(seen, tile) for seen in passes for tile in DEMO_TILES], region)
    return DemoData(folder, region, passes[0].sensed_at.date(), passes[-1].sensed_at.date())


def truth(seen: Pass, transform: Affine, shape: tuple[int, int], crs: str = GREENLAND_CRS) -> Floats:
    """What a product of one pass should show on a grid: digital numbers, not rounded, offset removed; 0 is nodata."""
    return seen.reflectance(*centres(transform, shape, crs))


def centres(transform: Affine, shape: tuple[int, int], crs: str = GREENLAND_CRS) -> tuple[Floats, Floats]:
    """(x, y) in EPSG:3413 of the pixel centres of a grid, (height, width) each, by pyproj point by point."""
    cols, rows = np.meshgrid(np.arange(shape[1]) + 0.5, np.arange(shape[0]) + 0.5)
    x, y = on_map(transform, cols, rows)
    if crs != GREENLAND_CRS:
        x, y = Transformer.from_crs(crs, GREENLAND_CRS, always_xy=True).transform(x, y)
    return x, y


def _build(folder: Path, scenes: list[tuple[Pass, Tile]], region: Region) -> None:
    (folder / _MARKER).unlink(missing_ok=True)
    shutil.rmtree(folder / COLLECTION, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(_WRITERS) as pool:
        places = [folder / COLLECTION / item_id(*scene) for scene in scenes]
        jobs = [
            pool.submit(write_scene, place, *scene, region.bounds) for place, scene in zip(places, scenes, strict=True)
        ]
        for job in jobs:
            job.result()
    write_catalogue(folder, scenes, region.bounds)
    marker = folder / f".{_MARKER}"
    marker.write_text(json.dumps(_content(folder)), encoding="utf-8")
    marker.replace(folder / _MARKER)


def _content(folder: Path) -> dict[str, object]:
    """What the marker says of a finished folder."""
    files = [path for path in sorted(folder.rglob("*.*")) if path.is_file() and not path.name.startswith(".")]
    sizes = {path.relative_to(folder).as_posix(): path.stat().st_size for path in files}
    return {"edition": _EDITION, "version": __version__, "files": sizes}


def _is_complete(folder: Path) -> bool:
    """Whether the marker is of this edition and every file that it names is there in its size."""
    try:
        said = json.loads((folder / _MARKER).read_text(encoding="utf-8"))
        sizes = {name: (folder / name).stat().st_size for name in said["files"]}
    except (FileNotFoundError, ValueError, LookupError):
        return False
    return bool(said == {"edition": _EDITION, "version": __version__, "files": sizes})
