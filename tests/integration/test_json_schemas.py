"""What `--json` prints is what docs/schemas describes: real documents of real commands, and spoiled ones."""

import datetime as dt
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import jsonschema
import pytest
import rasterio
from tests.support import command
from tests.support.items import landsat_item, sentinel2_item, write_static_catalog
from tests.support.paths import REPO
from tests.support.schemas import SCHEMAS, Json, at, let_through, places, refusals

from glacierctl import model
from glacierctl.choices import Resampling, Satellite
from glacierctl.demo.build import build_demo
from glacierctl.planning.preview import State

Run = Callable[..., command.Ran]

COUNTS = {"skipped", "rejected_by_reason"}
"""Objects whose keys are words to be counted, so that none is required."""

JULY = ("--start-date", "2024-07-01", "--end-date", "2024-07-31")
DEMO = ("--bbox", "-210690,-975690,-198630,-966600")
S2, LANDSAT = ("--satellite", "sentinel2"), ("--satellite", "landsat")

DOCUMENTS = (
    ("run-local", "made"),
    ("run-local", "exists"),
    ("run-local", "failed"),
    ("run-local", "cloudy"),
    ("run-local", "nothing"),
    ("plan", "planned"),
    ("plan", "dry run"),
    ("plan", "superseded and rejected"),
    ("plan", "landsat"),
    ("regions-list", "listed"),
    ("regions-show", "shown"),
    ("regions-import", "imported"),
    ("regions-export", "exported"),
    ("error", "unknown region"),
    ("error", "wrong usage"),
    ("error", "no catalogue"),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the commands are run."""
    return tmp_path_factory.mktemp("documents")


@pytest.fixture(scope="module")
def documents(folder: Path) -> dict[str, Json]:
    """Every document of DOCUMENTS by its name, as the installed program printed it."""
    own = {"GLACIERCTL_DATA_DIR": str(folder / "data"), "XDG_CONFIG_HOME": str(folder / "config")}

    def run(*args: str | Path, code: int = 0) -> Json:
        ran = command.run(*args, "--json", cwd=folder, env=own)
        assert ran.code == code, ran.stderr
        document: Json = json.loads(ran.stdout)
        return document

    return {**_runs(run, folder), **_plans(run, folder), **_regions(run, folder), **_errors(run, folder)}


def _runs(run: Callable[..., Json], folder: Path) -> dict[str, Json]:
    build_demo(folder / "demo")
    shutil.copytree(folder / "demo", folder / "broken")
    (broken,) = (folder / "broken").rglob("S2A_21XWK_20240714_0_L2A/B08.tif")
    broken.write_bytes(b"<html>")
    asked = ("run-local", *S2, *DEMO, *JULY)
    return {
        "made": run(*asked, "--catalog", "demo", "--output", "out"),
        "exists": run(*asked, "--catalog", "demo", "--output", "out"),
        "failed": run(*asked, "--catalog", "broken", "--output", "broken-out", code=1),
        "cloudy": run(*asked, "--catalog", "demo", "--output", "clear", "--max-cloud", "0.1"),
        "nothing": run("run-local", *S2, "--regions", "134_Arsuk", *JULY, "--catalog", "demo"),
        "planned": run("plan", *S2, *DEMO, *JULY, "--catalog", "demo", "--output", "out"),
        "dry run": run(*asked, "--catalog", "demo", "--dry-run"),
    }


def _plans(run: Callable[..., Json], folder: Path) -> dict[str, Json]:
    sensed_at = dt.datetime(2024, 7, 4, 15, tzinfo=dt.UTC)
    older = sentinel2_item(tile="22XER", sensed_at=sensed_at, baseline="05.09", sequence=1)
    spoiled = sentinel2_item(tile="22XDR", sensed_at=sensed_at)
    del spoiled["assets"]["nir"]
    newest = sentinel2_item(tile="22XER", sensed_at=sensed_at, scl_href=None)
    write_static_catalog(folder / "ryder", [newest, older, spoiled])
    write_static_catalog(folder / "landsat", [landsat_item()])
    return {
        "superseded and rejected": run("plan", *S2, "--regions", "*Ryder", *JULY, "--catalog", "ryder"),
        "landsat": run("plan", *LANDSAT, "--regions", "049_jakobshavn", *JULY, "--catalog", "landsat"),
    }


def _regions(run: Callable[..., Json], folder: Path) -> dict[str, Json]:
    (folder / "mine.csv").write_text("name,xmin,ymin,xmax,ymax\nnew,0,0,31,30\n163_Bowdoin,0,0,30,30\n")
    return {
        "imported": run("regions", "import", "mine.csv", "--crs", "EPSG:3413", "--replace"),
        "listed": run("regions", "list"),
        "shown": run("regions", "show", "new"),
        "exported": run("regions", "export", "out.gpkg"),
    }


def _errors(run: Callable[..., Json], folder: Path) -> dict[str, Json]:
    return {
        "unknown region": run("regions", "show", "163_Bowdion", code=2),
        "wrong usage": run("plan", *S2, code=2),
        "no catalogue": run("plan", *S2, *DEMO, *JULY, "--catalog", folder / "nowhere", code=1),
    }


@pytest.mark.parametrize(("name", "which"), DOCUMENTS)
def test_what_is_printed_is_what_the_schema_describes(name: str, which: str, documents: dict[str, Json]) -> None:
    assert refusals(name, documents[which]) == []


def test_the_documents_show_every_case(documents: dict[str, Json]) -> None:
    kinds = {one["outcome"] for which in ("made", "failed") for one in documents[which]["outcomes"]}
    assert kinds == {"product", "skipped", "failed"}
    assert documents["exists"]["total"]["skipped"] == {"coverage": 1, "exists": 2}
    assert documents["cloudy"]["total"]["skipped"] == {"cloud": 1, "coverage": 1}
    assert documents["nothing"]["nothing_because"]
    assert documents["nothing"]["regions_without_acquisitions"] == ["134_Arsuk"]
    assert [one["state"] for one in documents["planned"]["regions"][0]["acquisitions"]] == [
        "exists",
        "exists",
        "too little overlap",
    ]
    assert documents["superseded and rejected"]["rejected"]
    assert documents["superseded and rejected"]["regions"][0]["acquisitions"][0]["superseded"]
    assert documents["landsat"]["regions"][0]["acquisitions"][0]["scenes"][0]["tile"] is None
    assert documents["imported"]["notes"]
    assert documents["imported"]["replaced"] == ["163_Bowdoin"]
    assert documents["dry run"]["store"].endswith("/results")


@pytest.mark.parametrize(("name", "which"), DOCUMENTS)
def test_a_spoiled_document_is_refused(name: str, which: str, documents: dict[str, Json]) -> None:
    assert let_through(name, documents[which], counts=COUNTS) == []


def test_every_field_of_an_item_and_every_tag_of_an_image_is_on_the_page_of_products(
    documents: dict[str, Json], folder: Path
) -> None:
    image = folder / "out" / documents["made"]["outcomes"][0]["key"]
    item = json.loads(image.with_suffix(".json").read_text(encoding="utf-8"))
    with rasterio.open(image) as opened:
        tags = opened.tags().keys() - {"AREA_OR_POINT"}
    (band,) = item["assets"]["image"]["bands"]
    fields = {*item["properties"], *item["assets"], *band, *item["properties"]["glacierctl:offsets"][0], *tags}
    page = (REPO / "docs/products.md").read_text(encoding="utf-8")
    assert sorted(name for name in fields if f"`{name}`" not in page) == []


def test_every_command_that_prints_json_has_its_schema() -> None:
    tests = "".join(file.read_text(encoding="utf-8") for file in (REPO / "tests").rglob("test_*.py"))
    checked = {name for name in SCHEMAS if f'check_document("{name}"' in tests}
    assert SCHEMAS.keys() == {name for name, _ in DOCUMENTS} | checked


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schema_describes_every_field_and_leaves_none_open(name: str) -> None:
    schema = SCHEMAS[name]
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["properties"]["schema"]["const"] == 1
    for path in places(schema):
        part = at(schema, path)
        if "properties" in part and path[-1:] != ("properties",):
            assert part["additionalProperties"] is False, path
            assert all(field.get("description") for field in part["properties"].values()), path


def fields(name: str, part: str) -> set[str]:
    schema = SCHEMAS[name]
    return set(at(schema, tuple(part.split("/")))["properties"])


@pytest.mark.parametrize(
    ("name", "part", "value"),
    [
        ("run-local", "$defs/product", model.Product),
        ("run-local", "$defs/skipped", model.Skipped),
        ("run-local", "$defs/failed", model.Failed),
        ("run-local", "$defs/usage", model.Usage),
        ("run-local", "$defs/offset", model.OffsetDecision),
        ("plan", "$defs/region", model.Region),
        ("plan", "$defs/superseded", model.Superseded),
        ("plan", "$defs/rejected", model.Rejected),
        ("plan", "properties/request", model.Request),
        ("plan", "properties/request/properties/options", model.Options),
    ],
)
def test_the_schemas_have_the_fields_of_the_values(name: str, part: str, value: type[model.Value]) -> None:
    assert fields(name, part) == set(value.model_fields)


def test_the_schemas_have_the_words_of_the_code() -> None:
    run, plan = SCHEMAS["run-local"], SCHEMAS["plan"]
    request = plan["properties"]["request"]["properties"]
    assert run["$defs"]["skipped"]["properties"]["reason"]["enum"] == list(get_args(model.Reason))
    counted = run["properties"]["total"]["properties"]["skipped"]["propertyNames"]["enum"]
    assert counted == list(get_args(model.Reason))
    assert plan["$defs"]["acquisition"]["properties"]["state"]["enum"] == [str(state) for state in State]
    assert request["satellite"]["enum"] == [str(one) for one in Satellite]
    assert request["options"]["properties"]["resampling"]["enum"] == [str(one) for one in Resampling]
