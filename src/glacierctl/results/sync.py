"""Products copied from a store into a folder: what is new, every file compared with the checksum in its item.

A file here counts as the store's if it has the size that the item says and the time of the item in the store: that
time is given only to what was compared before. Any other is compared by its checksum, and fetched if that differs.
"""

import functools
import hashlib
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum

from glacierctl.choices import Satellite
from glacierctl.errors import StoreError
from glacierctl.results.catalogue import Listed
from glacierctl.results.product import ProductFile, StoredProduct, read_product
from glacierctl.storage import FolderStore, Store
from glacierctl.storage.folder import is_as_of, stamp

SUFFIXES = ("tif", "json", "png", "csv")
"""Of the files of a product."""
_WORKERS = 8
"""Products at a time: one stream does not fill a line to S3, and more only share it."""
_FETCHES = 3
"""How often a file is fetched whose content is not what its item says."""
_VERSIONS = 3
"""How often a product is begun again because it was made anew in the store meanwhile."""


class State(StrEnum):
    """What became of a file."""

    COPIED = "copied"
    NEW = "new"
    SAME = "same"
    FAILED = "failed"


@dataclass(frozen=True)
class FileOutcome:
    """One file."""

    key: str
    """Its key, here and there."""
    size: int
    """Bytes."""
    state: State
    """`new` is what would be copied, were it no dry run."""
    error: StoreError | None = None
    """Why it failed."""


@dataclass(frozen=True)
class ProductOutcome:
    """One product."""

    satellite: Satellite
    """Mission."""
    region: str
    """Region's name."""
    name: str
    """Product's name."""
    files: tuple[FileOutcome, ...]
    """Those that are wanted, the item last; none if the product vanished from the store."""

    def having(self, *states: State) -> tuple[FileOutcome, ...]:
        """Files in these states."""
        return tuple(one for one in self.files if one.state in states)


@dataclass(frozen=True, kw_only=True)
class Manner:
    """How to copy."""

    include: Collection[str] = SUFFIXES
    """Suffixes of the files that are wanted."""
    verify: bool = False
    """Compare checksums of what is here already, whatever its time."""
    dry_run: bool = False
    """Change nothing."""
    on_bytes: Callable[[int], None] = lambda _count: None
    """Told of bytes that arrived, by any thread."""


def sync(source: Store, listed: Sequence[Listed], target: FolderStore, manner: Manner) -> Iterator[ProductOutcome]:
    """Copy products, several at once; one that fails leaves the others alone.

    A file appears whole and compared, or not at all, and an item after its files.

    Args:
        source: where the products are.
        listed: which.
        target: where they shall be.
        manner: how.

    Yields:
        What became of each product, in the order of `listed`.
    """
    stopped = threading.Event()
    with ThreadPoolExecutor(_WORKERS) as pool:
        jobs = [pool.submit(_Job(source, one, target, manner, stopped).outcome) for one in listed]
        try:
            for job in jobs:
                yield job.result()
        finally:
            stopped.set()
            pool.shutdown(wait=False, cancel_futures=True)


class _Stopped(Exception):  # noqa: N818 (nothing went wrong)
    """Nobody waits for the product any more."""


class _DamagedError(StoreError):
    """What arrived is not what the item says."""


