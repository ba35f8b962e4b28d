"""What each pass of Sentinel-2 sees of the glacier."""

import datetime as dt
import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from glacierctl.demo.glacier import Glacier, smooth_step
from glacierctl.demo.texture import Floats
from glacierctl.demo.tiles import demo_region
from glacierctl.model import Bounds

DAY_ZERO = dt.datetime(2024, 7, 1, tzinfo=dt.UTC)
"""When the glacier's clock reads 0 days."""

BASELINE = "05.10"
"""Processing baseline of every scene."""

OFFSET_DN = 1000
"""What processing baselines from 04.00 on add to every pixel."""

_CLOUD_DN = 10800.0
_CLOUDY, _THIN_CLOUD = 0.5, 0.02
_NODATA, _BARE, _CLOUD_MEDIUM, _CLOUD_HIGH, _SNOW = 0, 5, 8, 9, 11
"""Classes of Sentinel-2's scene classification."""


@dataclass(frozen=True)
class Cloud:
    """One smooth bank of cloud, an ellipse with a wavy edge."""

    centre: tuple[float, float]
    """(x, y) in EPSG:3413 metres."""
    half_axes_m: tuple[float, float]
    """Along x and along y."""

    def opacity(self, x: Floats, y: Floats) -> Floats:
        """0 clear to 1 opaque."""
        east, north = (x - self.centre[0]) / self.half_axes_m[0], (y - self.centre[1]) / self.half_axes_m[1]
        bearing = np.arctan2(north, east)
        edge = 1 + 0.12 * np.sin(3 * bearing) + 0.06 * np.sin(7 * bearing + 1)
        return smooth_step((edge - np.hypot(east, north)) / 0.3)


@dataclass(frozen=True)
class OrbitEdge:
    """The straight edge of a swath: nothing is seen beyond it."""

    point: tuple[float, float]
    """A point of the edge, (x, y) in EPSG:3413 metres."""
    outward: float
    """Direction away from the swath, radians anticlockwise from the x axis."""

    def sees(self, x: Floats, y: Floats) -> npt.NDArray[np.bool_]:
        """True where there is data."""
        east, north = x - self.point[0], y - self.point[1]
        return np.asarray(east * math.cos(self.outward) + north * math.sin(self.outward) <= 0)


@dataclass(frozen=True)
class Pass:
    """One datatake over a glacier."""

    glacier: Glacier
    """What is there to see."""
    spacecraft: str
    """`S2A` or `S2B`."""
    sensed_at: dt.datetime
    """Start of the datatake, UTC; the moment at which the glacier is drawn."""
    absolute_orbit: int
    """Count since launch."""
    relative_orbit: int
    """1-143; equal ones see the same ground from the same place."""
    cloud: Cloud | None = None
    """Cloud, if any."""
    edge: OrbitEdge | None = None
    """Edge of the swath, if it crosses the region."""
    tiles_with_offset: tuple[str, ...] = ()
    """Tiles whose file still carries the 1000 DN."""

    @property
    def product(self) -> str:
        """Name of the product that it becomes: spacecraft, start, baseline and relative orbit."""
        number = BASELINE.replace(".", "")
        return f"{self.spacecraft}_MSIL2A_{self.sensed_at:%Y%m%dT%H%M%S}_N{number}_R{self.relative_orbit:03}"

    @property
    def t_days(self) -> float:
        """Time on the glacier's clock."""
        return (self.sensed_at - DAY_ZERO) / dt.timedelta(days=1)

    def reflectance(self, x: Floats, y: Floats) -> Floats:
        """Digital numbers as a product shows them, offset removed, not rounded; 0 where nothing is seen."""
        image = self.glacier.reflectance(x, y, self.t_days)
        if self.cloud is not None:
            opacity = self.cloud.opacity(x, y)
            image += opacity * (_CLOUD_DN - image)
        return np.where(self.sees(x, y), image, 0.0)

    def sees(self, x: Floats, y: Floats) -> npt.NDArray[np.bool_]:
        """True where there is data."""
        return np.ones(np.shape(x), bool) if self.edge is None else self.edge.sees(x, y)

    def cloudy(self, x: Floats, y: Floats) -> npt.NDArray[np.bool_]:
        """True where data is classified as cloud, thick or thin."""
        classes = self.classification(x, y)
        return np.isin(classes, (_CLOUD_MEDIUM, _CLOUD_HIGH))

    def classification(self, x: Floats, y: Floats) -> npt.NDArray[np.uint8]:
        """Scene classification (SCL)."""
        classes = np.where(self.glacier.ice_share(x, y) > 0, _SNOW, _BARE).astype(np.uint8)
        if self.cloud is not None:
            opacity = self.cloud.opacity(x, y)
            classes[opacity >= _THIN_CLOUD] = _CLOUD_MEDIUM
            classes[opacity >= _CLOUDY] = _CLOUD_HIGH
        classes[~self.sees(x, y)] = _NODATA
        return classes


def demo_passes() -> tuple[Pass, Pass, Pass]:
    """A clear one; ten days and one repeat cycle later a cloudy one; then the edge of another orbit's swath."""
    bounds = demo_region().bounds
    glacier = Glacier.in_box(bounds)
    return (
        Pass(glacier, "S2A", _utc(4, 17, 49, 11), 47185, 141, tiles_with_offset=("21XWK",)),
        Pass(glacier, "S2A", _utc(14, 17, 49, 11), 47328, 141, cloud=_demo_cloud(bounds)),
        Pass(glacier, "S2B", _utc(20, 19, 0, 9), 38506, 13, edge=_demo_edge(bounds)),
    )


def _demo_cloud(bounds: Bounds) -> Cloud:
    xmin, ymin, xmax, ymax = bounds
    centre = (xmin + 0.2 * (xmax - xmin), ymin + 0.3 * (ymax - ymin))
    return Cloud(centre, half_axes_m=(0.24 * (xmax - xmin), 0.3 * (ymax - ymin)))


def _demo_edge(bounds: Bounds) -> OrbitEdge:
    xmin, ymin, xmax, ymax = bounds
    return OrbitEdge((xmin + 0.42 * (xmax - xmin), (ymin + ymax) / 2), outward=math.radians(25))


def _utc(day: int, hour: int, minute: int, second: int) -> dt.datetime:
    return dt.datetime(2024, 7, day, hour, minute, second, tzinfo=dt.UTC)
