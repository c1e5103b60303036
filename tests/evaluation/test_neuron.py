"""The official repository's evaluation rules: its recorded numbers, and every trap by hand."""

import json

import numpy as np
import pytest

from mmgtrack.errors import DataError
from mmgtrack.evaluation.neuron import (
    OTB_LIKE_RULES,
    OtbLikeRule,
    centre_error,
    got10k_frames,
    inclusive_iou,
    mean_of_sequences,
    otb_like_frames,
    score_got10k,
    score_otb_like,
)
from mmgtrack.evaluation.success import iou
from tests.oracles.cases import oracle_folder

CASE = oracle_folder() / 'globaltrack' / 'evaluation'
EXACT = dict(rel=0, abs=1e-9)  # the case's own tolerance
RULES = {'101': OTB_LIKE_RULES['otb2015'], '21': OTB_LIKE_RULES['otb2013']}
NAN = float('nan')
BOX = [11.0, 11.0, 20.0, 20.0]  # 10 x 10 pixels
HALF = [11.0, 11.0, 20.0, 15.0]  # IoU 0.5 exactly
FAR = [211.0, 11.0, 220.0, 20.0]


def boxes(*rows: list) -> np.ndarray:
    return np.array(rows, dtype=float).reshape(-1, 4)


@pytest.mark.skipif(not CASE.is_dir(), reason=f'no recorded numbers at {CASE}')
def test_recorded_numbers() -> None:
    values = json.loads((CASE / 'case.json').read_text())['values']
    arrays = np.load(CASE / 'arrays.npz')
    scores: dict[str, list] = {name: [] for name in RULES}
    overlaps = []
    for s, expected in enumerate(values['seqs']):
        truth, result = arrays[f'gt{s}'], arrays[f'res{s}']
        overlap, error = otb_like_frames(truth, result)
        np.testing.assert_allclose(overlap, arrays[f'iou{s}'], rtol=0, atol=1e-9)
        np.testing.assert_allclose(error, arrays[f'ce{s}'], rtol=0, atol=1e-9)
        for name, rule in RULES.items():
            found = score_otb_like(truth, result, rule)
            assert found.num_frames == expected['frames_used']
            assert found.success == pytest.approx(expected[f'success_{name}'], **EXACT)
            assert found.success_rate == pytest.approx(expected[f'sr50_{name}'], **EXACT)
            assert found.precision == pytest.approx(expected['precision20'], **EXACT)
            scores[name].append(found)
        overlaps.append(got10k_frames(truth, result, arrays[f'cover{s}'], values['image_size_wh']))
        one = score_got10k(overlaps[-1:])
        assert (one.ao, one.sr) == pytest.approx((expected['got_ao'], expected['got_sr50']), **EXACT)
    full, few = mean_of_sequences(scores['101']), mean_of_sequences(scores['21'])
    found = dict(success_101=full.success, sr50_101=full.success_rate, precision20=full.precision)
    assert dict(found, success_21=few.success) == pytest.approx(values['otb_like'], **EXACT)
    pooled = score_got10k(overlaps)
    assert dict(ao=pooled.ao, sr50=pooled.sr) == pytest.approx(values['got10k_pooled'], **EXACT)


@pytest.mark.parametrize(
    ('box', 'other', 'overlap', 'error'),
    [
        (BOX, BOX, 1.0, 0.0),
        (BOX, HALF, 0.5, 2.5),
        ([10, 10, 19, 19], [15, 10, 24, 19], 1 / 3, 5.0),  # continuous reading: 4 / 14
        ([10, 10, 19, 19], [20, 10, 29, 19], 0.0, 10.0),  # neighbours share no pixel
        ([5, 5, 5, 5], [5, 5, 5, 5], 1.0, 0.0),  # one pixel
        ([0, 0, -1, -1], [0, 0, -1, -1], 0.0, 0.0),  # empty, not nan
        ([NAN] * 4, BOX, NAN, NAN),
        ([0, 0, 6, 8], [6, 8, 12, 16], 1 / 125, 10.0),
    ],
)
def test_overlap_and_error(box: list, other: list, overlap: float, error: float) -> None:
    pair = np.array(box, float), np.array(other, float)
    assert inclusive_iou(*pair) == pytest.approx(overlap, nan_ok=True)
    assert centre_error(*pair) == pytest.approx(error, nan_ok=True)


def test_inclusive_and_continuous_boxes_overlap_the_same() -> None:
    corners = np.random.default_rng(0).integers(1, 60, (2, 200, 2, 2)).astype(float)
    first, second = np.concatenate([corners.min(2), corners.max(2) + 1], axis=-1)
    inclusive = [boxes_ - [0, 0, 1, 1] for boxes_ in (first, second)]
    np.testing.assert_allclose(inclusive_iou(*inclusive), iou(first, second), atol=1e-12)


@pytest.mark.parametrize(
    ('row', 'counted'),
    [
        (BOX, True),
        ([1, 1, 20, 20], True),
        ([0, 11, 20, 20], False),  # touches the left border
        ([11, 0, 20, 20], False),  # touches the upper border
        ([-5, 11, 20, 20], False),
        ([0, 0, -1, -1], False),  # absent
        ([NAN] * 4, False),  # absent in UAV123
    ],
)
def test_which_frames_count(row: list, counted: bool) -> None:
    assert score_otb_like(boxes(BOX, row), boxes(BOX, BOX)).num_frames == 1 + counted
    # frame 0 is given, but counts by the same rule
    assert score_otb_like(boxes(row, BOX), boxes(row, BOX)).num_frames == 1 + counted


