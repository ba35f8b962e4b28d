"""A proxy before AWS that refuses questions for being too many."""

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.support.http_servers import serving


class Throttle:
    """Passes on one question of `every`, and refuses the others."""

    def __init__(self, url: str, every: int) -> None:
        self.url = ""
        self.asked = 0
        self.refused = 0
        self._behind = url
        self._every = every
        self._lock = threading.Lock()

    def refuses(self) -> bool:
        """Whether the next one is refused."""
        with self._lock:
            self.asked += 1
            is_refused = self.asked % self._every != 0
            self.refused += is_refused
            return is_refused

    def ask(self, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
        """Pass a question on."""
        try:
            with urllib.request.urlopen(urllib.request.Request(self._behind, body, headers), timeout=60) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()


@contextmanager
def throttled(url: str, *, every: int) -> Iterator[Throttle]:
    """Stand before an AWS service of the JSON protocol while the context lasts."""
    throttle = Throttle(url, every)

    class Door(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if throttle.refuses():
                self._answer(400, json.dumps({"__type": "ThrottlingException", "message": "Rate exceeded"}).encode())
            else:
                self._answer(*throttle.ask(body, {**self.headers}))

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.1")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    throttle.url = f"http://127.0.0.1:{server.server_address[1]}"
    with serving(server):
        yield throttle
