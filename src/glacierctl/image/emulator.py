"""An image run as Lambda runs it, by AWS's own runtime interface emulator, which AWS's base images bring along."""

import json
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import urllib3

from glacierctl.errors import ImageError
from glacierctl.image.failures import engine_failures, one_line
from glacierctl.image.makers import labels, remove_abandoned

_EMULATOR = "/usr/local/bin/aws-lambda-rie"
_RUNTIME = "/var/runtime/bootstrap"
_INVOKE = "/2015-03-31/functions/function/invocations"
_PORT = 8080
"""Where the emulator listens in a network of the container's own."""
_NOBODY = "993:990"
"""User and group that Lambda runs code as; no file of the image is theirs."""
_PEAK = """
import pathlib, re
status = (re.search(r"VmHWM:\\s+(\\d+)", file.read_text()) for file in pathlib.Path("/proc").glob("[0-9]*/status"))
print(max(int(found[1]) for found in status if found))
"""
"""Asked inside, for an engine knows only the present; in kB."""
_GRACE_S = 30.0
"""More than the function's own timeout: starting included."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Of one execution environment; Lambda's words."""

    memory_mb: int
    """Memory. Files in /tmp count, which on Lambda they do not."""
    ephemeral_mb: int
    """Size of /tmp."""
    timeout_s: int
    """Of one invocation."""


@dataclass(frozen=True)
class Mount:
    """A folder of this machine that a container sees."""

    folder: Path
    """The folder, absolute; it exists."""
    place: str
    """Where in the container."""
    writable: bool = False
    """Whether the container may write there."""


@dataclass(frozen=True)
class Response:
    """What an invocation came to."""

    payload: Any
    """What the handler returned."""
    error_type: str | None
    """Name of the exception that it raised instead, or of what ended it; None if all is well."""
    error_message: str
    """Of the exception; empty if all is well."""


class Emulator:
    """A running container that takes events, one at a time."""

    def __init__(self, api: Any, container: str, port: int, timeout_s: float) -> None:
        self.container = container
        """Its id."""
        self.port = port
        """Where it listens, on this machine's loopback."""
        self._api = api
        self._url = f"http://127.0.0.1:{port}"
        self._timeout_s = timeout_s
        self._pool = urllib3.PoolManager(retries=False)

    def invoke(self, event: object) -> Response:
        """Hand over an event (JSON-able) and wait for the answer.

        Raises:
            ImageError: the container ended, or does not answer in time.
        """
        try:
            answer = self._pool.request("POST", self._url + _INVOKE, json=event, timeout=self._timeout_s)
        except urllib3.exceptions.HTTPError as error:
            why = f"{one_line(str(error))}; the container is {self._state()}"
            raise ImageError(
                "the image does not answer", why=why, hint=f"It said last: {self._last_words()}"
            ) from error
        return _understood(answer.data.decode(errors="replace"))

    def log(self) -> str:
        """All that the container wrote so far: the emulator's words and the handler's."""
        with engine_failures("the container's log cannot be read"):
            text: bytes = self._api.logs(self.container)
            return text.decode(errors="replace")

    def peak_memory_mb(self) -> int:
        """Most memory that any of its processes ever had resident, in units of 10^6 bytes."""
        with engine_failures("the container cannot be asked for its memory"):
            asked = self._api.exec_create(self.container, ["python", "-B", "-c", _PEAK], stderr=False)
            said: bytes = self._api.exec_start(asked["Id"])
        return round(int(said or 0) * 1024 / 1e6)

    def wait(self, *, clock: Callable[[], float], sleep: Callable[[float], None]) -> None:
        """Wait until the emulator listens.

        Raises:
            ImageError: it ended, or does not in time.
        """
        end = clock() + _GRACE_S
        while not self._listens():
            if clock() > end or self._state() != "running":
                why = f"the container is {self._state()}"
                raise ImageError("the image does not start", why=why, hint=f"It said last: {self._last_words()}")
            sleep(0.02)

    def _listens(self) -> bool:
        """Any answer will do; a port that Docker forwards accepts connections before anybody listens behind it."""
        try:
            self._pool.request("GET", self._url, timeout=1)
        except urllib3.exceptions.HTTPError:
            return False
        return True

    def _state(self) -> str:
        with engine_failures("the container cannot be looked at"):
            state = self._api.inspect_container(self.container)["State"]
        return "out of memory" if state["OOMKilled"] else str(state["Status"])

    def _last_words(self) -> str:
        return one_line(" | ".join(self.log().splitlines()[-3:])) or "nothing"


