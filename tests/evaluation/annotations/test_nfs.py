"""NfS: which rows of the official files belong to the frames of each rate."""

from pathlib import Path

import numpy as np
import pytest

from mmgtrack.errors import DataError
from mmgtrack.evaluation.annotations.nfs import NfS

from .trees import ROWS, write_tree


def rows(count: int) -> str:
    """Left is the number of the row; boxes are 10 x 20; the label has a blank."""
    return ''.join(f'0 {n} 5 {n + 10} 25 {n} 0 0 0 "a ball"\n' for n in range(count))


def images(rate: int, count: int) -> dict[str, str]:
    return {f'ball/{rate}/ball/{n:05d}.jpg': '' for n in range(1, count + 1)}


def tree(rows_at_30: int, images_at_30: int = 0, rows_at_240: int = 0) -> dict[str, str]:
    files = {'ball/30/ball.txt': rows(rows_at_30), **images(30, images_at_30)}
    return {**files, 'ball/240/ball.txt': rows(rows_at_240)} if rows_at_240 else files


@pytest.mark.parametrize('zipped', [False, True])
@pytest.mark.parametrize(
    'files, taken',
    [
        (tree(80, 10), range(0, 80, 8)),
        (tree(81, 10), range(0, 80, 8)),  # 11 rows of every eighth for 10 images: one is cut
        (tree(80, 11), range(0, 80, 8)),  # one image more
        (tree(10, 10), range(10)),
        (tree(11, 10), range(10)),
        (tree(80, rows_at_240=80), range(0, 80, 8)),
        (tree(10, rows_at_240=80), range(10)),
        (tree(80), range(0, 80, 8)),
    ],
)
def test_30_frames_a_second(files: dict[str, str], taken: range, zipped: bool, tmp_path: Path) -> None:
    truth = NfS(write_tree(tmp_path, files, zipped), frame_rate=30).read('ball')
    np.testing.assert_array_equal(truth.boxes, [[left, 5, 10, 20] for left in taken])


@pytest.mark.parametrize('counted', [0, 80, 79])
def test_240_frames_a_second(counted: int, tmp_path: Path) -> None:
    files = {**tree(80, rows_at_240=80), **images(240, counted)}
    assert len(NfS(write_tree(tmp_path, files), frame_rate=240).read('ball').boxes) == (counted or 80)


def test_rows_that_fit_no_rule(tmp_path: Path) -> None:
    with pytest.raises(DataError, match='40 boxes for 10 images'):
        NfS(write_tree(tmp_path, tree(40, 10))).read('ball')


def test_a_row_that_is_too_short(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r'30/ball\.txt, line 2'):
        NfS(write_tree(tmp_path, {'ball/30/ball.txt': rows(1) + '0 1 2\n'})).read('ball')


def test_converted_files_are_those_of_30_frames_a_second(tmp_path: Path) -> None:
    write_tree(tmp_path, {'anno/nfs_ball.txt': ROWS.replace(',', '\t')})
    assert NfS(tmp_path).names == NfS(tmp_path / 'anno').names == ('ball',)
    assert len(NfS(tmp_path).read('ball').boxes) == 3
    with pytest.raises(DataError, match='holds no annotations of NfS'):
        NfS(tmp_path, frame_rate=240)
