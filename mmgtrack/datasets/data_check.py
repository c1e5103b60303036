"""Looking through a data set: what every sequence has, and what is missing or broken."""

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from mmgtrack.datasets.film import split_film_path
from mmgtrack.datasets.image_size import image_size
from mmgtrack.datasets.sequence import Reader, Sequence, read_frame
from mmgtrack.errors import DataError
from mmgtrack.formats.listing import some_of

_FOLDERS_KNOWN = 32
"""Ours: still images of a set lie in few folders, those of a video in one."""


@dataclass(frozen=True)
class SequenceCheck:
    """What was found of one sequence; its problems are empty where it is sound.

    Over all its targets: in how many frames they are present, absent, and unlabelled.
    """

    name: str
    frames: int = 0
    targets: int = 0
    present: int = 0
    absent: int = 0
    unlabelled: int = 0
    problems: tuple[str, ...] = ()


def check_sequences(
    reader: Reader, names: Iterable[str] | None = None, decode: bool = False
) -> Iterator[SequenceCheck]:
    """Look through the sequences of a reader, or those of the given names, in its order.

    decode: also decode every image, which finds the damaged ones, and takes long.
    """
    _files_in.cache_clear()
    wanted = None if names is None else set(names)
    for index, name in enumerate(reader.names):
        if wanted is None or name in wanted:
            yield _checked(reader, index, name, decode)
    # still images that are no sequence, because what they have is no box
    for name, flaws in getattr(reader, 'left_out', {}).items():
        if wanted is None or name in wanted:
            yield SequenceCheck(name, frames=1, problems=tuple(flaws))


def _checked(reader: Reader, index: int, name: str, decode: bool) -> SequenceCheck:
    try:
        sequence = reader[index]
        problems = list(reader.flaws(index))
    except DataError as error:
        return SequenceCheck(name, problems=(' '.join(str(error).split()),))
    missing = _missing(sequence)
    if missing:
        shown = some_of([os.path.basename(path) for path in missing])
        problems.append(f'missing frames ({len(missing)} of {len(sequence)}): {shown}')
    sizes, unreadable = _sizes(sequence, set(missing), decode)
    problems += unreadable + _outside(sequence, sizes)
    return SequenceCheck(
        name,
        len(sequence),
        sequence.num_targets,
        int(sequence.present.sum()),
        int((sequence.labelled & ~sequence.present).sum()),
        int((~sequence.labelled).sum()),
        tuple(problems),
    )


def _missing(sequence: Sequence) -> list[str]:
    """Frames whose files are not there."""
    missing = []
    for path in sequence.frame_paths:
        film = split_film_path(path)
        folder, file = os.path.split(path if film is None else film[0])
        if file not in _files_in(folder):
            missing.append(path)
    return missing


@lru_cache(maxsize=_FOLDERS_KNOWN)
def _files_in(folder: str) -> frozenset[str]:
    """One look at a folder is much faster than one at each of its files."""
    try:
        return frozenset(os.listdir(folder or '.'))
    except OSError:
        return frozenset()


def _sizes(sequence: Sequence, missing: set[str], decode: bool) -> tuple[np.ndarray, list[str]]:
    """(F, 2) float64 width, height of the frames, nan where unknown, and what is wrong with the images.

    Without decoding, the first image's header speaks for all.
    """
    there = [number for number, path in enumerate(sequence.frame_paths) if path not in missing]
    sizes = np.full((len(sequence), 2), np.nan)
    if not there:
        return sizes, []
    looked_at = there if decode else there[:1]
    paths = [sequence.frame_paths[number] for number in looked_at]
    found = _each(_decoded_size if decode else _header_size, paths)
    errors = [answer for answer in found if isinstance(answer, str)]
    for number, answer in zip(looked_at, found, strict=True):
        if not isinstance(answer, str):
            sizes[number] = answer
    if not decode:
        sizes[:] = sizes[there[0]]
    return sizes, [f'unreadable frames ({len(errors)}): {errors[0]}'] if errors else []


def _each(look: Callable[[str], tuple[int, int] | str], paths: list[str]) -> list[tuple[int, int] | str]:
    """In threads, as decoding leaves the interpreter; the frames of a film in their order."""
    if len(paths) == 1 or split_film_path(paths[0]) is not None:
        return [look(path) for path in paths]
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        return list(threads.map(look, paths))


def _header_size(path: str) -> tuple[int, int] | str:
    try:
        height, width = image_size(path)
    except DataError as error:
        return str(error)
    return width, height


def _decoded_size(path: str) -> tuple[int, int] | str:
    try:
        height, width = read_frame(path, whole=True).shape[:2]
    except DataError as error:
        return str(error)
    return width, height


def _outside(sequence: Sequence, sizes: np.ndarray) -> list[str]:
    """Targets that are said to be seen where the image does not reach."""
    problems = []
    boxes, (width, height) = sequence.boxes, sizes.T[:, :, None]
    with np.errstate(invalid='ignore'):  # comparisons with nan are False
        outside = (boxes[..., 0] >= width) | (boxes[..., 1] >= height) | (boxes[..., 2:] <= 0).any(-1)
    outside &= sequence.present
    for target in np.flatnonzero(outside.any(axis=0)):
        frames = np.flatnonzero(outside[:, target])
        x1, y1, x2, y2 = boxes[frames[0], target]
        which = f' of target {target + 1}' if sequence.num_targets > 1 else ''
        problems.append(
            f'boxes{which} outside the image ({len(frames)}): {x1:g},{y1:g},{x2 - x1:g},{y2 - y1:g} '
            f'in {os.path.basename(sequence.frame_paths[frames[0]])}'
        )
    return problems
