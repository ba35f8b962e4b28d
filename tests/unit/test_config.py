import os
from pathlib import Path

import pytest
from pydantic import SecretStr

from glacierctl.choices import Architecture, Resampling, Satellite, Stack
from glacierctl.config import SETTING_NAMES, Settings, load_settings
from glacierctl.errors import ConfigError

FILE_VALUES = {
    "sentinel2_catalog": '"https://example.org/file"',
    "landsat_catalog": '"https://example.org/file"',
    "sentinel2_collection": '"file"',
    "landsat_collection": '"file"',
    "output": '"s3://file/prefix"',
    "resampling": '"nearest"',
    "min_coverage": "0.25",
    "max_cloud": "0.25",
    "workers": "3",
    "data_dir": '"/file"',
    "aws_region": '"eu-north-1"',
    "read_timeout_s": "3",
    "connect_timeout_s": "3",
    "read_attempts": "3",
    "bucket": '"file"',
    "prefix": '"file/"',
    "function_name": '"file"',
    "repository": '"file"',
    "alias": '"file"',
    "memory_mb": "3000",
    "timeout_s": "300",
    "ephemeral_storage_mb": "3000",
    "reserved_concurrency": "3",
    "stack": '"full"',
    "architecture": '"arm64"',
    "log_retention_days": "3",
    "registry": '"file"',
    "registry_user": '"file"',
    "registry_password": '"file"',
    "role": '"arn:aws:iam::123456789012:role/file"',
    "snapstart": "true",
    "docker_network": '"file"',
}
ENVIRONMENT_VALUES = {
    **dict.fromkeys(FILE_VALUES, "environment"),
    "output": "s3://environment",
    "resampling": "lanczos",
    "min_coverage": "0.75",
    "max_cloud": "0.75",
    "workers": "7",
    "data_dir": "/environment",
    "aws_region": "ap-south-1",
    "read_timeout_s": "7",
    "connect_timeout_s": "7",
    "read_attempts": "7",
    "sentinel2_catalog": "https://example.org/environment",
    "landsat_catalog": "https://example.org/environment",
    "prefix": "environment/",
    "memory_mb": "7000",
    "timeout_s": "700",
    "ephemeral_storage_mb": "7000",
    "reserved_concurrency": "7",
    "stack": "lean",
    "architecture": "x86_64",
    "log_retention_days": "7",
    "role": "arn:aws:iam::123456789012:role/environment",
    "snapstart": "false",
}
OF_TWO = {"stack", "architecture", "snapstart"}
"""With these the environment says the default again: there is no third value."""


def load(cwd: Path, flags: dict[str, object] | None = None, environ: dict[str, str] | None = None) -> Settings:
    return load_settings(flags or {}, environ or {}, cwd, user_config_dir=cwd / "user")


def said(value: object) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return str(value).lower() if isinstance(value, bool) else str(value)


def write(folder: Path, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "glacierctl.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_tables_above_name_every_setting() -> None:
    assert set(FILE_VALUES) == set(ENVIRONMENT_VALUES) == set(SETTING_NAMES)


def test_defaults_are_those_of_the_documentation(tmp_path: Path) -> None:
    settings = load(tmp_path)
    assert settings.catalog(Satellite.SENTINEL2) == "https://earth-search.aws.element84.com/v1"
    assert settings.catalog(Satellite.LANDSAT) == "https://landsatlook.usgs.gov/stac-server"
    assert settings.collection(Satellite.SENTINEL2) == "sentinel-2-l2a"
    assert settings.collection(Satellite.LANDSAT) == "landsat-c2l1"
    assert settings.output == str(tmp_path / "results")
    assert (settings.resampling, settings.min_coverage, settings.max_cloud) == (Resampling.CUBIC, 0.5, 1.0)
    assert settings.workers == len(os.sched_getaffinity(0))
    assert settings.data_dir.is_absolute()
    assert settings.data_dir.name == "glacierctl"
    assert settings.aws_region == "us-west-2"
    assert (settings.read_timeout_s, settings.connect_timeout_s, settings.read_attempts) == (30, 10, 5)
    assert (settings.function_name, settings.repository, settings.alias) == (
        *["glacier-sentinel2-processor"] * 2,
        "live",
    )
    assert (settings.bucket, settings.prefix) == ("greenland-glacier-data", "results/")
    assert (settings.memory_mb, settings.timeout_s, settings.ephemeral_storage_mb) == (2048, 900, 512)
    assert (settings.stack, settings.architecture) == (Stack.LEAN, Architecture.X86_64)
    assert (settings.log_retention_days, settings.reserved_concurrency) == (30, None)
    assert {settings.origin(name) for name in SETTING_NAMES} == {"default"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("bucket", "Capitals"),
        ("prefix", "no-slash"),
        ("prefix", "/first/"),
        ("prefix", "results/*/"),
        ("function_name", "a b"),
        ("function_name", "x" * 51),
        ("repository", "Capitals"),
        ("alias", "7"),
        ("memory_mb", 64),
        ("memory_mb", 10_241),
        ("memory_mb", True),
        ("timeout_s", 901),
        ("ephemeral_storage_mb", 511),
        ("reserved_concurrency", -1),
        ("stack", "fat"),
        ("architecture", "amd64"),
        ("log_retention_days", 31),
    ],
)
def test_what_lambda_or_its_surroundings_would_refuse_is_refused_at_once(
    tmp_path: Path, name: str, value: object
) -> None:
    with pytest.raises(ConfigError, match=f"the setting {name} cannot be used"):
        load(tmp_path, {name: value})


