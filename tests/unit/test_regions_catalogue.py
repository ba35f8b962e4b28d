import json
from pathlib import Path

import pytest

from glacierctl.errors import RegionError
from glacierctl.model import Region
from glacierctl.regions.catalogue import RegionCatalogue

NEW = Region(name="a_new_one", bounds=(0, 0, 3000, 3000), crs="EPSG:32622", tiles=("22WEB",))
BOWDOIN = next(region for region in RegionCatalogue.load(Path("/nowhere")).regions if region.name == "163_Bowdoin")
MOVED = BOWDOIN.model_copy(update={"bounds": (-541700.0, -1232300.0, -523400.0, -1211600.0)})


def test_without_imports_there_are_the_built_in_regions(tmp_path: Path) -> None:
    catalogue = RegionCatalogue.load(tmp_path)
    assert len(catalogue.regions) == 11
    assert {catalogue.origin(region.name) for region in catalogue.regions} == {"built-in"}


def test_an_imported_region_is_there_after_saving_and_loading(tmp_path: Path) -> None:
    merge = RegionCatalogue.load(tmp_path).merged([NEW], replace=False)
    assert (merge.added, merge.replaced, merge.unchanged) == (("a_new_one",), (), ())
    merge.catalogue.save(tmp_path / "made" / "when needed")
    loaded = RegionCatalogue.load(tmp_path / "made" / "when needed")
    assert loaded == merge.catalogue
    assert loaded.select("a_new_one") == (NEW,)
    assert loaded.regions[-1] == NEW
    assert loaded.origin("a_new_one") == "imported"


def test_importing_what_is_there_just_so_changes_nothing(tmp_path: Path) -> None:
    once = RegionCatalogue.load(tmp_path).merged([NEW], replace=False).catalogue
    merge = once.merged([NEW, BOWDOIN], replace=False)
    assert merge.catalogue == once
    assert merge.unchanged == ("a_new_one", "163_Bowdoin")
    assert once.origin("163_Bowdoin") == "built-in"


@pytest.mark.parametrize("changed", [MOVED, BOWDOIN.model_copy(update={"tiles": ()})])
def test_a_built_in_region_is_replaced_only_on_request(tmp_path: Path, changed: Region) -> None:
    catalogue = RegionCatalogue.load(tmp_path)
    with pytest.raises(RegionError) as caught:
        catalogue.merged([NEW, changed], replace=False)
    assert caught.value.why == "163_Bowdoin (built-in)"
    assert "--replace" in caught.value.hint
    merge = catalogue.merged([NEW, changed], replace=True)
    assert merge.replaced == ("163_Bowdoin",)
    assert merge.catalogue.select("163_Bowdoin") == (changed,)
    assert len(merge.catalogue.regions) == 12


def test_an_imported_region_is_replaced_only_on_request(tmp_path: Path) -> None:
    catalogue = RegionCatalogue.load(tmp_path).merged([NEW], replace=False).catalogue
    other = NEW.model_copy(update={"tiles": ()})
    with pytest.raises(RegionError, match="already") as caught:
        catalogue.merged([other], replace=False)
    assert caught.value.why == "a_new_one (imported)"
    assert catalogue.merged([other], replace=True).catalogue.select("a_new_one") == (other,)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"schema": 2, "regions": []}',
        '{"schema": 1}',
        '{"schema": 1, "regions": [{"name": "a/b", "bounds": [0, 0, 1, 1]}]}',
        '{"schema": 1, "regions": [{"name": "a", "bounds": [1, 0, 0, 1]}]}',
    ],
)
def test_a_damaged_file_of_imported_regions_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "regions.json").write_text(text, encoding="utf-8")
    with pytest.raises(RegionError) as caught:
        RegionCatalogue.load(tmp_path)
    assert str(tmp_path / "regions.json") in caught.value.what
    assert "\n" not in caught.value.why


def test_saving_leaves_one_whole_file_and_nothing_else(tmp_path: Path) -> None:
    catalogue = RegionCatalogue.load(tmp_path).merged([NEW], replace=False).catalogue
    catalogue.save(tmp_path)
    catalogue.save(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["regions.json"]
    assert json.loads((tmp_path / "regions.json").read_text())["regions"][0]["name"] == "a_new_one"


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RegionError) as caught:
        RegionCatalogue.load(tmp_path / "none").save(tmp_path / "file")
    assert str(tmp_path / "file") in caught.value.what
    assert "GLACIERCTL_DATA_DIR" in caught.value.hint
