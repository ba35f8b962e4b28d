"""The measuring itself: what is compared, kept and slowed down is what is said to be."""

import sys
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from benchmarks import compare, measure
from benchmarks.network import proxy
from benchmarks.proxy import Line
from benchmarks.results import KEY, Results, ratios
from tests.support.cogs import write_cog
from tests.support.nginx import Nginx


def image(path: Path, pixels: np.ndarray, *, left_m: float = 0) -> Path:
    return write_cog(path, pixels, "EPSG:3413", Affine(10, 0, left_m, 0, -10, 0), block=512)


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    return np.random.default_rng(1).integers(3000, 9000, (700, 600)).astype(np.uint16)


def test_an_image_agrees_with_itself(tmp_path: Path, pixels: np.ndarray) -> None:
    found = compare.compare(image(tmp_path / "a.tif", pixels), image(tmp_path / "b.tif", pixels))
    assert found == compare.Agreement(True, True, 0, 0, 0)


def test_another_grid_is_no_agreement(tmp_path: Path, pixels: np.ndarray) -> None:
    found = compare.compare(image(tmp_path / "a.tif", pixels), image(tmp_path / "b.tif", pixels, left_m=5))
    assert not found.same_grid
    assert found.differ_by_a_hundredth == 1


def test_a_shift_by_one_pixel_and_a_missing_strip_are_seen(tmp_path: Path, pixels: np.ndarray) -> None:
    ours = image(tmp_path / "a.tif", pixels)
    shifted = compare.compare(ours, image(tmp_path / "b.tif", np.roll(pixels, 1, axis=1)))
    assert shifted.differ_by_a_hundredth > 0.9
    missing = pixels.copy()
    missing[:70] = 0
    assert compare.compare(ours, image(tmp_path / "c.tif", missing)).valid_in_one == pytest.approx(0.1)


def test_all_connections_share_the_rate() -> None:
    line = Line(1000, lambda: 10.0)
    assert [line.book(500), line.book(250)] == [10.5, 10.75]
    assert Line(None, lambda: 10.0).book(500) == 10


def test_the_line_passes_on_what_the_server_sends(nginx_server: Nginx, tmp_path: Path) -> None:
    content = np.random.default_rng(2).bytes(3_000_000)
    (nginx_server.www / "file.bin").write_bytes(content)
    with proxy(nginx_server.port, tmp_path / "line", "--latency-ms", "1", "--mbit", "2000") as port:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/file.bin", timeout=30) as answer:
            assert answer.read() == content
        ranged = urllib.request.Request(f"http://127.0.0.1:{port}/file.bin", headers={"Range": "bytes=5-9"})
        with urllib.request.urlopen(ranged, timeout=30) as answer:
            assert answer.read() == content[5:10]


def test_children_are_measured_with_their_parent(tmp_path: Path) -> None:
    held = "import time; a = bytearray(80_000_000); time.sleep(0.6)"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {held!r}], check=True); print('done')"
    ran = measure.run([sys.executable, "-c", parent], folder=tmp_path)
    assert (ran.code, ran.stdout) == (0, "done\n")
    assert 90 < ran.peak_rss_mb < 200


def test_what_takes_too_long_is_ended_with_its_children(tmp_path: Path) -> None:
    slow = "import subprocess; subprocess.run(['sleep', '60'])"
    ran = measure.run([sys.executable, "-c", slow], folder=tmp_path, limit_s=0.5)
    assert ran.code is None


def test_results_are_taken_up_where_they_were(tmp_path: Path) -> None:
    key = dict.fromkeys(KEY, "x")
    Results(tmp_path / "r.json").add({**key, "code": 0, "wall_s": 1.0})
    again = Results(tmp_path / "r.json")
    assert again.find(key) == again.runs[0]
    assert again.find({**key, "repetition": 1}) is None


def test_a_ratio_is_that_of_a_pair_and_what_failed_counts_nowhere() -> None:
    key = {"region": "r", "dates": 1, "network": "plain", "threads": 2, "beside": "peer"}
    runs = [
        {**key, "contender": contender, "repetition": number, "wall_s": wall_s, "code": code}
        for contender, number, wall_s, code in (
            ("glacierctl", 0, 2.0, 0), ("peer", 0, 6.0, 0), ("glacierctl", 1, 5.0, 0), ("peer", 1, 10.0, 0),
            ("glacierctl", 2, 1.0, 0), ("peer", 2, 9.0, None),
        )
    ]  # fmt: skip
    assert ratios(runs, "peer") == [3.0, 2.0]
