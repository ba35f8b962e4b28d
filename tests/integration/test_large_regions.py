"""The largest regions on one machine: four full tiles, bounded memory, bounded scratch, no byte too many."""

import shutil
from pathlib import Path

import pytest
from tests.support import full_tiles, nginx
from tests.support.catalogs import write_static_catalog
from tests.support.cogs import bytes_under
from tests.support.measure import measure

from glacierctl.regions.builtin import builtin_regions
from glacierctl.regions.grid import region_grid

_REGIONS = {region.name: region for region in builtin_regions()}
_KERNEL_MARGIN_PX = 3


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One full tile; the others are copies of it in another place."""
    return full_tiles.write_template(tmp_path_factory.mktemp("template") / "B08.tif")


@pytest.mark.slow
@pytest.mark.parametrize(("name", "workers", "most_mb"), [("191_Hagen_Brae", 2, 330), ("090_petermann", 64, 430)])
def test_the_largest_regions_fit_in_memory_and_scratch_and_read_only_their_blocks(
    name: str, workers: int, most_mb: int, template: Path, tmp_path: Path
) -> None:
    region = _REGIONS[name]
    full_tiles.lay_tiles(template, region, tmp_path / "www")
    with nginx.serve(tmp_path / "www", tmp_path / "nginx") as server:
        catalog = write_static_catalog(tmp_path / "catalog", full_tiles.items(region, server))
        measured = measure(
            tmp_path, "run-local", "--satellite", "sentinel2", "--regions", name, "--start-date", full_tiles.DAY,
            "--end-date", full_tiles.DAY, "--catalog", str(catalog), "--output", str(tmp_path / "out"),
            "--workers", str(workers),
        )  # fmt: skip
        served = sum(record.body_bytes for record in server.records())
        requests = len(server.records())

    (product,) = measured.document["outcomes"]
    grid = region_grid(region, 10)
    needed = sum(bytes_under(file, grid, margin_px=_KERNEL_MARGIN_PX) for file in (tmp_path / "www").iterdir())
    shutil.rmtree(tmp_path)
    assert product["outcome"] == "product"
    assert product["coverage"] > 0.9
    assert product["usage"]["bytes_read"] == served <= 1.10 * needed
    # a run is at most one row of blocks, and a tile has eleven rows; few of them are cut in two
    assert requests <= 16 * len(region.tiles)
    assert measured.peak_memory_mb <= most_mb
    assert abs(measured.document["usage"]["peak_memory_mb"] - measured.peak_memory_mb) <= 30
    assert measured.peak_scratch_mb <= 512
