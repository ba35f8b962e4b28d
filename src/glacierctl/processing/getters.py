"""Ways to get at byte ranges: https and local files. S3 is in the aws room, behind the same protocol."""

import re
import ssl
import threading
from pathlib import Path
from typing import Any

import certifi
import urllib3
from urllib3.exceptions import HTTPError, LocationValueError, MaxRetryError, ReadTimeoutError, SSLError

from glacierctl.errors import ReadError
from glacierctl.processing.transport import ReadPolicy
from glacierctl.storage.ranges import Piece

_TRY_LATER = frozenset({408, 425, 429, 500, 502, 503, 504})
_DENIED = frozenset({401, 403})
_PARTIAL, _WHOLE, _MISSING, _BEYOND_THE_END = 206, 200, 404, 416
_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+)")

_SERVER_HINT = "Try again later. If it lasts, look at the URL in a browser or ask the provider."


class HttpGetter:
    """Ranges over http and https, with kept-alive connections. Safe to use from many threads."""

    def __init__(self, policy: ReadPolicy, *, user_agent: str, connections: int = 16) -> None:
        """`connections` is how many are kept per host; more than that at once wait."""
        self._settings: dict[str, Any] = {
            "maxsize": connections,
            "block": True,
            "headers": {"User-Agent": user_agent, "Accept-Encoding": "identity"},
            "timeout": urllib3.Timeout(connect=policy.connect_timeout_s, read=policy.read_timeout_s),
            "retries": urllib3.Retry(
                total=None, connect=0, read=0, status=0, other=0, redirect=3, raise_on_status=False
            ),
        }
        # rasterio's and other wheels look for a CA bundle where Red Hat has it; certifi's is everywhere the same
        self._plain = urllib3.PoolManager(num_pools=8, ca_certs=certifi.where(), **self._settings)
        self._secure: urllib3.PoolManager | None = None
        self._lock = threading.Lock()

    def get(self, href: str, start: int, stop: int) -> Piece:
        """See `RangeGetter.get`."""
        pool = self._pool(href)
        headers = {**pool.headers, "Range": f"bytes={start}-{stop - 1}"}
        try:
            response = pool.request("GET", href, headers=headers, preload_content=False)
            try:
                return _piece(href, response, start, stop)
            finally:
                response.drain_conn() if response.status == _PARTIAL else response.close()
                response.release_conn()
        except HTTPError as error:
            raise _failure(href, error) from error

    def _pool(self, href: str) -> urllib3.PoolManager:
        """For https one whose connections share the certificates, which take a while to load."""
        if not href.startswith("https:"):
            return self._plain
        with self._lock:
            if self._secure is None:
                context = ssl.create_default_context(cafile=certifi.where())
                self._secure = urllib3.PoolManager(num_pools=8, ssl_context=context, **self._settings)
            return self._secure


class LocalGetter:
    """Ranges of files on this machine."""

    def get(self, href: str, start: int, stop: int) -> Piece:
        """See `RangeGetter.get`."""
        try:
            with Path(href).open("rb") as file:
                file.seek(start)
                return Piece(file.read(stop - start), Path(href).stat().st_size)
        except OSError as error:
            raise ReadError(
                f"{href} cannot be read",
                why=error.strerror or str(error),
                hint="Check that the catalogue and its files were copied together.",
                href=href,
            ) from error


def _piece(href: str, response: urllib3.BaseHTTPResponse, start: int, stop: int) -> Piece:
    if response.status == _BEYOND_THE_END:
        return Piece(b"", start)
    if response.status in {_PARTIAL, _WHOLE}:
        _require_no_page(href, response)
        accept = _accept_part if response.status == _PARTIAL else _accept_whole
        return accept(href, response, start, stop)
    if response.status == _MISSING:
        raise _refusal(href, "there is no such file (404)", transient=False, hint=_GONE_HINT)
    if response.status in _DENIED:
        raise _refusal(href, f"access is denied ({response.status})", transient=False, hint=_DENIED_HINT)
    raise _refusal(
        href,
        f"the server answers {response.status} {response.reason or ''}".rstrip(),
        transient=response.status in _TRY_LATER,
    )


_GONE_HINT = "The catalogue lists a file that its archive does not hold. Leave this date out, or ask the provider."
_DENIED_HINT = "Check that the catalogue's files are public, or set up credentials for them."


def _require_no_page(href: str, response: urllib3.BaseHTTPResponse) -> None:
    """Gateways in trouble send their error page with a status of success; the next answer may be the file."""
    kind = response.headers.get("Content-Type", "")
    if "xml" in kind or "html" in kind:
        page = " ".join(response.read(300).decode("utf-8", "replace").split())
        raise _refusal(href, f"the server sent a page instead of the file: {page}", transient=True)


def _accept_part(href: str, response: urllib3.BaseHTTPResponse, start: int, stop: int) -> Piece:
    said = response.headers.get("Content-Range", "")
    match = _CONTENT_RANGE.fullmatch(said.strip())
    if match is None:
        why = f"the server does not say which part of the file it sent (Content-Range: {said!r})"
        raise _refusal(href, why, transient=False)
    first, size = int(match[1]), int(match[2])
    data = response.read()
    if first != start or len(data) != min(stop, size) - start:
        why = f"the server sent {len(data):,} bytes from {first:,} where {start:,} to {stop:,} were asked for"
        raise _refusal(href, why, transient=True)
    return Piece(data, size)


def _accept_whole(href: str, response: urllib3.BaseHTTPResponse, start: int, stop: int) -> Piece:
    """A server may answer a range with the whole file; that is fine only where the whole was asked for."""
    size = int(response.headers.get("Content-Length", -1))
    if start == 0 and 0 <= size <= stop:
        return Piece(response.read(), size)
    raise _refusal(
        href,
        "the server ignores range requests and would send the whole file",
        transient=False,
        hint="Serve the files from a server that knows byte ranges (S3, nginx), or copy them to a local disk.",
    )


def _failure(href: str, error: HTTPError) -> ReadError:
    cause = error.reason if isinstance(error, MaxRetryError) and error.reason else error
    if isinstance(cause, SSLError):
        return _refusal(href, f"the server's certificate is not trusted ({cause})", transient=False)
    if isinstance(cause, ReadTimeoutError):
        return _refusal(href, "the server stopped sending", transient=True)
    if isinstance(cause, LocationValueError):
        return _refusal(href, f"that is no address ({cause})", transient=False)
    said = str(cause).rpartition(": ")[2] or type(cause).__name__
    return _refusal(href, f"the connection failed ({said})", transient=True)


def _refusal(href: str, why: str, *, transient: bool, hint: str = _SERVER_HINT) -> ReadError:
    return ReadError(f"{href} cannot be read", why=why, hint=hint, href=href, transient=transient)
