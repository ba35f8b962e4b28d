"""The lock holds what the project asks for. Run: `python -m tests.support.lock_check`.

Needs no network: `make lock` chooses versions, this only sees that it was run.
"""

import re
import sys
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from tests.support.paths import REPO

_PIN = re.compile(r"^([\w.-]+)(?:\[[^\]]*\])?==([^\s;\\]+)", re.MULTILINE)


def pins(lock: Path) -> dict[str, list[str]]:
    """Package to its pinned versions; several where they differ by Python."""
    found: dict[str, list[str]] = {}
    for name, version in _PIN.findall(lock.read_text(encoding="utf-8")):
        found.setdefault(canonicalize_name(name), []).append(version)
    return found


def unmet(wanted: Iterable[str], lock: Path) -> Iterator[str]:
    """Requirements that a lock does not hold, one sentence each."""
    locked = pins(lock)
    for text in wanted:
        requirement = Requirement(text)
        versions = locked.get(canonicalize_name(requirement.name), [])
        if not versions or not all(requirement.specifier.contains(version, prereleases=True) for version in versions):
            held = " and ".join(versions) or "nothing"
            yield f"{text!r} is asked for and {lock.name} holds {held}: run `make lock`"


def loose(lock: Path) -> Iterator[str]:
    """Pins without a hash and addresses of hosts, one sentence each."""
    text = lock.read_text(encoding="utf-8")
    for entry in re.split(r"\n(?=[\w])", text):
        if "==" in entry and "--hash=sha256:" not in entry:
            yield f"{lock.name} has no hash for {entry.splitlines()[0]}"
    if "://" in text or "index-url" in text:
        yield f"{lock.name} names a host; hashes are enough"


def differing(runtime: Path, worker: Path) -> Iterator[str]:
    """Packages of the worker that are not the very version that a laptop has, one sentence each.

    The image's Python is another than a laptop's; equal versions are what makes equal products.
    """
    here = pins(runtime)
    for name, versions in pins(worker).items():
        if len(versions) > 1 or here.get(name, versions) != versions:
            held = " and ".join(here.get(name, ["nothing"]))
            yield f"{worker.name} holds {name} {' and '.join(versions)}, {runtime.name} {held}: run `make lock`"


def wanted_by_file(root: Path) -> dict[str, list[str]]:
    """Lock file to what is asked of it, in `pyproject.toml` and `requirements/*.in`."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    runtime = project["project"]["dependencies"]
    groups = project["dependency-groups"]
    extras = [one for extra in project["project"]["optional-dependencies"].values() for one in extra]
    lean = _lines(root / "requirements/worker-lean.in")
    return {
        "runtime.txt": runtime,
        "dev.txt": [*runtime, *extras, *groups["test"], *groups["check"], *_lines(root / "requirements/dev.in")],
        "build.txt": _lines(root / "requirements/build.in"),
        "benchmark.txt": _lines(root / "requirements/benchmark.in"),
        "base-image.txt": _lines(root / "requirements/base-image.in"),
        "ministack.txt": _lines(root / "requirements/ministack.in"),
        "stac-server.txt": _lines(root / "requirements/stac-server.in"),
        "emulator.txt": _lines(root / "requirements/emulator.in"),
        "worker-lean.txt": lean,
        "worker-full.txt": [*lean, *_lines(root / "requirements/worker-full.in")],
    }


def main() -> int:
    """Check this checkout; 1 if anything is wrong."""
    wrong = []
    for name, wanted in wanted_by_file(REPO).items():
        lock = REPO / "requirements" / name
        wrong += [*unmet(wanted, lock), *loose(lock)]
    locks = REPO / "requirements"
    wrong += differing(locks / "runtime.txt", locks / "worker-lean.txt")
    for line in wrong:
        print(line, file=sys.stderr)
    return 1 if wrong else 0


def _lines(file: Path) -> list[str]:
    rows = (row.partition("#")[0].strip() for row in file.read_text(encoding="utf-8").splitlines())
    return [row for row in rows if row]


if __name__ == "__main__":
    sys.exit(main())
