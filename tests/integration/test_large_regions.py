"""The largest regions on one machine: four full tiles, bounded memory, bounded scratch, no byte too many."""

import datetime as dt
import json
import os
import shutil
import struct
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rasterio.windows import Window
from tests.support import nginx
from tests.support.catalogs import write_static_catalog
from tests.support.cogs import bytes_under, write_tile_cog
from tests.support.command import PROGRAM
from tests.support.items import sentinel2_item
from tests.support.tiles import tile_grid

from glacierctl.regions.builtin import builtin_regions
from glacierctl.regions.grid import region_grid

_REGIONS = {region.name: region for region in builtin_regions()}
_SENSED_AT = dt.datetime(2024, 7, 4, 15, 14, 22, tzinfo=dt.UTC)
_TEMPLATE = "26XMR"
_MB = 1e6


@dataclass(frozen=True)
class Measured:
    """One whole process, as the operating system saw it."""

    document: dict[str, Any]
    peak_memory_mb: float
    peak_scratch_mb: float


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A full tile of noisy snow: it compresses to about 1.4 bytes a pixel, as B08 does."""

    def snow(window: Window) -> np.ndarray:
        noise = np.random.default_rng([window.row_off, window.col_off])
        return np.clip(noise.normal(6000, 60, (window.height, window.width)), 1, None).astype(np.uint16)

    return write_tile_cog(tmp_path_factory.mktemp("template") / "B08.tif", snow, _TEMPLATE, dtype="uint16")


def _move_to(template: Path, path: Path, tile: str) -> None:
    """Copy the template and rewrite the two header tags that say where it lies; compressing it anew takes too long."""
    shutil.copy(template, path)
    (old_crs, old, _), (new_crs, new, _) = tile_grid(_TEMPLATE), tile_grid(tile)
    with path.open("r+b") as file:
        header = file.read(8192)
        for before, after in (
            (struct.pack("<2d", old.c, old.f), struct.pack("<2d", new.c, new.f)),
            (struct.pack("<4H", 3072, 0, 1, int(old_crs[5:])), struct.pack("<4H", 3072, 0, 1, int(new_crs[5:]))),
        ):
            assert header.count(before) >= 1
            header = header.replace(before, after)
        file.seek(0)
        file.write(header)


def _measure(folder: Path, *args: str) -> Measured:
    scratch = folder / "scratch"
    scratch.mkdir()
    with (folder / "stdout.json").open("w+") as stdout:
        process = subprocess.Popen(
            [PROGRAM, *args, "--json"],
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            cwd=folder,
            env={**os.environ, "TMPDIR": str(scratch)},
        )
        peak_memory, peak_scratch = 0, 0
        while process.poll() is None:
            peak_memory = max(peak_memory, _resident_peak(process.pid))
            peak_scratch = max(peak_scratch, _size(scratch))
            time.sleep(0.02)
        assert process.returncode == 0
        stdout.seek(0)
        return Measured(json.load(stdout), peak_memory / _MB, peak_scratch / _MB)


def _resident_peak(pid: int) -> int:
    """Most bytes resident so far; `ru_maxrss` would count what this process held when it forked."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except FileNotFoundError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)


def _size(folder: Path) -> int:
    size = 0
    for path in folder.rglob("*"):
        try:
            size += path.stat().st_blocks * 512
        except FileNotFoundError:
            continue
    return size


@pytest.mark.slow
@pytest.mark.parametrize("name", ["191_Hagen_Brae", "090_petermann"])
def test_the_largest_regions_fit_in_memory_and_scratch_and_read_only_their_blocks(
    name: str, template: Path, tmp_path: Path
) -> None:
    region = _REGIONS[name]
    www = tmp_path / "www"
    www.mkdir()
    for tile in region.tiles:
        _move_to(template, www / f"{tile}.tif", tile)
    with nginx.serve(www, tmp_path / "nginx") as server:
        items = [
            sentinel2_item(tile=tile, sensed_at=_SENSED_AT, nir_href=server.url(f"{tile}.tif"), scl_href=None)
            for tile in region.tiles
        ]
        catalog = write_static_catalog(tmp_path / "catalog", items)
        measured = _measure(
            tmp_path, "run-local", "--satellite", "sentinel2", "--regions", name, "--start-date", "2024-07-04",
            "--end-date", "2024-07-04", "--catalog", str(catalog), "--output", str(tmp_path / "out"),
        )  # fmt: skip
        served = sum(record.body_bytes for record in server.records())
        requests = len(server.records())

    (product,) = measured.document["outcomes"]
    assert product["outcome"] == "product"
    assert product["usage"]["bytes_read"] == served
    grid = region_grid(region, 10)
    needed = sum(bytes_under(www / f"{tile}.tif", grid, margin_px=3) for tile in region.tiles)
    assert served <= 1.10 * needed
    # a run is one row of blocks at most, and a tile has eleven; rows are rarely cut in two
    assert requests <= 16 * len(region.tiles)
    assert measured.peak_memory_mb <= 700
    assert abs(measured.document["usage"]["peak_memory_mb"] - measured.peak_memory_mb) <= 30
    assert measured.peak_scratch_mb <= 512
    shutil.rmtree(tmp_path)
