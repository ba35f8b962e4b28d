"""Tables and pictures of docs/performance.md from a file of results.

    .venv-bench/bin/python -m benchmarks.report [results.json]

Without a file the newest of `.cache/benchmark` is taken and copied beside the page, or, where there is none, the copy.
"""

import json
import re
import statistics
import sys
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path

from benchmarks.results import COPY, NETWORKS, OURS, REPO, Row, done, newest, ratios
from matplotlib import pyplot as plt

PAGE = REPO / "docs" / "performance.md"
SEASON_PAGE = REPO / "docs" / "season.md"
TIME_PICTURE = REPO / "docs" / "images" / "performance-time.png"
MEMORY_PICTURE = REPO / "docs" / "images" / "performance-memory.png"
ORDER = (OURS, "gdalwarp", "async-geotiff", "odc-stac", "stackstac", "whole tiles")
COLOURS = dict(zip(ORDER, ("#0b6e8a", "#b35900", "#7a5195", "#3d7a3d", "#9a3b3b", "#6b6b6b"), strict=True))
_LABEL_GAP = 1.2
_EQUAL = 1.1
"""Up to so much of our time, a peer is called as good."""


def main() -> None:
    """Write page and pictures."""
    document = json.loads(_source().read_text())
    COPY.parent.mkdir(parents=True, exist_ok=True)
    COPY.write_text(json.dumps(document, indent=1) + "\n")
    runs = document["runs"]
    blocks = {
        "machine": machine_lines(document["machine"]),
        "goals": goal_lines(document["goals"]),
        "peers": peer_lines(runs),
        "better": better_lines(runs),
        "ours": our_lines(runs),
        "plan": plan_lines(document.get("plan", {})),
    }
    _fill(PAGE, blocks)
    if "season" in document:
        _fill(SEASON_PAGE, {"season": season_lines(document["season"])})
    plt.switch_backend("Agg")
    draw_time(runs)
    draw_memory(runs)


def _source() -> Path:
    return Path(sys.argv[1]) if len(sys.argv) > 1 else newest()


def _fill(page: Path, blocks: dict[str, list[str]]) -> None:
    """Write lines into a page, each block between its own comments."""
    text = page.read_text()
    for name, lines in blocks.items():
        block = f"<!-- {name} -->\n" + "\n".join(lines) + f"\n<!-- end of {name} -->"
        text, found = re.subn(
            rf"<!-- {name} -->.*?<!-- end of {name} -->", lambda _, new=block: new, text, flags=re.DOTALL
        )
        if found != 1:
            raise SystemExit(f"{page} has no place for {name}")
    page.write_text(text)


def machine_lines(machine: Row) -> list[str]:
    """Where and when."""
    hardware = f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gb']} GB, Python {machine['python']}"
    return [f"{machine['date']}: {hardware}. Client, server and line share the cores.{machine.get('note', '')}"]


def goal_lines(goals: Sequence[Row]) -> list[str]:
    """What was aimed at."""
    verdict = {True: "met", False: "**not met**", None: "not measured"}
    rows = [f"| {one['goal']} | {one['wanted']} | {one['measured']} | {verdict[one['met']]} |" for one in goals]
    return ["| what | goal | measured | |", "|---|---|---|---|", *rows]


def peer_lines(runs: Sequence[Row]) -> list[str]:
    """A table for each number of dates, region and network."""
    lines: list[str] = []
    for dates, (region, network) in product(sorted({row["dates"] for row in runs}), places(runs)):
        rows = [row for row in runs if (row["region"], row["network"], row["dates"]) == (region, network, dates)]
        if not any(row["contender"] != OURS for row in rows):
            continue
        files = rows[0]["cogs"]
        size = f"{rows[0]['megapixels']:.3g} million pixels, {files} COG" + "s" * (files > 1)
        passes = "" if dates == 1 else f", {dates} dates"
        lines += [f"**{region}**{passes}, {size}; {NETWORKS[network]}", ""]
        lines += ["| | runs | time | / ours | CPU | memory | read | / blocks | requests | made | pixels off by > 1 % |"]
        lines += ["|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|"]
        lines += [_line(rows, name) for name in ORDER if any(row["contender"] == name for row in rows)]
        lines.append("")
    return lines[:-1]


