from pathlib import Path

import cv2
import numpy as np
import pytest

from mmgtrack.apis.sources.images import read_image, to_bgr8
from mmgtrack.errors import InputError, SourceError

GREY = np.arange(12, dtype=np.uint8).reshape(3, 4)
BGR = np.dstack([GREY, GREY + 50, GREY + 100])
BGRA = np.dstack([BGR, np.full_like(GREY, 7)])
GREY3 = np.dstack([GREY] * 3)


@pytest.mark.parametrize(
    'image, expected',
    [
        (BGR, BGR),
        (GREY, GREY3),
        (GREY[..., None], GREY3),
        (BGRA, BGR),
        (BGR.astype(np.uint16) * 257, BGR),
        (GREY.astype(np.uint16) * 257, GREY3),
        (np.full((2, 2, 3), 65535, np.uint16), np.full((2, 2, 3), 255, np.uint8)),
        (BGR.astype(np.float32) / 255, BGR),
        (BGRA.astype(np.float64), BGR),
        (BGR.astype(np.float16), BGR),
        (np.float32([[-0.02, 1.02]]), np.uint8([[[0] * 3, [255] * 3]])),  # overshoot of a resize
        (np.zeros((1, 1), np.float32), np.zeros((1, 1, 3), np.uint8)),
        (BGR[:, ::-1], BGR[:, ::-1]),
    ],
)
def test_to_bgr8(image: np.ndarray, expected: np.ndarray) -> None:
    converted = to_bgr8(image)
    assert converted.dtype == np.uint8
    np.testing.assert_array_equal(converted, expected)


def test_a_frame_that_fits_is_not_copied() -> None:
    assert to_bgr8(BGR) is BGR


@pytest.mark.parametrize(
    'image, message',
    [
        (np.zeros((3, 8, 8), np.uint8), r'got shape \(3, 8, 8\)'),
        (np.zeros((0, 8, 3), np.uint8), r'got shape \(0, 8, 3\)'),
        (np.zeros(3, np.uint8), r'got shape \(3,\)'),
        (np.zeros((4, 4, 3), np.int64), 'got dtype int64'),
        (np.full((4, 4, 3), np.nan, np.float32), 'got nan'),
        (np.full((4, 4, 3), np.inf, np.float32), 'got inf'),
        (np.full((4, 4, 3), -2, np.float32), 'got -2'),
        (np.full((4, 4, 3), 3000, np.float32), 'got 3000'),
        ([[1, 2]], 'got list'),
        ('frame.png', 'got str'),
    ],
)
def test_refuses_what_is_no_image(image: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        to_bgr8(image)


@pytest.mark.parametrize(
    'stored, expected',
    [(BGR, BGR), (GREY, GREY3), (BGRA, BGR), (BGR.astype(np.uint16) * 257, BGR)],
    ids=['bgr', 'grey', 'bgra', '16 bit'],
)
def test_read_image(tmp_path: Path, stored: np.ndarray, expected: np.ndarray) -> None:
    path = tmp_path / 'Bild ä.png'
    path.write_bytes(cv2.imencode('.png', stored)[1].tobytes())
    np.testing.assert_array_equal(read_image(path), expected)


@pytest.mark.parametrize('content', [b'', b'no image at all'])
def test_damaged_image_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / '000007.jpg'
    path.write_bytes(content)
    with pytest.raises(SourceError, match=r'000007\.jpg: not a readable image'):
        read_image(path)


def test_missing_image_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r'000007\.jpg: cannot read the frame: No such file'):
        read_image(tmp_path / '000007.jpg')
