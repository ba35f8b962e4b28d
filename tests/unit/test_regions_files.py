"""Files of regions. geopandas, shapely and pyproj write the files and say what is right; never our own export alone."""

import json
import tempfile
from pathlib import Path

import geopandas
import pandas as pd
import pyogrio
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from tests.support.paths import require_shared_data

from glacierctl.errors import RegionError
from glacierctl.model import Region
from glacierctl.regions.builtin import builtin_regions
from glacierctl.regions.columns import ColumnChoice
from glacierctl.regions.files import ReadRegions, read_regions, write_regions
from glacierctl.regions.rows import clean_name, parse_tiles

BOXES = {"one": (0, -2_000_000, 3000, -1_997_000), "two": (-541_690, -1_232_300, -523_390, -1_211_600)}
EDGES = ["xmin", "ymin", "xmax", "ymax"]
SEVERAL_CRS = (
    *builtin_regions(),
    Region(name="alaska", bounds=(500_000, 6_650_010, 510_020, 6_660_030), crs="EPSG:32607"),
    Region(name="thirds", bounds=(0.1, 1 / 3, 30.1, 30 + 1 / 3), tiles=("01WCR", "19XEG")),
    Region(name="south", bounds=(-847_619, 770_153, -756_599, 862_283), crs="EPSG:3031"),
)


def frame(**columns: object) -> geopandas.GeoDataFrame:
    """Two good regions; columns replace or add."""
    data = {"name": list(BOXES), "tiles": ["22WEB", "19XEG,19XEF"], **columns}
    shapes = data.pop("geometry", [shapely.box(*box) for box in BOXES.values()])
    crs = data.pop("crs_of_file", "EPSG:3413")
    return geopandas.GeoDataFrame(
        {key: values for key, values in data.items() if values is not None}, geometry=shapes, crs=crs
    )


def gpkg(path: Path, **columns: object) -> Path:
    frame(**columns).to_file(path / "regions.gpkg", driver="GPKG")
    return path / "regions.gpkg"


def csv_file(path: Path, text: str) -> Path:
    (path / "regions.csv").write_text(text, encoding="utf-8")
    return path / "regions.csv"


def read(path: Path, **choice: str) -> ReadRegions:
    """Read a file; `layer` and `grid_crs` are told from what is said about columns."""
    apart = {key: choice.pop(key) for key in ("layer", "grid_crs") if key in choice}
    return read_regions(path, ColumnChoice(**choice), **apart)


def refusal(path: Path, **choice: str) -> str:
    """What a file is refused with: what, why and hint in one line."""
    with pytest.raises(RegionError) as caught:
        read(path, **choice)
    said = f"{caught.value.what} | {caught.value.why} | {caught.value.hint}"
    assert "\n" not in said
    return said


def test_the_192_regions_of_greenland_are_read_exactly() -> None:
    path = require_shared_data("regions", "glaciers_roi_proj_v3_300m.gpkg")
    expected = geopandas.read_file(path)
    made = read(path)
    assert made.notes == ()
    assert [region.name for region in made.regions] == expected.region.tolist()
    assert [region.bounds for region in made.regions] == [shape.bounds for shape in expected.geometry]
    assert [",".join(region.tiles) for region in made.regions] == expected.utm_grid.tolist()


@pytest.mark.parametrize("kind", ["r.gpkg", "r.shp", "r.geojson", "wkt.csv", "bounds.csv"])
def test_boxes_are_taken_exactly_from_every_kind_of_file(tmp_path: Path, kind: str) -> None:
    data, path = frame(), tmp_path / kind
    if kind == "wkt.csv":
        data.to_wkt().to_csv(path, index=False)
    elif kind == "bounds.csv":
        data[["name", "tiles"]].join(data.bounds.set_axis(EDGES, axis=1)).to_csv(path, index=False)
    else:
        data.to_file(path)
    made = read(path, crs="EPSG:3413")
    assert {region.name: region.bounds for region in made.regions} == BOXES
    assert [region.tiles for region in made.regions] == [("22WEB",), ("19XEG", "19XEF")]
    assert {region.crs for region in made.regions} == {"EPSG:3413"}
    assert made.notes == ()


