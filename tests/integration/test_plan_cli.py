"""`glacierctl plan` as a user runs it."""

import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.support.command import Ran
from tests.support.items import sentinel2_item, write_static_catalog
from tests.support.paths import require_shared_data
from tests.support.pgstac import StacServer

Glacierctl = Callable[..., Ran]

ALPS = ("--bbox", "540000,5050000,560010,5101500", "--crs", "EPSG:32633")
AUGUST = ("--start-date", "2023-08-11", "--end-date", "2023-08-31")
S2 = ("plan", "--satellite", "sentinel2")
RYDER = ("--regions", "189_Ryder")
JULY = ("--start-date", "2024-07-01", "--end-date", "2024-07-31")


@pytest.fixture
def catalog(tmp_path: Path) -> tuple[str, str]:
    """A static catalogue of two passes over 189_Ryder, one of them whole, and of a scene that cannot be used."""
    days = [dt.datetime(2024, 7, day, 15, tzinfo=dt.UTC) for day in (4, 9)]
    spoiled = sentinel2_item(tile="22XER", sensed_at=days[1], sequence=1)
    del spoiled["assets"]["nir"]
    rows = [sentinel2_item(tile=tile, sensed_at=days[0]) for tile in ("22XER", "22XDR")]
    rows.append(sentinel2_item(tile="22XDR", sensed_at=days[1]))
    return "--catalog", str(write_static_catalog(tmp_path / "catalog", [*rows, spoiled]))


def document(ran: Ran) -> dict[str, Any]:
    assert ran.code == 0, ran.stderr
    content: dict[str, Any] = json.loads(ran.stdout)
    return content


def test_table_of_a_real_static_catalogue(glacierctl: Glacierctl, tmp_path: Path) -> None:
    earth_search = ("--catalog", require_shared_data("earth_search"))
    ran = glacierctl(*S2, *ALPS, *AUGUST, *earth_search)
    assert ran.code == 0, ran.stderr
    header, row, *notes = ran.stdout.splitlines()
    assert header.split()[:2] == ["region", "acquisitions"]
    assert row.split()[:6] == ["bbox_540000_5049990_560010_5101500_epsg32633", "4", "4", "0", "0", "0"]
    assert "MB" in row
    assert notes == ["The catalogue had 8 scenes; asked in 11 requests."]
    assert "whole pixels" in ran.stderr
    assert list(tmp_path.iterdir()) == [], "a plan writes nothing"


def test_json_holds_every_acquisition_and_every_rejection(glacierctl: Glacierctl, catalog: tuple[str, str]) -> None:
    made = document(glacierctl(*S2, *RYDER, *JULY, *catalog, "--json"))
    (region,) = made["regions"]
    assert [one["product"] for one in region["acquisitions"]] == [
        "S2A_MSIL2A_20240704T145700_N0510_R025",
        "S2A_MSIL2A_20240709T145700_N0510_R025",
    ]
    assert [[scene["tile"] for scene in one["scenes"]] for one in region["acquisitions"]] == [
        ["22XER", "22XDR"],
        ["22XDR"],
    ]
    assert made["total"]["acquisitions"] == 2
    assert made["rejected_by_reason"] == {"it has no asset nir": 1}
    assert made["rejected"] == [{"item_id": "S2A_22XER_20240709_1_L2A", "reason": "it has no asset nir"}]
    assert made["nothing_because"] is None
    assert made["run_id"].startswith("20240701-20240731-sentinel2-")
    assert made["total"]["estimate"]["bytes_to_read"] > 0


def test_what_exists_is_told_from_the_output(glacierctl: Glacierctl, catalog: tuple[str, str], tmp_path: Path) -> None:
    item = tmp_path / "out/sentinel2/clipped/189_Ryder/S2A_MSIL2A_20240704T145700_N0510_R025.json"
    item.parent.mkdir(parents=True)
    item.write_text("{}")
    made = document(glacierctl(*S2, *RYDER, *JULY, *catalog, "--output", tmp_path / "out", "--json"))
    assert [one["state"] for one in made["regions"][0]["acquisitions"]] == ["exists", "too little overlap"]
    assert made["total"]["exist"] == 1


def test_too_little_overlap_is_counted_apart(glacierctl: Glacierctl, catalog: tuple[str, str]) -> None:
    made = document(glacierctl(*S2, *RYDER, *JULY, *catalog, "--min-coverage", "1", "--json"))
    assert [one["state"] for one in made["regions"][0]["acquisitions"]] == ["to do", "too little overlap"]


def test_several_regions_have_a_total(glacierctl: Glacierctl, catalog: tuple[str, str]) -> None:
    ran = glacierctl(*S2, "--regions", "189_Ryder,163_Bowdoin", *JULY, *catalog)
    assert [line.split()[:2] for line in ran.stdout.splitlines()[1:4]] == [
        ["189_Ryder", "2"],
        ["163_Bowdoin", "0"],
        ["total", "2"],
    ]
    assert "Left out 1: it has no asset nir." in ran.stdout


