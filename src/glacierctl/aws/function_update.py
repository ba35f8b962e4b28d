"""Making the function what it shall be, and waiting until Lambda is done with it."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from glacierctl.aws.clock import Clock
from glacierctl.aws.errors import AwsError, Conflict, NotFound, NotReady, talking_about
from glacierctl.aws.function import Function
from glacierctl.aws.names import MANAGED, Names
from glacierctl.aws.session import Aws
from glacierctl.aws.versions import LATEST
from glacierctl.aws.wanted import FunctionSettings

if TYPE_CHECKING:
    from types_boto3_lambda.literals import ArchitectureType, LogFormatType

_Answer = TypeVar("_Answer")

_NOT_YET = (
    "cannot be assumed by Lambda",  # a role that was made a moment ago
    "The role with name",  # the same, said by IAM
    "does not have permissions to call",  # the policy of such a role
    "does not have permission to access the ECR image",  # the policy of a repository that was made a moment ago
    "KMS key is invalid for CreateGrant",  # a role that was made anew under its old name
    "is currently in the following state: Pending",  # a version that is being fetched anew, too
    "after deleting a queue",  # its name is free again after a minute
)
"""What AWS says as long as something has not spread yet: it takes ten seconds or so, a minute at most."""

_NOT_NOW = frozenset({
    "ResourceNotReadyException",  # a version that was not used for weeks has to be fetched anew
    "CodeArtifactUserPendingException",  # that is under way
    "TooManyRequestsException",  # all of the concurrency is in use by a run
})  # fmt: skip
"""AWS's words for what an invocation may meet."""


class Waiting:
    """How long is waited, and what is done meanwhile."""

    def __init__(self, aws: Aws, clock: Clock, beat: Callable[[], None] = lambda: None) -> None:
        """`beat` is called at each round: whoever waits long shows that they are still there."""
        self._patience = aws.patience
        self._clock = clock
        self._beat = beat

    def until(self, is_done: Callable[[], bool]) -> bool:
        """Ask again and again; whether it came true in time."""
        for _ in range(self._patience.attempts):
            if is_done():
                return True
            self._beat()
            self._clock.sleep(self._patience.delay_s)
        return False

    def patiently(self, act: Callable[[], _Answer]) -> _Answer:
        """Do something for which it may be too early: again, as long as that is what AWS says.

        Raises:
            AwsError: any other refusal, or this one for too long.
        """
        answers: list[_Answer] = []
        refusals: list[AwsError] = []

        def is_done() -> bool:
            try:
                answers.append(act())
            except AwsError as error:
                if error.code not in _NOT_NOW and not any(words in error.why for words in _NOT_YET):
                    raise
                refusals.append(error)
            return bool(answers)

        if self.until(is_done):
            return answers[0]
        raise refusals[-1]


def create(aws: Aws, names: Names, then: FunctionSettings, waiting: Waiting) -> None:
    """Make the function and wait until it can be invoked.

    Raises:
        NotReady: it does not become active.
        QuotaTooSmall: the account may not have as much memory.
    """

    def act() -> None:
        with talking_about(f"the function {names.function}"):
            aws.functions.create_function(
                FunctionName=names.function,
                PackageType="Image",
                Code={"ImageUri": then.image},
                Architectures=[_architecture(then)],
                Tags={MANAGED: "true"},
                **_configuration(then, then.environment, None),
            )

    waiting.patiently(act)
    wait(aws, names, waiting)


def update(aws: Aws, names: Names, now: Function, then: FunctionSettings, waiting: Waiting) -> None:
    """Change code, then configuration, each only if it differs, and wait for Lambda after each.

    What has failed gets its code once more. Lambda says of a function that it could not make that it has to be deleted
    and made anew (developer guide, "Lambda function states").

    Raises:
        NotReady: an update fails or does not end, or the function has failed for good and is the user's own.
        QuotaTooSmall: the account may not have as much memory.
    """
    if now.never_was:
        _remove(aws, names, waiting)
        create(aws, names, replace(then, environment={**now.environment, **then.environment}), waiting)
        return
    _settled(aws, names, waiting)
    if now.has_failed or (now.settings.image, now.settings.architecture) != (then.image, then.architecture):
        waiting.patiently(lambda: _update_code(aws, names, now, then))
        wait(aws, names, waiting)
    wanted = _configuration(then, {**now.environment, **then.environment}, now.settings)
    if wanted != _configuration(now.settings, now.environment, then):
        waiting.patiently(lambda: _update_configuration(aws, names, wanted))
        wait(aws, names, waiting)
    if not now.settings.managed:
        with talking_about(f"the function {names.function}"):
            aws.functions.tag_resource(Resource=names.function_arn, Tags={MANAGED: "adopted"})


