"""Stacks of real products, from a folder and from S3; rasterio on each file is the oracle."""

import datetime as dt
import json
import pickle
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dask
import numpy as np
import pytest
import rasterio
import xarray as xr
from tests.support import results, s3_proxy
from tests.support.command import PROGRAM, Ran
from tests.support.moto_server import Moto
from tests.support.results import Results
from tests.support.schemas import check_document

from glacierctl.errors import GlacierctlError, ReadError, StoreError, UsageError
from glacierctl.results import open_stack
from glacierctl.results import stack as stack_module
from glacierctl.results.export import write_stack

Glacierctl = Callable[..., Ran]
EAST, WEST = results.REGIONS
IMAGES = f"sentinel2/clipped/{EAST}"


@pytest.fixture
def store(small_results: Results, tmp_path: Path) -> Path:
    """A copy of the results that a test may spoil."""
    return shutil.copytree(small_results.folder, tmp_path / "store")


@pytest.fixture
def proxy(results_bucket: Moto, monkeypatch: pytest.MonkeyPatch) -> Iterator[s3_proxy.Proxy]:
    """The results on S3, behind what misbehaves on request."""
    with s3_proxy.serve(results_bucket.url) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        yield server


def files(folder: Path, region: str = EAST) -> list[Path]:
    """Images in order of time, which is that of their names."""
    return sorted((folder / f"sentinel2/clipped/{region}").glob("*.tif"))


def pixels(folder: Path, region: str = EAST) -> np.ndarray:
    """What rasterio reads."""
    images = []
    for file in files(folder, region):
        with rasterio.open(file) as opened:
            images.append(opened.read(1))
    return np.stack(images)


def only_stack(ran: Ran) -> dict[str, Any]:
    """The one stack that `results open --json` tells of."""
    assert ran.code == 0, ran.stderr
    document = json.loads(ran.stdout)
    check_document("results-open", document)
    assert document["failed"] == []
    (stack,) = document["stacks"]
    return stack


def assert_placed_like(made: xr.Dataset, file: Path) -> None:
    with rasterio.open(file) as opened:
        assert made.rio.crs == opened.crs
        assert made.rio.transform() == opened.transform
        assert made.rio.bounds() == opened.bounds
        assert made["image"].rio.nodata == opened.nodata
        rows, columns = np.arange(opened.height), np.arange(opened.width)
        assert np.array_equal(made["x"], opened.xy(np.zeros_like(columns), columns)[0])
        assert np.array_equal(made["y"], opened.xy(rows, np.zeros_like(rows))[1])


def test_pixels_and_place_are_those_of_the_files(small_results: Results) -> None:
    made = open_stack(small_results.folder, "sentinel2", EAST)
    assert made["image"].dims == ("time", "y", "x")
    assert made["image"].dtype == np.uint16
    assert np.array_equal(made["image"].values, pixels(small_results.folder))
    assert len(set(map(bytes, made["image"].values))) == 3, "no image stands for another"
    assert_placed_like(made, files(small_results.folder)[0])
    west = open_stack(small_results.folder, "sentinel2", WEST)
    assert np.array_equal(west["image"].values, pixels(small_results.folder, WEST))
    assert not np.array_equal(west["x"], made["x"])


def test_what_is_known_of_each_image_lies_along_time(small_results: Results) -> None:
    made = open_stack(small_results.folder, "sentinel2", EAST)
    items = [json.loads(file.with_suffix(".json").read_bytes()) for file in files(small_results.folder)]
    times = [dt.datetime.fromisoformat(item["properties"]["datetime"]).replace(tzinfo=None) for item in items]
    assert made["time"].values.tolist() == np.array(times, "datetime64[ns]").tolist()
    assert made["product"].values.tolist() == [file.stem for file in files(small_results.folder)]
    assert made["item_id"].values.tolist() == [item["id"] for item in items]
    assert made["platform"].values.tolist() == ["sentinel-2a"] * 3
    assert made["band"].values.tolist() == ["B08"] * 3
    assert made["coverage"].values.tolist() == [item["properties"]["glacierctl:coverage"] for item in items]
    assert made["cloud_share"].values.tolist() == [item["properties"]["glacierctl:cloud_share"] for item in items]
    assert [made.attrs[name] for name in ("region", "satellite", "resampling")] == [EAST, "sentinel2", "cubic"]
    shares = (pixels(small_results.folder) > 0).mean(axis=(1, 2))
    assert made["coverage"].values == pytest.approx(shares, abs=1e-6)
    assert made.sel(time="2024-07-09")["product"].values.tolist() == [files(small_results.folder)[1].stem]


