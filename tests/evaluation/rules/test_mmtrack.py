"""mmtracking's rule by hand."""

from pathlib import Path

import numpy as np
import pytest

from mmgtrack.errors import DataError
from mmgtrack.evaluation.annotations.base import BoxTruth
from mmgtrack.evaluation.results.files import ResultFiles
from mmgtrack.evaluation.rules.mmtrack import MmtrackRule
from mmgtrack.evaluation.rules.pysot import PysotRule

NAN = float('nan')
BOX = [10, 20, 30, 40]
FAR = [500, 500, 30, 40]
RULE = MmtrackRule()


def truth(*boxes: list[float], absent: list[int] | None = None) -> BoxTruth:
    flags = None if absent is None else np.array(absent, bool)
    return BoxTruth('zebra-1', np.array(boxes, float), flags)


def rows(*boxes: list[float]) -> np.ndarray:
    return np.array(boxes, float)


# Of two frames the first is perfect: 0.5 is a miss of the second, 1 a hit.
@pytest.mark.parametrize(
    ('annotated', 'result', 'success', 'precision', 'norm_precision'),
    [
        (truth(BOX, BOX), rows(BOX, BOX), 1.0, 1.0, 1.0),
        (truth(BOX, BOX), rows(FAR, BOX), 0.5, 0.5, 0.5),  # row 0 counts as it is
        (truth(BOX, BOX), rows(BOX, [NAN] * 4), 0.5, 0.5, 0.5),
        (truth(BOX, BOX, absent=[0, 1]), rows(BOX, BOX), 1.0, 1.0, 1.0),
        (truth(BOX, [-1, 20, 30, 40]), rows(BOX, [-1, 20, 30, 40]), 1.0, 1.0, 1.0),
        (truth(BOX, [-40, 20, 30, 40]), rows(BOX, FAR), 0.5, 1.0, 1.0),
        (truth(BOX, [0, 0, 0, 0]), rows(BOX, FAR), 0.5, 1.0, 1.0),
        (truth(BOX, [NAN] * 4), rows(BOX, FAR), 0.5, 1.0, 1.0),
        (truth(BOX, [10, 20, 0, 0]), rows(BOX, [11, 20, 0, 0]), 0.5, 1.0, 0.5),  # divided by 1e-16
        (truth(BOX, [9000, 9000, 0, 0]), rows(BOX, [1, 1, 0, 0]), 0.5, 0.5, 0.5),  # beyond float32
    ],
)
def test_frames(
    annotated: BoxTruth, result: np.ndarray, success: float, precision: float, norm_precision: float
) -> None:
    values = RULE.measure(annotated, result).scores.values
    assert set(RULE.columns) == set(values)
    found = (values['success_0.5'], values['precision'], values['norm_precision'])
    assert found == (success, precision, norm_precision)


@pytest.mark.parametrize(('absent', 'share'), [([0, 1], 0.5), ([1, 1], 0.0), (None, 1.0)])
def test_only_visible(absent: list[int] | None, share: float) -> None:
    """Absent frames stay in the denominator."""
    rule = MmtrackRule(only_visible=True)
    values = rule.measure(truth(BOX, BOX, absent=absent), rows(BOX, BOX)).scores.values
    assert values['success_0.5'] == values['precision'] == values['norm_precision'] == share


def test_float32_decides_ties() -> None:
    """An IoU of 3 / 20 is above 3 * 0.05 in float32 only."""
    annotated, result = truth([1, 1, 20, 1]), rows([1, 1, 3, 1])
    assert RULE.measure(annotated, result).scores.values['success'] == pytest.approx(4 / 21)
    assert PysotRule().measure(annotated, result).scores.values['success'] == pytest.approx(3 / 21)


@pytest.mark.parametrize('result', [rows(BOX), rows(BOX, BOX, BOX)], ids=['short', 'long'])
def test_other_lengths_are_refused(result: np.ndarray) -> None:
    with pytest.raises(DataError, match='zebra-1: expected 2 rows'):
        RULE.measure(truth(BOX, BOX), result)


def test_nothing_to_divide_by() -> None:
    with pytest.raises(DataError, match='annotated frames'):
        RULE.measure(BoxTruth('none', np.zeros((0, 4))), np.zeros((0, 4)))


def test_mean_of_sequences() -> None:
    good = RULE.measure(truth(BOX, BOX, BOX), rows(BOX, BOX, BOX))
    half = RULE.measure(truth(BOX, BOX), rows(BOX, FAR))
    assert RULE.total([good, half]).values['precision'] == 0.75
    assert RULE.total([good, half, half]).values['precision'] == pytest.approx(2 / 3)


def test_reads_a_folder(tmp_path: Path) -> None:
    (tmp_path / 'zebra-1.txt').write_text('10,20,30,40\n')
    assert RULE.read(ResultFiles(tmp_path), truth(BOX)).tolist() == [BOX]
    assert '\n' not in RULE.text + MmtrackRule(only_visible=True).text