@pytest.mark.parametrize("name", SETTING_NAMES)
def test_environment_beats_file_beats_default(tmp_path: Path, name: str) -> None:
    default = load(tmp_path)
    path = write(tmp_path, f"{name} = {FILE_VALUES[name]}\n")
    from_file = load(tmp_path)
    from_environment = load(tmp_path, environ={f"GLACIERCTL_{name.upper()}": ENVIRONMENT_VALUES[name]})
    values = [getattr(settings, name) for settings in (default, from_file, from_environment)]
    assert len(set(map(said, values))) == (2 if name in OF_TWO else 3)
    assert FILE_VALUES[name].strip('"') in said(values[1])
    assert ENVIRONMENT_VALUES[name] in said(values[2])
    assert from_file.origin(name) == f"file {path}"
    assert from_environment.origin(name) == f"environment GLACIERCTL_{name.upper()}"


def test_a_flag_beats_everything_and_is_named_as_it_is_typed(tmp_path: Path) -> None:
    write(tmp_path, "min_coverage = 0.1\n")
    environ = {"GLACIERCTL_MIN_COVERAGE": "0.2"}
    settings = load(tmp_path, {"min_coverage": 0.3, "sentinel2_catalog": "https://example.org/v1"}, environ)
    assert settings.min_coverage == 0.3
    assert settings.origin("min_coverage") == "flag --min-coverage"
    assert settings.origin("sentinel2_catalog") == "flag --catalog"


def test_a_flag_that_was_not_given_and_an_empty_variable_change_nothing(tmp_path: Path) -> None:
    settings = load(tmp_path, {"workers": None}, {"GLACIERCTL_READ_ATTEMPTS": ""})
    assert settings == load(tmp_path)


def test_the_file_is_found_in_a_parent_and_the_nearest_one_wins(tmp_path: Path) -> None:
    far, near = tmp_path, tmp_path / "a"
    below = near / "b" / "c"
    below.mkdir(parents=True)
    write(far, "workers = 1\n")
    assert load(below).workers == 1
    path = write(near, "workers = 2\n")
    assert (load(below).workers, load(below).origin("workers")) == (2, f"file {path}")


def test_the_users_own_file_holds_what_the_project_does_not_say(tmp_path: Path) -> None:
    own = write(tmp_path / "user", "workers = 1\nread_attempts = 9\n")
    write(tmp_path, "workers = 2\n")
    settings = load(tmp_path)
    assert (settings.workers, settings.read_attempts) == (2, 9)
    assert settings.origin("read_attempts") == f"file {own}"


def test_relative_places_are_relative_to_who_says_them(tmp_path: Path) -> None:
    below = tmp_path / "below"
    below.mkdir()
    write(tmp_path, 'output = "out"\nlandsat_catalog = "catalog.json"\ndata_dir = "data"\n')
    from_file = load(below)
    assert from_file.output == str(tmp_path / "out")
    assert from_file.landsat_catalog == str(tmp_path / "catalog.json")
    assert from_file.data_dir == tmp_path / "data"
    assert load(below, {"output": "out"}).output == str(below / "out")
    assert load(below, environ={"GLACIERCTL_OUTPUT": "out"}).output == str(below / "out")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("max_cloud = 1.5", ["max_cloud", "glacierctl.toml", "1.5", "share from 0 to 1"]),
        ("min_coverage = -0.1", ["min_coverage", "-0.1", "share from 0 to 1"]),
        ("min_coverage = true", ["min_coverage", "True", "number"]),
        ("max_cloud = nan", ["max_cloud", "nan"]),
        ('resampling = "cubik"', ["resampling", "cubik", "cubic, bilinear, lanczos, nearest"]),
        ("workers = 0", ["workers", "0", "from 1 to 256"]),
        ("workers = 2.5", ["workers", "2.5"]),
        ('workers = "many"', ["workers", "many"]),
        ("output = 5", ["output", "5"]),
        ('output = ""', ["output"]),
        ("data_dir = 5", ["data_dir", "5"]),
        ('aws_region = "Oregon"', ["aws_region", "Oregon", "us-west-2"]),
        ("read_timeout_s = 0", ["read_timeout_s"]),
        ("connect_timeout_s = inf", ["connect_timeout_s"]),
        ("read_attempts = 0", ["read_attempts"]),
        ("[workers]\nn = 1", ["workers"]),
        ("worker = 4", ["worker", "glacierctl.toml", "Did you mean workers?"]),
        ("origins = {}", ["origins", "The settings are"]),
        ("workers = ", ["cannot be read", "line 1"]),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_with_its_name_and_what_is_allowed(
    tmp_path: Path, line: str, words: list[str]
) -> None:
    path = write(tmp_path, line + "\n")
    with pytest.raises(ConfigError) as caught:
        load(tmp_path)
    said = f"{caught.value.what} {caught.value.why} {caught.value.hint}"
    for word in [*words, str(path)]:
        assert word in said
    assert "\n" not in said
    assert caught.value.exit_code == 2


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "glacierctl.toml").write_bytes(b"workers = '\xff\xfe'\n")
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path)


def test_a_variable_that_cannot_be_used_is_refused_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, environ={"GLACIERCTL_WORKERS": "two", "GLACIERCTL_MAX_CLOUD": "2"})
    assert "max_cloud, workers" in caught.value.what
    assert "environment GLACIERCTL_WORKERS says 'two'" in caught.value.why
    assert "environment GLACIERCTL_MAX_CLOUD says '2'" in caught.value.why


def test_settings_cannot_be_changed(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="frozen"):
        load(tmp_path).workers = 3


def test_a_password_is_never_shown(tmp_path: Path) -> None:
    settings = load(tmp_path, environ={"GLACIERCTL_REGISTRY_PASSWORD": "s3cret"})
    assert "s3cret" not in repr(settings) + str(settings) + settings.model_dump_json()
