"""Readers of published benchmarks in their official layout: one target a sequence, one text file a fact."""

import os
import re
from collections.abc import Mapping
from collections.abc import Sequence as Names
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from mmgtrack.datasets.box_files import corners_of, read_flags, read_numbers
from mmgtrack.datasets.data_root import checked_root
from mmgtrack.datasets.frame_filter import FrameFilter
from mmgtrack.datasets.image_names import images_in
from mmgtrack.datasets.image_size import image_size
from mmgtrack.datasets.layouts import LAYOUTS, Layout
from mmgtrack.datasets.lazy_reader import LazyReader
from mmgtrack.datasets.places import Place, Wanted, find_places, place_of
from mmgtrack.datasets.sequence import Sequence
from mmgtrack.errors import DataError, InputError
from mmgtrack.formats.disk import kind_of, read_text
from mmgtrack.formats.nfs_rows import fit_to_images
from mmgtrack.packaged_configs import suggest
from mmgtrack.registry import DATASETS
from mmgtrack.sequence_tables import load_table


class PlacedReader(LazyReader):
    """Sequences of one layout whose places are known. Opening reads names only.

    root: folder of the benchmark; places: of the sequences, by name;
    frame_filter: fields of ``FrameFilter``; frames that do not fit count as unlabelled, and lose their box.
    A frame without the target keeps the box that was annotated, where there is one; ``present`` is False.
    """

    def __init__(
        self,
        root: Path,
        places: Mapping[str, Place],
        layout: Layout,
        frame_filter: Mapping[str, Any] | None,
        cache_size: int,
    ) -> None:
        super().__init__(root, list(places), cache_size)
        self.places = places
        self.layout = layout
        self.frame_filter = FrameFilter(**frame_filter) if frame_filter is not None else None

    def _read(self, name: str) -> Sequence:
        place = self.places[name]
        truth = self.root / place.truth
        rows, lost = self.layout.rows(read_text(truth), str(truth))
        frames = self._frame_paths(name, len(rows))
        rows = self._of_frames(rows, len(frames), truth)
        labelled = np.arange(len(frames)) < len(rows)
        unlabelled = len(frames) - len(rows)
        boxes = np.pad(corners_of(rows), ((0, unlabelled), (0, 0)), constant_values=np.nan)
        cover = self._cover(name, frames)
        present = np.isfinite(boxes).all(1) & ~self._hidden(name, frames, cover)
        if lost is not None:
            present &= ~lost[: len(frames)]
        filtered: dict[str, int] = {}
        if self.frame_filter is not None:
            size = self._image_size(name, frames)
            filtered = self.frame_filter.removed(np.where(present[:, None], boxes, np.nan), size, cover)
            fits = self.frame_filter.fits(boxes, size, cover)
            boxes[present & ~fits] = np.nan
            labelled &= ~present | fits
            present &= fits
        return Sequence(name, frames, boxes[:, None], present[:, None], labelled[:, None], filtered=filtered)

    def _of_frames(self, rows: np.ndarray, frames: int, truth: Path) -> np.ndarray:
        if self.layout.first_row_only:
            return rows[:1]
        if self.layout.step > 1:
            rows = fit_to_images(rows, frames, str(truth))
        return rows[:frames]

    def _beside(self, name: str, pattern: str) -> Path:
        """A file of the layout that belongs to a sequence."""
        folder = os.path.dirname(self.places[name].truth)
        return self.root / pattern.format(name=name, folder=folder or '.')

    def _hidden(self, name: str, frames: Names[str], cover: np.ndarray | None) -> np.ndarray:
        """(F,) bool: frames that say that the target is not to be seen."""
        hidden = np.zeros(len(frames), dtype=bool) if cover is None else cover <= 0
        for pattern in self.layout.absent:
            file = self._beside(name, pattern)
            hidden |= _one_each(read_flags(file), frames, file)
        return hidden

    def _frame_paths(self, name: str, rows: int) -> tuple[str, ...]:
        """Files of the frames that count, for an annotation of so many rows."""
        place, layout = self.places[name], self.layout
        folder = self.root / place.images
        rows = min(rows, layout.max_frames or rows)
        if place.image is None or layout.first_row_only:
            return self._images_there(place, rows)
        first = self._first(name, rows)
        paths = tuple(f'{folder}/{place.image.format(n)}' for n in range(first, first + rows))
        if kind_of(Path(paths[-1])) != 'file':
            raise DataError(f'{folder} should have {rows} frames, but {Path(paths[-1]).name} is missing')
        return paths

    def _images_there(self, place: Place, rows: int) -> tuple[str, ...]:
        """The images of the folder, without those past the rows."""
        folder, where = self.root / place.images, str(self.root / place.truth)
        names = images_in(folder)
        if not names:
            raise DataError(f'{folder} holds no image')
        if self.layout.first_row_only:
            rows = len(names)
        elif self.layout.step > 1:
            rows = len(fit_to_images(np.empty((rows, 4)), len(names), where))
        elif len(names) < rows:
            raise DataError(f'{folder} has {len(names)} images for the {rows} rows of {where}')
        return tuple(f'{folder}/{name}' for name in names[:rows])

    def _first(self, name: str, rows: int) -> int:
        """Number of the first image."""
        place = self.places[name]
        if self.layout.span is None:
            return place.first
        file = self._beside(name, self.layout.span)
        span = read_numbers(file)
        if len(span) != 2 or span[1] - span[0] + 1 != rows:
            words = ','.join(f'{number:g}' for number in span)
            raise DataError(f'{file}: images {words} do not fit the {rows} rows of {place.truth}')
        return int(span[0])

    def _cover(self, name: str, frames: Names[str]) -> np.ndarray | None:
        if self.layout.cover is None:
            return None
        file = self._beside(name, self.layout.cover)
        return _one_each(read_numbers(file), frames, file)

    def _image_size(self, name: str, frames: Names[str]) -> tuple[int, int]:
        """(height, width) of the frames."""
        if self.layout.resolution is None:
            return image_size(frames[0])
        file = self._beside(name, self.layout.resolution)
        found = re.search(r'^resolution:\s*\((\d+),\s*(\d+)\)', read_text(file), re.MULTILINE)
        if found is None:
            raise DataError(f'{file} has no line "resolution: (width, height)"')
        return int(found[2]), int(found[1])

    def _sources(self, name: str) -> tuple[Path, ...]:
        place = self.places[name]
        return self.root / place.truth, self.root / place.images

    def _count_frames(self, name: str) -> int:
        truth = self.root / self.places[name].truth
        rows = len(read_text(truth).rstrip().splitlines())
        if rows == 0:
            raise DataError(f'{truth} is empty')
        return len(self._frame_paths(name, rows))

    def _identity(self) -> str:
        layout = self.layout
        return f'{layout.truth} {layout.images} {layout.image} {layout.first_row_only} {layout.max_frames}'