def test_it_follows_the_conventions(small_results: Results) -> None:
    made = open_stack(small_results.folder, "sentinel2", EAST)
    assert made.attrs["Conventions"] == "CF-1.11"
    assert [made[name].attrs["standard_name"] for name in ("time", "y", "x")] == [
        "time", "projection_y_coordinate", "projection_x_coordinate",
    ]  # fmt: skip
    assert [made[name].attrs["units"] for name in ("y", "x")] == ["metre", "metre"]
    assert made["image"].encoding["grid_mapping"] == "spatial_ref"
    assert made["spatial_ref"].attrs["grid_mapping_name"] == "polar_stereographic"
    assert made["image"].attrs["_FillValue"] == 0


def test_clouds_that_nobody_knows_are_no_number(store: Path) -> None:
    item = files(store)[1].with_suffix(".json")
    document = json.loads(item.read_bytes())
    document["properties"]["glacierctl:cloud_share"] = None
    item.write_text(json.dumps(document))
    clouds = open_stack(store, "sentinel2", EAST)["cloud_share"].values
    assert np.isnan(clouds).tolist() == [False, True, False]


@pytest.mark.parametrize(
    "part",
    [
        np.s_[0, 10, 20],
        np.s_[1, 5:40, 7:9],
        np.s_[:, ::7, ::-3],
        np.s_[-1, -30:, 50::11],
        np.s_[2, 149, :],
        np.s_[0, 140:30:-5, -1],
        np.s_[:, 5:5, :],
    ],
    ids=str,
)
def test_any_part_is_that_part(small_results: Results, part: tuple[int | slice, ...]) -> None:
    made = open_stack(small_results.folder, "sentinel2", EAST, chunk_px=64)
    assert np.array_equal(made["image"][part].values, pixels(small_results.folder)[part])


def test_nothing_is_read_before_it_is_computed_and_then_only_what_is_needed(
    small_results: Results, store: Path
) -> None:
    for file in files(store)[1:]:
        file.unlink()
    made = open_stack(store, "sentinel2", EAST)
    assert made["image"].shape == pixels(small_results.folder).shape
    assert np.array_equal(made["image"][0].values, pixels(small_results.folder)[0])
    with pytest.raises(ReadError, match=files(store)[0].name[:10]) as told:
        made["image"][1].compute()
    assert told.value.href == str(store / IMAGES / f"{made['product'].values[1]}.tif")


def test_other_processes_can_compute_it(small_results: Results) -> None:
    made = open_stack(small_results.folder, "sentinel2", EAST, chunk_px=128)
    again = pickle.loads(pickle.dumps(made))
    with dask.config.set(scheduler="processes", num_workers=2):
        assert np.array_equal(again["image"][:2].values, pixels(small_results.folder)[:2])


def test_a_bucket_behind_an_endpoint_of_its_own_is_read_lazily(small_results: Results, proxy: s3_proxy.Proxy) -> None:
    made = open_stack(results.URL, "sentinel2", EAST)
    assert proxy.requests("GET", ".tif") == [], "items tell where pixels lie"
    assert np.array_equal(made["image"][0].values, pixels(small_results.folder)[0])
    (first, *_) = files(small_results.folder)
    assert {part.partition("?")[0] for _, part, _ in proxy.requests("GET", ".tif")} == {
        f"/{results.BUCKET}/results/{IMAGES}/{first.name}"
    }
    assert len(proxy.requests("GET", ".tif")) <= 3
    assert proxy.requests("HEAD") == []
    assert np.array_equal(made["image"].values, pixels(small_results.folder))
    assert_placed_like(made, first)


@pytest.mark.parametrize("fault", [{"status": 503, "code": "SlowDown"}, {"status": 500, "code": "InternalError"}])
def test_what_s3_refuses_for_now_is_asked_for_again(
    small_results: Results, proxy: s3_proxy.Proxy, fault: dict[str, object]
) -> None:
    made = open_stack(results.URL, "sentinel2", EAST)
    proxy.misbehave(method="GET", part=".tif", times=2, **fault)
    assert np.array_equal(made["image"][2].values, pixels(small_results.folder)[2])


@pytest.mark.parametrize(("status", "code"), [(403, "AccessDenied"), (404, "NoSuchKey")])
def test_an_image_that_s3_does_not_give_is_an_error_never_nodata_and_not_remembered(
    small_results: Results, proxy: s3_proxy.Proxy, status: int, code: str
) -> None:
    made = open_stack(results.URL, "sentinel2", WEST)
    proxy.misbehave(part=".tif", times=1000, status=status, code=code)
    with pytest.raises(ReadError) as told:
        made["image"][0].compute()
    assert told.value.href.startswith(f"{results.URL}/sentinel2/clipped/{WEST}/S2A")
    proxy.behave()
    assert np.array_equal(made["image"][0].values, pixels(small_results.folder, WEST)[0])