def _line(rows: Sequence[Row], name: str) -> str:
    threads = max(row["threads"] for row in rows)
    good = done(rows, contender=name, threads=threads)
    if not good:
        return f"| {name} | 0 | not finished |" + " |" * 8
    found = ratios(rows, name, threads=threads)
    beside = "" if name == OURS or not found else f"{statistics.median(found):.2f}"
    off = next((f"{row['agreement']['differ_by_a_hundredth']:.2%}" for row in good if row.get("agreement")), "")
    figures = {
        key: statistics.median(row[key] for row in good)
        for key in ("wall_s", "cpu_s", "peak_rss_mb", "requests", "bytes", "output_bytes")
    }
    return (
        f"| {name} | {len(good)} | {figures['wall_s']:.1f} s | {beside} | {figures['cpu_s']:.1f} s "
        f"| {figures['peak_rss_mb']:.0f} MB | {figures['bytes'] / 1e6:.0f} MB "
        f"| {figures['bytes'] / good[0]['needed_bytes']:.2f} | {figures['requests']:.0f} "
        f"| {figures['output_bytes'] / 1e6:.1f} MB | {off} |"
    )


def better_lines(runs: Sequence[Row]) -> list[str]:
    """Where a peer is as good or better."""
    found = []
    for region, network in places(runs):
        for name in ORDER[1:]:
            pairs = ratios(runs, name, region=region, network=network, dates=1)
            if pairs and statistics.median(pairs) <= _EQUAL:
                found.append(f"- {name} on {region}, {NETWORKS[network]}: {statistics.median(pairs):.2f} x our time")
    return found or ["- nowhere in this run"]


