"""Products that share their grid, as one dataset by the conventions for climate and forecast data (CF)."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from glacierctl.results.image import Image

if TYPE_CHECKING:
    from collections.abc import Sequence

    import xarray as xr

    from glacierctl.results.product import StoredProduct
    from glacierctl.storage.gdal import S3Access

CHUNK_PX = 2048
"""Side of what is read at once: four blocks of the files each way, 8 MB."""


@dataclass(frozen=True)
class Grid:
    """Where pixels lie."""

    crs: str
    """Authority code."""
    shape: tuple[int, int]
    """(height, width) in pixels."""
    transform: tuple[float, ...]
    """Affine, six coefficients in rasterio's order."""
    dtype: str
    """Of the pixels."""
    nodata: int
    """Value without data."""

    @classmethod
    def of(cls, product: "StoredProduct") -> "Grid":
        """As the item says."""
        properties = product.fields["properties"]
        (band,) = product.fields["assets"]["image"]["bands"]
        height, width = properties["proj:shape"]
        transform = tuple(properties["proj:transform"])
        return cls(properties["proj:code"], (height, width), transform, band["data_type"], band["nodata"])


def dataset_of(
    products: "Sequence[StoredProduct]", store_url: str, access: "S3Access | None", chunk_px: int = CHUNK_PX
) -> "xr.Dataset":
    """The dataset of products that share their grid.

    Args:
        products: in order of time.
        store_url: where they are.
        access: how GDAL reaches S3; none for a folder.
        chunk_px: side of a chunk in pixels.
    """
    import dask.array as da  # noqa: PLC0415 (of the extra)
    import rioxarray  # noqa: F401, PLC0415 (makes .rio)
    import xarray as xr  # noqa: PLC0415
    from affine import Affine  # noqa: PLC0415

    grid = Grid.of(products[0])
    dtype = np.dtype(grid.dtype)
    layers = [
        da.from_array(
            Image(f"{store_url}/{one.image.key}", grid.shape, dtype, access),
            chunks=(chunk_px, chunk_px),
            name=f"image-{one.image.sha256}-{chunk_px}",
            asarray=False,
            fancy=False,
            meta=np.empty((0, 0), dtype),
        )
        for one in products
    ]
    image = xr.DataArray(da.stack(layers), dims=("time", "y", "x"), attrs={"long_name": "digital number", "units": "1"})
    dataset = xr.Dataset({"image": image}, coords=_coordinates(products, grid), attrs=_attributes(products))
    dataset = dataset.rio.write_crs(grid.crs).rio.write_transform(Affine(*grid.transform))
    dataset["image"] = dataset["image"].rio.write_nodata(grid.nodata, encoded=False)
    placed: xr.Dataset = dataset.rio.write_coordinate_system()
    return placed


def _coordinates(products: "Sequence[StoredProduct]", grid: Grid) -> dict[str, Any]:
    a, _, c, _, e, f = grid.transform
    times = np.array([one.acquired_at.replace(tzinfo=None) for one in products], "datetime64[ns]")
    properties = [one.fields["properties"] for one in products]
    bands = [one.fields["assets"]["image"]["bands"][0]["name"] for one in products]
    clouds = [np.nan if one.cloud_share is None else one.cloud_share for one in products]
    return {
        "time": ("time", times, {"standard_name": "time", "long_name": "start of the datatake, or time of the scene"},
                 {"units": "microseconds since 1970-01-01", "calendar": "proleptic_gregorian", "dtype": "int64"}),
        "y": ("y", f + (np.arange(grid.shape[0]) + 0.5) * e),
        "x": ("x", c + (np.arange(grid.shape[1]) + 0.5) * a),
        "product": ("time", np.array([one.name for one in products]), {"long_name": "name of the product"}),
        "item_id": ("time", np.array([one.fields["id"] for one in products]), {"long_name": "id of the STAC item"}),
        "platform": ("time", np.array([one["platform"] for one in properties]), {"long_name": "spacecraft"}),
        "band": ("time", np.array(bands), {"long_name": "name of the band"}),
        "coverage": ("time", np.array([one.coverage for one in products]),
                     {"long_name": "share of the region with valid pixels", "units": "1"}),
        "cloud_share": ("time", np.array(clouds),
                        {"long_name": "share of cloud over the classified pixels of the region", "units": "1"}),
    }  # fmt: skip


def _attributes(products: "Sequence[StoredProduct]") -> dict[str, Any]:
    properties = [one.fields["properties"] for one in products]
    versions = sorted({one["processing:software"]["glacierctl"] for one in properties})
    return {
        "Conventions": "CF-1.11",
        "title": f"{products[0].satellite} images of {products[0].region}",
        "source": f"glacierctl {', '.join(versions)}",
        "region": products[0].region,
        "satellite": str(products[0].satellite),
        "resampling": ", ".join(sorted({one["glacierctl:resampling"] for one in properties})),
    }
