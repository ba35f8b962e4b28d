import pytest

from glacierctl.errors import RegionError
from glacierctl.regions.builtin import builtin_regions
from glacierctl.regions.names import search_names, select_names

NAMES = [region.name for region in builtin_regions()]


def test_built_in_names_are_sorted_which_is_what_slices_count_in() -> None:
    assert sorted(NAMES) == NAMES
    assert len(NAMES) == 11


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("163_Bowdoin", ["163_Bowdoin"]),
        ("189_Ryder,163_Bowdoin", ["189_Ryder", "163_Bowdoin"]),
        (" 189_Ryder , 163_Bowdoin, ", ["189_Ryder", "163_Bowdoin"]),
        ("163_bowdoin", ["163_Bowdoin"]),
        ("090_PETERMANN", ["090_petermann"]),
        ("*Brae", ["191_Hagen_Brae"]),
        ("*brae", ["191_Hagen_Brae"]),
        ("1[34]*", ["134_Arsuk", "138_SermiitsiaqInTasermiut", "140_CentralLindenow"]),
        ("???_Ryder", ["189_Ryder"]),
        ("all", NAMES),
        (":", NAMES),
        ("0:65", NAMES),
        ("0:2", NAMES[0:2]),
        ("9:", NAMES[9:]),
        ("-2:", NAMES[-2:]),
        (":-9", NAMES[:-9]),
        ("191*,0:2,163_Bowdoin,049*", ["191_Hagen_Brae", "049_jakobshavn", "090_petermann", "163_Bowdoin"]),
        ("163_Bowdoin,163_Bowdoin,163_bowdoin", ["163_Bowdoin"]),
    ],
)
def test_an_expression_selects_in_its_own_order_without_repeats(expression: str, expected: list[str]) -> None:
    assert select_names(expression, NAMES) == expected


def test_an_exact_name_goes_before_one_in_other_letters() -> None:
    assert select_names("alpha", ["Alpha", "alpha"]) == ["alpha"]


def test_a_name_that_fits_two_in_other_letters_is_refused_with_both() -> None:
    with pytest.raises(RegionError) as caught:
        select_names("ALPHA", ["Alpha", "alpha"])
    assert "Alpha" in caught.value.hint
    assert "alpha" in caught.value.hint


@pytest.mark.parametrize(
    ("expression", "unknown", "near"),
    [
        ("bowdoin", "bowdoin", "163_Bowdoin"),
        ("Bowdion", "Bowdion", "163_Bowdoin"),
        ("162_Bowdoin", "162_Bowdoin", "163_Bowdoin"),
        ("hagen", "hagen", "191_Hagen_Brae"),
        ("189_Rider,090_petermann", "189_Rider", "189_Ryder"),
        ("Akademy,Peterman", "Akademy, Peterman", "190_Academy, 090_petermann"),
    ],
)
def test_an_unknown_name_fails_with_the_nearest_ones(expression: str, unknown: str, near: str) -> None:
    with pytest.raises(RegionError) as caught:
        select_names(expression, NAMES)
    assert caught.value.what.endswith(unknown)
    assert f"Did you mean {near}" in caught.value.hint
    assert "glacierctl regions list" in caught.value.hint


@pytest.mark.parametrize("expression", ["", " ", ",", "zz*", "20:30", "5:5", "-1:0", "163_Bowdoin,zz*", "1:2:3", "5"])
def test_what_selects_nothing_is_refused(expression: str) -> None:
    with pytest.raises(RegionError) as caught:
        select_names(expression, NAMES)
    assert "glacierctl regions list" in caught.value.hint
    assert caught.value.exit_code == 2


def test_a_search_finds_parts_of_names_and_patterns() -> None:
    assert search_names("bow", NAMES) == ["163_Bowdoin"]
    assert search_names("*den*", NAMES) == ["140_CentralLindenow"]
    assert search_names("*", NAMES) == NAMES
    assert search_names("zz", NAMES) == []