def test_tiles_are_not_needed(tmp_path: Path) -> None:
    assert [region.tiles for region in read(gpkg(tmp_path, tiles=None)).regions] == [(), ()]
    assert [region.tiles for region in read(gpkg(tmp_path, tiles=[None, ""])).regions] == [(), ()]


def test_shapes_in_degrees_become_their_bounding_box_on_the_grids_crs(tmp_path: Path) -> None:
    square = shapely.Polygon([(-50, 69), (-49, 69), (-49, 69.5), (-50, 69.5)])
    made = read(gpkg(tmp_path, name=["a"], tiles=["22WEB"], geometry=[square], crs_of_file="EPSG:4326"))
    dense = geopandas.GeoSeries([shapely.segmentize(square, 0.001)], crs="EPSG:4326").to_crs("EPSG:3413")
    region = made.regions[0]
    expected = dense.total_bounds
    assert shapely.box(*region.bounds).buffer(0.5).contains(shapely.box(*expected))
    assert max(abs(region.bounds[i] - expected[i]) for i in range(4)) < 31
    assert all((high - low) % 30 == 0 for low, high in (region.bounds[::2], region.bounds[1::2]))
    assert "1 of 1 are bounding boxes" in made.notes[0]


def test_grids_lie_in_another_crs_on_request(tmp_path: Path) -> None:
    data = frame().to_crs("EPSG:32622")
    data.to_file(tmp_path / "utm.gpkg")
    assert {region.crs for region in read(tmp_path / "utm.gpkg", grid_crs="EPSG:32622").regions} == {"EPSG:32622"}
    assert {region.crs for region in read(tmp_path / "utm.gpkg").regions} == {"EPSG:3413"}
    assert "projected" in refusal(tmp_path / "utm.gpkg", grid_crs="EPSG:4326")


def test_sides_that_are_no_multiples_of_30_m_grow_and_it_is_said(tmp_path: Path) -> None:
    made = read(gpkg(tmp_path, geometry=[shapely.box(0, 0, 3010, 3000), shapely.box(0, 0, 3000, 3000)]))
    assert [region.bounds for region in made.regions] == [(0, 0, 3030, 3000), (0, 0, 3000, 3000)]
    assert made.notes == ("1 of 2 grew outward to sides that are multiples of 30 m: one.",)


@pytest.mark.parametrize(
    ("written", "read_as"),
    [
        ("19XEG", ("19XEG",)),
        ("1WCR", ("01WCR",)),
        ("MGRS-1WCR", ("01WCR",)),
        ("T26XMR", ("26XMR",)),
        ("22xer, 22XDR", ("22XER", "22XDR")),
        ("22XER 22XDR;22XER", ("22XER", "22XDR")),
        ("", ()),
    ],
)
def test_tiles_are_read_in_all_common_spellings(written: str, read_as: tuple[str, ...]) -> None:
    assert parse_tiles(written) == read_as


@pytest.mark.parametrize("text", ["19XE", "61XEG", "00XEG", "19IEG", "19XOG", "19XEW", "XEG", "19XEGH", "19XEG/19XEF"])
def test_what_is_no_tile_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no MGRS tile"):
        parse_tiles(f"19XEG,{text}")


@pytest.mark.parametrize(
    ("name", "cleaned"),
    [("Sermeq Kujalleq", "Sermeq_Kujalleq"), ("Ísbræ/5", "Isbr_5"), ("_x_", "x"), ("???", "region"), ("a\nb", "a_b")],
)
def test_a_name_that_cannot_be_a_folder_is_offered_cleaned(name: str, cleaned: str) -> None:
    assert clean_name(name) == cleaned


