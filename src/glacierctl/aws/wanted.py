"""What a deployment shall be: settings of each part, as values that can be compared with what is there."""

from collections.abc import Mapping
from dataclasses import dataclass

from glacierctl.aws import roles
from glacierctl.aws.names import Names
from glacierctl.aws.roles import Document

KEPT_VERSIONS = 10
"""How many versions stay that glacierctl published, beside those that an alias names. The user's own all stay."""
KEPT_RESIZED = 5
"""How many versions stay beside those that a retry published with other memory: what they were handed may still run."""

_KEPT_IMAGES = 30
"""How many images stay that no version names: pushed, but never deployed, or only once."""

_ALL_THERE_CAN_BE = 9999
KEEP_TAG = "keep-"
"""Begins the tag of an image that a version or alias names; the lifecycle never touches it."""


@dataclass(frozen=True)
class RepositorySettings:
    """Of the ECR repository."""

    immutable_tags: bool
    """Whether a tag names one image for ever."""
    scan_on_push: bool
    """Whether ECR looks for known vulnerabilities."""
    lifecycle: Document | None
    """Which images it removes by itself; None if it has no such policy."""
    policy: Document | None
    """Who may pull beyond their own policies; None if it has none."""
    managed: bool
    """Whether it is tagged as a deployment's."""


@dataclass(frozen=True)
class RoleSettings:
    """Of the worker's role."""

    trust: Document
    """Who may work as the role."""
    policies: Mapping[str, Document]
    """Inline policies by name."""
    attached: tuple[str, ...]
    """ARNs of managed policies, sorted."""
    managed: bool
    """Whether it is tagged as a deployment's."""


@dataclass(frozen=True)
class LogGroupSettings:
    """Of the log group."""

    retention_days: int | None
    """How long logs are kept; None is for ever."""
    managed: bool
    """Whether it is tagged as a deployment's."""


@dataclass(frozen=True)
class QueueSettings:
    """Of the failure queue."""

    retention_s: int
    """How long a message is kept, seconds."""
    encrypted: bool
    """Whether SQS encrypts messages with a key of its own."""
    managed: bool
    """Whether it is tagged as a deployment's."""


@dataclass(frozen=True)
class FunctionSettings:
    """Of the function, or of one of its published versions."""

    image: str
    """`host/repository@sha256:...`; empty for a function that is a Zip package."""
    architecture: str
    """Of the processors: x86_64 or arm64."""
    role_arn: str
    """The role it works as."""
    memory_mb: int
    """Memory, MB."""
    timeout_s: int
    """Seconds until an invocation is ended."""
    ephemeral_storage_mb: int
    """Size of /tmp, MB."""
    environment: Mapping[str, str]
    """Environment variables; of those that are there, only the ones that are wanted."""
    description: str
    """Shown in lists of functions."""
    log_group: str
    """Name of the group its logs go to."""
    log_format: str
    """Text: lines as the worker writes them, which is JSON already."""
    snapstart: bool
    """Whether published versions start from a snapshot."""
    command: tuple[str, ...]
    """What is run instead of the image's own command; empty for that."""
    managed: bool
    """Whether it is tagged as a deployment's."""


@dataclass(frozen=True)
class InvokeSettings:
    """Of asynchronous invocations."""

    attempts: int
    """How often an invocation that failed is tried again, 0-2."""
    max_age_s: int
    """How long it may wait, seconds."""
    on_failure: str
    """ARN of where a failed one is reported; empty for nowhere."""
    on_success: str = ""
    """ARN of where one that succeeded is reported, which is the user's own; empty for nowhere."""


@dataclass(frozen=True)
class WantedImage:
    """The image that the function shall run."""

    repository_uri: str
    """`host/repository`."""
    tag: str
    """Its content's hash: the same tag is the same image, so one that is there is not pushed again."""
    digest: str | None = None
    """`sha256:...`; None as long as it has not been pushed."""

    @property
    def reference(self) -> str:
        """By digest, or by tag if there is none yet."""
        return f"{self.repository_uri}@{self.digest}" if self.digest else f"{self.repository_uri}:{self.tag}"