def test_frame_0_is_perfect_whatever_the_result_says() -> None:
    overlap, error = otb_like_frames(boxes(BOX, BOX), boxes(FAR, HALF))
    assert overlap.tolist() == [1.0, 0.5] and error.tolist() == [0.0, 2.5]


@pytest.mark.parametrize(
    ('result', 'rule', 'success', 'rate', 'precision'),
    [
        ([BOX, BOX], RULES['101'], 100 / 101, 1.0, 1.0),  # IoU 1 does not exceed the threshold 1
        ([BOX, BOX], RULES['21'], 20 / 21, 1.0, 1.0),
        ([BOX, HALF], RULES['101'], (100 + 50) / 202, 0.5, 1.0),  # IoU 0.5 does not exceed 0.5
        ([BOX, HALF], RULES['21'], (20 + 10) / 42, 0.5, 1.0),
        ([BOX, FAR], RULES['21'], 20 / 42, 0.5, 0.5),  # IoU 0 does not exceed 0
        ([BOX, [23, 27, 32, 36]], RULES['21'], 20 / 42, 0.5, 1.0),  # centre error 20 exactly
        ([BOX, [23, 27, 32, 36.01]], RULES['21'], 20 / 42, 0.5, 0.5),
        ([BOX, [NAN] * 4], RULES['21'], 20 / 42, 0.5, 0.5),
    ],
)
def test_scores(result: list, rule: OtbLikeRule, success: float, rate: float, precision: float) -> None:
    found = score_otb_like(boxes(BOX, BOX), boxes(*result), rule)
    assert (found.success, found.success_rate, found.precision) == pytest.approx((success, rate, precision))
    assert found.success_curve.shape == (rule.num_thresholds,) and found.precision_curve.shape == (51,)


def test_lasot_is_judged_on_every_tenth_frame() -> None:
    truth = np.tile(boxes(BOX), (25, 1))
    truth[10] += 100
    result = truth[::10].copy()
    assert score_otb_like(truth, result, OTB_LIKE_RULES['lasot']).success == pytest.approx(20 / 21)
    with pytest.raises(DataError, match=r'truth \(3, 4\) and result \(25, 4\)'):
        score_otb_like(truth, truth, OTB_LIKE_RULES['lasot'])


def test_sequences_weigh_the_same() -> None:
    long = score_otb_like(np.tile(BOX, (9, 1)), np.tile(BOX, (9, 1)))
    short = score_otb_like(boxes(BOX), boxes(BOX))
    bad = score_otb_like(np.tile(BOX, (3, 1)), boxes(BOX, FAR, FAR))
    nothing = score_otb_like(boxes([0, 0, -1, -1]), boxes(BOX))
    assert nothing.num_frames == 0 and np.isnan([nothing.success, nothing.precision]).all()
    mean = mean_of_sequences([long, short, bad, nothing])
    assert mean.num_frames == 9 + 1 + 3
    assert mean.success_rate == pytest.approx((1 + 1 + 1 / 3) / 3)
    with pytest.raises(DataError, match='frame that counts'):
        mean_of_sequences([nothing])


@pytest.mark.parametrize(
    ('truth', 'result', 'cover', 'overlaps'),
    [
        ([BOX, BOX], [FAR, HALF], [8, 8], [0.5]),  # the first frame does not count
        ([BOX, BOX, BOX], [BOX, FAR, BOX], [8, 0, 1], [1.0]),  # nothing visible, one eighth visible
        ([BOX, [0, 0, 9, 9]], [BOX, [-10, -10, 9, 9]], [8, 8], [1.0]),  # the part outside is cut off
        ([BOX, [90, 40, 99, 49]], [BOX, [90, 40, 120, 70]], [8, 8], [1.0]),  # last pixels are W - 1, H - 1
    ],
)
def test_got10k_frames(truth: list, result: list, cover: list, overlaps: list) -> None:
    found = got10k_frames(boxes(*truth), boxes(*result), np.array(cover), (100, 50))
    assert found.tolist() == overlaps


def test_got10k_pools_all_frames() -> None:
    found = score_got10k([np.array([1.0]), np.array([0.5, 0.0, 0.4])])
    assert (found.num_frames, found.ao, found.sr) == (4, pytest.approx(1.9 / 4), 0.25)
    assert np.isnan(score_got10k([]).ao) and score_got10k([np.zeros(0)]).num_frames == 0


def test_sizes_must_agree() -> None:
    with pytest.raises(DataError, match='box'):
        score_otb_like(boxes(BOX, BOX), boxes(BOX))
    with pytest.raises(DataError, match='expected 2 cover values'):
        got10k_frames(boxes(BOX, BOX), boxes(BOX, BOX), np.ones(3), (9, 9))


def test_equal_boxes_have_no_centre_error() -> None:
    boxes = np.random.default_rng(0).uniform(0, 500, (1000, 4)).round(3)
    assert not centre_error(boxes, boxes.copy()).any()
