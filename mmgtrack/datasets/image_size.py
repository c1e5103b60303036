"""The size of an image, from its header alone."""

from mmgtrack.datasets.sequence import read_frame


def image_size(path: str) -> tuple[int, int]:
    """(height, width) of the frame that ``read_frame`` gives: of the stored pixels, whatever EXIF says.

    Raises DataError where the image is missing or damaged.
    """
    from PIL import Image, UnidentifiedImageError  # mmcv needs it, but importing it takes its time

    try:
        with Image.open(path) as image:  # does not decode
            width, height = image.size
            return height, width
    except (
        OSError,
        ValueError,
        UnidentifiedImageError,
        Image.DecompressionBombError,
    ):  # a frame of a film, or what only OpenCV reads
        height, width = read_frame(path).shape[:2]
        return height, width