def test_names_that_are_numbers_are_read_as_written(tmp_path: Path) -> None:
    assert [region.name for region in read(gpkg(tmp_path, name=[7, 8])).regions] == ["7", "8"]
    assert [region.name for region in read(gpkg(tmp_path, name=[7.0, 8.5])).regions] == ["7", "8.5"]


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"name": ["one", "one"]}, ["one: 2 regions have this name"]),
        ({"name": ["one", "Sermeq Kujalleq"]}, ["Sermeq Kujalleq: ", "Sermeq_Kujalleq could"]),
        ({"name": ["one", "../two"]}, ["../two"]),
        ({"name": ["one", "all"]}, ["all: this name selects every region"]),
        ({"name": ["one", None]}, ["row 2: it has no name"]),
        ({"name": ["one", "  "]}, ["row 2: it has no name"]),
        ({"tiles": ["22WEB", "22WEB,banana"]}, ["two: no MGRS tile: banana"]),
        ({"geometry": [shapely.box(0, 0, 30, 30), None]}, ["two: it has no geometry"]),
        ({"geometry": [shapely.box(0, 0, 30, 30), shapely.Polygon()]}, ["two: it has no geometry"]),
        ({"geometry": [shapely.box(0, 0, 30, 30), shapely.Point(0, 0)]}, ["two: its geometry is a Point"]),
        (
            {"geometry": [shapely.box(0, 0, 30, 30), shapely.Polygon([(0, 0), (9, 9), (9, 0), (0, 9)])]},
            ["two: its geometry is invalid: Self-intersection"],
        ),
        ({"geometry": [shapely.box(0, 0, 30, 30), shapely.box(0, 0, 2e6, 30)]}, ["two: it is 2000 x 0.03 km"]),
        (
            {"geometry": [shapely.box(0, 70, 1, 71), shapely.box(0, -90, 1, -89)], "crs_of_file": "EPSG:4326"},
            ["two: it is ", "more than 1000 km a side"],
        ),
        ({"name": None}, ["no column of names", "they are tiles", "--name-column"]),
    ],
)
def test_a_file_with_one_thing_wrong_is_refused_with_it(
    tmp_path: Path, columns: dict[str, object], words: list[str]
) -> None:
    said = refusal(gpkg(tmp_path, **columns))
    for word in words:
        assert word in said


@pytest.mark.parametrize("kind", ["r.shp", "bounds.csv", "wkt.csv"])
def test_a_file_that_does_not_say_its_crs_asks_for_it(tmp_path: Path, kind: str) -> None:
    data, path = frame(crs_of_file=None), tmp_path / kind
    if kind == "r.shp":
        data.set_crs("EPSG:3413").to_file(path)
        path.with_suffix(".prj").unlink()
    elif kind == "wkt.csv":
        data.to_wkt().to_csv(path, index=False)
    else:
        data[["name"]].join(data.bounds.set_axis(EDGES, axis=1)).to_csv(path, index=False)
    assert "does not say the CRS" in refusal(path)
    assert "--crs EPSG:3413" in refusal(path)
    assert [region.bounds for region in read(path, crs="EPSG:3413").regions] == list(BOXES.values())


def test_everything_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    said = refusal(gpkg(tmp_path, name=["a b", "c"], tiles=["nix", "22WEB"], geometry=[None, shapely.Point(0, 0)]))
    assert "4 problems" in said
    for word in ("a_b could", "no MGRS tile: nix", "a b: it has no geometry", "c: its geometry is a Point"):
        assert word in said


def test_very_many_problems_are_counted(tmp_path: Path) -> None:
    rows = "".join(f"{number} x,0,0,1,1\n" for number in range(100))
    said = refusal(csv_file(tmp_path, "name,xmin,ymin,xmax,ymax\n" + rows), crs="EPSG:3413")
    assert "100 problems" in said
    assert "and 80 more" in said


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert "there is no file" in refusal(tmp_path / "none.gpkg")
    (tmp_path / "folder.gpkg").mkdir()
    assert "there is no file" in refusal(tmp_path / "folder.gpkg")


@pytest.mark.parametrize("suffix", [".gpkg", ".geojson", ".json", ".shp"])
@pytest.mark.parametrize("content", [b"", b"not a table of regions", b"\xff\xfe\x00" * 50])
def test_a_file_that_is_not_what_its_suffix_says_is_refused(tmp_path: Path, suffix: str, content: bytes) -> None:
    path = tmp_path / f"regions{suffix}"
    path.write_bytes(content)
    assert str(path) in refusal(path)


