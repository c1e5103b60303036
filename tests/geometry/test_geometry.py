"""Boxes and the resize rule against numbers worked out by hand or by OpenCV."""

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mmgtrack.errors import InputError
from mmgtrack.geometry import (
    ResizeRule,
    box_iou,
    clip_boxes,
    resize_image,
    resize_tensor,
)


@pytest.mark.parametrize(
    ('size', 'new_size'),
    [
        # official GlobalTrack transform at (1333, 800), oracle table rescale_1333x800: (h, w)
        ((480, 640), (800, 1067)),
        ((720, 1280), (750, 1333)),
        ((1080, 1920), (750, 1333)),
        ((1280, 720), (1333, 750)),
        ((1, 4000), (1, 1333)),
    ],
)
def test_resize_rule(size: tuple, new_size: tuple) -> None:
    assert ResizeRule(1333, 800).new_size(size) == new_size


@given(st.integers(1, 3000), st.integers(1, 3000))
def test_resize_rule_fits(height: int, width: int) -> None:
    new = ResizeRule(512, 384).new_size((height, width))
    assert min(new) >= 1 and max(new) <= 512 and min(new) <= 384


@pytest.mark.parametrize('sides', [(0, 0), (300, 400), (100, -1)])
def test_resize_rule_refuses(sides: tuple) -> None:
    with pytest.raises(InputError):
        ResizeRule(*sides)


def test_host_and_device_resize_agree_to_rounding() -> None:
    image = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    image = cv2.blur(image, (5, 5))
    host = resize_image(image, (90, 121)).astype(float)
    device = resize_tensor(torch.from_numpy(image).permute(2, 0, 1)[None].float(), (90, 121))[0]
    assert np.abs(host - device.permute(1, 2, 0).numpy()).max() <= 1.0


def test_boxes() -> None:
    boxes = torch.tensor([[1.0, 2.0, 5.0, 8.0]])
    assert clip_boxes(torch.tensor([[-3.0, 2.0, 50.0, 99.0]]), (20, 30)).tolist() == [[0, 2, 30, 20]]
    assert box_iou(boxes, torch.tensor([[1.0, 2.0, 5.0, 5.0]])).item() == 0.5
    assert box_iou(torch.zeros(1, 4), torch.zeros(1, 4)).item() == 0
