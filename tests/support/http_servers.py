"""HTTP servers of the standard library, in a thread while a context lasts."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from socketserver import BaseServer
from typing import Any

_LOOK_EVERY_S = 0.02
"""For the wish to stop: the library's own half a second would be waited for by each test."""


class ForgivingServer(ThreadingHTTPServer):
    """Says nothing of clients that go away in the middle: where they are killed, that is what a test is about."""

    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A fault of the handler's own is told all the same."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


@contextmanager
def serving(server: BaseServer) -> Iterator[None]:
    """Let a server that is bound already take requests."""
    thread = threading.Thread(target=server.serve_forever, args=[_LOOK_EVERY_S], daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
