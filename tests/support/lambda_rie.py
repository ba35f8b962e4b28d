"""An execution environment that is the handler of this checkout under AWS's own emulator and runtime client."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from tests.support.lambda_environment import Environment, Limits
from tests.support.paths import REPO, missing
from tests.support.processes import free_port, stop

EMULATOR = REPO / ".cache/rie/aws-lambda-rie-x86_64"
"""AWS's runtime interface emulator; make fetches it."""
HANDLER = "glacierctl.worker.lambda_handler.handler"
"""What the image runs."""

_TMPFS = 'mount -t tmpfs -o "size=$1m,mode=1777" tmpfs "$2" && shift 2 && exec "$@"'


def require_emulator() -> None:
    """Skip a test, or fail it in CI, where the emulator is not there."""
    if not EMULATOR.exists():
        missing(f"no AWS Lambda emulator: make {EMULATOR.relative_to(REPO)}")


class HandlerEnvironment(Environment):
    """The handler in a process of this machine. `start` makes one."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, limits: Limits) -> None:
        super().__init__(process, port, limits, process.pid)
        self._process = process
        self._out_of_memory = False

    def _end(self) -> None:
        self._process.kill() if _can_mount() else stop(self._process, signal.SIGTERM)

    def _was_out_of_memory(self) -> bool:
        return self._out_of_memory

    def _enforce(self, used_mb: int) -> None:
        if used_mb > self.limits.memory_mb:
            self._out_of_memory = True
            self.kill()


@contextmanager
def start(
    variables: Mapping[str, str],
    *,
    limits: Limits | None = None,
    handler: str = HANDLER,
    scratch: Path | None = None,
    name: str = "worker",
    version: str = "$LATEST",
) -> Iterator[Environment]:
    """An environment, for as long as the context lasts.

    Args:
        variables: the function's environment variables, its credentials among them.
        limits: of memory, /tmp and time.
        handler: `module.function`.
        scratch: folder that is the function's /tmp, seen from outside and without a limit; by default a file system
            of its own, of the size that the limits say.
        name: of the function.
        version: of the function.
    """
    limits = limits or Limits()
    folder = scratch or Path(tempfile.mkdtemp(prefix="lambda-"))
    port, runtime_port = free_port(), free_port()
    words = [str(EMULATOR), "--runtime-interface-emulator-address", f"127.0.0.1:{port}"]
    words += ["--runtime-api-address", f"127.0.0.1:{runtime_port}", sys.executable, "-m", "awslambdaric", handler]
    process = subprocess.Popen(
        _confined(words, None if scratch else folder, limits.ephemeral_mb),
        cwd=REPO,
        env={**_surroundings(folder, limits, handler, name, version), **variables},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    environment = HandlerEnvironment(process, port, limits)
    try:
        environment.begin()
        yield environment
    finally:
        environment.stop()
        if not scratch:
            shutil.rmtree(folder, ignore_errors=True)


def _surroundings(folder: Path, limits: Limits, handler: str, name: str, version: str) -> dict[str, str]:
    """What Lambda tells a function; TMPDIR stands for Lambda's /tmp, which tests share with everything else."""
    return {
        "PATH": os.environ["PATH"],
        "LANG": "C.UTF-8",
        "TZ": ":UTC",
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "LAMBDA_TASK_ROOT": str(REPO),
        "PYTHONPATH": f"{REPO}:{REPO / 'src'}",
        "_HANDLER": handler,
        "AWS_EXECUTION_ENV": "AWS_Lambda_Image",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_LAMBDA_FUNCTION_NAME": name,
        "AWS_LAMBDA_FUNCTION_VERSION": version,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(limits.memory_mb),
        "AWS_LAMBDA_FUNCTION_TIMEOUT": str(limits.timeout_s),
    }


def _confined(words: list[str], folder: Path | None, size_mb: int) -> list[str]:
    """In a process tree that ends as a whole, and with a file system of its own at `folder`, where root may do so."""
    if not _can_mount():
        return words
    space = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    return [*space, *(["sh", "-c", _TMPFS, "sh", str(size_mb), str(folder)] if folder else []), *words]


@cache
def _can_mount() -> bool:
    if shutil.which("unshare") is None:
        return False
    tried = ["unshare", "--mount", "--pid", "--fork", "--mount-proc", "sh", "-c", "mount -t tmpfs tmpfs /mnt"]
    return subprocess.run(tried, capture_output=True, check=False).returncode == 0
