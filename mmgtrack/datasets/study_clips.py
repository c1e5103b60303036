"""Clips to measure trackers against the size of their target with: pairs of stills, videos, drawn clips."""

from collections.abc import Mapping
from collections.abc import Sequence as Items
from copy import deepcopy
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from torch import Tensor

from mmgtrack.datasets.catalogue import DATA_SETS, find_data_set, reader_config
from mmgtrack.datasets.clip_dataset import ClipDataset
from mmgtrack.datasets.data_root import default_data_folder
from mmgtrack.datasets.sequence import Reader, Sequence, read_frame
from mmgtrack.datasets.synthetic import synthetic_clip
from mmgtrack.errors import DataError, InputError
from mmgtrack.registry import DATASETS

NEGATIVE_SHARE = 0.1
"""Of the pairs: the search image shows another picture, as in training (point_demo_data.py)."""
QUERY_CHANGE = 2.0
"""Factor by which a query's size may differ from the search image's, as in point_demo_data.py."""
FRAME_SIZE = (480, 640)
"""(height, width) of drawn clips."""
STILL_IMAGES = dict(type='mmgtrack.CocoImages', min_side=6, max_share=0.8)
"""Reader of a folder with still images, as in demo_data.py."""
VIDEOS = dict(type='mmgtrack.SequenceFolder')
"""Reader of a folder with sequences."""


@dataclass(frozen=True, eq=False)
class StudyClip:
    """Targets that the first of F frames shows, to be followed in the others.

    targets: (M,) names; unit: what it shares with other clips, such as its film; frames: F images
    (H, W, 3) uint8 BGR, read when they are asked for; boxes: (F, M, 4) xyxy pixels, nan where there is none;
    present, labelled: (F, M) bool as in ``Sequence``.
    """

    targets: tuple[str, ...]
    unit: str
    frames: Items[np.ndarray]
    boxes: np.ndarray
    present: np.ndarray
    labelled: np.ndarray


class StudySource(Protocol):
    """Clips by number, the same ones every time.

    names: of the clips, all different; settings: what the clips depend on, besides code, for JSON.
    """

    @property
    def names(self) -> list[str]: ...

    @property
    def settings(self) -> dict[str, Any]: ...

    def __getitem__(self, index: int) -> StudyClip: ...


class PairClips:
    """Still images as clips of two frames, in which the target has any size.

    Both are drawn by ``RandomTargetSize`` on a canvas; colours differ a little, and one in ten search images
    shows another picture. Pair n depends on (seed, n) alone.

    Args:
        reader: config of a reader of still images.
        count: number of pairs.
        scale: (long, short) side of the canvas in pixels.
        seed: of all pairs.
    """

    def __init__(
        self, reader: Mapping[str, Any], count: int = 1000, scale: tuple[int, int] = (256, 192), seed: int = 0
    ) -> None:
        if count < 1:
            raise InputError(f'expected at least one pair, got {count}')
        load: dict[str, Any] = dict(type='mmgtrack.LoadFrame')
        size: dict[str, Any] = dict(type='mmgtrack.RandomTargetSize', scale=scale)
        light: dict[str, Any] = dict(
            type='mmdet.PhotoMetricDistortion', contrast_range=(0.6, 1.4), swap_channels=False
        )
        pipelines = dict(
            query=[load, dict(size, change=QUERY_CHANGE), light],
            search=[load, size, dict(type='mmdet.RandomFlip', prob=0.5), light],
        )
        drawn: dict[str, Any] = dict(
            pipelines=pipelines,
            sampler=dict(type='mmgtrack.ClipSampler', max_instances=1, negative_prob=NEGATIVE_SHARE),
            min_box_side=1.5,
            seed=seed,
        )
        # of all that the pixels depend on, besides code
        self.settings: dict[str, Any] = dict(
            kind='pairs', reader=_placed(reader), count=count, scale=list(scale), **deepcopy(drawn)
        )
        self._data = ClipDataset([dict(reader)], count, **drawn)

    @property
    def names(self) -> list[str]:
        return [f'pair {number}' for number in range(len(self._data))]

    def __getitem__(self, index: int) -> StudyClip:
        found = self._data[index]
        roles, sample = ('query', 'search'), found['data_samples']
        boxes = np.full((2, 1, 4), np.nan)
        for row, role in enumerate(roles):
            own = sample.instances[role].bboxes.numpy()
            boxes[row, : len(own)] = own
        return StudyClip(
            targets=(self.names[index],),
            unit=sample.clip['query'],
            frames=[_picture(found['inputs'][role]) for role in roles],
            boxes=boxes,
            present=np.isfinite(boxes).all(-1),
            labelled=np.ones((2, 1), dtype=bool),
        )


