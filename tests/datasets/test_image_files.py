"""Images that are cut off are told from whole ones, in all the ways that files end."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmgtrack.datasets import read_frame, synthetic_clip
from mmgtrack.errors import FrameError

IMAGE = synthetic_clip(1, size=(96, 128)).frames[0]


def encoded(suffix: str, *options: int) -> bytes:
    return cv2.imencode(suffix, IMAGE, options)[1].tobytes()


PLAIN = encoded('.jpg')
PROGRESSIVE = encoded('.jpg', cv2.IMWRITE_JPEG_PROGRESSIVE, 1)
RESTARTS = encoded('.jpg', cv2.IMWRITE_JPEG_RST_INTERVAL, 2)
# an application segment (T.81, B.2.4.6) that holds a whole small image, as cameras store thumbnails
SMALL = cv2.imencode('.jpg', IMAGE[:16, :16])[1].tobytes()
THUMBNAIL = PLAIN[:2] + b'\xff\xe1' + (len(SMALL) + 2).to_bytes(2, 'big') + SMALL + PLAIN[2:]
FILLED = PLAIN[:2] + b'\xff\xff' + PLAIN[2:]  # fill bytes before a marker (T.81, B.1.1.2)
JPEGS = {
    'plain': PLAIN,
    'progressive': PROGRESSIVE,
    'restarts': RESTARTS,
    'thumbnail': THUMBNAIL,
    'filled': FILLED,
}
jpegs = pytest.mark.parametrize('code', JPEGS.values(), ids=JPEGS)


def read_whole(folder: Path, code: bytes, suffix: str = '.jpg') -> np.ndarray:
    file = folder / f'frame{suffix}'
    file.write_bytes(code)
    return read_frame(str(file), whole=True)


@jpegs
@pytest.mark.parametrize('trailing', [b'', b'\0', b'some bytes', b'\xff\xd9' * 3, bytes(100)])
def test_whole_images_are_read_as_evaluation_reads_them(code: bytes, trailing: bytes, tmp_path: Path) -> None:
    image = read_whole(tmp_path, code + trailing)
    np.testing.assert_array_equal(image, read_frame(str(tmp_path / 'frame.jpg')))
    assert image.shape == (96, 128, 3)


@jpegs
@settings(deadline=None, max_examples=40)
@given(data=st.data())
def test_a_jpeg_that_stops_anywhere_is_refused(
    tmp_path_factory: pytest.TempPathFactory, code: bytes, data: st.DataObject
) -> None:
    length = data.draw(st.integers(0, len(code) - 1))
    folder = tmp_path_factory.mktemp('cut')
    with pytest.raises(FrameError, match=f'cannot read the image {folder}/frame.jpg: ') as refused:
        read_whole(folder, code[:length])
    assert refused.value.path == f'{folder}/frame.jpg'


@jpegs
@pytest.mark.parametrize('share', [0.3, 0.6, 0.95])
def test_a_jpeg_whose_rest_was_never_written_is_refused(code: bytes, share: float, tmp_path: Path) -> None:
    length = int(len(code) * share)
    with pytest.raises(FrameError, match='it is cut off after'):
        read_whole(tmp_path, code[:length] + bytes(len(code) - length))


@pytest.mark.parametrize('suffix', ['.png', '.bmp', '.webp', '.tif'])
def test_other_formats(suffix: str, tmp_path: Path) -> None:
    code = encoded(suffix)
    np.testing.assert_array_equal(
        read_whole(tmp_path, code, suffix), read_frame(str(tmp_path / f'frame{suffix}'))
    )
    with pytest.raises(FrameError, match='the file is damaged or no image'):
        read_whole(tmp_path, code[: len(code) // 2], suffix)


def test_what_is_no_image(tmp_path: Path) -> None:
    for code, message in ((b'', 'it is cut off after 0 bytes'), (b'hello', 'damaged or no image')):
        with pytest.raises(FrameError, match=message):
            read_whole(tmp_path, code)
    with pytest.raises(FrameError, match='No such file or directory'):
        read_frame(str(tmp_path / 'none.jpg'), whole=True)
    with pytest.raises(FrameError, match='Is a directory'):
        read_frame(str(tmp_path), whole=True)


def test_evaluation_takes_what_there_is_of_a_frame(tmp_path: Path) -> None:
    """As the official toolkits do, whose numbers count such frames."""
    file = tmp_path / 'frame.jpg'
    file.write_bytes(PLAIN[: len(PLAIN) // 2])
    image = read_frame(str(file))
    assert image.shape == (96, 128, 3) and np.ptp(image[-8:]) < 3 < np.ptp(image[:8])
