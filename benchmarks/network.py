"""The two lines that are measured over: loopback as it is, and one with latency and a rate."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path

from tests.support.nginx import Nginx
from tests.support.paths import REPO
from tests.support.processes import free_port, listens, stop, wait_until

LATENCY_MS = 30
MBIT = 400


class Network(StrEnum):
    """How the server is reached."""

    PLAIN = "plain"
    """Loopback."""
    FAR = "far"
    """30 ms there and back, 400 Mbit/s for all connections of the client together."""


@contextmanager
def reach(server: Nginx, network: Network, folder: Path) -> Iterator[str]:
    """The address of the served folder over a line."""
    if network is Network.PLAIN:
        yield server.url()
        return
    with proxy(server.port, folder, "--latency-ms", str(LATENCY_MS), "--mbit", str(MBIT)) as port:
        yield f"http://127.0.0.1:{port}/"


@contextmanager
def proxy(to: int, folder: Path, *options: str) -> Iterator[int]:
    """The port of a proxy in a process of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.proxy", "--listen", str(port), "--to", str(to), *options]
    with (folder / "proxy.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=REPO, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        wait_until(lambda: listens(port), process, folder / "proxy.log")
        yield port
    finally:
        stop(process, signal.SIGTERM)