@pytest.mark.parametrize("name", ["out/stack.zarr", "out/stack.nc"])
def test_what_is_written_reads_the_same(
    glacierctl: Glacierctl, small_results: Results, tmp_path: Path, name: str
) -> None:
    asked = ("results", "open", "--regions", EAST, "--output", small_results.folder, "--to", name, "--json")
    document = only_stack(glacierctl(*asked))
    assert (document["state"], document["path"]) == ("written", str(tmp_path / name))
    assert document["shape"] == list(pixels(small_results.folder).shape)
    assert document["products"] == [file.stem for file in files(small_results.folder)]
    direct = open_stack(small_results.folder, "sentinel2", EAST)
    with xr.open_dataset(
        tmp_path / name, mask_and_scale=False, decode_coords="all", engine="zarr" if "zarr" in name else "netcdf4"
    ) as back:
        assert np.array_equal(back["image"].values, pixels(small_results.folder))
        assert back["image"].dtype == np.uint16
        assert_placed_like(back, files(small_results.folder)[0])
        assert back.coords.keys() == direct.coords.keys()
        for coordinate in ("time", "product", "item_id", "platform", "band", "coverage", "cloud_share", "y", "x"):
            assert back[coordinate].values.tolist() == direct[coordinate].values.tolist(), coordinate
        assert back.attrs == direct.attrs
    with xr.open_dataset(tmp_path / name, engine="zarr" if "zarr" in name else "netcdf4") as masked:
        assert np.array_equal(np.isnan(masked["image"].values), pixels(small_results.folder) == 0)
    assert [path.name for path in (tmp_path / "out").iterdir()] == [Path(name).name]
    assert only_stack(glacierctl(*asked))["state"] == "same"


def test_gdal_reads_the_netcdf_where_it_lies(small_results: Results, tmp_path: Path) -> None:
    write_stack(open_stack(small_results.folder, "sentinel2", EAST), tmp_path / "s.nc", overwrite=False)
    with (
        rasterio.open(f"netcdf:{tmp_path / 's.nc'}:image") as opened,
        rasterio.open(files(small_results.folder)[0]) as image,
    ):
        assert opened.count == 3
        assert opened.crs == image.crs
        assert opened.transform == image.transform
        assert np.array_equal(opened.read(1), image.read(1))


def forms(run_id: str) -> list[str]:
    """All that a run may be called."""
    return [run_id, run_id[: run_id.rindex("-") + 5], run_id.rpartition("-")[2][:5]]


def test_a_stack_of_a_run_holds_its_products(glacierctl_here: Glacierctl, small_results: Results) -> None:
    for run in forms(small_results.first_run_id):
        ran = glacierctl_here("results", "open", run, "--output", small_results.folder, "--json")
        document = only_stack(ran)
        assert (document["region"], document["state"], document["path"]) == (WEST, "read", None)
        assert document["products"] == ["S2A_MSIL2A_20240704T150901_N0301_R025"]


def test_a_run_of_several_regions_is_one_stack_a_region(
    glacierctl_here: Glacierctl, small_results: Results, tmp_path: Path
) -> None:
    asked = ("results", "open", small_results.run_id, "--output", small_results.folder, "--to", "stacks", "--json")
    dry = json.loads(glacierctl_here(*asked, "--dry-run").stdout)
    check_document("results-open", dry)
    assert [(one["region"], one["state"]) for one in dry["stacks"]] == [(EAST, "new"), (WEST, "new")]
    assert not (tmp_path / "stacks").exists()
    ran = glacierctl_here(*asked)
    assert ran.code == 0, ran.stderr
    assert [one["path"] for one in json.loads(ran.stdout)["stacks"]] == [one["path"] for one in dry["stacks"]]
    assert sorted(path.name for path in (tmp_path / "stacks").iterdir()) == [f"{EAST}.zarr", f"{WEST}.zarr"]
    for region in (EAST, WEST):
        with xr.open_zarr(tmp_path / "stacks" / f"{region}.zarr", mask_and_scale=False) as back:
            assert np.array_equal(back["image"].values, pixels(small_results.folder, region))