def test_a_damaged_geopackage_is_refused(tmp_path: Path) -> None:
    path = gpkg(tmp_path)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    assert str(path) in refusal(path)


def test_an_unknown_suffix_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    for name in ("regions.kml", "regions"):
        (tmp_path / name).write_text("x")
        assert ".gpkg, .geojson, .json, .shp, .csv" in refusal(tmp_path / name)


def test_files_without_regions_are_refused(tmp_path: Path) -> None:
    empty = frame().iloc[:0]
    empty.to_file(tmp_path / "empty.gpkg")
    assert "holds no regions" in refusal(tmp_path / "empty.gpkg")
    assert "holds no regions" in refusal(csv_file(tmp_path, ""))
    assert "holds no regions" in refusal(csv_file(tmp_path, "name,xmin,ymin,xmax,ymax\n"))
    (tmp_path / "none.geojson").write_text('{"type": "FeatureCollection", "features": []}')
    assert str(tmp_path / "none.geojson") in refusal(tmp_path / "none.geojson")


def test_a_table_without_geometry_is_refused(tmp_path: Path) -> None:
    pyogrio.write_dataframe(pd.DataFrame({"name": ["a"]}), tmp_path / "table.gpkg", driver="GPKG")
    assert "no geometry" in refusal(tmp_path / "table.gpkg")


def test_a_file_of_several_layers_asks_which(tmp_path: Path) -> None:
    path = tmp_path / "two.gpkg"
    frame().to_file(path, layer="first")
    frame(name=["three", "four"]).to_file(path, layer="second")
    assert "its layers are first, second" in refusal(path)
    assert "no layer 'third'" in refusal(path, layer="third")
    assert [region.name for region in read(path, layer="second").regions] == ["three", "four"]


def test_columns_are_found_in_any_case_or_as_told(tmp_path: Path) -> None:
    path = gpkg(tmp_path, name=None, tiles=None, Glacier=["a", "b"], UTM_Grid=["22WEB", "22WEC"], Other=["c", "d"])
    assert [(region.name, region.tiles) for region in read(path).regions] == [("a", ("22WEB",)), ("b", ("22WEC",))]
    made = read(path, name="Other", tiles="UTM_Grid")
    assert [region.name for region in made.regions] == ["c", "d"]
    assert "no column 'nix'" in refusal(path, name="nix")
    assert "--tiles-column" in refusal(path, tiles="nix")


def test_a_files_own_crs_is_not_overruled(tmp_path: Path) -> None:
    assert "says its CRS itself" in refusal(gpkg(tmp_path), crs="EPSG:4326")
    assert len(read(gpkg(tmp_path), crs="EPSG:3413").regions) == 2
    assert "unknown" in refusal(gpkg(tmp_path), crs="EPSG:0")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name,xmin,ymin,xmax\na,0,0,30\n", ["says nowhere where", "xmin, ymin, xmax, ymax"]),
        ("name,xmin,ymin,xmax,ymax\na,0,0,30\n", ["more or fewer cells", "1"]),
        ("name,tiles,xmin,ymin,xmax,ymax\na,22WEB,22WEC,0,0,30,30\n", ["more or fewer cells", "quotes"]),
        ("name,xmin,ymin,xmax,ymax\na,0,0,30,x\n", ["a: xmin,ymin,xmax,ymax are 0,0,30,nan"]),
        ("name,xmin,ymin,xmax,ymax\na,30,0,0,30\n", ["a: xmin,ymin,xmax,ymax are 30,0,0,30"]),
        ("name,xmin,ymin,xmax,ymax\na,0,0,30,inf\n", ["a: xmin"]),
        ("name,wkt\na,POLYGON((0 0\n", ["a: it has no geometry"]),
        ('name,wkt\na,"POLYGON((0 0, 1 1"\n', ["a: it has no geometry"]),
        ('name,"wkt\na,b', ["cannot be read"]),
        ("name,xmin,ymin,xmax,ymax,crs\na,0,0,30,30,EPSG:0\n", ["EPSG:0", "unknown"]),
    ],
)
def test_a_csv_with_one_thing_wrong_is_refused_with_it(tmp_path: Path, text: str, words: list[str]) -> None:
    said = refusal(csv_file(tmp_path, text), crs="EPSG:3413")
    for word in words:
        assert word in said