@contextmanager
def emulate(
    api: Any,
    image: str,
    limits: Limits,
    *,
    environment: Mapping[str, str],
    mounts: Sequence[Mount],
    network: str | None,
    user: str | None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Emulator]:
    """Run an image for as long as the context lasts: its files read-only but /tmp, no rights, little memory.

    First, containers are removed that processes left which were killed.

    Args:
        api: the SDK's.
        image: name, or reference by digest, that the engine holds.
        limits: of memory, /tmp and time.
        environment: variables of the function.
        mounts: folders of this machine that it sees.
        network: `host` for the network of this machine; by default one of its own.
        user: `uid:gid`; by default one that owns nothing, as on Lambda.
        clock: in seconds.
        sleep: in seconds.

    Raises:
        ImageError: the image has no emulator, or does not start.
    """
    port, runtime_port = _free_port(), _free_port()
    on_host = network == "host"
    at = f"127.0.0.1:{port}" if on_host else f"0.0.0.0:{_PORT}"
    words = [_EMULATOR, "--runtime-interface-emulator-address", at]
    words += ["--runtime-api-address", f"127.0.0.1:{runtime_port}", _RUNTIME]
    with engine_failures(f"{image} cannot be run"):
        handler = api.inspect_image(image)["Config"]["Cmd"]

    def create() -> str:
        created: str = api.create_container(
            image,
            command=handler,
            entrypoint=words,
            environment={**_function(limits, handler), **environment},
            user=user or _NOBODY,
            labels=labels(),
            ports=None if on_host else [_PORT],
            host_config=_host_config(api, limits, mounts, network, None if on_host else {_PORT: ("127.0.0.1", port)}),
        )["Id"]
        return created

    remove_abandoned(api)
    with _short_lived(api, image, create) as container:
        with engine_failures(f"{image} cannot be run under AWS's emulator"):
            api.start(container)
        emulator = Emulator(api, container, port, limits.timeout_s + _GRACE_S)
        emulator.wait(clock=clock, sleep=sleep)
        yield emulator


@contextmanager
def _short_lived(api: Any, image: str, create: Callable[[], str]) -> Iterator[str]:
    """A container that is removed in any case.

    It is created in a thread, for Ctrl-C must not part anybody from a container that the engine is just making.
    """
    with ThreadPoolExecutor(1) as pool:
        creating = pool.submit(create)
        try:
            with engine_failures(f"{image} cannot be run"):
                container = creating.result()
            yield container
        finally:
            if creating.exception() is None:
                with engine_failures("the container cannot be removed"):
                    api.remove_container(creating.result(), force=True, v=True)


def _function(limits: Limits, handler: list[str]) -> dict[str, str]:
    """What Lambda tells a function about itself."""
    return {
        "_HANDLER": handler[0],
        "AWS_LAMBDA_FUNCTION_TIMEOUT": str(limits.timeout_s),
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(limits.memory_mb),
    }


def _host_config(
    api: Any, limits: Limits, mounts: Sequence[Mount], network: str | None, ports: dict[int, tuple[str, int]] | None
) -> Any:
    return api.create_host_config(
        read_only=True,
        tmpfs={"/tmp": f"rw,size={limits.ephemeral_mb}m,mode=1777"},  # noqa: S108 (the container's)
        mem_limit=f"{limits.memory_mb}m",
        memswap_limit=f"{limits.memory_mb}m",
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
        mounts=[
            docker.types.Mount(one.place, str(one.folder), type="bind", read_only=not one.writable) for one in mounts
        ],
        network_mode=network,
        port_bindings=ports,
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _understood(text: str) -> Response:
    """The emulator answers errors with status 200, and a timeout in plain words."""
    try:
        payload = json.loads(text)
    except ValueError:
        return Response(None, "Timeout" if "timed out" in text else "Unknown", one_line(text))
    if isinstance(payload, dict) and "errorType" in payload:
        return Response(None, payload["errorType"], str(payload.get("errorMessage", "")))
    return Response(payload, None, "")
