"""From a catalogue's file to a raster, whatever the file turns out to be."""

from collections.abc import Iterable
from pathlib import Path

from glacierctl.model import SourceFile
from glacierctl.processing.raster import Raster
from glacierctl.processing.tiff import HEADER_BYTES, is_tiff, open_tiff
from glacierctl.processing.together import map_together
from glacierctl.processing.transport import DamagedError, Transport
from glacierctl.processing.whole import open_whole

_JPEG2000_MAGIC = (b"\xff\x4f\xff\x51", b"\0\0\0\x0cjP  ")


def open_raster(source: SourceFile, transport: Transport, scratch: Path) -> Raster:
    """Open one band: one small request for a COG. What makes no sense is read once more.

    Raises:
        ReadError: it cannot be had, is damaged, or is no image.
        StoreError: it must be had whole, and there is no room for it in `scratch`.
    """
    try:
        return _open(source, transport, scratch)
    except DamagedError:
        return _open(source, transport, scratch)


def open_rasters(sources: Iterable[SourceFile], transport: Transport, scratch: Path) -> list[Raster]:
    """`open_raster` of each, all at once.

    Raises:
        ReadError: see there.
        StoreError: see there.
    """
    return map_together(lambda source: open_raster(source, transport, scratch), sources)


def _open(source: SourceFile, transport: Transport, scratch: Path) -> Raster:
    head = transport.read(source.href, 0, HEADER_BYTES)
    if is_tiff(head.data):
        return open_tiff(head, source, transport) or open_whole(source, transport, scratch)
    if head.data.startswith(_JPEG2000_MAGIC):
        return open_whole(source, transport, scratch)
    beginning = " ".join(head.data[:200].decode("utf-8", "replace").split())
    raise DamagedError(
        f"{source.href} is not an image",
        why=f"it begins with {beginning!r}" if head.data else "it is empty",
        hint="The archive answers something else than the file. Try again later, or ask the provider.",
        href=source.href,
    )
