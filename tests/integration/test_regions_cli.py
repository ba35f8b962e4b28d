"""`glacierctl regions` as users run it: a process, files, exit codes, stdout apart from stderr."""

import json
from collections.abc import Callable
from pathlib import Path

import geopandas
import pytest
import shapely
from tests.support.command import Ran
from tests.support.paths import require_shared_data

Run = Callable[..., Ran]


@pytest.fixture
def greenland() -> Path:
    return require_shared_data("regions", "glaciers_roi_proj_v3_300m.gpkg")


@pytest.fixture
def outlines(tmp_path: Path) -> Path:
    """A Shapefile of two outlines in degrees."""
    shapes = [shapely.Point(-50, 69).buffer(0.2), shapely.Point(-60, 76).buffer(0.1)]
    frame = geopandas.GeoDataFrame({"glacier": ["first", "second"]}, geometry=shapes, crs="EPSG:4326")
    frame.to_file(tmp_path / "outlines.shp")
    return tmp_path / "outlines.shp"


def listed(ran: Ran) -> list[str]:
    assert ran.code == 0, ran.stderr
    return [region["name"] for region in json.loads(ran.stdout)["regions"]]


def test_the_192_regions_are_imported_with_one_command(glacierctl: Run, greenland: Path) -> None:
    ran = glacierctl("regions", "import", greenland)
    assert ran.code == 0
    assert ran.stdout == f"Imported 181 regions from {greenland}; 11 were there already. The catalogue has 192.\n"
    assert ran.stderr == ""
    names = listed(glacierctl("regions", "list", "--json"))
    assert names == sorted(geopandas.read_file(greenland).region)
    again = json.loads(glacierctl("regions", "import", greenland, "--json").stdout)
    assert (again["added"], again["replaced"], len(again["unchanged"])) == ([], [], 192)


def test_a_dry_run_changes_nothing(glacierctl: Run, greenland: Path, tmp_path: Path) -> None:
    place = {"GLACIERCTL_DATA_DIR": str(tmp_path / "data")}
    ran = glacierctl("regions", "import", greenland, "--dry-run", env=place)
    assert ran.stdout.startswith("Would import 181 regions")
    assert not (tmp_path / "data").exists()
    assert len(listed(glacierctl("regions", "list", "--json", env=place))) == 11


def test_outlines_are_imported_with_a_word_about_their_boxes(glacierctl: Run, outlines: Path, tmp_path: Path) -> None:
    place = {"GLACIERCTL_DATA_DIR": str(tmp_path / "data")}
    ran = glacierctl("regions", "import", outlines, env=place)
    assert ran.code == 0
    assert "2 of 2 are bounding boxes" in ran.stderr
    assert "Imported 2 regions" in ran.stdout
    assert (tmp_path / "data" / "regions.json").is_file()
    facts = glacierctl("regions", "show", "first", env=place).stdout
    assert "imported" in facts
    assert "every one that overlaps" in facts


