"""HTTP servers of the standard library, in a thread while a context lasts."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from socketserver import BaseServer

_LOOK_EVERY_S = 0.02
"""For the wish to stop: the library's own half a second would be waited for by each test."""


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
