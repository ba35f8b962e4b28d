"""A region's products as one dataset: (time, y, x), read when it is computed.

Needs the packages of the extra `stack`: `python3 -m pip install '.[stack]'` in a checkout.
"""

import functools
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from glacierctl.choices import Satellite
from glacierctl.errors import StoreError, UsageError
from glacierctl.results.catalogue import Wanted, list_products, read_products
from glacierctl.results.dataset import CHUNK_PX, Grid, dataset_of
from glacierctl.storage import open_store

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    import xarray as xr
    from types_boto3_s3 import S3Client

    from glacierctl.results.product import StoredProduct
    from glacierctl.storage import Store
    from glacierctl.storage.gdal import S3Access

_NEEDED = ("boto3", "xarray", "rioxarray", "dask", "zarr", "netCDF4")


def open_stack(
    store: str | Path,
    satellite: Satellite | str,
    region: str,
    *,
    aws_region: str = "us-west-2",
    chunk_px: int = CHUNK_PX,
    products: "Collection[str] | None" = None,
) -> "xr.Dataset":
    """Open all products of a region as one dataset, without reading a pixel.

    The variable `image` holds digital numbers by (time, y, x) as they are in the files, 0 where there is no data
    (`image.rio.nodata`). Along time lie the coordinates product, item_id, platform, band, coverage and cloud_share;
    `spatial_ref` holds CRS and transform. Pixels are read by chunks when they are computed, several at once.

    Args:
        store: a folder, or `s3://bucket/prefix`, which is reached as boto3 would: profiles and AWS_ENDPOINT_URL hold.
        satellite: `sentinel2` or `landsat`.
        region: the region's name.
        aws_region: where the bucket lies.
        chunk_px: side of a chunk in pixels; multiples of 512 read no block twice.
        products: names of the products that are wanted; all by default.

    Raises:
        UsageError: there are no such products, or a package is missing.
        StoreError: the store does not answer, an item is not understood, or the products lie on different grids.
    """
    require_packages()
    opened, access = reach(str(store), functools.partial(_s3_client, aws_region))
    return dataset_of(find_stack(opened, Satellite(satellite), region, products), opened.url, access, chunk_px)


def reach(store_url: str, s3_client: "Callable[[], S3Client]") -> "tuple[Store, S3Access | None]":
    """A store, and how GDAL reaches it if it is on S3.

    Raises:
        UsageError: it is neither a folder nor an s3:// address.
    """
    if not store_url.startswith("s3://"):
        return open_store(store_url, s3_client), None
    from glacierctl.storage.gdal import s3_access  # noqa: PLC0415 (botocore is loaded only for S3)

    client = s3_client()
    return open_store(store_url, lambda: client), s3_access(client)


def require_packages() -> None:
    """See that the packages are there that stacks need.

    Raises:
        UsageError: one is not.
    """
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise UsageError(
            "stacks need packages that are not installed",
            why=f"missing: {', '.join(missing)}",
            hint=f"Install them: {sys.executable} -m pip install {' '.join(missing)}",
        )


def find_stack(
    store: "Store", satellite: Satellite, region: str, products: "Collection[str] | None" = None
) -> "tuple[StoredProduct, ...]":
    """The products of a stack, in order of time.

    Raises:
        UsageError: there are none.
        StoreError: the store does not answer, an item is not understood, or the products lie on different grids.
    """
    among = None if products is None else frozenset((region, name) for name in products)
    listing = list_products(store, Wanted((satellite,), frozenset({region}), among))
    read = read_products(store, listing.products)
    if read.broken:
        raise read.broken[0]
    if not read.products:
        raise UsageError(
            f"there are no {satellite} products of {region} to open",
            why=f"none is in {store.url}",
            hint="`glacierctl results ls` shows what there is.",
        )
    if len({_grid(one, store) for one in read.products}) > 1:
        raise StoreError(
            f"the products of {region} lie on different grids",
            why="the region's bounds were others when some of them were made",
            hint="Make the older ones anew with --overwrite, or open those of one run.",
        )
    return read.products


def _grid(product: "StoredProduct", store: "Store") -> Grid:
    try:
        return Grid.of(product)
    except (ValueError, LookupError, TypeError) as error:
        raise StoreError(
            f"{product.item_key} in {store.url} is not understood",
            why=f"it does not say where its pixels lie ({type(error).__name__}: {error})",
            hint="Make the product anew with --overwrite.",
        ) from error


def _s3_client(aws_region: str) -> "S3Client":
    from glacierctl.aws.session import s3_client  # noqa: PLC0415 (botocore is loaded only for S3)

    return s3_client(aws_region, connect_timeout_s=10, read_timeout_s=30, connections=32, attempts=6)
