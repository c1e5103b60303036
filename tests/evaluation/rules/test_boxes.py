"""Geometry by hand."""

import numpy as np
import pytest

from mmgtrack.errors import DataError
from mmgtrack.evaluation.annotations.base import BoxTruth
from mmgtrack.evaluation.rules.boxes import (
    centre_errors,
    errors_of_positive,
    normalised_centre_errors,
    overlaps,
    refuse_other_lengths,
)

NAN = float('nan')
BOX = [11, 11, 10, 10]


def boxes(*rows: list) -> np.ndarray:
    return np.array(rows, dtype=np.float64)


@pytest.mark.parametrize(
    ('other', 'expected'),
    [
        ([21, 11, 10, 10], 0),  # neighbours share nothing
        ([16, 11, 10, 10], 1 / 3),
        ([NAN, 11, 10, 5], 0.5),
        ([11, NAN, NAN, 10], NAN),
    ],
)
def test_overlaps(other: list, expected: float) -> None:
    assert overlaps(boxes(other), boxes(BOX)) == pytest.approx(np.array([expected]), nan_ok=True)


def test_overlap_of_nothing_is_no_number() -> None:
    assert np.isnan(overlaps(boxes([5, 5, 0, 0]), boxes([5, 5, 0, 0]))).all()


def test_centre_errors() -> None:
    moved, truth = boxes([14, 15, 10, 10], [11, 11, 14, 10]), boxes(BOX, BOX)
    assert centre_errors(moved, truth).tolist() == [5, 2]
    # a centre is divided by the size of the truth
    np.testing.assert_allclose(normalised_centre_errors(moved, truth), [0.5, 0.2])


def test_only_positive_centres_are_compared() -> None:
    centres, found = np.array([[1.0, 1], [0, 1], [1, -1], [NAN, 1]]), np.array([[4.0, 5]] * 4)
    assert errors_of_positive(centres, found).tolist() == [5, -1, -1, -1]
    assert errors_of_positive(np.float32(centres), np.float32(found)).dtype == np.float64


@pytest.mark.parametrize(
    ('count', 'rows', 'message'),
    [
        (0, 0, 'car: expected annotated frames, got none'),
        (2, 3, 'car: expected 2 rows, got 3; pysot takes no other number'),
    ],
)
def test_other_lengths(count: int, rows: int, message: str) -> None:
    with pytest.raises(DataError, match=message):
        refuse_other_lengths(BoxTruth('car', np.ones((count, 4))), np.ones((rows, 4)), 'pysot')
