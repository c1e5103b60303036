"""Result files as the benchmarks' own programs write them.

All boxes are written with four decimals. GOT-10k's annotations have four, so the first row is the given box
to the last digit; float32 boxes of images above 1000 pixels are not finer; and TrackingNet's server rounds
to whole pixels, where a file of two decimals can say another pixel (11.499 and its 11.50).
"""

import os
from pathlib import Path

import numpy as np

from mmgtrack.errors import InputError, OutputError
from mmgtrack.files import replacing


def format_boxes(boxes: np.ndarray, separator: str = ',') -> str:
    """(F, 4) x, y, w, h to a line each; the separator is a comma in all formats but pytracking's tab.

    Raises InputError for another shape, no rows, and numbers that are not finite: what programs make of
    them differs, and no server takes them.
    """
    boxes = np.asarray(boxes, dtype=np.float64)
    if boxes.ndim != 2 or boxes.shape[1] != 4 or not len(boxes):
        raise InputError(f'boxes must be (F, 4) x, y, w, h with F > 0, got shape {boxes.shape}')
    return _format(boxes, separator, 4)


def format_times(times: np.ndarray) -> str:
    """(F, R) seconds to a line each, a column a repetition, with eight decimals as GOT-10k's toolkit.

    Raises InputError for another shape, no rows, and numbers that are not finite.
    """
    times = np.asarray(times, dtype=np.float64)
    if times.ndim != 2 or not times.size:
        raise InputError(f'times must be (F, R) seconds with F, R > 0, got shape {times.shape}')
    return _format(times, ',', 8)


def write_plain(path: str | os.PathLike[str], boxes: np.ndarray) -> None:
    """LaSOT, OTB, UAV123, NfS, TColor-128, DTB70, TLP, TrackingNet: x,y,w,h, one line a frame.

    Raises InputError as format_boxes, OutputError where the file cannot be written.
    """
    _write(path, format_boxes(boxes))


def write_got10k(
    folder: str | os.PathLike[str], name: str, repetitions: list[np.ndarray], times: np.ndarray
) -> None:
    """GOT-10k: ``folder/<name>/<name>_001.txt`` and so on, and ``<name>_time.txt``.

    repetitions: (F, 4) x, y, w, h each. times: (F, R) seconds of every frame, R the number of repetitions.
    Raises InputError as the formats above or where the shapes disagree, OutputError.
    """
    if not repetitions or np.shape(times) != (len(repetitions[0]), len(repetitions)):
        raise InputError(
            f'{name}: expected times of a column for each of {len(repetitions)} repetitions and a row a '
            f'frame, got shape {np.shape(times)}'
        )
    if len({len(boxes) for boxes in repetitions}) != 1:
        raise InputError(f'{name}: repetitions of {", ".join(str(len(boxes)) for boxes in repetitions)} rows')
    texts = {f'{name}_{number:03d}.txt': format_boxes(boxes) for number, boxes in enumerate(repetitions, 1)}
    texts[f'{name}_time.txt'] = format_times(times)
    for filename, text in texts.items():
        _write(Path(folder) / name / filename, text)


def write_pytracking(
    folder: str | os.PathLike[str],
    name: str,
    boxes: np.ndarray,
    times: np.ndarray | None = None,
    scores: np.ndarray | None = None,
) -> None:
    """pytracking's raw results: ``<name>.txt``, ``<name>_time.txt``, ``<name>_object_presence_scores.txt``.

    boxes: (F, 4) x, y, w, h, separated by tabs. times, scores: (F,). pytracking's own runner cuts boxes off
    to whole pixels, which costs it overlap; its analysis reads decimals, so they are kept here.
    Raises InputError as the formats above or where the lengths disagree, OutputError.
    """
    texts = {f'{name}.txt': format_boxes(boxes, '\t')}
    for ending, values in (('time', times), ('object_presence_scores', scores)):
        if values is None:
            continue
        if np.shape(values) != (len(boxes),):
            raise InputError(f'{name}: expected {len(boxes)} rows, got {ending} of shape {np.shape(values)}')
        texts[f'{name}_{ending}.txt'] = format_times(np.reshape(values, (-1, 1)))
    for filename, text in texts.items():
        _write(Path(folder) / filename, text)


def _format(rows: np.ndarray, separator: str, decimals: int) -> str:
    bad = np.flatnonzero(~np.isfinite(rows).all(axis=1))
    if len(bad):
        raise InputError(f'row {bad[0]} is not finite: {rows[bad[0]].tolist()}')
    rows = np.where(np.abs(rows) < 0.5 * 10.0**-decimals, 0.0, rows)  # no -0.0000
    line = separator.join([f'%.{decimals}f'] * rows.shape[1]) + '\n'
    return ''.join([line % tuple(row) for row in rows.tolist()])


def _write(path: str | os.PathLike[str], text: str) -> None:
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f'cannot write {path}: {error.strerror}') from error
    with replacing(path) as file:
        file.write(text.encode())
