"""tools/analysis/size_study.py from end to end with small trackers of random weights."""

import json
import runpy
import sys
from pathlib import Path

import cv2
import pytest
import torch
from mmengine.config import Config

from mmgtrack.apis.models import build_network
from mmgtrack.apis.size_study import trained_on
from mmgtrack.datasets import synthetic_clip, write_sequence
from mmgtrack.datasets.study_clips import PairClips
from tests.tools.small_points import SMALL_POINTS, stills
from tests.trackers import CONFIGS, ROOT, SMALL

TOOL = ROOT / 'tools/analysis/size_study.py'


@pytest.fixture(scope='module')
def trackers(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """A small GlobalTrack and a small PointTrack, as the tool wants them."""
    folder = tmp_path_factory.mktemp('models')
    words = []
    for name, config, small in (
        ('boxes', 'globaltrack_mobilenetv2_lite', SMALL),
        ('points', 'point_track_mobilenetv2_lite', SMALL_POINTS),
    ):
        settings = Config.fromfile(CONFIGS / f'{config}.py')
        settings.merge_from_dict(small)
        settings.dump(folder / f'{config}.py')
        torch.manual_seed(0)
        torch.save({'state_dict': build_network(settings).state_dict()}, folder / f'{name}.pth')
        words.append(f'{name}={folder / config}.py,{folder / name}.pth')
    return words


def run(monkeypatch: pytest.MonkeyPatch, *words: object, status: int = 0) -> None:
    monkeypatch.setattr(sys, 'argv', [str(TOOL), *map(str, words)])
    if status == 0:
        runpy.run_path(str(TOOL), run_name='__main__')
        return
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(TOOL), run_name='__main__')
    assert ended.value.code == status


