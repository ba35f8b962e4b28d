"""Reading the documents of a catalogue, over http or from disk, with every failure put in words."""

import difflib
import json
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from glacierctl.errors import CatalogError

if TYPE_CHECKING:
    from pystac import Link
    from pystac_client.exceptions import APIError
    from pystac_client.stac_api_io import StacApiIO

REPEATED_STATUSES = frozenset({403, 429, 500, 502, 503, 504})
"""Answers after which a catalogue is asked again. Earth Search says 403 as well as 429 when it is asked too often."""

_JITTER_S = 0.5
_LONGEST_WAIT_S = 60
_UNREACHED_ATTEMPTS = 2
_SERVER_FAULT = 500
_REFUSED = frozenset({401, 403})
_WORDS_OF_SERVER = 300


class CatalogAnswerError(CatalogError):
    """The server answered with an error; `status` is its HTTP status."""

    def __init__(self, what: str, *, why: str, hint: str, status: int) -> None:
        super().__init__(what, why=why, hint=hint)
        self.status = status


class CatalogReader:
    """One session of requests, begun with the first of them; counts the documents it is asked for."""

    def __init__(self, *, timeout_s: float, retries: int, backoff_s: float) -> None:
        """Say how a session asks.

        Args:
            timeout_s: how long to wait for a connection or for the next bytes.
            retries: how often to ask again after an answer of `REPEATED_STATUSES`.
            backoff_s: pause before the second repetition, doubled each time, a little varied; a server's own
                Retry-After goes before it. 0: no pauses.
        """
        self._timeout_s = timeout_s
        self._retries = retries
        self._backoff_s = backoff_s
        self._session: StacApiIO | None = None
        self._lock = threading.Lock()
        self.requests = 0

    def read(
        self, source: "str | Link", *, method: str = "GET", parameters: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """The JSON object at a URL, a local path or a link with a request in it.

        Raises:
            CatalogError: it cannot be had, or is something else.
        """
        with self._lock:
            self.requests += 1
        href = source if isinstance(source, str) else source.get_absolute_href() or ""
        path = local_path(href)
        try:
            text = path.read_text("utf-8") if path else self._ask(source, href, method, dict(parameters or {}))
            document = json.loads(text)
        except OSError as error:
            raise _no_file(href, error) from error
        except ValueError as error:
            raise not_stac(href, f"it is not JSON ({error})") from error
        if not isinstance(document, dict):
            raise not_stac(href, "its JSON is not an object")
        return document

    def _ask(self, source: "str | Link", href: str, method: str, parameters: dict[str, Any]) -> str:
        from pystac_client.exceptions import APIError  # noqa: PLC0415 (not needed for a catalogue on disk)

        try:
            return self._connected().read_text(source, method=method, parameters=parameters)
        except APIError as error:
            raise self._no_answer(href, error) from error

    def _connected(self) -> "StacApiIO":
        from pystac_client.stac_api_io import StacApiIO  # noqa: PLC0415 (not needed for a catalogue on disk)
        from urllib3 import Retry  # noqa: PLC0415

        with self._lock:
            if self._session is None:
                retry = Retry(
                    total=self._retries,
                    connect=min(self._retries, _UNREACHED_ATTEMPTS),
                    read=min(self._retries, _UNREACHED_ATTEMPTS),
                    status_forcelist=REPEATED_STATUSES,
                    allowed_methods={"GET", "POST"},
                    raise_on_status=False,
                    backoff_factor=self._backoff_s,
                    backoff_jitter=_JITTER_S if self._backoff_s else 0.0,
                    retry_after_max=_LONGEST_WAIT_S,
                )
                self._session = StacApiIO(timeout=self._timeout_s, max_retries=retry)
            return self._session

    def _no_answer(self, href: str, error: "APIError") -> CatalogError:
        status = getattr(error, "status_code", None)
        if status is not None:
            return _answered(href, status, str(error))
        text = str(error)
        why = f"it did not answer within {self._timeout_s:g} s" if "timed out" in text.lower() else _last_cause(error)
        return CatalogError(
            f"the catalogue cannot be reached at {href}",
            why=why,
            hint="Check the address and the network, or name another catalogue with --catalog.",
        )


def not_stac(href: str, why: str) -> CatalogError:
    """What is at `href` is not what a STAC catalogue has there."""
    return CatalogError(
        f"{href} is not a STAC catalogue's",
        why=why,
        hint="--catalog takes the address of a STAC API, or the catalog.json of a static catalogue or its folder.",
    )


def unknown_collection(href: str, wanted: str, existing: Iterable[str]) -> CatalogError:
    """The catalogue at `href` does not have the collection `wanted`; what it has is listed, the likeliest first."""
    names = sorted(existing, key=lambda name: (-difflib.SequenceMatcher(None, wanted, name).ratio(), name))
    return CatalogError(
        f"the catalogue {href} has no collection {wanted}",
        why=f"it has {', '.join(names)}" if names else "it has no collections at all",
        hint="Name one of those with --collection." if names else "Name another catalogue with --catalog.",
    )


def _no_file(href: str, error: OSError) -> CatalogError:
    missing = isinstance(error, FileNotFoundError)
    return CatalogError(
        f"the catalogue's file {href} cannot be read",
        why="there is no such file" if missing else str(error.strerror or error),
        hint="Check the path; --catalog takes a catalog.json, the folder that holds one, or a URL with https://.",
    )


def _answered(href: str, status: int, body: str) -> CatalogAnswerError:
    if status >= _SERVER_FAULT or status == 429:  # noqa: PLR2004 - too many requests
        hint = "Try again later, or ask for fewer days or regions."
    elif status in _REFUSED:
        hint = "The catalogue may want credentials, or has had too many requests: try again later."
    else:
        hint = "Check --catalog and --collection; if they are right, this server cannot do what is asked."
    words = _words(body)
    return CatalogAnswerError(
        f"the catalogue refused {href}",
        why=f"it answered {status}" + (f": {words}" if words else ""),
        hint=hint,
        status=status,
    )


def _words(body: str) -> str:
    """What a server says of its error, on one line."""
    try:
        document = json.loads(body)
    except ValueError:
        document = body
    if isinstance(document, dict):
        document = next((document[key] for key in ("description", "detail", "message") if document.get(key)), body)
    return " ".join(str(document).split())[:_WORDS_OF_SERVER]


def _last_cause(error: BaseException) -> str:
    """The innermost of the errors that led to this one, which is the one that says something."""
    while error.__context__ is not None:
        error = error.__context__
    return " ".join(str(error).split()) or type(error).__name__


def local_path(href: str) -> Path | None:
    """The path that an href names on this machine; None if it is a URL."""
    if href.startswith("file://"):
        return Path(unquote(urlsplit(href).path))
    return None if "://" in href else Path(href)
