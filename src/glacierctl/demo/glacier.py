"""A glacier as a function of position and time: the truth that products and velocities are tested against.

Ice flows round a centre like a record on its turntable, fastest in the middle of the tongue and at rest along its
margins. So where a piece of ice was at any other time is known exactly, not by integration.

Positions are metres in EPSG:3413, times days, and so velocities are metres of that grid per day (not of the ground).
"""

import math
from dataclasses import dataclass
from typing import Self

import numpy as np

from glacierctl.demo.texture import Floats, texture
from glacierctl.model import Bounds

_ROCK_DN, _ROCK_CONTRAST_DN = 5000.0, 2800.0
_ICE_DN, _ICE_CONTRAST_DN = 8600.0, 3300.0


@dataclass(frozen=True)
class Glacier:
    """A tongue of ice along an arc, in bedrock that does not move."""

    centre: tuple[float, float]
    """(x, y) of the point that the ice flows round, anticlockwise."""
    radius_m: float
    """From the centre to the middle of the tongue."""
    half_width_m: float
    """From the middle of the tongue to its margin."""
    head: float
    """Direction from the centre in which the ice begins, radians anticlockwise from the x axis."""
    terminus: float
    """Direction in which it ends; above `head` by less than a full turn."""
    margin_m: float
    """Width over which ice gives way to rock, inward from the outline."""
    top_speed_m_per_day: float
    """In the middle of the tongue."""

    @classmethod
    def in_box(cls, bounds: Bounds, *, top_speed_m_per_day: float = 8.0) -> Self:
        """A glacier that enters a box (xmin, ymin, xmax, ymax) at its lower right and ends at its upper left."""
        xmin, ymin, xmax, ymax = bounds
        size = min(xmax - xmin, ymax - ymin)
        return cls(
            centre=((xmin + xmax) / 2 - 0.465 * size, (ymin + ymax) / 2 - 0.85 * size),
            radius_m=size,
            half_width_m=0.25 * size,
            head=math.radians(-20),
            terminus=math.radians(80),
            margin_m=size / 30,
            top_speed_m_per_day=top_speed_m_per_day,
        )

    def reflectance(self, x: Floats, y: Floats, t_days: float) -> Floats:
        """Digital numbers between 2000 and 12000, not rounded, of `x`'s shape."""
        ice = self.ice_share(x, y)
        image = np.zeros(np.shape(x))
        rocky, icy = ice < 1, ice > 0
        rock = _ROCK_DN + _ROCK_CONTRAST_DN * texture(x[rocky], y[rocky])
        image[rocky] = (1 - ice[rocky]) * rock
        origin = self.position(x[icy], y[icy], -t_days)
        image[icy] += ice[icy] * (_ICE_DN + _ICE_CONTRAST_DN * texture(*origin))
        return image

    def velocity(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """(vx, vy) in metres per day: nought wherever there is no ice."""
        east, north, distance = self._from_centre(x, y)
        turn = np.where(self.ice_share(x, y) > 0, self._radians_per_day(distance), 0.0)
        return -north * turn, east * turn

    def position(self, x: Floats, y: Floats, days: float) -> tuple[Floats, Floats]:
        """Where ice that is at (x, y) will be `days` later, or was if negative; as if the tongue had no ends."""
        east, north, distance = self._from_centre(x, y)
        angle = self._radians_per_day(distance) * days
        cos, sin = np.cos(angle), np.sin(angle)
        return self.centre[0] + cos * east - sin * north, self.centre[1] + sin * east + cos * north

    def ice_share(self, x: Floats, y: Floats) -> Floats:
        """1 on ice, 0 on rock, smooth in between."""
        east, north, distance = self._from_centre(x, y)
        across = np.abs(distance - self.radius_m)
        middle, half_arc = (self.head + self.terminus) / 2, (self.terminus - self.head) / 2
        bearing = np.arctan2(north, east) - middle
        along = np.abs(bearing - 2 * math.pi * np.rint(bearing / (2 * math.pi)))
        inward = smooth_step((self.half_width_m - across) / self.margin_m)
        return inward * smooth_step((half_arc - along) * self.radius_m / self.margin_m)

    def _from_centre(self, x: Floats, y: Floats) -> tuple[Floats, Floats, Floats]:
        east, north = x - self.centre[0], y - self.centre[1]
        return east, north, np.hypot(east, north)

    def _radians_per_day(self, distance: Floats) -> Floats:
        across = np.minimum(np.abs(distance - self.radius_m) / self.half_width_m, 1)
        speed = self.top_speed_m_per_day * (1 - across**2) ** 2
        return speed / np.maximum(distance, 1.0)


def smooth_step(ramp: Floats) -> Floats:
    """0 below 0, 1 above 1, with two continuous derivatives in between."""
    s = np.clip(ramp, 0, 1)
    return s**3 * (s * (6 * s - 15) + 10)
