"""A band-limited picture without end: a sum of plane waves, the same everywhere and always."""

import functools
import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
"""An array of float64, of any shape."""

SHORTEST_WAVE_M, LONGEST_WAVE_M = 60.0, 600.0
"""Six pixels of Sentinel-2: smooth enough that cubic interpolation errs by 2.6 % of the shortest wave at most."""

_FINE_WAVES = 32
_BROAD_WAVES_M = (3100.0, 4700.0, 7300.0)
_BROAD_SHARE = 0.15
_CHUNK = 16384
"""Pixels at a time, so that the work stays in the processor's cache."""

# Kronecker sequences of three rationally independent numbers: even, without order, and without a random generator.
_STEPS = (0.8191725133961645, 0.6710436067037893, 0.5497004779019703)


@dataclass(frozen=True)
class Wave:
    """One plane wave: amplitude * cos(2 pi (x * per_m_x + y * per_m_y + phase))."""

    per_m_x: float
    """Cycles per metre eastward on the grid."""
    per_m_y: float
    """Cycles per metre northward on the grid."""
    phase: float
    """Cycles at the origin."""
    amplitude: float
    """Share of the whole; those of all waves sum to 1."""


@functools.cache
def waves() -> tuple[Wave, ...]:
    """The waves that make up the texture; the longer, the stronger."""
    draws = [[(step * n) % 1 for step in _STEPS] for n in range(1, _FINE_WAVES + 1)]
    lengths = [SHORTEST_WAVE_M * (LONGEST_WAVE_M / SHORTEST_WAVE_M) ** draw[0] for draw in draws]
    strengths = [length**0.5 for length in lengths]
    fine = [
        _wave(length, direction, phase, (1 - _BROAD_SHARE) * strength / sum(strengths))
        for length, strength, (_, direction, phase) in zip(lengths, strengths, draws, strict=True)
    ]
    broad = [
        _wave(length, n / len(_BROAD_WAVES_M), n / 7, _BROAD_SHARE / len(_BROAD_WAVES_M))
        for n, length in enumerate(_BROAD_WAVES_M)
    ]
    return (*fine, *broad)


def texture(x: Floats, y: Floats) -> Floats:
    """Brightness between -1 and 1 at positions in metres; shape of `x` and `y`, which must agree.

    Cosines are taken in float32 after the phase is reduced in float64: right to 1e-6, and four times as fast.
    """
    flat_x, flat_y = np.ravel(x), np.ravel(y)
    total = np.zeros(flat_x.size, np.float32)
    for start in range(0, flat_x.size, _CHUNK):
        part = slice(start, start + _CHUNK)
        for wave in waves():
            _add_wave(total[part], wave, flat_x[part], flat_y[part])
    return total.reshape(np.shape(x)).astype(np.float64)


def _wave(length_m: float, direction: float, phase: float, amplitude: float) -> Wave:
    angle = math.pi * direction
    return Wave(math.cos(angle) / length_m, math.sin(angle) / length_m, phase, amplitude)


def _add_wave(total: npt.NDArray[np.float32], wave: Wave, x: Floats, y: Floats) -> None:
    cycles = x * wave.per_m_x
    cycles += y * wave.per_m_y
    cycles += wave.phase
    cycles -= np.rint(cycles)
    turn = cycles.astype(np.float32)
    turn *= np.float32(2 * math.pi)
    np.cos(turn, out=turn)
    turn *= np.float32(wave.amplitude)
    total += turn
