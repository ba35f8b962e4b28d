"""Lambda inside moto: invocations that really run, and what Lambda does around them.

Asynchronous ones are repeated, reported to the failure destination, and may be delivered twice; throttles come as a
test asks; every line that a handler writes becomes an event of the function's log group the moment it is written.
"""

import base64
import datetime as dt
import json
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from typing import Any

from moto.awslambda.exceptions import LambdaClientError
from moto.sqs.models import sqs_backends
from tests.support import lambda_image, lambda_rie
from tests.support.lambda_environment import Answer, Environment, Limits
from tests.support.lambda_stream import Stream

LARGEST_EVENT = 256 << 10
"""Of an asynchronous invocation, bytes. Lambda takes more since 2025; queues and older regions do not."""


@dataclass
class Wishes:
    """How Lambda shall behave; a test sets them."""

    executes: bool = False
    """Whether invocations run; otherwise they answer with their event."""
    engine: str = ""
    """Address of a Docker engine that runs each function's own image; without one the handler of this checkout runs."""
    ephemeral_mb: int = 0
    """Size of every environment's /tmp, if not 0; Lambda has none below 512."""
    throttles: int = 0
    """How many of the next invocations are refused for being too many."""
    duplicates: int = 0
    """How many of the next asynchronous invocations are delivered twice, at once."""
    retry_delays_s: tuple[float, ...] = (0.2, 0.4)
    """Before an asynchronous invocation is repeated; Lambda's own are 60 and 120."""
    concurrency: int = 4
    """How many asynchronous invocations run at once; the others wait."""
    handlers: dict[str, str] = field(default_factory=dict)
    """Part of an image's name to the handler that it runs, where that is not the worker."""
    variables: dict[str, str] = field(default_factory=dict)
    """Variables of every execution environment, such as an endpoint that misbehaves."""


@dataclass(frozen=True)
class Invocation:
    """One execution, for tests to look at."""

    request_id: str
    """The same when it is repeated."""
    function: str
    """Name."""
    version: str
    """That ran."""
    attempt: int
    """From 1."""
    event: Any
    """What was sent."""
    answer: Any
    """What came back."""
    error: str | None
    """Type of its error."""


@dataclass(frozen=True)
class Call:
    """What somebody asked of Lambda."""

    backend: Any
    """Moto's, of one account and AWS region."""
    name: str
    """Of the function, or its address."""
    qualifier: str | None
    """Version or alias."""
    event: bytes
    """JSON."""
    request_id: str
    """Of this call."""

    def function(self) -> Any:
        """Moto's function that the name stands for now: an alias may name another version by and by."""
        return self.backend.get_function(self.name, self.qualifier)

    def config(self) -> dict[str, Any]:
        """Of asynchronous invocations."""
        return self.backend.invoke_config(self.name, self.qualifier)

    def address(self) -> str:
        """The function's, with its qualifier."""
        bare = self.name.rsplit(":function:", 1)[-1].partition(":")[0]
        place = f"{self.backend.region_name}:{self.backend.account_id}"
        return f"arn:aws:lambda:{place}:function:{bare}:{self.qualifier or '$LATEST'}"


class TooManyRequestsError(LambdaClientError):
    """Throttled."""

    code = 429

    def __init__(self) -> None:
        super().__init__("TooManyRequestsException", "Rate Exceeded.")


class RequestTooLargeError(LambdaClientError):
    """An event that Lambda does not take."""

    code = 413

    def __init__(self, size: int) -> None:
        message = f"{size} byte payload is too large for the Event invocation type (limit {LARGEST_EVENT} bytes)"
        super().__init__("RequestTooLargeException", message)


