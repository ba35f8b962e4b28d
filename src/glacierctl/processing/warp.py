"""One resampling, from a window of source pixels straight onto a chunk of the grid."""

import functools
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import rasterio
from numpy.typing import NDArray

from glacierctl.choices import Resampling
from glacierctl.processing.geometry import KERNEL_RADIUS, Chunk, Positions, Window
from glacierctl.processing.raster import FILL_VALUE, Pixels

_TIES = 7
"""Points along each side of a chunk whose positions are computed exactly."""
_DEGREE = 3
"""Of the polynomial through them."""
_MISFIT_PX = 1e-3
"""How far it may be from any of them, else the chunk is cut. Of a chunk of 10 km it is a millionth of a pixel."""
_TOLERANCE_PX = 1e-4
"""How far GDAL may approximate the polynomial between pixels. Its default, 0.125 px, gives 3-6 % wrong neighbours with
nearest."""

GDAL_OPTIONS = {
    # opening an array as a dataset is off by default since GDAL 3.10; only `warp` does so, with its own arrays
    "GDAL_MEM_ENABLE_OPEN": "YES",
    # bytes: rasterio hands integers to GDALSetCacheMax64. Not percent, which looks at the host's memory
    "GDAL_CACHEMAX": 64 << 20,
    # grid shift files fetched by one machine and not by another would move pixels
    "PROJ_NETWORK": "OFF",
}

_KERNELS = {
    Resampling.NEAREST: "NearestNeighbour",
    Resampling.BILINEAR: "Bilinear",
    Resampling.CUBIC: "Cubic",
    Resampling.LANCZOS: "Lanczos",
}
"""As GDAL calls them in documents."""


def warp(
    source: Pixels, window: Window, positions: Positions, chunk: Chunk, resampling: Resampling, *, is_whole: bool
) -> Pixels:
    """Resample `source` onto a chunk, nodata apart: pixels of value 0 never enter a sum, valid ones never become 0.

    A pixel is valid where its nearest source pixel is. Where a kernel would reach nodata, a narrower one is used:
    GDAL falls back from cubic to bilinear by itself; of Lanczos it would keep what is left, which errs by up to 1.3
    pixels and turns valid pixels along a slanted edge into nodata.

    Args:
        source: (window.height, window.width).
        window: where `source` lies among the source pixels of `positions`.
        positions: of the grid in the source.
        chunk: piece of the grid.
        resampling: kernel, in source pixels whatever the scale.
        is_whole: whether every kernel of the chunk lies within `source` and meets no nodata there.

    Returns:
        (chunk.height, chunk.width).
    """
    place = (window, positions, chunk)
    if is_whole:
        # GDAL need not look at each pixel of a kernel, which takes two thirds of the time; the pixels are the same
        pixels = _warp(source, *place, resampling, masked=False)
        return np.maximum(pixels, FILL_VALUE + 1, out=pixels)
    pixels = _warp(source, *place, resampling)
    if resampling is not Resampling.LANCZOS:
        return pixels
    whole = whole_kernels(source, *place, resampling)
    return np.where(whole, pixels, _warp(source, *place, Resampling.CUBIC))


def whole_kernels(
    source: Pixels, window: Window, positions: Positions, chunk: Chunk, resampling: Resampling
) -> NDArray[np.bool_]:
    """Which pixels of a chunk are made of a whole kernel, none of its source pixels nodata; arguments as in `warp`."""
    inner = _eroded(source != FILL_VALUE, math.floor(KERNEL_RADIUS[resampling]))
    nearest = _warp(inner.astype(np.uint16), window, positions, chunk, Resampling.NEAREST)
    return np.not_equal(nearest, FILL_VALUE)


def _eroded(valid: NDArray[np.bool_], radius: int) -> NDArray[np.bool_]:
    """True where everything within `radius` pixels along either axis is; beyond the edge nothing is."""
    height, width = valid.shape
    padded = np.pad(valid, radius)
    reach = range(2 * radius + 1)
    across = np.logical_and.reduce([padded[:, start : start + width] for start in reach])
    eroded: NDArray[np.bool_] = np.logical_and.reduce([across[start : start + height] for start in reach])
    return eroded


def _warp(
    source: Pixels, window: Window, positions: Positions, chunk: Chunk, resampling: Resampling, *, masked: bool = True
) -> Pixels:
    """Let GDAL resample; with `masked` it is told that 0 is nodata."""
    source = np.ascontiguousarray(source)
    pixels: Pixels = np.full((chunk.height, chunk.width), FILL_VALUE, np.uint16)
    for piece, ties in _pieces(chunk, window, positions):
        if not np.isfinite(ties.source).all():
            continue  # no place on Earth has such coordinates in the source's CRS
        document = _document(source, (piece.height, piece.width), ties, resampling, masked=masked)
        with rasterio.Env(**GDAL_OPTIONS), rasterio.open(document) as warped:
            row, col = piece.row - chunk.row, piece.col - chunk.col
            pixels[row : row + piece.height, col : col + piece.width] = warped.read(1)
    return pixels


