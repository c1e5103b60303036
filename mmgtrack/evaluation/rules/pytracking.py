"""One-pass evaluation as pytracking computes it, and as STARK's fork of it does.

After analysis/extract_results.py of the program. It keeps its curves in float32, which rounds the numbers it
prints but not what passes a threshold; here they stay float64.
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from mmgtrack.errors import DataError
from mmgtrack.evaluation.annotations.base import BoxTruth
from mmgtrack.evaluation.rules.boxes import centre_errors, normalised_centre_errors, overlaps
from mmgtrack.evaluation.rules.one_pass import INVALID, FrameErrors, OnePassPart, OnePassRule, curves_of

OVERLAPS = np.add.outer(np.arange(6) * 4 * 0.05, np.arange(4) * 0.05).ravel()[:21]
"""As torch.arange computes them, four at a time: 0.65 and 0.75 come out one unit in the last place above
the 13 * 0.05 and 15 * 0.05 of the other programs."""


@dataclass(frozen=True)
class Treatment:
    """What the program makes depend on the data set.

    nan_truth: annotations may hold nan (they are invalid frames); elsewhere such a sequence is refused.
    short_result: a result with too few rows is padded with boxes of no size; otherwise refused.
    invalid_error: centre error of a frame without a valid annotation; -1 makes it a hit, inf a miss.
    flags: frames flagged as without the target are invalid too; elsewhere flags are not looked at.
    hidden_misses: flagged frames miss both precisions, instead of being hits of the normalised one like any
        other invalid frame, by its error of -1.
    """

    nan_truth: bool = False
    short_result: bool = True
    invalid_error: float = np.inf
    flags: bool = False
    hidden_misses: bool = False


TREATMENTS = {
    'lasot': Treatment(short_result=False, flags=True, hidden_misses=True),
    'lasot_ext': Treatment(flags=True),
    'uav': Treatment(nan_truth=True, invalid_error=-1),
    'other': Treatment(),
}


@dataclass(frozen=True)
class PytrackingRule(OnePassRule):
    """Curves over all annotated frames, the mean over sequences.

    dataset: whose treatment: 'lasot', 'lasot_ext', 'uav' or 'other' (OTB, NfS, TLP, ...).
    exclude_invalid: divide by the frames with a valid annotation. Invalid frames that are hits stay in the
        numerator, so a share can exceed 1, as it does in the program.
    valid_by: 'box' asks for x, y, w and h above 0; 'size', as in STARK's fork, for w and h alone.
    init_omit: sequences whose first frames the program does not show to the tracker, and how many: a result
        then begins with the first frame after them.
    """

    dataset: Literal['lasot', 'lasot_ext', 'uav', 'other'] = 'other'
    exclude_invalid: bool = False
    valid_by: Literal['box', 'size'] = 'box'
    init_omit: tuple[tuple[str, int], ...] = ()

    @property
    def program(self) -> str:
        return 'visionml/pytracking @7eb9e74b' if self.valid_by == 'box' else 'researchmm/Stark @162e1d37'

    @property
    def text(self) -> str:
        treatment = TREATMENTS[self.dataset]
        valid = 'x, y, w, h > 0' if self.valid_by == 'box' else 'w, h > 0'
        flags = ' and no flag of absence' if treatment.flags else ''
        invalid = 'hits' if treatment.invalid_error < 0 else 'misses'
        hidden = ' (absent ones misses)' if treatment.hidden_misses else ''
        short = 'padded with empty boxes' if treatment.short_result else 'refused'
        frames = 'valid frames' if self.exclude_invalid else 'all frames'
        return (
            f'valid truth has {valid}{flags}; other frames are misses of success, {invalid} of precision, '
            f'hits of normalised precision{hidden}; divided by {frames}; row 0 is the truth, rows with no '
            f'size repeat the row before, nan is refused, short results are {short}; 21 overlap thresholds, '
            f'IoU > t; mean of sequences{self._omission}'
        )

    @property
    def _omission(self) -> str:
        return ''.join(f'; {name} begins with row {count}' for name, count in self.init_omit)

    def measure(self, truth: BoxTruth, result: np.ndarray) -> OnePassPart:
        """``result``: (F, 4) float64 x, y, w, h. Raises DataError where the program raises."""
        treatment = TREATMENTS[self.dataset]
        truth = self._shown(truth)
        boxes = repaired(truth, result, treatment)
        valid = is_valid(truth.boxes, self.valid_by)
        if treatment.flags:
            valid &= ~absent_of(truth)
        count = np.count_nonzero(valid) if self.exclude_invalid else len(valid)
        if not count:
            raise DataError(
                f'{truth.name}: expected at least one frame with a valid annotation, got none; '
                'leave the sequence out, or divide by all frames'
            )
        return curves_of(truth.name, frame_errors(boxes, truth, valid, treatment), count, OVERLAPS)

    def _shown(self, truth: BoxTruth) -> BoxTruth:
        """Without the frames that the program leaves out."""
        omitted = dict(self.init_omit).get(truth.name, 0)
        absent = None if truth.absent is None else truth.absent[omitted:]
        return replace(truth, boxes=truth.boxes[omitted:], absent=absent) if omitted else truth


def refuse_nan_truth(name: str, boxes: np.ndarray, period: int = 1) -> None:
    """Raises DataError where an annotation has nan; ``boxes`` are every ``period``-th row of its file."""
    rows = np.isnan(boxes).any(axis=1)
    if rows.any():
        raise DataError(
            f'{name}: expected an annotation of numbers, got nan in line {rows.argmax() * period + 1}; '
            "pytracking takes that for UAV123 alone (dataset 'uav')"
        )


def refuse_invalid(name: str, result: np.ndarray, period: int = 1) -> None:
    """Raises DataError where a row has nan or a negative size, even if it would be cut off or replaced.

    result: every ``period``-th row of its file.
    """
    rows = np.isnan(result).any(axis=1) | (result[:, 2:] < 0).any(axis=1)
    if rows.any():
        raise DataError(
            f'{name}: expected boxes with sizes of at least 0, got {result[rows.argmax()].tolist()} in line '
            f'{rows.argmax() * period + 1}; pytracking refuses such results, the rule of the official MATLAB '
            'toolkits repeats the box before'
        )


def repaired(truth: BoxTruth, result: np.ndarray, treatment: Treatment) -> np.ndarray:
    """(N, 4) what the program compares with the N rows of the truth, in the order of its steps."""
    refuse_invalid(truth.name, result)
    if not treatment.nan_truth:
        refuse_nan_truth(truth.name, truth.boxes)
    count = len(truth.boxes)
    extra = is_empty(result[count:])
    if extra.any():
        raise DataError(
            f'{truth.name}: expected {count} rows, got a box of no size in line '
            f'{count + extra.argmax() + 1}, where pytracking stops with an index error; cut the result'
        )
    boxes = without_empty_boxes(result[:count], truth.boxes)
    missing = count - len(boxes)
    if missing and not treatment.short_result:
        raise DataError(
            f'{truth.name}: expected {count} rows, got {len(result)}; pytracking takes no shorter result '
            'of LaSOT; complete it'
        )
    # only now, so that the added boxes keep their size of 0 and overlap nothing
    boxes = np.concatenate([boxes, np.zeros((missing, 4))])
    boxes[:1] = truth.boxes[:1]
    return boxes


def without_empty_boxes(boxes: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """A row with no width or height becomes the row before it, repaired already, unless its truth has nan."""
    empty = is_empty(boxes) & ~np.isnan(truth[: len(boxes)]).any(axis=1)
    empty[:1] = False
    return boxes[np.maximum.accumulate(np.where(empty, 0, np.arange(len(boxes))))]


def is_empty(boxes: np.ndarray) -> np.ndarray:
    """(n,) bool: boxes without width or height."""
    return (boxes[:, 2:] == 0).any(axis=1)


def is_valid(boxes: np.ndarray, valid_by: Literal['box', 'size']) -> np.ndarray:
    """(N,) bool: annotated boxes that results are compared with."""
    return np.all(boxes[:, 0 if valid_by == 'box' else 2 :] > 0, axis=1)


def absent_of(truth: BoxTruth) -> np.ndarray:
    """(N,) bool. Raises DataError where the benchmark has no such flags."""
    if truth.absent is None:
        raise DataError(
            f'{truth.name}: expected flags of absent frames beside the boxes, got none; pytracking '
            'needs them for this data set'
        )
    return truth.absent


def frame_errors(boxes: np.ndarray, truth: BoxTruth, valid: np.ndarray, treatment: Treatment) -> FrameErrors:
    """Of all N frames; those that are not valid get the marks of the treatment."""
    errors = centre_errors(boxes, truth.boxes)
    # unlike MATLAB's, the program's minimum and maximum keep a nan
    ious = np.where(np.isnan(truth.boxes).any(axis=1), np.nan, overlaps(boxes, truth.boxes))
    with np.errstate(divide='ignore', invalid='ignore'):  # empty annotations; they are not valid
        normalised_errors = normalised_centre_errors(boxes, truth.boxes)
    ious[~valid] = INVALID
    errors[~valid] = treatment.invalid_error
    normalised_errors[~valid] = INVALID
    if treatment.hidden_misses:
        errors[absent_of(truth)] = np.inf
        normalised_errors[absent_of(truth)] = np.inf
    return FrameErrors(ious, errors, normalised_errors)
