"""The regions that are always there: bounds in EPSG:3413 metres, MGRS tiles in order of preference."""

from glacierctl.model import Bounds, Region

_BUILTIN: tuple[tuple[str, Bounds, str], ...] = (
    ("049_jakobshavn", (-207110, -2298950, -145010, -2256350), "22WEB"),
    ("090_petermann", (-312500, -1030150, -228200, -894250), "20XNQ,20XNR,20XMQ,20XMR"),
    ("101_sermiligarssuk", (-186850, -3140190, -150850, -3106890), "22VFP"),
    ("122_upernavik_central", (-309260, -1845170, -274460, -1822970), "21XWB,21XWA,22XDG"),
    ("134_Arsuk", (-159850, -3173900, -150850, -3164300), "22VFP"),
    ("138_SermiitsiaqInTasermiut", (28050, -3260200, 34950, -3253600), "23VNH"),
    ("140_CentralLindenow", (65700, -3255220, 75000, -3248320), "23VNH"),
    ("163_Bowdoin", (-541690, -1232300, -523390, -1211600), "19XEG"),
    ("189_Ryder", (-106890, -962220, -62490, -867420), "22XER,22XDR"),
    ("190_Academy", (131630, -936250, 232430, -850750), "25XDL,25XEL,24XWS"),
    ("191_Hagen_Brae", (218680, -946310, 328780, -848210), "26XMR,26XNR,26XMQ,26XNQ"),
)


def builtin_regions() -> tuple[Region, ...]:
    """Return the built-in regions, sorted by name."""
    return tuple(Region(name=name, bounds=bounds, tiles=tuple(tiles.split(","))) for name, bounds, tiles in _BUILTIN)
