"""Success AUC by hand, and through mmengine's Evaluator."""

import numpy as np
import pytest
from mmengine.evaluator import Evaluator

from mmgtrack.datasets import Sequence
from mmgtrack.errors import DataError
from mmgtrack.evaluation import iou, success_auc

NAN = float('nan')
BOX = [10.0, 10.0, 20.0, 20.0]


@pytest.mark.parametrize(
    ('predicted', 'truth', 'auc'),
    [
        ([BOX], [BOX], 20 / 21),  # IoU 1 exceeds every threshold but 1 itself
        ([[50, 50, 60, 60]], [BOX], 0.0),  # IoU 0 does not exceed 0
        ([[10, 10, 20, 15]], [BOX], 10 / 21),  # IoU 0.5 exceeds 0, 0.05 ... 0.45
        ([BOX, [50, 50, 60, 60]], [BOX, BOX], 10 / 21),
        ([BOX, BOX], [BOX, [NAN] * 4], 20 / 21),  # absent frames are left out
        ([[NAN] * 4, BOX], [BOX, BOX], 10 / 21),  # a missing prediction overlaps nothing
        ([[30, 30, 20, 20]], [BOX], 0.0),  # inverted
    ],
)
def test_success_auc(predicted: list, truth: list, auc: float) -> None:
    assert success_auc(np.array(predicted, float), np.array(truth, float)) == pytest.approx(auc)


def test_no_frame_to_count() -> None:
    assert np.isnan(success_auc(np.array([BOX]), np.full((1, 4), np.nan)))
    assert np.isnan(success_auc(np.zeros((0, 4)), np.zeros((0, 4))))


def test_lengths_must_agree() -> None:
    with pytest.raises(DataError, match='expected'):
        success_auc(np.zeros((2, 4)), np.zeros((3, 4)))


def test_iou_is_continuous() -> None:
    assert iou(np.array(BOX), np.array([15.0, 10.0, 25.0, 20.0])) == pytest.approx(1 / 3)


def sequence(name: str, boxes: list, present: list) -> Sequence:
    array = np.array(boxes, dtype=np.float32)
    there = np.array(present, dtype=bool)
    paths = tuple(f'{i}.jpg' for i in range(len(array)))
    return Sequence(name, paths, array, there, np.ones_like(there))


def test_metric_gives_every_sequence_the_same_weight() -> None:
    """Frame 1 does not count; two targets of one clip count as two sequences."""
    evaluator = Evaluator(dict(type='mmgtrack.SuccessMetric'))
    one = sequence('one', [[BOX]] * 3, [[True]] * 3)
    two = sequence('two', [[BOX, BOX]] * 2, [[True, True]] * 2)
    far = [50.0, 50.0, 60.0, 60.0]
    evaluator.process([dict(targets=[0], boxes=np.array([[BOX], [BOX], [far]]))], [one])
    evaluator.process([dict(targets=[0, 1], boxes=np.array([[BOX, BOX], [BOX, far]]))], [two])
    found = evaluator.evaluate(2)
    assert found['success/one'] == pytest.approx(10 / 21)
    assert found['success/two#1'] == pytest.approx(20 / 21)
    assert found['success/two#2'] == 0
    assert found['success/auc'] == pytest.approx(10 / 21)
