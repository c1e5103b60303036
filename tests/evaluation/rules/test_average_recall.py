"""AR@k by hand and against a plain loop."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmgtrack.errors import DataError
from mmgtrack.evaluation.annotations.base import BoxTruth
from mmgtrack.evaluation.results.files import MissingResultError, ResultFiles
from mmgtrack.evaluation.results.proposals import Proposals
from mmgtrack.evaluation.rules.average_recall import AverageRecallRule, RecallPart

NAN = float('nan')
STYLES = ['mmdet3', 'legacy', 'coco']
BOX = [10.0, 10.0, 40.0, 40.0]
HALF = [10.0, 10.0, 40.0, 20.0]  # IoU 0.5 exactly, with 1 added 41 * 21 / (41 * 41)
FAR = [500.0, 10.0, 40.0, 40.0]


def part_of(rule: AverageRecallRule, truth: list, lists: list, absent: list | None = None) -> RecallPart:
    """lists: boxes of each frame, best first."""
    frames = np.repeat(np.arange(len(lists)), [len(rows) for rows in lists])
    boxes = np.array([box for rows in lists for box in rows], float).reshape(-1, 4)
    flags = None if absent is None else np.array(absent, bool)
    scores = -np.arange(len(frames), dtype=float)
    return rule.measure(BoxTruth('seq', np.array(truth, float), flags), Proposals(frames, boxes, scores))


@pytest.mark.parametrize('style', STYLES)
@pytest.mark.parametrize(
    ('truth', 'row', 'at_1', 'at_2'),
    [
        (BOX, [BOX], 1, 1),
        (BOX, [FAR, BOX], 0, 1),
        (BOX, [FAR, FAR, BOX], 0, 0),
        (BOX, [], 0, 0),
        (BOX, [HALF], 0.1, 0.1),  # 0.5 reaches the first of ten thresholds
        (BOX, [HALF, BOX], 0.1, 1),
        (BOX, [[10, 10, 0, 40], BOX], 0, 1),
        ([NAN] * 4, [BOX], NAN, NAN),
        ([10, 10, 0, 40], [BOX], NAN, NAN),
    ],
)
def test_one_frame(style: str, truth: list, row: list, at_1: float, at_2: float) -> None:
    rule = AverageRecallRule(style, ks=(1, 2))  # type: ignore[arg-type]
    part = part_of(rule, [BOX, truth], [[], row])
    np.testing.assert_allclose([part.scores.values[name] for name in rule.columns], [at_1, at_2])


def test_frames_that_do_not_count() -> None:
    rule = AverageRecallRule()
    part = part_of(rule, [BOX] * 4, [[FAR], [BOX], [FAR], []], absent=[0, 0, 1, 1])
    assert part.num_frames == 1 and part.scores.values['ar@1'] == 1


@pytest.mark.parametrize(('style', 'hit'), [('mmdet3', 0), ('legacy', 1), ('coco', 0)])
def test_legacy_adds_a_pixel(style: str, hit: int) -> None:
    narrow, wider = [10.0, 10.0, 1.0, 40.0], [10.0, 10.0, 2.5, 40.0]  # IoU 1 / 2.5, with 1 added 2 / 3.5
    part = part_of(AverageRecallRule(style), [narrow] * 2, [[], [wider]])  # type: ignore[arg-type]
    assert part.scores.curves['recall@1'][0] == hit


def test_frames_are_pooled() -> None:
    rule = AverageRecallRule()
    short, long = part_of(rule, [BOX] * 2, [[], [BOX]]), part_of(rule, [BOX] * 4, [[], [], [FAR], [BOX]])
    assert rule.total([short, long]).values['ar@10'] == 0.5
    assert rule.total([short, long, long]).values['ar@10'] == pytest.approx(3 / 7)
    empty = part_of(rule, [BOX], [[BOX]])
    assert np.isnan(rule.total([empty]).values['ar@1'])


@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(0, 7), st.sampled_from(STYLES))
def test_equals_a_plain_loop(seed: int, frames: int, count: int, style: str) -> None:
    rng = np.random.default_rng(seed)
    rule = AverageRecallRule(style, ks=(1, 3, 5))  # type: ignore[arg-type]
    truth = rng.integers(1, 9, (frames + 1, 4)).astype(float)
    lists = [rng.integers(1, 9, (rng.integers(0, count + 1), 4)).tolist() for _ in range(frames + 1)]
    part = part_of(rule, truth.tolist(), lists)
    for row, k in zip(part.hits, rule.ks, strict=True):
        best = [
            max((iou(truth[f], box, style) for box in lists[f][:k]), default=0) for f in range(1, frames + 1)
        ]
        for hits, threshold in zip(row, 0.5 + 0.05 * np.arange(10), strict=True):
            assert sum(value >= threshold + 1e-6 for value in best) <= hits
            assert hits <= sum(value >= threshold - 1e-6 for value in best)


def iou(box: np.ndarray, other: list, style: str) -> float:
    extra = style == 'legacy'
    width = min(box[0] + box[2], other[0] + other[2]) - max(box[0], other[0]) + extra
    height = min(box[1] + box[3], other[1] + other[3]) - max(box[1], other[1]) + extra
    inter = max(width, 0) * max(height, 0)
    areas = [(b[2] + extra) * (b[3] + extra) for b in (box, other)]
    return inter / (sum(areas) - inter)


def test_reading(tmp_path: Path) -> None:
    rule, truth = AverageRecallRule(), BoxTruth('seq', np.array([BOX] * 2))
    with pytest.raises(MissingResultError, match=r'seq\.txt'):
        rule.read(ResultFiles(tmp_path), truth)
    (tmp_path / 'seq.txt').write_text('2,500,10,40,40,0.1\n2,10,10,40,40,0.9\n')
    assert rule.measure(truth, rule.read(ResultFiles(tmp_path), truth)).scores.values['ar@1'] == 1
    (tmp_path / 'seq.txt').write_text('3,10,10,40,40,0.9\n')
    with pytest.raises(DataError, match='2 frames, got a box of frame 3'):
        rule.measure(truth, rule.read(ResultFiles(tmp_path), truth))


def test_names_follow_the_list_lengths() -> None:
    rule = AverageRecallRule(ks=(3, 7))
    assert rule.columns == ('ar@3', 'ar@7') == tuple(part_of(rule, [BOX] * 2, [[], [BOX]]).scores.values)
