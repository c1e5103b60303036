"""Readers of published benchmarks in their official layout: one target a video, one text file a fact."""

import re
from collections.abc import Mapping
from collections.abc import Sequence as Names
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from mmgtrack.datasets.box_files import read_boxes, read_flags, read_numbers
from mmgtrack.datasets.frame_filter import FrameFilter
from mmgtrack.datasets.lazy_reader import LazyReader
from mmgtrack.datasets.sequence import Sequence, read_frame
from mmgtrack.errors import DataError
from mmgtrack.registry import DATASETS


@dataclass(frozen=True)
class Layout:
    """Where a benchmark keeps what, relative to the folder of a sequence.

    - ``image``: image file of frame n, formatted with n; ``first``: n of the first frame.
    - ``truth``: a row ``x,y,w,h`` a frame, taken as it is written.
    - ``absent``: files of 0/1 flags; a frame is without the target where any of them has 1.
    - ``cover``: how much of the target is to be seen, a number a frame; at 0 it is not there.
    - ``resolution``: file with a line ``resolution: (width, height)``; without it the first frame says.
    - ``first_row_only``: the boxes of all frames but the first are withheld.
    """

    image: str
    first: int = 1
    truth: str = 'groundtruth.txt'
    absent: tuple[str, ...] = ()
    cover: str | None = None
    resolution: str | None = None
    first_row_only: bool = False


class BenchmarkReader(LazyReader):
    """Sequences of one layout. Opening reads names; frames are not listed, their names follow from the rows.

    root: folder of the benchmark; names, folders: of the sequences, the latter relative to ``root``;
    frame_filter: fields of ``FrameFilter``; frames that do not fit count as unlabelled, and lose their box.
    A frame without the target keeps the box that was annotated, where there is one; ``present`` is False.
    """

    def __init__(
        self,
        root: str,
        folders: Mapping[str, str],
        layout: Layout,
        frame_filter: Mapping[str, Any] | None,
        cache_size: int,
    ) -> None:
        super().__init__(list(folders), cache_size)
        self.root = Path(root)
        self.folders = folders
        self.layout = layout
        self.frame_filter = FrameFilter(**frame_filter) if frame_filter is not None else None

    def _read(self, name: str) -> Sequence:
        folder = self.root / self.folders[name]
        boxes = read_boxes(self._truth_file(folder))
        frames = self._frame_paths(folder, len(boxes))
        labelled = np.arange(len(frames)) < len(boxes)
        boxes = np.concatenate([boxes, np.full((len(frames) - len(boxes), 4), np.nan, np.float32)])
        cover = self._cover(folder, frames)
        present = np.isfinite(boxes).all(1) & ~self._hidden(folder, frames, cover)
        filtered: dict[str, int] = {}
        if self.frame_filter is not None:
            size = self._image_size(folder, frames)
            filtered = self.frame_filter.removed(np.where(present[:, None], boxes, np.nan), size, cover)
            fits = self.frame_filter.fits(boxes, size, cover)
            boxes[present & ~fits] = np.nan
            labelled &= ~present | fits
            present &= fits
        return Sequence(name, frames, boxes[:, None], present[:, None], labelled[:, None], filtered=filtered)

    def _truth_file(self, folder: Path) -> Path:
        return folder / self.layout.truth

    def _hidden(self, folder: Path, frames: tuple[str, ...], cover: np.ndarray | None) -> np.ndarray:
        """(F,) bool: frames that say that the target is not to be seen."""
        hidden = np.zeros(len(frames), dtype=bool) if cover is None else cover <= 0
        for file in self.layout.absent:
            hidden |= _one_each(read_flags(folder / file), frames, folder / file)
        return hidden

    def _frame_paths(self, folder: Path, rows: int) -> tuple[str, ...]:
        first, count = self.layout.first, rows
        if self.layout.first_row_only:
            count = sum(file.suffix == Path(self.layout.image).suffix for file in folder.iterdir())
        paths = tuple(f'{folder}/{self.layout.image.format(n)}' for n in range(first, first + count))
        if not paths or not Path(paths[-1]).is_file():
            last = f'{Path(paths[-1]).name} is missing' if paths else 'there is none'
            raise DataError(f'{folder} should have {max(count, 1)} frames, but {last}')
        return paths

    def _cover(self, folder: Path, frames: tuple[str, ...]) -> np.ndarray | None:
        if self.layout.cover is None:
            return None
        file = folder / self.layout.cover
        return _one_each(read_numbers(file), frames, file)

    def _image_size(self, folder: Path, frames: tuple[str, ...]) -> tuple[int, int]:
        """(height, width) of the frames."""
        if self.layout.resolution is None:
            height, width = read_frame(frames[0]).shape[:2]
            return height, width
        file = folder / self.layout.resolution
        found = re.search(r'^resolution:\s*\((\d+),\s*(\d+)\)', _text(file), re.MULTILINE)
        if found is None:
            raise DataError(f'{file} has no line "resolution: (width, height)"')
        return int(found[2]), int(found[1])


