"""Fit the plan's constants to runs of glacierctl alone, and say how well they fit.

    python -m benchmarks.fit [results.json]            look
    python -m benchmarks.fit --write [results.json]    write them into planning/speed.py, and what follows from them

Without a file the newest of `.cache/benchmark` is taken, or, where there is none, the copy beside docs/performance.md.
Fitted are runs over loopback, each by its relative error: first those on one core, then, with those on more, how much
of that cores share. Figures of a busy machine hold for no other.
"""

import argparse
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
from benchmarks.results import OURS, Results, Row, done, newest
from tests.support.paths import REPO

from glacierctl.planning import speed

SPEED = REPO / "src" / "glacierctl" / "planning" / "speed.py"
SECONDS = ("START_S", "ACQUISITION_S", "MEGAPIXEL_S", "ZONE_MEGAPIXEL_S", "SERIAL_MEGAPIXEL_S")
MEMORY = ("BASE_MEMORY_MB", "SIDE_MEMORY_MB", "WORKER_MEMORY_MB")
_WORTH_IT = 0.005
"""A constant that makes the mean relative error smaller by less than this is left at 0."""


_QUIET = 1.15
"""On one core a run takes little more than its CPU time, unless others want the core too."""


def main() -> None:
    """Fit, show, and write if told so."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path, nargs="?", default=newest())
    parser.add_argument("--write", action="store_true")
    asked = parser.parse_args()
    results = Results(asked.results)
    runs, constants = results.runs, fitted(results.runs)
    for name, value in constants.items():
        print(f"{name} = {value}    (was {getattr(speed, name)})")
    for line in comparison(runs, constants):
        print(line)
    if asked.write:
        results.set("plan", constants)
        SPEED.write_text(written(SPEED.read_text(), constants))
        command = [sys.executable, "-m", "benchmarks.goals", str(asked.results)]
        subprocess.run(command, cwd=REPO, check=True)  # in a process that knows the new constants


def fitted(runs: Sequence[Row]) -> dict[str, float]:
    """Constants of `planning/speed.py` by name."""
    alone = list(medians(runs))
    on_one = [row for row in alone if row["threads"] == 1]
    seconds = least_squares([_causes_of_time(row)[:-1] for row in on_one], [row["wall_s"] for row in on_one])
    on_more = [row for row in alone if row["threads"] > 1]
    serial = _serial([_causes_of_time(row) for row in on_more], [row["wall_s"] for row in on_more], seconds)
    seconds = [*seconds[:2], seconds[2] - serial, seconds[3], serial]
    memory = least_squares([_causes_of_memory(row) for row in alone], [row["peak_rss_mb"] for row in alone])
    return {
        **{name: float(f"{value:.3g}") for name, value in zip(SECONDS, seconds, strict=True)},
        **{name: round(value) for name, value in zip(MEMORY, memory, strict=True)},
    }


def _serial(causes: Sequence[Sequence[float]], measured: Sequence[float], on_one: Sequence[float]) -> float:
    """Seconds of a million pixels that runs on more cores did not share, of those that it takes on one."""
    if not causes:
        return 0.0
    wanted, every = np.asarray(measured, dtype=float), np.asarray(causes, dtype=float)
    missing = (wanted - every[:, :-1] @ np.asarray(on_one)) / wanted
    unshared = (every[:, 4] - every[:, 2]) / wanted
    return float(np.clip(unshared @ missing / (unshared @ unshared), 0, on_one[2]))


def least_squares(causes: Sequence[Sequence[float]], measured: Sequence[float]) -> list[float]:
    """Weights of the causes, none below 0, that make the sum of squared relative errors small; few rather than many."""
    wanted = np.asarray(measured, dtype=float)
    relative = np.asarray(causes, dtype=float) / wanted[:, None]
    best, least = np.zeros(relative.shape[1]), np.inf
    for chosen in _subsets(relative.shape[1]):
        weights = np.zeros(relative.shape[1])
        weights[list(chosen)] = np.linalg.lstsq(relative[:, chosen], np.ones(len(wanted)), rcond=None)[0]
        error = float(np.sqrt(np.mean((relative @ weights - 1) ** 2)))
        if (weights >= 0).all() and error < least - _WORTH_IT:
            best, least = weights, error
    return [float(weight) for weight in best]


def _subsets(count: int) -> Iterator[tuple[int, ...]]:
    """The first cause and any others, the fewest first."""
    for size in range(count):
        for others in combinations(range(1, count), size):
            yield (0, *others)


def medians(runs: Sequence[Row]) -> Iterator[Row]:
    """One run for each region, number of dates and of cores, with medians of what such runs took."""
    kinds: dict[tuple[int, float, int], list[Row]] = {}
    for row in done(runs, contender=OURS, network="plain"):
        kinds.setdefault((row["threads"], row["megapixels"], row["dates"]), []).append(row)
    for _, rows in sorted(kinds.items()):
        taken = {key: float(np.median([row[key] for row in rows])) for key in ("wall_s", "cpu_s", "peak_rss_mb")}
        yield {**rows[0], **taken}


def comparison(runs: Sequence[Row], constants: dict[str, float]) -> Iterator[str]:
    """Each kind of run: how much of what it took the constants say, of time and of memory."""
    for row in medians(runs):
        seconds, memory_mb = _said(row, constants)
        of_time, of_memory = seconds / row["wall_s"], memory_mb / row["peak_rss_mb"]
        busy = "   BUSY" if row["threads"] == 1 and row["wall_s"] > _QUIET * row["cpu_s"] else ""
        yield (
            f"{row['region']:16} x{row['dates']:<3} cores: {row['threads']}  "
            f"{seconds:6.1f} of {row['wall_s']:6.1f} s = {of_time:.2f}   "
            f"{memory_mb:4.0f} of {row['peak_rss_mb']:4.0f} MB = {of_memory:.2f}{busy}"
        )


def said(row: Row) -> float:
    """Seconds that the plan says of a run, by its constants as they are."""
    return _said(row, {name: getattr(speed, name) for name in (*SECONDS, *MEMORY)})[0]


def _said(row: Row, constants: dict[str, float]) -> tuple[float, float]:
    seconds = sum(constants[name] * cause for name, cause in zip(SECONDS, _causes_of_time(row), strict=True))
    memory = sum(constants[name] * cause for name, cause in zip(MEMORY, _causes_of_memory(row), strict=True))
    return seconds, memory


def _causes_of_time(row: Row) -> tuple[float, ...]:
    megapixels = row["dates"] * row["megapixels"]
    shared = megapixels / row["threads"]
    return 1, row["dates"], shared, shared * (row.get("zones", 1) - 1), megapixels


def _causes_of_memory(row: Row) -> tuple[float, ...]:
    return 1, speed.side(row["megapixels"] * 1e6), row["threads"] - 1


def written(text: str, constants: dict[str, float]) -> str:
    """The module's text with other constants."""
    for name, value in constants.items():
        text, found = re.subn(rf"^{name} = .*$", f"{name} = {value}", text, flags=re.MULTILINE)
        if found != 1:
            raise ValueError(f"no {name} in {SPEED}")
    return text


if __name__ == "__main__":
    main()
