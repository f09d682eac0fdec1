"""What the text detector is given stays small, and its boxes are brought back to the picture."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from deployments.core.ticket_image import TextLine
from deployments.ocr.engine import _LARGEST_ASPECT, _LONGEST_PX, UprightText, _border, _placer

sides = st.integers(1, _LONGEST_PX)


@given(sides, sides)
def test_no_shape_makes_the_detector_enlarge_one_side_beyond_measure(width, height):
    left, top, right, bottom = _border(width, height)
    framed = (width + left + right, height + top + bottom)
    assert max(framed) == max(width, height)
    assert max(framed) <= _LARGEST_ASPECT * min(framed)
    assert min(left, top, right, bottom) >= 0


@given(st.integers(_LONGEST_PX // _LARGEST_ASPECT, _LONGEST_PX), st.integers(500, _LONGEST_PX))
def test_ordinary_shapes_get_no_border(width, height):
    assert _border(width, height) == (0, 0, 0, 0)


def test_boxes_are_moved_and_enlarged_by_what_the_picture_was_framed_and_reduced():
    box = [[12, 25], [32, 25], [32, 35], [12, 35]]
    placed = _placer((2, 5, 2, 5), 1.5, 100, 100)(box)
    assert placed == ((15, 30), (45, 30), (45, 45), (15, 45))


@given(st.lists(st.tuples(*[st.floats(-50, 5000)] * 2), min_size=4, max_size=4), st.floats(1, 20))
def test_no_box_leaves_the_picture(box, scale):
    for x, y in _placer((10, 0, 10, 0), scale, 640, 480)(box):
        assert x == pytest.approx(min(max(x, 0), 640))
        assert y == pytest.approx(min(max(y, 0), 480))


@pytest.mark.parametrize("turns", range(4))
def test_boxes_of_a_turned_picture_are_those_of_the_picture_as_given(turns):
    picture = Image.new("L", (30, 20))
    picture.putpixel((7, 3), 255)
    turned = picture.rotate(90 * turns, expand=True)
    left, top, right, bottom = turned.getbbox() or (0, 0, 0, 0)
    line = TextLine("x", 1.0, ((left, top), (right, top), (right, bottom), (left, bottom)))
    (found,) = UprightText((line,), turns, *turned.size).as_given()
    assert sorted(found.box) == [(7, 3), (7, 4), (8, 3), (8, 4)]
