"""`mmgtrack evaluate` and `compare`: tables, files, and one line for each mistake."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import cv2
import pytest

from mmgtrack.cli.main import main
from tests.evaluation.small_lasot import write_annotations, write_results

GOOD = {'cat-1': 4, 'cat-2': 10, 'dog-1': 5}
BAD = {'cat-1': 2, 'cat-2': 1, 'dog-1': 5}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_annotations(tmp_path / 'lasot')
    write_results(tmp_path / 'good', GOOD)
    write_results(tmp_path / 'bad', BAD)
    return tmp_path


def words(folder: Path, command: str, *options: str, sequences: str = 'all') -> list[str]:
    root = str(folder / 'lasot')
    return [command, '--protocol', 'lasot', '--annotations', root, '--sequences', sequences, *options]


def results(folder: Path, *names: str) -> list[str]:
    return [word for name in names for word in ('--results', str(folder / name))]


def test_table(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words(folder, 'evaluate', *results(folder, 'good', 'bad'), '--per-sequence')) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0] == 'LaSOT, test set, 3 sequences, in percent'
    assert out[1].startswith('lasot: absent frames are misses') and 'LaSOT_Evaluation_Toolkit' in out[1]
    assert out[2].split() == [
        'tracker', 'success', 'precision', 'norm_precision', 'success_0.5', 'success_0.75',
    ]  # fmt: skip
    assert out[3].split() == ['good', '95.24', '100.00', '100.00', '100.00', '100.00']
    assert out[4].split() == ['bad', '50.79', '53.33', '53.33', '53.33', '53.33']
    assert [line.split()[:2] for line in out[6:8]] == [['cat-1', 'good'], ['cat-1', 'bad']]


def test_files(folder: Path) -> None:
    options = [f'--{kind}={folder / "out"}.{kind}' for kind in ('json', 'csv')]
    plot = folder / 'curves.png'
    assert (
        main(words(folder, 'evaluate', *results(folder, 'good', 'bad'), *options, '--plot', str(plot))) == 0
    )
    content = json.loads((folder / 'out.json').read_text())
    assert [tracker['name'] for tracker in content['trackers']] == ['good', 'bad']
    rows = list(csv.reader((folder / 'out.csv').open()))
    assert len(rows) == 1 + 2 * 4
    picture = cv2.imread(str(plot))
    assert picture.shape[1] > 2.5 * picture.shape[0]  # three panels side by side
    assert len(list(folder.glob('*.part'))) == 0


def test_a_note_for_all_trackers_is_printed_once(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_results(folder / 'few', {'cat-1': 4})
    command = words(folder, 'evaluate', '--results', str(folder / 'good'), str(folder / 'few'))
    assert main([*command, '--skip-missing']) == 0
    out, err = capsys.readouterr()
    assert '1 sequence, in percent' in out
    assert err.count('2 of 3 sequences left out') == 1
    assert sum('whole numbers' in line for line in err.splitlines()) == 2  # each with its own count


def test_list_of_sequences(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / 'chosen.txt').write_text('dog-1\n\ncat-1\n')
    command = words(folder, 'evaluate', *results(folder, 'good'), sequences=str(folder / 'chosen.txt'))
    assert main(command) == 0
    assert '2 sequences' in capsys.readouterr().out


def test_every_protocol_is_listed_in_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    from mmgtrack.evaluation.benchmarks import all_protocols

    assert main(['evaluate', '--list']) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(':')[0] for line in lines] == [protocol.name for protocol in all_protocols()]
    assert main(['evaluate', '--list', 'pysot']) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(':')[0] for line in lines][:2] == ['lasot@pysot', 'lasot_ext@pysot']


def test_compare(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pair = [str(folder / 'bad'), str(folder / 'good')]
    target = folder / 'comparison.json'
    assert main([*words(folder, 'compare', '--draws', '200', '--json', str(target)), *pair]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0] == 'lasot, success, 3 sequences'
    assert out[1:3] == ['  bad: 50.79', '  good: 95.24']
    assert out[3].startswith('  difference +44.44 points, 95 % of 200 draws of 3 within +0.00 to +')
    assert out[3].endswith('no clear difference')
    assert out[6].split() == ['cat-2', '9.52', '95.24', '+85.71']
    content = json.loads(target.read_text(), parse_constant=pytest.fail)
    assert content['trackers'] == ['bad', 'good'] and len(content['sequences']) == 3


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (['--results', 'good'], '--protocol, --annotations must be given'),
        (['--protocol=lasot', '--annotations=lasot', '--results=good', '--json=no/a'], 'there is no folder'),
        (['--list', 'lasot', 'surplus'], 'unrecognized arguments: surplus (see mmgtrack evaluate --help)'),
        (['--protocol', 'lasot', '--annotations', 'lasot'], '--results must be given'),
        (['--protocol', 'laso', '--annotations', 'lasot', '--results', 'good'], 'did you mean lasot'),
        (['--protocol', 'lasot', '--annotations', 'none', '--results', 'good'], 'none does not exist'),
        (['--protocol', 'lasot', '--annotations', 'lasot', '--results', 'none'], 'none is no folder'),
        (['--protocol', 'lasot', '--annotations', 'lasot', '--results', 'good'], '2 of the 280 sequences'),
        (
            ['--protocol', 'lasot', '--annotations', 'lasot', '--results', 'good', '--sequences', 'no.txt'],
            "cannot read no.txt: No such file or directory: give a file, 'all', or one of",
        ),
        (
            ['--protocol', 'lasot', '--annotations', 'lasot', '--results', 'short', '--sequences', 'all'],
            'cat-1: expected 4 rows, one a frame, got 1',
        ),
        (
            ['--protocol', 'lasot', '--annotations', 'lasot', '--results', 'words', '--sequences', 'all'],
            'words/cat-1.txt, line 2: expected 4 numbers x,y,w,h',
        ),
        (
            ['--protocol=lasot', '--annotations=lasot', '--results=good', '--sequences=all', '--plot=a.gif'],
            'a picture ends in .png, .svg, .pdf, got a.gif',
        ),
        (['--protocol', 'oxuva_dev', '--plot', 'a.png'], 'oxuva_dev has no curve to draw'),
        (['--protocol', 'lasot', '--csv', 'a.x', '--json', 'a.x'], 'files of different names'),
        (['--list', 'nonsense'], "no protocol has 'nonsense' in its name"),
    ],
)  # fmt: skip
def test_mistakes_take_one_line(
    folder: Path,
    options: list[str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, text in (('short', '1,2,3,4\n'), ('words', '1,2,3,4\none,2,3,4\n')):
        write_results(folder / name, GOOD)
        (folder / name / 'cat-1.txt').write_text(text)
    monkeypatch.chdir(folder)
    assert main(['evaluate', *options]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith('mmgtrack: error: ') and message in line


def test_a_list_with_a_sequence_twice(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / 'twice.txt').write_text('cat-1\ndog-1\ncat-1\n')
    command = words(folder, 'evaluate', *results(folder, 'good'), sequences=str(folder / 'twice.txt'))
    assert main(command) == 2
    assert 'twice.txt, line 3: cat-1 stands in line 1 already' in capsys.readouterr().err


def test_as_a_process(folder: Path) -> None:
    command = [sys.executable, '-m', 'mmgtrack', *words(folder, 'evaluate', *results(folder, 'good'))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.splitlines()[-1].split()[:2]) == (0, ['good', '95.24'])
    assert 'whole numbers' in done.stderr