@DATASETS.register_module()
class BenchmarkReader(PlacedReader):
    """A published benchmark by its layout; `LAYOUTS` says what is peculiar to each.

    Args:
        root: folder of the benchmark.
        layout: name in `LAYOUTS`.
        table: its published list of sequences, a name for ``load_table``; it also says where their files are,
            which images belong to them, and what else they are called.
        sequences: 'all' that are there, or names; None: those of the list, whether or not they are there, or
            all without a list.
        frame_filter: fields of ``FrameFilter``, for training.
        cache_size: sequences whose annotations stay in memory.

    A sequence has as many frames as its annotation has rows; images past them do not count. Raises DataError
    that names file and line for whatever is missing or malformed, and for fewer images than rows.
    """

    def __init__(
        self,
        root: str,
        layout: str,
        table: str | None = None,
        sequences: Wanted = None,
        frame_filter: Mapping[str, Any] | None = None,
        cache_size: int = 256,
    ) -> None:
        if layout not in LAYOUTS:
            raise InputError(f'there is no layout {layout!r}; {suggest(layout, LAYOUTS)}')
        listed = None if table is None else load_table(table)
        folder = checked_root(root)
        found, places = find_places(folder, LAYOUTS[layout], listed, sequences)
        super().__init__(folder, places, found, frame_filter, cache_size)


@DATASETS.register_module()
class LaSOT(PlacedReader):
    """LaSOT (and its extension): ``root/airplane/airplane-1/{img/00000001.jpg, groundtruth.txt, ...}``.

    Args:
        root: folder with one folder a class.
        list_file: names of the sequences, one a line, relative to ``root``; the benchmark's own lists are
            called training_set.txt and testing_set.txt. None: see ``table``.
        use_absence: a frame flagged as fully occluded or out of view is without the target; otherwise its
            row counts as any other (official GlobalTrack, training).
        frame_filter: fields of ``FrameFilter``, for training.
        cache_size: sequences whose annotations stay in memory.
        table: a published list, such as 'lasot' (its test set) or 'lasot_ext'; None: all that are there.
        sequences: as of ``BenchmarkReader``.
        without: a published list whose sequences are left out of those that are there.

    Raises DataError that names the file for whatever is missing or malformed.
    """

    def __init__(
        self,
        root: str,
        list_file: str | None = None,
        use_absence: bool = True,
        frame_filter: Mapping[str, Any] | None = None,
        cache_size: int = 256,
        table: str | None = None,
        sequences: Wanted = None,
        without: str | None = None,
    ) -> None:
        folder = checked_root(root)
        (layout,) = LAYOUTS['lasot']
        if list_file is not None:
            places = {name: _class_place(layout, name) for name in _listed_names(folder / list_file)}
        else:
            listed = None if table is None else load_table(table)
            _, places = find_places(folder, (layout,), listed, sequences)
        left_out = () if without is None else load_table(without).names
        places = {name: place for name, place in places.items() if name not in left_out}
        layout = layout if use_absence else replace(layout, absent=())
        super().__init__(folder, places, layout, frame_filter, cache_size)


@DATASETS.register_module()
class GOT10k(PlacedReader):
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
        folder = checked_root(root)
        names = _listed_names(folder / split / 'list.txt')
        if list_file is not None:
            names = _chosen_names(folder / list_file, names)
        (layout,) = LAYOUTS['got10k_test' if split == 'test' else 'got10k']
        places = {name: place_of(layout, name, f'{split}/{name}/groundtruth.txt') for name in names}
        super().__init__(folder, places, layout, frame_filter, cache_size)


def _one_each(values: np.ndarray, frames: Names[str], file: Path) -> np.ndarray:
    if len(values) != len(frames):
        raise DataError(f'{file} has {len(values)} values for {len(frames)} frames: they must agree')
    return values


def _class_place(layout: Layout, name: str) -> Place:
    return place_of(layout, name, f'{name.rpartition("-")[0]}/{name}/groundtruth.txt')


def _listed_names(file: Path) -> Names[str]:
    names = read_text(file).split()
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
