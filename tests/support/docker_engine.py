"""A real Docker engine of the tests' own: Debian's dockerd, its socket, its bridge, all of its state in one folder."""

import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from tests.support.paths import missing
from tests.support.processes import stop, wait_until

_SYSTEM_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
_STOPPING_S = 30


class DockerEngine:
    """A running engine; `serve` starts one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.host = f"unix://{folder}/docker.sock"
        self.environment = {"DOCKER_HOST": self.host}
        """What makes Docker's tools, in this process or another, use this engine."""

    def docker(self, *words: str | Path, given: bytes | None = None) -> str:
        """What the docker command line says; it must end well. It is the tests' witness: the product uses the SDK."""
        done = self._run(*words, given=given)
        if done.returncode:
            raise RuntimeError(f"docker {words[0]} failed: {done.stderr.decode(errors='replace')[-2000:]}")
        return done.stdout.decode(errors="replace").strip()

    def answers(self) -> bool:
        """Whether there is an engine behind the socket."""
        return self._run("version").returncode == 0

    def holds(self, name: str) -> bool:
        """Whether there is an image of this name."""
        return self._run("image", "inspect", name).returncode == 0

    def containers(self) -> list[str]:
        """Ids of all containers, those that ended too."""
        return self.docker("ps", "--all", "--quiet", "--no-trunc").split()

    def _run(self, *words: str | Path, given: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
        command = [shutil.which("docker", path=_SYSTEM_PATH) or "docker", "--host", self.host, *map(str, words)]
        return subprocess.run(command, input=given or b"", capture_output=True, check=False)


@contextmanager
def serve() -> Iterator[DockerEngine]:
    """Run an engine without any image while the context lasts. Skips where dockerd is missing or may not be run.

    If GLACIERCTL_TEST_ENGINE names the folder of one that runs already, that one is used and left running: whoever
    works on one test need not build its image each time.
    """
    if running := os.environ.get("GLACIERCTL_TEST_ENGINE"):
        yield DockerEngine(Path(running))
        return
    with serve_empty() as engine:
        yield engine


@contextmanager
def serve_empty() -> Iterator[DockerEngine]:
    """See `serve`; an engine of its own in any case."""
    dockerd = _require_programs()
    with ExitStack() as stack:
        # Not below pytest's folders: the path of a socket may have no more than a hundred characters.
        folder = Path(tempfile.mkdtemp(prefix="engine-"))
        folder.chmod(0o711)
        stack.callback(_remove, folder)
        bridge = stack.enter_context(_bridge())
        command = [dockerd, "--host", f"unix://{folder}/docker.sock", "--bridge", bridge]
        command += ["--data-root", f"{folder}/data", "--exec-root", f"{folder}/exec", "--pidfile", f"{folder}/pid"]
        # Nothing of the machine's own network is touched: a step that needs it runs in it (network mode `host`).
        command += ["--iptables=false", "--ip6tables=false", "--ip-forward=false", "--ip-masq=false"]
        log = folder / "log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PATH": _SYSTEM_PATH},
                start_new_session=True,  # Ctrl-C is for pytest, which stops it in order
            )
        engine = DockerEngine(folder)
        stack.callback(_stop, process, engine)
        wait_until(engine.answers, process, log)
        yield engine


def _require_programs() -> str:
    found = {name: shutil.which(name, path=_SYSTEM_PATH) for name in ("dockerd", "docker", "ip")}
    for name, program in found.items():
        if program is None:
            missing(f"{name} is not installed: as root, `make servers` installs it")
    if os.geteuid() != 0:
        missing("a Docker engine of the tests' own needs root")
    return str(found["dockerd"])


@contextmanager
def _bridge() -> Iterator[str]:
    """A network link of the engine's own, so that other engines of the machine are left alone."""
    name = f"gctl{secrets.token_hex(4)}"
    _ip("link", "add", "name", name, "type", "bridge")
    try:
        _ip("address", "add", f"172.30.{secrets.randbelow(250)}.1/24", "dev", name)
        _ip("link", "set", name, "up")
        yield name
    finally:
        _ip("link", "delete", name)


def _ip(*words: str) -> None:
    program = shutil.which("ip", path=_SYSTEM_PATH) or "ip"
    subprocess.run([program, *words], check=True, stdin=subprocess.DEVNULL)


def _stop(process: subprocess.Popen[bytes], engine: DockerEngine) -> None:
    """End the containers, the engine, and the containerd that it started."""
    if process.poll() is None and engine.answers():
        containers = engine.containers()
        if containers:
            engine.docker("rm", "--force", "--volumes", *containers)
    process.send_signal(signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(_STOPPING_S)
    stop(process, signal.SIGTERM)
    _end_containerd(engine.folder)


def _end_containerd(folder: Path) -> None:
    """It outlives an engine that was killed; known for ours by its command line."""
    file = folder / "exec" / "containerd" / "containerd.pid"
    if not file.exists():
        return
    number = int(file.read_text())
    words = Path(f"/proc/{number}/cmdline")
    end = time.monotonic() + _STOPPING_S
    while words.exists() and str(folder) in words.read_text():
        os.kill(number, signal.SIGTERM if time.monotonic() < end else signal.SIGKILL)
        time.sleep(0.1)


def _remove(folder: Path) -> None:
    """Take down what is still mounted below the folder, the deepest first, and remove it."""
    mounted = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    for place in sorted((place for place in mounted if place.startswith(f"{folder}/")), reverse=True):
        subprocess.run(["umount", "--lazy", place], check=False, stdin=subprocess.DEVNULL)
    shutil.rmtree(folder)


def main() -> None:
    """Run an engine until standard input ends, to try things by hand or with GLACIERCTL_TEST_ENGINE."""
    with serve() as engine:
        print(engine.folder, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
