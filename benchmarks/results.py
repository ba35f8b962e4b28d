"""Figures as they come, in one JSON file: a run that is broken off is taken up again where it was."""

import datetime as dt
import json
import os
import platform
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

Row = dict[str, Any]
OURS = "glacierctl"
NETWORKS = {"plain": "loopback", "far": "30 ms, 400 Mbit/s"}
"""What the pages call them."""
REPO = Path(__file__).resolve().parents[1]
COPY = REPO / "docs" / "performance" / "results.json"
"""What docs/performance.md was made of."""
KEY = ("region", "dates", "network", "threads", "contender", "beside", "repetition")


class Results:
    """A file of rows; each row is written as soon as it is known."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.document: dict[str, Any] = {"machine": machine(), "runs": [], "goals": []}
        if path.exists():
            self.document = json.loads(path.read_text())

    @property
    def runs(self) -> list[Row]:
        """Runs so far."""
        return list(self.document["runs"])

    def find(self, key: Row) -> Row | None:
        """The run of this key, if it was made."""
        return next((row for row in self.document["runs"] if all(row[name] == key[name] for name in KEY)), None)

    def add(self, row: Row) -> None:
        """Keep a run."""
        self.document["runs"].append(row)
        self.write()

    def set_goal(self, row: Row) -> None:
        """Keep a goal's verdict, in place of an older one."""
        goals = self.document["goals"]
        place = next((number for number, one in enumerate(goals) if one["goal"] == row["goal"]), len(goals))
        goals[place : place + 1] = [row]
        self.write()

    def set(self, name: str, value: Row) -> None:
        """Keep something else that the docs tell."""
        self.document[name] = value
        self.write()

    def write(self) -> None:
        """Write all, whole or not at all."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        part = self.path.with_suffix(".part")
        part.write_text(json.dumps(self.document, indent=1) + "\n")
        part.rename(self.path)


def goal(name: str, wanted: str, measured: str, met: bool | None) -> Row:
    """A verdict; None: not measured."""
    return {"goal": name, "wanted": wanted, "measured": measured, "met": met}


def newest() -> Path:
    """The newest results of this machine, or the copy where there are none."""
    return max((REPO / ".cache" / "benchmark").glob("results-*.json"), default=COPY)


def done(runs: Iterable[Row], **wanted: object) -> list[Row]:
    """Runs that ended well and have these values."""
    return [row for row in runs if row["code"] == 0 and all(row[name] == value for name, value in wanted.items())]


def ratios(runs: Sequence[Row], peer: str, figure: str = "wall_s", **wanted: object) -> list[float]:
    """A peer's figure beside ours, pair by pair; 1 date and one thread a core unless said otherwise."""
    pairs = []
    for theirs in done(runs, contender=peer, **wanted):
        same = {name: theirs[name] for name in ("region", "dates", "network", "threads", "beside", "repetition")}
        pairs += [theirs[figure] / ours[figure] for ours in done(runs, contender=OURS, **same)]
    return pairs


def machine() -> dict[str, Any]:
    """What the figures hold for."""
    cpu = next((line.split(":")[1].strip() for line in _cpuinfo() if line.startswith("model name")), platform.machine())
    return {
        "date": f"{dt.datetime.now(tz=dt.UTC):%Y-%m-%d}",
        "cpu": cpu,
        "cores": os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9),
        "python": platform.python_version(),
    }


def _cpuinfo() -> list[str]:
    try:
        return Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return []
