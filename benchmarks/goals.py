"""What was aimed at, and what the runs came to: a table of goals, each met or not."""

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from benchmarks import fit, image, planned
from benchmarks.results import NETWORKS, OURS, Results, Row, done, goal, ratios
from tests.support.paths import REPO

MEDIAN_REGION = "081_nansen"
"""5.6 million pixels: half of the 192 are larger."""
_LARGEST = "090_petermann"


def judge(results: Results, scratch: Path) -> None:
    """Judge all goals, keep the verdicts and print them."""
    show(results, _from_runs(results.runs))
    again(results, scratch)
    show(results, [_ready(), _image(scratch)])
    show(results, planned.fresh(scratch))


def again(results: Results, scratch: Path) -> None:
    """Judge what follows from the constants that the plan reckons with."""
    rows, season = planned.by_plan(results.runs, scratch)
    show(results, [*rows, *_true_plan(results.runs)])
    if season:
        results.set("season", season)


def show(results: Results, rows: Iterable[Row]) -> None:
    """Keep verdicts and print them."""
    for row in rows:
        results.set_goal(row)
        verdict = {True: "met", False: "NOT MET", None: "not measured"}[row["met"]]
        print(f"{verdict:13} {row['goal']}: {row['measured']} (wanted: {row['wanted']})", flush=True)


def _from_runs(runs: Sequence[Row]) -> list[Row]:
    ours = done(runs, contender=OURS)
    if not ours:
        return []
    needless = max(row["bytes"] / row["needed_bytes"] for row in ours)
    peak = max(row["peak_rss_mb"] for row in ours)
    return [
        goal("bytes read / blocks under the grid", "<= 1.10", f"{needless:.3f} at most", needless <= 1.10),
        _requests(done(ours, region=MEDIAN_REGION)),
        _beside(runs, ["whole tiles"], None, 10),
        _beside(runs, ["odc-stac", "stackstac"], None, 3),
        _beside(runs, ["gdalwarp"], "plain", 1),
        _beside(runs, ["gdalwarp"], "far", 2),
        goal("peak memory of any run", "<= 700 MB, aim 350 MB", f"{peak:.0f} MB", peak <= 700),
        _flat_in_size(ours),
        _flat_in_dates(ours),
        _scratch(done(ours, region=_LARGEST)),
        _scaling(ours),
    ]


def _requests(rows: Sequence[Row]) -> Row:
    name, wanted = "requests per COG, median region", "<= 4"
    if not rows:
        return goal(name, wanted, "-", None)
    most = max(row["requests"] / row["cogs"] for row in rows)
    return goal(name, wanted, f"{most:.1f}", most <= 4)


def _beside(runs: Sequence[Row], peers: Sequence[str], network: str | None, least: float) -> Row:
    """The least favourable region decides."""
    name = f"time of {' and '.join(peers)} / ours" + (f", {NETWORKS[network]}" if network else "")
    medians: dict[str, float] = {}
    for peer in peers:
        for row in done(runs, contender=peer, dates=1):
            where = {"region": row["region"], "network": row["network"], "dates": 1, "threads": row["threads"]}
            found = ratios(runs, peer, **where) if network in {None, row["network"]} else []
            if found:
                medians[f"{peer}, {row['region']}, {NETWORKS[row['network']]}"] = statistics.median(found)
    if not medians:
        return goal(name, f">= {least}", "-", None)
    low, high = min(medians, key=medians.__getitem__), max(medians, key=medians.__getitem__)
    enough = sum(value >= least for value in medians.values())
    text = f"{medians[low]:.2f} ({low}) to {medians[high]:.2f} ({high}); {enough} of {len(medians)} reach it"
    return goal(name, f">= {least}", text, medians[low] >= least)


def _flat_in_size(ours: Sequence[Row]) -> Row:
    """From the smallest region to the largest."""
    found = sorted((row["megapixels"], row["peak_rss_mb"]) for row in done(ours, dates=1, threads=1, network="plain"))
    name, wanted = "peak memory by size of region, one core", "flat"
    if not found:
        return goal(name, wanted, "-", None)
    (least, least_mb), (most, most_mb) = found[0], found[-1]
    text = f"{least_mb:.0f} MB for {least:.1f} million pixels, {most_mb:.0f} MB for {most:.0f}"
    return goal(name, wanted, text, most_mb <= 1.1 * least_mb)


