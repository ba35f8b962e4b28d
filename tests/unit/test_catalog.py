"""Catalogues that answer, that misbehave, and that are files: what is received, and what is said when it is not."""

import datetime as dt
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from shapely import MultiPolygon, box
from shapely.geometry import shape
from tests.support.items import Json, sentinel2_item, write_static_catalog
from tests.support.nginx import Nginx
from tests.support.paths import require_shared_data

from glacierctl.choices import Satellite
from glacierctl.errors import CatalogError
from glacierctl.model import Scene
from glacierctl.planning.catalog import Catalog, Found, open_catalog
from glacierctl.planning.scenes import parse_scene

S2 = "sentinel-2-l2a"
START, END = dt.datetime(2024, 7, 1, tzinfo=dt.UTC), dt.datetime(2024, 8, 1, tzinfo=dt.UTC)
WORLD = MultiPolygon([box(-180, -90, 180, 90)])
CONFORMS = ["https://api.stacspec.org/v1.0.0/core", "https://api.stacspec.org/v1.0.0/item-search"]


def items(count: int) -> list[Json]:
    one = sentinel2_item(sensed_at=dt.datetime(2024, 7, 4, 15, tzinfo=dt.UTC))
    return [{**deepcopy(one), "id": f"item-{number:03}"} for number in range(count)]


@dataclass
class Asked:
    """One request."""

    method: str
    path: str
    body: Json


@dataclass
class Answer:
    """One answer; a body that is not text is sent as JSON."""

    body: object
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


