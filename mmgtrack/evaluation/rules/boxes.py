"""Geometry of boxes that several programs compute alike, to the last bit; rows are x, y, w, h."""

import numpy as np

from mmgtrack.errors import DataError
from mmgtrack.evaluation.annotations.base import BoxTruth
from mmgtrack.evaluation.rules.one_pass import INVALID


def centres(boxes: np.ndarray) -> np.ndarray:
    """(n, 2) middle of the first and the last pixel of (n, 4) boxes."""
    return boxes[:, :2] + (boxes[:, 2:] - 1) / 2


def lengths(shifts: np.ndarray) -> np.ndarray:
    """(n,) of (n, 2); not hypot, which differs in the last bit."""
    squares = shifts**2
    return np.sqrt(squares[:, 0] + squares[:, 1])


def centre_errors(boxes: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """(n,) pixels between the centres of (n, 4) boxes."""
    return lengths(centres(boxes) - centres(truth))


def normalised_centre_errors(boxes: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """(n,) widths and heights of the truth between the centres; nan or inf where it has none."""
    sizes = truth[:, 2:]
    return lengths(centres(boxes) / sizes - centres(truth) / sizes)


def errors_of_positive(true_centres: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """(n,) float64: between (n, 2) centres where both true coordinates are above 0; elsewhere INVALID."""
    errors = np.full(len(true_centres), INVALID)
    valid = (true_centres > 0).all(axis=1)
    errors[valid] = lengths(true_centres[valid] - centres[valid])
    return errors


def overlaps(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(n,) IoU of (n, 4) boxes, by their last pixels; like MATLAB's, fmin and fmax pass over a nan.

    nan where both are empty, as the programs have no guard against it.
    """
    (low, high), (other_low, other_high) = (
        (each[:, :2], each[:, :2] + each[:, 2:] - 1) for each in (boxes, others)
    )
    sides = np.fmax(0, np.fmin(high, other_high) - np.fmax(low, other_low) + 1)
    shared = sides[:, 0] * sides[:, 1]
    area, other_area = (each[:, 2] * each[:, 3] for each in (boxes, others))
    with np.errstate(divide='ignore', invalid='ignore'):
        return shared / (area + other_area - shared)


def refuse_other_lengths(truth: BoxTruth, result: np.ndarray, program: str) -> None:
    """Raises DataError where a result has not as many rows as the truth, or there is no truth."""
    count = len(truth.boxes)
    if not count:
        raise DataError(f'{truth.name}: expected annotated frames, got none')
    if len(result) != count:
        raise DataError(
            f'{truth.name}: expected {count} rows, got {len(result)}; {program} takes no other number; cut '
            'or complete the result'
        )
