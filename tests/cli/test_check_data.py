"""`mmgtrack check-data`: what it prints, writes and returns; near matches; Ctrl-C."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from mmgtrack.cli.main import main


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv('MMGTRACK_DATA', raising=False)
    for name, rows in {'Cat_1': 2, 'Dog_2': 1}.items():
        Path(f'data/tnl2k/test/{name}/imgs').mkdir(parents=True)
        Path(f'data/tnl2k/test/{name}/groundtruth.txt').write_text('1,2,3,4\n' * rows)
        cv2.imwrite(f'data/tnl2k/test/{name}/imgs/1.png', np.zeros((60, 80, 3), np.uint8))


def test_what_is_there_and_what_is_broken(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['check-data', 'tnl2k', '--json', 'found.json']) == 1
    out, err = capsys.readouterr()
    assert err == ''
    assert out.splitlines()[:4] == [
        'sequence  frames  targets  present  absent  unlabelled  problems',
        'Cat_1          0        0        0       0           0         1',
        'Dog_2          1        1        1       0           0         0',
        'Cat_1: data/tnl2k/test/Cat_1/imgs has 1 images for the 2 rows of '
        'data/tnl2k/test/Cat_1/groundtruth.txt',
    ]
    assert 'TNL2K, test set, data/tnl2k/test' in out and out.endswith('1 sequence with problems\n')
    content = json.loads(Path('found.json').read_text())
    assert content['data_set'] == 'tnl2k' and content['root'] == 'data/tnl2k/test'
    assert [len(sequence['problems']) for sequence in content['sequences']] == [1, 0]


def test_chosen_sequences_and_brief(capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        main(['check-data', 'tnl2k', 'data/tnl2k/test', '--sequences', 'Dog_2', '--brief', '--decode']) == 0
    )
    out = capsys.readouterr().out
    assert 'Dog_2' not in out and out.endswith('no problems found\n')


def test_sequences_of_the_published_list_that_are_missing(capsys: pytest.CaptureFixture[str]) -> None:
    Path('dtb/Zebra/img').mkdir(parents=True)
    Path('dtb/Zebra/groundtruth_rect.txt').write_text('1,2,3,4\n')
    cv2.imwrite('dtb/Zebra/img/00001.jpg', np.zeros((60, 80, 3), np.uint8))
    assert main(['check-data', 'dtb70', 'dtb', '--brief', '--quiet']) == 1
    assert '69 sequences with problems' in capsys.readouterr().out
    assert main(['check-data', 'dtb70', 'dtb', '--sequences', 'all']) == 0
    assert main(['check-data', 'dtb70', 'dtb', '--sequences', 'Zebra']) == 0


@pytest.mark.parametrize(
    'words, message',
    [
        ([], 'NAME must be given (mmgtrack check-data --list names the data sets)'),
        (['lasto'], "there is no data set 'lasto'; did you mean lasot"),
        (['tnl2k', 'data/tnl3k/test'], 'data/tnl3k/test is no folder: did you mean data/tnl2k/test?'),
        (['tnl2k', '--sequences', 'Cat_2'], "TNL2K, test set has no sequence 'Cat_2', but Cat_1, Dog_2"),
        (
            ['dtb70', 'data/tnl2k'],
            'holds no sequence: expected files such as data/tnl2k/<sequence>/ground',
        ),
        (['tnl2k', '--json', 'no/where.json'], 'cannot write no/where.json: there is no folder'),
    ],
)
def test_mistakes_are_one_line_and_status_2(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(['check-data', *words]) == 2
    out, err = capsys.readouterr()
    assert out == '' and message in err and err.count('\n') == 1


def test_list(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('MMGTRACK_DATA', '/elsewhere')
    assert main(['check-data', '--list']) == 0
    assert '/elsewhere/otb' in capsys.readouterr().out


@pytest.mark.skipif(not hasattr(os, 'mkfifo'), reason='needs something to wait for')
def test_ctrl_c(tmp_path: Path) -> None:
    pipe = Path('data/tnl2k/test/Dog_2/imgs/1.png')
    pipe.unlink()
    os.mkfifo(pipe)  # whoever opens it waits for a writer
    process = subprocess.Popen(
        [sys.executable, '-m', 'mmgtrack', 'check-data', 'tnl2k', '--json', 'found.json'],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    writer = _writer_of(pipe, process)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=300)
    os.close(writer)
    assert (process.returncode, out, err) == (130, '', 'mmgtrack: interrupted\n')
    assert not Path('found.json').exists()


def _writer_of(pipe: Path, process: subprocess.Popen[str]) -> int:
    """The writing end, once the process has opened the other: it then waits for what is written."""
    while process.poll() is None:
        try:
            return os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:  # nobody reads yet
            time.sleep(0.05)
    raise AssertionError('the command has ended')


@pytest.mark.parametrize('meaning, counts', [('absent', ['1', '0']), ('unknown', ['0', '1'])])
def test_what_a_row_without_a_box_means(
    meaning: str, counts: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    Path('own/a/img').mkdir(parents=True)
    Path('own/a/groundtruth.txt').write_text('1,2,3,4\nnan,nan,nan,nan\n')
    for number in (1, 2):
        cv2.imwrite(f'own/a/img/{number}.png', np.zeros((60, 80, 3), np.uint8))
    assert main(['check-data', 'folder', 'own', '--nan-means', meaning]) == 0
    found = capsys.readouterr().out.splitlines()[1].split()
    assert found[4:6] == counts
    assert main(['check-data', 'tnl2k', '--nan-means', meaning]) == 2
    assert '--nan-means is for the data set folder, not for tnl2k' in capsys.readouterr().err
