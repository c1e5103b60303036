"""How boxes move when crops are made: numbers by hand, and what must hold for every draw."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mmgtrack.geometry import WindowRule, boxes_in_crop, jittered_box, mirrored_boxes

sides = st.floats(1, 500)
places = st.floats(-100, 2000)
normals = st.floats(-3, 3)
uniforms = st.floats(0, 1)


@pytest.mark.parametrize(
    'normal, uniform, jittered',
    [
        ((0, 0), (0.5, 0.5), [10, 20, 50, 30]),
        # width times e, height divided by e: the mean side stays at 20, the centre stays
        ((2, -2), (0.5, 0.5), [30 - 20 * np.e, 25 - 5 / np.e, 30 + 20 * np.e, 25 + 5 / np.e]),
        # the centre moves by half of 4.5 mean sides of 20 pixels, to the right and up
        ((0, 0), (1, 0), [55, -25, 95, -15]),
        # the reach is that of the new box: mean side 20 * e
        (
            (2, 2),
            (0.75, 0.5),
            [30 + 22.5 * np.e - 20 * np.e, 25 - 5 * np.e, 30 + 42.5 * np.e, 25 + 5 * np.e],
        ),
    ],
)
def test_jitter_by_hand(normal: tuple, uniform: tuple, jittered: list[float]) -> None:
    found = jittered_box(np.array([10.0, 20, 50, 30]), np.array(normal), np.array(uniform))
    np.testing.assert_allclose(found, jittered, atol=1e-9)


def test_crop_puts_the_middle_half_a_pixel_before_the_middle() -> None:
    boxes = np.array([[10.0, 20, 50, 40], [20, 25, 40, 35]])
    inside = boxes_in_crop(boxes, boxes[0], side=100, size=50)  # half the size: 20x10 and 10x5 pixels
    np.testing.assert_allclose(inside, [[14.5, 19.5, 34.5, 29.5], [19.5, 22, 29.5, 27]])


@given(places, places, sides, sides, st.tuples(normals, normals), st.tuples(uniforms, uniforms))
def test_the_centre_of_the_target_stays_inside_the_search_crop(
    x: float, y: float, width: float, height: float, normal: tuple, uniform: tuple
) -> None:
    box = np.array([x, y, x + width, y + height])
    around = jittered_box(box, np.array(normal), np.array(uniform))
    side = int(WindowRule(5, 320).windows(torch.from_numpy(around[None]))[0, 2])
    ((x1, y1, x2, y2),) = boxes_in_crop(box[None], around, side, 320)
    assert 0 <= x1 + x2 <= 640 and 0 <= y1 + y2 <= 640
    # the target keeps its shape
    assert (x2 - x1) * height == pytest.approx((y2 - y1) * width)


@pytest.mark.parametrize('whole_pixels, box', [(False, [70, 20, 90, 30]), (True, [69, 20, 89, 30])])
def test_mirror_by_hand(whole_pixels: bool, box: list[float]) -> None:
    boxes = np.array([[10.0, 20, 30, 30]])
    assert mirrored_boxes(boxes, 100, whole_pixels).tolist() == [box]
    assert boxes.tolist() == [[10, 20, 30, 30]]


@given(places, places, sides, sides, st.booleans())
def test_mirrored_twice_is_not_mirrored(x: float, y: float, width: float, height: float, whole: bool) -> None:
    box = np.array([[x, y, x + width, y + height]])
    np.testing.assert_allclose(mirrored_boxes(mirrored_boxes(box, 640, whole), 640, whole), box, atol=1e-9)
