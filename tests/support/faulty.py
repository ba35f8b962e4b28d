"""An HTTP server on loopback that serves a folder with ranges, and misbehaves as a test asks."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from tests.support.http_servers import ForgivingServer, serving

_XML_ERROR = b'<?xml version="1.0" encoding="UTF-8"?><Error><Code>SlowDown</Code><Message>Wait.</Message></Error>'
_PARTIAL = 206


@dataclass(frozen=True, kw_only=True)
class Fault:
    """How a path misbehaves."""

    times: int | None = None
    """For how many requests; then it behaves. None: for ever."""


@dataclass(frozen=True)
class Status(Fault):
    """Answers with an error status."""

    code: int
    """Such as 404, 403, 500 or 503."""


@dataclass(frozen=True)
class Truncated(Fault):
    """Declares the whole length, sends a share of the body, and closes."""

    share: float = 0.5
    """0-1."""


@dataclass(frozen=True)
class XmlError(Fault):
    """Answers with an XML error page and a status of success, as some gateways do."""

    status: int = 200
    """200 or 206; with 206 the page pretends to be the range that was asked for."""


@dataclass(frozen=True)
class Corrupt(Fault):
    """Flips every bit of a range of the file."""

    start: int
    """First byte."""
    stop: int
    """One past the last byte."""


@dataclass(frozen=True)
class Stall(Fault):
    """Sends the headers, then nothing for a while, and then the body."""

    seconds: float
    """How long; the server's end wakes it."""


@dataclass(frozen=True)
class IgnoresRange(Fault):
    """Answers 200 with the whole file."""


@dataclass(frozen=True)
class Seen:
    """One request."""

    method: str
    """GET or HEAD."""
    path: str
    """Path below the folder, with a leading slash."""
    range: str
    """The Range header; empty if there was none."""
    status: int
    """Status sent."""


class FaultyServer:
    """A running server; `serve` starts one."""

    def __init__(self, www: Path, port: int) -> None:
        self.www = www
        self.port = port
        self.closing = threading.Event()
        self._faults: dict[str, Fault] = {}
        self._asked: dict[str, int] = {}
        self._seen: list[Seen] = []
        self._lock = threading.Lock()

    def url(self, path: str = "") -> str:
        """Address of a file below the folder."""
        return f"http://127.0.0.1:{self.port}/{path.lstrip('/')}"

    def misbehave(self, path: str, fault: Fault) -> None:
        """From now on, requests for `path` meet `fault`."""
        with self._lock:
            self._faults["/" + path.lstrip("/")] = fault
            self._asked["/" + path.lstrip("/")] = 0

    def behave(self) -> None:
        """Forget all faults."""
        with self._lock:
            self._faults.clear()

    def seen(self, path: str = "") -> list[Seen]:
        """Requests so far, oldest first, whose path contains `path`."""
        with self._lock:
            return [request for request in self._seen if path in request.path]

    def forget(self) -> None:
        """Forget the requests so far."""
        with self._lock:
            self._seen.clear()

    def next_fault(self, path: str) -> Fault | None:
        """The fault that a new request for `path` meets."""
        with self._lock:
            fault = self._faults.get(path)
            self._asked[path] = self._asked.get(path, 0) + 1
            is_over = fault is not None and fault.times is not None and self._asked[path] > fault.times
            return None if is_over else fault

    def record(self, request: Seen) -> None:
        """Note a request."""
        with self._lock:
            self._seen.append(request)


@contextmanager
def serve(www: Path) -> Iterator[FaultyServer]:
    """Serve `www` on a free port while the context lasts."""
    httpd = _Server(("127.0.0.1", 0), _Handler)
    server = FaultyServer(www, httpd.server_address[1])
    httpd.faulty = server
    with serving(httpd):
        try:
            yield server
        finally:
            server.closing.set()


class _Server(ForgivingServer):
    faulty: FaultyServer


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def log_message(self, *_: Any) -> None:
        """What was asked is in `FaultyServer.seen`."""

    def _answer(self) -> None:
        path = unquote(urlsplit(self.path).path)
        fault = self.server.faulty.next_fault(path)
        file = self.server.faulty.www / path.lstrip("/")
        if isinstance(fault, Status):
            self._send(path, fault.code, b"<html>no</html>", {"Content-Type": "text/html"})
        elif isinstance(fault, XmlError):
            self._send(path, fault.status, _XML_ERROR, self._page_headers(fault.status))
        elif not file.is_file():
            self._send(path, 404, b"<html>no such file</html>", {"Content-Type": "text/html"})
        else:
            self._send_file(path, file.read_bytes(), fault)

    def _page_headers(self, status: int) -> dict[str, str]:
        if status != _PARTIAL:
            return {"Content-Type": "application/xml"}
        start, _ = _byte_range(self.headers.get("Range", ""), 1 << 40) or (0, 0)
        said = f"bytes {start}-{start + len(_XML_ERROR) - 1}/{start + len(_XML_ERROR)}"
        return {"Content-Type": "image/tiff", "Content-Range": said}

    def _send_file(self, path: str, content: bytes, fault: Fault | None) -> None:
        if isinstance(fault, Corrupt):
            flipped = bytes(byte ^ 0xFF for byte in content[fault.start : fault.stop])
            content = content[: fault.start] + flipped + content[fault.stop :]
        headers = {"Accept-Ranges": "bytes", "Content-Type": "image/tiff", "ETag": f'"{len(content):x}"'}
        wanted = None if isinstance(fault, IgnoresRange) else _byte_range(self.headers.get("Range", ""), len(content))
        if wanted is None:
            self._send(path, 200, content, headers, fault)
        elif wanted[0] >= len(content):
            self._send(path, 416, b"", {"Content-Range": f"bytes */{len(content)}"})
        else:
            start, stop = wanted
            headers["Content-Range"] = f"bytes {start}-{stop - 1}/{len(content)}"
            self._send(path, 206, content[start:stop], headers, fault)

    def _send(self, path: str, status: int, body: bytes, headers: dict[str, str], fault: Fault | None = None) -> None:
        self.server.faulty.record(Seen(self.command, path, self.headers.get("Range", ""), status))
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.flush()
        if isinstance(fault, Stall):
            self.server.faulty.closing.wait(fault.seconds)
        if self.command == "HEAD":
            return
        if isinstance(fault, Truncated):
            body = body[: int(len(body) * fault.share)]
            self.close_connection = True
        self.wfile.write(body)


def _byte_range(header: str, size: int) -> tuple[int, int] | None:
    """(first byte, one past the last) of a Range header of one range; none if there is no such header."""
    match = re.fullmatch(r"bytes=(\d*)-(\d*)", header)
    if not match or match[0] == "bytes=-":
        return None
    if not match[1]:
        return max(0, size - int(match[2])), size
    return int(match[1]), min(size, int(match[2]) + 1) if match[2] else size
