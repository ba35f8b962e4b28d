"""Settings: flag > environment `GLACIERCTL_*` > `glacierctl.toml` > default, and where each came from.

The only room besides the worker that reads the environment.
"""

import ast
import difflib
import inspect
import os
import tomllib
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import platformdirs
from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError

from glacierctl.choices import Architecture, Resampling, Satellite, Stack
from glacierctl.errors import ConfigError
from glacierctl.model import Value

CONFIG_FILE = "glacierctl.toml"
"""Looked for in the working directory, then in its parents, nearest first; last in the user's configuration folder."""

ENVIRONMENT_PREFIX = "GLACIERCTL_"
"""Of the environment variable of each setting: `min_coverage` is `GLACIERCTL_MIN_COVERAGE`."""

_FLAGS = {
    "sentinel2_catalog": "--catalog",
    "landsat_catalog": "--catalog",
    "sentinel2_collection": "--collection",
    "landsat_collection": "--collection",
    "function_name": "--function",
    "memory_mb": "--memory",
    "timeout_s": "--timeout",
    "ephemeral_storage_mb": "--ephemeral-storage",
    "architecture": "--arch",
}
"""Flags that are not the setting's own name."""

_PLACES = ("output", "data_dir", "sentinel2_catalog", "landsat_catalog")
"""Settings that may be a relative path: it is relative to the file that says it, or else to the working directory."""


def _refuse_truth_value(value: object) -> object:
    if isinstance(value, bool):
        msg = "a number is needed, not true or false"
        raise ValueError(msg)  # noqa: TRY004 (pydantic gathers ValueErrors)
    return value


_Number = BeforeValidator(_refuse_truth_value)
_Share = Annotated[float, Field(ge=0, le=1), _Number]
_Seconds = Annotated[float, Field(gt=0, le=3600), _Number]
_Text = Annotated[str, Field(min_length=1)]


_LOG_RETENTIONS_DAYS = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731,
                        1096, 1827, 2192, 2557, 2922, 3288, 3653)  # fmt: skip
"""The only ones that CloudWatch Logs takes."""


def _require_retention(days: int) -> int:
    if days not in _LOG_RETENTIONS_DAYS:
        msg = "CloudWatch Logs does not know this number of days"
        raise ValueError(msg)
    return days