def wait(aws: Aws, names: Names, waiting: Waiting, version: str = LATEST) -> None:
    """Wait until the function, or a version of it, can be invoked.

    Raises:
        NotReady: it or its last update fails, or it is not ready in time.
    """
    told = _settled(aws, names, waiting, version)
    state, update_status = told.get("State", "Active"), told.get("LastUpdateStatus")
    if state in {"Pending", "Failed"}:
        raise _not_ready(names, version, f"state is {state}", told.get("StateReason"))
    if update_status in {"InProgress", "Failed"}:
        raise _not_ready(names, version, f"update is {update_status}", told.get("LastUpdateStatusReason"))


def _settled(aws: Aws, names: Names, waiting: Waiting, version: str = LATEST) -> Mapping[str, Any]:
    """What Lambda tells as soon as nothing is under way any more, or at last."""
    told: dict[str, Any] = {}

    def is_settled() -> bool:
        with talking_about(f"the function {names.function}"):
            told.update(aws.functions.get_function_configuration(FunctionName=names.function, Qualifier=version))
        return told.get("State") != "Pending" and told.get("LastUpdateStatus") != "InProgress"

    waiting.until(is_settled)
    return told


def _update_code(aws: Aws, names: Names, now: Function, then: FunctionSettings) -> None:
    try:
        with talking_about(f"the function {names.function}"):
            aws.functions.update_function_code(
                FunctionName=names.function, ImageUri=then.image, Architectures=[_architecture(then)]
            )
    except Conflict as error:
        if now.state != "Failed":
            raise
        raise NotReady(
            f"the function {names.function} has failed, and Lambda does not change it any more",
            why=f"{now.state_reason or 'AWS does not say why it failed'}. {error.why}",
            hint="Delete it in the AWS console if nothing else needs it, then run `glacierctl deploy` again.",
        ) from error


def _remove(aws: Aws, names: Names, waiting: Waiting) -> None:
    """Delete the function and wait until its name is free."""

    def is_gone() -> bool:
        try:
            with talking_about(f"the function {names.function}"):
                aws.functions.delete_function(FunctionName=names.function)
                aws.functions.get_function_configuration(FunctionName=names.function)
        except NotFound:
            return True
        return False

    waiting.until(is_gone)


def _update_configuration(aws: Aws, names: Names, wanted: Mapping[str, Any]) -> None:
    with talking_about(f"the function {names.function}"):
        aws.functions.update_function_configuration(FunctionName=names.function, **wanted)


def _configuration(
    then: FunctionSettings, environment: Mapping[str, str], other: FunctionSettings | None
) -> dict[str, Any]:
    """As Lambda takes it; what is rarely set is named only if it is set, or set in what it is compared with."""
    log_format: LogFormatType = "JSON" if then.log_format == "JSON" else "Text"
    told: dict[str, Any] = {
        "Role": then.role_arn,
        "MemorySize": then.memory_mb,
        "Timeout": then.timeout_s,
        "EphemeralStorage": {"Size": then.ephemeral_storage_mb},
        "Environment": {"Variables": dict(environment)},
        "Description": then.description,
        "LoggingConfig": {"LogFormat": log_format, "LogGroup": then.log_group},
    }
    if then.snapstart or (other and other.snapstart):
        told["SnapStart"] = {"ApplyOn": "PublishedVersions" if then.snapstart else "None"}
    if then.command or (other and other.command):
        told["ImageConfig"] = {"Command": list(then.command)} if then.command else {}
    return told


def _architecture(then: FunctionSettings) -> "ArchitectureType":
    return "arm64" if then.architecture == "arm64" else "x86_64"


def _not_ready(names: Names, version: str, what: str, reason: str | None) -> NotReady:
    which = f"the function {names.function}" if version == LATEST else f"version {version} of {names.function}"
    told = " ".join(reason.split()) if reason else "it has been asked for as long as is reasonable"
    return NotReady(
        f"{which} did not become ready",
        why=f"its {what}: {told}",
        hint="Look at it in the AWS console, then run `glacierctl deploy` again: it goes on where it stopped.",
    )
