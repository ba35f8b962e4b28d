"""A small form of the benchmark: what is read, asked and held stays in bounds."""

from dataclasses import dataclass
from pathlib import Path

import pytest
from benchmarks import contenders, data, measure
from benchmarks.contenders import Case
from benchmarks.network import Network
from benchmarks.results import OURS
from tests.support import nginx
from tests.support.cogs import blocks_under
from tests.support.command import PROGRAM

from glacierctl.model import Region
from glacierctl.regions.builtin import builtin_regions
from glacierctl.regions.grid import region_grid

_REGIONS = {region.name: region for region in builtin_regions()}
_SMALL, _MEDIUM = "134_Arsuk", "163_Bowdoin"
"""A million pixels, and four; the median of Greenland's regions is near six."""
_DATES = (1, 8)


@dataclass(frozen=True)
class Figures:
    """Of one whole process."""

    bytes_read: int
    requests: int
    peak_rss_mb: float


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Full tiles of both regions, eight dates."""
    folder = tmp_path_factory.mktemp("benchmark")
    data.prepare([_REGIONS[_SMALL], _REGIONS[_MEDIUM]], _DATES[1], folder)
    return folder


def run(region: Region, dates: int, cache: Path, folder: Path) -> Figures:
    """Make products of some dates."""
    with nginx.serve(cache / "www", folder / "nginx") as server:
        case = Case(region, dates, Network.PLAIN, 2)
        prepared = contenders.prepare(OURS, case, server.url(), folder / "ours", program=PROGRAM)
        ran = measure.run(prepared.command, folder=folder / "ran", env=prepared.env)
        records = server.records(path=".tif")
    assert ran.code == 0, ran.log
    assert len(prepared.products()) == dates
    return Figures(sum(record.body_bytes for record in records), len(records), ran.peak_rss_mb)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "most_mb"), [(_SMALL, 190), (_MEDIUM, 250)])
def test_a_region_takes_its_blocks_in_few_requests_and_little_memory(
    name: str, most_mb: int, cache: Path, tmp_path: Path
) -> None:
    figures = run(_REGIONS[name], 1, cache, tmp_path)
    assert figures.bytes_read <= 1.10 * data.needed_bytes(_REGIONS[name], cache)
    (tile,) = (cache / "tiles" / f"{one}.tif" for one in _REGIONS[name].tiles)
    rows = {row for row, _ in blocks_under(tile, region_grid(_REGIONS[name], 10), margin_px=data.KERNEL_MARGIN_PX)}
    header = 1
    assert figures.requests <= header + len(rows)
    assert figures.peak_rss_mb <= most_mb


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_dates(cache: Path, tmp_path: Path) -> None:
    few, many = (run(_REGIONS[_MEDIUM], dates, cache, tmp_path / str(dates)) for dates in _DATES)
    assert many.peak_rss_mb <= 1.15 * few.peak_rss_mb
    assert many.bytes_read * _DATES[0] == few.bytes_read * _DATES[1]
    assert many.requests * _DATES[0] == few.requests * _DATES[1]
