"""Image files that are complete."""

import cv2
import numpy as np

from mmgtrack.errors import FrameError

_JPEG = b'\xff\xd8'  # start of image; this and the next two: ITU-T T.81, table B.1
_END_OF_IMAGE = b'\xff\xd9'
_START_OF_SCAN = 0xDA


def read_whole_image(path: str) -> np.ndarray:
    """Decode an image file to (H, W, 3) uint8 BGR; the EXIF orientation is ignored.

    Raises FrameError that names the file where it is missing, damaged, or a JPEG that is cut off.
    """
    try:
        with open(path, 'rb') as file:
            code = file.read()
    except (OSError, ValueError) as error:
        reason = getattr(error, 'strerror', None) or error
        raise FrameError(f'cannot read the image {path}: {reason}', path) from error
    if is_cut_off(code):
        raise FrameError(f'cannot read the image {path}: it is cut off after {len(code)} bytes', path)
    image = _decoded(code)
    if image is None:
        raise FrameError(f'cannot read the image {path}: the file is damaged or no image', path)
    return image


def is_cut_off(code: bytes) -> bool:
    """Whether a file's content is a JPEG image that stops before its end, or none at all.

    That is one with no end-of-image marker behind the start of its first scan, where no other bytes look
    like it. Bytes behind the marker do not matter, nor does the marker of a thumbnail before the scan. What
    was lost in the middle, with the end still there, is not seen.
    """
    if not code.startswith(_JPEG):
        return not code
    return code.rfind(_END_OF_IMAGE, _first_scan(code)) < 0


def _first_scan(code: bytes) -> int:
    """Where the first scan of a JPEG starts, or where its chain of segments is broken."""
    place = len(_JPEG)
    while code[place : place + 1] == b'\xff' and code[place + 1 : place + 2] != bytes([_START_OF_SCAN]):
        if code[place + 1 : place + 2] == b'\xff':  # fill byte
            place += 1
        else:
            place += 2 + int.from_bytes(code[place + 2 : place + 4], 'big')
    return place


def _decoded(code: bytes) -> np.ndarray | None:
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        image: np.ndarray | None = cv2.imdecode(np.frombuffer(code, np.uint8), flags)
    except cv2.error:
        return None
    return image
