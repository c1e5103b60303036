"""Samples of the first frame: the target is whole in each, and its box is where the target is."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from mmgtrack.errors import InputError
from mmgtrack.geometry import WindowRule, boxes_from_window, boxes_to_window, crop_image
from mmgtrack.models.guided_detector.first_frame import FirstFrame

RULE = WindowRule(5, 300)
BOXES = torch.tensor([[40.0, 30, 100, 90], [10.5, 20.25, 30, 90]], dtype=torch.float64)


def windows(boxes: Tensor, samples: FirstFrame) -> Tensor:
    """(M, S, 3)."""
    around = samples.around(boxes, RULE.factor)
    return RULE.windows(around.flatten(0, 1)).unflatten(0, around.shape[:2])


def test_the_first_is_the_search_window() -> None:
    samples = FirstFrame()
    assert samples.mirrored.tolist() == [False, True] * 8  # 16 (section 3.4), half of them mirrored
    assert torch.equal(samples.around(BOXES, 5)[:, 0], BOXES)
    assert torch.equal(windows(BOXES, samples)[:, 0], RULE.windows(BOXES))
    assert len(torch.unique(windows(BOXES, samples)[0], dim=0)) == 16


def test_draws_depend_on_the_seed_alone() -> None:
    ours = FirstFrame(seed=3).around(BOXES, 5)
    torch.rand(7)
    assert torch.equal(FirstFrame(seed=3).around(BOXES, 5), ours)
    assert torch.equal(FirstFrame(seed=3).around(BOXES[1:], 5), ours[1:])
    assert not torch.equal(FirstFrame(seed=4).around(BOXES, 5), ours)


coordinates = st.floats(-200, 900)
lengths = st.floats(2, 500)


@settings(max_examples=80, deadline=None)
@given(x=coordinates, y=coordinates, width=lengths, height=lengths, seed=st.integers(0, 50))
def test_the_whole_target_is_inside(x: float, y: float, width: float, height: float, seed: int) -> None:
    boxes = torch.tensor([[x, y, x + width, y + height]], dtype=torch.float64)
    samples = FirstFrame(count=32, seed=seed, shift=2.5)
    placed = windows(boxes, samples)
    seen = samples.mirror_boxes(boxes_to_window(boxes[:, None], placed, RULE.size), RULE.size)[0]
    longest = max(width, height)
    mean = (width * height) ** 0.5
    if longest + 4 < 5 * mean / 1.25:  # longer ones do not fit a window of any sample
        assert (seen >= 0).all() and (seen <= RULE.size).all()
    across = (seen[:, :2] + seen[:, 2:]) / 2 - RULE.size / 2
    assert (across.abs() <= RULE.size / 2 + RULE.size / placed[0, :, 2:]).all()
    # scales between 1 / 1.25 and 1.25, up to the rounding of windows to pixels
    scales = placed[0, :, 2] / (5 * mean)
    slack = 1 / (5 * mean) + 1e-9
    assert (scales >= 0.8 - slack).all() and (scales <= 1.25 + slack).all()


def test_moves_and_scales_are_spread() -> None:
    samples = FirstFrame(count=2000)
    boxes = torch.tensor([[0.0, 0, 100, 100]], dtype=torch.float64)
    around = samples.around(boxes, 5)[0, 1:]
    moves = (around[:, :2] + around[:, 2:]) / 2 - 50
    assert moves.abs().max() <= 50 and moves.abs().max() > 49
    assert moves.mean(0).abs().max() < 3
    scales = ((around[:, 2] - around[:, 0]) / 100).log()
    assert scales.abs().max() <= np.log(1.25) + 1e-9 and abs(scales.mean()) < 0.01


def test_boxes_follow_the_picture() -> None:
    """A white target on black is found, in each sample, where its box says."""
    frame = np.zeros((200, 240, 3), np.uint8)
    frame[60:100, 90:150] = 255
    boxes = torch.tensor([[90.0, 60, 150, 100]], dtype=torch.float64)
    samples = FirstFrame(seed=1)
    placed = windows(boxes, samples)
    crops = [crop_image(frame, tuple(place), RULE.size)[0] for place in placed[0].tolist()]
    images = torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2)[None]
    images = samples.mirror(images)[0, :, 0] > 127
    seen = samples.mirror_boxes(boxes_to_window(boxes[:, None], placed, RULE.size), RULE.size)[0]
    for image, (left, top, right, bottom) in zip(images, seen.tolist(), strict=True):
        rows, columns = image.nonzero().unbind(1)
        found = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        np.testing.assert_allclose(found, [left, top, right, bottom], atol=1)


@given(
    corner=st.tuples(coordinates, coordinates),
    place=st.tuples(st.integers(-300, 900), st.integers(-300, 900), st.integers(1, 2000)),
)
def test_there_and_back(corner: tuple, place: tuple) -> None:
    boxes = torch.tensor([[*corner, corner[0] + 7, corner[1] + 9]], dtype=torch.float64)
    places = torch.tensor([place])
    inside = boxes_to_window(boxes, places, 300)
    torch.testing.assert_close(boxes_from_window(inside, places, 300), boxes)
    whole = torch.tensor([[place[0], place[1], place[0] + place[2], place[1] + place[2]]]).double()
    torch.testing.assert_close(
        boxes_to_window(whole, places, 300), torch.tensor([[0.0, 0, 300, 300]]).double()
    )


def test_masks_are_mirrored_like_images() -> None:
    samples = FirstFrame(count=3)
    masks = torch.zeros(2, 3, 4, 5, dtype=torch.bool)
    masks[..., 0] = True
    found = samples.mirror(masks)
    assert torch.equal(found[:, [0, 2]], masks[:, [0, 2]])
    assert found[:, 1, :, -1].all() and not found[:, 1, :, :-1].any()


@pytest.mark.parametrize('options', [{'count': 0}, {'shift': -1}, {'scale': 0.9}], ids=str)
def test_refuses_options_without_a_meaning(options: dict) -> None:
    with pytest.raises(InputError, match='samples of the first frame need'):
        FirstFrame(**options)
