"""Whole-process figures beside what users would pick instead.

    python -m benchmarks.run                                  what fits in 22 minutes, the most telling first
    python -m benchmarks.run --regions 134_Arsuk --peers odc-stac,gdalwarp --networks plain --repeat 3
    python -m benchmarks.run --all                            everything, some hours

Before each run of a peer glacierctl is run; a ratio is that pair's. What the results file holds is not run again.
"""

import argparse
import datetime as dt
import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks import compare, contenders, data, goals, measure
from benchmarks.contenders import PEERS, Case
from benchmarks.network import Network, reach
from benchmarks.results import OURS, Results, Row
from tests.support import nginx

from glacierctl.model import Region
from glacierctl.regions.grid import region_grid

REGIONS = ("134_Arsuk", "049_jakobshavn", "190_Academy", "191_Hagen_Brae", "090_petermann")
CORES = os.cpu_count() or 1
LIMIT_S = 900
_TOO_FEW_IMAGES = -100


@dataclass(frozen=True)
class Pair:
    """A peer's run and ours just before it; without a peer, ours alone."""

    region: str
    dates: int
    network: Network
    peer: str
    repetition: int
    threads: int = 0
    """0: one for each core."""


def default_pairs() -> Iterator[Pair]:
    """The most telling first, since time may run out."""
    yield from _beside("134_Arsuk", PEERS, range(3))
    yield from _beside("049_jakobshavn", PEERS, range(1))
    for repetition in range(3):  # in turn, for a machine has its moods, and the plan is fitted to these
        for region in (goals.MEDIAN_REGION, *REGIONS):
            yield from _on_one_and_all_cores(region, 1, repetition)
        yield from _on_one_and_all_cores("134_Arsuk", 10, repetition)
    yield from _on_one_and_all_cores("049_jakobshavn", 10, 0)
    yield from _beside("191_Hagen_Brae", PEERS, range(1))
    yield from _beside("090_petermann", ("gdalwarp",), range(1))
    yield from _beside("190_Academy", ("gdalwarp",), range(1))
    yield Pair("134_Arsuk", 10, Network.PLAIN, "odc-stac", 0)
    yield Pair("134_Arsuk", 10, Network.PLAIN, "gdalwarp", 0)
    yield from _beside("049_jakobshavn", PEERS, range(1, 3))
    for region in ("190_Academy", "090_petermann"):
        for peer in ("odc-stac", "stackstac"):
            yield Pair(region, 1, Network.PLAIN, peer, 0)


def _on_one_and_all_cores(region: str, dates: int, repetition: int) -> Iterator[Pair]:
    for threads in (1, 0):
        yield Pair(region, dates, Network.PLAIN, "", repetition, threads=threads)


def _beside(region: str, peers: Iterable[str], repetitions: range) -> Iterator[Pair]:
    for repetition in repetitions:
        for network in Network:
            for peer in peers:
                yield Pair(region, 1, network, peer, repetition)


def chosen_pairs(asked: argparse.Namespace) -> Iterator[Pair]:
    """All combinations of what was asked for."""
    peers = [] if asked.ours else asked.peers or list(PEERS)
    for region in asked.regions or REGIONS:
        for repetition in range(asked.repeat):
            for dates in asked.dates:
                for network in asked.networks:
                    for peer in peers or [""]:
                        yield Pair(region, dates, Network(network), peer, repetition, asked.threads)