def _flat_in_dates(ours: Sequence[Row]) -> Row:
    name, wanted = "peak memory, ten dates beside one", "<= 1.1"
    found = []
    for region, threads in {(row["region"], row["threads"]) for row in done(ours, dates=10, network="plain")}:
        many, single = (
            [row["peak_rss_mb"] for row in done(ours, dates=dates, region=region, threads=threads, network="plain")]
            for dates in (10, 1)
        )
        if single:
            ten, one = statistics.median(many), statistics.median(single)
            found.append((ten / one, f"{ten / one:.2f} ({_on(region, threads)}: {one:.0f} and {ten:.0f} MB)"))
    if not found:
        return goal(name, wanted, "-", None)
    return goal(name, wanted, ", ".join(text for _, text in sorted(found)), max(found)[0] <= 1.1)


def _scratch(rows: Sequence[Row]) -> Row:
    name, wanted = f"scratch, {_LARGEST}", "<= 512 MB"
    if not rows:
        return goal(name, wanted, "-", None)
    most = max(row["peak_scratch_mb"] for row in rows)
    return goal(name, wanted, f"{most:.0f} MB", most <= 512)


def _scaling(ours: Sequence[Row]) -> Row:
    """One core with one worker beside all cores with as many, of everything that was run with both."""
    cores = os.cpu_count() or 1
    name, wanted = f"speed-up from 1 to {cores} cores", f">= {0.9 * cores:.1f}"
    gains = {}
    alone = [row for row in fit.medians(ours) if row["threads"] in {1, cores}]
    for one in (row for row in alone if row["threads"] == 1 < cores):
        same = [row for row in alone if row["threads"] == cores and _kind(row) == _kind(one)]
        gains |= {_kind(one): one["wall_s"] / many["wall_s"] for many in same}
    if not gains:
        return goal(name, wanted, "-", None)
    text = ", ".join(f"{gain:.2f} ({kind})" for kind, gain in gains.items())
    return goal(name, wanted, text, min(gains.values()) >= 0.9 * cores)


def _true_plan(runs: Sequence[Row]) -> Iterator[Row]:
    """Of the very runs that its constants are fitted to; of Lambda's `glacierctl cost` tells."""
    wanted, cores = "0.9 to 1.1", os.cpu_count() or 1
    for threads, where in ((1, "one core"), (cores, f"{cores} cores")):
        rows = [row for row in fit.medians(runs) if row["threads"] == threads]
        shares = {_kind(row): fit.said(row) / row["wall_s"] for row in rows}
        text = ", ".join(f"{share:.2f} ({kind})" for kind, share in shares.items()) or "-"
        if rows:
            together = sum(map(fit.said, rows)) / sum(row["wall_s"] for row in rows)
            text = f"{together:.2f} of all together: {text}"
        met = all(0.9 <= share <= 1.1 for share in shares.values()) if shares else None
        yield goal(f"estimated seconds / measured, {where}", wanted, text, met)


def _kind(row: Row) -> str:
    return row["region"] + (f" x {row['dates']}" if row["dates"] > 1 else "")


def _on(region: str, threads: int) -> str:
    return f"{region}, {threads} core{'s' * (threads > 1)}"


def _ready() -> Row:
    """CPU time of a cold start."""
    seconds = statistics.median(_handler_cpu_s() for _ in range(5))
    return goal("handler imported and ready, CPU", "<= 0.8 s", f"{seconds:.2f} s, median of 5", seconds <= 0.8)


def _image(scratch: Path) -> Row:
    size = image.lean_mb(scratch / "image")
    return goal("lean image, compressed, beside its base", "<= 250 MB", f"{size:.0f} MB", size <= 250)


def _handler_cpu_s() -> float:
    """A fresh interpreter up to the handler, as a cold start does, with packages and variables of the lean image."""
    program = "from glacierctl.worker.lambda_handler import handler; import time; print(time.process_time())"
    python = REPO / ".venv-lean" / "bin" / "python"
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    return float(
        subprocess.run([python, "-c", program], env=environment, check=True, capture_output=True, text=True).stdout
    )


def main() -> None:
    """Judge again what follows from the plan's constants: `python -m benchmarks.goals results.json`."""
    with tempfile.TemporaryDirectory() as folder:
        again(Results(Path(sys.argv[1])), Path(folder))


if __name__ == "__main__":
    main()