@DATASETS.register_module()
class LaSOT(BenchmarkReader):
    """LaSOT (and its extension): ``root/airplane/airplane-1/{img/00000001.jpg, groundtruth.txt, ...}``.

    Args:
        root: folder with one folder a class.
        list_file: names of the sequences, one a line, relative to ``root``; the benchmark's own lists are
            called training_set.txt and testing_set.txt. None: all sequences that are there.
        use_absence: a frame flagged as fully occluded or out of view is without the target; otherwise its
            row counts as any other (official GlobalTrack, training).
        frame_filter: fields of ``FrameFilter``, for training.
        cache_size: sequences whose annotations stay in memory.

    Raises DataError that names the file for whatever is missing or malformed.
    """

    LAYOUT = Layout('img/{:08d}.jpg', absent=('full_occlusion.txt', 'out_of_view.txt'))

    def __init__(
        self,
        root: str,
        list_file: str | None = None,
        use_absence: bool = True,
        frame_filter: Mapping[str, Any] | None = None,
        cache_size: int = 256,
    ) -> None:
        names = _names_there(Path(root)) if list_file is None else _listed_names(Path(root) / list_file)
        folders = {name: f'{name.rpartition("-")[0]}/{name}' for name in names}
        layout = self.LAYOUT if use_absence else replace(self.LAYOUT, absent=())
        super().__init__(root, folders, layout, frame_filter, cache_size)


@DATASETS.register_module()
class GOT10k(BenchmarkReader):
    """GOT-10k: ``root/train/{list.txt, GOT-10k_Train_000001/{00000001.jpg, groundtruth.txt, ...}, ...}``.

    Args:
        root: folder with the folders of the splits.
        split: 'train', 'val' or 'test'; of the last, all boxes but the first are withheld.
        list_file: which of the split's sequences, one a line, relative to ``root``: by name, or by position
            from 0 in the split's list.txt, as the lists that go round with official code have it. None: all.
        frame_filter: fields of ``FrameFilter``, for training.
        cache_size: sequences whose annotations stay in memory.

    Raises DataError that names the file for whatever is missing or malformed.
    """

    LAYOUT = Layout('{:08d}.jpg', absent=('absence.label',), cover='cover.label', resolution='meta_info.ini')

    def __init__(
        self,
        root: str,
        split: Literal['train', 'val', 'test'] = 'train',
        list_file: str | None = None,
        frame_filter: Mapping[str, Any] | None = None,
        cache_size: int = 256,
    ) -> None:
        if split not in ('train', 'val', 'test'):
            raise DataError(f"split must be 'train', 'val' or 'test', got {split!r}")
        names = _listed_names(Path(root) / split / 'list.txt')
        if list_file is not None:
            names = _chosen_names(Path(root) / list_file, names)
        withheld = replace(self.LAYOUT, absent=(), cover=None, first_row_only=True)
        layout = withheld if split == 'test' else self.LAYOUT
        super().__init__(root, {name: f'{split}/{name}' for name in names}, layout, frame_filter, cache_size)


def _one_each(values: np.ndarray, frames: tuple[str, ...], file: Path) -> np.ndarray:
    if len(values) != len(frames):
        raise DataError(f'{file} has {len(values)} values for {len(frames)} frames: they must agree')
    return values


def _names_there(root: Path) -> Names[str]:
    """``airplane-1`` of every folder ``root/airplane/airplane-1``, in the order of class and number."""
    numbered = []
    for folder in root.glob('*/*-*'):
        kind, _, number = folder.name.rpartition('-')
        if kind == folder.parent.name and number.isdigit():
            numbered.append((kind, int(number), folder.name))
    if not numbered:
        raise DataError(f'{root} holds no sequence: expected folders such as {root}/airplane/airplane-1')
    return [name for _, _, name in sorted(numbered)]


def _listed_names(file: Path) -> Names[str]:
    names = _text(file).split()
    if not names:
        raise DataError(f'{file} lists no sequence: expected one name a line')
    return names


def _chosen_names(file: Path, names: Names[str]) -> Names[str]:
    """Those of the names that a list file gives by name or position, in its order."""
    known = {**{str(position): name for position, name in enumerate(names)}, **{name: name for name in names}}
    lines = _listed_names(file)
    strange = next((line for line in lines if line not in known), None)
    if strange is not None:
        raise DataError(f'{file} lists {strange!r}, which is none of the {len(names)} sequences of the split')
    return [known[line] for line in lines]


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding='utf-8-sig')
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, 'strerror', None) or error
        raise DataError(
            f'cannot read {file} ({reason}): is that where the data lie? The configs look below data/, or '
            'below the folder that MMGTRACK_DATA names'
        ) from error
