"""All regions before they are done: what `glacierctl submit` says of them, and how long it takes to hand them over.

AWS is moto, on loopback. While it is measured, writes and invocations are answered by a server that takes 20 ms over
each, since moto takes them one after the other.
"""

import http.client
import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from benchmarks import data
from tests.support import deployed, moto_server
from tests.support.catalogs import Json
from tests.support.command import PROGRAM
from tests.support.http_servers import serving

LATENCY_MS = 20
_ACCEPTED, _OK = 202, 200
_HOP = {"connection", "transfer-encoding", "content-length", "date", "server"}


@dataclass(frozen=True)
class Said:
    """What `submit --dry-run` says."""

    document: Json
    """With `--json`."""
    lines: list[str]
    """On the terminal: what is to do, and what it takes."""


@dataclass(frozen=True)
class Handed:
    """What a real `submit` did."""

    tasks: int
    """How many it handed over."""
    seconds: float
    """From the first object written to the last answer."""


def look(catalog: Path, scratch: Path) -> Said:
    """What one date of all regions would come to, by a function as `deploy` makes it."""
    with _account(scratch / "look") as moto:
        environment = _environment(moto.environment, scratch)
        document = json.loads(_submit(catalog, environment, "--dry-run", "--json").stdout)
        said = _submit(catalog, environment, "--dry-run").stderr.splitlines()
    first = next(number for number, line in enumerate(said) if " to do in " in line)
    return Said(document, said[first : first + 2])


def hand(catalog: Path, scratch: Path) -> Handed:
    """Hand one date of all regions over, and measure it."""
    with _account(scratch / "hand") as moto, _before(moto.url) as front:
        environment = _environment({**moto.environment, "AWS_ENDPOINT_URL": front.url}, scratch)
        document = json.loads(_submit(catalog, environment, "--json").stdout)
    return Handed(document["handed_over"], front.ended_at - front.began_at)


@contextmanager
def _account(folder: Path) -> Iterator[moto_server.Moto]:
    """A made-up account with all that `submit` needs."""
    with moto_server.serve(folder) as moto, pytest.MonkeyPatch.context() as patch:
        for name, value in moto.environment.items():
            patch.setenv(name, value)
        deployed.deploy()
        yield moto


def _environment(account: dict[str, str], scratch: Path) -> dict[str, str]:
    ours = {"GLACIERCTL_DATA_DIR": str(data.REGIONS_DATA), "XDG_CACHE_HOME": str(scratch / "submits")}
    return {**os.environ, **account, **ours}


def _submit(catalog: Path, environment: dict[str, str], *flags: str) -> "subprocess.CompletedProcess[str]":
    day = str(data.FIRST_DAY)
    command = [
        PROGRAM, "submit", "--satellite", "sentinel2", "--regions", "all", "--start-date", day, "--end-date", day,
        "--catalog", catalog, *flags,
    ]  # fmt: skip
    ran = subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if ran.returncode:
        raise RuntimeError(ran.stderr)
    return ran


class _Front:
    """What stands before moto."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.began_at = float("inf")
        self.ended_at = 0.0


@contextmanager
def _before(upstream: str) -> Iterator[_Front]:
    """Take writes and invocations, give back what was written; pass the rest on to `upstream`."""
    kept: dict[str, bytes] = {}

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _take(self) -> None:
            front.began_at = min(front.began_at, time.monotonic())
            kept[self.path] = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            time.sleep(LATENCY_MS / 1000)
            self._answer(_OK if self.command == "PUT" else _ACCEPTED, [("ETag", '"0"')], b"")
            front.ended_at = time.monotonic()

        def _pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            there = http.client.HTTPConnection(urlsplit(upstream).netloc, timeout=60)
            there.request(self.command, self.path, body, dict(self.headers))
            answer = there.getresponse()
            self._answer(answer.status, answer.getheaders(), answer.read())
            there.close()

        def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
            self.send_response(status)
            for name, value in headers:
                if name.lower() not in _HOP:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            if path in kept:
                self._answer(_OK, [("ETag", '"0"')], kept[path])
            else:
                self._pass_on()

        def do_POST(self) -> None:
            if self.path.partition("?")[0].endswith("/invocations"):
                self._take()
            else:
                self._pass_on()

        def log_message(self, *_: object) -> None:
            """Nothing."""

        do_PUT, do_HEAD, do_DELETE = _take, _pass_on, _pass_on  # noqa: N815 (http.server names them)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.request_queue_size = 128
    front = _Front(f"http://127.0.0.1:{server.server_port}")
    with serving(server):
        yield front
