"""The form of a cloud-optimised GeoTIFF: all headers first, then the coarsest overview's blocks, the image's last.

Laid out as GDAL's COG driver does (https://gdal.org/en/stable/drivers/raster/cog.html#file-format), whose readers know
each block's size by the four bytes before it. The tags that say what lies where on Earth are GDAL's own.
"""

import io
import itertools
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import rasterio.io
import tifffile
from odc.geo.geobox import GeoBox

BLOCK_SIZE = 512
"""Side of a block in pixels: GDAL's own choice for COGs."""
LEADER_BYTES = 4
"""Before each block: its size."""
TRAILER_BYTES = 4
"""After each block: its last bytes again, so that a reader notices a file that another program has changed."""

_STRUCTURE = (
    b"LAYOUT=IFDS_BEFORE_DATA\nBLOCK_ORDER=ROW_MAJOR\nBLOCK_LEADER=SIZE_AS_UINT4\n"
    b"BLOCK_TRAILER=LAST_4_BYTES_REPEATED\nKNOWN_INCOMPATIBLE_EDITION=NO\n "
)
_GHOST = b"GDAL_STRUCTURAL_METADATA_SIZE=%06d bytes\n%s" % (len(_STRUCTURE), _STRUCTURE)
_CLASSIC_BYTES = 1 << 32
"""Larger files need offsets of eight bytes: BigTIFF."""

_HEADER_ROOM_BYTES = 64 << 20
"""More than any header takes."""
_SHORT, _LONG, _LONG8 = 3, 4, 16
_CODES = {_SHORT: "H", _LONG: "I", _LONG8: "Q"}
"""Types of TIFF's values, as `struct` calls them."""
_LAYOUT_TAGS = frozenset({254, 256, 257, 258, 259, 262, 273, 277, 278, 279, 284, 317, 322, 323, 324, 325, 339})
"""Of GDAL's example, those that are ours to say."""
_NODATA_TAG = 42113


@dataclass(frozen=True)
class Entry:
    """One tag of a directory."""

    type: int
    """TIFF's number of the values' type."""
    count: int
    """How many values."""
    data: bytes
    """Little endian."""


@dataclass(frozen=True)
class Level:
    """The image or an overview."""

    shape: tuple[int, int]
    """(height, width) in pixels."""
    sizes: tuple[int, ...]
    """Bytes of each encoded block, row by row."""

    @property
    def data_bytes(self) -> int:
        """All blocks with what stands before and after each."""
        return sum(self.sizes) + len(self.sizes) * (LEADER_BYTES + TRAILER_BYTES)


