"""A function as Lambda tells of it, and a Zip function made anew from that and its code."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from glacierctl.aws import function_update
from glacierctl.aws.errors import AwsError, Denied, NotFound, talking_about
from glacierctl.aws.function_update import Waiting
from glacierctl.aws.names import MANAGED, Names
from glacierctl.aws.session import Aws

_AS_TOLD = ("Runtime", "Role", "Handler", "Description", "Timeout", "MemorySize", "KMSKeyArn", "Architectures",
            "EphemeralStorage", "LoggingConfig", "FileSystemConfigs")  # fmt: skip
"""Of a configuration: what a function is made with, word for word."""
_PASSING = frozenset({"State", "StateReason", "StateReasonCode", "LastUpdateStatus", "LastUpdateStatusReason",
                      "LastUpdateStatusReasonCode", "RevisionId"})  # fmt: skip

DIRECT_BYTES = 50_000_000
"""Larger packages are not taken from a request, only from a bucket."""
_INVALID = "InvalidParameterValueException"


@dataclass(frozen=True)
class Package:
    """A function."""

    configuration: Mapping[str, Any]
    """As GetFunction tells it, without what changes by itself."""
    tags: Mapping[str, str]
    """The user's own."""

    @property
    def is_image(self) -> bool:
        """Whether it runs an image already."""
        return bool(self.configuration.get("PackageType") == "Image")

    @property
    def code_hash(self) -> str:
        """SHA-256 of its code in base64."""
        told: str = self.configuration["CodeSha256"]
        return told

    @property
    def environment(self) -> Mapping[str, str]:
        """Its variables."""
        variables: Mapping[str, str] = (self.configuration.get("Environment") or {}).get("Variables") or {}
        return variables

    @property
    def role_arn(self) -> str:
        """The role it works as."""
        told: str = self.configuration["Role"]
        return told


def read(aws: Aws, names: Names) -> tuple[Package, str] | None:
    """The function, and where its code can be fetched for a few minutes; None if there is no function."""
    try:
        with talking_about(f"the function {names.function}"):
            told: Any = aws.functions.get_function(FunctionName=names.function)
    except NotFound:
        return None
    tags = {key: value for key, value in (told.get("Tags") or {}).items() if _is_own(key)}
    configuration = {key: value for key, value in told["Configuration"].items() if key not in _PASSING}
    return Package(configuration, tags), (told.get("Code") or {}).get("Location", "")


def require_restorable(aws: Aws, names: Names, package: Package, code: Path, waiting: Waiting) -> None:
    """Make sure that the function could be made anew: hand it the code, the role, the layers, ... that it has.

    Raises:
        Denied: these credentials may not read the code that was staged, not hand its role to Lambda, or not use one of
            the others.
        AwsError: Lambda does not take the code that was staged.
    """
    try:
        if _is_large(code):
            _try_staged(aws, names, code)
        with talking_about(f"the function {names.function}"):
            same = {"Role": package.role_arn, **_layers(package.configuration), **extras(package)}
            aws.functions.update_function_configuration(FunctionName=names.function, **same)
    except Denied as error:
        raise Denied(
            f"{names.function} is not converted, as it could not be put back",
            why=f"{error.why}. Nothing was changed",
            hint=f"Ask whoever manages the account to allow {error.action} on {error.resource} meanwhile.",
            code=error.code,
            action=error.action,
            resource=error.resource,
        ) from error
    function_update.wait(aws, names, waiting)


def _try_staged(aws: Aws, names: Names, code: Path) -> None:
    """Lambda reads a bucket as whoever asks it to, and none of another AWS region."""
    try:
        with talking_about(f"the code in the bucket {names.bucket}"):
            aws.functions.update_function_code(FunctionName=names.function, DryRun=True, **_source(names, code))
    except AwsError as error:
        if error.code != _INVALID:
            raise
        raise AwsError(
            f"{names.function} is not converted, as it could not be put back",
            why=f"Lambda does not take its code from the bucket {names.bucket}: {error.why}. Nothing was changed",
            hint=f"Name a bucket in {names.aws_region} with --bucket, where Lambda can fetch the code.",
            code=error.code,
        ) from error


def stage(aws: Aws, names: Names, code: Path) -> None:
    """Put code that is too large for a request into the bucket, from where the function could be made anew."""
    if _is_large(code):
        with talking_about(f"the bucket {names.bucket}"), code.open("rb") as body:
            aws.s3.put_object(Bucket=names.bucket, Key=_key(names, code), Body=body)


def restore(aws: Aws, names: Names, package: Package, code: Path, waiting: Waiting) -> None:
    """Make the Zip function as it was.

    Raises:
        AwsError: Lambda refuses.
    """
    source: Any = _source(names, code) if _is_large(code) else {"ZipFile": code.read_bytes()}

    def act() -> None:
        with talking_about(f"the function {names.function}"):
            aws.functions.create_function(
                FunctionName=names.function, Code=source, Tags=dict(package.tags), **_settings(package.configuration)
            )

    waiting.patiently(act)
    function_update.wait(aws, names, waiting)


def extras(package: Package) -> dict[str, Any]:
    """Settings that reach beyond the function, and for which its role needs permissions of its own."""
    told = package.configuration
    found: dict[str, Any] = {}
    if (vpc := told.get("VpcConfig") or {}).get("SubnetIds"):
        found["VpcConfig"] = {key: vpc[key] for key in ("SubnetIds", "SecurityGroupIds") if key in vpc}
    if (told.get("DeadLetterConfig") or {}).get("TargetArn"):
        found["DeadLetterConfig"] = told["DeadLetterConfig"]
    if (told.get("TracingConfig") or {}).get("Mode") == "Active":
        found["TracingConfig"] = {"Mode": "Active"}
    for key in ("KMSKeyArn", "FileSystemConfigs"):
        if told.get(key):
            found[key] = told[key]
    return found


def _settings(told: Mapping[str, Any]) -> dict[str, Any]:
    settings = {key: told[key] for key in _AS_TOLD if told.get(key)}
    if variables := (told.get("Environment") or {}).get("Variables"):
        settings["Environment"] = {"Variables": variables}
    if apply_on := (told.get("SnapStart") or {}).get("ApplyOn"):
        settings["SnapStart"] = {"ApplyOn": apply_on}
    return settings | _layers(told) | extras(Package(told, {}))


def _layers(told: Mapping[str, Any]) -> dict[str, Any]:
    layers = told.get("Layers")
    return {"Layers": [layer["Arn"] for layer in layers]} if layers else {}


def _is_large(code: Path) -> bool:
    return code.stat().st_size > DIRECT_BYTES


def _source(names: Names, code: Path) -> dict[str, Any]:
    return {"S3Bucket": names.bucket, "S3Key": _key(names, code)}


def _key(names: Names, code: Path) -> str:
    return f"{names.prefix}backup/{code.name}"


def _is_own(tag: str) -> bool:
    return tag != MANAGED and not tag.startswith("aws:")
