"""All 192 regions by glacierctl's own plan: what they need, cost and ask of catalogues, and handing them over."""

import json
import os
import statistics
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from benchmarks import data, handing
from benchmarks.results import OURS, Row, done, goal
from tests.support import pgstac
from tests.support.catalogs import Json, write_static_catalog
from tests.support.command import PROGRAM
from tests.support.items import landsat_item

from glacierctl.planning.speed import MEMORY_MARGIN, SAFETY, START_S

MEMORY_MB = 2048
SEASON_PASSES = 100
"""Passes over a region in six months that a season is reckoned with: one every second day or so."""
_MONTH_DAYS = 31
_REGIONS = 192
_TIMES = 3
_SATELLITES = {"sentinel2": "Sentinel-2", "landsat": "Landsat"}


def by_plan(runs: Sequence[Row], scratch: Path) -> tuple[list[Row], Row]:
    """One date of all regions: verdicts, and what `submit` says of it."""
    if len(data.regions()) < _REGIONS:
        return [goal("192 regions by plan", "all", "the file of 192 regions is not there", None)], {}
    catalog = _catalog(scratch)
    planned = {one["region"]: one["total"]["estimate"] for one in _plan(str(catalog), 1)["regions"]}
    seconds = {name: START_S + one["seconds"] for name, one in planned.items() if one["pixels"]}
    memory = {name: MEMORY_MARGIN * planned[name]["memory_mb"] for name in seconds}
    fitting = sum(memory[name] <= MEMORY_MB and SAFETY * seconds[name] <= 900 for name in seconds)
    longest = max(seconds, key=seconds.__getitem__)
    said = handing.look(catalog, scratch)
    season = _season(said)
    text = f"{fitting} of {_REGIONS}; the largest {max(memory.values()):.0f} MB, {MEMORY_MARGIN} x its estimate"
    each, passes = season["each"], f"{SEASON_PASSES} passes of {_REGIONS} regions"
    rows = [
        goal("regions within 2048 MB and 900 s, by plan", f"{_REGIONS} of {_REGIONS}", text, fitting == _REGIONS),
        _longest(done(runs, contender=OURS, threads=1, dates=1), seconds[longest], longest),
        goal(f"cost of a scene, mean of {_REGIONS}, by plan", "<= $0.0005", f"${each:.5f}", each <= 0.0005),
        goal(f"season: {passes}, by plan", "<= $5", f"${season['dollars']:.2f}", season["dollars"] <= 5),
    ]
    return rows, season


def _season(said: handing.Said) -> Row:
    """What docs/season.md tells of: computing, invocations and writes."""
    dollars = said.document["expected"]["dollars"]
    each = dollars / said.document["acquisitions"]
    return {"lines": said.lines, "each": each, "dollars": SEASON_PASSES * dollars}


def _longest(on_one_core: Sequence[Row], planned_s: float, region: str) -> Row:
    name, wanted = "longest task on one core", "< 60 s"
    if not on_one_core:
        return goal(name, wanted, f"{planned_s:.0f} s by plan ({region})", None)
    slowest = max(on_one_core, key=lambda row: row["wall_s"])
    text = f"{slowest['wall_s']:.1f} s at most ({slowest['region']}); {planned_s:.1f} s by plan ({region})"
    return goal(name, wanted, text, slowest["wall_s"] < 60)


def fresh(scratch: Path) -> list[Row]:
    """What takes seconds, and is measured anew each time."""
    return [_handed(scratch), *_requests(scratch)]


def _handed(scratch: Path) -> Row:
    name, wanted = f"{_REGIONS} tasks handed over, the plan made", "<= 3 s"
    if len(data.regions()) < _REGIONS:
        return goal(name, wanted, "the file of 192 regions is not there", None)
    handed = [handing.hand(_catalog(scratch), scratch / f"handed-{number}") for number in range(_TIMES)]
    seconds = statistics.median(one.seconds for one in handed)
    text = f"{seconds:.1f} s, median of {_TIMES}, with {handing.LATENCY_MS} ms for each answer"
    return goal(name, wanted, text, all(one.tasks == _REGIONS for one in handed) and seconds <= 3)


def _requests(scratch: Path) -> list[Row]:
    """Of a catalogue that has a scene of each tile each day."""
    name, wanted = "catalogue requests, a month of all regions", "<= 20"
    try:
        with pgstac.serve() as server:
            server.load([*_items_of_all(_MONTH_DAYS), *_landsat_items(_MONTH_DAYS)])
            asked = {one: _plan(server.url, _MONTH_DAYS, scratch, satellite=one)["catalog"] for one in _SATELLITES}
    except pytest.skip.Exception as why:
        return [goal(name, wanted, str(why), None)]
    found = [
        f"{one['requests']} for {one['matched']} scenes of {_SATELLITES[satellite]}" for satellite, one in asked.items()
    ]
    text = f"{', '.join(found)}: each tile each day, pgstac"
    return [goal(name, wanted, text, all(one["requests"] <= 20 for one in asked.values()))]


def _tiles() -> list[str]:
    return sorted({tile for region in data.regions().values() for tile in region.tiles})


def _items_of_all(days: int) -> list[Json]:
    """Every tile of every region, every day."""
    return [item for tile in _tiles() for item in data.items_of_tile(tile, days, "https://example.com/")]


def _landsat_items(days: int) -> list[Json]:
    """A scene where each tile is, every day; of Landsat there are fewer."""
    items = []
    for number, tile in enumerate(_tiles()):
        (like,) = data.items_of_tile(tile, 1, "https://example.com/")
        for day in data.days(days):
            name = f"LC08_L1TP_{1 + number // 100:03}{1 + number % 100:03}_{day:%Y%m%d}_{day:%Y%m%d}_02_T1"
            items.append(landsat_item(item_id=name, footprint=like["geometry"]))
    return items


def _catalog(scratch: Path) -> Path:
    """One date of all tiles, as files."""
    folder = scratch / "all"
    return folder / "catalog.json" if folder.exists() else write_static_catalog(folder, _items_of_all(1))


def _plan(catalog: str, days: int, cache: Path | None = None, *, satellite: str = "sentinel2") -> Json:
    first, last = data.days(days)[0], data.days(days)[-1]
    command = [
        PROGRAM, "plan", "--satellite", satellite, "--regions", "all", "--start-date", str(first), "--end-date",
        str(last), "--catalog", catalog, "--json",
    ]  # fmt: skip
    env = {
        **os.environ, "GLACIERCTL_DATA_DIR": str(data.REGIONS_DATA), "GLACIERCTL_WORKERS": "1",
        "XDG_CACHE_HOME": str((cache or data.CACHE) / "plans"),
    }  # fmt: skip
    ran = subprocess.run(command, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise RuntimeError(ran.stderr)
    document: Json = json.loads(ran.stdout)
    return document
