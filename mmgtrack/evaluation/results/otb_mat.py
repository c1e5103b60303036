"""OTB's result files of MATLAB: ``results{1}`` with ``res`` of the type 'rect'."""

import io
from typing import Any

import numpy as np
from scipy.io import loadmat

from mmgtrack.errors import DataError


def parse_mat(content: bytes, where: str) -> np.ndarray:
    """(F, 4) float64 x, y, w, h of the first entry of ``results``: the one-pass run.

    Raises DataError where the file cannot be read (MATLAB's v7.3 format is another one), or holds no boxes
    x, y, w, h: some trackers of the benchmark saved affine parameters or corners.
    """
    try:
        found = loadmat(io.BytesIO(content), simplify_cells=True).get('results')
    except Exception as error:  # a broken file raises nearly anything there
        raise DataError(f'{where} is no MATLAB file of version 4 to 7.2: {error}') from error
    run = found[0] if isinstance(found, list | np.ndarray) and len(found) else found
    if not isinstance(run, dict) or 'res' not in run:
        raise DataError(f'{where} holds no results{{1}}.res')
    kind = str(run.get('type'))
    if kind != 'rect':
        raise DataError(
            f"{where}: its type is {kind!r}, only 'rect' (x, y, w, h) is read; convert the file "
            "with the benchmark's own program"
        )
    return _boxes(run['res'], where)


def _boxes(res: Any, where: str) -> np.ndarray:
    try:
        boxes = np.atleast_2d(np.asarray(res, dtype=np.float64))
    except (TypeError, ValueError) as error:
        raise DataError(f'{where}: results{{1}}.res holds no numbers') from error
    if boxes.ndim != 2 or boxes.shape[1] != 4 or not len(boxes) or np.isinf(boxes).any():
        raise DataError(f'{where}: expected finite rows x, y, w, h in results{{1}}.res, got {boxes.shape}')
    return boxes
