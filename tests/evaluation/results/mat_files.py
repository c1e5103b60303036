"""Result files as MATLAB writes them."""

import io

import numpy as np
from scipy.io import savemat

BOXES = [[1, 2, 3, 4], [5, 6, 7, 8.5]]


def mat(**entry: object) -> bytes:
    results = np.empty((1, 1), dtype=object)
    results[0, 0] = {'res': np.array(BOXES), 'type': 'rect', 'len': 2, **entry}
    buffer = io.BytesIO()
    savemat(buffer, {'results': results})
    return buffer.getvalue()
