"""Tables that name the source files of each product, in mosaic order."""

import csv
import io
from concurrent.futures import ThreadPoolExecutor

from glacierctl.choices import Satellite
from glacierctl.model import Acquisition
from glacierctl.storage import Store
from glacierctl.storage.layout import combined_lineage_key, lineage_prefix

_READERS = 16
"""Threads that read rows: a store far away takes a moment for each."""


def lineage_row(acquisition: Acquisition) -> bytes:
    """One line: the product's name, then its source files."""
    return _csv([[acquisition.product, *(scene.source_file for scene in acquisition.scenes)]])


def combine_lineage(store: Store, satellite: Satellite, region: str) -> None:
    """Write the table of all products of a region anew: header 0, 1, 2 ..., a row a product, sorted by name.

    Raises:
        StoreError: a table cannot be read or written.
    """
    keys: list[str] | None = None
    while keys != (found := list(store.list(lineage_prefix(satellite, region)))):
        keys = found  # again, if another worker finished a product meanwhile: it may have written its table before us
        rows = [row for content in _read_all(store, keys) for row in csv.reader(io.StringIO(content.decode()))]
        width = max((len(row) for row in rows), default=0)
        padded = [row + [""] * (width - len(row)) for row in rows]
        table = _csv([[str(number) for number in range(width)], *padded])
        if store.get(combined_lineage_key(satellite, region)) != table:
            store.put(combined_lineage_key(satellite, region), table)


def _read_all(store: Store, keys: list[str]) -> list[bytes]:
    with ThreadPoolExecutor(_READERS) as pool:
        return [content or b"" for content in pool.map(store.get, keys)]


def _csv(rows: list[list[str]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()
