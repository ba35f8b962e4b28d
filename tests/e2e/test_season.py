"""From an empty account to results on disk and back to an empty account, as the page on a season of Greenland has it.

Real: Docker's engine, a registry with a password, a STAC API, nginx, and the image, which runs under AWS's Lambda
emulator within the function's limits. Only the account is made up.
"""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest
import rasterio
from tests.support import command, moto_server, nginx, small
from tests.support import registry as registry_support
from tests.support.docker_engine import DockerEngine
from tests.support.pgstac import StacServer

Json = dict[str, Any]
Run = Callable[..., command.Ran]

BUCKET = "greenland-glacier-data"
JULY = ("--satellite", "sentinel2", "--start-date", "2024-07-01", "--end-date", "2024-07-31")
REGIONS = tuple(f"r{number:02}" for number in range(12))
SIDE_M = 480
DAYS = (4, 9)

pytestmark = pytest.mark.slow


@pytest.fixture
def settings(
    cloud_of_images: moto_server.Moto,
    docker_engine: DockerEngine,
    registry: registry_support.Registry,
    lean_image: object,
    tmp_path: Path,
) -> dict[str, str]:
    """Of whoever runs the season. The account holds nothing but the bucket for results."""
    del cloud_of_images, lean_image  # built, so that deploy need not
    boto3.client("s3").create_bucket(
        Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": moto_server.AWS_REGION}
    )
    return {
        **docker_engine.environment,
        "GLACIERCTL_REGISTRY": registry.host,
        "GLACIERCTL_REGISTRY_USER": registry_support.USER,
        "GLACIERCTL_REGISTRY_PASSWORD": registry_support.PASSWORD,
        "GLACIERCTL_DOCKER_NETWORK": "host",
        "GLACIERCTL_DATA_DIR": str(tmp_path / "data"),
    }


@pytest.fixture
def catalog(stac_server: StacServer, nginx_server: nginx.Nginx) -> str:
    """A STAC API with two dates whose files nginx serves."""
    scenes = [small.scene(nginx_server.www, day, address=nginx_server.url().rstrip("/")) for day in DAYS]
    stac_server.load([scene.item for scene in scenes])
    return stac_server.url


def write_regions(file: Path) -> Path:
    """Twelve boxes side by side below the scenes."""
    west, south = small.BOUNDS[:2]
    with file.open("w", newline="", encoding="utf-8") as opened:
        rows = csv.writer(opened)
        rows.writerow(["name", "xmin", "ymin", "xmax", "ymax"])
        for number, name in enumerate(REGIONS):
            x, y = west + 500 * (number % 4), south + 500 * (number // 4)
            rows.writerow([name, x, y, x + SIDE_M, y + SIDE_M])
    return file


def test_a_season_from_an_empty_account_and_back(
    glacierctl: Run, settings: dict[str, str], catalog: str, tmp_path: Path
) -> None:
    def run(*words: str | Path, code: int = 0) -> command.Ran:
        ran = glacierctl(*words, env=settings)
        assert ran.code == code, f"{words}: {ran.stderr}"
        return ran

    def told(*words: str | Path) -> Json:
        document: Json = json.loads(run(*words, "--json").stdout)
        return document

    run("regions", "import", write_regions(tmp_path / "regions.csv"), "--crs", "EPSG:3413")
    asked = (*JULY, "--regions", "r[0-9][0-9]", "--catalog", catalog)

    assert told("deploy")["version"] == 1
    run_id = run("submit", *asked).stdout.strip()

    followed = run("logs", run_id, "--follow").stdout
    assert all(name in followed for name in REGIONS)

    summary = run("status", run_id).stdout
    assert "SUCCEEDED 24" in summary

    results = tmp_path / "results"
    run("results", "sync", run_id, "--to", results)
    assert_images(results)
    for name in REGIONS:
        table = (results / f"sentinel2/metadata/combined_csv/{name}.csv").read_text(encoding="utf-8")
        assert len(table.splitlines()) == 1 + len(DAYS)

    local = tmp_path / "local"
    run("run-local", *asked, "--output", local)
    assert files(results / "sentinel2") == files(local / "sentinel2")

    cost = told("cost", run_id)
    assert cost["run_id"] == run_id
    assert 0 < cost["total"]["dollars"]["total"] < 0.05

    again = run("submit", *asked)
    assert "nothing" in (again.stdout + again.stderr).lower()
    assert told("status", run_id)["run_id"] == run_id

    before = objects()
    run("destroy", "--yes")
    assert boto3.client("lambda").list_functions()["Functions"] == []
    assert boto3.client("iam").list_roles()["Roles"] == []
    assert objects() == before


def assert_images(results: Path) -> None:
    """All are there, each on its region's grid and full of pixels."""
    images = sorted((results / "sentinel2" / "clipped").rglob("*.tif"))
    assert len(images) == len(REGIONS) * len(DAYS)
    side = SIDE_M // 10
    west, south = small.BOUNDS[:2]
    for path in images:
        number = REGIONS.index(path.parent.name)
        x, y = west + 500 * (number % 4), south + 500 * (number // 4)
        with rasterio.open(path) as image:
            assert image.shape == (side, side)
            assert tuple(image.bounds) == (x, y, x + SIDE_M, y + SIDE_M)
            assert image.read(1).all()


def files(folder: Path) -> dict[str, bytes]:
    """Content of all files by their path."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def objects() -> set[str]:
    """Keys of all that lies in the bucket."""
    pages = boto3.client("s3").get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
    return {found["Key"] for page in pages for found in page.get("Contents", [])}