def test_nothing_found_says_so_and_is_no_failure(glacierctl: Glacierctl, catalog: tuple[str, str]) -> None:
    ran = glacierctl(*S2, "--regions", "163_Bowdoin", *JULY, *catalog)
    assert ran.code == 0
    assert "has no scenes of sentinel-2-l2a over these regions from 2024-07-01 to 2024-07-31" in ran.stdout


def test_nothing_usable_says_why(glacierctl: Glacierctl, tmp_path: Path) -> None:
    path = write_static_catalog(tmp_path / "catalog", [sentinel2_item(tile="22WEC")])
    asked = (*S2, "--regions", "049_jakobshavn", *JULY, "--catalog", path)
    reason = "none of the 1 scenes found can be used (1: its tile is not among those the region is made of)"
    assert f"Nothing to do: {reason}." in glacierctl(*asked).stdout
    assert document(glacierctl(*asked, "--json"))["nothing_because"] == reason


def test_an_end_in_the_future_means_until_now(glacierctl: Glacierctl, catalog: tuple[str, str]) -> None:
    ran = glacierctl(*S2, *RYDER, "--start-date", "2024-07-01", "--end-date", "2999-01-01", *catalog, "--json")
    end = dt.date.fromisoformat(document(ran)["request"]["end"])
    assert abs(end - dt.datetime.now(dt.UTC).date()) <= dt.timedelta(days=1)
    assert "lies in the future" in ran.stderr


def test_settings_stand_in_for_flags(glacierctl: Glacierctl, catalog: tuple[str, str]) -> None:
    environment = {"GLACIERCTL_SENTINEL2_CATALOG": catalog[1], "GLACIERCTL_MIN_COVERAGE": "0.25"}
    made = document(glacierctl(*S2, *RYDER, *JULY, "--json", env=environment))
    assert made["request"]["catalog"] == catalog[1]
    assert made["request"]["options"]["min_coverage"] == 0.25
    made = document(glacierctl(*S2, *RYDER, *JULY, "--min-coverage", "0.75", "--json", env=environment))
    assert made["request"]["options"]["min_coverage"] == 0.75


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ((*RYDER, "--start-date", "2024-13-01", "--end-date", "2024-07-31"), "'2024-13-01' is not a date"),
        ((*RYDER, "--start-date", "last week", "--end-date", "2024-07-31"), "'last week' is not a date"),
        ((*RYDER, "--start-date", "2024-07-01", "--end-date", "2024-02-30"), "--end-date '2024-02-30'"),
        ((*RYDER, "--start-date", "2024-07-01T10:00", "--end-date", "2024-07-31"), "is not a date"),
        ((*RYDER, "--start-date", "2024-08-01", "--end-date", "2024-07-31"), "is after the end 2024-07-31"),
        ((*RYDER, "--start-date", "2998-01-01", "--end-date", "2999-01-01"), "nothing can have been sensed since"),
        ((*RYDER, "--end-date", "2024-07-31"), "--start-date"),
        (JULY, "exactly one of --regions and --bbox"),
        ((*RYDER, *ALPS, *JULY), "exactly one of --regions and --bbox"),
        ((*RYDER, "--crs", "EPSG:32633", *JULY), "--crs EPSG:32633 says nothing about --regions"),
        (("--regions", "189_Rider", *JULY), "189_Ryder"),
        (("--bbox", "1,2,3", *JULY), "it has 3 numbers, not four"),
        ((*RYDER, *JULY, "--min-coverage", "1.5"), "min_coverage"),
        ((*RYDER, *JULY, "--max-cloud", "-0.1"), "max_cloud"),
        ((*RYDER, *JULY, "--resampling", "magic"), "magic"),
        ((*RYDER, *JULY, "--satellite", "spot"), "spot"),
        ((*RYDER, *JULY, "--output", "ftp://host/folder"), "ftp://host/folder"),
    ],
)
def test_wrong_usage_is_refused_with_what_to_do(
    glacierctl: Glacierctl, catalog: tuple[str, str], flags: tuple[str, ...], words: str
) -> None:
    ran = glacierctl(*S2, *catalog, *flags)
    assert ran.code == 2, ran.stderr
    assert words in ran.stderr
    assert "fix:" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert ran.stdout == ""


def test_catalogue_that_cannot_be_used_is_a_failure_in_words(glacierctl: Glacierctl, tmp_path: Path) -> None:
    ran = glacierctl(*S2, *RYDER, *JULY, "--catalog", tmp_path)
    assert ran.code == 1
    assert "catalog.json cannot be read" in ran.stderr
    ran = glacierctl(*S2, *RYDER, *JULY, "--catalog", "http://127.0.0.1:1/stac", "--json")
    assert ran.code == 1
    assert "cannot be reached" in json.loads(ran.stdout)["error"]["what"]


def test_through_a_real_stac_api(glacierctl: Glacierctl, stac_server: StacServer) -> None:
    stac_server.load(
        [sentinel2_item(tile=tile, nir_href="https://host/B08.tif", scl_href=None) for tile in ("22XER", "22XDR")]
    )
    made = document(glacierctl(*S2, *RYDER, *JULY, "--catalog", stac_server.url, "--json"))
    assert made["catalog"] == {"matched": 2, "requests": 1}
    assert made["total"]["to_do"] == 1
