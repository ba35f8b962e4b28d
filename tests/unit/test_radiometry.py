"""The 1000 DN that baseline 04.00 began to add: taken off where it is there, and nowhere else."""

import datetime as dt

import numpy as np
import pytest
from tests.support.items import landsat_item, sentinel2_item

from glacierctl.choices import Satellite
from glacierctl.model import Scene
from glacierctl.planning.scenes import parse_scene
from glacierctl.processing.radiometry import decide_offset, remove_offset

V1, C1 = "sentinel-2-l2a", "sentinel-2-c1-l2a"


def scene(collection: str = V1, baseline: str = "05.10", *, flag: bool | None = None, day: int = 4) -> Scene:
    item = sentinel2_item(
        collection=collection,
        baseline=baseline,
        offset_applied=flag,
        sensed_at=dt.datetime(2024, 7, day, 15, 14, tzinfo=dt.UTC),
        nir_href="https://example.com/B08.tif",
        scl_href=None,
    )
    parsed = parse_scene(item, Satellite.SENTINEL2, collection)
    assert isinstance(parsed, Scene)
    return parsed


def overview(*, dark: int, valid: int = 100_000, at: int = 999) -> np.ndarray:
    """`dark` of `valid` pixels are `at`, the others snow, and a third of the whole is nodata."""
    pixels = np.zeros(valid * 3 // 2, np.uint16)
    pixels[:valid] = 9000
    pixels[:dark] = at
    return np.random.default_rng(0).permutation(pixels).reshape(-1, 25)


SNOW, WATER = overview(dark=0), overview(dark=30_000, at=120)


@pytest.mark.parametrize("pixels", [SNOW, WATER], ids=["snow", "water"])
@pytest.mark.parametrize(
    ("collection", "baseline", "flag", "on_snow"),
    [
        (V1, "02.14", None, 0),
        (V1, "02.14", False, 0),
        (V1, "03.01", True, 0),
        (V1, "04.00", True, 0),
        (V1, "04.00", False, 1000),
        (V1, "05.09", True, 0),
        (V1, "05.10", False, 1000),
        (V1, "05.10", None, 1000),
        (V1, "99.99", None, 1000),
        (C1, "03.01", None, 0),
        (C1, "04.00", None, 1000),
        (C1, "05.11", None, 1000),
        (C1, "05.11", True, 1000),
    ],
)
def test_collection_baseline_and_flag_decide_and_dark_pixels_overrule(
    pixels: np.ndarray, collection: str, baseline: str, flag: bool | None, on_snow: int
) -> None:
    one = scene(collection, baseline, flag=flag)
    decision = decide_offset(one, lambda: pixels)
    assert decision.item_id == one.item_id
    assert decision.subtract_dn == (on_snow if pixels is SNOW else 0)
    assert f"baseline {baseline}" in decision.evidence


@pytest.mark.parametrize(("dark", "overruled"), [(0, False), (1_999, False), (2_000, True), (100_000, True)])
def test_one_dark_pixel_in_fifty_is_decisive(dark: int, overruled: bool) -> None:
    decision = decide_offset(scene(flag=False), lambda: overview(dark=dark))
    assert (decision.subtract_dn == 0) is overruled
    assert ("below 1000" in decision.evidence) is overruled


def test_a_thousand_is_not_below_a_thousand() -> None:
    """A pixel without any reflectance has the offset as its value."""
    assert decide_offset(scene(flag=False), lambda: overview(dark=90_000, at=1000)).subtract_dn == 1000


@pytest.mark.parametrize(("dark", "subtract_dn"), [(99, 1000), (100, 0)])
def test_a_few_odd_pixels_decide_nothing(dark: int, subtract_dn: int) -> None:
    """Even if they are most of a nearly empty overview."""
    assert decide_offset(scene(flag=False), lambda: overview(dark=dark, valid=150)).subtract_dn == subtract_dn


def test_nodata_is_not_dark() -> None:
    assert decide_offset(scene(flag=False), lambda: np.zeros((100, 100), np.uint16)).subtract_dn == 1000


def test_that_a_scene_has_no_dark_pixels_proves_nothing() -> None:
    """The catalogue says that the offset was removed; over snow there is nothing that could say otherwise."""
    assert decide_offset(scene(flag=True), lambda: overview(dark=0)).subtract_dn == 0


def test_pixels_are_looked_at_only_where_they_could_decide() -> None:
    def unread() -> np.ndarray:
        raise AssertionError

    for certain in (scene(flag=True), scene(baseline="03.01"), scene(C1, "03.01")):
        assert decide_offset(certain, unread).subtract_dn == 0


def test_the_date_tells_nothing() -> None:
    """Old scenes are made anew with new baselines."""
    decisions = {decide_offset(scene(flag=False, day=day), lambda: SNOW).subtract_dn for day in (1, 31)}
    assert decisions == {1000}


def test_landsat_has_no_offset() -> None:
    item = landsat_item(pan_href="https://example.com/B8.TIF", qa_href="https://example.com/QA.TIF")
    parsed = parse_scene(item, Satellite.LANDSAT, "landsat-c2l1")
    assert isinstance(parsed, Scene)
    assert decide_offset(parsed, lambda: SNOW).subtract_dn == 0


def test_evidence_names_the_figures() -> None:
    evidence = decide_offset(scene(C1, "05.11"), lambda: WATER).evidence
    assert evidence == (
        "baseline 05.11 adds 1000 and sentinel-2-c1-l2a keeps it, "
        "but 30,000 of 100,000 valid pixels of its coarsest overview are below 1000"
    )


def test_taking_it_off_keeps_valid_pixels_valid_and_nodata_nodata() -> None:
    before = np.array([[0, 1, 999, 1000], [1001, 1002, 11_000, 65_535]], np.uint16)
    after = remove_offset(before, 1000)
    assert after.dtype == np.uint16
    assert after.tolist() == [[0, 1, 1, 1], [1, 2, 10_000, 64_535]]


def test_taking_nothing_off_changes_nothing() -> None:
    before = np.array([[0, 1, 65_535]], np.uint16)
    assert remove_offset(before, 0).tolist() == before.tolist()


def test_every_value_is_lowered_as_it_should_be() -> None:
    values = np.arange(65_536, dtype=np.uint16)
    expected = [0, *(max(value - 1000, 1) for value in range(1, 65_536))]
    assert remove_offset(values.reshape(256, 256), 1000).ravel().tolist() == expected