class _Job:
    """One product on its way."""

    def __init__(
        self, source: Store, listed: Listed, target: FolderStore, manner: Manner, stopped: threading.Event
    ) -> None:
        self._source = source
        self._listed = listed
        self._target = target
        self._manner = manner
        self._stopped = stopped

    def outcome(self) -> ProductOutcome:
        files: tuple[FileOutcome, ...] = ()
        try:
            product = self._product()
            for version in range(1, _VERSIONS + 1):
                if product is None:
                    break
                files = tuple(self._files(product))
                newer = self._newer(product) if _has_damaged(files) and version < _VERSIONS else product
                if newer is product:
                    break
                product = newer
        except StoreError as error:
            files = (FileOutcome(self._listed.item.key, self._listed.item.size, State.FAILED, error),)
        return ProductOutcome(self._listed.satellite, self._listed.region, self._listed.name, files)

    def _product(self) -> StoredProduct | None:
        """The product as it is in the store; its item is not fetched if it is here already."""
        entry = self._listed.item
        path = self._target.root / entry.key
        if not self._manner.verify and is_as_of(path, entry.size, entry.modified):
            return self._parsed(self._target.get(entry.key))
        return self._parsed(self._source.get(entry.key))

    def _newer(self, product: StoredProduct) -> StoredProduct | None:
        """The product if it was made anew meanwhile; `product` itself if not."""
        content = self._source.get(self._listed.item.key)
        return product if content == product.item else self._parsed(content)

    def _parsed(self, item: bytes | None) -> StoredProduct | None:
        one = self._listed
        return None if item is None else read_product(one.satellite, one.region, one.name, item, self._source.url)

    def _files(self, product: StoredProduct) -> Iterator[FileOutcome]:
        all_here = True
        for file in product.files:
            if file.suffix in self._manner.include:
                outcome = self._guarded(file.key, file.size, functools.partial(self._file, product, file))
                all_here = all_here and outcome.state is not State.FAILED
                yield outcome
        if "json" in self._manner.include and all_here:
            yield self._guarded(product.item_key, len(product.item), lambda: self._item(product))

    def _drop_older(self, product: StoredProduct) -> None:
        """Remove the item of another version: else a kill now would leave it beside files that are not its own."""
        if "json" in self._manner.include:
            here = self._target.get(product.item_key)
            if here is not None and here != product.item:
                self._target.delete(product.item_key)

    def _guarded(self, key: str, size: int, copy: Callable[[], State]) -> FileOutcome:
        try:
            return FileOutcome(key, size, copy())
        except StoreError as error:
            return FileOutcome(key, size, State.FAILED, error)

    def _file(self, product: StoredProduct, file: ProductFile) -> State:
        path = self._target.root / file.key
        if not self._manner.verify and is_as_of(path, file.size, self._listed.item.modified):
            return State.SAME
        if self._is_here(file):
            return self._same(file.key)
        if self._manner.dry_run:
            return State.NEW
        for _ in range(_FETCHES - 1):
            try:
                return self._fetch(product, file)
            except _DamagedError:
                continue
        return self._fetch(product, file)

    def _item(self, product: StoredProduct) -> State:
        if self._target.get(product.item_key) == product.item:
            return self._same(product.item_key)
        if self._manner.dry_run:
            return State.NEW
        with self._target.writing(product.item_key, self._listed.item.modified) as out:
            out.write(product.item)
        self._manner.on_bytes(len(product.item))
        return State.COPIED

    def _same(self, key: str) -> State:
        """Note that a file was compared, so that it need not be again."""
        if not self._manner.dry_run:
            with suppress(OSError):  # somebody else's file: it is compared again next time
                stamp(self._target.root / key, self._listed.item.modified)
        return State.SAME

    def _is_here(self, file: ProductFile) -> bool:
        with suppress(OSError):
            if (self._target.root / file.key).stat().st_size == file.size:
                digest = hashlib.sha256()
                for piece in self._target.read(file.key) or ():
                    self._go_on()
                    digest.update(piece)
                return digest.hexdigest() == file.sha256
        return False

    def _fetch(self, product: StoredProduct, file: ProductFile) -> State:
        digest, size = hashlib.sha256(), 0
        with self._target.writing(file.key, self._listed.item.modified) as out:
            for piece in _arriving(self._read(file)):
                self._go_on()
                digest.update(piece)
                size += len(piece)
                out.write(piece)
                self._manner.on_bytes(len(piece))
            if (size, digest.hexdigest()) != (file.size, file.sha256):
                raise _damaged(file, self._source.url, size)
            self._drop_older(product)
        return State.COPIED

    def _read(self, file: ProductFile) -> Iterator[bytes]:
        pieces = self._source.read(file.key)
        if pieces is None:
            raise StoreError(
                f"{file.key} is not in {self._source.url}",
                why="the item of its product names it",
                hint="Make the product anew with --overwrite.",
            )
        return pieces

    def _go_on(self) -> None:
        if self._stopped.is_set():
            raise _Stopped


def _arriving(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """What was answered and could not be read to its end is as good as damaged."""
    try:
        yield from pieces
    except StoreError as error:
        raise _DamagedError(error.what, why=error.why, hint=error.hint) from error


def _damaged(file: ProductFile, store_url: str, size: int) -> _DamagedError:
    why = f"{size} bytes arrived, and its item says {file.size}"
    if size == file.size:
        why = "its SHA-256 is not the one that its item says"
    return _DamagedError(
        f"{file.key} in {store_url} is damaged",
        why=f"{why}; it was fetched {_FETCHES} times",
        hint="Make the product anew with --overwrite, then copy again.",
    )


def _has_damaged(files: Sequence[FileOutcome]) -> bool:
    return any(isinstance(one.error, _DamagedError) for one in files)
