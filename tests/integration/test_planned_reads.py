"""What a plan expects to read beside what is read: files of real sizes, and nginx's own count of requests and bytes."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from pyproj import Transformer
from rasterio.windows import Window
from tests.support import bowdoin, full_tiles, nginx
from tests.support.catalogs import Json
from tests.support.cogs import block_index, write_cog
from tests.support.command import Ran
from tests.support.items import landsat_item, write_static_catalog

from glacierctl.regions.builtin import builtin_regions

Glacierctl = Callable[..., Ran]
REGIONS = {region.name: region for region in builtin_regions()}
CLOSE = 0.10
"""How far the plan may be off."""

pytestmark = pytest.mark.slow


def sized(item: Json, size: int, band: str = "nir") -> Json:
    """The item with the size of its image, as `sentinel-2-c1-l2a` has it."""
    assets = {name: {**asset, "file:size": size} if name == band else asset for name, asset in item["assets"].items()}
    return {**item, "assets": assets}


def size_of_real(image: Path) -> int:
    """What a file would have if its overviews took a third of its pixels, as those of 16-bit data do.

    Those of composites that were stretched from 8 bits take half: averages are harder to compress than they.
    """
    return sum(size for _, size in block_index(image)[0].blocks.values()) * 4 // 3


def compare(glacierctl: Glacierctl, server: nginx.Nginx, folder: Path, items: list[Json], region: str) -> None:
    """Plan a region, make it, and hold the one against the other."""
    catalog = write_static_catalog(folder / "catalog", items)
    days = ("--start-date", "2016-01-01", "--end-date", "2024-12-31")
    satellite = "landsat" if "landsat" in items[0]["collection"] else "sentinel2"
    asked = ("--satellite", satellite, "--regions", region, *days, "--catalog", str(catalog), "--json")
    planned = json.loads(glacierctl("plan", *asked).stdout)["total"]["estimate"]
    mark = server.mark()
    ran = glacierctl("run-local", *asked, "--output", folder / "out")
    assert ran.code == 0, ran.stderr
    records = server.records(since=mark)
    assert all(one.range for one in records)
    said = json.loads(ran.stdout)["usage"]
    assert (said["requests"], said["bytes_read"]) == (len(records), sum(one.body_bytes for one in records))
    assert planned["requests"] == pytest.approx(len(records), rel=CLOSE)
    assert planned["bytes_to_read"] == pytest.approx(said["bytes_read"], rel=CLOSE)
    assert (planned["paid_requests"], said["paid_requests"]) == (0, 0), "these files are nobody's bucket's"


def test_three_dates_of_bowdoin(
    glacierctl: Glacierctl,
    bowdoin_scenes: tuple[bowdoin.BowdoinScene, ...],
    bowdoin_folder: Path,
    tmp_path: Path,
) -> None:
    with nginx.serve(bowdoin_folder, tmp_path / "nginx") as server:
        served = bowdoin.served(bowdoin_scenes, bowdoin_folder, server.url())
        items = [sized(item, size_of_real(one.nir)) for item, one in zip(served, bowdoin_scenes, strict=True)]
        compare(glacierctl, server, tmp_path, items, "163_Bowdoin")


@pytest.mark.parametrize("name", ["191_Hagen_Brae", "049_jakobshavn"])
def test_full_tiles_of_a_large_region(glacierctl: Glacierctl, tmp_path: Path, name: str) -> None:
    region = REGIONS[name]
    template = full_tiles.write_template(tmp_path / "B08.tif")
    full_tiles.lay_tiles(template, region, tmp_path / "www")
    with nginx.serve(tmp_path / "www", tmp_path / "nginx") as server:
        items = [sized(item, template.stat().st_size) for item in full_tiles.items(region, server)]
        compare(glacierctl, server, tmp_path, items, name)


def test_a_full_landsat_scene(glacierctl: Glacierctl, tmp_path: Path) -> None:
    place, (height, width) = Affine(15, 0, 433_792.5, 0, -15, 7_780_807.5), (16_321, 16_141)
    noise = np.random.default_rng(1).normal(9000, 60, (256, 256)).astype(np.uint16)

    def ice(window: Window) -> np.ndarray:
        return noise[: window.height, : window.width]

    def clear(window: Window) -> np.ndarray:
        return np.full((window.height, window.width), 21_824, np.uint16)

    www, shape = tmp_path / "www", (height, width)
    pan = write_cog(www / "pan.tif", ice, "EPSG:32622", place, shape=shape, block=256, dtype="uint16")
    write_cog(
        www / "qa.tif", clear, "EPSG:32622", place @ Affine.scale(2), shape=(height // 2, width // 2), block=256,
        dtype="uint16", nodata=1, overview_resampling="nearest",
    )  # fmt: skip
    with nginx.serve(www, tmp_path / "nginx") as server:
        item = landsat_item(
            pan_href=server.url("pan.tif"), qa_href=server.url("qa.tif"), footprint=outline("EPSG:32622", place, shape)
        )
        items = [sized(item, pan.stat().st_size, "pan")]
        compare(glacierctl, server, tmp_path, items, "049_jakobshavn")


def outline(crs: str, place: Affine, shape: tuple[int, int]) -> list[tuple[float, float]]:
    """A file's edge as (longitude, latitude)."""
    to_wgs84 = Transformer.from_crs(crs, "OGC:CRS84", always_xy=True)
    corners = [(0, 0), (0, shape[0]), (shape[1], shape[0]), (shape[1], 0), (0, 0)]
    return [to_wgs84.transform(*(place @ corner)) for corner in corners]
