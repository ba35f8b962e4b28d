"""What every test has at hand, and the rule that CI leaves nothing out."""

import functools
import os
import signal
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.support import (
    base_image,
    bowdoin,
    command,
    deployments,
    faulty,
    lambda_rie,
    moto_server,
    nginx,
    pgstac,
    results,
    s3_proxy,
    yahtse,
)
from tests.support import docker_engine as docker_engine_support
from tests.support import registry as registry_support
from tests.support.paths import in_ci

from glacierctl.cli import main
from glacierctl.image.context import build_context
from glacierctl.image.engine import BuiltImage, Engine

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

_FOREIGN_PREFIXES = ("AWS_", "GLACIERCTL_", "XDG_", "GDAL_", "CPL_", "VSI_", "RASTERIO_")
_ENGINE = "docker_engine"
_OWN = {"GLACIERCTL_SHARED_DATA", "GLACIERCTL_TEST_ENGINE"}


def pytest_configure() -> None:
    """Let programs that tests start hear Ctrl-C, even where pytest was started in the background and ignores it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What runs on several cores: a file is one piece of work, all that needs Docker's engine another, the first."""
    for item in items:
        name = _ENGINE if _ENGINE in getattr(item, "fixturenames", ()) else item.path.name
        item.add_marker(pytest.mark.xdist_group(name))
    items.sort(key=lambda item: item.get_closest_marker("xdist_group").args[0] != _ENGINE)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI a skipped test is a failed one: nobody would miss it."""
    report = yield
    if in_ci() and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        report.outcome = "failed"
        report.longrepr = f"{report.nodeid}: {reason} (CI runs every test)"
    return report


@pytest.fixture(autouse=True)
def _own_surroundings(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """A home of its own, and no settings of whoever runs the tests."""
    for name in list(os.environ):
        if name.startswith(_FOREIGN_PREFIXES) and name not in _OWN:
            monkeypatch.delenv(name)
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    for name, folder in (
        ("DATA", ".local/share"),
        ("CONFIG", ".config"),
        ("CACHE", ".cache"),
        ("STATE", ".local/state"),
    ):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(home / folder))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def glacierctl(tmp_path: Path) -> Callable[..., command.Ran]:
    """Runs the installed command line, in `tmp_path` if not told: `glacierctl("regions", "list", env={...})`."""
    return functools.partial(command.run, cwd=tmp_path)


@pytest.fixture
def glacierctl_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., command.Ran]:
    """Like `glacierctl`, in this process, which is quicker: where the process itself does not matter."""
    monkeypatch.chdir(tmp_path)

    def run(*args: str | Path) -> command.Ran:
        capsys.readouterr()
        code = main([str(arg) for arg in args])
        return command.Ran(code, *capsys.readouterr())

    return run


@pytest.fixture
def nginx_server(tmp_path: Path) -> Iterator[nginx.Nginx]:
    """A real nginx over `tmp_path/www`, which is empty; `.www` is that folder."""
    (tmp_path / "www").mkdir()
    with nginx.serve(tmp_path / "www", tmp_path / "nginx") as server:
        yield server


@pytest.fixture
def faulty_server(tmp_path: Path) -> Iterator[faulty.FaultyServer]:
    """A server over `tmp_path/faulty`, which is empty, that misbehaves on request; `.www` is that folder."""
    (tmp_path / "faulty").mkdir()
    with faulty.serve(tmp_path / "faulty") as server:
        yield server


@pytest.fixture(scope="session")
def _moto_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[moto_server.Moto]:
    with moto_server.serve(tmp_path_factory.mktemp("moto")) as server:
        yield server


@pytest.fixture
def moto(_moto_server: moto_server.Moto, monkeypatch: pytest.MonkeyPatch) -> moto_server.Moto:
    """An empty AWS account that boto3, here and in commands that a test runs, talks to. One server for the session."""
    _moto_server.reset()
    for name, value in _moto_server.environment.items():
        monkeypatch.setenv(name, value)
    return _moto_server


@pytest.fixture
def cloud(moto: moto_server.Moto) -> moto_server.Moto:
    """An empty AWS account whose Lambda really runs what it is sent, as the worker of this checkout."""
    lambda_rie.require_emulator()
    moto.wish(executes=True)
    return moto


@pytest.fixture
def cloud_of_images(
    cloud: moto_server.Moto, docker_engine: docker_engine_support.DockerEngine
) -> Iterator[moto_server.Moto]:
    """An empty AWS account whose Lambda runs in `docker_engine` what functions are made of: images of `registry`."""
    cloud.wish(engine=docker_engine.host)
    yield cloud
    cloud.reset()


@pytest.fixture
def s3(moto: moto_server.Moto) -> "S3Client":
    """A client of the empty account, in which there is a bucket `glaciers`."""
    client = moto.s3()
    client.create_bucket(Bucket="glaciers", CreateBucketConfiguration={"LocationConstraint": moto_server.AWS_REGION})
    return client


@pytest.fixture
def make_trial(_moto_server: moto_server.Moto, monkeypatch: pytest.MonkeyPatch) -> Callable[..., deployments.Trial]:
    """Makes deployments of names of their own in one account; it is not emptied, which takes seconds."""
    for name, value in _moto_server.environment.items():
        monkeypatch.setenv(name, value)
    return deployments.Trial


@pytest.fixture
def trial(make_trial: Callable[..., deployments.Trial]) -> deployments.Trial:
    """A deployment that is not there yet."""
    return make_trial()


@pytest.fixture
def s3_faults(moto: moto_server.Moto, s3: "S3Client") -> "Iterator[s3_proxy.Proxy]":  # noqa: ARG001 (makes the bucket)
    """What stands before the account's S3 and misbehaves on request; there is a bucket `glaciers`."""
    with s3_proxy.serve(moto.url) as proxy:
        yield proxy


