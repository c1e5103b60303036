"""Annotations of GOT-10k."""

import re
from typing import ClassVar

from mmgtrack.errors import DataError
from mmgtrack.evaluation.annotations.base import BoxTruth
from mmgtrack.evaluation.annotations.boxes import BoxAnnotations
from mmgtrack.evaluation.annotations.files import listed_names


class GOT10k(BoxAnnotations):
    """A split of GOT-10k: ``list.txt`` and ``<sequence>/groundtruth.txt`` with its labels beside it.

    ``cover.label`` (visible eighths) and ``absence.label`` have a number a frame; ``meta_info.ini`` says the
    image's size. ``root`` is the folder of the split, or the benchmark's folder, of which val is taken: the
    boxes of test are not published. Names are those of list.txt, in its order; without that file they are
    sorted.
    """

    benchmark: ClassVar[str] = 'GOT-10k'
    patterns: ClassVar[tuple[str, ...]] = ('{name}/groundtruth.txt', 'val/{name}/groundtruth.txt')

    def read(self, name: str) -> BoxTruth:
        boxes = self.boxes(name)
        folder = self.path(name).removesuffix('/groundtruth.txt')
        return BoxTruth(
            name,
            boxes,
            absent=self.flags(f'{folder}/absence.label', len(boxes)),
            cover=self.numbers(f'{folder}/cover.label', len(boxes)),
            image_size=self._image_size(f'{folder}/meta_info.ini'),
        )

    def _find(self) -> dict[str, str]:
        found = super()._find()
        split = next(iter(found.values()), '').startswith('val/')
        listed = 'val/list.txt' if split else 'list.txt'
        if not self.files.exists(listed):
            return found
        names = listed_names(self.files.read_text(listed), self.files.where(listed))
        lacking = next((name for name in names if name not in found), None)
        if lacking is not None:
            raise DataError(f'{self.files.where(listed)} lists {lacking}, which has no groundtruth.txt')
        return {name: found[name] for name in names}

    def _image_size(self, path: str) -> tuple[int, int]:
        found = re.search(
            r'^resolution:\s*\(([0-9]{1,7}),\s*([0-9]{1,7})\)', self.files.read_text(path), re.MULTILINE
        )
        if found is None:
            raise DataError(f'{self.files.where(path)} has no line "resolution: (width, height)"')
        return int(found[1]), int(found[2])
