"""Folders and archives of results: seen alike, and nothing that a server or a stranger made is trusted."""

import stat
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mmgtrack.errors import DataError
from mmgtrack.evaluation.results.box_results import BoxResults
from mmgtrack.evaluation.results.files import ResultFiles

CONTENT = {'a.txt': b'1,2,3,4\n', 'sub/b.txt': b'5,6,7,8\n'}


def write_zip(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def write_folder(path: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return path


@pytest.mark.parametrize('write, source', [(write_folder, 'trk_tracking_result'), (write_zip, 'trk.zip')])
def test_folder_and_archive_are_alike(write, source: str, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    hidden = {'.DS_Store': b'x', '__MACOSX/._a.txt': b'x', 'sub/.b.txt.swp': b'x'}
    files = ResultFiles(write(tmp_path / source, {**CONTENT, **hidden}))
    assert files.name == 'trk' and files.paths == ('a.txt', 'sub/b.txt')
    assert {path: files.read_bytes(path) for path in files.paths} == CONTENT
    assert files.where('a.txt') == f'{tmp_path / source}/a.txt'
    assert files.box_format == 'xywh'


@pytest.mark.parametrize(
    'name', ['../x.txt', 'a/../../x.txt', '/etc/x.txt', '\\x.txt', 'C:/x.txt', 'C:\\x.txt', '..\\x.txt']
)
def test_paths_that_leave_the_folder(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match='which would leave the folder it is unpacked to'):
        ResultFiles(write_zip(tmp_path / 'trk.zip', {'a.txt': b'1,2,3,4\n', name: b'1,2,3,4\n'}))


def test_duplicate_names(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / 'trk.zip', 'w') as archive:
        archive.writestr('a.txt', '1,2,3,4\n')
        with pytest.warns(UserWarning, match='Duplicate name'):
            archive.writestr('a.txt', '5,6,7,8\n')
    with pytest.raises(DataError, match=r"holds 'a\.txt' twice"):
        ResultFiles(tmp_path / 'trk.zip')


def test_links(tmp_path: Path) -> None:
    entry = zipfile.ZipInfo('a.txt')
    entry.create_system, entry.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / 'trk.zip', 'w') as archive:
        archive.writestr(entry, '/etc/passwd')
    with pytest.raises(DataError, match=r"holds the link 'a\.txt'"):
        ResultFiles(tmp_path / 'trk.zip')


def test_no_results(tmp_path: Path) -> None:
    (tmp_path / 'text.txt').write_text('no archive')
    for name in ('nowhere', 'text.txt'):
        with pytest.raises(DataError, match=f'{name} is no folder and no zip archive of results'):
            ResultFiles(tmp_path / name)


def test_what_is_no_text(tmp_path: Path) -> None:
    files = ResultFiles(write_folder(tmp_path / 'trk', {'a.txt': b'\xff\xfe1'}))
    with pytest.raises(DataError, match=r'trk/a\.txt is no text file'):
        files.read_text('a.txt')
    with pytest.raises(DataError, match=r'cannot read .*trk/b\.txt'):
        files.read_text('b.txt')


@pytest.fixture(scope='module')
def whole_archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = b''.join(b'%d,%d,%d,%d\n' % (n, n * 7, n * 3, n) for n in range(50))
    return write_zip(tmp_path_factory.mktemp('zips') / 'whole.zip', {f'{name}.txt': rows for name in 'abc'})


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_broken_archive_is_a_data_error(whole_archive: Path, data: st.DataObject) -> None:
    content = bytearray(whole_archive.read_bytes())
    if data.draw(st.booleans()):
        del content[data.draw(st.integers(0, len(content))) :]
    for _ in range(data.draw(st.integers(1, 4))):
        if content:
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    broken = whole_archive.with_name('broken.zip')
    broken.write_bytes(content)
    try:
        results = BoxResults.of(ResultFiles(broken))
        for name in results.names():
            assert results.boxes(name).shape[1] == 4
    except DataError:
        pass
