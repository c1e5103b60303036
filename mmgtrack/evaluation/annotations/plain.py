"""Benchmarks whose annotations are boxes and nothing else: UAV123, UAV20L, DTB70, TColor-128, TrackingNet."""

from typing import ClassVar

import numpy as np

from mmgtrack.errors import DataError
from mmgtrack.evaluation.annotations.base import BoxTruth
from mmgtrack.evaluation.annotations.boxes import BoxAnnotations


class UAV123(BoxAnnotations):
    """UAV123: ``anno/UAV123/<sequence>.txt``; rows of nan where the target is not to be seen.

    root: the benchmark's folder, its ``anno``, or ``anno/UAV123`` itself.
    """

    benchmark: ClassVar[str] = 'UAV123'
    patterns: ClassVar[tuple[str, ...]] = ('anno/UAV123/{name}.txt', 'UAV123/{name}.txt', '{name}.txt')


class UAV20L(BoxAnnotations):
    """UAV20L: ``anno/UAV20L/<sequence>.txt``, as UAV123."""

    benchmark: ClassVar[str] = 'UAV20L'
    patterns: ClassVar[tuple[str, ...]] = ('anno/UAV20L/{name}.txt', 'UAV20L/{name}.txt', '{name}.txt')


class DTB70(BoxAnnotations):
    """DTB70: ``<sequence>/groundtruth_rect.txt``."""

    benchmark: ClassVar[str] = 'DTB70'
    patterns: ClassVar[tuple[str, ...]] = ('{name}/groundtruth_rect.txt',)


class TrackingNet(BoxAnnotations):
    """TrackingNet: ``TEST/anno/<video>.txt``, or the same files without folders, as in archives for a server.

    Of the published test set only the first row is there.
    """

    benchmark: ClassVar[str] = 'TrackingNet'
    patterns: ClassVar[tuple[str, ...]] = ('*/anno/{name}.txt', 'anno/{name}.txt', '{name}.txt')


class TColor128(BoxAnnotations):
    """TColor-128: ``<sequence>/<sequence>_gt.txt``, and ``<sequence>_frames.txt`` with "first,last" image.

    Raises DataError where the two do not agree on the number of frames.
    """

    benchmark: ClassVar[str] = 'TColor-128'
    patterns: ClassVar[tuple[str, ...]] = ('{name}/{name}_gt.txt',)

    def boxes(self, name: str) -> np.ndarray:
        boxes = super().boxes(name)
        frames = self.path(name).removesuffix('_gt.txt') + '_frames.txt'
        first, last = self.numbers(frames, count=2)
        if last - first + 1 != len(boxes):
            where = self.files.where(frames)
            raise DataError(
                f'{where}: images {first:g} to {last:g} do not fit the {len(boxes)} annotated boxes'
            )
        return boxes


class Flat(BoxAnnotations):
    """Any sequences as ``anno/<sequence>.txt``, with ``anno/<sequence>_visible.txt`` where that is known.

    The latter has a flag a frame, 1 where the target is to be seen: the opposite of most benchmarks' flags.
    """

    benchmark: ClassVar[str] = 'sequences'
    patterns: ClassVar[tuple[str, ...]] = ('anno/{name}.txt', '{name}.txt')

    def read(self, name: str) -> BoxTruth:
        boxes = self.boxes(name)
        visible = self._visible_file(self.path(name))
        if not self.files.exists(visible):
            return BoxTruth(name, boxes)
        return BoxTruth(name, boxes, absent=~self.flags(visible, len(boxes)))

    def _find(self) -> dict[str, str]:
        found = super()._find()
        flags = {self._visible_file(path) for path in found.values()}
        return {name: path for name, path in found.items() if path not in flags}

    @staticmethod
    def _visible_file(path: str) -> str:
        return path.removesuffix('.txt') + '_visible.txt'
