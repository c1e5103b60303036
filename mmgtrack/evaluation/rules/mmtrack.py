"""One-pass evaluation as mmtracking computes it.

After mmtrack/evaluation/functional/eval_sot_ope.py and SOTMetric of the program, whose 0.x releases have the
same formulae. It holds boxes as corners in float32 (cast after the sum x + w) and takes their IoU and
distances in float32. That decides ties at a threshold, which integer boxes make often, so it is done here
too; the curves are float64.
"""

from dataclasses import dataclass

import numpy as np

from mmgtrack.evaluation.annotations.base import BoxTruth
from mmgtrack.evaluation.rules.boxes import errors_of_positive, refuse_other_lengths
from mmgtrack.evaluation.rules.one_pass import INVALID, FrameErrors, OnePassPart, OnePassRule, curves_of

SMALLEST_UNION = np.float32(1e-6)
"""Square pixels, of mmdet's bbox_overlaps."""

SMALLEST_SIZE = np.float32(1e-16)
"""Added to what centres are divided by."""


@dataclass(frozen=True)
class MmtrackRule(OnePassRule):
    """Curves over all annotated frames.

    only_visible: frames flagged absent leave the curves but not their denominator (the program's
        ``only_eval_visible``); by default the flags are not looked at.
    """

    only_visible: bool = False

    @property
    def program(self) -> str:
        return 'open-mmlab/mmtracking 1.0.0rc1'

    @property
    def text(self) -> str:
        absent = 'removed but stay in the denominator' if self.only_visible else 'kept like any other'
        return (
            f'absent frames are {absent}; truth without w, h > 0 is a miss of success, a truth centre '
            'without x, y > 0 a hit of both precisions; divided by all frames; row 0 and broken rows count '
            'as they are; float32 boxes; 21 overlap thresholds, IoU > t; mean of sequences'
        )

    def measure(self, truth: BoxTruth, result: np.ndarray) -> OnePassPart:
        """``result``: (N, 4) float64 x, y, w, h. Raises DataError where the program stops: other lengths."""
        refuse_other_lengths(truth, result, 'mmtracking')
        boxes, annotated = corners(result), corners(truth.boxes)
        if self.only_visible and truth.absent is not None:
            boxes, annotated = boxes[~truth.absent], annotated[~truth.absent]
        centre, middle = centres(boxes), centres(annotated)
        sizes = annotated[:, 2:] - annotated[:, :2] + SMALLEST_SIZE
        with np.errstate(over='ignore', invalid='ignore'):  # where a size is 0
            normalised_errors = errors_of_positive(middle / sizes, centre / sizes)
        errors = errors_of_positive(middle, centre)
        frames = FrameErrors(overlaps_of(annotated, boxes), errors, normalised_errors)
        return curves_of(truth.name, frames, len(truth.boxes))


def corners(boxes: np.ndarray) -> np.ndarray:
    """(N, 4) float32 x1, y1, x2, y2 of x, y, w, h."""
    return np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1).astype(np.float32)


def centres(boxes: np.ndarray) -> np.ndarray:
    """(N, 2) float32."""
    return np.float32(0.5) * (boxes[:, 2:] + boxes[:, :2])


def overlaps_of(annotated: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """(N,) float64: IoU, taken in float32, where the annotation has width and height; elsewhere INVALID."""
    overlaps = np.full(len(annotated), INVALID)
    valid = (annotated[:, 2:] > annotated[:, :2]).all(axis=1)
    one, other = annotated[valid], boxes[valid]
    low = np.maximum(one[:, :2], other[:, :2])
    high = np.minimum(one[:, 2:], other[:, 2:])
    common = np.maximum(high - low, np.float32(0)).prod(axis=1)
    areas = (one[:, 2:] - one[:, :2]).prod(axis=1) + (other[:, 2:] - other[:, :2]).prod(axis=1)
    overlaps[valid] = common / np.maximum(areas - common, SMALLEST_UNION)
    return overlaps
