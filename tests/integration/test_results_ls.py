"""`glacierctl results ls` over real products, in a folder and on S3; rasterio and the file system are the oracles."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import rasterio
from tests.support import results
from tests.support.command import Ran
from tests.support.results import Results
from tests.support.schemas import Json, check_document

from glacierctl.choices import Satellite
from glacierctl.cli.results_place import Place
from glacierctl.errors import GlacierctlError, StoreError
from glacierctl.results.catalogue import Wanted, list_products, read_products
from glacierctl.results.product import read_product
from glacierctl.storage.s3 import S3Store

Glacierctl = Callable[..., Ran]
EAST, WEST = results.REGIONS


@pytest.fixture
def store(small_results: Results, tmp_path: Path) -> Path:
    """A copy of the results that a test may spoil."""
    return shutil.copytree(small_results.folder, tmp_path / "results")


def listed(ran: Ran, code: int = 0) -> Json:
    assert ran.code == code, ran.stderr
    document: Json = json.loads(ran.stdout)
    return document


def chosen(
    results_: Results, *, run: str | None = None, regions: str | None = None, satellite: Satellite | None = None
) -> list[tuple[str, str]]:
    place = Place(output=str(results_.folder), bucket=None, prefix=None, aws_region=None)
    return [(one.region, one.name) for one in list_products(*place.find(run, regions, satellite)).products]


def names(document: Json) -> list[tuple[str, str]]:
    return [(one["region"], one["product"]) for one in document["products"]]


def test_everything_is_listed_with_what_its_files_show(glacierctl: Glacierctl, small_results: Results) -> None:
    document = listed(glacierctl("results", "ls", "--output", small_results.folder, "--json"))
    check_document("results-ls", document)
    assert names(document) == small_results.products()
    assert len(document["products"]) == 6
    for one in document["products"]:
        image = small_results.folder / one["image"]
        table = small_results.folder / f"sentinel2/metadata/individual_csv/{one['region']}/{one['product']}.csv"
        files = [image, image.with_suffix(".json"), image.with_suffix(".png"), table]
        assert one["size_bytes"] == sum(file.stat().st_size for file in files)
        with rasterio.open(image) as opened:
            assert one["coverage"] == pytest.approx((opened.read(1) > 0).mean(), abs=1e-6)
            assert one["acquired_at"] == opened.tags()["ACQUIRED_AT"].replace("Z", "+00:00")
        assert image.with_suffix(".json") == small_results.folder / one["item"]
    clouds = [one["cloud_share"] for one in document["products"]]
    assert clouds[0] == 0
    assert 0.2 < clouds[1] < 0.8, "the second pass is half cloudy"
    assert document["total"]["products"] == 6
    assert document["total"]["regions"] == 2
    assert document["total"]["size_bytes"] == sum(one["size_bytes"] for one in document["products"])


def test_the_table_has_a_line_for_each_product_and_the_sum(glacierctl_here: Glacierctl, small_results: Results) -> None:
    ran = glacierctl_here("results", "ls", "--output", small_results.folder)
    header, *rows, total = ran.stdout.splitlines()
    assert header.split() == ["region", "product", "date", "size", "coverage", "cloud"]
    assert [tuple(row.split()[:2]) for row in rows] == small_results.products()
    assert rows[0].split()[2:4] == ["2024-07-04", "15:09"]
    assert rows[0].split()[-2:] == ["100.0%", "0%"]
    assert total.startswith("PRODUCTS 6 · REGIONS 2 · ")
    assert total.endswith(str(small_results.folder))


@pytest.mark.usefixtures("results_bucket")
def test_the_bucket_of_the_deployment_is_listed_where_nothing_else_is_named(
    glacierctl: Glacierctl, small_results: Results
) -> None:
    document = listed(glacierctl("results", "ls", "--json"))
    assert document["store"] == results.URL
    assert names(document) == small_results.products()
    local = listed(glacierctl("results", "ls", "--json", "--output", small_results.folder))
    assert document["products"] == local["products"]


@pytest.mark.usefixtures("results_bucket")
def test_another_place_can_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def found(**flags: str) -> int:
        place = Place(**{"output": None, "bucket": None, "prefix": None, "aws_region": None, **flags})
        return len(list_products(*place.find(None, None, None)).products)

    results.client().create_bucket(Bucket="elsewhere", CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    assert found(bucket=results.BUCKET) == 6
    assert found(bucket="elsewhere") == 0
    assert found(prefix="other/") == 0
    monkeypatch.setenv("GLACIERCTL_BUCKET", "elsewhere")
    assert found() == 0
    assert found(output=results.URL) == 6


@pytest.mark.usefixtures("results_bucket")
def test_a_listing_takes_a_request_for_each_item_and_one_for_each_satellite() -> None:
    client, asked = results.client(), []
    client.meta.events.register("before-send.s3", lambda request, **_: asked.append(f"{request.method} {request.url}"))
    store = S3Store(results.URL, client)
    read = read_products(store, list_products(store, Wanted()).products)
    assert len(read.products) == 6
    assert len([one for one in asked if "list-type=2" in one]) == 2
    assert len([one for one in asked if ".json" in one]) == 6
    assert len(asked) == 8


@pytest.mark.parametrize(
    ("regions", "satellite", "expected"),
    [
        (EAST, None, {EAST}),
        ("small_*", None, {EAST, WEST}),
        ("*west,SMALL_EAST", None, {EAST, WEST}),
        (f"163_Bowdoin,{WEST}", None, {WEST}),
        ("163_Bowdoin", None, set()),
        (None, Satellite.SENTINEL2, {EAST, WEST}),
        (None, Satellite.LANDSAT, set()),
    ],
)
def test_regions_and_satellites_are_chosen(
    small_results: Results, regions: str | None, satellite: Satellite | None, expected: set[str]
) -> None:
    found = chosen(small_results, regions=regions, satellite=satellite)
    assert found == [one for one in small_results.products() if one[0] in expected]


@pytest.mark.usefixtures("results_bucket")
def test_more_regions_than_are_listed_singly_are_the_same() -> None:
    store = S3Store(results.URL, results.client())
    many = frozenset({WEST, *(f"other_{number}" for number in range(100))})
    few = list_products(store, Wanted(regions=frozenset({WEST})))
    assert list_products(store, Wanted(regions=many)) == few
    assert len(few.products) == 3


def test_a_run_has_the_products_that_it_planned(glacierctl_here: Glacierctl, small_results: Results) -> None:
    every = glacierctl_here("results", "ls", small_results.run_id, "--output", small_results.folder, "--json")
    assert names(listed(every)) == small_results.products()
    first = small_results.first_run_id
    found = [(WEST, "S2A_MSIL2A_20240704T150901_N0301_R025")]
    assert chosen(small_results, run=first) == found, "it was there before, and is among the run's results all the same"
    assert chosen(small_results, run=first, regions=EAST) == []
    assert chosen(small_results, run=first, satellite=Satellite.LANDSAT) == []


def test_an_image_without_its_item_is_not_yet_a_product(glacierctl_here: Glacierctl, store: Path) -> None:
    (store / f"sentinel2/clipped/{EAST}/S2A_MSIL2A_20240704T150901_N0301_R025.json").unlink()
    document = listed(glacierctl_here("results", "ls", "--output", store, "--json"))
    assert len(document["products"]) == 5
    assert document["unfinished"] == [f"sentinel2/clipped/{EAST}/S2A_MSIL2A_20240704T150901_N0301_R025.tif"]
    check_document("results-ls", document)
    assert "1 more are not whole" in glacierctl_here("results", "ls", "--output", store).stdout


FIRST = "S2A_MSIL2A_20240704T150901_N0301_R025"


def test_an_item_that_is_not_understood_is_told_and_the_rest_listed(glacierctl_here: Glacierctl, store: Path) -> None:
    (store / f"sentinel2/clipped/{EAST}/{FIRST}.json").write_bytes(b"")
    document = listed(glacierctl_here("results", "ls", "--output", store, "--json"), code=1)
    assert len(document["products"]) == 5
    (told,) = document["not_understood"]
    assert f"{EAST}/{FIRST}.json" in told["what"]
    check_document("results-ls", document)


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda item: item["properties"].pop("glacierctl:coverage"), "glacierctl:coverage"),
        (lambda item: item["properties"].update(datetime="2024-07-04"), "no time zone"),
        (lambda item: item["assets"]["image"].update({"file:checksum": "1114" + 40 * "0"}), "no SHA-256"),
        (lambda item: item["assets"]["image"].update({"file:checksum": "1220" + 62 * "0"}), "no SHA-256"),
        (lambda item: item["assets"].pop("image"), "image"),
        (lambda item: item.update(properties=None), "TypeError"),
    ],
)
def test_what_is_missing_in_an_item_is_named(small_results: Results, spoil: Callable[[Json], None], why: str) -> None:
    item = json.loads((small_results.folder / f"sentinel2/clipped/{EAST}/{FIRST}.json").read_bytes())
    read_product(Satellite.SENTINEL2, EAST, FIRST, json.dumps(item).encode(), "here")
    spoil(item)
    with pytest.raises(StoreError) as told:
        read_product(Satellite.SENTINEL2, EAST, FIRST, json.dumps(item).encode(), "here")
    assert why in told.value.why


def test_an_empty_folder_holds_nothing(glacierctl_here: Glacierctl, tmp_path: Path) -> None:
    ran = glacierctl_here("results", "ls", "--output", tmp_path / "nowhere")
    assert ran.code == 0
    assert ran.stdout == f"PRODUCTS 0 · REGIONS 0 · 0 B in {tmp_path / 'nowhere'}\n"
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize(
    ("run", "regions", "bucket", "words"),
    [
        ("20240701-20240731-sentinel2-000000000000", None, None, "there is no run 20240701-20240731-sentinel2-0000"),
        (None, "small_est", None, "no region is called small_est"),
        (None, None, "elsewhere", "read from one place"),
    ],
)
def test_what_cannot_be_is_said(
    small_results: Results, run: str | None, regions: str | None, bucket: str | None, words: str
) -> None:
    place = Place(output=str(small_results.folder), bucket=bucket, prefix=None, aws_region=None)
    with pytest.raises(GlacierctlError, match=words) as told:
        place.find(run, regions, None)
    assert told.value.exit_code == 2


@pytest.mark.usefixtures("results_bucket")
def test_a_bucket_that_is_not_there_is_named(glacierctl_here: Glacierctl) -> None:
    ran = glacierctl_here("results", "ls", "--bucket", "nowhere")
    assert ran.code == 1
    assert "NoSuchBucket" in ran.stderr
    assert "s3://nowhere/results" in ran.stderr
