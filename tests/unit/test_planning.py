"""From a request to a plan, its tasks and its preview, with a catalogue in memory."""

import datetime as dt
import itertools
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from shapely import MultiPolygon
from tests.support.items import Json, landsat_item, sentinel2_item

from glacierctl.choices import Satellite
from glacierctl.errors import UsageError
from glacierctl.model import Options, Plan, Region, Rejected, Request, Task
from glacierctl.planning.acquisitions import OTHER_TILE
from glacierctl.planning.catalog import Found
from glacierctl.planning.plan import OUT_OF_REACH, count_reasons, make_plan
from glacierctl.planning.preview import State, preview
from glacierctl.planning.tasks import run_id, tasks
from glacierctl.storage import FolderStore

NOW = dt.datetime(2024, 8, 15, 12, 30, tzinfo=dt.UTC)
RYDER = Region(name="189_Ryder", bounds=(-106890, -962220, -62490, -867420), tiles=("22XER", "22XDR"))
BOWDOIN = Region(name="163_Bowdoin", bounds=(-541690, -1232300, -523390, -1211600), tiles=("19XEG",))


@dataclass
class Memory:
    """A catalogue that has what it is given and keeps what it is asked."""

    items: list[Json]
    asked: list[Any] = field(default_factory=list)
    href: str = "memory"

    def search(
        self, collection: str, area: MultiPolygon, start: dt.datetime, end: dt.datetime, *, progress: Any = None
    ) -> Found:
        del progress
        self.asked.append((collection, area, start, end))
        return Found(tuple(self.items), len(self.items), 2)


def request(*regions: Region, **changes: Any) -> Request:
    fields = {
        "satellite": Satellite.SENTINEL2,
        "regions": regions or (RYDER, BOWDOIN),
        "start": dt.date(2024, 7, 1),
        "end": dt.date(2024, 7, 31),
        "catalog": "memory",
        "collection": "sentinel-2-l2a",
    }
    return Request(**{**fields, **changes})


def sentinel2(tile: str, **fields: Any) -> Json:
    return sentinel2_item(tile=tile, **{"nir_href": "/data/B08.tif", "scl_href": "/data/SCL.tif"} | fields)


def plan(*items: Json, asked: Request | None = None) -> Plan:
    return make_plan(asked or request(), Memory(list(items)), NOW)


def products(made: Plan, region: str) -> list[str]:
    return [one.product for one in made.for_region(region)]


def test_one_search_for_all_regions_an_hour_wider_than_the_days() -> None:
    catalog = Memory([])
    made = make_plan(request(), catalog, NOW)
    ((collection, area, start, end),) = catalog.asked
    assert collection == "sentinel-2-l2a"
    assert len(area.geoms) == 2
    assert start == dt.datetime(2024, 6, 30, 23, tzinfo=dt.UTC)
    assert end == dt.datetime(2024, 8, 1, 1, tzinfo=dt.UTC)
    assert made.acquisitions == (("189_Ryder", ()), ("163_Bowdoin", ()))
    assert (made.matched, made.catalog_requests) == (0, 2)


def test_an_end_in_the_future_means_until_now() -> None:
    catalog = Memory([])
    made = make_plan(request(end=dt.date(2999, 1, 1)), catalog, NOW)
    assert catalog.asked[0][3] == NOW
    assert made.request.end == NOW.date()


def test_dates_wholly_in_the_future_are_refused() -> None:
    with pytest.raises(UsageError, match="nothing can have been sensed since 2024-08-16"):
        make_plan(request(start=dt.date(2024, 8, 16), end=dt.date(2024, 9, 1)), Memory([]), NOW)


def test_regions_share_scenes() -> None:
    second = RYDER.model_copy(update={"name": "second", "tiles": ("22XDR",)})
    made = plan(sentinel2("22XER"), sentinel2("22XDR"), asked=request(RYDER, second))
    assert [len(one.scenes) for one in made.for_region("189_Ryder")] == [2]
    assert [len(one.scenes) for one in made.for_region("second")] == [1]
    assert made.rejected == ()


def test_what_is_used_nowhere_is_rejected_with_a_reason() -> None:
    broken = sentinel2("22XER", sequence=3)
    del broken["assets"]["nir"]
    elsewhere, neighbour = sentinel2("26XMR"), sentinel2("22WEC")
    twin = sentinel2("22XER", sequence=1)
    jakobshavn = Region(name="049_jakobshavn", bounds=(-207110, -2298950, -145010, -2256350), tiles=("22WEB",))
    made = plan(sentinel2("22XER"), twin, broken, elsewhere, neighbour, asked=request(RYDER, jakobshavn))
    assert {(one.item_id, one.reason) for one in made.rejected} == {
        (broken["id"], "it has no asset nir"),
        (elsewhere["id"], OUT_OF_REACH),
        (neighbour["id"], OTHER_TILE),
        ("S2A_22XER_20240704_0_L2A", f"a duplicate: the same product as {twin['id']}"),
    }
    assert len(made.for_region("189_Ryder")) == 1


