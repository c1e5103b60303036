"""tools/analysis/distractors.py from end to end with a small model of random weights."""

import csv
import json
import re
import runpy
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config

from mmgtrack import Tracker
from mmgtrack.apis.candidate_cache import CandidateCache, read_found, search_clip
from mmgtrack.apis.models import build_network
from mmgtrack.association import AssociationRules
from mmgtrack.datasets import look_alike_clip, synthetic_clip, write_sequence
from mmgtrack.errors import DataError, InputError
from mmgtrack.evaluation.choices import associated, top_1
from mmgtrack.structures import Calibration
from tests.trackers import CONFIGS, SMALL, small_global_track, spread_weights

TOOL = Path(__file__).parents[2] / 'tools/analysis/distractors.py'
BLIND = ['top-1', 'association without re-id']


@pytest.fixture(scope='module')
def model(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Config and checkpoint of a light GlobalTrack at a quarter of its width."""
    folder = tmp_path_factory.mktemp('model')
    small = Config.fromfile(CONFIGS / 'globaltrack_mobilenetv2_lite.py')
    small.merge_from_dict(SMALL)
    small.dump(folder / 'small.py')
    torch.save({'state_dict': small_global_track().state_dict()}, folder / 'small.pth')
    return [folder / 'small.py', folder / 'small.pth']


@pytest.fixture(scope='module')
def dm_track(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Config and checkpoint of the light DMTrack on small images."""
    folder = tmp_path_factory.mktemp('dm_track')
    config = Config.fromfile(CONFIGS / 'dmtrack_mobilenetv2_lite.py')
    config.merge_from_dict({'model.data_preprocessor.resize': (96, 72), 'model.association.low_score': 0.0})
    config.dump(folder / 'dm.py')
    torch.manual_seed(0)
    tracker = build_network(config)
    spread_weights(tracker)
    torch.save({'state_dict': tracker.state_dict()}, folder / 'dm.pth')
    return [folder / 'dm.py', folder / 'dm.pth']


def run(monkeypatch: pytest.MonkeyPatch, *words: object) -> None:
    monkeypatch.setattr(sys, 'argv', ['distractors.py', *map(str, words)])
    runpy.run_path(str(TOOL), run_name='__main__')


def test_drawn_clips_end_in_a_table_and_files(
    model: list[Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip('trackeval')
    files = {kind: tmp_path / f'found.{kind}' for kind in ('json', 'csv', 'png')}
    words = ['--json', files['json'], '--csv', files['csv'], '--plot', files['png']]
    run(monkeypatch, *model, '--seeds', '0-1', '--cache', tmp_path / 'kept', *words)
    report = json.loads(files['json'].read_text())
    assert report['model'] == 'small' and report['rules']['confirm_hits'] >= 1
    assert [(row['clip'], row['way']) for row in report['clips']] == [
        (clip, way) for clip in ('seed 0', 'seed 1') for way in BLIND
    ]
    lines = list(csv.DictReader(files['csv'].read_text().splitlines()))
    for row, line in zip(report['clips'], lines, strict=True):
        assert line['clip'] == row['clip'] and float(line['auc']) == row['auc']
        assert 0 <= row['on_target'] + row['away'] <= 1
        assert row['claimed_distractor'] <= row['on_distractor']
    for way in BLIND:
        values = [row['on_distractor'] for row in report['clips'] if row['way'] == way]
        mean, low, high = report['means'][way]['on_distractor']
        assert mean == pytest.approx(np.mean(values)) and low <= mean <= high
    assert cv2.imread(str(files['png'])).shape[1] > 1000
    printed = capsys.readouterr().out
    assert 'mean of 2 clips' in printed and 'presence right' in printed
    # the candidates are there now, and no other file
    assert len(list((tmp_path / 'kept').iterdir())) == 2
    before = files['csv'].read_bytes()
    run(monkeypatch, *model, '--seeds', '0-1', '--cache', tmp_path / 'kept', '--csv', files['csv'])
    assert files['csv'].read_bytes() == before
    run(monkeypatch, *model, '--seeds', '0-1', '--csv', files['csv'])
    assert files['csv'].read_bytes() == before


def test_sequences_have_no_annotated_distractors(
    model: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_sequence(synthetic_clip(4, seed=1), tmp_path / 'data' / 'one')
    write_sequence(synthetic_clip(4, num_targets=2, seed=2), tmp_path / 'data' / 'two')
    write_sequence(synthetic_clip(4, seed=3), tmp_path / 'data' / 'unwanted')
    words = ['--sequences', tmp_path / 'data', '--include', 'one', 'two', '--json', tmp_path / 'out.json']
    run(monkeypatch, *model, *words, '--plot', tmp_path / 'bars.svg')
    rows = json.loads((tmp_path / 'out.json').read_text())['clips']
    assert [row['clip'] for row in rows[::2]] == ['one', 'two#1', 'two#2']
    assert all(row['on_distractor'] is row['hota'] is row['switches'] is None for row in rows)
    assert all(0 <= row['on_target'] <= 1 for row in rows)
    printed = capsys.readouterr().out
    assert 'two#2' in printed and 'distractor' not in printed
    assert (tmp_path / 'bars.svg').read_bytes().startswith(b'<?xml')


def test_thresholds_and_grids(
    model: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip('trackeval')
    words = [*model, '--seeds', '3', '--cache', tmp_path, '--json', tmp_path / 'out.json']
    run(monkeypatch, *words, '--set', 'association.low_score=0.01', 'association.confirm_hits=4')
    rules = json.loads((tmp_path / 'out.json').read_text())['rules']
    assert (rules['low_score'], rules['confirm_hits']) == (0.01, 4)
    run(monkeypatch, *words, '--grid', 'association.smoothing=0.5,0.8', 'association.gate=20')
    report = json.loads((tmp_path / 'out.json').read_text())
    assert list(report['means']) == ['smoothing=0.5 gate=20', 'smoothing=0.8 gate=20']
    assert len(re.findall(r'^smoothing=0\.[58] gate=20 +\d', capsys.readouterr().out, re.MULTILINE)) == 2


def test_what_is_kept_is_what_was_found(model: list[Path], tmp_path: Path) -> None:
    tracker = Tracker(*model)
    clip = look_alike_clip(0, num_frames=4)
    box = clip.boxes[0, 0]
    fresh = search_clip(tracker, clip.frames, box)
    cache = CandidateCache(tracker, tmp_path / 'kept')
    cache.search(clip.frames, box)
    (path,) = (tmp_path / 'kept').iterdir()
    path_age = path.stat().st_mtime_ns
    kept = cache.search(clip.frames, box)
    assert path.stat().st_mtime_ns == path_age
    for name in ('given', 'boxes', 'scores', 'valid'):
        np.testing.assert_array_equal(getattr(kept, name), getattr(fresh, name))
    assert kept.template is kept.embeddings is None
    cache.search(clip.frames, box + 1)
    brighter = clip.frames.copy()
    brighter[2, 0, 0] += 1
    cache.search(brighter, box)
    assert len(list((tmp_path / 'kept').iterdir())) == 3
    with pytest.raises(InputError, match='at least two frames, got 1'):
        search_clip(tracker, clip.frames[:1], box)


def one_array(path: Path) -> None:
    with path.open('wb') as file:
        np.save(file, np.zeros(3))


@pytest.mark.parametrize(
    'damage',
    [
        lambda path: path.write_bytes(b''),
        lambda path: path.write_bytes(b'PK'),
        lambda path: path.write_bytes(b'no archive'),
        lambda path: path.write_bytes(path.read_bytes()[:-100]),
        lambda path: np.savez(path, given=np.zeros(4), boxes=np.zeros((1, 1, 4))),
        one_array,
    ],
    ids=['empty', 'a beginning', 'a text', 'cut off', 'not all parts', 'one array'],
)
def test_damaged_files_are_named(damage: Callable[[Path], object], tmp_path: Path) -> None:
    path = tmp_path / 'kept.npz'
    boxes = np.zeros((2, 3, 4))
    np.savez(path, given=np.zeros(4), boxes=boxes, scores=boxes[..., 0], valid=boxes[..., 0] == 0)
    assert read_found(path).boxes.shape == (2, 3, 4)
    damage(path)
    with pytest.raises(DataError, match=r'kept\.npz is damaged: remove it'):
        read_found(path)


def test_top_1_is_what_the_tracker_does(model: list[Path]) -> None:
    tracker = Tracker(*model)
    clip = look_alike_clip(1, num_frames=8)
    tracks, _ = tracker.track(clip.frames[1:], tracker.encode(clip.frames[0], clip.boxes[0, :1]))
    choice = top_1(search_clip(tracker, clip.frames, clip.boxes[0, 0]))
    np.testing.assert_allclose(choice.boxes, tracks.boxes[:, 0], atol=1e-5)
    np.testing.assert_allclose(choice.scores, tracks.scores[:, 0], atol=1e-7)


def test_association_is_what_dmtrack_does(dm_track: list[Path]) -> None:
    tracker = Tracker(*dm_track)
    clip = look_alike_clip(1, num_frames=12)
    tracks, _ = tracker.track(clip.frames[1:], tracker.encode(clip.frames[0], clip.boxes[0, :1]))
    found = search_clip(tracker, clip.frames, clip.boxes[0, 0])
    choice = associated(found, tracker.model.association)
    np.testing.assert_allclose(choice.boxes, tracks.boxes[:, 0], atol=1e-4)
    np.testing.assert_allclose(choice.scores, tracks.scores[:, 0], atol=1e-6)
    assert len(set(choice.tracklets.ids)) > 1
    assert not np.allclose(choice.boxes, associated(found, AssociationRules(low_score=1.0)).boxes)


def test_of_a_calibrated_model_its_threshold_decides_as_in_tracking(dm_track: list[Path]) -> None:
    tracker, believed = Tracker(*dm_track), runpy.run_path(str(TOOL))['believed']
    clip = look_alike_clip(1, num_frames=12)
    choice = associated(search_clip(tracker, clip.frames, clip.boxes[0, 0]), tracker.model.association)
    assert believed(tracker, choice).tolist() == choice.taken.tolist()
    low, high = np.sort(choice.scores)[4:6]
    tracker.model.calibration = Calibration(threshold=float(low + high) / 2)
    tracks, _ = tracker.track(clip.frames[1:], tracker.encode(clip.frames[0], clip.boxes[0, :1]))
    assert believed(tracker, choice).tolist() == tracks.present[:, 0].tolist()
    assert 0 < tracks.present.sum() < len(choice.taken)


def test_four_choices_with_embeddings(
    dm_track: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip('trackeval')
    run(monkeypatch, *dm_track, '--seeds', '0', '--cache', tmp_path, '--json', tmp_path / 'out.json')
    report = json.loads((tmp_path / 'out.json').read_text())
    assert list(report['means']) == ['top-1', 're-id', 'association', 'association without re-id']
    assert report['rules']['low_score'] == 0  # of the model's own config
    run(monkeypatch, *dm_track, '--seeds', '0', '--cache', tmp_path, '--csv', tmp_path / 'out.csv')
    lines = list(csv.DictReader((tmp_path / 'out.csv').read_text().splitlines()))
    assert [float(line['auc']) for line in lines] == [row['auc'] for row in report['clips']]


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        (['--seeds', '9-3'], "expects a seed or FIRST-LAST, got '9-3'"),
        (['--seeds', 'x'], 'expects a seed'),
        (['--look-alikes', '0'], '--look-alikes >= 1'),
        (['--weight', '2'], '--weight in [0, 1]'),
        (['--include', 'one'], '--include names folders of --sequences'),
        (['--sequences', 'nowhere'], 'nowhere'),
        (['--set', 'smoothing=0.5'], 'expected association.NAME=VALUE, got smoothing'),
        (['--set', 'association.smothing=0.5'], "did you mean 'smoothing'"),
        (['--set', 'association.smoothing=5'], 'smoothing must be in [0, 1]'),
        (['--plot', 'bars.jpg'], 'a picture ends in'),
        (['--json', 'nowhere/out.json'], 'nowhere'),
    ],
)
def test_mistakes_end_in_one_line(
    words: list[str],
    message: str,
    model: list[Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as exit_info:
        run(monkeypatch, *model, *words)
    assert exit_info.value.code == 2
    assert message in capsys.readouterr().err.splitlines()[-1]
    assert list(tmp_path.iterdir()) == []
