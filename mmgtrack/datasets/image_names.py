"""Image files of a folder, in the order of their numbers."""

import os
import re
from pathlib import Path

from mmgtrack.formats.disk import names_in

IMAGE_SUFFIXES = frozenset({'.jpg', '.jpeg', '.png', '.bmp', '.webp', '.tif', '.tiff'})


def images_in(folder: Path) -> list[str]:
    """Names of the images directly in a folder, in natural order. Raises DataError for no folder."""
    names = (name for name in names_in(folder) if os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES)
    return sorted(names, key=natural)


def natural(name: str) -> list[tuple[int, str]]:
    """Sort key by which 2.jpg comes before 10.jpg."""
    return [(int(part), '') if part.isdigit() else (-1, part) for part in re.split(r'([0-9]+)', name)]