def test_a_conflict_is_refused_until_it_is_asked_for(glacierctl: Run, tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("name,xmin,ymin,xmax,ymax,crs\n163_Bowdoin,0,0,30,30,EPSG:3413\n")
    ran = glacierctl("regions", "import", "mine.csv")
    assert (ran.code, ran.stdout) == (2, "")
    assert "163_Bowdoin (built-in)" in ran.stderr
    assert "--replace" in ran.stderr
    assert glacierctl("regions", "import", "mine.csv", "--replace").code == 0
    shown = json.loads(glacierctl("regions", "show", "163_Bowdoin", "--json").stdout)["region"]
    assert shown["bounds"] == [0, 0, 30, 30]
    assert shown["origin"] == "imported"


def test_a_bad_file_imports_nothing(glacierctl: Run, tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text("name,tiles,xmin,ymin,xmax,ymax\ngood,22WEB,0,0,30,30\nb d,nix,30,0,0,30\n")
    ran = glacierctl("regions", "import", "bad.csv", "--crs", "EPSG:3413", "--json")
    assert ran.code == 2
    error = json.loads(ran.stdout)["error"]
    assert "3 problems" in error["what"]
    assert all(word in error["why"] for word in ("b_d could", "no MGRS tile: nix", "30,0,0,30"))
    assert len(ran.stderr.splitlines()) == 3
    assert len(listed(glacierctl("regions", "list", "--json"))) == 11


def test_a_list_is_a_table_of_what_matches(glacierctl: Run) -> None:
    ran = glacierctl("regions", "list", "*Brae")
    lines = ran.stdout.splitlines()
    assert lines[0].split() == ["name", "km2", "10", "m", "pixels", "tiles", "origin"]
    assert lines[1].split("  ")[0] == "191_Hagen_Brae"
    assert "11010 x 9810" in lines[1]
    assert lines[1].endswith("built-in")
    assert len(lines) == 2
    assert listed(glacierctl("regions", "list", "ryder", "--json")) == ["189_Ryder"]
    none = glacierctl("regions", "list", "zz")
    assert (none.code, none.stdout) == (2, "")


def test_a_region_is_shown_with_where_it_lies(glacierctl: Run) -> None:
    lines = glacierctl("regions", "show", "163_bowdoin").stdout.splitlines()
    facts = dict(line.split("  ", 1) for line in lines)
    assert facts["name"].strip() == "163_Bowdoin"
    assert facts["bounds"].strip() == "-541690,-1232300,-523390,-1211600"
    assert facts["10 m pixels"].strip().startswith("1830 x 2070")
    assert facts["15 m pixels"].strip().startswith("1220 x 1380")
    document = json.loads(glacierctl("regions", "show", "163_Bowdoin", "--json").stdout)["region"]
    assert (document["shape_10m"], document["shape_15m"]) == ([2070, 1830], [1380, 1220])
    box = geopandas.GeoSeries([shapely.box(*document["bounds"]).centroid], crs="EPSG:3413").to_crs("EPSG:4326")
    assert document["centre_lonlat"] == pytest.approx([box.x[0], box.y[0]], abs=1e-5)


def test_an_unknown_region_is_answered_with_the_nearest(glacierctl: Run) -> None:
    ran = glacierctl("regions", "show", "163_Bowdion")
    assert (ran.code, ran.stdout) == (2, "")
    assert "Did you mean 163_Bowdoin?" in ran.stderr
    assert "`glacierctl regions list`" in ran.stderr
    several = glacierctl("regions", "show", "*")
    assert several.code == 2
    assert "means 11 regions" in several.stderr


@pytest.mark.parametrize("suffix", ["gpkg", "geojson", "csv"])
def test_an_export_can_be_imported_elsewhere_unchanged(
    glacierctl: Run, greenland: Path, tmp_path: Path, suffix: str
) -> None:
    glacierctl("regions", "import", greenland)
    ran = glacierctl("regions", "export", f"out.{suffix}", "--regions", "1*,001_alison")
    assert ran.stdout == f"Exported 94 regions to out.{suffix}.\n"
    elsewhere = {"GLACIERCTL_DATA_DIR": str(tmp_path / "elsewhere")}
    assert glacierctl("regions", "import", f"out.{suffix}", env=elsewhere).stderr == ""
    here = {r["name"]: r for r in json.loads(glacierctl("regions", "list", "--json").stdout)["regions"]}
    there = json.loads(glacierctl("regions", "list", "--json", env=elsewhere).stdout)["regions"]
    assert len(there) == 94 + len(["049_jakobshavn", "090_petermann"])
    assert all(here[region["name"]] == region for region in there)


def test_an_export_loses_no_file_that_exists(glacierctl: Run, tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text("precious")
    ran = glacierctl("regions", "export", "r.csv")
    assert ran.code == 2
    assert "--overwrite" in ran.stderr
    assert (tmp_path / "r.csv").read_text() == "precious"
    assert glacierctl("regions", "export", "r.csv", "--overwrite").code == 0
    assert (tmp_path / "r.csv").read_text().startswith("name,tiles,xmin")


def test_a_broken_setting_is_traced_to_who_said_it(glacierctl: Run, tmp_path: Path) -> None:
    ran = glacierctl("regions", "list", env={"GLACIERCTL_WORKERS": "many"})
    assert ran.code == 2
    assert "environment GLACIERCTL_WORKERS says 'many'" in ran.stderr
    (tmp_path / "glacierctl.toml").write_text("max_cloud = 7\n")
    ran = glacierctl("regions", "list")
    assert ran.code == 2
    assert f"file {tmp_path / 'glacierctl.toml'} says 7" in ran.stderr
