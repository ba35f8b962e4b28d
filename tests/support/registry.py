"""A real image registry on loopback that asks for a password: Debian's docker-registry."""

import base64
import json
import re
import shutil
import signal
import socket
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tests.support.paths import missing
from tests.support.processes import free_port, listens, stop, wait_until

USER, PASSWORD = "alice", "s3cret"
"""Who may push and pull."""

_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
_CONFIG = """\
version: 0.1
log: {{accesslog: {{disabled: false}}}}
storage: {{filesystem: {{rootdirectory: {folder}/data}}, delete: {{enabled: true}}}}
http: {{addr: "127.0.0.1:{port}"}}
auth: {{htpasswd: {{realm: tests, path: {folder}/htpasswd}}}}
"""
_REQUEST = re.compile(r'"(GET|HEAD|POST|PATCH|PUT) (/v2/\S*) HTTP')


class Registry:
    """A running registry; `serve` starts one."""

    def __init__(self, port: int, folder: Path) -> None:
        self.host = f"127.0.0.1:{port}"
        self.folder = folder

    def manifest(self, repository: str, reference: str) -> dict[str, Any]:
        """Of an image, by tag or digest, as the registry keeps it: read over http, not by Docker."""
        request = urllib.request.Request(f"http://{self.host}/v2/{repository}/manifests/{reference}")
        login = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        request.add_header("Authorization", f"Basic {login}")
        request.add_header("Accept", _MANIFEST)
        with urllib.request.urlopen(request, timeout=30) as answer:
            manifest: dict[str, Any] = json.load(answer)
            return {**manifest, "digest": answer.headers["Docker-Content-Digest"]}

    def holds(self, repository: str, reference: str) -> bool:
        """Whether there is such an image."""
        try:
            self.manifest(repository, reference)
        except urllib.error.HTTPError as error:
            error.close()
            if error.code != 404:
                raise
            return False
        return True

    def uploads(self) -> int:
        """How many layers, configurations and manifests were sent to it so far."""
        requests = _REQUEST.findall((self.folder / "log").read_text(errors="replace"))
        return sum(method in {"POST", "PATCH", "PUT"} for method, _ in requests)


class DyingProxy:
    """Stands before a registry, passes on what is sent to it, and is gone for good after so many bytes."""

    def __init__(self, registry: Registry, after_bytes: int) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self.host = f"127.0.0.1:{self._server.getsockname()[1]}"
        self._target = registry.host.split(":")
        self._left = after_bytes
        self._open: list[socket.socket] = [self._server]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def is_dead(self) -> bool:
        """Whether it has had its bytes."""
        return self._left <= 0

    def close(self) -> None:
        """Be gone at once."""
        self._left = 0
        for one in self._open:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._server.accept()
                far = socket.create_connection((self._target[0], int(self._target[1])))
                self._open += [near, far]
                threading.Thread(target=self._pass_on, args=(near, far, True), daemon=True).start()
                threading.Thread(target=self._pass_on, args=(far, near, False), daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket, counts: bool) -> None:
        with suppress(OSError):
            while content := source.recv(65_536):
                target.sendall(content)
                if counts:
                    self._left -= len(content)
                if self.is_dead:
                    self.close()
            target.shutdown(socket.SHUT_WR)


@contextmanager
def serve(folder: Path) -> Iterator[Registry]:
    """Run an empty registry while the context lasts; `folder` takes all its state. Skips where there is none."""
    program, htpasswd = shutil.which("docker-registry"), shutil.which("htpasswd")
    if program is None or htpasswd is None:
        missing("docker-registry or htpasswd is not installed: as root, `make servers` installs them")
    folder.mkdir(parents=True, exist_ok=True)
    made = subprocess.run([str(htpasswd), "-Bbn", USER, PASSWORD], check=True, capture_output=True)
    (folder / "htpasswd").write_bytes(made.stdout)
    port, log = free_port(), folder / "log"
    (folder / "config.yml").write_text(_CONFIG.format(folder=folder, port=port))
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(program), "serve", str(folder / "config.yml")],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        wait_until(lambda: listens(port), process, log)
        yield Registry(port, folder)
    finally:
        stop(process, signal.SIGTERM)
