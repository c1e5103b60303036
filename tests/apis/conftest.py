"""Small real clips, written with PyAV."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import pytest

from .numbered import numbered_image


@pytest.fixture
def write_clip(tmp_path: Path) -> Callable[..., Path]:
    """Write a clip of numbered images: (name, number of frames, faststart) -> path."""

    def write(name: str = 'clip.mp4', num_frames: int = 30, faststart: bool = True) -> Path:
        path = tmp_path / name
        options = {'movflags': '+faststart'} if faststart else {}
        with av.open(str(path), 'w', options=options) as container:
            stream = container.add_stream('libx264', rate=Fraction(25))
            stream.height, stream.width, stream.pix_fmt = 48, 64, 'yuv420p'
            stream.options = {'crf': '18', 'bf': '0', 'g': '10'}
            for number in range(num_frames):
                frame = av.VideoFrame.from_ndarray(numbered_image(number), format='bgr24')
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
        return path

    return write