class Service:
    """Runs invocations. One for the process."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.wishes = Wishes()
        self.done: list[Invocation] = []
        self.accepted: list[dict[str, Any]] = []  # asynchronous invocations, whether they run or not
        self._running: dict[Environment, str] = {}
        self._waiting = 0
        self._lock = threading.Condition()
        self._log_lock = threading.Lock()
        self._epoch = threading.Event()

    def invoke(self, call: Call, kind: str, headers: dict[str, str]) -> bytes:
        """As Lambda's Invoke.

        Args:
            call: what is asked.
            kind: RequestResponse, Event or DryRun.
            headers: takes those of the answer.
        """
        function = call.function()
        headers["x-amzn-RequestId"] = call.request_id
        if kind == "DryRun":
            return b""
        self._refuse(function, kind, call.event)
        if kind == "Event":
            self.accepted.append({"qualifier": call.qualifier, "event": json.loads(call.event)})
            for _ in range(2 if self._take("duplicates") else 1):
                self._later(call)
            return b""
        if not self.wishes.executes or function.package_type != "Image":
            return call.event
        result, lines = self._execute(call, function, attempt=1)
        headers["x-amz-executed-version"] = str(function.version)
        headers["x-amz-log-result"] = base64.b64encode("\n".join(lines).encode()[-4096:]).decode()
        if result.error:
            headers["x-amz-function-error"] = "Unhandled"
        return result.payload

    def reset(self) -> None:
        """End all that runs or waits, and forget all wishes and invocations."""
        self._epoch.set()
        while True:
            with self._lock:
                for environment in list(self._running):
                    environment.stop()
                if not self._running and not self._waiting:
                    break
                self._lock.wait(0.05)
        self._epoch.clear()
        self.wishes, self.done, self.accepted = Wishes(), [], []

    def kill(self) -> int:
        """End the processes of all that runs; how many there were."""
        with self._lock:
            for environment in self._running:
                environment.kill()
            return len(self._running)

    def state(self) -> dict[str, Any]:
        """What is going on, and what was."""
        with self._lock:
            return {
                "running": list(self._running.values()),
                "waiting": self._waiting,
                "done": [asdict(one) for one in self.done],
                "accepted": list(self.accepted),
            }

    def _refuse(self, function: Any, kind: str, event: bytes) -> None:
        """Throttles, and events that are too large.

        Raises:
            LambdaClientError: as Lambda would.
        """
        if self._take("throttles") or (function.reserved_concurrency == 0 and kind != "Event"):
            raise TooManyRequestsError
        if kind == "Event" and len(event) > LARGEST_EVENT:
            raise RequestTooLargeError(len(event))

    def _take(self, wish: str) -> bool:
        with self._lock:
            left = getattr(self.wishes, wish)
            setattr(self.wishes, wish, max(left - 1, 0))
            return bool(left)

    def _later(self, call: Call) -> None:
        with self._lock:
            self._waiting += 1
        threading.Thread(target=self._deliver, args=(call,), daemon=True).start()

    def _deliver(self, call: Call) -> None:
        try:
            with suppress(Exception):  # a function or queue that is gone by now ends the delivery, as on Lambda
                self._until_done(call)
        finally:
            with self._lock:
                self._waiting -= 1
                self._lock.notify_all()

    def _until_done(self, call: Call) -> None:
        attempt, began = 0, time.monotonic()
        while self.wishes.executes:
            attempt += 1
            function, config = call.function(), call.config()
            with self._slot(function) as is_granted:
                if not is_granted:
                    return
                result, _ = self._execute(call, function, attempt)
            condition = _condition(result, attempt, time.monotonic() - began, config)
            if condition and not self._epoch.is_set():
                _report(config, _message(call, str(function.version), condition, attempt, result), call)
                return
            delays = self.wishes.retry_delays_s
            if self._epoch.wait(delays[min(attempt, len(delays)) - 1]):
                return

    @contextmanager
    def _slot(self, function: Any) -> Iterator[bool]:
        """Room to run in; not granted if the account is emptied meanwhile."""
        with self._lock:
            while len(self._running) >= self._most(function) and not self._epoch.is_set():
                self._lock.wait(0.1)
        yield not self._epoch.is_set()

    def _most(self, function: Any) -> int:
        reserved = function.reserved_concurrency
        return self.wishes.concurrency if reserved is None else min(self.wishes.concurrency, int(reserved))

    def _execute(self, call: Call, function: Any, attempt: int) -> tuple[Answer, list[str]]:
        """Run one invocation in an environment of its own, which is always a cold start."""
        version = str(function.version)
        log = Stream(function, self._log_lock)
        log.write(f"START RequestId: {call.request_id} Version: {version}")
        with self._running_in(function, call) as environment:
            environment.on_line = log.write
            result = environment.invoke(call.event, call.request_id)
        log.end(call.request_id, result, function.memory_size)
        said, sent = _json(result.payload), _json(call.event)
        with self._lock:
            name = function.function_name
            self.done.append(Invocation(call.request_id, name, version, attempt, sent, said, result.error))
        return result, log.lines

    @contextmanager
    def _running_in(self, function: Any, call: Call) -> Iterator[Environment]:
        """An environment, known as one that runs until it is gone."""
        with ExitStack() as stack:
            environment = stack.enter_context(self._start(function))
            with self._lock:
                self._running[environment] = call.request_id
            try:
                yield environment
            finally:
                stack.close()
                with self._lock:
                    del self._running[environment]
                    self._lock.notify_all()

    def _start(self, function: Any) -> AbstractContextManager[Environment]:
        variables = {**self._credentials(function), **(function.environment_vars or {}), **self.wishes.variables}
        limits = Limits(
            memory_mb=int(function.memory_size),
            ephemeral_mb=self.wishes.ephemeral_mb or int(function.ephemeral_storage),
            timeout_s=int(function.timeout),
        )
        of: dict[str, Any] = {"limits": limits, "name": function.function_name, "version": str(function.version)}
        if self.wishes.engine:
            return lambda_image.start(self.wishes.engine, function.code["ImageUri"], variables, **of)
        return lambda_rie.start(variables, handler=self._handler(function), **of)

    def _handler(self, function: Any) -> str:
        uri = function.code.get("ImageUri", "")
        wished = [handler for part, handler in self.wishes.handlers.items() if part in uri]
        return (wished or function.image_config.cmd or [lambda_rie.HANDLER])[0]

    def _credentials(self, function: Any) -> dict[str, str]:
        return {
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_SESSION_TOKEN": "testing",
            "AWS_REGION": function.region,
            "AWS_DEFAULT_REGION": function.region,
            "AWS_ENDPOINT_URL": self.endpoint,
        }


def _condition(result: Answer, attempt: int, age_s: float, config: dict[str, Any]) -> str:
    """How an asynchronous invocation ended; empty if it is to be tried again."""
    if not result.error:
        return "Success"
    if attempt > int(config.get("MaximumRetryAttempts", 2)):
        return "RetriesExhausted"
    return "EventAgeExceeded" if age_s > int(config.get("MaximumEventAgeInSeconds", 21_600)) else ""


def _message(call: Call, version: str, condition: str, attempt: int, result: Answer) -> dict[str, Any]:
    """What a destination is told, in Lambda's words."""
    context = {
        "requestId": call.request_id,
        "functionArn": call.address(),
        "condition": condition,
        "approximateInvokeCount": attempt,
    }
    responded = {"statusCode": 200, "executedVersion": version}
    return {
        "version": "1.0",
        "timestamp": _now().isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "requestContext": context,
        "requestPayload": _json(call.event),
        "responseContext": {**responded, "functionError": "Unhandled"} if result.error else responded,
        "responsePayload": _json(result.payload),
    }


def _report(config: dict[str, Any], message: dict[str, Any], call: Call) -> None:
    on = "OnSuccess" if message["requestContext"]["condition"] == "Success" else "OnFailure"
    where = config.get("DestinationConfig", {}).get(on, {}).get("Destination", "")
    if ":sqs:" in where:
        queues = sqs_backends[call.backend.account_id][call.backend.region_name]
        queues.send_message(where.rsplit(":", 1)[-1], json.dumps(message))


def _json(text: bytes) -> Any:
    try:
        return json.loads(text or b"null")
    except ValueError:
        return text.decode(errors="replace")


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
