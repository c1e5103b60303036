"""pytracking's long-term F-score by hand: frames of all sequences in one pool."""

from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmgtrack.errors import DataError
from mmgtrack.evaluation.annotations.base import BoxTruth
from mmgtrack.evaluation.results.files import ResultFiles
from mmgtrack.evaluation.rules.pytracking_f1 import PooledPart, PytrackingF1Rule, ScoredBoxes

NAN = float('nan')
BOX = [10, 20, 30, 40]
HALF = [10, 20, 15, 40]  # IoU 0.5 with BOX
FAR = [500, 500, 30, 40]
EMPTY = [10, 20, 0, 40]
RULE = PytrackingF1Rule()


def part(
    result: list[list[float]],
    presence: list[float] | None,
    absent: list[int] | None = None,
    rule: PytrackingF1Rule = RULE,
) -> PooledPart:
    """The truth is BOX in every frame."""
    flags = np.zeros(len(result), bool) if absent is None else np.array(absent, bool)
    truth = BoxTruth('lt-1', np.array([BOX] * len(result), float), flags)
    scores = None if presence is None else np.array(presence, float)
    return rule.measure(truth, ScoredBoxes(np.array(result, float), scores))


def test_curves() -> None:
    """Two of three frames are visible; by falling score the IoU are 0.5, absent, 1 (the first row)."""
    scores = RULE.total([part([FAR, HALF, BOX], [0.1, 0.9, 0.5], absent=[0, 0, 1])])
    np.testing.assert_allclose(scores.curves['recall'], [0, 0.25, 0.25, 0.75])
    np.testing.assert_allclose(scores.curves['precision'], [1, 0.5, 0.25, 0.5])
    np.testing.assert_allclose(scores.curves['threshold'], [np.inf, 0.9, 0.5, 0.1])
    assert scores.values['f'] == pytest.approx(0.6)
    assert (scores.values['precision'], scores.values['recall']) == (0.5, 0.75)


@pytest.mark.parametrize(
    ('parts', 'total'),
    [
        ([part([FAR, BOX], None), part([BOX, BOX], None)], 4),
        ([part([BOX, BOX], None), part([FAR, BOX], None)], 3),  # only the pool's first row is the truth
        ([part([BOX, BOX], None), part([EMPTY, BOX], None)], 4),  # repeats the sequence before
        ([part([BOX, FAR], None), part([EMPTY, BOX], None)], 2),
        ([part([BOX, BOX], None)] * 2, 4),
    ],
)
def test_pool(parts: list[PooledPart], total: float) -> None:
    assert RULE.total(parts).curves['recall'][-1] == total / 4


ROWS = st.tuples(st.sampled_from([BOX, HALF, FAR, EMPTY]), st.integers(0, 3), st.integers(0, 1))


@given(st.lists(st.lists(ROWS, min_size=1, max_size=4), min_size=1, max_size=5))
def test_a_pool_of_sequences_is_one_long_sequence(sequences: list[list[tuple]]) -> None:
    """Whatever is worked out once a sequence: repairs pass its borders, equal scores keep their order."""
    parts = [part(*map(list, zip(*rows, strict=True))) for rows in sequences]
    whole = part(*map(list, zip(*chain.from_iterable(sequences), strict=True)))
    expected = whole.scores
    for found in (RULE.total(parts), RULE.total(parts)):  # the second time from what is kept
        np.testing.assert_equal(dict(found.values), dict(expected.values))
        for name, curve in expected.curves.items():
            np.testing.assert_array_equal(found.curves[name], curve)


def test_no_frames() -> None:
    with pytest.raises(DataError, match='lt-1: expected annotated frames, got none'):
        RULE.measure(BoxTruth('lt-1', np.zeros((0, 4)), np.zeros(0, bool)), ScoredBoxes(np.zeros((0, 4))))


@pytest.mark.parametrize(('period', 'frames'), [(1, 5), (2, 3), (5, 1), (9, 1)])
def test_period(period: int, frames: int) -> None:
    rule = PytrackingF1Rule(period)
    scores = part([BOX] * 5, [5, 4, 3, 2, 1], rule=rule).scores
    assert len(scores.curves['f']) == frames + 1
    assert scores.curves['threshold'].tolist()[1:] == [5, 4, 3, 2, 1][::period]
    assert scores.values == {'f': 1, 'precision': 1, 'recall': 1}


def test_absent_frame_with_the_highest_score() -> None:
    """Precision and recall are 0 there, and so is F."""
    scores = part([BOX, BOX], [0.1, 0.9], absent=[0, 1]).scores
    np.testing.assert_allclose(scores.curves['f'], [0, 0, 2 / 3])


def test_absent_everywhere() -> None:
    assert np.isnan(part([BOX, BOX], None, absent=[1, 1]).scores.values['f'])


def test_only_overlap_of_nothing() -> None:
    assert RULE.total([part([BOX], None, absent=[1]), part([FAR], None)]).values['f'] == 0


TRUTH = BoxTruth('lt-1', np.array([BOX, BOX], float), np.zeros(2, bool))


@pytest.mark.parametrize(
    ('truth', 'boxes', 'presence', 'message'),
    [
        (TRUTH, [BOX], None, 'lt-1: expected 2 rows, got 1'),
        (TRUTH, [BOX] * 3, None, 'expected 2 rows, got 3'),
        (TRUTH, [BOX] * 2, [1.0], 'expected 2 presence scores, got 1'),
        (TRUTH, [BOX] * 2, [1.0, NAN], 'nan in line 2'),
        (TRUTH, [BOX, [NAN] * 4], None, 'in line 2'),
        (BoxTruth('lt-1', np.array([BOX, [NAN] * 4]), TRUTH.absent), [BOX] * 2, None, 'nan in line 2'),
        (BoxTruth('lt-1', TRUTH.boxes), [BOX] * 2, None, 'expected flags'),
    ],
)
def test_refused(truth: BoxTruth, boxes: list, presence: list | None, message: str) -> None:
    scores = None if presence is None else np.array(presence)
    with pytest.raises(DataError, match=message):
        RULE.measure(truth, ScoredBoxes(np.array(boxes, float), scores))


def test_only_assessed_frames_need_numbers() -> None:
    between = [BOX, [NAN] * 4, BOX]
    truth = BoxTruth('lt-1', np.array(between), np.zeros(3, bool))
    part = PytrackingF1Rule(2).measure(truth, ScoredBoxes(np.array(between)))
    assert part.scores.values['f'] == 1
    with pytest.raises(DataError, match='in line 3'):
        PytrackingF1Rule(2).measure(truth, ScoredBoxes(np.array([BOX, BOX, [NAN] * 4])))


def test_reads_boxes_and_scores(tmp_path: Path) -> None:
    (tmp_path / 'lt-1.txt').write_text('10,20,30,40\n1,2,3,4\n')
    assert RULE.read(ResultFiles(tmp_path), TRUTH).presence is None
    (tmp_path / 'lt-1_object_presence_scores.txt').write_text('0.5\n0.25\n')
    read = RULE.read(ResultFiles(tmp_path), TRUTH)
    assert read.boxes.tolist() == [BOX, [1, 2, 3, 4]]
    assert read.presence is not None
    assert read.presence.tolist() == [0.5, 0.25]
    assert '\n' not in RULE.text
