"""The index: made once, then only for what changed; read-only data, broken files, two at once."""

import json
import os
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from mmgtrack.datasets import BenchmarkReader
from mmgtrack.datasets.sequence_index import cache_folder, load_index
from mmgtrack.errors import DataError

OLD = 1_600_000_000
NAMES = ('a', 'b', 'c')


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv('MMGTRACK_CACHE', str(tmp_path / 'cache'))
    return tmp_path / 'cache' / 'indices'


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """DTB70 with sequences of 1, 2 and 3 frames, unpacked long ago."""
    for count, name in enumerate(NAMES, start=1):
        images = tmp_path / 'data' / name / 'img'
        images.mkdir(parents=True)
        for number in range(1, count + 1):
            (images / f'{number:05d}.jpg').touch()
        (images.parent / 'groundtruth_rect.txt').write_text('1,2,3,4\n' * count)
    age(tmp_path / 'data')
    return tmp_path / 'data'


def age(root: Path, seconds: int = 0) -> None:
    for path in [root, *root.rglob('*')]:
        os.utime(path, (OLD + seconds, OLD + seconds))


class Counting(BenchmarkReader):
    """Remembers which sequences it looked at."""

    def __init__(self, root: Path) -> None:
        super().__init__(str(root), 'dtb70')
        self.looked_at: list[str] = []

    def _count_frames(self, name: str) -> int:
        self.looked_at.append(name)
        return super()._count_frames(name)


def counts(reader: BenchmarkReader) -> list[int]:
    return [reader.num_frames(index) for index in range(len(reader))]


def test_made_once_and_then_read(root: Path, cache: Path) -> None:
    first, second = Counting(root), Counting(root)
    assert first.looked_at == []  # opening alone looks at nothing
    assert counts(first) == counts(second) == [1, 2, 3]
    assert first.looked_at == ['a', 'b', 'c'] and second.looked_at == []
    assert len(list(cache.iterdir())) == 1


def test_only_what_changed_is_looked_at_again(root: Path) -> None:
    assert counts(Counting(root)) == [1, 2, 3]
    (root / 'a/groundtruth_rect.txt').write_text('1,2,3,4\n' * 2)
    (root / 'a/img/00002.jpg').touch()
    (root / 'd').mkdir()
    (root / 'd/groundtruth_rect.txt').write_text('1,2,3,4\n')
    age(root / 'a', 10)
    age(root / 'd', 10)
    reader = Counting(root)
    assert counts(reader) == [2, 2, 3, 0]  # d has no images
    assert reader.looked_at == ['a', 'd']
    assert 'should have 1 frames' in str(reader.index['d'].problem)
    (root / 'b/img/00002.jpg').unlink()
    os.utime(root / 'b/img', (OLD + 10, OLD + 10))
    reader = Counting(root)
    assert counts(reader) == [2, 0, 3, 0] and reader.looked_at == ['b']


def test_what_has_just_changed_is_not_relied_upon(root: Path) -> None:
    (root / 'a/groundtruth_rect.txt').touch()
    for _ in range(2):
        reader = Counting(root)
        assert counts(reader) == [1, 2, 3]
    assert reader.looked_at == ['a']


def test_other_roots_and_readers_have_indices_of_their_own(root: Path, cache: Path, tmp_path: Path) -> None:
    counts(Counting(root))
    root.rename(tmp_path / 'moved')
    reader = Counting(tmp_path / 'moved')
    assert counts(reader) == [1, 2, 3] and len(reader.looked_at) == 3
    assert len(list(cache.iterdir())) == 2


