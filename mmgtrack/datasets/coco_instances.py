"""Reader of detection sets in COCO format: every object is a sequence of one frame."""

from functools import cached_property
from typing import Any

import numpy as np

from mmgtrack.datasets.coco_images import CocoImages
from mmgtrack.datasets.sequence import Sequence
from mmgtrack.registry import DATASETS


@DATASETS.register_module()
class CocoInstances(CocoImages):
    """``CocoImages`` by object instead of by image: crowded images are drawn more often (official STARK).

    Args: those of ``CocoImages``.
    """

    def __init__(self, root: str, **options: Any) -> None:
        super().__init__(root, **options)
        counts = [len(boxes) for boxes in self._boxes_of]
        self._image_of = np.repeat(np.arange(len(counts)), counts)
        self._column_of = np.concatenate([np.arange(number) for number in counts])

    @cached_property
    def names(self) -> list[str]:  # type: ignore[override]
        """``<image>#<number of the object>``, from 1."""
        files = self._files
        return [f'{files[i]}#{column + 1}' for i, column in zip(self._image_of, self._column_of, strict=True)]

    def __len__(self) -> int:
        return len(self._image_of)

    def flaws(self, index: int) -> list[str]:
        """Of the image's boxes; they are told with its first object."""
        return super().flaws(int(self._image_of[index])) if self._column_of[index] == 0 else []

    def __getitem__(self, index: int) -> Sequence:
        image, column = int(self._image_of[index]), int(self._column_of[index])
        whole = super().__getitem__(image)
        columns = slice(column, column + 1)
        return Sequence(
            f'{whole.name}#{column + 1}',
            whole.frame_paths,
            whole.boxes[:, columns],
            whole.present[:, columns],
            whole.labelled[:, columns],
        )
