"""`mmgtrack submit`: what is wrong is listed, what is right is packed."""

import argparse
from pathlib import Path

import pytest

from mmgtrack.cli import submit
from mmgtrack.errors import DataError, InputError, OutputError
from mmgtrack.evaluation.results.files import ResultFiles
from mmgtrack.evaluation.submissions import COLLECTORS

from ..evaluation.nobody import raised_as_nobody

LONG = 'x' * 300
ROWS = '10,20,30,40\n11,21,31,41\n'


def run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    submit.add_parser(parser.add_subparsers())
    return submit.run(parser.parse_args(['submit', *words]))


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path('trk').mkdir()
    Path('names.txt').write_text('A,2\nB\n')
    for name in 'AB':
        Path(f'trk/{name}.txt').write_text(ROWS)


def test_pack(capsys: pytest.CaptureFixture[str]) -> None:
    assert run('trackingnet', 'trk', '--sequences', 'names.txt') == 0
    assert capsys.readouterr() == (
        'trk_trackingnet.zip: 2 sequences complete; lengths and first boxes not checked, for want of '
        'annotations\n',
        '',
    )
    assert ResultFiles('trk_trackingnet.zip').paths == ('A.txt', 'B.txt')
    assert run('plain', 'trk', '--sequences', 'names.txt', '--out', 'mine.zip') == 0
    assert run('plain', 'trk', '--sequences', 'names.txt', '--out', 'mine.zip', '--overwrite') == 0
    assert Path('mine.zip').read_bytes() == Path('trk_trackingnet.zip').read_bytes()


def test_check_only(capsys: pytest.CaptureFixture[str]) -> None:
    assert run('plain', 'trk', '--annotations', 'trk', '--check-only') == 0
    assert capsys.readouterr() == ('trk: 2 sequences complete\n', '')
    assert sorted(path.name for path in Path().iterdir()) == ['names.txt', 'trk']


def test_problems_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    Path('trk/A.txt').write_text('10,20,30\n')
    Path('trk/B.txt').unlink()
    with pytest.raises(DataError, match=r'^trk: 2 problems; nothing is written$'):
        run('plain', 'trk', '--sequences', 'names.txt')
    assert capsys.readouterr().out == (
        "trk/A.txt, line 1: expected 4 numbers x,y,w,h, got '10,20,30'\nB: no result\n"
    )
    assert sorted(path.name for path in Path().iterdir()) == ['names.txt', 'trk']


def test_the_published_list_is_the_default(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(DataError, match=r'^trk: 182 problems; nothing is written$'):
        run('got10k', 'trk')
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == 'A: not a sequence of this set' and lines[2] == 'GOT-10k_Test_000001: no result'
    assert len(lines) == 21 and lines[20] == 'and 162 more'


def test_other_boxes() -> None:
    assert run('plain', 'trk', '--sequences', 'names.txt', '--boxes', 'xyxy') == 0
    assert ResultFiles('trk_plain.zip').read_text('A.txt').startswith('10.0000,20.0000,20.0000,20.0000\n')


@pytest.mark.parametrize(
    'words, error, message',
    [
        (
            ['plain', 'trk'],
            InputError,
            'plain has no published list; expected --annotations ROOT',
        ),
        (['plain', 'none', '--sequences', 'names.txt'], DataError, 'none is no folder and no zip archive'),
        (['plain', 'trk', '--sequences', 'none.txt'], DataError, "there is no list of sequences 'none.txt'"),
        (['vot', 'trk', '--annotations', 'none'], DataError, 'none does not exist: give the folder'),
        (['vot', 'trk', '--annotations', 'trk'], DataError, 'trk holds no list.txt of VOT'),
        (['plain', LONG, '--annotations', 'trk'], DataError, '^cannot read x'),
        (['plain', 'trk', '--sequences', LONG], DataError, '^cannot read x'),
        *(([kind, 'trk', '--annotations', LONG], DataError, '^cannot read x') for kind in COLLECTORS),
        (['plain', 'trk', '--sequences', 'names.txt', '--out', LONG], OutputError, '^cannot write x'),
    ],
)
def test_mistakes(words: list[str], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        run(*words)


@pytest.mark.parametrize('option', ['--sequences', '--annotations'])
@pytest.mark.parametrize('kind', list(COLLECTORS))
def test_a_folder_that_may_not_be_looked_into(kind: str, option: str, tmp_path: Path) -> None:
    Path('closed/set').mkdir(parents=True)
    Path('closed').chmod(0)
    said = raised_as_nobody(tmp_path, lambda: run(kind, 'trk', option, 'closed/set', '--check-only'))
    Path('closed').chmod(0o700)
    assert said.startswith('DataError: cannot read closed/set') and said.endswith('Permission denied')


def test_every_kind_is_offered() -> None:
    assert submit._KINDS.keys() == COLLECTORS.keys() | {'lasot'}


def test_a_benchmark_is_read_as_evaluate_reads_it(capsys: pytest.CaptureFixture[str]) -> None:
    for folder in ('Basketball', 'Boy'):
        Path(f'otb/{folder}').mkdir(parents=True)
        Path(f'otb/{folder}/groundtruth_rect.txt').write_text(ROWS)
        Path(f'trk/{folder}.txt').write_text(ROWS)
    Path('chosen.txt').write_text('Boy\n')
    for name in 'AB':
        Path(f'trk/{name}.txt').unlink()
    with pytest.raises(DataError, match='2 of the 100 sequences of OTB-2015'):
        run('otb2015', 'trk', '--annotations', 'otb')
    assert run('otb2015', 'trk', '--annotations', 'otb', '--sequences', 'all') == 0
    assert capsys.readouterr().out == 'trk_otb2015.zip: 2 sequences complete\n'
    with pytest.raises(DataError, match='1 problem'):
        run('otb2015', 'trk', '--annotations', 'otb', '--sequences', 'chosen.txt')
    assert capsys.readouterr().out == 'Basketball: not a sequence of this set\n'


@pytest.mark.parametrize('kind', ['got11k', 'mot', 'trackingnett'])
def test_an_unknown_kind_lists_the_known_ones(kind: str) -> None:
    with pytest.raises(InputError, match=f'no kind of submission {kind!r}; expected one of got10k, .* lasot'):
        run(kind, 'trk', '--sequences', 'names.txt')
