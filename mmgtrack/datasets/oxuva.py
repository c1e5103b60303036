"""Reader of OxUvA: long videos, of which one frame a second is labelled."""

from collections.abc import Sequence as Names
from pathlib import Path
from typing import Literal

import numpy as np

from mmgtrack.datasets.data_root import checked_root
from mmgtrack.datasets.image_size import image_size
from mmgtrack.datasets.lazy_reader import LazyReader
from mmgtrack.datasets.sequence import Sequence
from mmgtrack.errors import DataError, InputError
from mmgtrack.formats.disk import kind_of, read_text
from mmgtrack.formats.oxuva_labels import OxuvaTask, OxuvaTruth, parse_labels, parse_tasks
from mmgtrack.packaged_configs import suggest
from mmgtrack.registry import DATASETS


@DATASETS.register_module()
class OxUvA(LazyReader):
    """OxUvA: ``root/{tasks/dev.csv, annotations/dev.csv, images/dev/vid0000/000000.jpeg, ...}``.

    A sequence is an object of a video, ``vid0000_obj0000``, from its first to its last frame. One frame a
    second is labelled, with a box or as absent; of the frames between nothing is known. Boxes are stored as
    shares of the image, and become pixels here. The tracks of one video share its frames.

    Args:
        root: folder of the benchmark.
        split: 'dev', or 'test', of which all labels but the first box are withheld.
        sequences: names; None or 'all': all of ``tasks/<split>.csv``.
        cache_size: sequences whose annotations stay in memory.

    Raises DataError that names file and line for whatever is missing or malformed.
    """

    def __init__(
        self,
        root: str,
        split: Literal['dev', 'test'] = 'dev',
        sequences: Literal['all'] | Names[str] | None = None,
        cache_size: int = 256,
    ) -> None:
        if split not in ('dev', 'test'):
            raise InputError(f"split must be 'dev' or 'test', got {split!r}")
        folder = checked_root(root)
        self.images = folder / 'images' / split
        self._truths: dict[str, OxuvaTruth] = {}
        if split == 'dev':
            labels = folder / 'annotations' / 'dev.csv'
            self._truths = parse_labels(read_text(labels), str(labels))
        self._tasks = _tasks(folder / 'tasks' / f'{split}.csv', self._truths)
        names = list(self._tasks) if sequences is None or sequences == 'all' else list(sequences)
        unknown = next((name for name in names if name not in self._tasks), None)
        if unknown is not None:
            raise DataError(f'{root} holds no track {unknown!r}; {suggest(unknown, self._tasks)}')
        super().__init__(folder, names, cache_size)

    def _read(self, name: str) -> Sequence:
        task = self._tasks[name]
        frames = self._frame_paths(task)
        height, width = image_size(frames[0])
        truth = self._truths.get(name)
        boxes = np.full((len(frames), 4), np.nan)
        labelled = np.zeros(len(frames), dtype=bool)
        if truth is None:
            boxes[0], labelled[0] = task.box, True
        else:
            rows = truth.frames - task.first
            inside = (rows >= 0) & (rows < len(frames))
            boxes[rows[inside]], labelled[rows[inside]] = truth.boxes[inside], True
        boxes *= [width, height, width, height]
        present = np.isfinite(boxes).all(1)
        pixels = boxes.astype(np.float32)
        return Sequence(name, frames, pixels[:, None], present[:, None], labelled[:, None], task.video)

    def _frame_paths(self, task: OxuvaTask) -> tuple[str, ...]:
        folder = self.images / task.video
        paths = tuple(f'{folder}/{number:06d}.jpeg' for number in range(task.first, task.last + 1))
        for path in (paths[0], paths[-1]):
            if kind_of(Path(path)) != 'file':
                raise DataError(
                    f'{folder} should have the frames {task.first} to {task.last}, but {Path(path).name} '
                    'is missing'
                )
        return paths

    def _sources(self, name: str) -> tuple[Path, ...]:
        return (self.images / self._tasks[name].video,)

    def _count_frames(self, name: str) -> int:
        return len(self._frame_paths(self._tasks[name]))

    def _identity(self) -> str:
        return str([(task.first, task.last) for task in self._tasks.values()])


def _tasks(file: Path, truths: dict[str, OxuvaTruth]) -> dict[str, OxuvaTask]:
    """Of the file, or, where that was not unpacked, from the first to the last label."""
    if kind_of(file) == 'file' or not truths:
        tasks = parse_tasks(read_text(file), str(file))
        backward = next((task for task in tasks.values() if task.last < task.first), None)
        if backward is not None:
            raise DataError(f'{file}: {backward.name} ends before it begins')
        return tasks
    return {name: _task(truth) for name, truth in truths.items()}


def _task(truth: OxuvaTruth) -> OxuvaTask:
    x1, y1, x2, y2 = (float(value) for value in truth.boxes[0])
    first, last = int(truth.frames[0]), int(truth.frames[-1])
    return OxuvaTask(truth.name, truth.video, truth.object, first, last, (x1, y1, x2, y2))
