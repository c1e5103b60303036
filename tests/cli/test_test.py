"""``mmgtrack test``: what it prints, its exit status, and Ctrl-C."""

import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from mmgtrack.cli.main import main
from tests.engine.small_tests import LENGTHS, ROOT, contents, started, write_small, write_videos


@pytest.fixture(scope='module')
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp('small')
    return write_small(folder, 'stark', write_videos(folder / 'videos', {'a': 5, 'b': 4}))


def words(small: tuple[Path, Path], folder: Path, *more: str) -> list[str]:
    options = ['--work-dir', str(folder / 'work'), '--out', str(folder / 'out'), '--device', 'cpu', *more]
    name = f'experiment_name={folder.name}_{time.monotonic_ns()}'
    return ['test', str(small[0]), str(small[1]), *options, '--cfg-options', name]


def test_a_good_run_ends_with_the_numbers(
    small: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    assert main(words(small, tmp_path)) == 0
    said = capsys.readouterr().out
    assert f'{tmp_path}/out: 2 of 2 sequences\n' in said
    assert [line.split()[0] for line in said.splitlines() if line.startswith('own/')][:1] == ['own/success']


def test_broken_sequences_are_status_1(
    small: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    videos = write_videos(tmp_path / 'videos', {'a': 5, 'b': 4})
    (videos / 'a/img/000003.png').unlink()
    (videos / 'a/img/000003.png').write_bytes(b'no image')
    line = words(small, tmp_path)
    root = [f'test_dataloader.dataset.root={videos}', f'test_evaluator.0.annotations={videos}']
    assert main([*line, *root]) == 1
    said = capsys.readouterr().out
    assert f'broken: a: cannot read the image {videos}/a/img/000003.png' in said
    assert f'{tmp_path}/out: 1 of 2 sequences, 1 broken (failed.json)\n' in said


def test_names_may_stand_in_a_file(small: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / 'names.txt').write_text('b\n')
    assert main(words(small, tmp_path, '--sequences', str(tmp_path / 'names.txt'))) == 0
    assert list(contents(tmp_path / 'out')) == ['b.csv']
    (log,) = (tmp_path / 'work').rglob('*.log')
    assert 'Epoch(test) [1/1]' in log.read_text()


@pytest.mark.parametrize(
    'more, message',
    [
        (['--data', 'lasott'], "mmgtrack: error: there is no data set 'lasott'"),
        (['--protocol', 'lasott'], "mmgtrack: error: there is no protocol 'lasott'"),
        (['--precision', 'half'], "mmgtrack: error: argument --precision: invalid choice: 'half'"),
        (['--device', 'cuda'], 'mmgtrack: error: process 1 of this machine needs a CUDA GPU of its own'),
    ],
)
def test_mistakes_are_one_line_and_status_2(
    more: list[str],
    message: str,
    small: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    monkeypatch.setattr('torch.cuda.device_count', lambda: 0)
    assert main(words(small, tmp_path, *more)) == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith(message)


def test_numbers_are_shown_though_the_submission_fails(
    small: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    videos = write_videos(tmp_path / 'videos', {'a': 4, 'b': 4})
    target = tmp_path / 'gone' / 'archive.zip'
    target.parent.mkdir()
    line = words(small, tmp_path, '--data', 'folder', '--data-root', str(videos), '--submission', str(target))
    # there before the work, gone after it
    done = Path(f'{tmp_path}/out/a.csv')
    watch = threading.Thread(target=remove_when, args=(target.parent, done))
    watch.start()
    assert main(line) == 2
    watch.join()
    said = capsys.readouterr()
    assert f'{tmp_path}/out: 2 of 2 sequences\n' in said.out and 'own/success' in said.out
    assert 'written' not in said.out
    assert said.err.splitlines()[-1].startswith('mmgtrack: error: ')


def remove_when(folder: Path, file: Path) -> None:
    end = time.monotonic() + 300
    while not file.exists() and time.monotonic() < end:
        time.sleep(0.002)
    folder.rmdir()


def test_an_interrupted_run_keeps_what_is_done_and_goes_on(tmp_path: Path) -> None:
    videos = write_videos(tmp_path / 'videos', {name: 20 * length for name, length in LENGTHS.items()})
    config, checkpoint = write_small(tmp_path, 'stark', videos)
    command = [sys.executable, ROOT / 'tools/test.py', config, checkpoint, '--out', 'out', '--device', 'cpu']
    run = started(*command, cwd=tmp_path)
    while run.poll() is None and not (tmp_path / 'out/b.csv').exists():
        time.sleep(0.01)
    os.kill(run.pid, signal.SIGINT)
    said, _ = run.communicate(timeout=300)
    assert run.returncode == 130, said
    done = contents(tmp_path / 'out')
    assert 'b.csv' in done and len(done) < len(LENGTHS)
    assert 'Traceback' not in said and not list((tmp_path / 'out').glob('*.part'))
    again = started(*command, cwd=tmp_path)
    said, _ = again.communicate(timeout=300)
    assert again.returncode == 0, said
    assert done.items() <= contents(tmp_path / 'out').items()
    assert f'{len(LENGTHS) - len(done)} of 5 sequences to track' in said
