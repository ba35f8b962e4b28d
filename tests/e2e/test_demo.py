"""`glacierctl demo` as a user meets it: no network, products, and the truth about them."""

import json
import math
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio

from glacierctl.demo.passes import Pass, demo_passes

CLEAR, CLOUDY, EDGE = demo_passes()
CHIP_PX, REACH_PX, DAYS = 32, 12, 10
NO_NETWORK = {"http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}


def run_demo(folder: Path, output: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "glacierctl", "demo", "--output", str(output)]
    environment = {"HOME": str(folder), "PATH": "/usr/bin:/bin", **NO_NETWORK}
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment, check=False)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> tuple[subprocess.CompletedProcess[str], Path]:
    folder = tmp_path_factory.mktemp("demo")
    return run_demo(folder, folder / "out"), folder / "out"


def product_of(output: Path, seen: Pass) -> Path:
    return output / "results" / "sentinel2" / "clipped" / "demo_glacier" / f"{seen.product}.tif"


def read(output: Path, seen: Pass) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(image, x, y) of a product, the positions of pixel centres worked out here."""
    with rasterio.open(product_of(output, seen)) as source:
        left, top = source.transform.c, source.transform.f
        x, y = np.meshgrid(left + 10 * np.arange(source.width) + 5, top - 10 * np.arange(source.height) - 5)
        return source.read(1).astype(float), x, y


def test_it_ends_well_by_saying_where_the_geotiffs_and_the_pictures_lie(
    first: tuple[subprocess.CompletedProcess[str], Path],
) -> None:
    ended, output = first
    assert ended.returncode == 0, ended.stderr
    said = re.findall(r"^(GeoTIFF|picture) +(\S+)$", "\n".join(ended.stdout.splitlines()[-4:]), re.MULTILINE)
    expected = [product_of(output, seen).with_suffix(suffix) for seen in (CLEAR, CLOUDY) for suffix in (".tif", ".png")]
    assert [Path(path) for _, path in said] == expected
    assert all(path.is_file() for path in expected)


def test_it_says_how_far_the_products_are_from_the_truth(
    first: tuple[subprocess.CompletedProcess[str], Path],
) -> None:
    said = re.findall(r"right to ([\d.]+) DN .* place to ([\d.]+) px", first[0].stdout)
    assert len(said) == 2
    assert all(float(rms) < 2 and float(shift) < 0.005 for rms, shift in said)


@pytest.mark.parametrize("seen", [CLEAR, CLOUDY], ids=["clear", "cloudy"])
def test_products_are_the_truth(first: tuple[subprocess.CompletedProcess[str], Path], seen: Pass) -> None:
    image, x, y = read(first[1], seen)
    off = np.abs(image - seen.reflectance(x, y))
    assert image.shape == (909, 1206)
    assert np.sqrt(np.mean(off**2)) < 2
    assert np.mean(off < 5) > 0.999


def test_the_cloud_share_is_that_of_the_cloud(first: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    _, x, y = read(first[1], CLOUDY)
    item = json.loads(product_of(first[1], CLOUDY).with_suffix(".json").read_text())
    assert item["properties"]["eo:cloud_cover"] == pytest.approx(100 * np.mean(CLOUDY.cloudy(x, y)), abs=0.3)


def test_the_pass_that_saw_too_little_is_skipped_with_its_figure(
    first: tuple[subprocess.CompletedProcess[str], Path],
) -> None:
    ended, output = first
    assert not product_of(output, EDGE).exists()
    assert re.search(rf"{EDGE.product}: skipped.*42\.0", ended.stderr)


def likeness(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])


def vertex(before: float, peak: float, after: float) -> float:
    return (before - after) / (2 * (before - 2 * peak + after))


def tracked_px(chip: np.ndarray, later: np.ndarray) -> tuple[float, float]:
    """(right, down) by plain correlation of a chip with its surroundings of `REACH_PX` more on each side."""
    size = 2 * REACH_PX + 1
    scores = np.array(
        [[likeness(chip, later[r : r + CHIP_PX, c : c + CHIP_PX]) for c in range(size)] for r in range(size)]
    )
    row, col = np.unravel_index(scores.argmax(), scores.shape)
    right = col + vertex(*scores[row, col - 1 : col + 2])
    down = row + vertex(*scores[row - 1 : row + 2, col])
    return right - REACH_PX, down - REACH_PX


def test_tracking_the_products_finds_the_velocity_of_the_ice(
    first: tuple[subprocess.CompletedProcess[str], Path],
) -> None:
    before, x, y = read(first[1], CLEAR)
    after, _, _ = read(first[1], CLOUDY)
    errors, speeds = [], []
    for row in range(80, 800, 64):
        for col in range(80, 1100, 64):
            chip = slice(row, row + CHIP_PX), slice(col, col + CHIP_PX)
            around = tuple(slice(part.start - REACH_PX, part.stop + REACH_PX) for part in chip)
            if CLEAR.glacier.ice_share(x[around], y[around]).min() < 1 or CLOUDY.cloudy(x[around], y[around]).any():
                continue
            right, down = tracked_px(before[chip], after[around])
            vx, vy = (float(np.mean(part)) for part in CLEAR.glacier.velocity(x[chip], y[chip]))
            errors.append(math.hypot(right - vx * DAYS / 10, -down - vy * DAYS / 10))
            speeds.append(math.hypot(right, down))
    assert len(errors) >= 20
    assert max(speeds) > 7
    assert np.median(errors) < 0.1
    assert max(errors) < 0.25


def test_a_second_run_makes_nothing_and_reads_nothing(
    first: tuple[subprocess.CompletedProcess[str], Path],
) -> None:
    _, output = first
    before = {path: path.stat().st_mtime_ns for path in output.rglob("*.tif")}
    again = run_demo(output.parent, output)
    assert again.returncode == 0
    assert again.stdout.count("exists") == 2
    assert "Read 0 B in 0 requests" in again.stdout
    assert {path: path.stat().st_mtime_ns for path in output.rglob("*.tif")} == before


def test_a_place_that_cannot_be_written_to_is_one_plain_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    ended = run_demo(tmp_path, tmp_path / "file" / "out")
    assert ended.returncode == 1
    assert "error: the made-up data cannot be written to" in ended.stderr
    assert "fix: " in ended.stderr
    assert "Traceback" not in ended.stderr


def test_the_memory_it_tells_of_is_the_run_s(first: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    """Drawing the scenes takes above 340 MB."""
    ran, _ = first
    told = re.search(r"(\d+) MB of memory at the peak", ran.stdout)
    assert told
    assert 100 <= int(told[1]) <= 290
