"""Reader of DAVIS: boxes around the masks of video object segmentation."""

from pathlib import Path
from typing import Literal

import numpy as np

from mmgtrack.datasets.data_root import checked_root
from mmgtrack.datasets.image_names import images_in
from mmgtrack.datasets.lazy_reader import LazyReader
from mmgtrack.datasets.sequence import Sequence
from mmgtrack.errors import DataError, InputError
from mmgtrack.formats.disk import kind_of, read_text
from mmgtrack.formats.listing import some_of
from mmgtrack.packaged_configs import suggest
from mmgtrack.registry import DATASETS

VOID = 255
"""In masks of object numbers: pixels that belong to no object and are not judged."""


@DATASETS.register_module()
class DAVIS(LazyReader):
    """DAVIS: ``root/{ImageSets/2017/val.txt, JPEGImages/480p/<sequence>/00000.jpg, Annotations/480p/...}``.

    A target's box is tight around its pixels: from the first to the last column and row that it has, both
    included (x2 = last + 1). Where it has no pixel it is absent. Masks hold the numbers of the objects, or
    are black and white; since 2017 every object is a target, in 2016 all of them together are one. Targets
    are in the order of their numbers.

    Args:
        root: folder of the benchmark.
        year: 2016 or 2017.
        split: which list: 'train', 'val', 'trainval', 'test-dev', ...; of those without masks only the frames
            of the first mask's are labelled.
        resolution: folder of the images, '480p' or 'Full-Resolution'.
        sequences: names; None or 'all': all of the list.
        cache_size: sequences whose boxes stay in memory; making them decodes every mask.

    Raises DataError that names the file for whatever is missing or malformed.
    """

    def __init__(
        self,
        root: str,
        year: Literal[2016, 2017] = 2017,
        split: str = 'val',
        resolution: str = '480p',
        sequences: Literal['all'] | list[str] | None = None,
        cache_size: int = 256,
    ) -> None:
        if year not in (2016, 2017):
            raise InputError(f'year must be 2016 or 2017, got {year!r}')
        folder = checked_root(root)
        self.year = year
        self.images = folder / 'JPEGImages' / resolution
        self.masks = folder / 'Annotations' / resolution
        listed = _listed(folder / 'ImageSets' / str(year) / f'{split}.txt')
        names = listed if sequences is None or sequences == 'all' else list(sequences)
        unknown = next((name for name in names if name not in listed), None)
        if unknown is not None:
            raise DataError(f'{root} holds no sequence {unknown!r}; {suggest(unknown, listed)}')
        super().__init__(folder, names, cache_size)

    def _read(self, name: str) -> Sequence:
        frames = self._frame_names(name)
        masks = [self.masks / name / f'{Path(frame).stem}.png' for frame in frames]
        known = np.array([kind_of(mask) == 'file' for mask in masks])
        if not known.any():
            raise DataError(f'{self.masks / name} holds no mask of the {len(frames)} frames')
        found = [
            _boxes_of(_objects(mask, one=self.year == 2016)) if is_known else {}
            for mask, is_known in zip(masks, known, strict=True)
        ]
        numbers = sorted({number for boxes in found for number in boxes})
        if not numbers:
            raise DataError(f'{self.masks / name}: the masks are empty')
        boxes = np.full((len(frames), len(numbers), 4), np.nan, np.float32)
        for frame, of_frame in enumerate(found):
            for number, box in of_frame.items():
                boxes[frame, numbers.index(number)] = box
        present = np.asarray(np.isfinite(boxes).all(-1))
        labelled = np.repeat(known[:, None], len(numbers), axis=1)
        paths = tuple(str(self.images / name / frame) for frame in frames)
        return Sequence(name, paths, boxes, present, labelled)

    def flaws(self, index: int) -> list[str]:
        """Masks without an image; missing masks, unless only the first one is published."""
        name = self.names[index]
        expected = [f'{Path(frame).stem}.png' for frame in self._frame_names(name)]
        there = images_in(self.masks / name)
        found = []
        surplus = sorted(set(there) - set(expected))
        if surplus:
            found.append(f'masks without an image ({len(surplus)}): {some_of(surplus)}')
        missing = [mask for mask in expected if mask not in set(there)]
        if missing and set(there) & set(expected[1:]):
            found.append(f'missing masks ({len(missing)} of {len(expected)}): {some_of(missing)}')
        return found

    def _frame_names(self, name: str) -> list[str]:
        names = images_in(self.images / name)
        if not names:
            raise DataError(f'{self.images / name} holds no image')
        return names

    def _sources(self, name: str) -> tuple[Path, ...]:
        return (self.images / name,)

    def _count_frames(self, name: str) -> int:
        return len(self._frame_names(name))


def _listed(file: Path) -> list[str]:
    """Names, one a line; the lists of 2016 name the images, from which the folder is taken."""
    words = (line.split()[0] for line in read_text(file).splitlines() if line.strip())
    names = list(dict.fromkeys(Path(word).parent.name if '/' in word else word for word in words))
    if not names:
        raise DataError(f'{file} lists no sequence: expected one name a line')
    return names


def _objects(mask: Path, one: bool) -> np.ndarray:
    """(H, W) uint8 numbers of the objects, 0 elsewhere; ``one``: they are one object."""
    from PIL import Image, UnidentifiedImageError  # OpenCV turns the numbers into colours

    try:
        with Image.open(mask) as image:
            is_indexed = image.mode == 'P'
            pixels = np.array(image if is_indexed else image.convert('L'))
    except (OSError, ValueError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise DataError(f'cannot read the mask {mask}: the file is missing or damaged') from error
    if is_indexed:
        pixels[pixels == VOID] = 0
    elif pixels.max() > VOID // 2:  # black and white
        return (pixels > VOID // 2).astype(np.uint8)
    return (pixels > 0).astype(np.uint8) if one else pixels


def _boxes_of(objects: np.ndarray) -> dict[int, list[float]]:
    """xyxy by number of the object."""
    boxes = {}
    for number in np.unique(objects[objects > 0]):
        rows, columns = np.nonzero(objects == number)
        boxes[int(number)] = [
            float(columns.min()),
            float(rows.min()),
            float(columns.max() + 1),
            float(rows.max() + 1),
        ]
    return boxes
