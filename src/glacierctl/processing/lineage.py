"""Tables that name the source files of each product, in mosaic order."""

import csv
import io

from glacierctl.choices import Satellite
from glacierctl.model import Acquisition
from glacierctl.storage import Store
from glacierctl.storage.layout import combined_lineage_key, lineage_prefix


def lineage_row(acquisition: Acquisition) -> bytes:
    """One line: the product's name, then its source files."""
    return _csv([[acquisition.product, *(scene.source_file for scene in acquisition.scenes)]])


def combine_lineage(store: Store, satellite: Satellite, region: str) -> None:
    """Write the table of all products of a region anew: header 0, 1, 2 ..., a row a product, sorted by name.

    Raises:
        StoreError: a table cannot be read or written.
    """
    rows = []
    for key in store.list(lineage_prefix(satellite, region)):
        content = store.get(key) or b""
        rows += list(csv.reader(io.StringIO(content.decode())))
    width = max((len(row) for row in rows), default=0)
    padded = [row + [""] * (width - len(row)) for row in rows]
    store.put(combined_lineage_key(satellite, region), _csv([[str(number) for number in range(width)], *padded]))


def _csv(rows: list[list[str]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()
