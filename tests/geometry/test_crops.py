"""Windows: their places, the cut on the host and on the device, and the way back. See also tests/oracles."""

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmgtrack.errors import InputError
from mmgtrack.geometry import (
    WindowRule,
    box_in_frame,
    boxes_from_window,
    boxes_to_window,
    clip_with_margin,
    crop_image,
    crop_tensor,
)

FRAME = np.random.default_rng(0).integers(1, 256, (40, 60, 3), dtype=np.uint8)  # nothing of it is black


def box(*numbers: float) -> torch.Tensor:
    return torch.tensor([numbers], dtype=torch.float64)


@pytest.mark.parametrize(
    ('boxes', 'expected'),
    [
        ((10, 10, 20, 20), (-10, -10, 50)),
        ((10, 10, 20.1, 20), (-10, -10, 51)),  # the side is rounded up; -10.5 to the even pixel
        ((10, 11, 20.1, 21), (-10, -10, 51)),  # and so is -9.5
        ((0.1, 0.3, 10.1, 10.3), (-20, -20, 50)),  # 10 wide by its corners, but for the last bit
        ((1e-3, 1e-3, 2e-3, 2e-3), (0, 0, 1)),  # at least a pixel
    ],
)
def test_places(boxes: tuple, expected: tuple) -> None:
    assert tuple(WindowRule(5, 320).windows(box(*boxes))[0].tolist()) == expected


def test_a_window_inside_is_the_picture_itself() -> None:
    crop, padding = crop_image(FRAME, (10, 5, 20), 20)
    assert np.array_equal(crop, FRAME[5:25, 10:30])
    assert not padding.any()


def test_a_window_that_ends_at_the_border_loses_a_column() -> None:
    crop, padding = crop_image(FRAME, (40, 10, 20), 20)  # columns 40 to 59 of 60
    assert not crop[:, -1].any() and padding[:, -1].all()
    assert np.array_equal(crop[:, :-1], FRAME[10:30, 40:59])
    assert not padding[:, :-1].any()


def test_a_window_outside_is_black_and_all_padding() -> None:
    for place in ((-100, 0, 30), (0, 500, 30), (60, 40, 1)):
        crop, padding = crop_image(FRAME, place, 16)
        assert crop.shape == (16, 16, 3) and not crop.any()
        assert padding.all()


places = st.tuples(st.integers(-80, 80), st.integers(-60, 60), st.integers(1, 150))


@settings(max_examples=80, deadline=None)
@given(place=places, size=st.sampled_from([1, 8, 31, 64]))
def test_host_and_device_agree(place: tuple, size: int) -> None:
    """To the bit: the device computes in OpenCV's fixed point."""
    crop, padding = crop_image(FRAME, place, size)
    places = torch.tensor([place, place])
    crops, paddings = crop_tensor(torch.from_numpy(FRAME), places, size)
    assert crops.shape == (2, size, size, 3) and torch.equal(crops[0], crops[1])
    assert np.array_equal(crops[0].numpy(), crop)
    assert np.array_equal(paddings[0].numpy(), padding)