def test_a_csv_in_degrees_is_brought_onto_the_grids_crs(tmp_path: Path) -> None:
    path = csv_file(tmp_path, "\ufeffname,xmin,ymin,xmax,ymax\na,-50,69,-49,69.5\n")
    region = read(path, crs="EPSG:4326").regions[0]
    square = geopandas.GeoSeries([shapely.segmentize(shapely.box(-50, 69, -49, 69.5), 0.001)], crs="EPSG:4326")
    expected = square.to_crs("EPSG:3413").total_bounds
    assert max(abs(region.bounds[i] - expected[i]) for i in range(4)) < 31


@pytest.mark.parametrize("suffix", [".gpkg", ".geojson", ".csv"])
def test_an_export_is_read_back_exactly(tmp_path: Path, suffix: str) -> None:
    for regions in (SEVERAL_CRS, builtin_regions(), SEVERAL_CRS[-3:-2]):
        write_regions(regions, tmp_path / f"r{suffix}")
        made = read(tmp_path / f"r{suffix}")
        assert made.regions == regions
        assert made.notes == ()


@given(st.tuples(st.floats(-1e6, 1e6), st.floats(-3e6, -1e6)), st.integers(1, 3000), st.integers(1, 3000))
def test_any_region_survives_a_csv(corner: tuple[float, float], columns: int, rows: int) -> None:
    bounds = (*corner, corner[0] + 30 * columns, corner[1] + 30 * rows)
    with tempfile.TemporaryDirectory() as folder:
        write_regions([Region(name="any", bounds=bounds)], Path(folder, "r.csv"))
        assert read(Path(folder, "r.csv")).regions[0].bounds == bounds


def test_exported_shapes_lie_where_the_regions_are(tmp_path: Path) -> None:
    write_regions(builtin_regions(), tmp_path / "r.geojson")
    write_regions(builtin_regions(), tmp_path / "r.gpkg")
    in_degrees = geopandas.read_file(tmp_path / "r.geojson")
    assert in_degrees.crs.to_epsg() == 4326 or in_degrees.crs.to_string() == "OGC:CRS84"
    for shape, region in zip(in_degrees.to_crs("EPSG:3413").geometry, builtin_regions(), strict=True):
        assert max(abs(a - b) for a, b in zip(shape.bounds, region.bounds, strict=True)) < 0.01
    exact = geopandas.read_file(tmp_path / "r.gpkg")
    assert [shape.bounds for shape in exact.geometry] == [region.bounds for region in builtin_regions()]
    document = json.loads((tmp_path / "r.geojson").read_text())
    assert document["features"][0]["properties"]["crs"] == "EPSG:3413"


def test_an_exported_shape_that_was_moved_is_not_silently_ignored(tmp_path: Path) -> None:
    path = tmp_path / "r.geojson"
    write_regions(builtin_regions(), path)
    document = json.loads(path.read_text())
    ring = document["features"][7]["geometry"]["coordinates"][0]
    document["features"][7]["geometry"]["coordinates"][0] = [[lon + 0.01, lat] for lon, lat in ring]
    path.write_text(json.dumps(document))
    assert "1 problem | 163_Bowdoin: its geometry and its columns xmin,ymin,xmax,ymax disagree" in refusal(path)


def test_an_export_to_an_impossible_place_is_refused(tmp_path: Path) -> None:
    for name in ("r.kml", "none/r.csv", "none/r.gpkg", "none/r.geojson"):
        with pytest.raises(RegionError) as caught:
            write_regions(builtin_regions(), tmp_path / name)
        assert str(tmp_path / name) in caught.value.what
