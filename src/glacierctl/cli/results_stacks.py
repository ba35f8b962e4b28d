"""Stacks of several regions, opened and written one after the other; what fails leaves the others alone."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glacierctl.errors import GlacierctlError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import xarray as xr
    from types_boto3_s3 import S3Client

    from glacierctl.results.catalogue import Wanted
    from glacierctl.results.product import StoredProduct
    from glacierctl.storage import Store
    from glacierctl.storage.gdal import S3Access

Document = dict[str, Any]


@dataclass(frozen=True)
class Target:
    """Where stacks are written."""

    path: Path
    """A file of one stack, or a folder of many."""
    is_file: bool
    """Which of these: `.zarr`, a folder itself, counts as a file."""
    overwrite: bool
    """Whether what is there is replaced."""
    dry_run: bool
    """Whether nothing is written."""

    @classmethod
    def of(cls, text: str, *, overwrite: bool, dry_run: bool) -> "Target":
        """What `--to` means: a folder if it ends in a slash, is one, or has no ending; a stack otherwise.

        Raises:
            UsageError: it has another ending than stacks have.
        """
        from glacierctl.results.export import KINDS, kind_of

        path = Path(text).absolute()
        is_stack = path.suffix.lower().removeprefix(".") in KINDS
        is_file = is_stack or not (text.endswith("/") or path.is_dir() or not path.suffix)
        if is_file:
            kind_of(path)
        if not is_file and path.exists() and not path.is_dir():
            raise UsageError(f"{path} is no folder", why="a file has that name", hint="Name another with --to.")
        return cls(path, is_file, overwrite, dry_run)

    def stack(self, region: str) -> Path:
        """Where a region's stack goes."""
        return self.path if self.is_file else self.path / f"{region}.zarr"


def open_stacks(
    store: "Store", wanted: "Mapping[str, Wanted]", s3_client: "Callable[[], S3Client]", target: Target | None
) -> "Iterator[Document | tuple[str, GlacierctlError]]":
    """Open the stack of each region, and write it if there is a target: what it holds, or (region, what is wrong).

    Raises:
        StoreError: the store does not answer.
    """
    from glacierctl.results.stack import reach

    _, access = reach(store.url, s3_client)
    for region, one in wanted.items():
        try:
            yield _open_stack(store, one, access, target.stack(region) if target else None, target)
        except GlacierctlError as error:
            yield region, error


def stacks_document(store_url: str, opened: "Iterator[Document | tuple[str, GlacierctlError]]") -> Document:
    """What stacks hold, as one JSON document."""
    stacks, failed = [], []
    for one in opened:
        if isinstance(one, dict):
            stacks.append(one)
        else:
            region, error = one
            failed.append({"region": region, "what": error.what, "why": error.why, "hint": error.hint})
    return {"store": store_url, "stacks": stacks, "failed": failed}


def _open_stack(
    store: "Store", wanted: "Wanted", access: "S3Access | None", path: Path | None, target: Target | None
) -> Document:
    from glacierctl.results.dataset import dataset_of
    from glacierctl.results.stack import find_stack

    (satellite,), (region,) = wanted.satellites, wanted.regions or frozenset()
    names = None if wanted.products is None else [product for where, product in wanted.products if where == region]
    products = find_stack(store, satellite, region, names)
    dataset = dataset_of(products, store.url, access)
    state = _write(dataset, path, target) if path and target else "read"
    return _document(products, dataset, state, path)


def _write(dataset: "xr.Dataset", path: Path, target: Target) -> str:
    """Write a stack, unless it is there: what became of it."""
    from glacierctl.cli.results_progress import watch_writing
    from glacierctl.results.export import holds_same, refuse_existing, write_stack

    if not target.overwrite and holds_same(path, dataset):
        return "same"
    refuse_existing(path, overwrite=target.overwrite)
    if target.dry_run:
        return "new"
    with watch_writing(path.name) as on_progress:
        write_stack(dataset, path, overwrite=target.overwrite, on_progress=on_progress)
    return "written"


def _document(products: "Sequence[StoredProduct]", dataset: "xr.Dataset", state: str, path: Path | None) -> Document:
    return {
        "satellite": dataset.attrs["satellite"],
        "region": dataset.attrs["region"],
        "products": [one.name for one in products],
        "first": products[0].acquired_at.isoformat(),
        "last": products[-1].acquired_at.isoformat(),
        "shape": [dataset.sizes[dimension] for dimension in ("time", "y", "x")],
        "crs": str(dataset.rio.crs),
        "transform": list(dataset.rio.transform())[:6],
        "size_bytes": dataset["image"].nbytes,
        "state": state,
        "path": str(path) if path else None,
    }
