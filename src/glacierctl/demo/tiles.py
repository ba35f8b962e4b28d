"""Real Sentinel-2 tile grids, and the region of the demo."""

from dataclasses import dataclass

from affine import Affine

from glacierctl.model import Bounds, Region


@dataclass(frozen=True)
class Tile:
    """One tile of Sentinel-2's grid: 109.8 km square, north up in its UTM zone."""

    name: str
    """MGRS name, like `19XEG`."""
    left: float
    """Left edge, metres in its UTM zone."""
    top: float
    """Upper edge, metres in its UTM zone."""

    @property
    def epsg(self) -> int:
        """Code of its UTM zone (northern hemisphere)."""
        return 32600 + int(self.name[:2])

    @property
    def bounds(self) -> Bounds:
        """Outer edges in its UTM zone."""
        return self.left, self.top - TILE_SIDE_M, self.left + TILE_SIDE_M, self.top

    def transform(self, resolution_m: float) -> Affine:
        """Pixel to UTM at a resolution."""
        return Affine(resolution_m, 0, self.left, 0, -resolution_m, self.top)

    def shape(self, resolution_m: float) -> tuple[int, int]:
        """(height, width) in pixels at a resolution."""
        side = round(TILE_SIDE_M / resolution_m)
        return side, side


TILE_SIDE_M = 109800.0
"""Side of every Sentinel-2 tile; neighbours overlap by 9.8 km."""

DEMO_TILES = (Tile("20XNQ", 499980, 9000000), Tile("21XWK", 499980, 9000000))
"""Two neighbours in two UTM zones, where North Greenland's ice meets the sea; each holds 65 % of the region."""


def demo_region() -> Region:
    """A box of 12.06 x 9.09 km that needs both tiles. A place on the map; the glacier in it is made up."""
    tiles = tuple(tile.name for tile in DEMO_TILES)
    return Region(name="demo_glacier", bounds=(-210690, -975690, -198630, -966600), tiles=tiles)
