"""Submissions that are files of boxes: GOT-10k, TrackingNet, and plain ones."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from mmgtrack.errors import DataError
from mmgtrack.evaluation.results.box_results import BoxResults
from mmgtrack.evaluation.results.files import MissingResultError, ResultFiles
from mmgtrack.evaluation.results.writers import format_boxes, format_times
from mmgtrack.evaluation.submissions.collected import Collected
from mmgtrack.evaluation.submissions.expected import Expected

# the toolkit runs a tracker that is not deterministic three times
_MOST_REPETITIONS = 3
# pixels: trackers cut their first box off to whole pixels, or count from 1
_SAME_BOX = 1.0


def collect_plain(results: ResultFiles, expected: Expected) -> Collected:
    """``<sequence>.txt`` without folders, x,y,w,h separated by commas: also TrackingNet's format."""
    boxes = BoxResults.of(results)
    found = Collected(unexpected_sequences(boxes, expected))
    for name in expected.names:
        try:
            rows = boxes.boxes(name)
        except DataError as error:
            found.problems.append(_reading_problem(name, error))
            continue
        problems = list(_row_problems(name, name, rows, expected))
        found.problems += problems
        if not problems:
            found.files[f'{name}.txt'] = format_boxes(rows).encode()
    return found


def collect_got10k(results: ResultFiles, expected: Expected) -> Collected:
    """``<sequence>/<sequence>_001.txt`` to 003, and ``<sequence>_time.txt``."""
    boxes = BoxResults.of(results)
    found = Collected(unexpected_sequences(boxes, expected))
    counts: dict[int, list[str]] = {}
    for name in expected.names:
        try:
            repetitions, times = boxes.repetitions(name), boxes.times(name)
        except DataError as error:
            found.problems.append(_reading_problem(name, error))
            continue
        counts.setdefault(len(repetitions), []).append(name)
        problems = list(_repetition_problems(name, repetitions, expected))
        problems += _time_problems(name, times, repetitions)
        found.problems += problems
        if not problems and times is not None:
            for number, rows in enumerate(repetitions, 1):
                found.files[f'{name}/{name}_{number:03d}.txt'] = format_boxes(rows).encode()
            found.files[f'{name}/{name}_time.txt'] = format_times(times).encode()
    if len(counts) > 1:
        some = ', '.join(f'{count} in {names[0]}' for count, names in sorted(counts.items()))
        found.problems.append(f'the sequences differ in their number of repetitions: {some}')
    return found


def unexpected_sequences(boxes: BoxResults, expected: Expected) -> list[str]:
    """Files of no expected sequence."""
    known = {boxes.index.name_of(name) for name in expected.names}
    return [f'{name}: not a sequence of this set' for name in boxes.names() if name not in known]


def _reading_problem(name: str, error: DataError) -> str:
    return f'{name}: no result' if isinstance(error, MissingResultError) else str(error)


def _repetition_problems(name: str, repetitions: list[np.ndarray], expected: Expected) -> Iterator[str]:
    for number, rows in enumerate(repetitions, 1):
        yield from _row_problems(name, f'{name}_{number:03d}', rows, expected)
    if len(repetitions) > _MOST_REPETITIONS:
        yield f'{name}: {len(repetitions)} repetitions, expected at most {_MOST_REPETITIONS}'
    lengths = {len(rows) for rows in repetitions}
    if len(lengths) > 1:
        yield f'{name}: repetitions of {" and ".join(map(str, sorted(lengths)))} rows'


def _time_problems(name: str, times: np.ndarray | None, repetitions: list[np.ndarray]) -> Iterator[str]:
    if times is None:
        yield f'{name}: no times, expected {name}_time.txt with the seconds of every frame'
        return
    # one column for all repetitions: pytracking packs that
    if len(times) != len(repetitions[0]) or times.shape[1] not in (1, len(repetitions)):
        shape = f'{len(repetitions[0])} rows of {len(repetitions)}'
        yield f'{name}_time: {len(times)} rows of {times.shape[1]} columns, expected {shape}'
    if not (times >= 0).all():
        yield f'{name}_time, line {_first_line(~(times >= 0).all(axis=1))}: not a time'


def _row_problems(name: str, label: str, rows: np.ndarray, expected: Expected) -> Iterator[str]:
    frames = expected.frames.get(name, len(rows))
    if len(rows) != frames:
        yield f'{label}: {len(rows)} rows, expected {frames}'
    missing = np.isnan(rows).any(axis=1)
    if missing.any():
        yield f'{label}, line {_first_line(missing)}: nan, expected a box in every row'
    # a size of 0 is legal: TrackingNet's program takes it for a miss, GOT-10k's clips boxes outside of the
    # image to it, and those of the other sets have a rule for it
    negative = (rows[:, 2:] < 0).any(axis=1)
    if negative.any():
        yield f'{label}, line {_first_line(negative)}: negative width or height'
    first = expected.first_boxes.get(name)
    if first is not None and not np.isnan(first).any() and not (abs(rows[0] - first) <= _SAME_BOX).all():
        given, wanted = (','.join(f'{value:g}' for value in box) for box in (rows[0], first))
        yield f'{label}, line 1: {given}, expected the given box {wanted} (x,y,w,h)'


def _first_line(marked: Any) -> int:
    """marked: (F,) bool."""
    return int(np.argmax(marked)) + 1
