"""Where tests find things outside their own folder."""

import os
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]
"""The checkout."""

SHARED_DATA = Path(os.environ.get("GLACIERCTL_SHARED_DATA") or REPO.parent / "shared" / "data")
"""Real satellite data: not part of the project, expected beside the checkout."""


def in_ci() -> bool:
    """Whether this run must not leave anything out."""
    return os.environ.get("CI", "").lower() in {"1", "true", "yes"}


def missing(what: str) -> None:
    """A test cannot have what it needs: a failure in CI, a skip with its reason elsewhere."""
    if in_ci():
        pytest.fail(f"{what} (CI runs every test)", pytrace=False)
    pytest.skip(what)


def require_shared_data(*parts: str) -> Path:
    """Path below the shared data, which must exist.

    Args:
        *parts: folders and file, such as `"regions", "glaciers_roi_proj_v3_300m.gpkg"`.
    """
    path = SHARED_DATA.joinpath(*parts)
    if not path.exists():
        missing(f"no shared data at {path}: put it there or name its folder in GLACIERCTL_SHARED_DATA")
    return path
