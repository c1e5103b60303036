"""TLP: rows with a frame number and a flag; TinyTLP is its beginning."""

from pathlib import Path

import numpy as np
import pytest

from mmgtrack.errors import DataError
from mmgtrack.evaluation.annotations.tlp import TLP, TinyTLP

from .trees import ROWS, write_tree


def test_boxes_and_flags(tmp_path: Path) -> None:
    write_tree(tmp_path, {'Sam/groundtruth_rect.txt': '1,10,20,30,40,0\n2,11,21,31,41,1\n'})
    truth = TLP(tmp_path).read('Sam')
    np.testing.assert_array_equal(truth.boxes, [[10, 20, 30, 40], [11, 21, 31, 41]])
    np.testing.assert_array_equal(truth.absent, [False, True])


def test_tiny_is_the_first_600_frames(tmp_path: Path) -> None:
    text = ''.join(f'{n},{n},1,2,3,{n % 2}\n' for n in range(1, 701))
    write_tree(tmp_path, {'Sam/groundtruth_rect.txt': text})
    truth = TinyTLP(tmp_path).read('Sam')
    assert truth.boxes.shape == (600, 4) and truth.absent is not None
    assert (truth.boxes[-1, 0], truth.absent.sum()) == (600, 300)
    assert len(TLP(tmp_path).read('Sam').boxes) == 700


def test_rows_of_another_benchmark(tmp_path: Path) -> None:
    with pytest.raises(DataError, match='expected 6 numbers'):
        TLP(write_tree(tmp_path, {'Sam/groundtruth_rect.txt': ROWS})).read('Sam')