def test_what_is_missing_of_a_runs_stacks_is_completed_and_what_is_otherwise_is_not_touched(
    glacierctl_here: Glacierctl, store: Path, tmp_path: Path
) -> None:
    asked = ("results", "open", "--regions", "small_*", "--output", store, "--to", "stacks/", "--json")
    assert glacierctl_here(*asked).code == 0
    shutil.rmtree(tmp_path / "stacks" / f"{WEST}.zarr")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "stacks").rglob("*") if path.is_file()}
    document = json.loads(glacierctl_here(*asked).stdout)
    assert [(one["region"], one["state"]) for one in document["stacks"]] == [(EAST, "same"), (WEST, "written")]
    assert {path: path.stat().st_mtime_ns for path in before} == before
    files(store)[0].with_suffix(".json").unlink()
    ran = glacierctl_here(*asked)
    document = json.loads(ran.stdout)
    check_document("results-open", document)
    assert ran.code == 1
    assert [(one["region"], one["state"]) for one in document["stacks"]] == [(WEST, "same")]
    assert [(one["region"], one["hint"][:27]) for one in document["failed"]] == [(EAST, "Replace it with --overwrite")]
    assert {path: path.stat().st_mtime_ns for path in before} == before
    ran = glacierctl_here(*asked, "--overwrite")
    assert [(one["state"], one["shape"][0]) for one in json.loads(ran.stdout)["stacks"]] == [
        ("written", 2), ("written", 3),
    ]  # fmt: skip


def test_a_stack_that_fails_leaves_the_others_alone(glacierctl_here: Glacierctl, store: Path, tmp_path: Path) -> None:
    gone = files(store)[1]
    gone.unlink()
    ran = glacierctl_here("results", "open", "--regions", "all", "--output", store, "--to", tmp_path / "stacks")
    assert ran.code == 1
    assert [path.name for path in (tmp_path / "stacks").iterdir()] == [f"{WEST}.zarr"]
    assert gone.name in ran.stderr
    assert "STACKS 1 · IMAGES 3 · FAILED 1 · " in ran.stdout


@pytest.mark.parametrize("command", ["ls", "sync", "open"])
@pytest.mark.parametrize("region", [EAST, "163_Bowdoin", "small_*", "all"])
def test_a_region_where_a_run_belongs_is_told_what_to_type(
    glacierctl_here: Glacierctl, small_results: Results, command: str, region: str
) -> None:
    ran = glacierctl_here("results", command, region, "--output", small_results.folder)
    assert ran.code == 2
    assert f"{region} is no run" in ran.stderr
    shown = f"'{region}'" if "*" in region else region
    assert f"Type --regions {shown} instead of {shown}." in ran.stderr


@pytest.mark.usefixtures("_own_surroundings")
def test_that_is_told_without_an_account_too(glacierctl_here: Glacierctl) -> None:
    ran = glacierctl_here("results", "open", "163_bowdoin")
    assert ran.code == 2
    assert "Type --regions 163_bowdoin" in ran.stderr


def test_what_a_stack_holds_is_told(glacierctl_here: Glacierctl, small_results: Results) -> None:
    ran = glacierctl_here("results", "open", "--regions", "*east", "--output", small_results.folder)
    assert [line.split(maxsplit=1) for line in ran.stdout.splitlines()] == [
        ["region", EAST],
        ["satellite", "sentinel2"],
        ["images", "3, 2024-07-04 to 2024-07-14"],
        ["grid", "201 x 150 px of 10 m, EPSG:3413"],
        ["in", "memory  181 kB"],
        ["read", f"from  {small_results.folder}"],
    ]


def test_an_existing_stack_is_kept_unless_it_is_to_be_replaced(small_results: Results, tmp_path: Path) -> None:
    east, west = (open_stack(small_results.folder, "sentinel2", region) for region in (EAST, WEST))
    for name in ("s.zarr", "s.nc"):
        write_stack(east, tmp_path / name, overwrite=False)
        with pytest.raises(UsageError, match="there already"):
            write_stack(west, tmp_path / name, overwrite=False)
        write_stack(west, tmp_path / name, overwrite=True)
        with xr.open_dataset(tmp_path / name, engine="zarr" if "zarr" in name else "netcdf4") as back:
            assert back.attrs["region"] == WEST
    assert sorted(path.name for path in tmp_path.iterdir()) == ["s.nc", "s.zarr"]