class Settings(Value):
    """Everything that can be set once instead of with every command. The first line of each says what is allowed."""

    sentinel2_catalog: _Text = "https://earth-search.aws.element84.com/v1"
    """A STAC API or a static catalogue: URL or path."""
    landsat_catalog: _Text = "https://landsatlook.usgs.gov/stac-server"
    """A STAC API or a static catalogue: URL or path."""
    sentinel2_collection: _Text = "sentinel-2-l2a"
    """A collection of the catalogue, such as sentinel-2-l2a or sentinel-2-c1-l2a."""
    landsat_collection: _Text = "landsat-c2l1"
    """A collection of the catalogue, such as landsat-c2l1."""
    output: _Text = "./results"
    """A folder or an s3:// URL; products and ledgers go there."""
    resampling: Resampling = Resampling.CUBIC
    """One of cubic, bilinear, lanczos, nearest."""
    min_coverage: _Share = 0.5
    """A share from 0 to 1; with less of the region covered by valid pixels there is no product."""
    max_cloud: _Share = 1.0
    """A share from 0 to 1; with more of the region under cloud there is no product."""
    workers: Annotated[int, Field(ge=1, le=256), _Number]
    """A whole number from 1 to 256: how many threads work at once. By default one for each CPU there is."""
    data_dir: Path
    """A folder; imported regions are kept there."""
    aws_region: Annotated[str, Field(pattern=r"^[a-z]{2}(-[a-z]+)+-\d+$")] = "us-west-2"
    """An AWS region such as us-west-2; that is where the scenes lie."""
    read_timeout_s: _Seconds = 30.0
    """Seconds, above 0 and at most 3600: how long a read may stall."""
    connect_timeout_s: _Seconds = 10.0
    """Seconds, above 0 and at most 3600: how long a connection may take."""
    read_attempts: Annotated[int, Field(ge=1, le=100), _Number] = 5
    """A whole number from 1 to 100: how often a read is tried before it counts as failed."""
    bucket: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")] = "greenland-glacier-data"
    """Name of the S3 bucket that results of runs on AWS go to."""
    prefix: Annotated[str, Field(pattern=r"^([A-Za-z0-9!_.'()-]+/)+$")] = "results/"
    """What the keys in the bucket begin with, ending in a slash; the Lambda function may write nowhere else."""
    function_name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,50}$")] = "glacier-sentinel2-processor"
    """Name of the Lambda function: up to 50 letters, digits, - and _. Its role, logs and queue are named after it."""
    repository: Annotated[str, Field(pattern=r"^[a-z0-9]+([._/-][a-z0-9]+)*$", min_length=2, max_length=256)] = (
        "glacier-sentinel2-processor"
    )
    """Name of the ECR repository of the image: lower case letters, digits, and - _ . / between them."""
    alias: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]*[A-Za-z_-][A-Za-z0-9_-]*$", max_length=128)] = "live"
    """Name of the alias that runs use, not a number; it names the version that was deployed last and works."""
    memory_mb: Annotated[int, Field(ge=128, le=10_240), _Number] = 2048
    """A whole number from 128 to 10240: memory of the Lambda function, MB; its share of a CPU grows with it."""
    timeout_s: Annotated[int, Field(ge=1, le=900), _Number] = 900
    """A whole number from 1 to 900: seconds after which Lambda ends an invocation."""
    ephemeral_storage_mb: Annotated[int, Field(ge=512, le=10_240), _Number] = 512
    """A whole number from 512 to 10240: scratch space of the Lambda function, MB; above 512 it costs."""
    reserved_concurrency: Annotated[int | None, Field(ge=0, le=100_000), _Number] = None
    """A whole number: how many invocations may run at once, held back for them. Not set: as many as the account has."""
    stack: Stack = Stack.LEAN
    """One of lean, full: what the image holds beside glacierctl; full adds a wide scientific set for your own steps."""
    architecture: Architecture = Architecture.X86_64
    """One of x86_64, arm64: the processors that the Lambda function runs on."""
    log_retention_days: Annotated[int, AfterValidator(_require_retention), _Number] = 30
    """Days that logs are kept: 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731 or 1096 to 3653."""
    registry: Annotated[str | None, Field(pattern=r"^[A-Za-z0-9.-]+(:\d+)?(/[a-z0-9._/-]+)?$")] = None
    """Host of a registry for the image, with :PORT if need be. Not set: the account's own, which Lambda pulls from."""
    registry_user: _Text | None = None
    """User of that registry; not used for ECR, whose login AWS gives."""
    registry_password: SecretStr | None = None
    """Password of that registry; it is never shown, and written nowhere."""
    role: Annotated[str | None, Field(pattern=r"^arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+$")] = None
    """ARN of a role that the Lambda function works as, used as it is. Not set: one is made that may do just enough."""
    snapstart: bool = False
    """true or false: whether Lambda starts the function from a snapshot of it, which begins sooner and costs extra."""
    docker_network: _Text | None = None
    """Docker's network mode for building and running the image, such as host. Not set: Docker's own."""
    origins: Annotated[dict[str, str], Field(exclude=True, repr=False, default_factory=dict)]
    """Where each setting came from; what is not here is a default. Not a setting itself."""

    def origin(self, name: str) -> str:
        """Where the setting `name` came from.

        One of `flag --output`, `environment GLACIERCTL_OUTPUT`, `file /where/it/is/glacierctl.toml`, `default`.
        """
        return self.origins.get(name, "default")

    def catalog(self, satellite: Satellite) -> str:
        """URL or path of the catalogue of `satellite`."""
        return self.sentinel2_catalog if satellite is Satellite.SENTINEL2 else self.landsat_catalog

    def collection(self, satellite: Satellite) -> str:
        """Collection that holds the scenes of `satellite`."""
        return self.sentinel2_collection if satellite is Satellite.SENTINEL2 else self.landsat_collection


SETTING_NAMES = tuple(name for name in Settings.model_fields if name != "origins")
"""Of all settings, in the order of the documentation."""


def describe_settings() -> dict[str, str]:
    """What is allowed for each setting: the first line below it, in the source."""
    (made,) = ast.parse(inspect.getsource(Settings)).body
    lines = made.body if isinstance(made, ast.ClassDef) else []
    return {
        line.target.id: " ".join(str(below.value.value).split())
        for line, below in pairwise(lines)
        if isinstance(line, ast.AnnAssign)
        and isinstance(line.target, ast.Name)
        and isinstance(below, ast.Expr)
        and isinstance(below.value, ast.Constant)
    }


def current_settings(flags: Mapping[str, object]) -> Settings:
    """Load the settings for this process: its environment, its working directory. See `load_settings`."""
    return load_settings(flags, os.environ, Path.cwd())