def our_lines(runs: Sequence[Row]) -> list[str]:
    """glacierctl alone: every region, by cores and dates."""
    keys = sorted(
        {
            (row["megapixels"], row["region"], row["dates"], row["threads"])
            for row in done(runs, contender=OURS, network="plain")
        }
    )
    lines = ["| region | million pixels | dates | cores | time | CPU | memory | scratch | read | requests a COG |"]
    lines.append("|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
    for megapixels, region, dates, threads in keys:
        rows = done(runs, contender=OURS, network="plain", region=region, dates=dates, threads=threads)
        median = {
            key: statistics.median(row[key] for row in rows)
            for key in ("wall_s", "cpu_s", "peak_rss_mb", "peak_scratch_mb", "bytes", "requests")
        }
        lines.append(
            f"| {region} | {megapixels:.1f} | {dates} | {threads} | {median['wall_s']:.1f} s | {median['cpu_s']:.1f} s "
            f"| {median['peak_rss_mb']:.0f} MB | {median['peak_scratch_mb']:.0f} MB | {median['bytes'] / 1e6:.0f} MB "
            f"| {median['requests'] / rows[0]['cogs']:.1f} |"
        )
    return lines


def plan_lines(plan: Row) -> list[str]:
    """What the plan reckons with, on one core."""
    parts = {
        "START_S": "to start",
        "ACQUISITION_S": "an acquisition",
        "MEGAPIXEL_S": "a million pixels, which cores share",
        "ZONE_MEGAPIXEL_S": "a million pixels for each further zone",
        "SERIAL_MEGAPIXEL_S": "a million pixels that one core does",
    }
    said = [f"{plan[name]:.3g} s {what}" for name, what in parts.items() if plan.get(name)]
    return [f"The plan reckons with {', '.join(said)}."] if said else ["The plan is not fitted to these runs."]


def season_lines(season: Row) -> list[str]:
    """What one date of all regions, and a season, come to."""
    acquisition, whole = f"${season['each']:.2g}", f"${season['dollars']:.2f}"
    so = f"so a season with a hundred acquisitions of each region comes to about {whole}."
    return ["```text", *season["lines"], "```", "", f"which is {acquisition} an acquisition; {so}"]


def places(runs: Sequence[Row]) -> Iterator[tuple[str, str]]:
    """Regions from small to large, each over both networks."""
    sizes = {row["region"]: row["megapixels"] for row in runs}
    for region in sorted(sizes, key=sizes.__getitem__):
        for network in NETWORKS:
            if any((row["region"], row["network"]) == (region, network) for row in runs):
                yield region, network


def draw_time(runs: Sequence[Row]) -> None:
    """Seconds of every contender, a panel for each region and network that all of them ran."""
    shown = [place for place in places(runs) if len({row["contender"] for row in _of(runs, *place)}) == len(ORDER)]
    regions = list(dict.fromkeys(region for region, _ in shown))
    if not regions:
        return
    figure, axes = plt.subplots(
        len(regions), 2, figsize=(8.6, 2.1 * len(regions) + 0.2), squeeze=False, layout="constrained", facecolor="white"
    )
    for down, region in enumerate(regions):
        for along, network in enumerate(NETWORKS):
            _bars(axes[down][along], runs, region, network)
    figure.savefig(TIME_PICTURE, dpi=110)
    plt.close(figure)


def _bars(axis: object, runs: Sequence[Row], region: str, network: str) -> None:
    rows = _of(runs, region, network)
    seconds = {name: [row["wall_s"] for row in done(rows, contender=name)] for name in ORDER}
    ran = {row["contender"] for row in rows}
    heights = [statistics.median(found) if found else 0 for found in seconds.values()]
    axis.barh(range(len(ORDER)), heights, color=[COLOURS[name] for name in ORDER], height=0.7)
    for place, (name, height) in enumerate(zip(ORDER, heights, strict=True)):
        pairs = ratios(rows, name)
        beside = f"  ({statistics.median(pairs):.1f} x)" if name != OURS and pairs else ""
        axis.text(
            height,
            place,
            f" {height:.1f} s{beside}" if height else (" not finished" if name in ran else " not run"),
            va="center",
            fontsize=8,
        )
    axis.set_yticks(range(len(ORDER)), ORDER, fontsize=8)
    axis.invert_yaxis()
    axis.set_xlim(0, max(heights) * 1.35)
    axis.set_xticks([])
    axis.spines[["top", "right", "bottom"]].set_visible(False)
    axis.set_title(f"{region}: {NETWORKS[network]}", fontsize=9, loc="left")


def draw_memory(runs: Sequence[Row]) -> None:
    """Peak memory by size of the region."""
    figure, axis = plt.subplots(figsize=(8.6, 3.6), layout="constrained", facecolor="white")
    ends: dict[str, tuple[float, float]] = {}
    for name in ORDER:
        points: dict[float, list[float]] = {}
        for row in done(runs, contender=name, dates=1, threads=max(row["threads"] for row in runs)):
            points.setdefault(row["megapixels"], []).append(row["peak_rss_mb"])
        if points:
            sizes = sorted(points)
            peaks = [statistics.median(points[size]) for size in sizes]
            axis.plot(
                sizes, peaks, marker="o", markersize=4, color=COLOURS[name], linewidth=2.5 if name == OURS else 1.2
            )
            ends[name] = (sizes[-1], peaks[-1])
    lowest = 0.0
    for name, (size, peak) in sorted(ends.items(), key=lambda end: end[1][1]):
        lowest = max(peak, lowest * _LABEL_GAP)
        axis.text(size * 1.06, lowest, name, color=COLOURS[name], va="center", fontsize=9)
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.set_xlim(right=420)
    axis.set_xticks([1, 10, 100], ["1", "10", "100"])
    ticks = (100, 300, 1000, 3000, 10000)
    axis.set_yticks(ticks, [f"{tick:,}" for tick in ticks])
    axis.minorticks_off()
    axis.set_xlabel("region, million pixels", fontsize=9)
    axis.set_ylabel("peak memory, MB", fontsize=9)
    axis.grid(visible=True, color="#dddddd", linewidth=0.6)
    axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(MEMORY_PICTURE, dpi=110)
    plt.close(figure)


def _of(runs: Sequence[Row], region: str, network: str) -> list[Row]:
    threads = max(row["threads"] for row in runs)
    wanted = (region, network, 1, threads)
    return [row for row in runs if (row["region"], row["network"], row["dates"], row["threads"]) == wanted]


if __name__ == "__main__":
    main()