def level_shapes(shape: tuple[int, int]) -> tuple[tuple[int, int], ...]:
    """(height, width) of the image and of its overviews: halves, until one fits a block."""
    shapes = [shape]
    while max(shapes[-1]) > BLOCK_SIZE:
        shapes.append((-(-shapes[-1][0] // 2), -(-shapes[-1][1] // 2)))
    return tuple(shapes)


def tiling(shape: tuple[int, int]) -> tuple[int, int]:
    """(rows, columns) of blocks."""
    return -(-shape[0] // BLOCK_SIZE), -(-shape[1] // BLOCK_SIZE)


def wrapped(block: bytes) -> Iterable[bytes]:
    """A block as it stands in the file."""
    return struct.pack("<I", len(block)), block, block[-TRAILER_BYTES:]


def place_tags(grid: GeoBox, nodata: int, tags: Mapping[str, str]) -> dict[int, Entry]:
    """What says where the image lies and what it is, as GDAL writes it; by number."""
    with rasterio.io.MemoryFile() as memory:
        place = {"crs": str(grid.crs), "transform": grid.affine, "nodata": nodata}
        with memory.open(driver="GTiff", width=1, height=1, count=1, dtype="uint16", **place) as example:
            example.update_tags(**tags)
        content = memory.read()
    with tifffile.TiffFile(io.BytesIO(content)) as tiff:
        found = [tag for tag in tiff.pages.first.tags.values() if tag.code not in _LAYOUT_TAGS]
        return {
            tag.code: Entry(tag.dtype, tag.count, content[tag.valueoffset : tag.valueoffset + tag.valuebytecount])
            for tag in found
        }


def header(levels: Sequence[Level], place: Mapping[int, Entry]) -> bytes:
    """All that stands before the first block.

    Args:
        levels: the image and its overviews, from fine to coarse. Their blocks follow from coarse to fine.
        place: of `place_tags`.
    """
    is_big = sum(level.data_bytes for level in levels) + _HEADER_ROOM_BYTES >= _CLASSIC_BYTES
    # the length does not depend on what the offsets are
    return _header(levels, place, len(_header(levels, place, 0, is_big)), is_big)


def _header(levels: Sequence[Level], place: Mapping[int, Entry], data_start: int, is_big: bool) -> bytes:
    offsets = _block_offsets(levels, data_start)
    content = (b"II+\0\x08\0\0\0" if is_big else b"II*\0") + struct.pack("<Q" if is_big else "<I", 0) + _GHOST
    content += bytes(len(content) % 2)
    first = len(content)
    for number, (level, starts) in enumerate(zip(levels, offsets, strict=True)):
        about = place if number == 0 else {code: entry for code, entry in place.items() if code == _NODATA_TAG}
        tags = {**about, **_layout_tags(level, starts, is_overview=number > 0, is_big=is_big)}
        content += _directory(tags, len(content), is_big=is_big, is_last=number == len(levels) - 1)
    at = 8 if is_big else 4
    return content[:at] + struct.pack("<Q" if is_big else "<I", first) + content[2 * at :]


def _block_offsets(levels: Sequence[Level], start: int) -> list[list[int]]:
    """Of each block of each level, in the order of `levels`."""
    offsets = []
    for level in reversed(levels):
        ends = itertools.accumulate((size + LEADER_BYTES + TRAILER_BYTES for size in level.sizes), initial=start)
        *starts, start = ends
        offsets.append([one + LEADER_BYTES for one in starts])
    return offsets[::-1]


def _layout_tags(level: Level, offsets: Sequence[int], *, is_overview: bool, is_big: bool) -> dict[int, Entry]:
    """How the pixels are stored."""
    height, width = level.shape
    return {
        254: _entry(_LONG, int(is_overview)),  # NewSubfileType: reduced or not
        256: _entry(_LONG, width),
        257: _entry(_LONG, height),
        258: _entry(_SHORT, 16),  # BitsPerSample
        259: _entry(_SHORT, 8),  # Compression: deflate
        262: _entry(_SHORT, 1),  # PhotometricInterpretation: black is zero
        277: _entry(_SHORT, 1),  # SamplesPerPixel
        284: _entry(_SHORT, 1),  # PlanarConfiguration
        317: _entry(_SHORT, 2),  # Predictor: horizontal differences
        322: _entry(_LONG, BLOCK_SIZE),
        323: _entry(_LONG, BLOCK_SIZE),
        324: _entry(_LONG8 if is_big else _LONG, *offsets),
        325: _entry(_LONG, *level.sizes),
        339: _entry(_SHORT, 1),  # SampleFormat: unsigned
    }


def _entry(kind: int, *values: int) -> Entry:
    return Entry(kind, len(values), struct.pack(f"<{len(values)}{_CODES[kind]}", *values))


def _directory(tags: Mapping[int, Entry], start: int, *, is_big: bool, is_last: bool) -> bytes:
    """A directory that lies at byte `start`, and after it the values that do not fit into it."""
    count, entry, offset, room = ("<Q", "<HHQ", "<Q", 8) if is_big else ("<H", "<HHI", "<I", 4)
    listed, values = struct.pack(count, len(tags)), b""
    after = start + len(listed) + len(tags) * (struct.calcsize(entry) + room) + room
    for code, tag in sorted(tags.items()):
        listed += struct.pack(entry, code, tag.type, tag.count)
        if len(tag.data) <= room:
            listed += tag.data.ljust(room, b"\0")
        else:
            listed += struct.pack(offset, after + len(values))
            values += tag.data + bytes(len(tag.data) % 2)
    return listed + struct.pack(offset, 0 if is_last else after + len(values)) + values
