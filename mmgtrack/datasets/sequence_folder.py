"""Reader of benchmarks that keep one folder a video."""

import json
from collections.abc import Sequence as Names
from pathlib import Path
from typing import Literal

import numpy as np

from mmgtrack.datasets.box_files import read_boxes, read_flags
from mmgtrack.datasets.data_root import checked_root
from mmgtrack.datasets.image_names import IMAGE_SUFFIXES, images_in, natural
from mmgtrack.datasets.lazy_reader import LazyReader
from mmgtrack.datasets.sequence import Sequence
from mmgtrack.errors import DataError
from mmgtrack.formats.disk import read_text
from mmgtrack.registry import DATASETS


@DATASETS.register_module()
class SequenceFolder(LazyReader):
    """Sequences below ``root``, one folder each, sorted by name.

    A folder holds the frames in ``img/``, or lists them in ``frames.txt`` (a path a line, relative to
    ``frame_root``); and ``groundtruth.txt`` (``x,y,w,h`` a line), or ``groundtruth_1.txt``,
    ``groundtruth_2.txt``, ... for several targets. ``absent.txt`` (``absent_1.txt``, ... where targets
    differ) marks frames without the target with 1. Opening reads folder names only; a sequence is read
    when it is asked for, and the last ``cache_size`` of them are kept.

    Args:
        root: folder with one folder per sequence.
        include: names to keep; None keeps all.
        exclude: names to leave out.
        frame_root: folder that the lines of ``frames.txt`` are relative to; None means ``root``.
        nan_means: what a row without a box says where no flag file speaks: 'absent' (the target is not
            visible), or 'unknown' (there is no label to trust, as in pseudo-labelled clips).
        cache_size: sequences whose annotations stay in memory.

    Raises DataError with file and line for whatever is not as described.
    """

    def __init__(
        self,
        root: str,
        include: Names[str] | None = None,
        exclude: Names[str] = (),
        frame_root: str | None = None,
        nan_means: Literal['absent', 'unknown'] = 'absent',
        cache_size: int = 256,
    ) -> None:
        if nan_means not in ('absent', 'unknown'):
            raise DataError(f"nan_means must be 'absent' or 'unknown', got {nan_means!r}")
        folder = checked_root(root)
        self.frame_root = Path(frame_root) if frame_root is not None else folder
        self.nan_means = nan_means
        super().__init__(folder, _choose(_folder_names(folder), include, exclude, folder), cache_size)

    def _read(self, name: str) -> Sequence:
        folder = self.root / name
        frames = self._frame_paths(folder)
        truth = _target_files(folder)
        boxes = np.stack([_sized(read_boxes(file), frames, file) for file in truth], axis=1)
        has_box = np.isfinite(boxes).all(-1)
        labelled = has_box if self.nan_means == 'unknown' else np.ones_like(has_box)
        absent = np.zeros_like(has_box)
        for column, file in enumerate(truth):
            flags = _flag_file(folder, file)
            if flags is not None:
                absent[:, column] = _sized(read_flags(flags), frames, flags)
        boxes[absent] = np.nan
        return Sequence(name, frames, boxes, has_box & ~absent, labelled | absent, _video(folder))

    def _frame_paths(self, folder: Path) -> tuple[str, ...]:
        listing = folder / 'frames.txt'
        if listing.is_file():
            return _listed_frames(listing, self.frame_root)
        images = folder / 'img'
        if not images.is_dir():
            raise DataError(f'{folder} is no sequence: it has neither img/ nor frames.txt')
        names = images_in(images)
        if not names:
            raise DataError(f'{images} holds no image ({", ".join(sorted(IMAGE_SUFFIXES))})')
        return tuple(str(images / name) for name in names)

    def _sources(self, name: str) -> tuple[Path, ...]:
        folder = self.root / name
        return folder, folder / 'img', folder / 'frames.txt'

    def _count_frames(self, name: str) -> int:
        return len(self._frame_paths(self.root / name))

    def _identity(self) -> str:
        return str(self.frame_root)


def _video(folder: Path) -> str:
    """The field ``video`` of the folder's meta.json, where there is one."""
    meta = folder / 'meta.json'
    if not meta.is_file():
        return ''
    try:
        return str(json.loads(read_text(meta)).get('video', ''))
    except DataError:
        raise
    except (ValueError, AttributeError) as error:
        raise DataError(f'{meta} is no JSON object: {error}') from error


def _folder_names(root: Path) -> list[str]:
    return sorted(entry.name for entry in root.iterdir() if not entry.name.startswith('.') and entry.is_dir())


def _choose(names: list[str], include: Names[str] | None, exclude: Names[str], root: Path) -> list[str]:
    unknown = sorted({*(include or ()), *exclude} - set(names))
    if unknown:
        raise DataError(f'{root} has no sequence named {", ".join(unknown)}')
    chosen = [name for name in names if (include is None or name in include) and name not in exclude]
    if not chosen:
        raise DataError(f'{root} holds no sequence folder to read')
    return chosen


def _listed_frames(listing: Path, frame_root: Path) -> tuple[str, ...]:
    paths = []
    for number, line in enumerate(read_text(listing).rstrip().splitlines(), start=1):
        path = frame_root / line.strip()
        if not path.is_file():
            raise DataError(f'{listing}, line {number}: the frame {path} does not exist')
        paths.append(str(path))
    return tuple(paths)


def _target_files(folder: Path) -> list[Path]:
    """Annotation files, one per target: ``groundtruth.txt``, or the numbered ones in their order."""
    numbered = sorted(folder.glob('groundtruth_*.txt'), key=lambda file: natural(file.name))
    single = folder / 'groundtruth.txt'
    if single.is_file() and numbered:
        raise DataError(f'{folder} has both groundtruth.txt and {numbered[0].name}: keep one form')
    if not single.is_file() and not numbered:
        raise DataError(f'{folder} has no groundtruth.txt and no groundtruth_1.txt')
    return numbered or [single]


def _flag_file(folder: Path, truth: Path) -> Path | None:
    """The absence flags of a target: its own numbered file before the one for all targets."""
    own = folder / truth.name.replace('groundtruth', 'absent')
    return next((file for file in (own, folder / 'absent.txt') if file.is_file()), None)


def _sized(rows: np.ndarray, frames: tuple[str, ...], file: Path) -> np.ndarray:
    if len(rows) != len(frames):
        raise DataError(f'{file} has {len(rows)} rows for {len(frames)} frames: they must agree')
    return rows
