"""Lists of boxes, read and written."""

from pathlib import Path

import numpy as np
import pytest

from mmgtrack.errors import DataError
from mmgtrack.evaluation.results.files import ResultFiles
from mmgtrack.evaluation.results.proposals import (
    Proposals,
    parse_proposals,
    read_proposals,
    write_proposals,
)


def test_rows_are_sorted_by_frame_and_score() -> None:
    found = parse_proposals('3,1,0,1,1,0.5\n1,2,0,1,1,-1\n3,3,0,1,1,0.9\n3,4,0,1,1,0.5\n', 'file')
    np.testing.assert_array_equal(found.frames, [0, 2, 2, 2])
    np.testing.assert_array_equal(found.boxes[:, 0], [2, 3, 1, 4])  # equal scores: the order of the file
    np.testing.assert_array_equal(found.scores, [-1, 0.9, 0.5, 0.5])
    assert parse_proposals('', 'file').boxes.shape == (0, 4)


@pytest.mark.parametrize(
    'row',
    [
        '0,1,1,1,1,1',
        '1.5,1,1,1,1,1',
        '1e300,1,1,1,1,1',
        '9999999999999999999,1,1,1,1,1',
        '1,nan,1,1,1,1',
        '1,1,1,1,1,nan',
        '1,1,1,1,1',
    ],
)
def test_refused_rows(row: str) -> None:
    with pytest.raises(DataError, match=r'^file, line 2'):
        parse_proposals(f'1,1,1,1,1,1\n{row}\n', 'file')


def test_written_files_read_back(tmp_path: Path) -> None:
    boxes = np.array([[1 / 3, 0, 1, 1], [5, 5, 1e-9, 1]])
    made = Proposals(np.array([0, 4]), boxes, np.array([0.1, -2]))
    write_proposals(tmp_path / 'seq.txt', made)
    found = read_proposals(ResultFiles(tmp_path), 'seq')
    for name in ('frames', 'boxes', 'scores'):
        np.testing.assert_array_equal(getattr(found, name), getattr(made, name))