class VideoClips:
    """The sequences of a data set, each with the targets that its first frame shows.

    Args:
        reader: config of its reader.
        sequences: names; None: all.

    Raises InputError for a name that is not there.
    """

    def __init__(self, reader: Mapping[str, Any], sequences: Items[str] | None = None) -> None:
        self._data: Reader = DATASETS.build(dict(reader))
        numbers = {name: number for number, name in enumerate(self._data.names)}
        self.names = list(numbers) if sequences is None else list(dict.fromkeys(sequences))
        for name in self.names:
            if name not in numbers:
                raise InputError(f'there is no sequence {name!r} among the {len(numbers)} of the data set')
        self._numbers = [numbers[name] for name in self.names]
        self.settings: dict[str, Any] = dict(kind='videos', reader=_placed(reader), sequences=self.names)

    def __getitem__(self, index: int) -> StudyClip:
        """Raises DataError for a sequence in which there is nothing to follow."""
        video = self._data[self._numbers[index]]
        first = np.flatnonzero(video.present[0]) if len(video) else np.array([], dtype=int)
        if not len(first) or len(video) < 2:
            raise DataError(f'{video.name} has no target in its first frame, or no frame after it')
        several = video.num_targets > 1
        return StudyClip(
            targets=tuple(f'{video.name}#{target + 1}' if several else video.name for target in first),
            unit=video.video or video.name,
            frames=FrameFiles(video),
            boxes=np.where(video.present[..., None], video.boxes, np.nan)[:, first],
            present=video.present[:, first],
            labelled=video.labelled[:, first],
        )


class DrawnClips:
    """Clips of ``synthetic_clip`` in frames of 640x480.

    Args:
        sides: of all objects of a clip, in pixels.
        seeds: of the clips.
        objects: in a clip, each with a texture of its own; all of them are followed, the others being in the
            way.
        look_alikes: further ones with the first object's texture turned upside down, in every clip.
    """

    def __init__(
        self,
        sides: Items[int] = (6, 8, 10, 12, 14, 16),
        seeds: Items[int] = range(10),
        objects: int = 8,
        look_alikes: int = 0,
    ) -> None:
        if look_alikes < 0 or objects < 1 or not sides or not seeds:
            raise InputError(
                'expected sides, seeds, a number of objects and one of look-alikes, got '
                f'{list(sides)}, {list(seeds)}, {objects} and {look_alikes}'
            )
        self.settings: dict[str, Any] = dict(
            kind='synthetic',
            frame=list(FRAME_SIZE),
            sides=list(sides),
            seeds=list(seeds),
            objects=objects,
            look_alikes=look_alikes,
        )
        self._drawn = list(product(sides, seeds))
        self._objects, self._look_alikes = objects, look_alikes

    @property
    def names(self) -> list[str]:
        return [f'{side} px, seed {seed}' for side, seed in self._drawn]

    def __getitem__(self, index: int) -> StudyClip:
        side, seed = self._drawn[index]
        clip = synthetic_clip(
            size=FRAME_SIZE,
            num_targets=self._objects,
            target_size=(side, side),
            num_lookalikes=self._look_alikes,
            seed=seed,
        )
        name, labelled = self.names[index], np.ones_like(clip.present)
        targets = tuple(f'{name}, object {number}' for number in range(1, self._objects + 1))
        return StudyClip(targets, name, list(clip.frames), clip.boxes, clip.present, labelled)


def reader_of(data: str, of_folder: Mapping[str, Any]) -> dict[str, Any]:
    """Config of what reads a data set, NAME where the catalogue looks or NAME=ROOT, or a folder.

    of_folder: STILL_IMAGES, VIDEOS, or another reader of a folder. Raises InputError for what is none of it.
    """
    name, is_placed, root = data.partition('=')
    if data.casefold() in {data_set.name for data_set in DATA_SETS}:
        return reader_config(data, default_data_folder() / find_data_set(data).folder)
    if is_placed and not Path(data).exists():
        return reader_config(name, root)
    try:
        if not Path(data).is_dir():
            find_data_set(data)
    except InputError as error:
        raise InputError(f'{data} is no folder, and {error}') from error
    return dict(of_folder, root=data)


def _placed(reader: Mapping[str, Any]) -> dict[str, Any]:
    """A reader's config with the one spelling of where its data lie."""
    root = reader.get('root')
    return dict(reader) if root is None else dict(reader, root=str(Path(root).resolve()))


class FrameFiles(Items[np.ndarray]):
    """The frames of a sequence, each read when it is asked for. Raises FrameError then."""

    def __init__(self, video: Sequence) -> None:
        self._paths = video.frame_paths

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [read_frame(path) for path in self._paths[index]]
        return read_frame(self._paths[index])


def _picture(planes: Tensor) -> np.ndarray:
    """(H, W, 3) of planes (3, H, W)."""
    image: np.ndarray = planes.permute(1, 2, 0).contiguous().numpy()
    return image