def test_reasons_are_counted_without_their_details() -> None:
    reasons = ["a duplicate: x", "odd", "a duplicate: y"]
    rejected = [Rejected(item_id=str(number), reason=reason) for number, reason in enumerate(reasons)]
    assert list(count_reasons(rejected).items()) == [("a duplicate", 2), ("odd", 1)]


def test_plan_does_not_depend_on_the_order_of_items() -> None:
    rows = [sentinel2(tile, baseline=baseline) for tile in RYDER.tiles for baseline in ("05.10", "02.14")]
    rows = [{**row, "id": f"item-{number}"} for number, row in enumerate(rows)]
    plans = [plan(*order) for order in itertools.permutations(rows)]
    assert all(one == plans[0] for one in plans)
    assert len({run_id(one) for one in plans}) == 1


def test_run_id_is_readable_and_follows_the_content() -> None:
    item = sentinel2("22XER")
    made = plan(item)
    assert run_id(made).startswith("20240701-20240731-sentinel2-")
    assert run_id(made) == run_id(plan(item, asked=request(BOWDOIN, RYDER)))
    assert run_id(made) == run_id(Plan.model_validate_json(made.model_dump_json()))
    others = [
        plan(sentinel2("22XER", baseline="05.11")),
        plan(item, asked=request(RYDER)),
        plan(item, asked=request(end=dt.date(2024, 7, 30))),
        plan(item, asked=request(options=Options(min_coverage=0.4))),
    ]
    assert len({run_id(one) for one in [made, *others]}) == 5


def test_one_task_for_each_region_that_has_acquisitions() -> None:
    days = [dt.datetime(2024, 7, day, 15, tzinfo=dt.UTC) for day in (4, 9)]
    made = plan(*(sentinel2("22XER", sensed_at=day) for day in days))
    (task,) = tasks(made, "/results")
    assert (task.region, task.resolution_m, task.run_id) == (RYDER, 10, run_id(made))
    assert task.acquisitions == made.for_region("189_Ryder")
    assert Task.model_validate_json(task.model_dump_json(by_alias=True)) == task
    assert json.loads(task.model_dump_json(by_alias=True))["schema"] == 1


def test_landsat_tasks_have_15_m_pixels() -> None:
    region = Region(name="049_jakobshavn", bounds=(-207110, -2298950, -145010, -2256350))
    asked = request(region, satellite=Satellite.LANDSAT, collection="landsat-c2l1")
    made = plan(landsat_item(), asked=asked)
    assert [task.resolution_m for task in tasks(made, "/results")] == [15]


@pytest.mark.parametrize(("minimum", "little"), [(0, False), (0.6, False), (0.62, False), (0.63, True), (1, True)])
def test_too_little_overlap_leaves_room_for_coarse_footprints(minimum: float, little: bool) -> None:
    one = plan(sentinel2("22XER")).for_region("189_Ryder")[0].model_copy(update={"overlap": 0.6})
    assert one.cannot_cover(minimum) is little


def test_preview_tells_what_exists_and_what_is_hopeless(tmp_path: Path) -> None:
    days = [dt.datetime(2024, 7, day, 15, tzinfo=dt.UTC) for day in (4, 9, 14)]
    items = [sentinel2(tile, sensed_at=day) for tile in RYDER.tiles for day in days[:2]]
    asked = request(RYDER, options=Options(min_coverage=0.97))
    made = plan(*items, sentinel2("22XDR", sensed_at=days[2]), asked=asked)
    store = FolderStore(tmp_path)
    first, second, third = products(made, "189_Ryder")
    store.put(f"sentinel2/clipped/189_Ryder/{first}.json", b"{}")
    store.put(f"sentinel2/clipped/189_Ryder/{second}.tif", b"an image whose item was never written")
    (one,) = preview(made, store, cores=2)
    assert [(each.acquisition.product, each.state) for each in one.acquisitions] == [
        (first, State.EXISTS),
        (second, State.TO_DO),
        (third, State.LITTLE_OVERLAP),
    ]
    assert [each.estimate.bytes_to_read > 0 for each in one.acquisitions] == [False, True, False]
    assert one.estimate.pixels == 4440 * 9480


def test_preview_of_an_overwriting_request_does_not_ask_what_exists(tmp_path: Path) -> None:
    made = plan(sentinel2("22XER"), asked=request(RYDER, options=Options(overwrite=True)))
    store = FolderStore(tmp_path)
    store.put(f"sentinel2/clipped/189_Ryder/{products(made, '189_Ryder')[0]}.json", b"{}")
    assert preview(made, store, cores=1)[0].acquisitions[0].state is State.TO_DO


def test_preview_writes_nothing(tmp_path: Path) -> None:
    preview(plan(sentinel2("22XER")), FolderStore(tmp_path / "results"), cores=1)
    assert list(tmp_path.iterdir()) == []
