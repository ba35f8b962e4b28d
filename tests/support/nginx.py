"""A real nginx on loopback that serves a folder and tells what was asked of it."""

import json
import os
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.paths import missing
from tests.support.processes import free_port, listens, stop, wait_until

_CONFIG = """\
{user}daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
  log_format records escape=json
    '{{"method":"$request_method","path":"$request_uri","range":"$http_range","status":$status,'
    '"body_bytes":$body_bytes_sent,"all_bytes":$bytes_sent}}';
  access_log {folder}/access.log records; sendfile on; keepalive_requests 100000;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  types {{ image/tiff tif tiff TIF; application/json json; image/jp2 jp2; text/html html; }}
  server {{ listen 127.0.0.1:{port}; root {www}; }}
}}
"""
_MARK = "/.mark-"


@dataclass(frozen=True)
class Record:
    """One request as nginx answered it."""

    method: str
    """GET or HEAD."""
    path: str
    """As asked for, query included."""
    range: str
    """The Range header, such as `bytes=0-16383`; empty if there was none."""
    status: int
    """HTTP status."""
    body_bytes: int
    """Bytes of body sent."""
    all_bytes: int
    """Bytes sent with the headers."""


class Nginx:
    """A running nginx; `serve` starts one."""

    def __init__(self, port: int, www: Path, log: Path) -> None:
        self.port = port
        self.www = www
        self._log = log
        self._marks = 0

    def url(self, path: str = "") -> str:
        """Address of a file below the folder."""
        return f"http://127.0.0.1:{self.port}/{path.lstrip('/')}"

    def mark(self) -> int:
        """A point in time, for `records(since=...)`."""
        return len(self.records())

    def records(self, *, since: int = 0, path: str = "") -> list[Record]:
        """Requests answered so far, oldest first.

        Args:
            since: a `mark()`; what came before is left out.
            path: only paths that contain this.
        """
        self._wait_for_the_log()
        rows = [json.loads(line) for line in self._log.read_text().splitlines()]
        records = [Record(**row) for row in rows if not row["path"].startswith(_MARK)]
        return [record for record in records[since:] if path in record.path]

    def requests_since(self, mark: int, *, path: str = "") -> int:
        """How many requests since a `mark()`."""
        return len(self.records(since=mark, path=path))

    def bytes_since(self, mark: int, *, path: str = "") -> int:
        """Bytes sent since a `mark()`, headers included."""
        return sum(record.all_bytes for record in self.records(since=mark, path=path))

    def _wait_for_the_log(self) -> None:
        """The single worker logs in order: when a request of our own is in the log, all before it are."""
        self._marks += 1
        address = f"{_MARK}{self._marks}"
        try:
            urllib.request.urlopen(self.url(address), timeout=10).close()
        except urllib.error.HTTPError as missing_file:
            missing_file.close()
        while f'"{address}"' not in self._log.read_text():
            time.sleep(0.005)


@contextmanager
def serve(www: Path, folder: Path) -> Iterator[Nginx]:
    """Serve `www` while the context lasts; `folder` takes configuration and logs. Skips where there is no nginx."""
    binary = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if binary is None:
        missing("nginx is not installed: as root, `make servers` installs it")
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    # Folders of pytest are closed to nginx's own user.
    user = "user root; " if os.geteuid() == 0 else ""
    config = folder / "nginx.conf"
    config.write_text(_CONFIG.format(user=user, folder=folder, www=www, port=port))
    command = [str(binary), "-c", str(config), "-e", str(folder / "error.log")]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: listens(port), process, folder / "error.log")
        yield Nginx(port, www, folder / "access.log")
    finally:
        stop(process, signal.SIGTERM)
