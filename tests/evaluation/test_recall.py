"""AR@k by hand, against a plain loop, and through the tool."""

import json
import re
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmgtrack import Tracker
from mmgtrack.datasets import SequenceFolder
from mmgtrack.datasets.sequence import read_frame
from mmgtrack.datasets.synthetic import synthetic_clip, write_sequence
from mmgtrack.errors import DataError
from mmgtrack.evaluation import hit_ranks, iou, mean_recall, pooled_recall, recall_at
from mmgtrack.zoo import DEFAULT
from tests.trackers import template_matching

TOOL = str(Path(__file__).parents[2] / 'tools' / 'analysis' / 'recall.py')
NAN, INF = float('nan'), float('inf')
BOX = [10.0, 10.0, 20.0, 20.0]
HALF = [10.0, 10.0, 20.0, 15.0]  # IoU 0.5 exactly
NEAR = [10.0, 10.0, 20.0, 15.1]
FAR = [50.0, 50.0, 60.0, 60.0]


@pytest.mark.parametrize(
    ('row', 'valid', 'truth', 'present', 'rank'),
    [
        ([BOX, FAR], [True, True], BOX, True, 1),
        ([FAR, BOX], [True, True], BOX, True, 2),
        ([FAR, BOX, BOX], [True, True, True], BOX, True, 2),
        ([FAR, FAR], [True, True], BOX, True, INF),
        ([HALF, NEAR], [True, True], BOX, True, 2),  # 0.5 does not exceed 0.5
        ([FAR, BOX], [True, False], BOX, True, INF),  # padding is no box
        ([BOX, FAR], [True, True], [NAN] * 4, False, NAN),  # absent: not counted
        ([BOX, FAR], [True, True], BOX, False, NAN),  # hidden, though its place is known
        ([], [], BOX, True, INF),
    ],
)
def test_hit_ranks(row: list, valid: list, truth: list, present: bool, rank: float) -> None:
    boxes = np.array(row, np.float32).reshape(1, 1, -1, 4)
    found = hit_ranks(
        boxes, np.array(valid, bool)[None, None], np.array([[truth]], float), np.array([[present]])
    )
    assert found.shape == (1, 1)
    np.testing.assert_array_equal(found[0, 0], rank)


@pytest.mark.parametrize(
    ('ranks', 'expected'),
    [
        ([1, 2, 10, INF], [0.25, 0.5, 0.75]),
        ([1, NAN, NAN, INF], [0.5, 0.5, 0.5]),  # absent frames are left out
        ([NAN], [NAN] * 3),
        ([], [NAN] * 3),
    ],
)
def test_recall_at(ranks: list, expected: list) -> None:
    np.testing.assert_allclose(recall_at(np.array(ranks, float), (1, 5, 10)), expected)


def test_mean_of_sequences_and_pool() -> None:
    sequences = [np.array([1.0, 1.0, 1.0, INF]), np.array([[INF], [2.0]]), np.array([NAN])]
    np.testing.assert_allclose(mean_recall(sequences, (1, 5)), [(3 / 4 + 0) / 2, (3 / 4 + 1 / 2) / 2])
    np.testing.assert_allclose(pooled_recall(sequences, (1, 5)), [3 / 6, 4 / 6])
    assert np.isnan(mean_recall([], (1,))).all() and np.isnan(pooled_recall([], (1,))).all()


@given(st.integers(0, 2**32 - 1), st.integers(1, 3), st.integers(1, 3), st.integers(1, 6), st.integers(1, 8))
def test_equals_a_plain_loop(seed: int, frames: int, targets: int, count: int, k: int) -> None:
    rng = np.random.default_rng(seed)
    corners = rng.integers(0, 6, (frames, targets, count + 1, 2)).astype(float)
    sized = np.concatenate([corners, corners + rng.integers(2, 7, corners.shape)], axis=-1)
    boxes, truth = sized[:, :, 1:], sized[:, :, 0]
    valid = np.arange(count) < rng.integers(0, count + 1, (frames, targets, 1))
    present = rng.random((frames, targets)) < 0.7
    hits = [
        any(iou(box, truth[n, m]) > 0.5 for box in boxes[n, m][valid[n, m]][:k])
        for n in range(frames)
        for m in range(targets)
        if present[n, m]
    ]
    (found,) = recall_at(hit_ranks(boxes, valid, truth, present), [k])
    assert found == pytest.approx(np.mean(hits) if hits else NAN, nan_ok=True)


def test_shapes_must_agree() -> None:
    with pytest.raises(DataError, match=r'got \(2, 1, 3, 4\), \(2, 1, 3\), \(1, 1, 4\) and \(2, 1\)'):
        hit_ranks(
            np.zeros((2, 1, 3, 4)), np.ones((2, 1, 3), bool), np.zeros((1, 1, 4)), np.ones((2, 1), bool)
        )


