"""Folders and archives of results: seen alike, and nothing that a server or a stranger made is trusted."""

import os
import stat
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mmgtrack.errors import DataError
from mmgtrack.evaluation.results.box_results import BoxResults
from mmgtrack.evaluation.results.files import ResultFiles
from mmgtrack.formats import disk

from ..nobody import raised_as_nobody

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
    'name',
    ['../x.txt', 'a/../../x.txt', '/etc/x.txt', '\\x.txt', 'C:/x.txt', 'C:\\x.txt', 'C:x.txt', '..\\x.txt'],
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
        with pytest.raises(DataError, match=f'{name} is no folder and no zip archive'):
            ResultFiles(tmp_path / name)


def test_what_is_no_text(tmp_path: Path) -> None:
    files = ResultFiles(write_folder(tmp_path / 'trk', {'a.txt': b'\xff\xfe1'}))
    with pytest.raises(DataError, match=r'trk/a\.txt is no text file'):
        files.read_text('a.txt')
    with pytest.raises(DataError, match=r'cannot read .*trk/b\.txt'):
        files.read_text('b.txt')


@pytest.mark.parametrize('write, source', [(write_folder, 'trk'), (write_zip, 'trk.zip')])
def test_files_larger_than_any_result(  # type: ignore[no-untyped-def]
    write, source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk, 'MAX_BYTES', 1000)
    files = ResultFiles(write(tmp_path / source, {'a.txt': b'0' * 1000, 'b.txt': b'0' * 1001}))
    assert len(files.read_bytes('a.txt')) == 1000
    with pytest.raises(DataError, match=r'b\.txt has 1001 bytes, expected at most 1000'):
        files.read_bytes('b.txt')


def test_an_archive_that_lies_about_a_size(tmp_path: Path) -> None:
    path = write_zip(tmp_path / 'trk.zip', {'a.txt': b'1' * 10_000_000})
    content, size = path.read_bytes(), (10_000_000).to_bytes(4, 'little')
    assert content.count(size) == 2
    path.write_bytes(content.replace(size, (1000).to_bytes(4, 'little')))
    with pytest.raises(DataError, match=r'cannot read .*a\.txt: Bad CRC-32'):
        ResultFiles(path).read_bytes('a.txt')


def test_archives_that_cannot_be_unpacked(tmp_path: Path) -> None:
    content = bytearray(write_zip(tmp_path / 'locked.zip', {'a.txt': b'1,2,3,4\n'}).read_bytes())
    for mark, offset in ((b'PK\x03\x04', 6), (b'PK\x01\x02', 8)):
        content[content.index(mark) + offset] |= 1  # says that a password is needed
    (tmp_path / 'locked.zip').write_bytes(content)
    with pytest.raises(DataError, match='is encrypted, password required'):
        ResultFiles(tmp_path / 'locked.zip').read_text('a.txt')
    with zipfile.ZipFile(tmp_path / 'odd.zip', 'w', zipfile.ZIP_BZIP2) as archive:
        archive.writestr('a.txt', '1,2,3,4\n')
    with pytest.raises(DataError, match=r'a\.txt is packed in an unusual way'):
        ResultFiles(tmp_path / 'odd.zip').read_text('a.txt')


@pytest.mark.parametrize('name', ['x' * 300, 'x/' * 3000, 'nul\0'])
def test_names_that_cannot_be(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r'^cannot read '):
        ResultFiles(tmp_path / name)


@pytest.mark.parametrize('closed, mode', [('trk', 0), ('trk', 0o600), ('trk/sub', 0), ('trk/a.txt', 0)])
def test_what_may_not_be_read(closed: str, mode: int, tmp_path: Path) -> None:
    write_folder(tmp_path / 'trk', CONTENT)

    def read_all() -> None:
        files = ResultFiles('trk')
        for path in files.paths:
            files.read_bytes(path)

    assert raised_as_nobody(tmp_path, read_all) == ''
    (tmp_path / closed).chmod(mode)
    said = raised_as_nobody(tmp_path, read_all)
    (tmp_path / closed).chmod(0o700)
    assert said.startswith('DataError: cannot read trk') and said.endswith('Permission denied')


def test_links_and_what_is_no_file(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / 'trk', {'a.txt': b'1,2,3,4\n', 'lost+found/b.txt': b''})
    (folder / 'c.txt').symlink_to('a.txt')
    (folder / 'd.txt').symlink_to('nowhere')
    (folder / 'loop').symlink_to('.')
    os.mkfifo(folder / 'e.txt')
    assert ResultFiles(folder).paths == ('a.txt', 'c.txt')


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
