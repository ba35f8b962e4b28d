"""A stack written as one file or folder: NetCDF or Zarr. It appears whole, or not at all."""

import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from glacierctl.errors import StoreError, UsageError
from glacierctl.storage.claims import claimed_file, remove_abandoned

if TYPE_CHECKING:
    import xarray as xr

KINDS = ("zarr", "nc")
"""Endings of the names of stacks."""
_CLAIM = ".claim"
_BLOCK_PX = 512
"""Side of the pieces that a NetCDF is compressed in, as the images are."""

Progress = Callable[[int, int], None]
"""Told (pieces written, pieces in all)."""


def kind_of(path: Path) -> str:
    """`zarr` or `nc`, by the ending.

    Raises:
        UsageError: it is neither.
    """
    kind = path.suffix.lower().removeprefix(".")
    if kind not in KINDS:
        raise UsageError(
            f"a stack cannot be written to {path}",
            why="its name ends neither in .zarr nor in .nc",
            hint="Name it so: .zarr for many readers at once, .nc for one file. A folder's name ends in a slash.",
        )
    return kind


def write_stack(
    dataset: "xr.Dataset",
    path: Path,
    *,
    overwrite: bool,
    on_progress: Progress = lambda _done, _total: None,
    clock: Callable[[], float] = time.time,
) -> None:
    """Write a stack, a few chunks in memory at a time.

    Args:
        dataset: of `open_stack`, or what was made of it.
        path: ends in `.zarr` or `.nc`.
        overwrite: replace what is there.
        on_progress: told how far it is.
        clock: seconds since 1970.

    Raises:
        UsageError: the ending is another, or something is there and not to be replaced.
        StoreError: it cannot be written.
        ReadError: an image cannot be read.
    """
    kind = kind_of(path)
    refuse_existing(path, overwrite=overwrite)
    try:
        with _written_aside(path, clock) as unfinished, _counting(on_progress), _waiting_for_threads():
            _write(dataset, unfinished, kind)
    except (OSError, RuntimeError) as error:  # the latter is what the NetCDF library raises
        raise StoreError(
            f"{path} cannot be written",
            why=getattr(error, "strerror", None) or " ".join(str(error).split()),
            hint="Check that its folder is yours to write to and has room.",
        ) from error


def refuse_existing(path: Path, *, overwrite: bool) -> None:
    """See that nothing is there that is not to be replaced.

    Raises:
        UsageError: something is.
    """
    if path.exists() and not overwrite:
        raise UsageError(
            f"{path} is there already",
            why="it is no stack of the same products, as they are now",
            hint="Replace it with --overwrite, or name another with --to.",
        )


def holds_same(path: Path, dataset: "xr.Dataset") -> bool:
    """Whether a stack is there already, of the same products; pixels are not compared."""
    import xarray as xr  # noqa: PLC0415 (of the extra)

    if not path.exists():
        return False
    engine: Any = {"zarr": "zarr", "nc": "netcdf4"}[kind_of(path)]
    try:
        with xr.open_dataset(path, engine=engine, mask_and_scale=False, decode_coords="all") as there:
            return there.attrs == dataset.attrs and all(
                name in there and np.array_equal(there[name], one, equal_nan=one.dtype.kind == "f")
                for name, one in dataset.coords.items()
                if name != "spatial_ref"  # its text is written otherwise; the pixels' places are compared
            )
    except (OSError, ValueError, KeyError):  # it is something else
        return False


def _write(dataset: "xr.Dataset", path: Path, kind: str) -> None:
    if kind == "zarr":
        # version 2 of the format, whose texts have a form that every reader knows
        dataset.to_zarr(path, mode="w", zarr_format=2, consolidated=True)
    else:
        dataset.to_netcdf(path, engine="netcdf4", encoding=_netcdf_encoding(dataset))


def _netcdf_encoding(dataset: "xr.Dataset") -> dict[str, Any]:
    sizes = dataset.sizes
    chunks = (1, min(_BLOCK_PX, sizes["y"]), min(_BLOCK_PX, sizes["x"]))
    packed = {"zlib": True, "complevel": 4, "shuffle": True, "chunksizes": chunks}
    images = {str(name): one for name, one in dataset.data_vars.items() if one.dims == ("time", "y", "x")}
    return {name: {"grid_mapping": one.encoding.get("grid_mapping"), **packed} for name, one in images.items()}


@contextmanager
def _written_aside(path: Path, clock: Callable[[], float]) -> Iterator[Path]:
    """A place beside `path` that takes its name at the end; what killed processes left of such is removed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_abandoned(path.parent, f".{path.name}.*{_CLAIM}", clock(), also=_remove_folder)
    with claimed_file(path.parent, prefix=f".{path.name}.", suffix=_CLAIM) as (claim, _):
        folder = claim.with_suffix("")
        folder.mkdir()
        try:
            yield folder / path.name
            if path.is_dir():
                path.replace(folder / "before")  # no rename replaces a folder that is not empty
            (folder / path.name).replace(path)
        finally:
            _remove_folder(claim)


def _remove_folder(claim: Path) -> None:
    shutil.rmtree(claim.with_suffix(""), ignore_errors=True)


@contextmanager
def _waiting_for_threads() -> Iterator[None]:
    """Until all threads that write have ended: where one fails, dask leaves the others to write on behind its back."""
    import dask  # noqa: PLC0415 (of the extra)
    from dask.system import CPU_COUNT  # noqa: PLC0415

    with ThreadPoolExecutor(CPU_COUNT) as pool, dask.config.set(pool=pool):
        yield


@contextmanager
def _counting(on_progress: Progress) -> Iterator[None]:
    from dask.callbacks import Callback  # noqa: PLC0415 (of the extra)

    def told(_key: object, _result: object, _graph: object, state: dict[str, Any], _worker: object) -> None:
        left = sum(len(state[part]) for part in ("ready", "waiting", "running"))
        on_progress(len(state["finished"]), len(state["finished"]) + left)

    with Callback(posttask=told):
        yield