def load_settings(
    flags: Mapping[str, object], environ: Mapping[str, str], cwd: Path, *, user_config_dir: Path | None = None
) -> Settings:
    """Merge flags, environment, files and defaults, value by value.

    Args:
        flags: setting name to value; None means that the flag was not given.
        environ: environment variables; an empty one counts as not set.
        cwd: the working directory, absolute.
        user_config_dir: where the user's own glacierctl.toml lies; by default what the platform prescribes.

    Raises:
        ConfigError: a file cannot be read, names an unknown setting, or a value is not allowed.
    """
    config_dir = user_config_dir or platformdirs.user_config_path("glacierctl")
    values: dict[str, object] = {"workers": _available_cpus(), "data_dir": platformdirs.user_data_path("glacierctl")}
    values["output"] = _absolute_place(Settings.model_fields["output"].default, cwd)
    origins: dict[str, str] = {}
    for layer, folder in (*_file_layers(cwd, config_dir), (_environment(environ), cwd), (_given(flags), cwd)):
        for name, (value, origin) in layer.items():
            values[name] = _absolute_place(value, folder) if name in _PLACES else value
            origins[name] = origin
    try:
        return Settings.model_validate({**values, "origins": origins})
    except ValidationError as error:
        raise _not_allowed(error, origins) from error


_Layer = dict[str, tuple[object, str]]


def _given(flags: Mapping[str, object]) -> _Layer:
    flag_names = {name: _FLAGS.get(name, "--" + name.replace("_", "-")) for name in flags}
    return {name: (value, f"flag {flag_names[name]}") for name, value in flags.items() if value is not None}


def _environment(environ: Mapping[str, str]) -> _Layer:
    variables = {name: ENVIRONMENT_PREFIX + name.upper() for name in SETTING_NAMES}
    return {name: (environ[key], f"environment {key}") for name, key in variables.items() if environ.get(key)}


def _file_layers(cwd: Path, user_config_dir: Path) -> list[tuple[_Layer, Path]]:
    """Find the configuration files, the weakest first, each with its folder."""
    near = next((path for folder in (cwd, *cwd.parents) if (path := folder / CONFIG_FILE).is_file()), None)
    own = user_config_dir / CONFIG_FILE
    paths = [path for path in (own, near) if path is not None and path.is_file()]
    return [(_read_file(path), path.parent) for path in dict.fromkeys(paths)]


def _read_file(path: Path) -> _Layer:
    try:
        with path.open("rb") as file:
            content = tomllib.load(file)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise ConfigError(
            f"the configuration file {path} cannot be read",
            why=str(error),
            hint='Mend it: one `name = value` a line, text in quotes, such as output = "results".',
        ) from error
    unknown = [key for key in content if key not in SETTING_NAMES]
    if unknown:
        raise _unknown_settings(path, unknown)
    return {name: (value, f"file {path}") for name, value in content.items()}


def _unknown_settings(path: Path, unknown: list[str]) -> ConfigError:
    near = [match for key in unknown for match in difflib.get_close_matches(key, SETTING_NAMES, n=1)]
    meant = f"Did you mean {', '.join(near)}? " if near else ""
    return ConfigError(
        f"the configuration file {path} names what is no setting",
        why=f"unknown: {', '.join(unknown)}",
        hint=f"{meant}The settings are {', '.join(SETTING_NAMES)}.",
    )


def _not_allowed(error: ValidationError, origins: Mapping[str, str]) -> ConfigError:
    problems = error.errors(include_url=False)
    names = list(dict.fromkeys(str(problem["loc"][0]) for problem in problems))
    whys = [_describe(problem, origins) for problem in problems]
    described = describe_settings()
    allowed = [f"{name}: {described[name]}" for name in names if name in SETTING_NAMES]
    plural = "settings" if len(names) > 1 else "setting"
    return ConfigError(
        f"the {plural} {', '.join(names)} cannot be used",
        why="; ".join(whys),
        hint=f"Allowed is, for {' '.join(allowed)}" if allowed else f"The settings are {', '.join(SETTING_NAMES)}.",
    )


def _describe(problem: Any, origins: Mapping[str, str]) -> str:
    name = str(problem["loc"][0])
    return f"{origins.get(name, 'default')} says {problem['input']!r}: {problem['msg'].removeprefix('Value error, ')}"


def _absolute_place(value: object, folder: Path) -> object:
    if not isinstance(value, (str, Path)) or "://" in str(value) or not str(value):
        return value
    return str(folder / Path(value).expanduser())


def _available_cpus() -> int:
    """CPUs that this process may use, which on a shared machine are fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
