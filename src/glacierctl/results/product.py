"""A product as its STAC item describes it."""

import datetime as dt
import json
from dataclasses import dataclass
from typing import Any

from glacierctl.choices import Satellite
from glacierctl.errors import StoreError
from glacierctl.storage.layout import lineage_key, product_key

_SHA256 = "1220"
"""What a multihash of SHA-256 begins with: its code, and its length in bytes."""
_SHA256_DIGITS = 64
_SUFFIXES = {"image": "tif", "quicklook": "png", "lineage": "csv"}
"""Of the files, by the names of the item's assets."""


@dataclass(frozen=True)
class ProductFile:
    """One file of a product."""

    suffix: str
    """`tif`, `png` or `csv`."""
    key: str
    """Key in the store."""
    size: int
    """Bytes."""
    sha256: str
    """SHA-256 of the content in hex digits."""


@dataclass(frozen=True)
class StoredProduct:
    """What an item says."""

    satellite: Satellite
    """Mission."""
    region: str
    """Region's name."""
    name: str
    """Product's name."""
    acquired_at: dt.datetime
    """Time of the image, UTC."""
    coverage: float
    """Share of the region with valid pixels, 0-1."""
    cloud_share: float | None
    """Share of cloud over the classified pixels of the region, 0-1; none where nothing classifies them."""
    files: tuple[ProductFile, ...]
    """All files but the item itself."""
    item: bytes
    """The item as it lies in the store."""

    @property
    def item_key(self) -> str:
        """Key of the item."""
        return product_key(self.satellite, self.region, self.name, "json")

    @property
    def image(self) -> ProductFile:
        """The GeoTIFF."""
        return next(file for file in self.files if file.suffix == "tif")

    @property
    def size(self) -> int:
        """Bytes of all its files, the item included."""
        return sum(file.size for file in self.files) + len(self.item)

    @property
    def fields(self) -> dict[str, Any]:
        """The item as a document."""
        document: dict[str, Any] = json.loads(self.item)
        return document


def read_product(satellite: Satellite, region: str, name: str, item: bytes, store_url: str) -> StoredProduct:
    """Read an item. Keys are made of the names, never taken from the item.

    Args:
        satellite: mission.
        region: region's name.
        name: product's name.
        item: its content.
        store_url: where it came from, for the error.

    Raises:
        StoreError: it is not the item of a product.
    """
    try:
        document = json.loads(item)
        properties = document["properties"]
        clouds = properties["glacierctl:cloud_share"]
        return StoredProduct(
            satellite=satellite,
            region=region,
            name=name,
            acquired_at=_utc(properties["datetime"]),
            coverage=float(properties["glacierctl:coverage"]),
            cloud_share=None if clouds is None else float(clouds),
            files=_files(satellite, region, name, document["assets"]),
            item=item,
        )
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        key = product_key(satellite, region, name, "json")
        raise StoreError(
            f"{key} in {store_url} is not understood",
            why=f"it is not the item of a product ({type(error).__name__}: {error})",
            hint="Make the product anew with --overwrite, or remove its files.",
        ) from error


def _files(satellite: Satellite, region: str, name: str, assets: dict[str, Any]) -> tuple[ProductFile, ...]:
    found = []
    for asset, suffix in _SUFFIXES.items():
        checksum = assets[asset]["file:checksum"]
        sha256 = checksum.removeprefix(_SHA256)
        if len(sha256) != _SHA256_DIGITS or sha256 == checksum:
            msg = f"the checksum of {asset} is no SHA-256"
            raise ValueError(msg)
        key = lineage_key(satellite, region, name) if suffix == "csv" else product_key(satellite, region, name, suffix)
        found.append(ProductFile(suffix, key, int(assets[asset]["file:size"]), sha256))
    return tuple(found)


def _utc(text: str) -> dt.datetime:
    moment = dt.datetime.fromisoformat(text)
    if moment.tzinfo is None:
        msg = f"{text} has no time zone"
        raise ValueError(msg)
    return moment.astimezone(dt.UTC)
