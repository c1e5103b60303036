from pathlib import Path

import cv2
import numpy as np
import pytest

from mmgtrack.apis import VideoWriter


@pytest.fixture(scope='session')
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty frames of 160 x 120 at 20 a second, in which a checked square moves to the right."""
    path = tmp_path_factory.mktemp('clip') / 'square.mp4'
    square = np.kron(np.indices((4, 4)).sum(0) % 2, np.ones((8, 8)))[..., None] * (40, 200, 250)
    background = cv2.GaussianBlur(
        np.random.default_rng(0).integers(0, 255, (120, 160, 3)).astype('u1'), (0, 0), 5
    )
    with VideoWriter(path, 20) as writer:
        for number in range(40):
            image = background.copy()
            image[40:72, 10 + 2 * number : 42 + 2 * number] = square
            writer.write(image)
    return path
