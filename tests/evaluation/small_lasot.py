"""A benchmark of a few short sequences in the layout of LaSOT's toolkit, and results that are known."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

BOX = (10.0, 20.0, 30.0, 40.0)
SEQUENCES = {'cat-1': 4, 'cat-2': 10, 'dog-1': 5}


def write_rows(path: Path, rows: Sequence[Sequence[float]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(''.join(','.join(f'{value:g}' for value in row) + '\n' for row in rows))


def write_annotations(root: Path, lengths: Mapping[str, int] = SEQUENCES) -> Path:
    """The same box in every frame, always there."""
    for name, length in lengths.items():
        write_rows(root / 'annos' / f'{name}.txt', [BOX] * length)
        write_rows(root / 'annos' / 'absent' / f'{name}.txt', [[0]] * length)
    return root


def write_results(folder: Path, hits: Mapping[str, int], lengths: Mapping[str, int] = SEQUENCES) -> Path:
    """Right in the first ``hits`` frames of a sequence, far away in the others."""
    away = np.add(BOX, (500, 500, 0, 0))
    for name, count in hits.items():
        write_rows(folder / f'{name}.txt', [BOX] * count + [away] * (lengths[name] - count))
    return folder
