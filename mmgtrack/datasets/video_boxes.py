"""Reader of video files with a file of boxes beside each."""

import math
from collections.abc import Sequence as Numbers
from pathlib import Path
from typing import Literal

import numpy as np

from mmgtrack.datasets.box_files import corners_of, read_boxes
from mmgtrack.datasets.data_root import checked_root
from mmgtrack.datasets.film import FILM_SUFFIXES, count_film_frames, film_path
from mmgtrack.datasets.image_names import natural
from mmgtrack.datasets.lazy_reader import LazyReader
from mmgtrack.datasets.sequence import Sequence
from mmgtrack.errors import DataError, InputError
from mmgtrack.formats.disk import kind_of, names_in, read_text
from mmgtrack.formats.track_csv import parse_track_csv
from mmgtrack.packaged_configs import suggest
from mmgtrack.registry import DATASETS


@DATASETS.register_module()
class VideoBoxes(LazyReader):
    """Video files, one target each: ``root/{dog.mp4, dog.txt, cat.mp4, cat.csv, ...}``, or one of them.

    ``dog.txt`` has ``x,y,w,h`` for every frame, nan where the target is absent, or only for the first frame:
    then nothing is known of the others. ``cat.csv`` is what ``mmgtrack track`` writes: a frame that it calls
    absent is without the target, and frames before the first row are unknown. Frames are decoded when they
    are read; their paths are ``dog.mp4#0``, ``dog.mp4#1``, ... Frames are counted by decoding each film once.

    Args:
        root: folder of the videos, or a single video.
        boxes: of a single video, its file of boxes, or x, y, w, h in the first frame; None: the file of the
            same name beside it.
        sequences: names without suffix; None or 'all': all videos of the folder.
        cache_size: sequences whose boxes stay in memory.

    Raises DataError that names file and line for whatever is missing or malformed, and for a file with
    neither one row nor one a frame.
    """

    def __init__(
        self,
        root: str,
        boxes: str | Numbers[float] | None = None,
        sequences: Literal['all'] | list[str] | None = None,
        cache_size: int = 256,
    ) -> None:
        single = Path(root).suffix.lower() in FILM_SUFFIXES and kind_of(Path(root)) == 'file'
        folder = Path(root).parent if single else checked_root(root)
        if boxes is not None and not single:
            raise InputError(f'boxes are for a single video, but root is {root}')
        self._boxes = boxes
        self._films = {Path(root).stem: Path(root)} if single else _films_in(folder)
        names = list(self._films) if sequences is None or sequences == 'all' else list(sequences)
        unknown = next((name for name in names if name not in self._films), None)
        if unknown is not None:
            raise DataError(f'{root} holds no video {unknown!r}; {suggest(unknown, self._films)}')
        super().__init__(folder, names, cache_size)

    def _read(self, name: str) -> Sequence:
        film = str(self._films[name])
        entry = self.index[name]
        if entry.problem is not None:
            raise DataError(entry.problem)
        boxes, labelled = self._labels(name, entry.frames)
        present = np.isfinite(boxes).all(1)
        frames = tuple(film_path(film, number) for number in range(entry.frames))
        return Sequence(name, frames, boxes[:, None], present[:, None], labelled[:, None])

    def _labels(self, name: str, count: int) -> tuple[np.ndarray, np.ndarray]:
        """(F, 4) float32 xyxy, nan without a box, and (F,) bool, where that is known."""
        if self._boxes is not None and not isinstance(self._boxes, str):
            return _spread(_box(self._boxes), 0, count)
        file = self._box_file(name)
        first = 0
        if file.suffix.lower() == '.csv':
            track = parse_track_csv(read_text(file), str(file))
            rows, first = corners_of(track.boxes), track.first
            rows[~track.present] = np.nan
        else:
            rows = read_boxes(file)
        if first + len(rows) != count and (first or len(rows) != 1):
            raise DataError(
                f'{file} ends with frame {first + len(rows) - 1}, but {self._films[name]} has the frames 0 '
                f'to {count - 1}: expected one row, or one for every frame to the end'
            )
        return _spread(rows, first, count)

    def _box_file(self, name: str) -> Path:
        if isinstance(self._boxes, str):
            return Path(self._boxes)
        film = self._films[name]
        found = (film.with_suffix(suffix) for suffix in ('.txt', '.csv'))
        file = next((file for file in found if kind_of(file) == 'file'), None)
        if file is None:
            raise DataError(f'{film} has no boxes: expected {film.with_suffix(".txt")} or .csv')
        return file

    def _sources(self, name: str) -> tuple[Path, ...]:
        return (self._films[name],)

    def _count_frames(self, name: str) -> int:
        return count_film_frames(str(self._films[name]))


def _films_in(folder: Path) -> dict[str, Path]:
    films: dict[str, Path] = {}
    for name in sorted(names_in(folder), key=natural):
        path = folder / name
        if path.suffix.lower() not in FILM_SUFFIXES:
            continue
        if path.stem in films:
            raise DataError(f'{folder} holds both {films[path.stem].name} and {name}: rename one of them')
        films[path.stem] = path
    if not films:
        raise DataError(f'{folder} holds no video ({", ".join(sorted(FILM_SUFFIXES))})')
    return films


def _box(numbers: Numbers[float]) -> np.ndarray:
    """(1, 4) float32 xyxy of x, y, w, h."""
    values = [float(number) for number in numbers]
    if len(values) != 4 or not all(map(math.isfinite, values)) or min(values[2:]) <= 0:
        raise InputError(f'a box is x, y, w, h with a positive size, got {values}')
    return corners_of(np.array([values]))


def _spread(rows: np.ndarray, first: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows from frame ``first`` on, among all frames; of the others nothing is known."""
    boxes = np.full((count, 4), np.nan, np.float32)
    labelled = np.zeros(count, dtype=bool)
    boxes[first : first + len(rows)] = rows
    labelled[first : first + len(rows)] = True
    return boxes, labelled