@pytest.fixture(scope="session")
def _stac_server() -> Iterator[pgstac.StacServer]:
    with pgstac.serve() as server:
        yield server


@pytest.fixture
def stac_server(_stac_server: pgstac.StacServer) -> Iterator[pgstac.StacServer]:
    """A real STAC API without items: `load` them. One server for the session, emptied after each test."""
    yield _stac_server
    _stac_server.clear()


@pytest.fixture(scope="session")
def small_results(tmp_path_factory: pytest.TempPathFactory) -> results.Results:
    """Six products of two small regions in a folder, as `run-local` made them. Read only."""
    return results.build(tmp_path_factory.mktemp("small"))


@pytest.fixture(scope="module")
def _results_bucket(small_results: results.Results, _moto_server: moto_server.Moto) -> moto_server.Moto:
    _moto_server.reset()
    with pytest.MonkeyPatch.context() as patch:
        results.surround(patch, _moto_server)
        results.upload(small_results.folder)
    return _moto_server


@pytest.fixture
def results_bucket(_results_bucket: moto_server.Moto, monkeypatch: pytest.MonkeyPatch) -> moto_server.Moto:
    """An account with the bucket `results.BUCKET` and `small_results` in it. One for a file of tests: read only."""
    results.surround(monkeypatch, _results_bucket)
    return _results_bucket


@pytest.fixture(scope="session")
def bowdoin_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where `bowdoin_scenes` lie; to be served by nginx."""
    return tmp_path_factory.mktemp("bowdoin")


@pytest.fixture(scope="session")
def bowdoin_scenes(bowdoin_folder: Path) -> tuple[bowdoin.BowdoinScene, ...]:
    """Three real dates of Bowdoin Glacier on tile 19XEG's real grid, in order of time. Read only."""
    return bowdoin.build(bowdoin_folder)


@pytest.fixture
def yahtse_catalog(tmp_path: Path) -> Path:
    """A static catalogue of two real Landsat 8 scenes: its `catalog.json`."""
    return yahtse.catalog(tmp_path / "yahtse")


@pytest.fixture(scope="session")
def docker_engine() -> Iterator[docker_engine_support.DockerEngine]:
    """A real Docker engine that holds the Dockerfile's base image, or rather a stand-in for it; one for the session.

    Its `.environment` is what commands need to use it. Steps of a build reach one in Docker's network `host` only.
    """
    base = build_context().base
    with docker_engine_support.serve() as running:
        if not running.holds(base):
            base_image.add_base_image(running, base)
        yield running


@pytest.fixture(scope="session")
def engine(docker_engine: docker_engine_support.DockerEngine) -> Iterator[Engine]:
    """glacierctl's own door to `docker_engine`."""
    connected = Engine.connect(docker_engine.host)
    yield connected
    connected.close()


@pytest.fixture(scope="session")
def lean_image(engine: Engine) -> BuiltImage:
    """The image of the lean stack, in `docker_engine`; built once. Read only."""
    context = build_context()
    return engine.find(context) or engine.build(context, network="host")


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[registry_support.Registry]:
    """A real registry that asks for a password; one for the session: let each test push to a repository of its own."""
    with registry_support.serve(tmp_path_factory.mktemp("registry")) as running:
        yield running
