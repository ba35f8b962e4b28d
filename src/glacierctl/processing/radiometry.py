"""Whether a file still carries the 1000 DN that processing baseline 04.00 began to add.

ESA's baseline 04.00 (January 2022) and later shift Sentinel-2's digital numbers up by 1000, so that negative
reflectances fit (https://sentinels.copernicus.eu/web/sentinel/-/copernicus-sentinel-2-major-products-upgrade-upcoming).
Earth Search removed the shift again for some items of `sentinel-2-l2a` and its flag about it is wrong for many
(https://github.com/Element84/earth-search/issues/23); `sentinel-2-c1-l2a` never removes it. A series must not mix the
two, and the date tells nothing, since old scenes are reprocessed with new baselines.
"""

from collections.abc import Callable

import numpy as np

from glacierctl.choices import Satellite
from glacierctl.model import OffsetDecision, Scene
from glacierctl.processing.raster import FILL_VALUE, Pixels

OFFSET_DN = 1000
"""`BOA_ADD_OFFSET` of the product metadata, with its sign reversed."""

_FIRST_BASELINE_WITH_OFFSET = (4, 0)
_COLLECTIONS_NEVER_CORRECTED = frozenset({"sentinel-2-c1-l2a"})
_DARK_SHARE = 0.02
"""Above this share of valid pixels below 1000 DN a file cannot still carry the offset. With it, such pixels have a
negative reflectance, which the atmospheric correction gives to some pixels in deep shadow, not to one in fifty."""
_DARK_PIXELS = 100
"""And at least so many, so that a few odd pixels decide nothing."""


def decide_offset(scene: Scene, coarsest: Callable[[], Pixels]) -> OffsetDecision:
    """Decide for one file by collection, baseline and flag; pixels overrule them only where they are decisive.

    Pixels are decisive in one way only: many dark ones prove that nothing is added. That a scene has none proves
    nothing: snow has none. So they are looked at only where the catalogue would have the offset taken off.

    Args:
        scene: the file's scene.
        coarsest: reads its coarsest overview.

    Raises:
        ReadError: the overview cannot be had.
    """
    carries, evidence = _by_metadata(scene)
    if not carries:
        return OffsetDecision(item_id=scene.item_id, subtract_dn=0, evidence=evidence)
    pixels = coarsest()
    valid = int(np.count_nonzero(pixels != FILL_VALUE))
    dark = int(np.count_nonzero((pixels != FILL_VALUE) & (pixels < OFFSET_DN)))
    if dark >= max(_DARK_PIXELS, _DARK_SHARE * valid):
        overruled = f"{evidence}, but {dark:,} of {valid:,} valid pixels of its coarsest overview are below 1000"
        return OffsetDecision(item_id=scene.item_id, subtract_dn=0, evidence=overruled)
    return OffsetDecision(item_id=scene.item_id, subtract_dn=OFFSET_DN, evidence=evidence)


def remove_offset(pixels: Pixels, subtract_dn: int) -> Pixels:
    """Take the offset off valid pixels. What would fall to 0 or below stays valid, as 1."""
    if subtract_dn == 0:
        return pixels
    lowered = np.maximum(pixels, subtract_dn + 1) - np.uint16(subtract_dn)
    return np.where(pixels == FILL_VALUE, FILL_VALUE, lowered).astype(np.uint16)


def _by_metadata(scene: Scene) -> tuple[bool, str]:
    """Whether the catalogue says that the offset is still there, and its words."""
    if scene.satellite is not Satellite.SENTINEL2:
        return False, "Landsat adds no offset"
    if scene.baseline is None:
        return False, "no processing baseline is given, so none that adds an offset"
    baseline = tuple(int(part) for part in scene.baseline.split("."))
    if baseline < _FIRST_BASELINE_WITH_OFFSET:
        return False, f"baseline {scene.baseline} adds no offset"
    if scene.collection in _COLLECTIONS_NEVER_CORRECTED:
        return True, f"baseline {scene.baseline} adds 1000 and {scene.collection} keeps it"
    if scene.offset_applied:
        return False, f"baseline {scene.baseline} adds 1000 and the catalogue says that it was removed"
    said = "does not say that it was removed" if scene.offset_applied is None else "says that it was not removed"
    return True, f"baseline {scene.baseline} adds 1000 and the catalogue {said}"
