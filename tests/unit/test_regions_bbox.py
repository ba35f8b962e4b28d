import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyproj import Transformer

from glacierctl.errors import RegionError
from glacierctl.regions.bbox import bbox_region
from glacierctl.regions.boxes import grown_to_whole_pixels
from glacierctl.regions.shape import grid_shape


def test_a_box_of_whole_pixels_is_taken_exactly() -> None:
    made = bbox_region("-541690,-1232300,-523390,-1211600")
    assert made.region.bounds == (-541690, -1232300, -523390, -1211600)
    assert made.region.crs == "EPSG:3413"
    assert made.region.name == "bbox_-541690_-1232300_-523390_-1211600"
    assert made.region.tiles == ()
    assert made.note == ""


def test_a_projected_crs_in_metres_carries_the_grid() -> None:
    made = bbox_region("500000,6650010,510020.5,6660000", "EPSG:32607")
    assert made.region.crs == "EPSG:32607"
    assert made.region.bounds == (500000, 6650010, 510050, 6660000)
    assert made.region.name == "bbox_500000_6650010_510050_6660000_epsg32607"
    assert "500000,6650010,510050,6660000 in EPSG:32607" in made.note


@pytest.mark.parametrize(
    ("box", "crs", "grid_crs"),
    [
        ("-50,69,-49,69.5", "EPSG:4326", "EPSG:3413"),
        ("16,78,17,79", "EPSG:4326", "EPSG:3413"),
        ("-60,-75,-58,-74", "EPSG:4326", "EPSG:3031"),
        ("86,27,87,28", "EPSG:4326", "EPSG:32645"),
        ("-74,-50,-73,-49", "EPSG:4326", "EPSG:32718"),
        ("-141,59.5,-140,60.5", "EPSG:4326", "EPSG:32607"),
        ("179,10,180,11", "EPSG:4326", "EPSG:32660"),
        ("600000,100000,700000,200000", "EPSG:2263", "EPSG:32618"),
    ],
)
def test_another_crs_is_brought_into_metres_and_the_whole_box_is_inside(box: str, crs: str, grid_crs: str) -> None:
    made = bbox_region(box, crs)
    assert made.region.crs == grid_crs
    assert made.note
    west, south, east, north = map(float, box.split(","))
    along = np.linspace(0, 1, 1001)
    lons = np.concatenate([west + along * (east - west)] * 2 + [np.full(1001, west), np.full(1001, east)])
    lats = np.concatenate([np.full(1001, south), np.full(1001, north)] + [south + along * (north - south)] * 2)
    xs, ys = Transformer.from_crs(crs, grid_crs, always_xy=True).transform(lons, lats)
    xmin, ymin, xmax, ymax = made.region.bounds
    outside_m = max(xmin - min(xs), max(xs) - xmax, ymin - min(ys), max(ys) - ymax)
    assert outside_m < 0.5
    assert max(min(xs) - xmin, xmax - max(xs), min(ys) - ymin, ymax - max(ys)) < 31
    for resolution_m in (10, 15):
        grid_shape(made.region, resolution_m)


@pytest.mark.parametrize(
    ("box", "crs", "why"),
    [
        ("1,2,3", "EPSG:3413", "three|3 numbers"),
        ("1,2,3,4,5", "EPSG:3413", "5 numbers"),
        ("a,2,3,4", "EPSG:3413", "'a'"),
        ("", "EPSG:3413", "convert"),
        ("300,0,0,300", "EPSG:3413", "xmin must be below xmax"),
        ("0,300,300,0", "EPSG:3413", "ymin below ymax"),
        ("0,0,0,300", "EPSG:3413", "xmin must be below xmax"),
        ("nan,0,300,300", "EPSG:3413", "xmin must be below xmax"),
        ("0,0,inf,300", "EPSG:3413", "not all numbers"),
        ("0,0,1000020,300", "EPSG:3413", "more than 1000 km"),
        ("-50,60,-20,80", "EPSG:4326", "more than 1000 km"),
        ("0,0,300,300", "EPSG:999999", "not found"),
        ("0,0,300,300", "polar", "polar"),
        ("0,100,10,120", "EPSG:4326", "."),
    ],
)
def test_a_box_that_cannot_be_used_is_refused(box: str, crs: str, why: str) -> None:
    with pytest.raises(RegionError, match=why) as caught:
        bbox_region(box, crs)
    assert caught.value.hint
    assert "\n" not in str(caught.value)


@given(
    st.floats(-3e6, 3e6),
    st.floats(-3e6, 3e6),
    st.floats(0.01, 1e5),
    st.floats(0.01, 1e5),
)
def test_growing_encloses_the_box_in_the_smallest_multiples_of_30_m(
    xmin: float, ymin: float, width: float, height: float
) -> None:
    box = (xmin, ymin, xmin + width, ymin + height)
    grown = grown_to_whole_pixels(box)
    assert grown[0] <= box[0] + 1e-6
    assert grown[1] <= box[1] + 1e-6
    assert grown[2] >= box[2] - 1e-6
    assert grown[3] >= box[3] - 1e-6
    for side, asked in ((grown[2] - grown[0], width), (grown[3] - grown[1], height)):
        assert abs(side / 30 - round(side / 30)) < 1e-6
        assert side < asked + 31.001


def test_a_box_that_grows_keeps_its_upper_left_corner() -> None:
    assert grown_to_whole_pixels((-541690, -1232305, -523385, -1211600)) == (-541690, -1232330, -523360, -1211600)
