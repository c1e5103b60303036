"""One's own sequences."""

from pathlib import Path

import numpy as np
import pytest

from mmgtrack.errors import DataError
from mmgtrack.evaluation.annotations.own import OwnSequences


def test_boxes_and_flags(tmp_path: Path) -> None:
    for name in ('b', 'a'):
        (tmp_path / name).mkdir()
        (tmp_path / name / 'groundtruth.txt').write_text('1,2,3,4\nnan,nan,nan,nan\n')
    (tmp_path / 'a' / 'absent.txt').write_text('0\n1\n')
    found = OwnSequences(tmp_path)
    assert found.names == ('a', 'b')
    np.testing.assert_array_equal(found.read('a').boxes, [[1, 2, 3, 4], [np.nan] * 4])
    np.testing.assert_array_equal(found.read('a').absent, [False, True])
    np.testing.assert_array_equal(found.read('b').absent, [False, True])
    (tmp_path / 'a' / 'absent.txt').write_text('0\n')
    with pytest.raises(DataError, match=r'absent\.txt has 1 values for 2 frames'):
        OwnSequences(tmp_path).read('a')
