"""What runs cost: what their invocations used, by the logs, at list prices.

An invocation is shared out among the acquisitions that it brought to an end, by the time that each took.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from glacierctl.aws.log_invocations import Ended, Invocation
from glacierctl.aws.prices import Prices
from glacierctl.choices import Architecture

PUTS_PER_PRODUCT = 4
"""Image, STAC item, picture, row of sources."""
PUTS_PER_INVOCATION = 6
"""Its lease, report and combined sources, about."""

Sizes = Mapping[str, int]
"""Bytes of the files of a product, together, by the key of its image."""


@dataclass(frozen=True, slots=True)
class Used:
    """What something used. It adds up."""

    invocations: float = 0.0
    """How many; of what shared one with others, its part."""
    gb_seconds: float = 0.0
    """Billed memory over time, 1 GB = 1024 MB."""
    log_bytes: float = 0.0
    """Written to the log."""
    puts: float = 0.0
    """Objects written to S3."""
    gets: float = 0.0
    """Reads of scenes that their reader pays for."""
    stored_bytes: int = 0
    """What lies in S3 because of it."""

    def __add__(self, other: "Used") -> "Used":
        return Used(
            invocations=self.invocations + other.invocations,
            gb_seconds=self.gb_seconds + other.gb_seconds,
            log_bytes=self.log_bytes + other.log_bytes,
            puts=self.puts + other.puts,
            gets=self.gets + other.gets,
            stored_bytes=self.stored_bytes + other.stored_bytes,
        )


@dataclass(frozen=True, slots=True)
class Bill:
    """US dollars for what was used."""

    compute: float
    """Memory over time."""
    requests: float
    """Invocations."""
    logs: float
    """What was written to logs."""
    puts: float
    """What was written to S3."""
    gets: float
    """What was read of scenes that their reader pays for."""
    storage_month: float
    """What lies in S3, each month; not in the total."""

    @property
    def total(self) -> float:
        """All that is paid once."""
        return self.compute + self.requests + self.logs + self.puts + self.gets


@dataclass(frozen=True, slots=True)
class SceneKey:
    """One acquisition of one region; without a product, what an invocation did that brought none to an end."""

    region: str
    """Its region; `-` where it is not known."""
    product: str | None
    """What it becomes."""


@dataclass(frozen=True, slots=True)
class SceneCost:
    """What one acquisition used, all attempts together."""

    used: Used = Used()
    """What it used."""
    outcome: str | None = None
    """What came of it in the end: product, skipped or failed."""
    key: str | None = None
    """Key of its image in the store."""

    def also(self, used: Used, ended: Ended | None) -> "SceneCost":
        """The same with another attempt. A product stays one, though a later attempt finds it there and skips it."""
        if ended is None:
            return replace(self, used=self.used + used)
        outcome = self.outcome if self.outcome == "product" else ended.outcome
        return SceneCost(self.used + used, outcome, ended.key or self.key)

    def stored(self, sizes: Sizes) -> "SceneCost":
        """The same with what its product takes in S3."""
        return replace(self, used=replace(self.used, stored_bytes=sizes.get(self.key or "", 0)))


def charge(used: Used, prices: Prices, architecture: Architecture) -> Bill:
    """What is to be paid.

    Args:
        used: what was used.
        prices: for one of each.
        architecture: the function's processors.
    """
    return Bill(
        compute=prices.compute(used.gb_seconds, architecture),
        requests=prices.requests(used.invocations),
        logs=prices.logs(used.log_bytes),
        puts=prices.puts(used.puts),
        gets=prices.gets(used.gets),
        storage_month=prices.storage_month(used.stored_bytes),
    )


def share_out(invocations: Iterable[Invocation], sizes: Sizes) -> dict[SceneKey, SceneCost]:
    """What every acquisition used, in the order in which they came.

    Args:
        invocations: that are over.
        sizes: of the products; those that are not there any more store nothing.
    """
    scenes: dict[SceneKey, SceneCost] = {}
    for one in sorted(invocations, key=lambda invocation: invocation.ended_at):
        for key, part, ended in _parts(one):
            scenes[key] = scenes.get(key, SceneCost()).also(_used(one, part, ended), ended)
    return {key: cost.stored(sizes) for key, cost in scenes.items()}


def add_up(costs: Iterable[SceneCost]) -> Used:
    """What all of them used together."""
    return sum((cost.used for cost in costs), Used())


def _parts(one: Invocation) -> list[tuple[SceneKey, float, Ended | None]]:
    """(acquisition, its part of the invocation, what came of it); by time, or alike where none took any."""
    if not one.ended:
        return [(SceneKey(one.origin.region or "-", None), 1.0, None)]
    whole = sum(ended.seconds for ended in one.ended)
    alike = 1 / len(one.ended)
    return [
        (SceneKey(ended.region, ended.product), ended.seconds / whole if whole else alike, ended) for ended in one.ended
    ]


def _used(one: Invocation, part: float, ended: Ended | None) -> Used:
    written = PUTS_PER_PRODUCT if ended and ended.outcome == "product" else 0
    return Used(
        invocations=part,
        gb_seconds=one.report.billed_gb_seconds * part,
        log_bytes=one.log_bytes * part,
        puts=PUTS_PER_INVOCATION * part + written,
        gets=ended.paid_requests if ended else 0,
    )
