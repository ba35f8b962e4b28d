"""Whole-process figures of `glacierctl run-local` on built-in regions, from full tiles on a loopback server.

    python -m benchmarks.regions 134_Arsuk 191_Hagen_Brae --runs 3

Prints a line a run. Compare figures only with others of the same machine in the same hour.
"""

import argparse
import shutil
import tempfile
from pathlib import Path

from tests.support import full_tiles, nginx
from tests.support.catalogs import write_static_catalog
from tests.support.measure import measure

from glacierctl.model import Region
from glacierctl.regions.builtin import builtin_regions
from glacierctl.regions.grid import region_grid


def main() -> None:
    """Measure the regions named on the command line."""
    regions = {region.name: region for region in builtin_regions()}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("regions", nargs="*", choices=[*regions, []], default=["191_Hagen_Brae"], metavar="REGION")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--resampling", default="cubic")
    asked = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="glacierctl-benchmark-"))
    try:
        template = full_tiles.write_template(folder / "template.tif")
        for name in asked.regions:
            _bench(regions[name], template, folder / name, asked)
    finally:
        shutil.rmtree(folder)


def _bench(region: Region, template: Path, folder: Path, asked: argparse.Namespace) -> None:
    full_tiles.lay_tiles(template, region, folder / "www")
    grid = region_grid(region, 10)
    with nginx.serve(folder / "www", folder / "nginx") as server:
        catalog = write_static_catalog(folder / "catalog", full_tiles.items(region, server))
        for number in range(asked.runs):
            one = measure(
                folder, "run-local", "--satellite", "sentinel2", "--regions", region.name, "--start-date",
                full_tiles.DAY, "--end-date", full_tiles.DAY, "--catalog", str(catalog), "--output",
                str(folder / f"out-{number}"), "--workers", str(asked.workers), "--resampling", asked.resampling,
            )  # fmt: skip
            usage = one.document["usage"]
            print(
                f"{region.name}  {grid.height * grid.width / 1e6:.1f} Mpx  {one.seconds:.1f} s  "
                f"{usage['bytes_read'] / 1e6:.0f} MB in {usage['requests']} requests  "
                f"memory {one.peak_memory_mb:.0f} MB  scratch {one.peak_scratch_mb:.0f} MB"
            )


if __name__ == "__main__":
    main()
