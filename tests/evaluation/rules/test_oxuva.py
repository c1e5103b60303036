"""OxUvA's rule by hand, its optimum against a grid, its bootstrap against a plain loop."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmgtrack.errors import DataError, InputError
from mmgtrack.evaluation.results.oxuva import OxuvaPredictions
from mmgtrack.evaluation.rules.oxuva import (
    COUNTS,
    OxuvaPart,
    OxuvaRule,
    posthoc_counts,
    qualities,
    summary,
)
from mmgtrack.formats.oxuva_labels import OxuvaTruth

RULE = OxuvaRule()
NAN = float('nan')
NONE = [NAN] * 4
BOX = [0.2, 0.2, 0.6, 0.6]
HALF = [0.2, 0.2, 0.6, 0.4]
FAR = [0.7, 0.7, 0.9, 0.9]


def truth_of(labels: list, start: int = 0, video: str = 'vid', obj: str = 'obj') -> OxuvaTruth:
    """One label every 30 frames: a box, or None where absent."""
    boxes = np.array([NONE if box is None else box for box in labels], float).reshape(-1, 4)
    frames = start + 30 * np.arange(len(labels))
    return OxuvaTruth(f'{video}_{obj}', video, obj, frames, np.array([b is not None for b in labels]), boxes)


def said(rows: dict) -> OxuvaPredictions:
    """A box or None by frame; all scores are 1."""
    boxes = np.array([NONE if box is None else box for box in rows.values()], float).reshape(-1, 4)
    present = np.array([box is not None for box in rows.values()], bool)
    return OxuvaPredictions(np.array(list(rows), int), present, np.ones(len(rows)), boxes)


def part_of(kinds: list[str], video: str = 'vid', obj: str = 'obj', scores: list | None = None) -> OxuvaPart:
    elapsed = 30 * (1 + np.arange(len(kinds)))
    values = np.ones(len(kinds)) if scores is None else np.array(scores, float)
    return OxuvaPart(
        f'{video}_{obj}', video, obj, elapsed, np.array([COUNTS.index(kind) for kind in kinds]), values
    )


@pytest.mark.parametrize(
    ('label', 'prediction', 'kind'),
    [
        (BOX, BOX, 'TP'),
        (BOX, HALF, 'TP'),  # IoU >= 0.5
        (BOX, FAR, 'FN'),
        (BOX, None, 'FN'),
        (None, FAR, 'FP'),
        (None, None, 'TN'),
        ([0.8, 0, 1, 1], [0.8, -5, 3, 1], 'TP'),  # clipped to the image
        ([0.8, 0, 1, 1], [1.2, 0, 3, 1], 'FN'),
        (BOX, [0.6, 0.6, 0.2, 0.2], 'FN'),  # inverted: no area
    ],
)
def test_one_label(label: list | None, prediction: list | None, kind: str) -> None:
    part = RULE.measure(truth_of([BOX, label]), said({0: None, 30: prediction}))
    assert [COUNTS[k] for k in part.kinds] == [kind]
    assert part.counts[COUNTS.index(kind)] == part.counts.sum() == 1


def test_threshold() -> None:
    truth, result = truth_of([BOX, BOX]), said({30: HALF})
    kinds = [COUNTS[OxuvaRule(min_iou=limit).measure(truth, result).kinds[0]] for limit in (0.3, 0.7)]
    assert kinds == ['TP', 'FN']


def test_last_prediction_up_to_the_label_counts() -> None:
    truth = truth_of([BOX, BOX, None, BOX], start=300)
    part = RULE.measure(truth, said({310: BOX, 365: None, 366: BOX}))
    assert [COUNTS[k] for k in part.kinds] == ['TP', 'FP', 'TP']
    np.testing.assert_array_equal(part.elapsed, [30, 60, 90])
    assert part.unit == 'vid'


@pytest.mark.parametrize(
    ('rows', 'message'),
    [
        ({331: BOX}, 'vid_obj: frame 330 is labelled, but the first prediction is of frame 331'),
        ({}, 'of no frame'),
        ({300: [0.5, 0.5, 0.5, 0.5]}, 'no area'),
    ],
)
def test_refused_results(rows: dict, message: str) -> None:
    with pytest.raises(DataError, match=message):
        RULE.measure(truth_of([BOX, [1.1, 0, 1.2, 1]], start=300), said(rows))


@pytest.mark.parametrize(
    ('counts', 'tpr', 'tnr', 'gm', 'max_gm'),
    [
        ([3, 0, 2, 1], 0.75, 1, math.sqrt(0.75), math.sqrt(0.75)),
        ([4, 5, 0, 0], 1, 0, 0, 0.5),  # never absent: sqrt(TPR) / 2
        ([1, 4, 0, 3], 0.25, 0, 0, 0.25),
        ([0, 0, 5, 5], 0, 1, 0, 0),
        ([2, 0, 0, 2], 0.5, NAN, NAN, NAN),
        ([0, 1, 1, 0], NAN, 0.5, NAN, NAN),
    ],
)
def test_qualities(counts: list, tpr: float, tnr: float, gm: float, max_gm: float) -> None:
    found = qualities(np.array(counts))
    np.testing.assert_allclose([found[n] for n in ('tpr', 'tnr', 'gm', 'max_gm')], [tpr, tnr, gm, max_gm])


@given(st.lists(st.integers(0, 50), min_size=4, max_size=4).filter(lambda c: c[0] + c[3] and c[1] + c[2]))
def test_best_mixture_against_a_grid(counts: list) -> None:
    found = qualities(np.array(counts))
    q = np.linspace(0, 1, 1001)
    grid = np.sqrt((1 - q) * found['tpr'] * ((1 - q) * found['tnr'] + q))
    assert grid.max() - 1e-12 <= found['max_gm'] <= grid.max() + 1e-3


def test_posthoc_curve() -> None:
    part = part_of(['TP', 'FP', 'TP', 'FN', 'TN', 'TP'], scores=[0.5, 0.7, 0.7, 0.9, 0.9, 0.1])
    expected = [[0, 0, 2, 4], [1, 1, 1, 3], [2, 1, 1, 2], [3, 1, 1, 1]]
    np.testing.assert_array_equal(posthoc_counts([part]), expected)
    assert posthoc_counts([part_of(['TN', 'FN'], scores=[NAN, NAN])]).tolist() == [[0, 0, 1, 1]]
    with pytest.raises(DataError, match='nan'):
        posthoc_counts([part_of(['TP'], scores=[NAN])])


PARTS = [
    part_of(['TP', 'TN', 'FN'], 'b'),
    part_of(['TP', 'TP', 'FP', 'TN'], 'a', 'one'),
    part_of(['FN', 'TP'], 'a', 'two'),
    part_of(['FP', 'TP', 'TN', 'TN'], 'c'),
]


@pytest.mark.parametrize('order', ['annotation', 'sorted'])
def test_bootstrap_against_a_plain_loop(order: str) -> None:
    rule = OxuvaRule(order=order, trials=20)  # type: ignore[arg-type]
    videos = ['b', 'a', 'c'] if order == 'annotation' else ['a', 'b', 'c']
    trials = rule.bootstrap(PARTS)
    for seed, row in enumerate(trials):
        drawn = np.random.RandomState(seed).choice(videos, 3, replace=True)
        expected = sum(part.counts for video in drawn for part in PARTS if part.video == video)
        np.testing.assert_array_equal(row, expected)
    total = rule.total(PARTS).values
    assert total['tpr'] == 5 / 7 and set(total) == set(rule.columns)
    assert total['tpr_error'] == pytest.approx(1.64485 * qualities(trials)['tpr'].std())


def test_a_part_given_twice_counts_twice() -> None:
    np.testing.assert_allclose(RULE.total([*PARTS, *PARTS]).values['gm'], RULE.total(PARTS).values['gm'])
    assert RULE.total([PARTS[0], PARTS[1], PARTS[1]]).values['tpr'] == 5 / 6


def test_draws_without_absent_labels_make_errors_nan() -> None:
    total = RULE.total([part_of(['TP'], 'a'), part_of(['TN'], 'b')]).values
    assert total['gm'] == 1 and math.isnan(total['gm_error'])


def test_filters_and_intervals() -> None:
    some, none = (replace(RULE, tracks=kind).total(PARTS).values for kind in ('some_absent', 'none_absent'))
    assert some['tpr'] == 4 / 5 and none['tpr'] == 0.5 and math.isnan(none['tnr'])
    assert math.isnan(replace(RULE, tracks='none_absent').total(PARTS[:1]).values['tpr'])
    long = part_of(['TP'] * 30 + ['FN'] * 31)
    rates = [
        replace(RULE, interval=interval).total([long]).values['tpr']
        for interval in ((0, 900), (900, 1800), (900, math.inf), (0, math.inf))
    ]
    assert rates == [1, 0, 0, 30 / 61]
    assert [(k, counts.sum()) for k, counts in long.bins] == [(1, 30), (2, 30), (3, 1)]
    with pytest.raises(InputError, match='multiples of 900'):
        OxuvaRule(interval=(0, 1000))


def test_summary() -> None:
    table = json.loads(json.dumps(summary(PARTS)))
    assert [key for key, _ in table['totals']] == [['a', 'one'], ['a', 'two'], ['b', 'obj'], ['c', 'obj']]
    counts = {'TP': 1, 'FP': 0, 'TN': 0, 'FN': 1, 'num_frames': 2, 'num_present': 2, 'num_absent': 0}
    assert table['totals'][1][1] == counts
    assert table['quantized_totals'][1][1] == [[[0, 900], counts]]


def test_without_errors_nothing_is_drawn() -> None:
    quick = RULE.without_errors()
    assert quick == replace(RULE, trials=0)
    expected = {name: value for name, value in RULE.total(PARTS).values.items() if 'error' not in name}
    assert quick.total(PARTS).values == expected
