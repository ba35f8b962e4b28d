"""What `glacierctl doctor` looks at: each check by itself, all at once, and none for longer than there is time."""

import platform
import queue
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

from glacierctl.errors import GlacierctlError

if TYPE_CHECKING:
    from glacierctl.aws.finding import Finding
    from glacierctl.aws.identity import Identity
    from glacierctl.aws.names import Names
    from glacierctl.aws.session import Aws
    from glacierctl.choices import Satellite
    from glacierctl.config import Settings

Check = Callable[[], "Finding"]
"""Looks at one thing."""

_EMPTY_SEA = (-140.01, -40.01, -140.0, -40.0)
"""Longitudes and latitudes without land, so that a search there finds nothing and is quick."""


def all_checks(settings: "Settings", timeout_s: float) -> dict[str, Check]:
    """All that can be looked at, by name, in the order in which it is shown."""
    from glacierctl.choices import Satellite

    account = Account(settings)
    catalogues: dict[str, Check] = {
        f"{satellite} catalogue": _catalogue_check(settings, satellite, timeout_s) for satellite in Satellite
    }
    return {
        "python": check_python,
        "gdal": check_gdal,
        "docker": check_docker,
        **catalogues,
        "credentials": account.check_credentials,
        "bucket": account.check_bucket,
        "repository": account.check_repository,
        "function": account.check_function,
        "settings": account.check_settings,
        "quotas": account.check_quotas,
    }


def judge(checks: Mapping[str, Check], timeout_s: float) -> "list[Finding]":
    """Run all checks at once; one that fails or hangs hides no other.

    Args:
        checks: by name.
        timeout_s: after which those that have not answered are left behind.
    """
    from glacierctl.aws.finding import Finding, Verdict

    answers: queue.SimpleQueue[tuple[str, Finding]] = queue.SimpleQueue()
    for name, check in checks.items():
        # As daemons: the program may end while one of them still waits for an answer.
        threading.Thread(target=lambda n=name, c=check: answers.put((n, _judged(n, c))), daemon=True).start()
    found: dict[str, Finding] = {}
    end = time.monotonic() + timeout_s
    while len(found) < len(checks):
        try:
            name, finding = answers.get(timeout=max(end - time.monotonic(), 0.001))
        except queue.Empty:
            break
        found[name] = finding
    late = "Check the network and what stands between (proxy, VPN), then run `glacierctl doctor` again."
    silent = {n: Finding(n, Verdict.BROKEN, f"no answer within {timeout_s:g} s", late) for n in checks}
    return [found.get(name, silent[name]) for name in checks]


def _judged(name: str, check: Check) -> "Finding":
    from glacierctl.aws.errors import Denied
    from glacierctl.aws.finding import Finding, Verdict

    try:
        return replace(check(), name=name)
    except Denied as error:
        return Finding(name, Verdict.LOOK, f"could not be looked at: {error.what}", error.hint)
    except GlacierctlError as error:
        return Finding(name, Verdict.BROKEN, str(error), error.hint)
    except Exception as error:  # noqa: BLE001 (a door: a mistake in one check must not hide the others)
        words = f"the check stopped on {type(error).__name__}: {' '.join(str(error).split())}"
        return Finding(name, Verdict.BROKEN, words, "This is a mistake in glacierctl: report it.")


def check_python() -> "Finding":
    """Which Python and which glacierctl run."""
    from glacierctl import __version__
    from glacierctl.aws.finding import Finding, Verdict

    return Finding("python", Verdict.OK, f"Python {platform.python_version()}, glacierctl {__version__}")


def check_gdal() -> "Finding":
    """Whether GDAL loads and knows what products and scenes are made of."""
    from glacierctl.aws.finding import Finding, Verdict

    reinstall = "Install glacierctl into an environment of its own: python3 -m venv, then pip install."
    try:
        import rasterio
        from rasterio.drivers import raster_driver_extensions
    except ImportError as error:
        return Finding("gdal", Verdict.BROKEN, f"rasterio does not load: {error}", reinstall)
    words = f"GDAL {rasterio.__gdal_version__} in rasterio {rasterio.__version__}"
    extensions = raster_driver_extensions()
    if "tif" not in extensions:
        return Finding("gdal", Verdict.BROKEN, f"{words} cannot read GeoTIFF", reinstall)
    if "jp2" not in extensions:
        return Finding("gdal", Verdict.LOOK, f"{words}, without JPEG2000, which some archives hold", reinstall)
    return Finding("gdal", Verdict.OK, f"{words}, with GeoTIFF and JPEG2000")


