"""Runs that the image itself carries out, and what becomes of them where it breaks the function's limits."""

import functools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support import bowdoin, deployed, nginx, pushed, small
from tests.support.command import Ran, run_inside
from tests.support.docker_engine import DockerEngine
from tests.support.items import write_static_catalog
from tests.support.moto_server import Moto
from tests.support.processes import wait_for
from tests.support.registry import Registry
from tests.support.s3_proxy import Proxy

from glacierctl.image.engine import BuiltImage, Engine
from glacierctl.storage.s3 import S3Store

Glacierctl = Callable[..., Ran]

pytestmark = pytest.mark.slow

_JULY = ("--start-date", "2024-07-01", "--end-date", "2024-07-31", "--bbox", small.BBOX)
_LARGE_BLOCK = 8192
"""128 MB once decoded: what no estimate reckons with."""


@pytest.fixture
def glacierctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Glacierctl:
    monkeypatch.setattr("glacierctl.cli.wait._POLL_S", 0.3)
    return functools.partial(run_inside, cwd=tmp_path)


@pytest.fixture(scope="module")
def image(engine: Engine, lean_image: BuiltImage, registry: Registry) -> str:
    """Address of the worker's image."""
    return pushed.push(engine, lean_image, registry, "worker")


@pytest.fixture
def lambdas(cloud_of_images: Moto, s3_faults: Proxy, docker_engine: DockerEngine) -> Iterator[Moto]:
    """The account; its workers' S3 is behind what can be told to misbehave, or what time it is."""
    cloud_of_images.wish(variables={"AWS_ENDPOINT_URL_S3": s3_faults.url})
    yield cloud_of_images
    cloud_of_images.settle()
    assert docker_engine.containers() == []


@pytest.fixture
def submit(glacierctl: Glacierctl, nginx_server: nginx.Nginx, tmp_path: Path) -> Callable[..., str]:
    """Submits a run of three small passes, the second in such blocks; its id."""

    def run(block: int = 64) -> str:
        address = nginx_server.url().rstrip("/")
        sides = {1: 64, 2: block, 3: 64}
        items = [small.scene(nginx_server.www, day, address=address, block=side).item for day, side in sides.items()]
        return handed_over(glacierctl, items, tmp_path, *_JULY)

    return run


@pytest.fixture
def real_item(
    bowdoin_scenes: tuple[bowdoin.BowdoinScene, ...], bowdoin_folder: Path, tmp_path: Path
) -> Iterator[dict[str, Any]]:
    """A real date of a real glacier, behind a web server."""
    with nginx.serve(bowdoin_folder, tmp_path / "nginx") as server:
        yield bowdoin.served(bowdoin_scenes, bowdoin_folder, server.url())[1]


def handed_over(glacierctl: Glacierctl, items: list[dict[str, Any]], folder: Path, *asked: str) -> str:
    catalog = write_static_catalog(folder / "catalog", items)
    ran = glacierctl("submit", "--satellite", "sentinel2", *asked, "--catalog", str(catalog))
    assert ran.code == 0, ran.stderr
    return ran.stdout.strip()


def document(ran: Ran, code: int = 0) -> dict[str, Any]:
    assert ran.code == code, ran.stderr
    content: dict[str, Any] = json.loads(ran.stdout)
    return content


def images() -> list[str]:
    return [key for key in S3Store(deployed.STORE, deployed.client("s3")).list("sentinel2/") if key.endswith(".tif")]


def require_all_there(state: dict[str, Any]) -> None:
    """Each of three scenes has its product; what a worker made that died thereafter, the next one found."""
    assert state["state"] == "ended"
    assert state["total"]["succeeded"] + state["skipped_by_reason"].get("exists", 0) == 3
    assert state["failed"] == []
    assert len(images()) == 3
    assert deployed.messages() == 0


def test_too_little_memory_is_tried_again_reported_and_made_good_with_more(
    glacierctl: Glacierctl, submit: Callable[..., str], lambdas: Moto, s3_faults: Proxy, image: str
) -> None:
    version = deployed.deploy(image=image, memory_mb=256, timeout_s=60)
    deployed.client("lambda").update_function_event_invoke_config(
        FunctionName=deployed.FUNCTION, Qualifier=version, MaximumRetryAttempts=1
    )
    run_id = submit(block=_LARGE_BLOCK)
    for number in (1, 2):  # as if as much time passed as Lambda lets pass: a dead worker's lease lapses meanwhile
        wait_for(lambda number=number: len(lambdas.invocations()) == number)
        s3_faults.clock_ahead_s = 60 * number
    assert [one["error"] for one in lambdas.settle()] == ["Runtime.OutOfMemory"] * 2
    assert len(images()) == 1, "what was done before stays done"
    assert deployed.messages() == 1
    told = document(glacierctl("logs", run_id, "--report", "--json"))["invocations"]
    assert [(one["max_memory_mb"], one["error_type"]) for one in told] == [(256, "Runtime.OutOfMemory")] * 2
    assert document(glacierctl("retry", run_id, "--memory", "1536", "--json"))["handed_over"] == 1
    require_all_there(document(glacierctl("wait", run_id, "--json")))
    assert [one["error"] for one in lambdas.settle()][2:] == [None]


def test_a_full_tmp_is_a_failure_with_its_reason_and_made_good_with_more(
    glacierctl: Glacierctl, lambdas: Moto, image: str, real_item: dict[str, Any], tmp_path: Path
) -> None:
    deployed.deploy(image=image, timeout_s=120)
    lambdas.wish(ephemeral_mb=2)
    days = ("--start-date", "2016-01-01", "--end-date", "2017-12-31", "--regions", "163_Bowdoin")
    run_id = handed_over(glacierctl, [real_item], tmp_path, *days)
    document(glacierctl("wait", run_id, "--json"), code=1)
    said = glacierctl("status", run_id).stdout
    assert "temporary files cannot be written in /tmp: No space left on device" in said
    assert [one["error"] for one in lambdas.settle()] == ["AcquisitionsFailedError"] * 3
    assert (images(), deployed.messages()) == ([], 1)
    lambdas.wish(ephemeral_mb=0)
    assert document(glacierctl("retry", run_id, "--json"))["handed_over"] == 1
    assert document(glacierctl("wait", run_id, "--json"))["total"]["succeeded"] == 1
    assert (len(images()), deployed.messages()) == (1, 0)


def test_a_timeout_in_the_middle_leaves_no_scene_unaccounted_for(
    glacierctl: Glacierctl, submit: Callable[..., str], lambdas: Moto, s3_faults: Proxy, image: str
) -> None:
    # 15 s are kept back for the report, so that nothing shorter would begin at all
    deployed.deploy(image=image, timeout_s=24)
    s3_faults.misbehave(method="PUT", part="20240702", wait_s=25, status=503)
    run_id = submit()
    wait_for(lambda: s3_faults.waiting > 0)
    s3_faults.clock_ahead_s = 60
    assert [one["error"] for one in lambdas.settle()] == ["Sandbox.Timedout", None]
    require_all_there(document(glacierctl("status", run_id, "--json")))
