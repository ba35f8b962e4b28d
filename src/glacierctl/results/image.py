"""One product's image, read window by window when it is asked for."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from glacierctl.errors import ReadError

if TYPE_CHECKING:
    from glacierctl.storage.gdal import S3Access

_OPTIONS: dict[str, Any] = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",  # else an open asks for a listing and for seven files beside it
    "CPL_VSIL_CURL_ALLOWED_EXTENSIONS": ".tif",
    "CPL_VSIL_CURL_NON_CACHED": "/vsis3/",  # else a file that was refused once counts as missing ever after
    "GDAL_INGESTED_BYTES_AT_OPEN": 32_768,
    "GDAL_HTTP_MERGE_CONSECUTIVE_RANGES": "YES",
    "GDAL_HTTP_MAX_RETRY": 5,
    "GDAL_HTTP_RETRY_DELAY": "0.5",
    "GDAL_HTTP_CONNECTTIMEOUT": 10,
    "GDAL_HTTP_LOW_SPEED_LIMIT": 1,
    "GDAL_HTTP_LOW_SPEED_TIME": 30,
    "GDAL_CACHEMAX": 64 << 20,
}

_Index = int | slice


@dataclass(frozen=True)
class Image:
    """Looks like an array of (height, width) to dask. Holds no open file, so that other processes can have it."""

    href: str
    """Path or s3:// address of the GeoTIFF."""
    shape: tuple[int, int]
    """(height, width) in pixels."""
    dtype: np.dtype[Any]
    """Of the pixels."""
    access: "S3Access | None"
    """How to reach S3; none for a path."""

    ndim = 2

    def __getitem__(self, index: tuple[_Index, _Index]) -> np.ndarray[Any, Any]:
        """Pixels of a window, every so many of them where a slice has a step.

        Raises:
            ReadError: they cannot be read.
        """
        spans = [_span(part, size) for part, size in zip(index, self.shape, strict=True)]
        wanted = np.zeros((0, 0), self.dtype) if not all(spans) else self._read(*spans)
        flat = tuple(0 if isinstance(part, (int, np.integer)) else slice(None) for part in index)
        return np.asarray(wanted.reshape([len(span) for span in spans])[flat])

    def _read(self, rows: range, columns: range) -> np.ndarray[Any, Any]:
        import rasterio  # noqa: PLC0415 (heavy, and needed for pixels only)
        from rasterio.errors import RasterioIOError  # noqa: PLC0415
        from rasterio.windows import Window  # noqa: PLC0415

        first = min(rows), min(columns)
        last = max(rows), max(columns)
        window = Window(first[1], first[0], last[1] - first[1] + 1, last[0] - first[0] + 1)
        try:
            with self._reached(), rasterio.open(self.href) as opened:
                block = opened.read(1, window=window)
        except RasterioIOError as error:
            raise ReadError(
                f"{self.href} cannot be read",
                why=" ".join(str(error.__cause__ or error).split()),
                hint="See whether it is there and whole: `glacierctl results sync --verify` compares its checksum.",
                href=self.href,
            ) from error
        return np.asarray(block[np.ix_(np.array(rows) - first[0], np.array(columns) - first[1])])

    @contextmanager
    def _reached(self) -> Iterator[None]:
        import certifi  # noqa: PLC0415
        import rasterio  # noqa: PLC0415
        from rasterio.session import AWSSession  # noqa: PLC0415

        if self.access is None:
            with rasterio.Env(**_OPTIONS):
                yield
            return
        session = AWSSession(region_name=self.access.aws_region, aws_unsigned=not self.access.signed)
        own = {"CURL_CA_BUNDLE": certifi.where(), **dict(self.access.options)}
        with rasterio.Env(session, **_OPTIONS, **own):
            yield


def _span(index: _Index, size: int) -> range:
    if isinstance(index, slice):
        return range(*index.indices(size))
    return range(size)[index : index + 1 or None]
