"""Frames on a distractor, switches and tracklets, counted by hand; choices among hand-made candidates."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmgtrack.association import AssociationRules
from mmgtrack.errors import DataError, InputError
from mmgtrack.evaluation.choices import FoundBoxes, associated, choices, top_1, top_1_with_template
from mmgtrack.evaluation.distractors import (
    count_switches,
    fewer_with_bounds,
    mot_rows,
    objects_under,
    target_outcome,
    tracklet_scores,
)

NAN = float('nan')
GONE = [NAN] * 4
TARGET, OTHER, THIRD = [10.0, 10, 30, 30], [60.0, 10, 80, 30], [110.0, 10, 130, 30]
HALF = [10.0, 10, 30, 50]  # IoU 0.5 with the target
BESIDE = [20.0, 10, 40, 30]  # IoU 1/3 with the target
NOWHERE = [200.0, 200, 220, 220]


@pytest.mark.parametrize(
    ('box', 'present', 'truth', 'counts'),
    [  # shown, on target, away, on distractor, claimed distractor, presence right
        (TARGET, True, [TARGET, OTHER], (1, 1, 0, 0, 0, 1)),
        (HALF, True, [TARGET, OTHER], (1, 1, 0, 0, 0, 1)),  # 0.5 is enough
        (BESIDE, True, [TARGET, OTHER], (1, 0, 0, 0, 0, 1)),
        (OTHER, True, [TARGET, OTHER], (1, 0, 1, 1, 1, 1)),
        (OTHER, False, [TARGET, OTHER], (1, 0, 1, 1, 0, 0)),  # there, but it does not believe itself
        (OTHER, True, [GONE, OTHER], (0, 0, 0, 1, 1, 0)),  # nothing to find, and it claims another
        (OTHER, False, [GONE, OTHER], (0, 0, 0, 1, 0, 1)),
        (NOWHERE, False, [GONE, OTHER], (0, 0, 0, 0, 0, 1)),
        (OTHER, True, [TARGET, GONE], (1, 0, 1, 0, 0, 1)),  # a hidden look-alike is none
        (TARGET, True, [TARGET, TARGET], (1, 1, 0, 0, 0, 1)),  # both there: the target wins
        (BESIDE, True, [TARGET, BESIDE], (1, 0, 0, 1, 1, 1)),
        (HALF, True, [TARGET, HALF], (1, 1, 0, 1, 1, 1)),  # on both, and more on the other
        (GONE, False, [TARGET, OTHER], (1, 0, 1, 0, 0, 0)),  # a box that is none touches nothing
        (OTHER, True, [TARGET], (1, 0, 1, 0, 0, 1)),  # nobody annotated the look-alikes
    ],
)
def test_one_frame(box: list, present: bool, truth: list, counts: tuple) -> None:
    found = target_outcome(np.array([box]), np.array([present]), np.array([truth]))
    assert found.num_frames == 1
    assert counts == (
        found.shown,
        found.on_target,
        found.away,
        found.on_distractor,
        found.claimed_distractor,
        found.presence_right,
    )


def test_a_clip_is_the_sum_of_its_frames() -> None:
    boxes = np.array([TARGET, OTHER, OTHER, THIRD, NOWHERE, TARGET])
    truth = np.array([[TARGET, OTHER, THIRD]] * 4 + [[GONE, OTHER, THIRD], [TARGET, OTHER, THIRD]])
    found = target_outcome(boxes, np.array([True, True, False, True, False, True]), truth)
    assert (found.num_frames, found.shown, found.on_target, found.away) == (6, 5, 2, 3)
    assert (found.on_distractor, found.claimed_distractor, found.switches) == (3, 2, 3)
    assert found.presence_right == 5
    assert found.auc == pytest.approx(2 / 5 * 20 / 21)  # IoU 1 exceeds 20 of the 21 thresholds


def test_auc_without_the_target_is_no_number() -> None:
    found = target_outcome(np.array([OTHER]), np.array([True]), np.array([[GONE, OTHER]]))
    assert np.isnan(found.auc)


@pytest.mark.parametrize(
    ('objects', 'switches'),
    [
        ([0, 0, 0], 0),
        ([-1, -1], 0),
        ([], 0),
        ([1, 1, 1], 1),  # begins on the target
        ([0, -1, 1], 1),
        ([0, -1, 0], 0),  # lost and found again
        ([0, 1, 0, 2, 2], 3),
        ([-1, 2, -1, 2, 1], 2),
    ],
)
def test_switches(objects: list, switches: int) -> None:
    assert count_switches(np.array(objects, dtype=int)) == switches


@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.integers(1, 4))
def test_objects_under_a_box_equal_a_plain_loop(seed: int, frames: int, count: int) -> None:
    overlaps = np.random.default_rng(seed).integers(0, 11, (frames, count)) / 10
    expected = []
    for row in overlaps.tolist():
        best = max(range(count), key=lambda m: (row[m], -m))
        expected.append(best if row[best] >= 0.5 else -1)
    assert objects_under(overlaps).tolist() == expected


@pytest.mark.parametrize(
    ('boxes', 'present', 'truth'),
    [((2, 4), (2,), (3, 1, 4)), ((2, 4), (3,), (2, 1, 4)), ((2, 4), (2,), (2, 4))],
)
def test_shapes_must_agree(boxes: tuple, present: tuple, truth: tuple) -> None:
    with pytest.raises(DataError, match=r'expected boxes \(F, 4\)'):
        target_outcome(np.zeros(boxes), np.zeros(present, bool), np.zeros(truth))


def test_tracklets_of_all_objects() -> None:
    pytest.importorskip('trackeval')
    truth = np.array([[TARGET, OTHER]] * 6 + [[GONE, OTHER]] * 2)
    assert tracklet_scores(mot_rows(truth), truth) == pytest.approx((1, 1))
    only_target = truth.copy()
    only_target[:, 1] = NAN
    hota, idf1 = tracklet_scores(mot_rows(only_target), truth)
    assert idf1 == pytest.approx(2 * 6 / (6 + 14))  # 6 boxes found of 14
    assert hota == pytest.approx((6 / 14) ** 0.5)  # DetA 6/14, AssA 1
    swapped = truth.copy()
    swapped[3:6] = truth[3:6, ::-1]
    assert tracklet_scores(mot_rows(swapped), truth)[1] < 0.8
    nothing = np.full_like(truth, NAN)
    assert tracklet_scores(mot_rows(nothing), truth) == pytest.approx((0, 0))


def test_how_many_fewer() -> None:
    first, second = np.array([10.0, 20, 30]), np.array([5.0, 5, 5])
    share, low, high = fewer_with_bounds(first, second)
    assert share == pytest.approx(1 - 15 / 60) and 0.5 <= low <= share <= high <= 5 / 6
    assert fewer_with_bounds(first, first) == pytest.approx((0, 0, 0))
    assert np.isnan(fewer_with_bounds(np.zeros(2), np.ones(2))).all()


def found_boxes(frames: list, scores: list, looks: list | None = None) -> FoundBoxes:
    """Candidates of a target given in TARGET that looks like (1, 0)."""
    boxes = np.array(frames, float)
    return FoundBoxes(
        given=np.array(TARGET),
        template=None if looks is None else np.array([1.0, 0]),
        boxes=boxes,
        scores=np.array(scores, float),
        valid=np.isfinite(boxes).all(-1),
        embeddings=None if looks is None else np.array(looks, float),
    )


def test_top_1_takes_the_first_usable_and_repeats_the_last_box() -> None:
    frames = [[OTHER, TARGET], [GONE, TARGET], [GONE, GONE], [OTHER, TARGET]]
    choice = top_1(found_boxes(frames, [[0.9, 0.8], [0.9, 0.7], [0, 0], [NAN, 0.6]]))
    np.testing.assert_array_equal(choice.boxes, [OTHER, TARGET, TARGET, TARGET])
    np.testing.assert_array_equal(choice.scores, [0.9, 0.7, 0, 0.6])
    assert choice.taken.tolist() == [True, True, False, True]
    assert choice.tracklets.frames.tolist() == [1, 2, 4] and set(choice.tracklets.ids) == {0}
    empty = top_1(found_boxes([[GONE]], [[0]]))
    np.testing.assert_array_equal(empty.boxes, [TARGET])


def test_likeness_outvotes_a_small_lead() -> None:
    found = found_boxes([[OTHER, TARGET]] * 2, [[0.9, 0.8]] * 2, [[[0, 1], [1, 0]], [[1, 0], [NAN, NAN]]])
    np.testing.assert_array_equal(top_1_with_template(found, 0.5).boxes, [TARGET, OTHER])
    np.testing.assert_array_equal(top_1_with_template(found, 0.5).scores, [0.8, 0.9])
    np.testing.assert_array_equal(top_1_with_template(found, 0.0).boxes, top_1(found).boxes)
    with pytest.raises(InputError, match='needs candidates with embeddings'):
        top_1_with_template(found_boxes([[OTHER]], [[0.9]]), 0.5)


def test_association_keeps_to_the_target_beside_a_better_score() -> None:
    """The look-alike scores higher in every frame, and both stand still."""
    found = found_boxes([[OTHER, TARGET]] * 8, [[0.9, 0.8]] * 8, [[[0, 1], [1, 0]]] * 8)
    for way in ('association', 'association without re-id'):
        choice = choices(AssociationRules(), 0.5, has_embeddings=True)[way](found)
        np.testing.assert_array_equal(choice.boxes, [TARGET] * 8)
        assert (choice.scores > 0.5).all() and choice.taken.all()
        assert len(set(choice.tracklets.ids)) == 2 and len(choice.tracklets.ids) == 16
        truth = np.array([[TARGET, OTHER]] * 8)
        assert count_switches(objects_under(np.array([[1.0, 0]] * 8))) == 0
        assert target_outcome(choice.boxes, choice.scores > 0, truth).on_distractor == 0


def test_short_tracklets_do_not_count() -> None:
    frames = [[TARGET, OTHER]] * 2 + [[TARGET, GONE]] * 4
    choice = associated(found_boxes(frames, [[0.9, 0.8]] * 6), AssociationRules())
    assert set(choice.tracklets.ids) == {0} and choice.tracklets.frames.tolist() == [1, 2, 3, 4, 5, 6]


def test_without_embeddings_two_ways_are_left() -> None:
    assert list(choices(AssociationRules(), 0.5, has_embeddings=False)) == [
        'top-1',
        'association without re-id',
    ]