@pytest.mark.parametrize("name", ["s.zarr", "s.nc"])
def test_a_stack_that_cannot_be_finished_is_not_there_at_all(store: Path, tmp_path: Path, name: str) -> None:
    made = open_stack(store, "sentinel2", EAST)
    files(store)[2].unlink()
    (tmp_path / "out").mkdir()
    with pytest.raises(ReadError):
        write_stack(made, tmp_path / "out" / name, overwrite=False)
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("name", ["s.zarr", "s.nc"])
def test_what_is_being_written_when_another_part_fails_is_not_left(store: Path, tmp_path: Path, name: str) -> None:
    begun = threading.Semaphore(1)

    def spoil(block: np.ndarray) -> np.ndarray:
        """The first one fails while the others are on their way."""
        if begun.acquire(blocking=False):
            time.sleep(0.1)
            raise ReadError("it cannot be read", href="a.tif", why="it is spoilt", hint="")
        time.sleep(0.5)
        return block

    made = open_stack(store, "sentinel2", EAST)
    data = made["image"].data
    made["image"] = made["image"].copy(data=data.map_blocks(spoil, meta=data._meta))
    (tmp_path / "out").mkdir()
    with pytest.raises(ReadError):
        write_stack(made, tmp_path / "out" / name, overwrite=False)
    time.sleep(1)
    assert list((tmp_path / "out").iterdir()) == []


def test_what_a_killed_writer_left_is_removed_by_the_next(
    small_results: Results, proxy: s3_proxy.Proxy, tmp_path: Path
) -> None:
    proxy.misbehave(method="GET", part=".tif", wait_s=0.5, times=1000)
    process = subprocess.Popen(
        [PROGRAM, "results", "open", "--regions", EAST, "--to", "s.zarr"], cwd=tmp_path, stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    while process.poll() is None and not list(tmp_path.glob(".s.zarr.*.claim")):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "s.zarr").exists()
    assert list(tmp_path.iterdir()) != []
    write_stack(open_stack(small_results.folder, "sentinel2", EAST), tmp_path / "s.zarr", overwrite=False)
    assert [path.name for path in tmp_path.iterdir()] == ["s.zarr"]


def _another_grid(item: dict) -> None:
    item["properties"]["proj:transform"][2] += 30


def _no_grid(item: dict) -> None:
    del item["properties"]["proj:shape"]


@pytest.mark.parametrize(
    ("spoil", "words"), [(_another_grid, "lie on different grids"), (_no_grid, "does not say where its pixels lie")]
)
def test_products_that_do_not_fit_are_refused(store: Path, spoil: Callable[[dict], None], words: str) -> None:
    item = files(store)[1].with_suffix(".json")
    document = json.loads(item.read_bytes())
    spoil(document)
    item.write_text(json.dumps(document))
    with pytest.raises(StoreError) as told:
        open_stack(store, "sentinel2", EAST)
    assert words in f"{told.value} {told.value.why}"
    only = [file.stem for file in files(store)[:1]]
    assert open_stack(store, "sentinel2", EAST, products=only).sizes["time"] == 1


@pytest.mark.parametrize(
    ("satellite", "region", "words"),
    [("landsat", EAST, "there are no landsat products"), ("sentinel2", "163_Bowdoin", "products of 163_Bowdoin")],
)
def test_a_stack_of_nothing_is_refused(small_results: Results, satellite: str, region: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        open_stack(small_results.folder, satellite, region)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--regions", "small_*", "--to", "s.nc"], "s.nc cannot take the stacks of 2 regions"),
        (["--regions", "small_*", "--to", "s.zarr"], "such as --to s/, that takes a .zarr of each"),
        (["--regions", "163_Bowdoin"], "there are no products to open"),
        (["--regions", EAST, "--satellite", "landsat"], "there are no products to open"),
        (["--regions", EAST, "--to", "stack.tif"], "neither in .zarr nor in .nc"),
        (["20240701-20240731-sentinel2-000000000000"], "there is no run"),
        ([], "neither a run nor --regions is given"),
    ],
)
def test_what_cannot_be_is_said(
    glacierctl_here: Glacierctl, small_results: Results, flags: list[str], words: str
) -> None:
    ran = glacierctl_here("results", "open", *flags, "--output", small_results.folder)
    assert ran.code == 2
    assert words in ran.stderr


def test_a_region_of_two_missions_needs_to_be_told_which(glacierctl_here: Glacierctl, store: Path) -> None:
    shutil.copytree(store / "sentinel2", store / "landsat")
    ran = glacierctl_here("results", "open", "--regions", EAST, "--output", store)
    assert ran.code == 2
    assert "Say --satellite sentinel2 or --satellite landsat." in ran.stderr


def test_missing_packages_are_named(small_results: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stack_module, "find_spec", lambda name: None if name in {"boto3", "zarr"} else name)
    with pytest.raises(GlacierctlError) as told:
        open_stack(small_results.folder, "sentinel2", EAST)
    assert told.value.exit_code == 2
    assert told.value.why == "missing: boto3, zarr"
    assert told.value.hint.endswith("-m pip install boto3 zarr")
