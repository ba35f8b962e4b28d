"""How long the program works and how much memory it takes: the only place for what was measured of that.

`python -m benchmarks.fit --write` fits the figures to runs of whole processes, on one core and on all of the machine
that docs/performance.md names, over loopback. Lambda's processors are others, and S3 is farther away: `glacierctl cost
RUN` shows what a run took beside what was expected. So these are for showing; what must not be exceeded is asked with
`SAFETY` and `MEMORY_MARGIN`. A 0 is of something that the fit found no use for.
"""

import math

START_S = 0.833
"""Once a process: Python, its packages, reading what is to be done."""
ACQUISITION_S = 0.107
"""Once an acquisition, whatever its size: the order of the image's file, its picture, item and lineage."""
MEGAPIXEL_S = 0.0711
"""A million pixels of the product, on one core: reading, warping and compressing, which all cores share."""
ZONE_MEGAPIXEL_S = 0.0179
"""The same again for each zone beyond the first that its scenes lie in."""
SERIAL_MEGAPIXEL_S = 0.0147
"""The same, of what more cores do not shorten."""

BASE_MEMORY_MB = 129
"""Libraries, and the chunks of one worker."""
SIDE_MEMORY_MB = 10
"""A thousand pixels of the product's side: blocks in use at once, more the wider the region."""
WORKER_MEMORY_MB = 10
"""Each worker beyond the first: its chunk, and what is fetched ahead for it."""

SAFETY = 3.0
"""How many times its estimate something may take, for deciding what is begun within a time limit."""
MEMORY_MARGIN = 1.3
"""The same of memory: an acquisition is given to a worker that has so many times its estimate."""


def serial_s(pixels: float) -> float:
    """Seconds of an acquisition that more cores do not shorten."""
    return ACQUISITION_S + SERIAL_MEGAPIXEL_S * pixels / 1e6


def parallel_s(pixels: float, zones: int = 1) -> float:
    """Seconds on one core that are shared by all cores; `zones` are those that the images read lie in."""
    return (MEGAPIXEL_S + ZONE_MEGAPIXEL_S * (zones - 1)) * pixels / 1e6


def memory_mb(pixels: float, workers: int) -> float:
    """At the peak, in units of 10^6 bytes."""
    return BASE_MEMORY_MB + SIDE_MEMORY_MB * side(pixels) + WORKER_MEMORY_MB * (workers - 1)


def side(pixels: float) -> float:
    """Of a square of so many pixels, in thousands."""
    return math.sqrt(pixels) / 1000
