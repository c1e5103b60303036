"""Annotations of TLP (Track Long and Prosper) and of TinyTLP."""

from typing import ClassVar

from mmgtrack.evaluation.annotations.base import BoxTruth
from mmgtrack.evaluation.annotations.boxes import BoxAnnotations

TINY_FRAMES = 600


class TLP(BoxAnnotations):
    """TLP: ``<sequence>/groundtruth_rect.txt``, rows ``frame,x,y,w,h,isLost``.

    The target is absent where it is lost; such rows keep the box that is written.
    """

    benchmark: ClassVar[str] = 'TLP'
    patterns: ClassVar[tuple[str, ...]] = ('{name}/groundtruth_rect.txt',)
    frames: ClassVar[int | None] = None

    def read(self, name: str) -> BoxTruth:
        rows = self.rows(self.path(name), columns=6)[: self.frames]
        return BoxTruth(name, rows[:, 1:5], absent=rows[:, 5] != 0)


class TinyTLP(TLP):
    """The first 600 frames of every sequence of TLP."""

    benchmark: ClassVar[str] = 'TinyTLP'
    frames: ClassVar[int | None] = TINY_FRAMES
