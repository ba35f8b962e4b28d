"""Where the same texture lies in two images, to a hundredth of a pixel."""

from collections.abc import Iterator

import numpy as np

CHIP_PX = 32
"""Side of the squares that are tracked."""


def chips(shape: tuple[int, int], *, size: int = CHIP_PX, step: int | None = None, margin: int = 0) -> Iterator[tuple]:
    """Index (rows, columns) of each square that fits with `margin` around it."""
    for row in range(margin, shape[0] - size - margin + 1, step or size):
        for col in range(margin, shape[1] - size - margin + 1, step or size):
            yield slice(row, row + size), slice(col, col + size)


def small_shift(reference: np.ndarray, moved: np.ndarray) -> tuple[float, float]:
    """(right, down) in pixels by which `moved` shows what `reference` shows further up and left; for below 0.3 px.

    Least squares of the difference against the mean slopes of both (Lucas and Kanade 1981), brightness apart.
    """
    mean = (reference + moved) / 2
    down, right = (slope[2:-2, 2:-2] for slope in _slopes(mean))
    difference = (reference - moved)[2:-2, 2:-2]
    unknowns = np.column_stack([right.ravel(), down.ravel(), np.ones(right.size)])
    solved, *_ = np.linalg.lstsq(unknowns, difference.ravel(), rcond=None)
    return float(solved[0]), float(solved[1])


def shift(reference: np.ndarray, around: np.ndarray) -> tuple[float, float, float]:
    """(right, down, likeness) of a chip in an image that reaches equally far beyond it on each side.

    Normalised cross-correlation at whole pixels, then a paraboloid through the nine values at the best one.
    """
    height, width = reference.shape
    reach = (around.shape[0] - height) // 2
    windows = np.lib.stride_tricks.sliding_window_view(around, (height, width))
    chip = reference - reference.mean()
    sums = np.einsum("ijkl,kl->ij", windows, chip, optimize=True)
    spread = windows.std(axis=(2, 3)) * np.sqrt(chip.size) * np.sqrt((chip**2).sum())
    scores = np.divide(sums, spread, out=np.full(sums.shape, -1.0), where=spread > 0)
    row, col = np.unravel_index(scores.argmax(), scores.shape)
    best = float(scores[row, col])
    if not (0 < row < scores.shape[0] - 1 and 0 < col < scores.shape[1] - 1):
        return float("nan"), float("nan"), best
    sub_col, sub_row = _vertex(scores[row - 1 : row + 2, col - 1 : col + 2])
    return col + sub_col - reach, row + sub_row - reach, best


def _slopes(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(down, right) by central differences of fourth order; the outermost two pixels are not to be used."""
    return tuple(
        (8 * (np.roll(image, -1, axis) - np.roll(image, 1, axis)) - np.roll(image, -2, axis) + np.roll(image, 2, axis))
        / 12
        for axis in (0, 1)
    )


def _vertex(scores: np.ndarray) -> tuple[float, float]:
    """(column, row) of the top of the paraboloid that fits 3 x 3 values best, from the middle one."""
    row, col = np.mgrid[-1:2, -1:2]
    terms = np.stack([np.ones(9), *(part.ravel() for part in (col, row, col * row, col * col, row * row))], axis=1)
    _, c, r, cr, cc, rr = np.linalg.lstsq(terms, scores.ravel(), rcond=None)[0]
    top = np.linalg.solve([[2 * cc, cr], [cr, 2 * rr]], [-c, -r])
    return float(np.clip(top[0], -1, 1)), float(np.clip(top[1], -1, 1))
