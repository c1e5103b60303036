"""FrameFilter with the official numbers, on both sides of every limit."""

from typing import Any

import numpy as np
import pytest

from mmgtrack.datasets import FrameFilter

OFFICIAL = FrameFilter(min_area=20, sides=(10, 960), shares=(0.01, 0.75), aspect=(0.2, 5), min_cover=(1, 0.3))
NAN = float('nan')


@pytest.mark.parametrize(
    'xywh, size, fits',
    [
        ([5, 5, 100, 80], (720, 1280), True),
        ([-40, -40, 100, 80], (720, 1280), True),  # boxes are judged before they are clipped
        ([NAN] * 4, (720, 1280), False),
        ([5, 5, 10, 10], (480, 640), True),
        ([5, 5, 9.9, 12], (480, 640), False),
        ([1000.1, 5, 10, 10], (480, 640), True),  # x + 10 - x is below 10 in float32
        ([5, 5, 960, 300], (1080, 1920), True),
        ([5, 5, 961, 300], (1080, 1920), False),
        ([5, 5, 300, 961], (2000, 2000), False),
        ([5, 5, 19, 19], (480, 1920), False),  # 1 % of the width is 19.2
        ([5, 5, 20, 20], (480, 1920), True),
        ([5, 5, 480, 300], (480, 640), True),
        ([5, 5, 481, 300], (480, 640), False),
        ([5, 5, 300, 361], (480, 640), False),
        ([5, 5, 20, 100], (480, 640), True),  # width / height = 0.2
        ([5, 5, 19.9, 100], (480, 640), False),
        ([5, 5, 99, 20], (480, 640), True),
        ([5, 5, 100, 20], (480, 640), False),  # 5
    ],
)
def test_official_rules(xywh: list[float], size: tuple[int, int], fits: bool) -> None:
    box = np.array([[*xywh[:2], xywh[0] + xywh[2], xywh[1] + xywh[3]]], dtype=np.float32)
    assert OFFICIAL.fits(box, size).tolist() == [fits]


def test_area() -> None:
    boxes = np.array([[0, 0, 4, 5], [0, 0, 4, 5.5]], dtype=np.float32)
    assert FrameFilter(min_area=20).fits(boxes, (100, 100)).tolist() == [False, True]


@pytest.mark.parametrize(
    'cover, fits',
    [
        ([8, 3, 2, 1, 0], [1, 1, 0, 0, 0]),  # more than 2.4
        ([3, 2, 1, 0, 0], [1, 1, 0, 0, 0]),  # more than 1
        ([1, 1, 0, 0, 0], [0, 0, 0, 0, 0]),
    ],
)
def test_cover(cover: Any, fits: list[int]) -> None:
    boxes = np.tile(np.array([[0, 0, 50, 50]], dtype=np.float32), (5, 1))
    assert OFFICIAL.fits(boxes, (480, 640), np.array(cover, dtype=float)).tolist() == [bool(f) for f in fits]


def test_left_alone_it_passes_every_box() -> None:
    boxes = np.array([[0, 0, 1e-2, 2000], [-9, -9, 3000, 1], [NAN] * 4], dtype=np.float32)
    assert FrameFilter().fits(boxes, (10, 10), np.zeros(3)).tolist() == [True, True, False]
    assert FrameFilter().fits(boxes[:0], (10, 10), np.zeros(0)).tolist() == []
