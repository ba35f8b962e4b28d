"""The Lambda function as it is: its newest state, published versions, aliases, and what surrounds an invocation."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from glacierctl.aws import invoke_settings, versions
from glacierctl.aws.errors import NotFound, talking_about
from glacierctl.aws.names import MANAGED, Names
from glacierctl.aws.session import Aws
from glacierctl.aws.versions import Alias, Version
from glacierctl.aws.wanted import FunctionSettings, InvokeSettings


@dataclass(frozen=True)
class Function:
    """A function that is there."""

    settings: FunctionSettings
    """What can be compared; of what would be published next."""
    package: str
    """Image or Zip."""
    state: str
    """Active, Inactive (it was not used for weeks), Pending or Failed."""
    state_reason: str
    """Why it is not active; empty if it is."""
    last_update: str
    """Successful, InProgress or Failed."""
    last_update_reason: str
    """Why the last update failed; empty if it did not."""
    code_hash: str
    """Lambda's own word for what its code is."""
    environment: Mapping[str, str] = field(repr=False)
    """All environment variables, those that are none of ours too."""
    versions: tuple[Version, ...]
    """Published ones, the oldest first."""
    aliases: Mapping[str, Alias]
    """All aliases by name."""
    invocations: Mapping[str, InvokeSettings]
    """Settings by the alias or version that has some of its own."""
    concurrency: int | None
    """How many invocations are held back for it; None if none are."""
    made_by_us: bool
    """Whether a deployment made it, rather than found it."""

    @property
    def has_failed(self) -> bool:
        """Whether Lambda could not make it, or could not carry out its last update."""
        return "Failed" in {self.state, self.last_update}

    @property
    def never_was(self) -> bool:
        """Whether Lambda could not make it, it is ours, and nothing names it: then it can be made anew."""
        return self.state == "Failed" and self.made_by_us and not self.versions and not self.aliases

    def version(self, number: str) -> Version | None:
        """The version of this number; None if there is none."""
        return next((version for version in self.versions if str(version.number) == number), None)


def read(aws: Aws, names: Names) -> Function | None:
    """What the function is like; None if there is none."""
    try:
        with talking_about(f"the function {names.function}"):
            told: Mapping[str, Any] = aws.functions.get_function(FunctionName=names.function)
    except NotFound:
        return None
    configuration: Mapping[str, Any] = told["Configuration"]
    tags = told.get("Tags") or {}
    aliases = versions.read_aliases(aws, names)
    return Function(
        settings=settings_of(configuration, image=_image(told), managed=MANAGED in tags),
        package=configuration.get("PackageType", "Zip"),
        state=configuration.get("State", "Active"),
        state_reason=configuration.get("StateReason") or "",
        last_update=configuration.get("LastUpdateStatus") or "Successful",
        last_update_reason=configuration.get("LastUpdateStatusReason") or "",
        code_hash=configuration.get("CodeSha256") or "",
        environment=_environment(configuration),
        versions=versions.read_versions(aws, names, versions.named(aliases)),
        aliases=aliases,
        invocations=invoke_settings.read(aws, names),
        concurrency=(told.get("Concurrency") or {}).get("ReservedConcurrentExecutions"),
        made_by_us=tags.get(MANAGED) == "true",
    )


def image_of(aws: Aws, names: Names, qualifier: str) -> str:
    """`host/repository@sha256:...` of what a version or alias runs; empty for a Zip package.

    Raises:
        NotFound: there is no such version or alias.
    """
    with talking_about(f"{names.function}:{qualifier}"):
        return _image(aws.functions.get_function(FunctionName=names.function, Qualifier=qualifier))


def settings_of(configuration: Mapping[str, Any], *, image: str, managed: bool) -> FunctionSettings:
    """Settings of the function or one of its versions, from what Lambda tells of it.

    Args:
        configuration: as `GetFunctionConfiguration` answers.
        image: what it runs; empty for a Zip package.
        managed: whether it is tagged as a deployment's.
    """
    logging = configuration.get("LoggingConfig") or {}
    image_config = (configuration.get("ImageConfigResponse") or {}).get("ImageConfig") or {}
    return FunctionSettings(
        image=image,
        architecture=(configuration.get("Architectures") or ["x86_64"])[0],
        role_arn=configuration.get("Role", ""),
        memory_mb=configuration.get("MemorySize", 128),
        timeout_s=configuration.get("Timeout", 3),
        ephemeral_storage_mb=(configuration.get("EphemeralStorage") or {}).get("Size", 512),
        environment=_environment(configuration),
        description=configuration.get("Description", ""),
        log_group=logging.get("LogGroup") or f"/aws/lambda/{configuration['FunctionName']}",
        log_format=logging.get("LogFormat") or "Text",
        snapstart=(configuration.get("SnapStart") or {}).get("ApplyOn") == "PublishedVersions",
        command=tuple(image_config.get("Command") or ()),
        managed=managed,
    )


def _environment(configuration: Mapping[str, Any]) -> Mapping[str, str]:
    variables: Mapping[str, str] = (configuration.get("Environment") or {}).get("Variables") or {}
    return variables


def _image(told: Any) -> str:
    """`host/repository@sha256:...` of what it runs; by tag if no digest is told, empty for a Zip package."""
    if told["Configuration"].get("PackageType") != "Image":
        return ""
    uri: str = told["Code"].get("ImageUri", "")
    digest = versions.digest_of(told["Code"]) or versions.digest_in(told["Configuration"])
    return f"{_without_tag(uri)}@{digest}" if digest else uri


def _without_tag(uri: str) -> str:
    host, slash, rest = uri.partition("/")
    return f"{host}{slash}{rest.partition('@')[0].partition(':')[0]}"