@pytest.fixture(scope='module')
def sequences(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One with two targets, one of which hides, one with a target, and one that starts without any."""
    root = tmp_path_factory.mktemp('sequences')
    size = dict(size=(96, 128))
    write_sequence(synthetic_clip(5, num_targets=2, absences={1: (2, 3)}, **size), root / 'two')
    write_sequence(synthetic_clip(4, seed=1, **size), root / 'one')
    write_sequence(synthetic_clip(3, seed=2, absences={0: (0, 2)}, **size), root / 'late')
    return root


def run_tool(monkeypatch: pytest.MonkeyPatch, *words: str) -> None:
    monkeypatch.setattr(sys, 'argv', [TOOL, *words])
    runpy.run_path(TOOL, run_name='__main__')


def test_the_tool_equals_a_plain_loop(
    sequences: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    out = tmp_path / 'recall.json'
    words = ['--sequences', str(sequences), '--k', '1', '3', '100', '--json', str(out)]
    run_tool(monkeypatch, DEFAULT, *words)
    report, tracker = json.loads(out.read_text()), Tracker()
    for stage in ('proposals', 'candidates'):
        shares = {}
        for sequence in SequenceFolder(str(sequences), exclude=['late']):
            images = [read_frame(path) for path in sequence.frame_paths]
            for target in range(sequence.num_targets):  # each alone
                state = tracker.encode(images[0], sequence.boxes[0, [target]])
                found = getattr(tracker, stage)(images[1:], state)
                frames = np.flatnonzero(sequence.present[1:, target])
                overlaps = iou(found.boxes[:, 0].double().numpy(), sequence.boxes[1:, target, None])
                right = (overlaps > 0.5) & found.valid[:, 0].numpy()
                name = f'{sequence.name}#{target + 1}' if sequence.num_targets > 1 else sequence.name
                shares[name] = [right[frames, :k].any(1).mean() for k in (1, 3, 100)]
        assert {n: list(s.values()) for n, s in report[stage]['sequences'].items()} == {
            n: pytest.approx(s) for n, s in shares.items()
        }
        assert set(shares) == {'two#1', 'two#2', 'one'} and report[stage]['counted_frames'] == 4 + 3 + 3
        assert list(report[stage]['mean'].values()) == pytest.approx(np.mean(list(shares.values()), axis=0))
        weights = np.array([{'two#1': 4, 'two#2': 3, 'one': 3}[n] for n in shares]) / 10
        assert list(report[stage]['pooled'].values()) == pytest.approx(weights @ np.array([*shares.values()]))
    assert report['proposals']['boxes_per_frame'] == 32 and report['candidates']['boxes_per_frame'] <= 16
    table = capsys.readouterr().out
    assert f'{100 * report["candidates"]["mean"]["1"]:.1f}' in table and 'proposals' in table


@pytest.mark.parametrize(
    ('words', 'proposed', 'kept'),
    [
        ([], 32, (1, 16)),
        (['--proposals', '300'], 300, (17, 299)),
        (['--proposals', '300', '--keep-duplicates'], 300, (300, 300)),
    ],
)
def test_longer_lists_than_the_config_allows(
    sequences: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: list,
    proposed: int,
    kept: tuple[int, int],
) -> None:
    out = tmp_path / 'recall.json'
    choice = ['--sequences', str(sequences), '--exclude', 'two', 'late', '--json', str(out)]
    run_tool(monkeypatch, DEFAULT, *choice, *words)
    report = json.loads(out.read_text())
    assert report['proposals']['boxes_per_frame'] == proposed
    assert kept[0] <= report['candidates']['boxes_per_frame'] <= kept[1]
    assert list(report['proposals']['sequences']) == ['one']


@pytest.mark.parametrize('count', [5, 300])
def test_fewer_proposals_are_chosen_among_as_many_boxes(count: int) -> None:
    tool, tracker = runpy.run_path(TOOL, run_name='recall'), Tracker()
    tool['allow_proposals'](tracker, count)
    rpn = tracker.model.test_cfg.rpn
    assert (rpn.nms_pre, rpn.max_per_img) == (max(100, count), count)  # 100 in the config


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        (['--sequences', '{root}/late'], 'is no folder|is no sequence'),
        (['--sequences', '{root}', '--exclude', 'one', 'two'], 'whose first shows a target'),
        (['--sequences', '{root}', '--proposals', '0'], 'at least 1'),
        (['--sequences', '{root}', '--k', '5', '0'], '--k must be at least 1, got 0'),
        (['--sequences', '{root}', '--json', '{root}/none/x.json'], 'cannot write'),
    ],
)
def test_mistakes_end_with_one_line(
    sequences: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, words: list, message: str
) -> None:
    with pytest.raises(SystemExit) as caught:
        run_tool(monkeypatch, DEFAULT, *(word.format(root=sequences) for word in words))
    assert caught.value.code == 2
    (line,) = [t for t in capsys.readouterr().err.splitlines() if t.startswith('error: ')]
    assert re.search(message, line)


def test_trackers_of_one_stage_have_no_proposals(monkeypatch: pytest.MonkeyPatch) -> None:
    tool, tracker = runpy.run_path(TOOL, run_name='recall'), Tracker()
    monkeypatch.setattr(tracker, 'model', template_matching())
    with pytest.raises(ValueError, match=r'template_matching \(TemplateMatching\) has no proposals'):
        tool['allow_proposals'](tracker, 100)
    with pytest.raises(ValueError, match='--keep-duplicates'):
        tool['keep_duplicates'](tracker)
