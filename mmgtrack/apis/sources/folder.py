"""Frames that are image files."""

import itertools
import re
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

from mmgtrack.apis.sources.base import Frame, FrameSource, SourceWarning
from mmgtrack.apis.sources.images import read_image
from mmgtrack.errors import SourceError

IMAGE_SUFFIXES = frozenset(
    {'.bmp', '.jpeg', '.jpg', '.jp2', '.pbm', '.pgm', '.png', '.pnm', '.ppm', '.tif', '.tiff', '.webp'}
)


class ImageFiles(FrameSource):
    """A list of image files, one frame each, in the given order.

    Sizes may differ. A file that is missing or no image raises SourceError when its turn comes. Numbers in
    the names that skip a step are warned about, because frames are numbered by their place in the list.
    """

    def __init__(self, name: str, paths: Sequence[Path]) -> None:
        if not paths:
            raise SourceError(f'{name}: no image in it; expected files such as 000001.jpg')
        self.name = name
        self.num_frames = len(paths)
        self._paths = list(paths)

    @classmethod
    def from_folder(cls, folder: Path) -> 'ImageFiles':
        """The images directly in a folder, in natural order (frame2 before frame10)."""
        try:
            found = [path for path in folder.iterdir() if is_image_name(path)]
        except OSError as error:
            raise SourceError(f'{folder}: cannot list the folder: {error.strerror or error}') from error
        return cls(str(folder), sorted(found, key=natural_key))

    def frames(self, start: int = 0) -> Iterator[Frame]:
        self._check_start(start)
        if start >= len(self._paths):
            raise self._past_end(start, len(self._paths))
        self._warn_of_gaps()
        for index in range(start, len(self._paths)):
            yield Frame(index, read_image(self._paths[index]))

    def _warn_of_gaps(self) -> None:
        numbers = [_last_number(path) for path in self._paths]
        steps = [b - a for a, b in itertools.pairwise(numbers) if a is not None and b is not None]
        if len(steps) != len(numbers) - 1 or not steps or min(steps) < 1:
            return  # the names are not a numbering
        at = next((i for i, step in enumerate(steps) if step != min(steps)), None)
        if at is not None:
            warnings.warn(
                f'{self.name}: a frame file seems to be missing between {self._paths[at].name} and '
                f'{self._paths[at + 1].name}; frames are numbered by their place among the files',
                SourceWarning,
                stacklevel=2,
            )


def is_image_name(path: Path) -> bool:
    """Whether a file name ends as an image's does and is not hidden."""
    return path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith('.')


def natural_key(path: Path) -> list[tuple[int, int, str]]:
    """Sort key under which numbers in a path count as numbers: img2.png < img10.png."""
    parts = re.split(r'(\d+)', str(path))
    # parts alternate text, digits, text, ...; the text of digits breaks ties such as 1 and 01
    return [(1, int(p), p) if i % 2 else (0, 0, p) for i, p in enumerate(parts)]


def _last_number(path: Path) -> int | None:
    digits = re.findall(r'\d+', path.stem)
    return int(digits[-1]) if digits else None
