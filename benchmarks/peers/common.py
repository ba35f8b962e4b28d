"""What all peers are given. Runs in `.venv-bench`; loads nothing that one of them would not."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CRS = "EPSG:3413"

# GDAL's page for reading COGs from a web server (gdal.org/en/stable/user/virtual_file_systems.html, and
# cogeo.org's and TiTiler's pages on tuning, developmentseed.org/titiler/advanced/performance_tuning)
GDAL_CLOUD = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "CPL_VSIL_CURL_ALLOWED_EXTENSIONS": ".tif",
    "GDAL_HTTP_MERGE_CONSECUTIVE_RANGES": "YES",
    "GDAL_HTTP_MULTIPLEX": "YES",
    "GDAL_HTTP_VERSION": "2TLS",
    "GDAL_INGESTED_BYTES_AT_OPEN": "32768",
    "VSI_CACHE": "TRUE",
    "VSI_CACHE_SIZE": "5000000",
}


@dataclass(frozen=True)
class Job:
    """One region and its dates."""

    shape: tuple[int, int]
    """(height, width) in pixels."""
    transform: tuple[float, ...]
    """Pixel to EPSG:3413, the six of affine.Affine, without rotation."""
    passes: list[dict[str, Any]]
    """Each with `output`, the file to write, and `items`, STAC items in order of preference."""
    threads: int
    """How many work at once."""
    fetchers: int
    """How many read at once, where that is something else."""

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """(xmin, ymin, xmax, ymax)."""
        height, width = self.shape
        across, _, left, _, down, top = self.transform
        return left, top + height * down, left + width * across, top


def job() -> Job:
    """What the command line names."""
    given = json.loads(Path(sys.argv[1]).read_text())
    height, width = given["shape"]
    return Job((height, width), tuple(given["transform"]), given["passes"], given["threads"], given["fetchers"])


def hrefs(one: dict[str, Any]) -> list[str]:
    """Addresses of a pass's images, the preferred first."""
    return [item["assets"]["nir"]["href"] for item in one["items"]]