@dataclass(frozen=True)
class _Ties:
    """Points of a piece of the grid whose positions in the source were computed exactly."""

    target: NDArray[np.float64]
    """(ties, 2) column and row from the piece's corner."""
    source: NDArray[np.float64]
    """(ties, 2) column and row from the corner of the source's pixels."""

    @property
    def misfit(self) -> float:
        """How far, in source pixels, the best cubic polynomial misses any of them; NaN where a position is none."""
        return float(np.linalg.norm(_unexplained() @ self.source, axis=1).max())


def _pieces(chunk: Chunk, window: Window, positions: Positions) -> Iterator[tuple[Chunk, _Ties]]:
    """The chunk as a whole, or in as many parts as it takes until a cubic polynomial holds for each."""
    ties = _tie(chunk, window, positions)
    if ties.misfit <= _MISFIT_PX or chunk.height == chunk.width == 1:
        yield chunk, ties
        return
    for row, height in _halves(chunk.row, chunk.height):
        for col, width in _halves(chunk.col, chunk.width):
            yield from _pieces(replace(chunk, row=row, height=height, col=col, width=width), window, positions)


def _halves(start: int, size: int) -> list[tuple[int, int]]:
    """(start, size) of both; of a single pixel the whole."""
    first = size - size // 2
    return [(start, first), (start + first, size - first)] if size > 1 else [(start, size)]


def _tie(piece: Chunk, window: Window, positions: Positions) -> _Ties:
    row, col = np.meshgrid(np.linspace(0, piece.height, _TIES), np.linspace(0, piece.width, _TIES), indexing="ij")
    source_row, source_col = positions.locate(piece.row + row.ravel(), piece.col + col.ravel())
    return _Ties(
        np.stack([col.ravel(), row.ravel()], axis=1),
        np.stack([source_col - window.col, source_row - window.row], axis=1),
    )


@functools.cache
def _unexplained() -> NDArray[np.float64]:
    """(ties, ties) matrix that leaves of values at the ties what no cubic polynomial of their places explains."""
    row, col = (axis.ravel() for axis in np.mgrid[-1 : 1 : _TIES * 1j, -1 : 1 : _TIES * 1j])
    powers = [(down, across) for down in range(_DEGREE + 1) for across in range(_DEGREE + 1 - down)]
    terms = np.stack([row**down * col**across for down, across in powers], axis=1)
    unexplained: NDArray[np.float64] = np.eye(len(terms)) - terms @ np.linalg.pinv(terms)
    return unexplained


def _document(source: Pixels, shape: tuple[int, int], ties: _Ties, resampling: Resampling, *, masked: bool) -> str:
    """A virtual dataset that GDAL opens; it holds the address of `source`, which must outlive it.

    Its form: https://gdal.org/en/stable/drivers/raster/vrt.html#warped-vrt
    """
    (height, width), (source_height, source_width) = shape, source.shape
    points = "".join(
        f'<GCP Pixel="{pixel!r}" Line="{line!r}" X="{x!r}" Y="{y!r}"/>'
        for (pixel, line), (x, y) in zip(ties.source.tolist(), ties.target.tolist(), strict=True)
    )
    nodata = f"<SrcNoDataReal>{FILL_VALUE}</SrcNoDataReal><DstNoDataReal>{FILL_VALUE}</DstNoDataReal>" if masked else ""
    return f"""\
<VRTDataset rasterXSize="{width}" rasterYSize="{height}" subClass="VRTWarpedDataset">
  <GeoTransform>0, 1, 0, 0, 0, 1</GeoTransform>
  <VRTRasterBand dataType="UInt16" band="1" subClass="VRTWarpedRasterBand" />
  <GDALWarpOptions>
    <ResampleAlg>{_KERNELS[resampling]}</ResampleAlg>
    <WorkingDataType>UInt16</WorkingDataType>
    <Option name="INIT_DEST">{FILL_VALUE}</Option>
    <Option name="UNIFIED_SRC_NODATA">YES</Option>
    <Option name="XSCALE">1</Option>
    <Option name="YSCALE">1</Option>
    <SourceDataset>MEM:::DATAPOINTER={source.ctypes.data},PIXELS={source_width},LINES={source_height},DATATYPE=UInt16</SourceDataset>
    <Transformer>
      <ApproxTransformer>
        <MaxError>{_TOLERANCE_PX}</MaxError>
        <BaseTransformer>
          <GenImgProjTransformer>
            <SrcGCPTransformer>
              <GCPTransformer><Order>{_DEGREE}</Order><GCPList>{points}</GCPList></GCPTransformer>
            </SrcGCPTransformer>
            <DstGeoTransform>0, 1, 0, 0, 0, 1</DstGeoTransform>
            <DstInvGeoTransform>0, 1, 0, 0, 0, 1</DstInvGeoTransform>
          </GenImgProjTransformer>
        </BaseTransformer>
      </ApproxTransformer>
    </Transformer>
    <BandList><BandMapping src="1" dst="1">{nodata}</BandMapping></BandList>
  </GDALWarpOptions>
</VRTDataset>"""
