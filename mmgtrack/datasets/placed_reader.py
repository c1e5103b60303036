"""Sequences of a benchmark whose places are known: one target each, one text file a fact."""

import os
import re
from collections import Counter
from collections.abc import Mapping
from collections.abc import Sequence as Names
from pathlib import Path
from typing import Any

import numpy as np

from mmgtrack.datasets.box_files import corners_of, read_flags, read_numbers
from mmgtrack.datasets.frame_filter import FrameFilter
from mmgtrack.datasets.image_names import images_in
from mmgtrack.datasets.image_size import image_size
from mmgtrack.datasets.layouts import Layout
from mmgtrack.datasets.lazy_reader import LazyReader
from mmgtrack.datasets.places import Place, surplus_images
from mmgtrack.datasets.sequence import Sequence
from mmgtrack.errors import DataError
from mmgtrack.formats.disk import kind_of, read_text
from mmgtrack.formats.listing import some_of
from mmgtrack.formats.nfs_rows import fit_to_images


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
        recordings = Counter(place.images for place in places.values())
        self._shared = {images for images, count in recordings.items() if count > 1}
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
        columns = boxes[:, None], present[:, None], labelled[:, None]
        video = place.images if place.images in self._shared else ''
        return Sequence(name, frames, *columns, video, filtered)

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
            _check_no_gap(names, place, folder)
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

    def flaws(self, index: int) -> list[str]:
        """Rows of nan where they mean nothing, and images that the rows should reach and do not."""
        name = self.names[index]
        place, truth = self.places[name], self.root / self.places[name].truth
        rows, _ = self.layout.rows(read_text(truth), str(truth))
        frames = self._frame_paths(name, len(rows))
        surplus = surplus_images(self.root, name, place, self.layout, frames)
        found = []
        listed = None if place.last is None else place.last - place.first + 1
        if listed is not None and len(rows) > listed:
            found.append(f'{truth} has {len(rows)} rows, but the published list has {listed} frames')
        if surplus:
            found.append(f'images past the {len(rows)} rows of {truth} ({len(surplus)}): {some_of(surplus)}')
        lines = np.flatnonzero(np.isnan(rows).any(axis=1)) + 1
        if len(lines) and not self.layout.nan_is_absence:
            shown = some_of([f'line {line}' for line in lines])
            found.append(f'{truth} has nan in {shown}: these frames are read as without a box')
        return found

    def _sources(self, name: str) -> tuple[Path, ...]:
        place = self.places[name]
        span = () if self.layout.span is None else (self._beside(name, self.layout.span),)
        return self.root / place.truth, self.root / place.images, *span

    def _count_frames(self, name: str) -> int:
        truth = self.root / self.places[name].truth
        rows = len(read_text(truth).rstrip().splitlines())
        if rows == 0:
            raise DataError(f'{truth} is empty')
        return len(self._frame_paths(name, rows))

    def _identity(self) -> str:
        layout = self.layout
        limits = f'{layout.first_row_only} {layout.max_frames} {layout.step} {layout.span}'
        return f'{layout.truth} {layout.images} {layout.image} {limits}'

    def _label(self, name: str) -> str:
        place = self.places[name]
        return f'{name} {place.truth} {place.images} {place.image} {place.first}'


def _check_no_gap(names: Names[str], place: Place, folder: Path) -> None:
    """Where no row says how many frames there are, only their numbers tell whether one is missing."""
    if place.image is None:
        return
    for number, name in enumerate(names, place.first):
        expected = place.image.format(number)
        if name != expected:
            raise DataError(f'{folder} should have its images without a gap, but {expected} is missing')


def _one_each(values: np.ndarray, frames: Names[str], file: Path) -> np.ndarray:
    if len(values) != len(frames):
        raise DataError(f'{file} has {len(values)} values for {len(frames)} frames: they must agree')
    return values
