"""The analytic glacier: bounded, band-limited, and moving as it says."""

import math

import numpy as np
import pytest

from glacierctl.demo.glacier import Glacier
from glacierctl.demo.texture import SHORTEST_WAVE_M, texture, waves

BOX = (-210690.0, -975690.0, -198630.0, -966600.0)
GLACIER = Glacier.in_box(BOX)
DAYS = 10.0
FINE_M = 2.0


def on_ice(across: float, bearing_degrees: float) -> tuple[float, float]:
    """A point of the tongue; `across` is -1 at its inner and 1 at its outer margin."""
    radius, bearing = GLACIER.radius_m + across * GLACIER.half_width_m, math.radians(bearing_degrees)
    return GLACIER.centre[0] + radius * math.cos(bearing), GLACIER.centre[1] + radius * math.sin(bearing)


def grid_around(x: float, y: float, half_m: float, step_m: float) -> tuple[np.ndarray, np.ndarray]:
    offsets = np.arange(-half_m, half_m + step_m / 2, step_m)
    return np.meshgrid(x + offsets, y - offsets)


def likeness(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])


def best_shift(chip: np.ndarray, search: np.ndarray, shifts: list[tuple[int, int]]) -> tuple[int, int]:
    """The (rows, cols) by which `chip`, cut from the middle of `search`, is best found again."""
    return max(shifts, key=lambda shift: likeness(chip, cut(search, chip.shape, shift)))


def cut(search: np.ndarray, shape: tuple[int, ...], shift: tuple[int, int]) -> np.ndarray:
    top, left = ((outer - inner) // 2 + by for outer, inner, by in zip(search.shape, shape, shift, strict=True))
    return search[top : top + shape[0], left : left + shape[1]]


def vertex(before: float, peak: float, after: float) -> float:
    return (before - after) / (2 * (before - 2 * peak + after))


def tracked_shift_m(x: float, y: float) -> tuple[float, float]:
    """(east, north) in metres by correlation of a 400 m chip: every 10 m first, then every 2 m, then in between."""
    chip = GLACIER.reflectance(*grid_around(x, y, 200, FINE_M), 0.0)
    search = GLACIER.reflectance(*grid_around(x, y, 360, FINE_M), DAYS)
    steps = range(-75, 76, 5)
    coarse = best_shift(chip, search, [(row, col) for row in steps for col in steps])
    near = range(-4, 5)
    row, col = best_shift(chip, search, [(coarse[0] + i, coarse[1] + j) for i in near for j in near])
    column = [likeness(chip, cut(search, chip.shape, (row + i, col))) for i in (-1, 0, 1)]
    line = [likeness(chip, cut(search, chip.shape, (row, col + i))) for i in (-1, 0, 1)]
    return (col + vertex(*line)) * FINE_M, -(row + vertex(*column)) * FINE_M


@pytest.mark.parametrize(("across", "bearing"), [(0.0, 30.0), (0.4, 50.0), (-0.5, 60.0)])
def test_motion_is_found_by_correlation_to_a_twentieth_of_a_pixel(across: float, bearing: float) -> None:
    x, y = on_ice(across, bearing)
    xs, ys = grid_around(x, y, 200, FINE_M)
    later = GLACIER.position(xs, ys, DAYS)
    expected = (np.mean(later[0] - xs), np.mean(later[1] - ys))
    assert math.hypot(*expected) > 30
    assert tracked_shift_m(x, y) == pytest.approx(expected, abs=0.5)


def test_rock_stands_still() -> None:
    x, y = on_ice(1.5, 45.0)
    assert tracked_shift_m(x, y) == pytest.approx((0, 0), abs=0.02)
    assert all(np.all(part == 0) for part in GLACIER.velocity(*grid_around(x, y, 200, 50)))


def test_velocity_is_the_rate_at_which_ice_changes_place() -> None:
    x, y = (np.array(values) for values in zip(*[on_ice(a / 10, 40) for a in range(-9, 10)], strict=True))
    after, before = GLACIER.position(x, y, 1e-3), GLACIER.position(x, y, -1e-3)
    vx, vy = GLACIER.velocity(x, y)
    np.testing.assert_allclose(vx, (after[0] - before[0]) / 2e-3, atol=1e-5)
    np.testing.assert_allclose(vy, (after[1] - before[1]) / 2e-3, atol=1e-5)
    assert np.hypot(vx, vy)[9] == pytest.approx(8.0)
    assert np.argmax(np.hypot(vx, vy)) == 9


def test_ice_keeps_its_look_as_it_moves() -> None:
    x, y = grid_around(*on_ice(0.2, 35.0), 300, 10)
    np.testing.assert_allclose(
        GLACIER.reflectance(*GLACIER.position(x, y, DAYS), DAYS), GLACIER.reflectance(x, y, 0.0), atol=0.02
    )


def test_ice_covers_the_tongue_and_nothing_beyond_its_ends() -> None:
    inside, beyond, above = on_ice(0, 40), on_ice(0, 82), on_ice(0, -25)
    shares = [float(GLACIER.ice_share(np.array(x), np.array(y))) for x, y in (inside, beyond, above)]
    assert shares == [1, 0, 0]


def test_brightness_stays_between_2000_and_12000_everywhere() -> None:
    xs, ys = np.meshgrid(np.linspace(BOX[0], BOX[2], 700), np.linspace(BOX[1], BOX[3], 500))
    image = GLACIER.reflectance(xs, ys, 16.0)
    assert image.min() > 2000
    assert image.max() < 12000
    assert sum(wave.amplitude for wave in waves()) == pytest.approx(1)


def test_the_picture_holds_no_wave_shorter_than_it_says() -> None:
    image = GLACIER.reflectance(*grid_around(*on_ice(1.6, 45.0), 1000, 10), 0.0)
    window = np.outer(*(np.blackman(image.shape[0]),) * 2)
    power = np.abs(np.fft.fft2((image - image.mean()) * window)) ** 2
    cycles_per_m = np.hypot(*np.meshgrid(*(np.fft.fftfreq(image.shape[0], 10.0),) * 2))
    assert power[cycles_per_m > 1 / (SHORTEST_WAVE_M - 6)].sum() < 1e-6 * power.sum()
    assert power[cycles_per_m > 1 / (2 * SHORTEST_WAVE_M)].sum() > 1e-2 * power.sum()


def test_texture_is_the_sum_of_its_waves() -> None:
    x, y = grid_around(-541690.0, -1232300.0, 400, 10)
    plain = sum(
        wave.amplitude * np.cos(2 * np.pi * (x * wave.per_m_x + y * wave.per_m_y + wave.phase)) for wave in waves()
    )
    np.testing.assert_allclose(texture(x, y), plain, atol=2e-6)
