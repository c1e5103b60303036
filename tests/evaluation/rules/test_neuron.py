"""The GlobalTrack repository's rule on rows x, y, w, h: what is counted, and what is refused."""

import numpy as np
import pytest

from mmgtrack.errors import DataError
from mmgtrack.evaluation.annotations.base import BoxTruth
from mmgtrack.evaluation.neuron import OTB_LIKE_RULES, OtbLikeRule
from mmgtrack.evaluation.rules.neuron import NeuronRule, inclusive_corners
from mmgtrack.evaluation.rules.one_pass import OnePassPart

RULE = NeuronRule()
FEW = NeuronRule(OtbLikeRule(num_thresholds=21))
LASOT = NeuronRule(OTB_LIKE_RULES['lasot'])
BOX = [11, 11, 10, 10]
HALF = [11, 11, 10, 5]
FAR = [211, 11, 10, 10]
NAN = float('nan')


def boxes(*rows: list) -> np.ndarray:
    return np.array(rows, dtype=np.float64).reshape(-1, 4)


def part_of(rule: NeuronRule, truth: list, result: list) -> OnePassPart:
    return rule.measure(BoxTruth('Boy', boxes(*truth)), boxes(*result))


@pytest.mark.parametrize(
    ('rule', 'row', 'result', 'success', 'rate', 'precision'),
    [
        (RULE, BOX, BOX, 100 / 101, 1.0, 1.0),
        (FEW, BOX, BOX, 20 / 21, 1.0, 1.0),
        (FEW, BOX, HALF, 30 / 42, 0.5, 1.0),
        (FEW, BOX, FAR, 20 / 42, 0.5, 0.5),
        (FEW, [0, 11, 10, 10], FAR, 20 / 21, 1.0, 1.0),  # touches the border: not counted
        (FEW, [11, 11, -10, 1], FAR, 20 / 21, 1.0, 1.0),  # x2 = 0
        (FEW, [NAN] * 4, FAR, 20 / 21, 1.0, 1.0),
        (FEW, BOX, [NAN] * 4, 20 / 42, 0.5, 0.5),
    ],
)
def test_scores(
    rule: NeuronRule, row: list, result: list, success: float, rate: float, precision: float
) -> None:
    found = part_of(rule, [BOX, row], [FAR, result]).scores.values
    wanted = {'success': success, 'success_0.5': rate, 'precision': precision}
    assert {name: found[name] for name in wanted} == pytest.approx(wanted)


def test_corners_are_the_last_pixels() -> None:
    assert inclusive_corners(boxes([11, 12, 10, 1])).tolist() == [[11, 12, 20, 12]]


@pytest.mark.parametrize('rows', [25, 3])
def test_a_tracker_that_was_shown_every_tenth_frame(rows: int) -> None:
    truth = [BOX if i % 10 == 0 else FAR for i in range(25)]
    part = part_of(LASOT, truth, [BOX] * rows)
    assert part.scores.values['precision'] == 1.0 and len(part.success) == 21


@pytest.mark.parametrize(('rule', 'wanted', 'rows'), [(RULE, 25, 24), (RULE, 25, 26), (LASOT, 3, 4)])
def test_rows_must_fit(rule: NeuronRule, wanted: int, rows: int) -> None:
    with pytest.raises(DataError, match=f'Boy: expected {wanted} rows, one a frame, got {rows}'):
        part_of(rule, [BOX] * 25, [BOX] * rows)


def test_sequences_without_a_frame_that_counts_are_left_out() -> None:
    good = part_of(RULE, [BOX] * 2, [BOX] * 2)
    nothing = part_of(RULE, [[0, 0, 0, 0]] * 2, [BOX] * 2)
    assert np.isnan(nothing.scores.values['success'])
    assert RULE.total([nothing, good, nothing]).values == good.scores.values
    with pytest.raises(DataError, match='frame that counts'):
        RULE.total([nothing])


def test_the_text_says_which_frames() -> None:
    assert 'only frames 0, 10, 20' in LASOT.text and 'only' not in RULE.text
