"""Annotations of several targets."""

from pathlib import Path

import numpy as np
import pytest

from mmgtrack.errors import DataError
from mmgtrack.evaluation.annotations.mot import MotAnnotations

from .trees import write_tree

ROWS = '1,1,0,0,5,5,1,-1,-1,-1\n1,2,0,0,5,5,0,-1,-1,-1\n2,1,0,0,5,5,1,-1,-1,-1\n'


def write(path: Path, text: str = ROWS) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_folders(tmp_path: Path) -> None:
    for name in ('b', 'a'):
        write(tmp_path / name / 'gt' / 'gt.txt')
    write(tmp_path / 'a' / 'seqinfo.ini', '[Sequence]\nname=a\nseqLength=9\n')
    write(tmp_path / 'notes.txt', 'no sequence')
    found = MotAnnotations(tmp_path)
    assert found.names == ('a', 'b')
    assert (found.read('a').num_frames, found.read('b').num_frames) == (9, None)
    np.testing.assert_array_equal(found.read('a').rows.ids, [1, 1])  # a 0 in the seventh column: left out


def test_files(tmp_path: Path) -> None:
    write(tmp_path / 'a.txt')
    found = MotAnnotations(tmp_path)
    assert found.names == ('a',) and len(found.read('a').rows.frames) == 2


@pytest.mark.parametrize('zipped', [False, True])
def test_folders_and_archives_are_alike(zipped: bool, tmp_path: Path) -> None:
    files = {'a/gt/gt.txt': ROWS, 'a/seqinfo.ini': '[Sequence]\nseqLength=9\n', 'b/gt/gt.txt': ROWS}
    found = MotAnnotations(write_tree(tmp_path, files, zipped))
    assert found.names == ('a', 'b') and found.read('a').num_frames == 9
    np.testing.assert_array_equal(found.read('b').rows.frames, [1, 2])


@pytest.mark.parametrize('length', ['0', '-1', '1.5', '1e300', '9' * 5000, 'many', '%(x)s', ''])
def test_lengths_that_are_none(length: str, tmp_path: Path) -> None:
    write(tmp_path / 'a' / 'gt' / 'gt.txt')
    write(tmp_path / 'a' / 'seqinfo.ini', f'[Sequence]\nseqLength={length}\n')
    with pytest.raises(DataError, match=r'a/seqinfo\.ini: expected seqLength in \[Sequence\]'):
        MotAnnotations(tmp_path).read('a')


def test_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r'holds no <sequence>/gt/gt\.txt'):
        MotAnnotations(tmp_path)
    write(tmp_path / 'a' / 'gt' / 'gt.txt', '1,1,0,0,word,5,1\n')
    write(tmp_path / 'b' / 'gt' / 'gt.txt')
    write(tmp_path / 'b' / 'seqinfo.ini', '[Sequence]\nseqLength=many\n')
    found = MotAnnotations(tmp_path)
    for name, message in (('a', r'gt\.txt, line 1'), ('b', 'expected seqLength'), ('c', 'no sequence c')):
        with pytest.raises(DataError, match=message):
            found.read(name)
