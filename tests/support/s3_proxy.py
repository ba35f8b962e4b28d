"""S3 with faults: stands before moto on loopback, passes requests on, and misbehaves as a test asks.

Unlike moto it compares uploads with their checksums, as S3 does, and knows whose listing is denied.
"""

import base64
import hashlib
import http.client
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import unquote, urlsplit

from tests.support.http_servers import ForgivingServer, serving

_HOP = {"connection", "transfer-encoding", "content-length", "date", "server"}
_NOT_FOUND = 404


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What happens to matching requests."""

    method: str = ""
    """Such as PUT; any if empty."""
    part: str = ""
    """Of the path with its query."""
    times: int = 1
    """How many requests it happens to."""
    status: int = 0
    """Answered instead of passing the request on."""
    code: str = ""
    """S3's error code for that status."""
    after: bool = False
    """Pass the request on all the same, so that the answer alone is lost."""
    wait_s: float = 0.0
    """Before anything else."""
    cut: float | None = None
    """Share of the answer's body that is sent before the connection breaks."""
    spoil: bool = False
    """Flip a bit of the body: of an upload, or else of the answer."""
    drop: bool = False
    """Close the connection without an answer."""


@dataclass
class Proxy:
    """A running proxy; `serve` starts one."""

    url: str
    """What boto3 calls its endpoint."""
    upstream: str
    """Host and port of moto."""
    hides_keys: bool = False
    """Whether keys that are not there are denied rather than missing, as without s3:ListBucket."""
    page_size: int = 0
    """How many keys a page of a listing holds at most; 0 for as many as are asked for."""
    charged_bucket: str = ""
    """Whose readers must agree to pay; others are denied, as moto never does."""
    clock_ahead_s: float = 0.0
    """How far S3's clock is ahead of everybody else's."""
    waiting: int = 0
    """How many requests are held back at the moment."""
    seen: list[tuple[str, str, int]] = field(default_factory=list)
    """Method, path with query, and status of all requests so far; 0 where there was no answer."""
    faults: list[list[Any]] = field(default_factory=list)
    """Each with how often it happens yet."""
    lock: threading.Lock = field(default_factory=threading.Lock)
    """Of the lists."""

    def misbehave(self, **fault: Any) -> None:
        """From now on; faults are looked at in the order they were asked for."""
        wished = Fault(**fault)
        with self.lock:
            self.faults.append([wished, wished.times])

    def behave(self) -> None:
        """Forget all faults."""
        with self.lock:
            self.faults.clear()

    def requests(self, method: str = "", part: str = "") -> list[tuple[str, str, int]]:
        """Those seen so far that match."""
        with self.lock:
            return [one for one in self.seen if method in one[0] and part in one[1]]

    def next_fault(self, method: str, path: str) -> Fault:
        """What happens to a new request."""
        with self.lock:
            for entry in self.faults:
                fault, left = entry
                if left and fault.method in {"", method} and fault.part in unquote(path):
                    entry[1] -= 1
                    return fault
        return Fault()


@contextmanager
def serve(moto_url: str) -> Iterator[Proxy]:
    """Run a proxy before `moto_url` while the context lasts."""
    server = ForgivingServer(("127.0.0.1", 0), _Handler)
    proxy = Proxy(f"http://127.0.0.1:{server.server_address[1]}", urlsplit(moto_url).netloc)
    _Handler.proxies[server.server_address[1]] = proxy
    with serving(server):
        yield proxy


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    proxies: dict[int, Proxy] = {}  # noqa: RUF012 (by port)

    def do_GET(self) -> None:
        self._handle()

    do_PUT = do_POST = do_DELETE = do_HEAD = do_GET  # noqa: N815 (the base class calls them so)

    def _handle(self) -> None:
        proxy = self.proxies[self.server.server_address[1]]
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = proxy.next_fault(self.command, self.path)
        if fault.wait_s:
            proxy.waiting += 1
            time.sleep(fault.wait_s)
            proxy.waiting -= 1
        status, headers, answer = self._answer(proxy, fault, body)
        with proxy.lock:
            proxy.seen.append((self.command, self.path, 0 if fault.drop else status))
        if fault.drop:
            self.close_connection = True
            return
        if fault.spoil and not body and answer:
            answer = bytes([answer[0] ^ 1]) + answer[1:]
        self._send(status, headers, answer, fault.cut)

    def _answer(self, proxy: Proxy, fault: Fault, body: bytes) -> tuple[int, dict[str, str], bytes]:
        if fault.spoil and body:
            body = bytes([body[0] ^ 1]) + body[1:]
        if fault.status and not fault.after:
            return self._refusal(fault.status, fault.code)
        if proxy.charged_bucket and self.path.startswith(f"/{proxy.charged_bucket}/") and not self._pays():
            return self._refusal(403, "AccessDenied")
        if not self._is_intact(body):
            return self._refusal(400, "BadDigest")
        status, headers, answer = self._pass_on(proxy, body)
        if fault.status:
            return self._refusal(fault.status, fault.code)
        if status == _NOT_FOUND and proxy.hides_keys and self.command in {"GET", "HEAD"}:
            return self._refusal(403, "AccessDenied")
        return status, headers, answer

    def _pays(self) -> bool:
        return self.headers.get("x-amz-request-payer") == "requester"

    def _is_intact(self, body: bytes) -> bool:
        told = self.headers.get("x-amz-checksum-sha256")
        return told is None or base64.b64decode(told) == hashlib.sha256(body).digest()

    def _pass_on(self, proxy: Proxy, body: bytes) -> tuple[int, dict[str, str], bytes]:
        headers = {name: value for name, value in self.headers.items() if name.lower() not in {"expect", "connection"}}
        connection = http.client.HTTPConnection(proxy.upstream, timeout=60)
        try:
            connection.request(self.command, self._path(proxy), body or None, headers)
            response = connection.getresponse()
            answer = response.read()
        finally:
            connection.close()
        kept = {name: value for name, value in response.getheaders() if name.lower() not in _HOP}
        length = response.getheader("Content-Length")
        if self.command == "HEAD" and length:
            kept["Content-Length"] = length
        return response.status, kept, answer

    def _path(self, proxy: Proxy) -> str:
        if not proxy.page_size or "list-type" not in self.path:
            return self.path
        return f"{re.sub('&max-keys=[0-9]+', '', self.path)}&max-keys={proxy.page_size}"

    def _refusal(self, status: int, code: str) -> tuple[int, dict[str, str], bytes]:
        text = f'<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code><Message>said {code}</Message></Error>'
        return status, {"Content-Type": "application/xml"}, b"" if self.command == "HEAD" else text.encode()

    def date_time_string(self, timestamp: float | None = None) -> str:
        ahead_s = self.proxies[self.server.server_address[1]].clock_ahead_s
        return super().date_time_string((time.time() if timestamp is None else timestamp) + ahead_s)

    def _send(self, status: int, headers: dict[str, str], answer: bytes, cut: float | None) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if "Content-Length" not in headers:
            self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer if cut is None else answer[: int(len(answer) * cut)])
        if cut is not None:
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass
