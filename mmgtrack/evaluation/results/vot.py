"""Trajectories: the result files of the VOT toolkit and of got10k's VOT experiments."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mmgtrack.errors import DataError, InputError, OutputError
from mmgtrack.evaluation.results.files import MissingResultError, ResultFiles
from mmgtrack.files import replacing
from mmgtrack.formats.box_rows import parse_number
from mmgtrack.formats.vot_regions import (
    INITIALISATION,
    UNKNOWN,
    Regions,
    parse_binary_regions,
    parse_regions,
)


@dataclass(frozen=True, eq=False)
class Trajectory:
    """One run of a tracker over N frames.

    regions: of the frames, in the order in which they were tracked.
    confidences: (N,) float64, higher is surer; 0 where the file leaves a line blank; None without the file.
    times: (N,) float64 seconds, nan where blank; None without the file.
    """

    regions: Regions
    confidences: np.ndarray | None = None
    times: np.ndarray | None = None


def run_name(sequence: str, repetition: int = 1) -> str:
    """What a run over a whole sequence is called, for instance ``ants1_001``."""
    return f'{sequence}_{repetition:03d}'


def anchor_name(sequence: str, frame: int) -> str:
    """What a run from an anchor is called, for instance ``ants1_00000050``; frames count from 0."""
    return f'{sequence}_{frame:08d}'


def read_trajectory(results: ResultFiles, sequence: str, name: str, experiment: str) -> Trajectory:
    """Read ``EXPERIMENT/SEQUENCE/NAME.txt`` or ``.bin`` and the value files beside it.

    ``results`` may also be the experiment's own folder. Where both exist the text counts, as in the toolkit.
    Raises MissingResultError without the file; DataError with file and line for malformed ones.
    """
    path = trajectory_path(results, sequence, name, experiment)
    regions = read_regions(results, path)
    stem = path[: -len('.txt')]
    return Trajectory(
        regions,
        _values(results, f'{stem}_confidence.value', len(regions), blank=0.0),
        _values(results, f'{stem}_time.value', len(regions), blank=float('nan')),
    )


def read_regions(results: ResultFiles, path: str) -> Regions:
    """Of one file, binary where it is called ``.bin``. Raises DataError with file and line."""
    if path.endswith('.bin'):
        return parse_binary_regions(results.read_bytes(path), results.where(path))
    return parse_regions(results.read_text(path), results.where(path))


def trajectory_path(results: ResultFiles, sequence: str, name: str, experiment: str) -> str:
    """Where the run lies. Raises MissingResultError, or DataError where there are several of that name."""
    for file in (f'{name}.txt', f'{name}.bin'):
        found = [path for path in results.paths if path.rsplit('/', 1)[-1] == file]
        inside = [path for path in found if experiment in path.split('/')[:-1]]
        # of another experiment's folder nothing is taken: its files have the same names
        chosen = inside or [path for path in found if path in (file, f'{sequence}/{file}')]
        if len(chosen) > 1:
            raise DataError(f'{results.source} has several files {file}: {", ".join(chosen)}; expected one')
        if chosen:
            return chosen[0]
    raise MissingResultError(
        f'{results.source} has no result of {sequence}: expected {experiment}/{sequence}/{name}.txt'
    )


def write_trajectory(
    folder: str | os.PathLike[str],
    name: str,
    boxes: np.ndarray,
    scores: np.ndarray,
    times: np.ndarray | None = None,
) -> None:
    """Write ``NAME.txt``, ``NAME_confidence.value`` and, if given, ``NAME_time.value`` into ``folder``.

    The toolkit reads such files from ``results/TRACKER/EXPERIMENT/SEQUENCE``; the folder is made.
    boxes: (N, 4) x, y, w, h in pixels; the first stands for the initialisation, one with a nan for an absent
    target. scores: (N,), the first is left out. times: (N,) seconds.
    Raises InputError for other shapes and infinite numbers, OutputError where a file cannot be written.
    """
    folder = Path(folder)
    boxes, scores = np.asarray(boxes, np.float64), np.asarray(scores, np.float64)
    if boxes.ndim != 2 or boxes.shape[1] != 4 or not len(boxes) or np.isinf(boxes).any():
        raise InputError(f'{name}: expected (N, 4) boxes without infinite numbers, got shape {boxes.shape}')
    if scores.shape != (len(boxes),) or not np.isfinite(scores[1:]).all():
        raise InputError(f'{name}: expected {len(boxes)} finite scores, got shape {scores.shape}')
    if times is not None and np.shape(times) != (len(boxes),):
        raise InputError(f'{name}: expected {len(boxes)} times, got shape {np.shape(times)}')
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f'cannot make the folder {folder}: {error.strerror}') from error
    _write_lines(folder / f'{name}_confidence.value', ['', *(repr(float(score)) for score in scores[1:])])
    if times is not None:
        _write_lines(folder / f'{name}_time.value', [f'{time:.6f}' for time in times])
    # last: with this file the run counts as there
    _write_lines(folder / f'{name}.txt', [str(INITIALISATION), *map(_row, boxes[1:])])


def _row(box: np.ndarray) -> str:
    if np.isnan(box).any():
        return str(UNKNOWN)
    return ','.join(str(number) for number in box.astype(np.float32))  # all the toolkit keeps of a number


def _write_lines(path: Path, lines: list[str]) -> None:
    with replacing(path) as file:
        file.write(''.join(f'{line}\n' for line in lines).encode())


def _values(results: ResultFiles, path: str, count: int, blank: float) -> np.ndarray | None:
    """A number a line, one for each frame; blank lines are frames without a value."""
    if path not in results.paths:
        return None
    lines = [line.strip() for line in results.read_text(path).splitlines()]
    if len(lines) < count or any(lines[count:]):
        raise DataError(f'{results.where(path)} has {len(lines)} lines, expected {count}, one for each frame')
    values = np.full(count, blank)
    for frame, line in enumerate(lines[:count]):
        try:
            values[frame] = parse_number(line) if line else blank
        except ValueError as error:
            raise DataError(
                f'{results.where(path)}, line {frame + 1}: expected a number, got {line!r}'
            ) from error
    return values