class Api:
    """A STAC API in miniature whose answers to searches a test can take over."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.items: list[Json] = []
        self.asked: list[Asked] = []
        self.conforms: list[str] = CONFORMS
        self.count_as: str | None = "numberMatched"
        self.count_off_by = 0
        self.largest_page = 1000
        self.on_search: Callable[[int], Answer | None] = lambda _number: None
        """Answer to the search request of this number, from 1; None: the usual one."""

    @property
    def searches(self) -> list[Asked]:
        return [one for one in self.asked if one.path.startswith("/search")]

    def answer(self, asked: Asked) -> Answer:
        self.asked.append(asked)
        if asked.path == "/":
            search = {"rel": "search", "href": f"{self.url}/search", "method": "POST"}
            return Answer({"type": "Catalog", "id": "api", "conformsTo": self.conforms, "links": [search]})
        if asked.path == "/collections":
            return Answer({"collections": [{"id": name} for name in ("cop-dem", S2, "sentinel-2-c1-l2a")]})
        if asked.path.startswith("/collections/"):
            known = asked.path.endswith(f"/{S2}")
            return Answer({"id": S2}) if known else Answer({"detail": "no such collection"}, 404)
        return self.on_search(len(self.searches)) or self.page(asked.body)

    def page(self, body: Json) -> Answer:
        size = body["limit"]
        if size > self.largest_page:
            return Answer({"description": "page too large"}, 502)
        first = int(body.get("token", 0))
        page: Json = {"type": "FeatureCollection", "features": self.items[first : first + size], "links": []}
        if first + size < len(self.items):
            following = {"rel": "next", "method": "POST", "href": f"{self.url}/search"}
            page["links"] = [{**following, "body": {**body, "token": str(first + size)}}]
        count = len(self.items) + self.count_off_by
        return Answer(page | self._count(count))

    def _count(self, count: int) -> Json:
        return {None: {}, "context": {"context": {"matched": count}}}.get(self.count_as, {str(self.count_as): count})


@contextmanager
def run_api() -> Iterator[Api]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.reply({})

        def do_POST(self) -> None:
            self.reply(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        def reply(self, body: Json) -> None:
            answer = api.answer(Asked(self.command, self.path, body))
            content = answer.body if isinstance(answer.body, str) else json.dumps(answer.body)
            self.send_response(answer.status)
            for name, value in {"Content-Length": str(len(content.encode())), **answer.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content.encode())

        def log_message(self, *_: Any) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    api = Api(server.server_port)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield api
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def api() -> Iterator[Api]:
    with run_api() as running:
        yield running


def catalog_at(href: str) -> Catalog:
    return open_catalog(href, timeout_s=5, backoff_s=0)


def search(catalog: Catalog, collection: str = S2, area: MultiPolygon = WORLD) -> Found:
    return catalog.search(collection, area, START, END)


def ids(found: Found) -> list[str]:
    return [item["id"] for item in found.items]


@pytest.mark.parametrize("count_as", ["numberMatched", "context", None])
def test_every_page_is_received(api: Api, count_as: str | None) -> None:
    api.items, api.count_as = items(620), count_as
    found = search(catalog_at(api.url))
    assert ids(found) == sorted(item["id"] for item in api.items)
    assert (found.matched, found.requests) == (620, 3)
    assert all(one.body["limit"] == 250 for one in api.searches)


def test_search_says_what_is_wanted_once(api: Api) -> None:
    api.items = items(1)
    area = MultiPolygon([box(-51, 68, -48, 70), box(-20, 80, -15, 81)])
    search(catalog_at(api.url), area=area)
    (asked,) = api.searches
    assert asked.method == "POST"
    assert asked.body["collections"] == [S2]
    assert asked.body["datetime"] == "2024-07-01T00:00:00Z/2024-08-01T00:00:00Z"
    assert shape(asked.body["intersects"]).equals(area)
    assert "fields" not in asked.body


def test_fields_are_asked_for_where_the_server_knows_them(api: Api) -> None:
    api.conforms = [*CONFORMS, "https://api.stacspec.org/v1.0.0/item-search#fields"]
    api.items = items(1)
    search(catalog_at(api.url))
    wanted = api.searches[0].body["fields"]["include"]
    assert {"assets.nir", "properties.s2:product_uri", "geometry"} <= set(wanted)
    assert "assets.visual" not in wanted


def test_progress_is_told_page_by_page(api: Api) -> None:
    api.items = items(300)
    told: list[tuple[int, int | None]] = []
    catalog_at(api.url).search(S2, WORLD, START, END, progress=lambda *seen: told.append(seen))
    assert told == [(250, 300), (300, 300)]


def test_an_item_that_comes_twice_is_one(api: Api) -> None:
    api.items = items(5) + items(3)
    api.count_off_by = -3
    assert len(search(catalog_at(api.url)).items) == 5


def test_fewer_items_than_matched_are_asked_for_again(api: Api) -> None:
    api.items = items(4)
    whole = api.page({"limit": 250})
    assert isinstance(whole.body, dict)
    short = Answer(whole.body | {"features": api.items[:3]})
    api.on_search = lambda number: short if number == 1 else None
    found = search(catalog_at(api.url))
    assert (len(found.items), found.requests) == (4, 2)


def test_items_that_stay_missing_are_an_error_with_their_number(api: Api) -> None:
    api.items, api.count_off_by = items(4), 7
    with pytest.raises(CatalogError, match="7 of 11 items are missing"):
        search(catalog_at(api.url))
    assert len(api.searches) == 2


def test_an_empty_page_does_not_hide_what_matched(api: Api) -> None:
    api.items, api.count_off_by = [], 12
    with pytest.raises(CatalogError, match="12 of 12 items are missing"):
        search(catalog_at(api.url))


def test_pages_become_smaller_where_the_server_refuses_large_ones(api: Api) -> None:
    api.items, api.largest_page = items(230), 100
    found = search(open_catalog(api.url, retries=1, backoff_s=0))
    assert len(found.items) == 230
    assert [one.body["limit"] for one in api.searches] == [250, 250, 100, 100, 100]


@pytest.mark.parametrize("status", [403, 429, 500, 502, 503, 504])
def test_an_answer_that_may_pass_is_asked_for_again(api: Api, status: int) -> None:
    api.items = items(2)
    api.on_search = lambda number: Answer("busy", status) if number <= 2 else None
    assert len(search(catalog_at(api.url)).items) == 2
    assert len(api.searches) == 3


def test_retry_after_is_respected(api: Api) -> None:
    api.items = items(1)
    api.on_search = lambda number: Answer("busy", 429, {"Retry-After": "0"}) if number == 1 else None
    assert len(search(catalog_at(api.url)).items) == 1


def test_a_server_that_stays_busy_is_an_error(api: Api) -> None:
    api.on_search = lambda _number: Answer({"description": "slow  down"}, 429)
    with pytest.raises(CatalogError, match="it answered 429: slow down") as caught:
        search(open_catalog(api.url, retries=2, backoff_s=0))
    assert "later" in caught.value.hint
    assert len(api.searches) == 3


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"description": "geometry is odd"}, "geometry is odd"),
        ({"detail": "geometry is odd"}, "geometry is odd"),
        ("<html>geometry is\n odd</html>", "<html>geometry is odd</html>"),
        ({"code": "Bad"}, '{"code": "Bad"}'),
        ("", "it answered 400"),
    ],
)
def test_refusal_carries_the_servers_words(api: Api, body: object, words: str) -> None:
    api.on_search = lambda _number: Answer(body, 400)
    with pytest.raises(CatalogError) as caught:
        search(catalog_at(api.url))
    assert words in caught.value.why
    assert f"{api.url}/search" in caught.value.what


@pytest.mark.parametrize("answer", [Answer("<html>", 200), Answer("[]"), Answer('{"features": []'), Answer({"a": 1})])
def test_a_page_that_is_no_page(api: Api, answer: Answer) -> None:
    api.on_search = lambda _number: answer
    with pytest.raises(CatalogError, match=r"/search is not a STAC catalogue's"):
        search(catalog_at(api.url))


def test_pages_that_go_round_in_circles(api: Api) -> None:
    again = {"rel": "next", "method": "POST", "href": f"{api.url}/search", "body": {"limit": 250, "token": "same"}}
    api.on_search = lambda _number: Answer({"features": items(1), "links": [again]})
    with pytest.raises(CatalogError, match="lead back"):
        search(catalog_at(api.url))


def test_next_page_by_get_and_by_merging_bodies(api: Api) -> None:
    rows = items(3)
    by_get = {"rel": "next", "href": f"{api.url}/search?token=1"}
    by_merge = {"rel": "next", "method": "POST", "href": f"{api.url}/search", "merge": True, "body": {"token": "2"}}
    pages = {1: ([rows[0]], [by_get]), 2: ([rows[1]], [by_merge]), 3: ([rows[2]], [])}
    api.on_search = lambda number: Answer({"features": pages[number][0], "links": pages[number][1]})
    assert len(search(catalog_at(api.url)).items) == 3
    assert [one.method for one in api.searches] == ["POST", "GET", "POST"]
    assert api.searches[2].body == {**api.searches[0].body, "token": "2"}


@pytest.mark.parametrize("refuses", [True, False])
def test_unknown_collection_names_those_that_exist_nearest_first(api: Api, refuses: bool) -> None:
    if refuses:
        api.on_search = lambda _number: Answer("no such collection", 404)
    with pytest.raises(CatalogError, match="has no collection sentinel-2-l2b") as caught:
        search(catalog_at(api.url), "sentinel-2-l2b")
    assert caught.value.why == "it has sentinel-2-l2a, sentinel-2-c1-l2a, cop-dem"


def test_nothing_found_in_a_collection_that_exists(api: Api) -> None:
    found = search(catalog_at(api.url))
    assert (found.items, found.matched) == ((), 0)


def test_a_server_that_stalls(api: Api) -> None:
    release = threading.Event()

    def stall(_number: int) -> None:
        release.wait(5)

    api.on_search = stall
    try:
        with pytest.raises(CatalogError, match="cannot be reached") as caught:
            search(open_catalog(api.url, timeout_s=0.2, retries=0))
        assert "within 0.2 s" in caught.value.why
    finally:
        release.set()


def test_nobody_is_there() -> None:
    with run_api() as gone:
        url = gone.url
    with pytest.raises(CatalogError, match=r"cannot be reached at http://127\.0\.0\.1") as caught:
        catalog_at(url)
    assert "refused" in caught.value.why
    assert "--catalog" in caught.value.hint


def test_a_host_that_does_not_exist() -> None:
    with pytest.raises(CatalogError, match="cannot be reached") as caught:
        catalog_at("https://no-such-host.invalid/v1")
    assert caught.value.why


@pytest.mark.parametrize("body", ["<html>hello</html>", "[1, 2]", '{"hello": "world"}', ""])
def test_an_address_that_is_no_catalogue(api: Api, body: str) -> None:
    api.answer = lambda _asked: Answer(body)  # type: ignore[method-assign]
    with pytest.raises(CatalogError, match="is not a STAC catalogue's"):
        catalog_at(api.url)


def test_an_address_that_is_not_found(api: Api) -> None:
    api.answer = lambda _asked: Answer("nothing here", 404)  # type: ignore[method-assign]
    with pytest.raises(CatalogError, match="it answered 404: nothing here"):
        catalog_at(api.url)


def test_a_catalogue_in_s3_is_refused_with_what_to_do() -> None:
    with pytest.raises(CatalogError, match="only http and https") as caught:
        catalog_at("s3://bucket/catalog.json")
    assert "copy this one to a folder" in caught.value.hint


def test_search_link_alone_makes_an_api(api: Api) -> None:
    api.conforms, api.items = [], items(1)
    assert len(search(catalog_at(api.url)).items) == 1


def static(folder: Path, rows: list[Json] | None = None) -> Path:
    return write_static_catalog(folder, items(5) if rows is None else rows)


def item_file(folder: Path) -> Path:
    return min(folder.glob(f"{S2}/*/*.json"))


def test_static_catalogue_by_file_folder_and_url(tmp_path: Path) -> None:
    root = static(tmp_path)
    for href in (str(root), str(tmp_path), root.as_uri()):
        assert len(search(catalog_at(href)).items) == 5


def test_static_catalogue_served_by_nginx(nginx_server: Nginx) -> None:
    static(nginx_server.www)
    found = search(catalog_at(nginx_server.url("catalog.json")))
    assert len(found.items) == 5
    hrefs = {item["assets"]["nir"]["href"] for item in found.items}
    assert hrefs == {nginx_server.url(f"{S2}/{item['id']}/B08.tif") for item in found.items}


def test_hrefs_of_a_static_catalogue_are_absolute(tmp_path: Path) -> None:
    static(tmp_path)
    for item in search(catalog_at(str(tmp_path))).items:
        folder = tmp_path / S2 / item["id"]
        assert item["assets"]["nir"]["href"] == str(folder / "B08.tif")
        scene = parse_scene(item, Satellite.SENTINEL2, S2)
        assert isinstance(scene, Scene)
        assert scene.item_href == str(folder / f"{item['id']}.json")


def test_static_catalogue_is_filtered_by_collection_time_and_place(tmp_path: Path) -> None:
    before = sentinel2_item(sensed_at=START - dt.timedelta(seconds=1))
    first, last = sentinel2_item(sensed_at=START, sequence=1), sentinel2_item(sensed_at=END, sequence=2)
    elsewhere = sentinel2_item(tile="26XMR")
    other = sentinel2_item(collection="sentinel-2-c1-l2a")
    static(tmp_path, [before, first, last, elsewhere, other])
    near = MultiPolygon([box(-50, 69, -49, 69.5)])
    assert ids(search(catalog_at(str(tmp_path)), area=near)) == sorted([first["id"], last["id"]])


def test_item_without_a_readable_date_or_place_is_left_for_planning_to_reject(tmp_path: Path) -> None:
    undated, nowhere = items(2)
    undated["properties"]["datetime"] = "long ago"
    nowhere["geometry"] = {"type": "Polygon", "coordinates": "unknown"}
    root = static(tmp_path, [{**item, "bbox": None} for item in (undated, nowhere)])
    assert len(search(catalog_at(str(root))).items) == 2


def test_catalogues_within_catalogues(tmp_path: Path) -> None:
    static(tmp_path / "inner")
    children = [{"rel": "child", "href": "inner/catalog.json"}, {"rel": "child", "href": "./catalog.json"}]
    root = {"type": "Catalog", "id": "outer", "stac_version": "1.0.0", "description": "", "links": children}
    (tmp_path / "catalog.json").write_text(json.dumps(root))
    assert len(search(catalog_at(str(tmp_path))).items) == 5


def test_collection_document_as_the_root(tmp_path: Path) -> None:
    static(tmp_path)
    assert len(search(catalog_at(str(tmp_path / S2 / "collection.json"))).items) == 5


def test_unknown_collection_of_a_static_catalogue(tmp_path: Path) -> None:
    static(tmp_path)
    with pytest.raises(CatalogError, match="has no collection landsat-c2l1") as caught:
        search(catalog_at(str(tmp_path)), "landsat-c2l1")
    assert caught.value.why == "it has sentinel-2-l2a"


def test_real_static_copy_of_earth_search() -> None:
    found = catalog_at(str(require_shared_data("earth_search"))).search(
        S2, WORLD, dt.datetime(2023, 8, 12, tzinfo=dt.UTC), dt.datetime(2023, 8, 19, tzinfo=dt.UTC)
    )
    assert [name.split("_")[2] for name in ids(found)] == ["20230815", "20230818"] * 2 + ["20230813"] * 2
    assert all(Path(item["assets"]["nir"]["href"]).is_file() for item in found.items)


def test_no_such_file_or_folder(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match=r"absent\.json cannot be read") as caught:
        catalog_at(str(tmp_path / "absent.json"))
    assert caught.value.why == "there is no such file"
    with pytest.raises(CatalogError, match=r"catalog\.json cannot be read"):
        catalog_at(str(tmp_path))


@pytest.mark.parametrize("text", ["not JSON", "", "[]", '{"type": "FeatureCollection"}'])
def test_catalog_json_that_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "catalog.json").write_text(text)
    with pytest.raises(CatalogError, match=r"catalog\.json is not a STAC catalogue's"):
        catalog_at(str(tmp_path))


@pytest.mark.parametrize(
    ("text", "why"), [("not JSON", "not JSON"), ("[]", "not an object"), ('{"type": "Catalog"}', "names it as an item")]
)
def test_item_that_is_none_is_named(tmp_path: Path, text: str, why: str) -> None:
    static(tmp_path)
    item_file(tmp_path).write_text(text)
    with pytest.raises(CatalogError, match=why) as caught:
        search(catalog_at(str(tmp_path)))
    assert str(item_file(tmp_path)) in caught.value.what


def test_item_that_is_missing_is_named(tmp_path: Path) -> None:
    static(tmp_path)
    path = item_file(tmp_path)
    path.unlink()
    with pytest.raises(CatalogError, match="cannot be read") as caught:
        search(catalog_at(str(tmp_path)))
    assert str(path) in caught.value.what
