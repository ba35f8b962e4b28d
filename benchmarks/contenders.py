"""Who is measured: glacierctl as its users run it, and what they would pick instead, each a process of its own."""

import json
import os
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks import data
from benchmarks.network import Network
from benchmarks.results import OURS
from tests.support.paths import REPO

from glacierctl.model import Region
from glacierctl.regions.grid import region_grid

PEERS = {
    "odc-stac": "with_odc_stac.py",
    "stackstac": "with_stackstac.py",
    "gdalwarp": "with_gdalwarp.py",
    "async-geotiff": "with_async_geotiff.py",
    "whole tiles": "with_whole_tiles.py",
}
USERS_PROGRAM = REPO / ".venv-user" / "bin" / "glacierctl"
"""As users install it."""
PEER_PYTHON = REPO / ".venv-bench" / "bin" / "python"
_FETCHERS = {Network.PLAIN: 1, Network.FAR: 4}
"""Readers a thread: waiting takes no core, so peers that read in their working threads get more of these."""


@dataclass(frozen=True)
class Case:
    """What is made."""

    region: Region
    """Where."""
    dates: int
    """How many passes."""
    network: Network
    """Over which line."""
    threads: int
    """Working threads of each contender."""


@dataclass(frozen=True)
class Prepared:
    """A contender about to be run."""

    command: list[str]
    """What to run."""
    env: dict[str, str]
    """On top of the environment."""
    outputs: Path
    """Where products come to lie, below."""

    def products(self) -> list[Path]:
        """GeoTIFFs made, in order of time."""
        return sorted(self.outputs.rglob("*.tif"))


def prepare(contender: str, case: Case, base_url: str, folder: Path, *, program: Path = USERS_PROGRAM) -> Prepared:
    """Write down what a contender needs to know; `program` is ours."""
    folder.mkdir(parents=True)
    prepared = _ours(case, base_url, folder, program) if contender == OURS else _peer(contender, case, base_url, folder)
    return replace(prepared, command=[*_on_cores(case.threads), *prepared.command])


def _on_cores(threads: int) -> list[str]:
    """With fewer threads than cores, no core beyond them may help."""
    if threads >= (os.cpu_count() or 1) or shutil.which("taskset") is None:
        return []
    return ["taskset", "--cpu-list", f"0-{threads - 1}"]


def _ours(case: Case, base_url: str, folder: Path, program: Path) -> Prepared:
    catalog = data.catalog(case.region, case.dates, base_url, folder / "catalog")
    first, last = data.days(case.dates)[0], data.days(case.dates)[-1]
    command = [
        str(program), "run-local", "--satellite", "sentinel2", "--regions", case.region.name,
        "--start-date", str(first), "--end-date", str(last), "--catalog", str(catalog),
        "--output", str(folder / "out"), "--workers", str(case.threads), "--json",
    ]  # fmt: skip
    env = {"GLACIERCTL_DATA_DIR": str(data.REGIONS_DATA), "XDG_CACHE_HOME": str(folder / "cache")}
    return Prepared(command, env, folder / "out" / "sentinel2" / "clipped")


def _peer(contender: str, case: Case, base_url: str, folder: Path) -> Prepared:
    grid = region_grid(case.region, 10)
    items = data.items(case.region, case.dates, base_url)
    tiles = len(case.region.tiles)
    outputs = folder / "out"
    outputs.mkdir()
    passes = [
        {"output": str(outputs / f"{day}.tif"), "items": items[number * tiles : (number + 1) * tiles]}
        for number, day in enumerate(data.days(case.dates))
    ]
    job = {
        "shape": list(grid.shape),
        "transform": list(grid.affine[:6]),
        "passes": passes,
        "threads": case.threads,
        "fetchers": case.threads * _FETCHERS[case.network],
    }
    (folder / "job.json").write_text(json.dumps(job))
    script = REPO / "benchmarks" / "peers" / PEERS[contender]
    env = {"LD_LIBRARY_PATH": str(_gdal_libraries())} if contender == "gdalwarp" else {}
    return Prepared([str(PEER_PYTHON), str(script), str(folder / "job.json")], env, outputs)


def _gdal_libraries() -> Path:
    """Where GDAL and what it needs lie in the peers' environment: loading rasterio, which knows, would be charged."""
    (found,) = (PEER_PYTHON.parents[1] / "lib").glob("python*/site-packages/rasterio.libs")
    return found
