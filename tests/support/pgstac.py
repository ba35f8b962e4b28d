"""A real STAC API on loopback: PostgreSQL, PostGIS, pgstac and stac-fastapi-pgstac."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tests.support.catalogs import COLLECTIONS, Json, collection
from tests.support.paths import REPO, missing
from tests.support.processes import free_port, listens, stop, wait_until

STAC_BIN = REPO / ".venv-stac" / "bin"
"""The server's own environment; `make servers` makes it."""

_POSTGRES_BIN = Path("/usr/lib/postgresql/15/bin")
_QUERYABLES = {
    "$schema": "https://json-schema.org/draft/2019-09/schema",
    "$id": "https://example.com/queryables",
    "type": "object",
    "title": "queryables",
    # Without a declared number, pgstac compares and sorts cloud cover as text.
    "properties": {"eo:cloud_cover": {"type": "number"}, "platform": {"type": "string"}},
    "additionalProperties": True,
}


class StacServer:
    """A running STAC API; `serve` starts one."""

    def __init__(self, url: str, folder: Path, environment: dict[str, str]) -> None:
        self.url = url
        self._folder = folder
        self._environment = environment

    def load(self, items: Sequence[Json], collections: Sequence[Json] = ()) -> None:
        """Add items, or replace those of the same collection and id. The collections of `items.py` are there."""
        for kind, rows in (("collections", collections), ("items", items)):
            if rows:
                file = self._folder / f"{kind}.ndjson"
                file.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
                self._run(STAC_BIN / "pypgstac", "load", kind, file, "--method", "upsert")

    def clear(self) -> None:
        """Delete all items; collections stay. Counts of earlier searches go too: pgstac keeps them for a day."""
        self.sql("delete from pgstac.items; delete from pgstac.search_wheres")

    def sql(self, statement: str) -> None:
        """Run a statement in the database."""
        self._run(_POSTGRES_BIN / "psql", "-qX", "-v", "ON_ERROR_STOP=1", "-c", statement)

    def set_up(self) -> None:
        """Make the schema and load what every test can count on."""
        self.sql("create extension postgis; create extension btree_gist")
        self._run(STAC_BIN / "pypgstac", "migrate")
        queryables = self._folder / "queryables.json"
        queryables.write_text(json.dumps(_QUERYABLES), encoding="utf-8")
        self.load([], [collection(name) for name in COLLECTIONS])
        self._run(STAC_BIN / "pypgstac", "load_queryables", queryables)
        # So that answers say how many items match.
        self.sql(
            "insert into pgstac.pgstac_settings values ('context', 'on') on conflict (name) do update set value='on'"
        )

    def _run(self, *command: str | Path) -> None:
        done = subprocess.run(
            [str(part) for part in command], env=self._environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"{command} failed: {done.stderr[-2000:]}{done.stdout[-2000:]}")


@contextmanager
def serve() -> Iterator[StacServer]:
    """Run a STAC API with the real collections and no items while the context lasts.

    Skips where PostgreSQL, PostGIS or the server's environment is missing.
    """
    _require_servers()
    with ExitStack() as stack:
        # Not below pytest's folders: PostgreSQL's own user may not enter them.
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="stac-server-")))
        folder.chmod(0o755)
        port = stack.enter_context(_postgres(folder))
        environment = _environment(port)
        url = f"http://127.0.0.1:{free_port()}"
        server = StacServer(url, folder, environment)
        subprocess.run([_POSTGRES_BIN / "createdb", "stac"], env={**environment, "PGDATABASE": "postgres"}, check=True)
        server.set_up()
        stack.enter_context(_api(url, folder, environment))
        yield server


def _require_servers() -> None:
    for needed in (_POSTGRES_BIN / "postgres", STAC_BIN / "pypgstac", STAC_BIN / "uvicorn"):
        if not needed.exists():
            missing(f"no STAC server, {needed} is missing: as root, `make servers` installs it")
    if not list(Path("/usr/share/postgresql/15/extension").glob("postgis.control")):
        missing("PostGIS is not installed: as root, `make servers` installs it")


@contextmanager
def _postgres(folder: Path) -> Iterator[int]:
    """PostgreSQL on a free port; it refuses to run as root."""
    data, log = folder / "data", folder / "postgres.log"
    data.mkdir()
    who: dict[str, Any] = {}
    if os.geteuid() == 0:
        who = {"user": "postgres", "group": "postgres", "extra_groups": []}
        shutil.chown(data, "postgres", "postgres")
    port = free_port()
    quiet = {"stdin": subprocess.DEVNULL, "stderr": subprocess.STDOUT, "cwd": "/"}
    initdb = [_POSTGRES_BIN / "initdb", "-D", data, "-A", "trust", "-U", "postgres", "-E", "UTF8", "--no-sync"]
    with log.open("wb") as output:
        subprocess.run(initdb, check=True, stdout=output, **quiet, **who)
        settings = [f"port={port}", "listen_addresses=127.0.0.1", f"unix_socket_directories={data}", "fsync=off"]
        command = [_POSTGRES_BIN / "postgres", "-D", data, *(part for one in settings for part in ("-c", one))]
        process = subprocess.Popen(command, stdout=output, **quiet, **who)
    try:
        is_ready = [_POSTGRES_BIN / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)]
        wait_until(lambda: subprocess.run(is_ready, check=False).returncode == 0, process, log)
        yield port
    finally:
        stop(process, signal.SIGINT)


@contextmanager
def _api(url: str, folder: Path, environment: dict[str, str]) -> Iterator[None]:
    port, log = int(url.rsplit(":", 1)[1]), folder / "api.log"
    address = ["--host", "127.0.0.1", "--port", str(port), "--log-level", "warning"]
    command = [STAC_BIN / "uvicorn", "--factory", "stac_fastapi.pgstac.app:create_app", *address]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        wait_until(lambda: listens(port), process, log)
        with urllib.request.urlopen(url, timeout=30) as answer:
            answer.read()
        yield
    finally:
        stop(process, signal.SIGTERM)


def _environment(port: int) -> dict[str, str]:
    login = {"PGHOST": "127.0.0.1", "PGPORT": str(port), "PGUSER": "postgres", "PGPASSWORD": "x", "PGDATABASE": "stac"}
    api = {
        "POSTGRES_USER": "postgres",
        "POSTGRES_PASS": "x",
        "POSTGRES_HOST_READER": "127.0.0.1",
        "POSTGRES_HOST_WRITER": "127.0.0.1",
        "POSTGRES_PORT": str(port),
        "POSTGRES_DBNAME": "stac",
        "USE_API_HYDRATE": "TRUE",
        "ENABLED_EXTENSIONS": "query,sort,fields,filter,pagination",
    }
    return {"PATH": f"{STAC_BIN}:{os.defpath}", **login, **api}


def main() -> None:
    """Run a server with the items of an ndjson file until standard input ends, to try things by hand."""
    items = [json.loads(line) for line in Path(sys.argv[1]).read_text(encoding="utf-8").splitlines()]
    with serve() as server:
        server.load(items)
        print(server.url, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
