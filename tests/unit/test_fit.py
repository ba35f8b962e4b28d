"""The plan's constants: found again from runs that were made of them, and written where they belong."""

from collections.abc import Sequence
from typing import Any

import pytest
from benchmarks import fit
from benchmarks.results import COPY, OURS, REPO, Results

from glacierctl.planning import speed

CAUSES: Sequence[tuple[float, ...]] = [(1, 1, 1), (1, 10, 9), (1, 1, 26), (1, 10, 260), (1, 1, 86), (1, 1, 115)]


def run(megapixels: float, wall_s: float, **other: Any) -> dict[str, Any]:
    row = {"contender": OURS, "network": "plain", "threads": 1, "dates": 1, "code": 0, "cpu_s": 1}
    return {**row, "peak_rss_mb": 200, "megapixels": megapixels, "wall_s": wall_s, **other}


@pytest.mark.parametrize("wanted", [(0.8, 0.3, 0.1), (1.2, 0.5, 0.2), (0.6, 0.2, 0.15)])
def test_weights_are_found_again(wanted: tuple[float, ...]) -> None:
    measured = [sum(weight * cause for weight, cause in zip(wanted, one, strict=True)) for one in CAUSES]
    assert fit.least_squares(CAUSES, measured) == pytest.approx(wanted, rel=0.01)


def test_no_weight_is_below_zero() -> None:
    measured = [3 + one[2] / 10 - one[1] / 10 for one in CAUSES]
    assert min(fit.least_squares(CAUSES, measured)) == 0


def test_only_runs_alone_over_loopback_count() -> None:
    runs = [run(1, 1.1), run(100, 11), run(100, 50, network="far"), run(100, 5, contender="gdalwarp")]
    found = fit.fitted([*runs, run(50, 9, code=1)])
    assert found["START_S"] == pytest.approx(1, rel=0.01)
    assert found["MEGAPIXEL_S"] == pytest.approx(0.1, rel=0.01)
    assert (found["BASE_MEMORY_MB"], found["SIDE_MEMORY_MB"]) == (200, 0)


def test_runs_on_more_cores_tell_what_these_do_not_share() -> None:
    on_one = [run(1, 1.1), run(100, 11)]
    found = fit.fitted([*on_one, run(100, 1 + 3 + 7 / 2, threads=2), run(1, 1 + 0.03 + 0.07 / 2, threads=2)])
    assert found["SERIAL_MEGAPIXEL_S"] == pytest.approx(0.03, rel=0.02)
    assert found["MEGAPIXEL_S"] == pytest.approx(0.07, rel=0.02)
    assert found["START_S"] == pytest.approx(1, rel=0.01)


def test_a_zone_more_is_told_by_regions_that_have_one() -> None:
    found = fit.fitted([run(1, 1.1), run(100, 11), run(50, 6, zones=1), run(80, 13, zones=2)])
    assert found["ZONE_MEGAPIXEL_S"] == pytest.approx(0.05, rel=0.02)


def test_constants_are_written_each_in_its_line() -> None:
    text = fit.SPEED.read_text()
    same = {name: getattr(speed, name) for name in (*fit.SECONDS, *fit.MEMORY)}
    assert fit.written(text, same) == text
    other = fit.written(text, {**same, "MEGAPIXEL_S": 7.5})
    namespace: dict[str, Any] = {}
    exec(other, namespace)
    assert namespace["parallel_s"](2_000_000) == 15
    assert namespace["START_S"] == speed.START_S


def test_the_plan_reckons_with_what_the_page_shows() -> None:
    found = fit.fitted(Results(COPY).runs)
    assert found == {name: getattr(speed, name) for name in found}, "run `python -m benchmarks.fit --write`"


def test_the_page_tells_the_margins() -> None:
    page = (REPO / "docs" / "performance.md").read_text()
    assert f"{speed.SAFETY:g} x the seconds and {speed.MEMORY_MARGIN:g} x the memory" in page
