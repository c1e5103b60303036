"""OTB's result files of MATLAB."""

import contextlib
import io
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.io import savemat

from mmgtrack.errors import DataError
from mmgtrack.evaluation.results.otb_mat import parse_mat

from .mat_files import mat


@pytest.mark.parametrize(
    'content, message',
    [
        (b'no file of MATLAB', 'f is no MATLAB file of version 4 to 7.2'),
        (b'', 'f is no MATLAB file of version 4 to 7.2'),
        (mat(type='ivtAff'), "f: its type is 'ivtAff', only 'rect' (x, y, w, h) is read"),
        (mat(type=''), 'f: its type is'),
        (mat(res=np.ones((2, 6))), 'f: expected finite rows x, y, w, h in results{1}.res, got (2, 6)'),
        (mat(res=np.array([[1, 2, np.inf, 4]])), 'f: expected finite rows'),
        (mat(res=np.ones((0, 4))), 'f: expected finite rows'),
        (mat(res='rows'), 'f: results{1}.res holds no numbers'),
    ],
)
def test_broken_mat(content: bytes, message: str) -> None:
    with pytest.raises(DataError, match=re.escape(message)):
        parse_mat(content, 'f')


def test_mat_without_results() -> None:
    buffer = io.BytesIO()
    savemat(buffer, {'other': 1})
    with pytest.raises(DataError, match=re.escape('f holds no results{1}.res')):
        parse_mat(buffer.getvalue(), 'f')


def test_first_run_of_several_in_a_mat_and_one_row() -> None:
    results = np.empty((1, 2), dtype=object)
    for column, left in enumerate((1, 9)):
        results[0, column] = {'res': np.array([[left, 2, 3, 4]]), 'type': 'rect'}
    buffer = io.BytesIO()
    savemat(buffer, {'results': results})
    assert parse_mat(buffer.getvalue(), 'f').tolist() == [[1, 2, 3, 4]]


@settings(deadline=None)
@given(st.binary(max_size=300), st.integers(0, 400))
def test_any_mat_is_boxes_or_a_data_error(noise: bytes, length: int) -> None:
    for broken in (noise, mat()[:length], mat()[:128] + noise):  # the header of a file has 128 bytes
        with contextlib.suppress(DataError):
            assert parse_mat(broken, 'f').shape[1] == 4