class Bench:
    """Runs pairs and keeps their figures."""

    def __init__(self, results: Results, limit_s: float, scratch: Path) -> None:
        self._results = results
        self._limit_s = limit_s
        self._scratch = scratch
        self._regions = data.regions()
        self._needed: dict[str, int] = {}

    def measure(self, pair: Pair) -> bool:
        """Run what the results do not hold; True once they do."""
        names = [OURS, pair.peer] if pair.peer else [OURS]
        if all(self._results.find(self._key(pair, name)) for name in names):
            return True
        region = self._regions[pair.region]
        case = Case(region, pair.dates, pair.network, pair.threads or CORES)
        www = data.prepare([region], pair.dates)
        data.warm(region)
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=self._scratch)))
            server = stack.enter_context(nginx.serve(www, folder / "nginx"))
            base_url = stack.enter_context(reach(server, pair.network, folder / "line"))
            rows = [self._one(name, pair, case, base_url=base_url, server=server, folder=folder) for name in names]
            if len(rows) == 2 and all(row["code"] == 0 for row in rows):
                rows[1]["agreement"] = self._agreement(rows, folder)
        for row in rows:
            self._results.add(row)
            print(sentence(row, rows[0]), flush=True)
        return True

    def _one(self, name: str, pair: Pair, case: Case, *, base_url: str, server: nginx.Nginx, folder: Path) -> Row:
        place = folder / name.replace(" ", "-")
        prepared = contenders.prepare(name, case, base_url, place)
        mark = server.mark()
        ran = measure.run(
            prepared.command,
            folder=place / "ran",
            env=prepared.env,
            limit_s=self._limit_s,
        )
        records = server.records(since=mark, path=".tif")
        made = prepared.products()
        code = ran.code
        if code == 0 and len(made) != pair.dates:
            code = _TOO_FEW_IMAGES
        return {
            **self._key(pair, name),
            "code": code,
            "megapixels": round(_pixels(case.region) / 1e6, 2),
            "wall_s": round(ran.wall_s, 3),
            "cpu_s": round(ran.cpu_s, 3),
            "peak_rss_mb": round(ran.peak_rss_mb, 1),
            "peak_scratch_mb": round(ran.peak_scratch_mb, 1),
            "requests": len(records),
            "bytes": sum(record.body_bytes for record in records),
            "needed_bytes": self._bytes_under(case.region) * pair.dates,
            "cogs": len(case.region.tiles) * pair.dates,
            "zones": len({tile[:-3] for tile in case.region.tiles}),
            "output_bytes": sum(path.stat().st_size for path in made),
            "log": ran.log[-500:] if code else "",
        }

    def _agreement(self, rows: list[Row], folder: Path) -> Row:
        ours, theirs = (min((folder / row["contender"].replace(" ", "-") / "out").rglob("*.tif")) for row in rows)
        return asdict(compare.compare(ours, theirs))

    def _bytes_under(self, region: Region) -> int:
        if region.name not in self._needed:
            self._needed[region.name] = data.needed_bytes(region)
        return self._needed[region.name]

    def _key(self, pair: Pair, contender: str) -> Row:
        return {
            "region": pair.region,
            "dates": pair.dates,
            "network": str(pair.network),
            "threads": pair.threads or CORES,
            "contender": contender,
            "beside": pair.peer,
            "repetition": pair.repetition,
        }


def _pixels(region: Region) -> int:
    height, width = region_grid(region, 10).shape
    return int(height * width)


def sentence(row: Row, ours: Row) -> str:
    """A run in one line."""
    head = f"{row['region']} x{row['dates']} {row['network']:5} {row['contender']:13}"
    if row["code"] != 0:
        why = "not finished in time" if row["code"] is None else f"failed: {row['log'].strip().splitlines()[-1:]}"
        return f"{head} {why}"
    agreement = row.get("agreement")
    beside = "" if row is ours else f"  {row['wall_s'] / ours['wall_s']:.1f} x ours"
    pixels = "" if not agreement else f"  pixels that differ by over 1 %: {agreement['differ_by_a_hundredth']:.3%}"
    return (
        f"{head} {row['wall_s']:7.2f} s  cpu {row['cpu_s']:7.2f} s  {row['peak_rss_mb']:6.0f} MB  "
        f"{row['bytes'] / 1e6:6.1f} MB ({row['bytes'] / row['needed_bytes']:.2f}) in {row['requests']:4d} requests"
        f"{beside}{pixels}"
    )


def main() -> None:
    """Measure what the command line asks for."""
    asked = _arguments()
    results = Results(asked.results)
    scratch = data.CACHE / "scratch"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    bench = Bench(results, asked.limit, scratch)
    chosen = bool(asked.regions or asked.peers or asked.all or asked.ours)
    pairs = list(chosen_pairs(asked) if chosen else default_pairs())
    end = time.monotonic() + (float("inf") if chosen else asked.minutes * 60)
    left_out = [pair for pair in pairs if time.monotonic() > end or not bench.measure(pair)]
    if left_out:
        print(f"Left out for want of time: {len(left_out)} of {len(pairs)}. The same command again goes on with them.")
    if not chosen or asked.all:
        goals.judge(results, scratch)
    print(f"Figures are in {asked.results}")


def _arguments() -> argparse.Namespace:
    words = lambda text: [word for word in text.split(",") if word]  # noqa: E731
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--regions", type=words, default=[], help="comma-separated")
    parser.add_argument("--peers", type=words, default=[], help=f"of {', '.join(PEERS)}")
    parser.add_argument("--ours", action="store_true", help="glacierctl alone")
    parser.add_argument("--networks", type=words, default=list(Network), help="of plain, far")
    parser.add_argument("--dates", type=lambda text: [int(word) for word in words(text)], default=[1])
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--threads", type=int, default=CORES)
    parser.add_argument("--limit", type=float, default=LIMIT_S, help="seconds, for each run")
    parser.add_argument("--minutes", type=float, default=22, help="for the default selection")
    parser.add_argument("--all", action="store_true")
    today = dt.datetime.now(tz=dt.UTC).date()
    parser.add_argument("--results", type=Path, default=data.CACHE / f"results-{today}.json")
    return parser.parse_args()


if __name__ == "__main__":
    main()
