"""Annotations of one's own sequences, in the layout that mmgtrack trains on."""

from typing import ClassVar

import numpy as np

from mmgtrack.evaluation.annotations.base import BoxTruth
from mmgtrack.evaluation.annotations.boxes import BoxAnnotations


class OwnSequences(BoxAnnotations):
    """``<sequence>/groundtruth.txt`` of one target; nan, or a 1 in ``absent.txt`` beside it: not visible."""

    benchmark: ClassVar[str] = 'own sequences'
    patterns: ClassVar[tuple[str, ...]] = ('{name}/groundtruth.txt',)

    def read(self, name: str) -> BoxTruth:
        boxes = self.boxes(name)
        absent = np.isnan(boxes).any(axis=1)
        flags = f'{name}/absent.txt'
        if self.files.exists(flags):
            absent |= self.flags(flags, len(boxes))
        return BoxTruth(name, boxes, absent=absent)
