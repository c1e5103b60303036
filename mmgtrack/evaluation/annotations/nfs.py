"""Annotations of NfS (Need for Speed)."""

from pathlib import Path
from typing import ClassVar, Literal

import numpy as np

from mmgtrack.evaluation.annotations.boxes import BoxAnnotations
from mmgtrack.formats.nfs_rows import STEP, fit_to_images, parse_corner_rows


class NfS(BoxAnnotations):
    """NfS at 30 or 240 frames a second.

    - official: ``<sequence>/<30|240>/<sequence>.txt``, images beside it in a folder of the sequence's name.
      Rows are ``id left top right bottom frame lost occluded generated "label"``; the flags are not used by
      any rule, and are not read. At 30 a second every eighth row is taken where the file has about eight rows
      an image; one row more than images is cut, as by the GOT-10k toolkit. Without images the file at 240
      tells whether the rows are those of 240 a second; without both they are taken to be.
    - converted: ``anno/nfs_<sequence>.txt``, rows ``x,y,w,h`` at 30 a second, as pytracking uses them.

    Raises DataError where rows and images do not agree.
    """

    benchmark: ClassVar[str] = 'NfS'
    patterns: ClassVar[tuple[str, ...]] = ('{name}/<30 or 240>/{name}.txt', 'anno/nfs_{name}.txt')

    def __init__(self, root: Path, frame_rate: Literal[30, 240] = 30) -> None:
        self.frame_rate = frame_rate
        super().__init__(root)

    def boxes(self, name: str) -> np.ndarray:
        path = self.path(name)
        if path in self._converted:
            return self.rows(path)
        boxes = self._corner_rows(path)
        images = self.files.count(path.removesuffix('.txt') + '/*.jpg')
        if images:
            return fit_to_images(boxes, images, self.files.where(path))
        return boxes[::STEP] if self._is_not_thinned(name, len(boxes)) else boxes

    def _find(self) -> dict[str, str]:
        found = self.files.find(f'{{name}}/{self.frame_rate}/{{name}}.txt')
        self._converted: frozenset[str] = frozenset()
        if not found and self.frame_rate == 30:
            found = self.files.find('anno/nfs_{name}.txt') or self.files.find('nfs_{name}.txt')
            self._converted = frozenset(found.values())
        return found

    def _corner_rows(self, path: str) -> np.ndarray:
        return parse_corner_rows(self.files.read_text(path), self.files.where(path))

    def _is_not_thinned(self, name: str, rows: int) -> bool:
        full = f'{name}/240/{name}.txt'
        if self.frame_rate != 30 or not self.files.exists(full):
            return self.frame_rate == 30
        return abs(len(self._corner_rows(full)) - rows) <= 1
