"""Finding annotation files: what may not be looked at is an error, not something that is not there."""

from pathlib import Path

import pytest

from mmgtrack.errors import DataError
from mmgtrack.evaluation.annotations.files import AnnotationFiles, listed_names
from mmgtrack.evaluation.annotations.lasot import LaSOT
from mmgtrack.evaluation.annotations.mot import MotAnnotations
from mmgtrack.evaluation.annotations.oxuva import OxuvaAnnotations
from mmgtrack.evaluation.annotations.vot import VotAnnotations

from ..nobody import raised_as_nobody
from .trees import ROWS, write_tree

READERS = (LaSOT, MotAnnotations, OxuvaAnnotations, VotAnnotations)
TREE = {'car/car-1/groundtruth.txt': ROWS, 'car/car-1/img/1.jpg': '', 'car/notes.txt': '', 'list.txt': ''}


@pytest.mark.parametrize('zipped', [False, True])
def test_finding_and_counting(zipped: bool, tmp_path: Path) -> None:
    files = AnnotationFiles(write_tree(tmp_path, {**TREE, 'lost+found/x/groundtruth.txt': ROWS}, zipped))
    assert files.find('*/{name}/groundtruth.txt') == {'car-1': 'car/car-1/groundtruth.txt'}
    assert files.find('car/{name}/groundtruth.txt') == {'car-1': 'car/car-1/groundtruth.txt'}
    assert files.find('{name}.txt') == {'list': 'list.txt'} and files.find('bus/{name}.txt') == {}
    assert files.count('car/car-1/img/*.jpg') == 1 and files.count('car/bus/*.jpg') == 0
    assert 'notes.txt' in files.names('car') and files.names('car/car-1/img') == ['1.jpg']
    assert files.exists('list.txt') and not files.exists('car') and not files.exists('none')


@pytest.mark.parametrize('reader', READERS)
def test_names_that_cannot_be(reader: type, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r'^cannot read '):
        reader(tmp_path / ('x' * 300))
    with pytest.raises(DataError, match='does not exist'):
        reader(tmp_path / 'none')


def test_a_listed_name_that_cannot_be(tmp_path: Path) -> None:
    annotations = VotAnnotations(write_tree(tmp_path, {'list.txt': 'x' * 300}))
    with pytest.raises(DataError, match=r'^cannot read .*File name too long'):
        annotations.read('x' * 300)


@pytest.mark.parametrize('reader', READERS)
def test_a_root_below_a_closed_folder(reader: type, tmp_path: Path) -> None:
    (tmp_path / 'closed' / 'root').mkdir(parents=True)
    (tmp_path / 'closed').chmod(0)
    said = raised_as_nobody(tmp_path, lambda: reader(Path('closed/root')))
    (tmp_path / 'closed').chmod(0o700)
    assert said.startswith('DataError: cannot read closed/root') and said.endswith('Permission denied')


@pytest.mark.parametrize(
    'closed, mode', [('car', 0), ('car', 0o444), ('.', 0), ('car/car-1/groundtruth.txt', 0)]
)
def test_closed_folders_and_files(closed: str, mode: int, tmp_path: Path) -> None:
    flags = {f'car/car-1/{name}.txt': '0,0,0' for name in ('full_occlusion', 'out_of_view')}
    root = tmp_path / 'root'
    root.mkdir()
    write_tree(root, {**TREE, **flags})
    assert raised_as_nobody(tmp_path, lambda: LaSOT(Path('root')).read('car-1')) == ''
    (root / closed).chmod(mode)
    said = raised_as_nobody(tmp_path, lambda: LaSOT(Path('root')).read('car-1'))
    (root / closed).chmod(0o700)
    assert said.startswith('DataError: cannot read root') and said.endswith('Permission denied')


def test_listed_names() -> None:
    assert listed_names(' b\r\n\na\n', 'f') == ('b', 'a')
    with pytest.raises(DataError, match=r'^f, line 4: b stands in line 1 already$'):
        listed_names('b\n\na\nb\n', 'f')