def test_pairs_end_in_a_table_and_a_plot(
    trackers: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ['--pairs', stills(tmp_path / 'images', 8), '--num-pairs', 20, '--out', tmp_path / 'out']
    run(monkeypatch, *trackers, *words, '--canvas', '96,72')
    out = tmp_path / 'out'
    report = json.loads((out / 'table.json').read_text())
    boxes, points = report['trackers'].values()
    assert list(report['trackers']) == ['boxes', 'points'] and report['source']['scale'] == [96, 72]
    assert boxes['shown'] == points['shown'] == boxes['total']['frames']
    assert boxes['shown'] + boxes['absent'] == 20 and boxes['total']['hit'] == boxes['total']['box_hit']
    for each in (boxes, points):
        assert sum(line['frames'] for line in each['lines']) == each['shown']
        assert each['total']['hit'][1] <= each['total']['hit'][0] <= each['total']['hit'][2]
    text = (out / 'table.md').read_text()
    assert text in capsys.readouterr().out and '| all |' in text
    assert cv2.imread(str(out / 'plot.png')).shape[1] > 1000
    # again, with other bins: nothing is measured
    rows = {path: path.stat().st_size for path in (out / 'rows').iterdir()}
    assert {path.stem.partition('_')[0] for path in rows} == {'boxes', 'points'} and len(rows) == 2
    run(monkeypatch, *trackers[:1], *words, '--canvas', '96,72', '--bins', '10,20')
    (again,) = json.loads((out / 'table.json').read_text())['trackers'].values()
    assert [line['label'] for line in again['lines']] == ['< 10', '10-20', '>= 20']
    assert {path: path.stat().st_size for path in rows} == rows


def test_videos_and_what_cannot_be_tracked(
    trackers: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_sequence(synthetic_clip(5, absences={0: (2, 4)}, seed=1), tmp_path / 'videos/one')
    write_sequence(synthetic_clip(4, num_targets=2, seed=2), tmp_path / 'videos/two')
    write_sequence(synthetic_clip(4, absences={0: (0, 2)}, seed=3), tmp_path / 'videos/late')
    words = ['--videos', tmp_path / 'videos', '--out', tmp_path / 'out']
    run(monkeypatch, trackers[1], *words, '--sequences', 'one', 'two')
    found = json.loads((tmp_path / 'out/table.json').read_text())['trackers']['points']
    assert (found['shown'], found['absent'], found['total']['targets']) == (2 + 6, 2, 3)
    capsys.readouterr()
    run(monkeypatch, trackers[1], *words, status=1)
    assert 'not tracked: late: late has no target in its first frame' in capsys.readouterr().out
    again = json.loads((tmp_path / 'out/table.json').read_text())['trackers']['points']
    assert again['total'] == found['total']
    # the same by the data set's name
    named = ['--videos', f'folder={tmp_path / "videos"}', '--sequences', 'one', 'two']
    run(monkeypatch, trackers[1], *named, '--out', tmp_path / 'named')
    assert json.loads((tmp_path / 'named/table.json').read_text())['trackers']['points'] == found


def test_drawn_clips(trackers: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ['--synthetic', '--sides', '6,20', '--seeds', '0-1', '--objects', '2', '--look-alikes', '1']
    run(monkeypatch, trackers[1], *words, '--out', tmp_path)
    report = json.loads((tmp_path / 'table.json').read_text())
    lines = {line['label']: line['frames'] for line in report['trackers']['points']['lines']}
    assert lines['4-8'] == lines['16-32'] == 44 and sum(lines.values()) == 88


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        (['--videos', 'nowhere'], 'nowhere is no folder'),
        (['--videos', 'lasto=.'], "there is no data set 'lasto'; did you mean lasot"),
        (['--synthetic', '--sequences', 'a'], '--sequences names some of --videos'),
        (['--synthetic', '--look-alikes', '-1'], 'one of look-alikes'),
        (['--synthetic', '--objects', '0'], 'a number of objects'),
        (['--synthetic', '--bins', '8,4'], 'above 0 and rising'),
        (['--synthetic', '--bins', '8-4'], 'expected numbers such as'),
        (['--synthetic', '--seed', '-1'], 'expected --seed >= 0, got -1'),
        (['more=nothing', '--synthetic'], "'nothing'"),
        (
            ['more=globaltrack_mobilenetv2_lite,none.pth', '--synthetic'],
            'more: there is no checkpoint none.pth',
        ),
        (['--synthetic', '--sides', 'six'], 'expected numbers such as'),
        (['--pairs', 'a', '--canvas', '72,96'], 'expected LONG,SHORT'),
        ([], 'one of the arguments --pairs --videos --synthetic is required'),
    ],
)
def test_what_is_asked_wrongly_is_said(
    trackers: list[str],
    words: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run(monkeypatch, trackers[0], *words, '--out', tmp_path / 'none', status=2)
    assert message in capsys.readouterr().err and not (tmp_path / 'none').exists()


def test_two_trackers_of_one_name(
    trackers: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(monkeypatch, trackers[0], trackers[0], '--synthetic', status=2)
    assert 'need names that differ' in capsys.readouterr().err


def test_a_tracker_that_fails_leaves_the_others_their_table(
    trackers: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    config, weights = trackers[0].removeprefix('boxes=').split(',')
    wrong = Path(weights).with_name('points.pth')
    words = ['--synthetic', '--sides', '20', '--seeds', '0', '--objects', '1', '--out', tmp_path]
    run(monkeypatch, f'wrong={config},{wrong}', trackers[1], *words, status=1)
    assert '\nwrong: ' in capsys.readouterr().out
    assert list(json.loads((tmp_path / 'table.json').read_text())['trackers']) == ['points']


def test_what_a_tracker_was_trained_on_is_warned_of(tmp_path: Path) -> None:
    images = stills(tmp_path / 'data/images')
    source = PairClips(dict(type='mmgtrack.CocoImages', root=str(images)), 3)
    for root, is_known in ((images, True), (tmp_path / 'data', True), (tmp_path / 'data/images2', False)):
        config = dict(train_dataloader=dict(dataset=dict(sources=[dict(root=str(root)), dict(type='x')])))
        assert trained_on(config, source) == ([str(root)] if is_known else [])
    assert trained_on({}, source) == []