@pytest.mark.parametrize('side', [121, 500, 5000])
def test_windows_much_larger_than_the_picture(side: int) -> None:
    """No black is made for them, and the pixels are those of the plain way; also of a mirrored view."""
    for image in (FRAME, FRAME[:, ::-1]):
        crop, padding = crop_image(image, (-(side // 2), -(side // 3), side), 64)
        black = np.zeros((side, side, 3), dtype=np.uint8)
        left, top = side // 2, side // 3
        black[top : top + 39, left : left + 59] = image[:39, :59]  # see the last column above
        assert np.array_equal(crop, cv2.resize(black, (64, 64)))
        assert padding.mean() > 0.5


def test_floating_images_are_not_rounded() -> None:
    places = torch.tensor([[-7, 3, 33]])
    whole = crop_tensor(torch.from_numpy(FRAME), places, 50)[0]
    parts = crop_tensor(torch.from_numpy(FRAME).double() / 255, places, 50)[0]
    assert parts.dtype == torch.float64
    torch.testing.assert_close(parts * 255, whole.double(), rtol=0, atol=1)
    assert (parts * 255 - whole).abs().max() > 0.1


@settings(max_examples=40, deadline=None)
@given(place=places)
def test_padding_is_where_a_resized_mask_is_not_zero(place: tuple) -> None:
    """The official rule, literally: ones around zeros, resized, any trace counts."""
    x, y, side = place
    mask = np.ones((side, side))
    columns, rows = np.arange(x, x + side), np.arange(y, y + side)
    right, bottom = (60 - (x + side >= 60)), (40 - (y + side >= 40))
    inside = ((rows >= 0) & (rows < bottom))[:, None] & ((columns >= 0) & (columns < right))
    mask[inside] = 0
    assert np.array_equal(crop_image(FRAME, place, 24)[1], cv2.resize(mask, (24, 24)) > 0)


@settings(max_examples=40, deadline=None)
@given(
    centre=st.tuples(st.floats(-50, 700), st.floats(-50, 500)),
    size=st.tuples(st.floats(0.5, 300), st.floats(0.5, 300)),
)
def test_there_and_back(centre: tuple, size: tuple) -> None:
    """A box that is predicted where it was, in its own window, is itself."""
    boxes = box(
        centre[0] - size[0] / 2, centre[1] - size[1] / 2, centre[0] + size[0] / 2, centre[1] + size[1] / 2
    )
    places = WindowRule(5, 320).windows(boxes)
    half = torch.tensor([[*size]], dtype=torch.float64) / places[:, 2:] / 2
    predicted = torch.cat([0.5 - half, 0.5 + half], dim=1)
    torch.testing.assert_close(box_in_frame(predicted, boxes, places), boxes, rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    ('boxes', 'frame', 'expected'),
    [
        ((10, 10, 30, 40), (100, 80), (10, 10, 30, 40)),
        ((-30, -30, -5, -5), (100, 80), (0, 0, 10, 10)),
        ((200, 200, 220, 220), (100, 80), (90, 70, 100, 80)),
        ((50, 50, 52, 51), (100, 80), (50, 50, 60, 60)),
        ((95, 20, 99, 40), (100, 80), (90, 20, 100, 40)),
        ((40, 40, 20, 20), (100, 80), (40, 40, 50, 50)),  # inverted
        ((2, 2, 3, 3), (6, 4), (0, 0, 6, 4)),  # a frame smaller than the margin
    ],
)
def test_clipping_with_a_margin(boxes: tuple, frame: tuple, expected: tuple) -> None:
    clipped = clip_with_margin(box(*boxes), torch.tensor([frame]), 10)
    assert clipped[0].tolist() == list(expected)


def test_rules_that_make_no_window() -> None:
    for factor, size in ((0, 10), (2, 0)):
        with pytest.raises(InputError, match='factor > 0 and size > 0'):
            WindowRule(factor, size)


def test_boxes_move_to_windows_as_pixels_do() -> None:
    """A painted box that begins and ends at whole pixels of the crop is framed exactly."""
    image = np.zeros((60, 80, 3), np.uint8)
    image[20:30, 33:51] = 255
    window = torch.tensor([[21, 3, 40]])
    crop, _ = crop_image(image, (21, 3, 40), 80)
    rows, columns = np.nonzero(crop[..., 0] > 127)
    inside = boxes_to_window(box(33, 20, 51, 30), window, 80)
    assert inside.tolist() == [[24, 34, 60, 54]]
    assert [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1] == inside[0].tolist()


@given(
    place=st.tuples(st.integers(-500, 2000), st.integers(-500, 2000), st.integers(1, 900)),
    corners=st.lists(st.floats(-300, 3000), min_size=4, max_size=4),
    size=st.integers(1, 500),
)
def test_boxes_come_back_from_windows(place: tuple, corners: list[float], size: int) -> None:
    boxes = torch.tensor(corners, dtype=torch.float64).repeat(2, 3, 1)
    windows = torch.tensor([place, (0, 0, size)])[:, None]
    inside = boxes_to_window(boxes, windows, size)
    assert torch.equal(inside[1], boxes[1])  # a window that is not resized
    torch.testing.assert_close(boxes_from_window(inside, windows, size), boxes, atol=1e-9, rtol=1e-12)