@pytest.mark.parametrize(
    'damage',
    [
        lambda content: b'',
        lambda content: b'\xff\x00rubbish',
        lambda content: b'[]',
        lambda content: content[: len(content) // 2],
        lambda content: content.replace(b'"format": 1', b'"format": 99'),
        lambda content: content.replace(b'"key": "', b'"key": "of something else '),
        lambda content: json.dumps({**json.loads(content), 'entries': {'a': ['x']}}).encode(),
        lambda content: json.dumps({**json.loads(content), 'entries': {'a': []}}).encode(),
        lambda content: json.dumps({**json.loads(content), 'entries': [1]}).encode(),
    ],
)
def test_a_broken_or_foreign_index_is_made_anew(root: Path, cache: Path, damage) -> None:  # type: ignore[no-untyped-def]
    counts(Counting(root))
    (file,) = cache.iterdir()
    whole = file.read_bytes()
    file.write_bytes(damage(whole))
    reader = Counting(root)
    assert counts(reader) == [1, 2, 3] and reader.looked_at == ['a', 'b', 'c']
    assert json.loads(file.read_bytes()) == json.loads(whole)
    assert [path.name for path in cache.iterdir()] == [file.name]  # nothing half-written stays


def test_a_cache_folder_that_cannot_be_used_costs_time_only(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / 'file').write_text('')
    monkeypatch.setenv('MMGTRACK_CACHE', str(tmp_path / 'file'))
    for _ in range(2):
        with pytest.warns(UserWarning, match=r'cannot keep the index in .*file/indices \(.*\)') as caught:
            assert counts(Counting(root)) == [1, 2, 3]
        assert len(caught) == 1


def test_data_that_may_only_be_read(root: Path) -> None:
    folders = [root, *(path for path in root.rglob('*') if path.is_dir())]
    try:
        for folder in folders:
            folder.chmod(0o555)
        with warnings.catch_warnings():
            warnings.simplefilter('error')
            assert counts(Counting(root)) == counts(Counting(root)) == [1, 2, 3]
    finally:
        for folder in folders:
            folder.chmod(0o755)
    assert sorted(path.name for path in root.rglob('*') if path.is_file()) == sorted(
        ['00001.jpg', '00001.jpg', '00001.jpg', '00002.jpg', '00002.jpg', '00003.jpg']
        + ['groundtruth_rect.txt'] * 3
    )


@pytest.mark.parametrize(
    'environment, expected',
    [
        ({'MMGTRACK_CACHE': '/m', 'XDG_CACHE_HOME': '/x'}, '/m'),
        ({'MMGTRACK_CACHE': '', 'XDG_CACHE_HOME': '/x'}, '/x/mmgtrack'),
        ({'MMGTRACK_CACHE': '', 'XDG_CACHE_HOME': '', 'HOME': '/h'}, '/h/.cache/mmgtrack'),
    ],
)
def test_where_the_cache_is(
    environment: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert cache_folder() == Path(expected)


@pytest.fixture
def processes(root: Path) -> Iterator[list[subprocess.Popen[str]]]:
    code = f"""
from mmgtrack.datasets import BenchmarkReader
reader = BenchmarkReader({str(root)!r}, 'dtb70')
print([reader.num_frames(index) for index in range(3)])
"""
    started = [
        subprocess.Popen([sys.executable, '-c', code], stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    yield started
    for process in started:
        process.kill()


def test_several_processes_at_once(processes: list[subprocess.Popen[str]], cache: Path, root: Path) -> None:
    assert [process.communicate(timeout=300)[0] for process in processes] == ['[1, 2, 3]\n'] * 2
    assert len(list(cache.iterdir())) == 1
    assert len(BenchmarkReader(str(root), 'dtb70').index) == 3


def test_a_problem_is_kept_and_others_go_on(tmp_path: Path) -> None:
    def count(name: str) -> int:
        if name == 'b':
            raise DataError('b is broken')
        return 7

    entries = load_index('key', {name: (tmp_path,) for name in NAMES}, count)
    assert [entries[name].frames for name in NAMES] == [7, 0, 7]
    assert [entries[name].problem for name in NAMES] == [None, 'b is broken', None]


def test_progress_while_it_is_made(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    counts(Counting(root))
    assert capsys.readouterr().err == ''  # a few seconds of work are silent
    monkeypatch.setattr('mmgtrack.countdown._LINE_EVERY_S', 0.0)
    for name in NAMES:
        (root / name / 'groundtruth_rect.txt').touch()
    counts(Counting(root))
    assert capsys.readouterr().err.startswith('1 of 3 sequences indexed, ')
