"""What a command loads before it works: most of a small region's time would be that."""

import json
import os
import subprocess
import sys

import pytest
from tests.support import small
from tests.support.catalogs import write_static_catalog

NEEDLESS = {
    *("rich", "pystac", "pystac_client", "requests", "jsonschema", "geopandas", "pandas", "pyogrio", "xarray"),
    *("botocore", "docker", "tifffile.geodb", "glacierctl.demo", "glacierctl.image", "glacierctl.results"),
    *("glacierctl.planning.api_catalog", "glacierctl.storage.s3", "glacierctl.aws.session", "glacierctl.cli.deploy"),
}
"""By a run on a laptop of scenes and catalogue on disk or on plain http, into a folder, without a terminal."""
NEEDED = {"rasterio", "pyproj", "tifffile", "glacierctl.processing.mosaic"}
_RUN = """
import json, sys
sys.modules["boto3"] = None  # not installed by users: rasterio loads it wherever it is
from glacierctl.cli import main
code = main(sys.argv[1:])
sys.stderr.write("\\n" + json.dumps(sorted(sys.modules)))
sys.exit(code)
"""


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Modules in memory after `run-local` has made a product."""
    folder = tmp_path_factory.mktemp("start")
    scene = small.scene(folder / "scenes", 4)
    catalog = write_static_catalog(folder / "catalog", [scene.item])
    words = (
        *("run-local", "--satellite", "sentinel2", f"--bbox={small.BBOX}", "--catalog", str(catalog)),
        *("--start-date", "2024-07-04", "--end-date", "2024-07-04", "--output", str(folder / "out"), "--json"),
    )
    done = subprocess.run(
        [sys.executable, "-c", _RUN, *words],
        env={**os.environ, "XDG_CACHE_HOME": str(folder / "cache")},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["total"]["products"] == 1
    return set(json.loads(done.stderr.splitlines()[-1]))


def test_a_run_loads_nothing_that_it_does_not_need(loaded: set[str]) -> None:
    assert loaded & NEEDLESS == set()


def test_what_a_run_needs_would_be_seen(loaded: set[str]) -> None:
    assert loaded >= NEEDED
