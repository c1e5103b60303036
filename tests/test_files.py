"""Writing files: nothing half-written, and nothing destroyed that is no file."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from mmgtrack.errors import OutputError
from mmgtrack.files import check_target, replacing


def write(path: Path, text: bytes = b'new') -> None:
    with replacing(path) as file:
        file.write(text)


def test_a_block_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / 'a.txt'
    path.write_text('old')
    with pytest.raises(RuntimeError), replacing(path) as file:
        file.write(b'half')
        raise RuntimeError
    assert path.read_text() == 'old'
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_stays_and_its_file_is_replaced(tmp_path: Path) -> None:
    (tmp_path / 'real').mkdir()
    target, link = tmp_path / 'real' / 'a.txt', tmp_path / 'link.txt'
    target.write_text('old')
    link.symlink_to(target)
    write(link)
    assert link.is_symlink() and target.read_text() == 'new'


def test_a_pipe_is_written_to(tmp_path: Path) -> None:
    pipe = tmp_path / 'pipe'
    os.mkfifo(pipe)
    found: list[bytes] = []
    reader = threading.Thread(target=lambda: found.append(pipe.read_bytes()))
    reader.start()
    write(pipe)
    reader.join(10)
    assert found == [b'new'] and pipe.is_fifo()


def test_a_device_stays_a_device(tmp_path: Path) -> None:
    write(Path('/dev/null'))
    assert Path('/dev/null').is_char_device()


def test_what_cannot_be_written(tmp_path: Path) -> None:
    for check in (write, check_target):
        with pytest.raises(OutputError, match='cannot write'):
            check(tmp_path)
        with pytest.raises(OutputError, match='cannot write'):
            check(tmp_path / 'none' / 'a.txt')
    check_target(tmp_path / 'a.txt')


@pytest.mark.parametrize('into_file', [False, True])
def test_what_was_printed_to_a_stream_stays(tmp_path: Path, into_file: bool) -> None:
    code = (
        "from mmgtrack.files import replacing\nprint('printed')\n"
        "with replacing('/dev/stdout') as file:\n    file.write(b'written')\n"
    )
    target = tmp_path / 'all.txt'
    with target.open('wb') as file:
        stream = file if into_file else subprocess.PIPE
        done = subprocess.run([sys.executable, '-c', code], stdout=stream, check=True)
    assert (target.read_bytes() if into_file else done.stdout) == b'printed\nwritten'


def test_names_that_no_file_can_have(tmp_path: Path) -> None:
    for name in ('x' * 300, 'a\0b'):
        for check in (write, check_target):
            with pytest.raises(OutputError, match='cannot write'):
                check(tmp_path / name)


def test_a_link_to_a_folder_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / 'link').symlink_to(tmp_path / 'none' / 'a.txt')
    with pytest.raises(OutputError, match='there is no folder'):
        check_target(tmp_path / 'link')
