"""An execution environment that is a function's own image, in a container within the function's limits."""

import re
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import docker
from tests.support import registry
from tests.support.lambda_environment import Environment, Limits

from glacierctl.image import emulator
from glacierctl.image.emulator import Emulator
from glacierctl.image.engine import Engine

_CGROUPS = Path("/sys/fs/cgroup")


class ContainerEnvironment(Environment):
    """An image in a container. `start` makes one."""

    def __init__(self, api: Any, running: Emulator, log: subprocess.Popen[bytes], limits: Limits) -> None:
        pid = int(api.inspect_container(running.container)["State"]["Pid"])
        super().__init__(log, running.port, limits, pid)
        self._api = api
        self._container = running.container
        self._memory_events = _memory_events(pid)

    def _end(self) -> None:
        with suppress(docker.errors.APIError):  # it may have ended, or be gone
            self._api.kill(self._container)
        with suppress(subprocess.TimeoutExpired):
            self._log.wait(5)
        self._log.kill()

    def _enforce(self, used_mb: int) -> None:
        pass

    def _was_out_of_memory(self) -> bool:
        """By the kernel's own count: an engine tells only of containers that end thereby."""
        with suppress(OSError):  # the container is gone
            killed = re.search(r"oom_kill (\d+)", self._memory_events.read_text())
            return bool(killed and int(killed[1]))
        return False


@contextmanager
def start(
    engine: str, image: str, variables: Mapping[str, str], *, limits: Limits, name: str, version: str
) -> Iterator[Environment]:
    """A container of an image, for as long as the context lasts; in the network of this machine.

    Args:
        engine: address of the Docker engine.
        image: by digest, in the tests' registry.
        variables: the function's environment variables, its credentials among them.
        limits: of memory, /tmp and time.
        name: of the function.
        version: of the function.
    """
    said = {
        "AWS_EXECUTION_ENV": "AWS_Lambda_Image",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_LAMBDA_FUNCTION_NAME": name,
        "AWS_LAMBDA_FUNCTION_VERSION": version,
        **variables,
    }
    within = emulator.Limits(memory_mb=limits.memory_mb, ephemeral_mb=limits.ephemeral_mb, timeout_s=limits.timeout_s)
    with closing(docker.APIClient(engine)) as api, closing(Engine.connect(engine)) as connected:
        api.pull(*image.split("@"), auth_config={"username": registry.USER, "password": registry.PASSWORD})
        with connected.emulator(image, within, environment=said, network="host") as running:
            environment = ContainerEnvironment(api, running, _log_of(engine, running.container), limits)
            try:
                environment.begin()
                yield environment
            finally:
                environment.stop()


def _log_of(engine: str, container: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        ["docker", "--host", engine, "logs", "--follow", container],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def _memory_events(pid: int) -> Path:
    """The file in which the kernel counts whom of a process's group it killed for memory."""
    groups = dict(line.split(":", 2)[1:] for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines())
    if "memory" in groups:
        return _CGROUPS / "memory" / groups["memory"].strip("/") / "memory.oom_control"
    return _CGROUPS / groups[""].strip("/") / "memory.events"