@dataclass(frozen=True)
class Wanted:
    """Everything that the deployment shall be."""

    names: Names
    """What its parts are called."""
    image: WantedImage
    """What the function runs."""
    version: str
    """glacierctl's own, written into the description of each published version."""
    role_arn: str | None
    """A role to use as it is; None for one of our own making."""
    memory_mb: int
    """Memory, MB."""
    timeout_s: int
    """Seconds until an invocation is ended."""
    ephemeral_storage_mb: int
    """Size of /tmp, MB."""
    architecture: str
    """Of the processors: x86_64 or arm64."""
    log_retention_days: int
    """How long logs are kept."""
    snapstart: bool = False
    """Whether published versions start from a snapshot."""
    reserved_concurrency: int | None = None
    """How many invocations may run at once, held back for them; None leaves it as it is."""

    @property
    def in_ecr(self) -> bool:
        """Whether the image lies in the account's own registry; if not, its repository is none of our business."""
        return self.image.repository_uri == self.names.repository_uri

    @property
    def version_description(self) -> str:
        """What a published version says of itself; `history` reads it."""
        return f"glacierctl {self.version} image {self.image.tag}"

    def repository(self, now: RepositorySettings | None = None) -> RepositorySettings:
        """Settings of the repository; of one that is there `now`, what its policy says besides is kept."""
        return RepositorySettings(
            immutable_tags=True,
            scan_on_push=True,
            lifecycle=lifecycle(),
            policy=roles.repository_policy(self.names, now.policy if now else None),
            managed=True,
        )

    def role(self) -> RoleSettings:
        """Settings of the role."""
        return RoleSettings(
            trust=roles.trust(), policies={roles.WORKER_POLICY: roles.worker(self.names)}, attached=(), managed=True
        )

    def log_group(self) -> LogGroupSettings:
        """Settings of the log group."""
        return LogGroupSettings(retention_days=self.log_retention_days, managed=True)

    def queue(self) -> QueueSettings:
        """Settings of the failure queue: messages stay two weeks, as long as SQS allows."""
        return QueueSettings(retention_s=14 * 86_400, encrypted=True, managed=True)

    def function(self) -> FunctionSettings:
        """Settings of the function."""
        return FunctionSettings(
            image=self.image.reference,
            architecture=self.architecture,
            role_arn=self.role_arn or self.names.role_arn,
            memory_mb=self.memory_mb,
            timeout_s=self.timeout_s,
            ephemeral_storage_mb=self.ephemeral_storage_mb,
            environment={"GLACIERCTL_BUCKET": self.names.bucket, "GLACIERCTL_PREFIX": self.names.prefix},
            description="glacierctl: stacks of co-gridded images of glacier regions",
            log_group=self.names.log_group,
            log_format="Text",
            snapstart=self.snapstart,
            command=(),
            managed=True,
        )

    def invocations(self, now: InvokeSettings | None = None) -> InvokeSettings:
        """Settings of asynchronous invocations: as patient as Lambda allows, and what fails is not lost.

        Of those that are there `now`, the report of successes is kept if the role may send it, which Lambda looks at.
        """
        return InvokeSettings(
            attempts=2,
            max_age_s=6 * 3600,
            on_failure=self.names.queue_arn,
            on_success=now.on_success if now and self.may_report_to(now.on_success) else "",
        )

    def may_report_to(self, destination: str) -> bool:
        """Whether the role may: one of our own making reaches the failure queue alone, the user's is their business."""
        return self.role_arn is not None or destination == self.names.queue_arn


def lifecycle() -> Document:
    """Remove old images by count, never one that a version or alias names.

    An image that matches a rule cannot be expired by a rule of lower priority (ECR's user guide, "Lifecycle policies").
    So the first rule, which expires nothing, protects what `keep-` tags mark.
    """
    kept = {
        "rulePriority": 1,
        "description": "Kept: a version or an alias names it",
        "selection": {
            "tagStatus": "tagged",
            "tagPrefixList": [KEEP_TAG],
            "countType": "imageCountMoreThan",
            "countNumber": _ALL_THERE_CAN_BE,
        },
        "action": {"type": "expire"},
    }
    others = {
        "rulePriority": 2,
        "description": f"Of all others the newest {_KEPT_IMAGES} stay",
        "selection": {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": _KEPT_IMAGES},
        "action": {"type": "expire"},
    }
    return {"rules": [kept, others]}


def keep_tag(digest: str) -> str:
    """The tag that protects the image of this digest. It can only ever name that image."""
    return KEEP_TAG + digest.removeprefix("sha256:")[:24]
