"""Reader of TrackingNet in its official layout."""

from collections.abc import Mapping
from collections.abc import Sequence as Items
from pathlib import Path
from typing import Any, Literal

from mmgtrack.datasets.data_root import checked_root
from mmgtrack.datasets.layouts import LAYOUTS
from mmgtrack.datasets.placed_reader import PlacedReader
from mmgtrack.datasets.places import place_of
from mmgtrack.errors import DataError
from mmgtrack.formats.disk import kind_of, names_in
from mmgtrack.registry import DATASETS

NUM_SETS = 12
"""Parts that the training videos come in: TRAIN_0 to TRAIN_11."""


@DATASETS.register_module()
class TrackingNet(PlacedReader):
    """TrackingNet: ``root/TRAIN_0/{anno/<name>.txt, frames/<name>/0.jpg, ...}``, ``root/TEST/...``.

    A box is all that is known of a frame; a target without one is absent.

    Args:
        root: folder with the folders of the sets.
        split: 'train', or 'test'; of the latter, all boxes but the first are withheld.
        sets: which parts of the training videos to read; none of them may be missing.
        frame_filter: fields of ``FrameFilter``, for training.
        cache_size: sequences whose annotations stay in memory.

    Raises DataError that names the file for whatever is missing or malformed.
    """

    def __init__(
        self,
        root: str,
        split: Literal['train', 'test'] = 'train',
        sets: Items[int] = tuple(range(NUM_SETS)),
        frame_filter: Mapping[str, Any] | None = None,
        cache_size: int = 256,
    ) -> None:
        if split not in ('train', 'test'):
            raise DataError(f"split must be 'train' or 'test', got {split!r}")
        parts = [f'TRAIN_{number}' for number in sets] if split == 'train' else ['TEST']
        folder = checked_root(root)
        (layout,) = LAYOUTS['trackingnet' if split == 'train' else 'trackingnet_test']
        places = {
            name: place_of(layout, name, f'{part}/anno/{name}.txt')
            for part in parts
            for name in _names(folder / part)
        }
        super().__init__(folder, places, layout, frame_filter, cache_size)


def _names(part: Path) -> list[str]:
    folder = part / 'anno'
    files = names_in(folder) if kind_of(folder) == 'folder' else []
    names = sorted(file.removesuffix('.txt') for file in files if file.endswith('.txt'))
    if not names:
        raise DataError(f'{part} holds no sequence: expected files such as {part}/anno/<name>.txt')
    return names
