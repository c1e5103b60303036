"""One-pass evaluation as pysot-toolkit computes it.

After pysot/evaluation/ope_benchmark.py and pysot/utils/statistics.py of the program.
"""

from dataclasses import dataclass

import numpy as np

from mmgtrack.evaluation.annotations.base import BoxTruth
from mmgtrack.evaluation.rules.boxes import centres, errors_of_positive, refuse_other_lengths
from mmgtrack.evaluation.rules.one_pass import INVALID, FrameErrors, OnePassPart, OnePassRule, curves_of

SMALLEST_SIZE = 1e-16
"""Added to what centres are divided by."""


@dataclass(frozen=True)
class PysotRule(OnePassRule):
    """Frames flagged absent leave the curves but not their denominator; nothing is repaired."""

    @property
    def program(self) -> str:
        return 'StrangerZhang/pysot-toolkit @8b5ced3b'

    @property
    def text(self) -> str:
        return (
            'absent frames are removed but stay in the denominator; truth without x, y, w, h > 0 is a '
            'miss of success, a truth centre without x, y > 0 a hit of both precisions; divided by all '
            'frames; row 0 and broken rows count as they are; 21 overlap thresholds, IoU > t; mean of '
            'sequences'
        )

    def measure(self, truth: BoxTruth, result: np.ndarray) -> OnePassPart:
        """``result``: (N, 4) float64 x, y, w, h. Raises DataError where the program stops: other lengths."""
        refuse_other_lengths(truth, result, 'pysot-toolkit')
        boxes, annotated = result, truth.boxes
        if truth.absent is not None:
            boxes, annotated = boxes[~truth.absent], annotated[~truth.absent]
        centre, middle = centres(boxes), centres(annotated)
        sizes = annotated[:, 2:] + SMALLEST_SIZE
        frames = FrameErrors(
            overlaps_of(annotated, boxes),
            errors_of_positive(middle, centre),
            errors_of_positive(middle / sizes, centre / sizes),
        )
        return curves_of(truth.name, frames, len(truth.boxes))


def overlaps_of(annotated: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """(N,) IoU within 0 and 1 where all of the annotated x, y, w, h are above 0; elsewhere INVALID."""
    overlaps = np.full(len(annotated), INVALID)
    valid = (annotated > 0).all(axis=1)
    one, other = annotated[valid], boxes[valid]
    low = np.maximum(one[:, :2], other[:, :2])
    high = np.minimum(one[:, :2] + one[:, 2:], other[:, :2] + other[:, 2:])
    common = np.maximum(0, high - low).prod(axis=1)
    union = one[:, 2:].prod(axis=1) + other[:, 2:].prod(axis=1) - common
    with np.errstate(divide='ignore', invalid='ignore'):  # sizes of a broken result may be negative
        overlaps[valid] = np.clip(common / union, 0, 1)
    return overlaps
