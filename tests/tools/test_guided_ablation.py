"""tools/analysis/guided_ablation.py from end to end with a small GuidedDetector of random weights."""

import inspect
import json
import os
import re
import runpy
import signal
import sys
import time
from pathlib import Path
from typing import Any

import cv2
import pytest
import torch

from mmgtrack.apis.ablation import Row, Study, Videos, check_choice, read_rows, run_row
from mmgtrack.errors import InputError
from mmgtrack.models import MetaLearner
from mmgtrack.packaged_configs import find_config, run_config
from tests.engine.small_tests import LENGTHS, ROOT, contents, started, write_small, write_videos

TOOL = ROOT / 'tools/analysis/guided_ablation.py'
SHIPPED = ROOT / 'tools/analysis/guided_tables.py'
KEY = 'model.learner.first_steps'
WRONG = """odd = [dict(nane='x')]
unnamed = [dict(name=3, config='x')]
listed = [dict(name='x', config='x', options=['a'])]
single = [dict(name='x', config='x', grid=dict(a=0.5))]
empty = [dict(name='x', config='x', grid=dict(a=[]))]
"""


@pytest.fixture(scope='module')
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Videos, two more to choose by, a config, and a folder of a training with its last checkpoint."""
    folder = tmp_path_factory.mktemp('ablation')
    videos = write_videos(folder / 'videos', {name: LENGTHS[name] for name in 'abd'})
    write_videos(folder / 'others', {'x': 5, 'y': 6})
    config, weights = write_small(folder, 'guided', videos)
    work = folder / 'work_dirs' / 'guided'
    work.mkdir(parents=True)
    weights.rename(work / 'epoch_1.pth')
    (work / 'last_checkpoint').write_text('/elsewhere/guided/epoch_1.pth')  # the folder was moved
    others = dict(data='folder', root=str(folder / 'others'))
    rows: list[dict[str, Any]] = [
        dict(name='full', config=str(config)),
        dict(name='no first steps', config=str(config), options={KEY: 0}),
        dict(name='not trained', config=str(config), checkpoint='nowhere'),
        dict(name='wrong', config=str(config), options={'model.learner.inner_lr': -1}),
        dict(name='tuned', config=str(config), grid={KEY: [0, 5]}, chosen_by=others),
        dict(name='untold', config=str(config), grid={KEY: [0, 5]}),
    ]
    (folder / 'tables.py').write_text(f'mine = {rows!r}\nsame = {rows[:1] * 2!r}\n{WRONG}')
    return folder


def run(monkeypatch: pytest.MonkeyPatch, place: Path, out: Path, *words: object, status: int = 0) -> None:
    given = [
        '--tables', place / 'tables.py', '--work-dirs', place / 'work_dirs', '--out', out, '--device', 'cpu'
    ]  # fmt: skip
    monkeypatch.setattr(sys, 'argv', [str(TOOL), 'mine', *map(str, given), *map(str, words)])
    if status == 0:
        runpy.run_path(str(TOOL), run_name='__main__')
        return
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(TOOL), run_name='__main__')
    assert ended.value.code == status


def test_rows_end_in_a_table_whatever_some_of_them_lack(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ['--rows', 'full', 'no first steps', 'not trained', 'wrong', 'tuned']
    run(monkeypatch, place, tmp_path, *words, '--plot', tmp_path / 'bars.png', status=1)
    report = json.loads((tmp_path / 'table.json').read_text())
    full, fixed, missing, wrong, tuned = report['rows']
    assert [row['name'] for row in report['rows']] == words[1:]
    assert report['sequences'] == ['a', 'b', 'd'] and full['above_first']['auc'] == [0, 0, 0]
    values = [each['auc'] for each in full['sequences'].values()]
    assert full['means']['auc'][0] == pytest.approx(sum(values) / 3)
    assert full['checkpoint'].endswith('guided/epoch_1.pth') and 'success/auc' in full['benchmark']
    assert full['benchmark']['success/auc'] == pytest.approx(full['means']['auc'][0], abs=1e-6)
    assert (
        missing['problem'] == f'no checkpoint in {place / "work_dirs/nowhere"}' and missing['means'] is None
    )
    assert wrong['problem'] and wrong['means'] is None
    # the best of what was tried on the other videos
    best = max(tuned['tried'], key=lambda each: each['auc'])
    assert len(tuned['tried']) == 2 and tuned['chosen'] == best['options']
    assert tuned['sequences'] == (full if best['options'][KEY] == 5 else fixed)['sequences']
    text = (tmp_path / 'table.md').read_text()
    assert text in capsys.readouterr().out and '| not trained | - | - | - | - |' in text
    assert cv2.imread(str(tmp_path / 'bars.png')).shape[1] > 800
    # again: the same results, nothing is tracked
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob('results/*.csv')}
    assert len(before) == 3 * 3 + 2 * 2
    run(monkeypatch, place, tmp_path, *words, status=1)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob('results/*.csv')} == before
    assert json.loads((tmp_path / 'table.json').read_text()) == report


def test_other_data_fewer_rows_and_sequences(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = ['--data', 'folder', '--data-root', place / 'others', '--sequences', 'y']
    run(monkeypatch, place, tmp_path / 'new/out', *data, '--rows', 'no first steps', 'full')
    report = json.loads((tmp_path / 'new/out/table.json').read_text())
    assert [row['name'] for row in report['rows']] == ['full', 'no first steps']
    assert report['sequences'] == ['y'] and 'own/success' in report['rows'][0]['benchmark']
    given = ['--choose-data', 'folder', '--choose-root', place / 'others', '--choose-sequences', 'x']
    run(monkeypatch, place, tmp_path / 'other', '--rows', 'untold', '--sequences', 'd', *given)
    (row,) = json.loads((tmp_path / 'other/table.json').read_text())['rows']
    assert list(row['sequences']) == ['d'] and row['chosen'] in [each['options'] for each in row['tried']]
    # other videos are no rows of the same table, and results that were made otherwise are not mixed
    run(monkeypatch, place, tmp_path / 'new/out', '--rows', 'full', status=2)
    assert json.loads((tmp_path / 'new/out/table.json').read_text()) == report
    (tmp_path / 'new/out/table.json').unlink()
    run(monkeypatch, place, tmp_path / 'new/out', '--rows', 'full', status=1)
    (row,) = json.loads((tmp_path / 'new/out/table.json').read_text())['rows']
    assert 'made otherwise' in row['problem'] and '--overwrite' in row['problem']
    assert not row['sequences']
    run(monkeypatch, place, tmp_path / 'new/out', '--rows', 'full', '--overwrite')
    # rows of earlier calls stay
    run(monkeypatch, place, tmp_path / 'new/out', '--rows', 'no first steps', status=1)
    full, fixed = json.loads((tmp_path / 'new/out/table.json').read_text())['rows']
    assert list(full['sequences']) == ['a', 'b', 'd'] and not full['problem']
    assert not fixed['sequences'] and 'made otherwise' in fixed['problem']


def test_an_interrupted_table_goes_on(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = [
        sys.executable, TOOL, 'mine', '--tables', place / 'tables.py', '--work-dirs', place / 'work_dirs',
        '--out', tmp_path / 'out', '--rows', 'full', 'no first steps', '--device', 'cpu',
    ]  # fmt: skip
    process = started(*words, cwd=ROOT)
    first = tmp_path / 'out/full/results/a.csv'
    deadline = time.monotonic() + 300
    while not first.exists() and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 130, output
    assert 'Traceback' not in output
    kept = contents(tmp_path / 'out')
    run(monkeypatch, place, tmp_path / 'out', '--rows', 'full', 'no first steps')
    assert kept.items() <= contents(tmp_path / 'out').items()
    report = json.loads((tmp_path / 'out/table.json').read_text())
    assert [len(row['sequences']) for row in report['rows']] == [3, 3]


@pytest.mark.parametrize(
    'words, message',
    [
        (['--rows', 'ful'], r"there is no row 'ful'; did you mean full"),
        (['--rows', 'untold'], "'untold' tries several values: say on which videos"),
        (['--rows', 'untold', '--choose-sequences', 'x', 'b'], 'by videos that are reported, such as b'),
        (['--rows', 'full', '--plot', 'bars.gif'], 'a picture ends in .png'),
        (
            ['--rows', 'full', '--out', '/dev/null/out'],
            'cannot make the folder /dev/null/out: Not a directory',
        ),
    ],
)
def test_mistakes(
    place: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    message: str,
) -> None:
    run(monkeypatch, place, tmp_path, *words, status=2)
    assert re.match(f'error: .*{message}', capsys.readouterr().err)


@pytest.mark.parametrize(
    'table, message',
    [
        ('mein', r"has no table 'mein'; did you mean mine"),
        ('same', 'need names that differ'),
        ('odd', 'each row of odd is a dict of name, config, checkpoint, options, grid, chosen_by'),
        ('unnamed', 'name and config are text, got 3 and'),
        ('listed', r"options and grid are dicts, got \['a'\] and"),
        ('single', 'the grid has a list of values for a, got 0.5'),
        ('empty', r'the grid has a list of values for a, got \[\]'),
    ],
)
def test_tables_that_are_none(place: Path, table: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_rows(place / 'tables.py', table)


def test_what_a_study_leaves_open_of_the_choice_is_the_rows_own(place: Path, tmp_path: Path) -> None:
    others, reported = str(place / 'others'), str(place / 'videos')
    row = Row('x', str(place / 'guided.py'), grid={KEY: [0]}, chosen_by=Videos('folder', others, ['x']))
    for videos in (Videos(), Videos('folder', reported), Videos('folder', others, ['y'])):
        check_choice(row, Study(videos, tmp_path))
    for videos, choice in (
        (Videos('folder', others), None),
        (Videos('folder', others, ['y']), Videos(sequences=['y', 'x'])),
        (Videos(), Videos(root=reported, sequences=['a'])),
    ):
        with pytest.raises(InputError, match='would be chosen by videos that are reported'):
            check_choice(row, Study(videos, tmp_path, chosen_by=choice))


def test_problems_of_a_row_are_its_own(place: Path, tmp_path: Path) -> None:
    """A training that goes on; numbers that no machine holds; values at the edge of their grid."""
    config, work = str(place / 'guided.py'), tmp_path / 'work'
    work.mkdir()
    content = torch.load(place / 'work_dirs/guided/epoch_1.pth') | {'meta': {'epoch': 3}}
    torch.save(content, work / 'epoch_3.pth')
    study = Study(Videos(sequences=['d']), tmp_path, device='cpu')
    others = Videos('folder', str(place / 'others'), ['x'])
    grid = {KEY: [1, 0, 2], 'model.learner.anchor': ['initial']}
    found = run_row(Row('short', config, str(work / 'epoch_3.pth'), grid=grid, chosen_by=others), study)
    assert found.problem == 'epoch_3.pth is of epoch 3 of 8: not trained to the end' and found.sequences
    assert found.settings['at_edge'] == ([KEY] if found.settings['chosen'][KEY] != 1 else [])
    assert [each['problem'] for each in found.settings['tried']] == [None] * 3
    huge = Row('huge', config, str(work / 'epoch_3.pth'), {'model.search.size': 10**8})
    found = run_row(huge, study)
    assert re.match('(RuntimeError|MemoryError|error): ', found.problem) and not found.sequences


@pytest.mark.parametrize('table', ['table1', 'table2', 'light_table1'])
def test_shipped_rows_change_what_their_configs_have(table: str) -> None:
    rows = read_rows(SHIPPED, table)
    assert all(isinstance(row, Row) for row in rows)
    for row in rows:
        config = run_config(find_config(row.config.removeprefix('mmgtrack::')))
        assert config.model.type == 'mmgtrack.GuidedDetector'
        for key in {**row.options, **row.grid}:
            part, _, name = key.removeprefix('model.').partition('.')
            assert part == 'exemplar' or name in inspect.signature(MetaLearner).parameters, key