def check_docker() -> "Finding":
    """Whether a Docker engine answers; only those who build the image, or run it, need one."""
    from glacierctl.aws.finding import Finding, Verdict
    from glacierctl.errors import ImageError
    from glacierctl.image.engine import Engine

    try:
        engine = Engine.connect()
        with closing(engine):
            version = engine.version
    except ImageError as error:
        words = f"{error}; only who deploys, or runs the image, needs one"
        return Finding("docker", Verdict.LOOK, words, error.hint)
    builder = "BuildKit" if engine.has_buildkit else "the engine's own builder"
    return Finding("docker", Verdict.OK, f"engine {version}, builds with {builder}")


def _catalogue_check(settings: "Settings", satellite: "Satellite", timeout_s: float) -> Check:
    def check() -> "Finding":
        from glacierctl.aws.finding import Finding, Verdict

        href, collection = settings.catalog(satellite), settings.collection(satellite)
        told = f"has {collection}" if _ask_catalogue(href, collection, timeout_s) else "is a static catalogue"
        return Finding("catalogue", Verdict.OK, f"{href} answers and {told}")

    return check


def _ask_catalogue(href: str, collection: str, timeout_s: float) -> bool:
    """Ask for scenes where there are none: an API that does not know the collection says so.

    False for a static catalogue, which would have to be read whole for that.
    """
    import datetime as dt

    from shapely import MultiPolygon, box

    from glacierctl.planning.catalog import open_catalog
    from glacierctl.planning.static_catalog import StaticCatalog

    catalogue = open_catalog(href, timeout_s=timeout_s, retries=1, backoff_s=0.5)
    if isinstance(catalogue, StaticCatalog):
        return False
    day = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
    catalogue.search(collection, MultiPolygon([box(*_EMPTY_SEA)]), day, day + dt.timedelta(minutes=1))
    return True


class Account:
    """Checks of what lies in the account. Whose it is is asked once, and all wait for the answer."""

    def __init__(self, settings: "Settings") -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._identity: Identity | GlacierctlError | None = None

    def check_credentials(self) -> "Finding":
        """Whose they are."""
        from glacierctl.aws.health import check_identity

        identity = self._ask()
        if isinstance(identity, GlacierctlError):
            raise identity
        return check_identity(identity)

    def check_bucket(self) -> "Finding":
        """See `health.check_bucket`."""
        from glacierctl.aws.health import check_bucket

        return self._with_names(check_bucket)

    def check_repository(self) -> "Finding":
        """See `health.check_repository`."""
        from glacierctl.aws.health import check_repository

        return self._with_names(check_repository)

    def check_function(self) -> "Finding":
        """See `function_health.check_function`."""
        from glacierctl import __version__
        from glacierctl.aws.backup import load
        from glacierctl.aws.function_health import check_function, unfinished
        from glacierctl.cli.deploy_conversion import backup_folder

        def check(aws: "Aws", names: "Names") -> "Finding":
            if load(backup_folder(self._settings), names) is not None:
                return unfinished(names)
            return check_function(aws, names, own_version=__version__)

        return self._with_names(check)

    def check_settings(self) -> "Finding":
        """See `drift.check_drift`."""
        from glacierctl.aws.drift import check_drift
        from glacierctl.cli.deployment import wanted_of

        return self._with_names(
            lambda aws, names: check_drift(aws, names, lambda image: wanted_of(self._settings, names, image))
        )

    def check_quotas(self) -> "Finding":
        """See `limits.check_limits`."""
        from glacierctl.aws.limits import check_limits

        settings = self._settings
        return self._with_names(
            lambda aws, names: check_limits(
                aws, names, memory_mb=settings.memory_mb, reserved=settings.reserved_concurrency
            )
        )

    def _with_names(self, check: "Callable[[Aws, Names], Finding]") -> "Finding":
        from glacierctl.aws.finding import Finding, Verdict
        from glacierctl.cli.deployment import names_in

        identity = self._ask()
        if isinstance(identity, GlacierctlError):
            return Finding("", Verdict.LOOK, "not looked at: there are no credentials that work", "")
        return check(self._connect(), names_in(self._settings, identity.account, identity.partition))

    def _ask(self) -> "Identity | GlacierctlError":
        from glacierctl.aws.identity import who_am_i

        with self._lock:
            if self._identity is None:
                try:
                    self._identity = who_am_i(self._connect())
                except GlacierctlError as error:
                    self._identity = error
            return self._identity

    def _connect(self) -> "Aws":
        """A session for each check: making clients of one from several threads is not safe."""
        from glacierctl.aws.session import Patience, connect

        return replace(connect(self._settings.aws_region, Patience()), retries=2)
