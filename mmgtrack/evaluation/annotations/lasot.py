"""Annotations of LaSOT and its extension."""

from typing import ClassVar

import numpy as np

from mmgtrack.evaluation.annotations.base import BoxTruth
from mmgtrack.evaluation.annotations.boxes import BoxAnnotations


class LaSOT(BoxAnnotations):
    """LaSOT as the dataset or as the official evaluation toolkit lays it out.

    - dataset: ``<class>/<class>-<k>/{groundtruth.txt, full_occlusion.txt, out_of_view.txt}``; the flags are
      one line a file; the target is absent where either says so.
    - toolkit: ``annos/<sequence>.txt`` and ``annos/absent/<sequence>.txt``, one flag a line; ``root`` is the
      toolkit or its ``annos``.

    Names are in the order of class and number. Raises DataError where flags and boxes differ in number.
    """

    benchmark: ClassVar[str] = 'LaSOT'
    patterns: ClassVar[tuple[str, ...]] = (
        'annos/{name}.txt',
        '*/{name}/groundtruth.txt',
        '{name}/groundtruth.txt',
        '{name}.txt',
    )

    def read(self, name: str) -> BoxTruth:
        boxes = self.boxes(name)
        return BoxTruth(name, boxes, absent=self._absent(self.path(name), len(boxes)))

    def _absent(self, path: str, count: int) -> np.ndarray:
        folder, _, file = path.rpartition('/')
        if file == 'groundtruth.txt':
            occluded = self.flags(f'{folder}/full_occlusion.txt', count)
            return occluded | self.flags(f'{folder}/out_of_view.txt', count)
        return self.flags(f'{folder}/absent/{file}'.lstrip('/'), count)

    def _find(self) -> dict[str, str]:
        found = super()._find()
        if '/' not in ''.join(found.values()) and not self.files.count('absent/*.txt'):
            return {}  # just some text files
        return dict(sorted(found.items(), key=lambda item: _class_and_number(item[0])))


def _class_and_number(name: str) -> tuple[str, int, str, str]:
    kind, _, number = name.rpartition('-')
    digits = number.lstrip('0') if number.isdecimal() else ''
    return kind, len(digits), digits, name  # the longer number is the larger one
