"""Handing tasks to Lambda: which version does them, and asynchronous invocations at the pace that Lambda takes."""

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from glacierctl.aws.errors import AwsError, NotFound, Throttled, Unreachable, talking_about
from glacierctl.aws.names import Names
from glacierctl.aws.session import Aws

if TYPE_CHECKING:
    from types_boto3_lambda import LambdaClient

_FIRST_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 20.0
_PATIENCE_S = 600.0
"""How long one task is offered to a service that refuses it."""
_PASSING = frozenset({"ServiceException", "InternalFailure", "ServiceUnavailable", "InternalServerError", "500", "502",
                      "503", "504", "ResourceNotReadyException", "ResourceConflictException",
                      "CodeArtifactUserPendingException"})  # fmt: skip
"""What Lambda says when it is at fault itself, or when the function is being woken."""


@dataclass(frozen=True)
class Target:
    """A version of a function."""

    function: str
    """Name of the function."""
    version: str
    """Number of the version."""
    aws_region: str
    """Where it runs."""
    memory_mb: int
    """Its memory."""
    timeout_s: int
    """Seconds after which an invocation is ended."""
    architecture: str
    """x86_64 or arm64."""
    ephemeral_storage_mb: int
    """Its scratch space."""


def live_target(aws: Aws, names: Names) -> Target:
    """The version that the alias names now.

    Raises:
        NotFound: nothing is deployed.
        AwsError: as it says.
    """
    try:
        with talking_about(f"the function {names.function}"):
            version = aws.functions.get_alias(FunctionName=names.function, Name=names.alias)["FunctionVersion"]
            return target(aws, names.function, version)
    except NotFound as error:
        raise NotFound(
            f"there is no function {names.function} with an alias {names.alias} in {names.aws_region}",
            why=error.why,
            hint=(
                "Run `glacierctl deploy` first; or name what there is with --function, --alias or --aws-region; "
                "or work on this machine: --service local."
            ),
            code=error.code,
        ) from error


def target(aws: Aws, function: str, version: str) -> Target:
    """One version of a function.

    Raises:
        NotFound: it is not there.
    """
    with talking_about(f"version {version} of the function {function}"):
        found = aws.functions.get_function_configuration(FunctionName=function, Qualifier=version)
    return Target(
        function=function,
        version=version,
        aws_region=aws.aws_region,
        memory_mb=found["MemorySize"],
        timeout_s=found["Timeout"],
        architecture=found.get("Architectures", ["x86_64"])[0],
        ephemeral_storage_mb=found.get("EphemeralStorage", {}).get("Size", 512),
    )


class Pace:
    """How fast Lambda may be asked, shared by all threads: after a refusal all of them pause, ever longer."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._pause_s = 0.0
        self._not_before = 0.0

    def wait(self, stop: threading.Event) -> None:
        """Until Lambda may be asked again, not all threads at the same moment; or until `stop`."""
        pause_s = self._not_before - self._clock()
        if pause_s > 0:
            stop.wait(pause_s * random.uniform(1, 1.3))  # noqa: S311 (jitter, no secret)

    def slow_down(self) -> None:
        """Lambda refused."""
        with self._lock:
            if self._clock() >= self._not_before:  # of all that were under way at once, one counts
                self._pause_s = min(max(self._pause_s * 2, _FIRST_PAUSE_S), _LONGEST_PAUSE_S)
                self._not_before = self._clock() + self._pause_s

    def speed_up(self) -> None:
        """Lambda took one."""
        with self._lock:
            self._pause_s /= 2


class Invoker:
    """Hands events to one version of a function. Safe to use from many threads."""

    def __init__(
        self,
        client: "LambdaClient",
        function: str,
        version: str,
        *,
        pace: Pace | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`client` makes each request once: repeating is done here, where all threads know of it."""
        self._client = client
        self._function = function
        self._version = version
        self._pace = pace or Pace(clock=clock)
        self._clock = clock

    def __call__(self, event: bytes, stop: threading.Event) -> bool:
        """Hand over one event; whether Lambda has it. It has not if `stop` is set before it takes it.

        Raises:
            AwsError: Lambda refuses it, or goes on being busy or unreachable.
        """
        until = self._clock() + _PATIENCE_S
        while True:
            self._pace.wait(stop)
            if stop.is_set():
                return False
            try:
                self._invoke(event)
            except AwsError as error:
                if not _passes(error) or self._clock() > until:
                    raise
                self._pace.slow_down()
            else:
                self._pace.speed_up()
                return True

    def _invoke(self, event: bytes) -> None:
        with talking_about(f"version {self._version} of the function {self._function}"):
            self._client.invoke(
                FunctionName=self._function, Qualifier=self._version, InvocationType="Event", Payload=event
            )


def invoking_client(aws: Aws, connections: int) -> "LambdaClient":
    """A client for as many threads, which makes each request once."""
    from botocore.config import Config  # noqa: PLC0415 (only where tasks are handed over)

    client = aws.session.create_client(
        "lambda",
        region_name=aws.aws_region,
        config=Config(
            connect_timeout=10,
            read_timeout=30,
            max_pool_connections=connections,
            retries={"mode": "standard", "total_max_attempts": 1},
            user_agent_extra="glacierctl",
        ),
    )
    return cast("LambdaClient", client)


def _passes(error: AwsError) -> bool:
    return isinstance(error, Throttled | Unreachable) or error.code in _PASSING
