"""Real products of small regions, made once by `run-local`, and copies of them on S3."""

import datetime as dt
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.support import command, small
from tests.support.items import write_static_catalog
from tests.support.moto_server import Moto

from glacierctl.aws.session import s3_client
from glacierctl.storage.s3 import S3Store

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

BUCKET = "greenland-glacier-data"
"""The bucket of a deployment that nobody named otherwise."""
URL = f"s3://{BUCKET}/results"
"""Where its results are."""
DAYS = (4, 9, 14)
"""Of July 2024: those of the passes over each region."""
REGIONS = ("small_east", "small_west")
"""Names of the regions."""


@dataclass(frozen=True)
class Results:
    """A folder of results."""

    folder: Path
    """The store."""
    run_id: str
    """The run that made them all."""
    first_run_id: str
    """A run that found the products of the first day of one region, which were there."""

    def products(self) -> list[tuple[str, str]]:
        """(region, product) of all there are, sorted, by their files' names."""
        images = (self.folder / "sentinel2/clipped").rglob("*.tif")
        return sorted((image.parent.name, image.stem) for image in images)


def build(folder: Path) -> Results:
    """Make three products of each of two regions, 200 x 150 pixels; the second pass is cloudy, the third half empty.

    Args:
        folder: takes scenes, catalogue and `results`.
    """
    scenes = [small.scene(folder / "scenes", DAYS[0]), small.scene(folder / "scenes", DAYS[1], cloudy=0.5)]
    scenes.append(small.scene(folder / "scenes", DAYS[2], filled=0.55))
    write_static_catalog(folder / "catalog", [scene.item for scene in scenes])
    xmin, ymin, xmax, ymax = small.BOUNDS
    rows = [f"{REGIONS[1]},{xmin},{ymin},{xmax},{ymax}", f"{REGIONS[0]},{xmin + 300},{ymin},{xmax + 300},{ymax}"]
    (folder / "regions.csv").write_text("\n".join(["name,xmin,ymin,xmax,ymax", *rows]) + "\n")

    def run(*args: str) -> command.Ran:
        return command.run(*args, cwd=folder, env={"GLACIERCTL_DATA_DIR": str(folder / "data")})

    assert run("regions", "import", "regions.csv", "--crs", "EPSG:3413").code == 0
    made = [
        run("run-local", "--satellite", "sentinel2", "--regions", regions, "--start-date", "2024-07-01", "--end-date",
            f"{last:%Y-%m-%d}", "--catalog", "catalog", "--min-coverage", "0.1", "--json")
        for regions, last in (("small_*", dt.date(2024, 7, 31)), (REGIONS[1], dt.date(2024, 7, DAYS[0])))
    ]  # fmt: skip
    assert [ran.code for ran in made] == [0, 0], made
    return Results(folder / "results", *(json.loads(ran.stdout)["run_id"] for ran in made))


def surround(patch: pytest.MonkeyPatch, moto: Moto) -> None:
    """Let boto3, here and in commands, talk to `moto`, as it is."""
    for name, value in moto.environment.items():
        patch.setenv(name, value)


def client() -> "S3Client":
    """A client of the account that the surroundings name."""
    return s3_client("us-west-2", connect_timeout_s=10, read_timeout_s=10, connections=32, attempts=6)


def upload(folder: Path, url: str = URL) -> S3Store:
    """Copy a folder into a new bucket."""
    s3 = client()
    s3.create_bucket(Bucket=url.split("/")[2], CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    store = S3Store(url, s3)
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        store.put(path.relative_to(folder).as_posix(), path)
    return store
