"""MOT text, read and written."""

from pathlib import Path

import numpy as np
import pytest

from mmgtrack.errors import DataError
from mmgtrack.evaluation.results.files import MissingResultError, ResultFiles
from mmgtrack.evaluation.results.mot import parse_mot, read_mot, write_mot

NO_FRAMES = ('0', '-1', '1.5', 'nan', '1e300', '9999999999999999999', '10000001')
ROWS = '2,7,1.5,2,3,4,0.5,-1,-1,-1\n1,-3,0,0,1,1,0,-1,-1,-1\n'


def test_rows() -> None:
    found = parse_mot(ROWS, 'file')
    np.testing.assert_array_equal(found.frames, [2, 1])
    np.testing.assert_array_equal(found.ids, [7, -3])
    np.testing.assert_array_equal(found.boxes, [[1.5, 2, 3, 4], [0, 0, 1, 1]])
    np.testing.assert_array_equal(found.marks, [0.5, 0])
    np.testing.assert_array_equal(parse_mot('1,1,0,0,1,1\n', 'file').marks, [1])
    assert parse_mot(' \n', 'file').boxes.shape == (0, 4)


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        *((f'1,1,0,0,1,1\n{frame},1,0,0,1,1\n', 'line 2: expected a whole frame') for frame in NO_FRAMES),
        ('1,1,0,0,1,1\n1,1e300,0,0,1,1\n', 'line 2: expected frame,id,x,y,w,h with a whole id'),
        ('1,1.5,0,0,1,1\n', 'line 1'),
        ('1,1,0,nan,1,1\n', 'line 1'),
        ('nan,1,0,0,1,1\n', 'line 1'),
        ('1,1,0,0,1\n', 'line 1'),
        ('1,1,0,0,1,1\n1,2,0,0,1,word\n', 'line 2'),
        ('1,1,0,0,1,1\n1,2,0,0,1,1\n1,1,5,5,1,1\n', 'line 3: frame 1 holds id 1 twice'),
    ],
)
def test_refused_files(text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        parse_mot(text, 'file')


@pytest.mark.parametrize('path', ['seq.txt', 'data/seq.txt', 'seq/gt/gt.txt', 'train/seq/gt/gt.txt'])
def test_finding_the_file(tmp_path: Path, path: str) -> None:
    with pytest.raises(MissingResultError, match=r'seq\.txt'):
        read_mot(ResultFiles(tmp_path), 'seq')
    (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / path).write_text(ROWS)
    assert len(read_mot(ResultFiles(tmp_path), 'seq').ids) == 2
    (tmp_path / 'more').mkdir()
    (tmp_path / 'more' / 'seq.txt').write_text(ROWS)
    with pytest.raises(DataError, match='several results of seq'):
        read_mot(ResultFiles(tmp_path), 'seq')


def test_written_files_read_back(tmp_path: Path) -> None:
    made = parse_mot('3,1,0.1,0.2,0.3,1e-7,0.25\n1,2,-5,1,1,1,1\n', 'file')
    write_mot(tmp_path / 'seq.txt', made)
    found = read_mot(ResultFiles(tmp_path), 'seq')
    for name in ('frames', 'ids', 'boxes', 'marks'):
        np.testing.assert_array_equal(getattr(found, name), getattr(made, name))
    assert (tmp_path / 'seq.txt').read_text().splitlines()[1] == '1,2,-5.0,1.0,1.0,1.0,1,-1,-1,-1'
