"""What every test has at hand, and the rule that CI leaves nothing out."""

import functools
import os
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest
from tests.support import bowdoin, command, faulty, nginx, pgstac, yahtse
from tests.support.paths import in_ci

_FOREIGN_PREFIXES = ("AWS_", "GLACIERCTL_", "XDG_", "GDAL_", "CPL_", "VSI_", "RASTERIO_")
_OWN = {"GLACIERCTL_SHARED_DATA"}


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
def _stac_server() -> Iterator[pgstac.StacServer]:
    with pgstac.serve() as server:
        yield server


@pytest.fixture
def stac_server(_stac_server: pgstac.StacServer) -> Iterator[pgstac.StacServer]:
    """A real STAC API without items: `load` them. One server for the session, emptied after each test."""
    yield _stac_server
    _stac_server.clear()


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
