"""The rule of the official GlobalTrack repository for all benchmarks but GOT-10k, for results x, y, w, h."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mmgtrack.errors import DataError
from mmgtrack.evaluation.annotations.base import BoxTruth
from mmgtrack.evaluation.neuron import OTB_LIKE_RULES, OtbLikeRule, score_otb_like
from mmgtrack.evaluation.rules.base import Scores
from mmgtrack.evaluation.rules.one_pass import COLUMNS_WITHOUT_NORMALISED, OnePassPart, OnePassRule


@dataclass(frozen=True)
class NeuronRule(OnePassRule):
    """Frames whose truth has a corner that is not positive are not counted.

    The numbers come from ``mmgtrack.evaluation.neuron``.

    benchmark: thresholds, and which frames the tracker was shown. A result may hold a row for every frame or
    for the shown ones only.

    Numbers are taken as they are written. The repository's own result files hold inclusive corners with three
    decimals: rounding belongs to whoever writes such files.
    """

    benchmark: OtbLikeRule = OTB_LIKE_RULES['otb2015']

    columns = COLUMNS_WITHOUT_NORMALISED

    @property
    def program(self) -> str:
        return 'huanglianghua/GlobalTrack @ 0c9bd96 (neuron)'

    @property
    def text(self) -> str:
        stride = self.benchmark.frame_stride
        shown = '' if stride == 1 else f'; only frames 0, {stride}, {2 * stride}, ...'
        return (
            'frames whose truth has a nan or touches the left or upper border are not counted, absence flags '
            'are not looked at; divided by the frames that count; row 0 is the truth; '
            f'{self.benchmark.num_thresholds} overlap thresholds, IoU > t; mean of sequences{shown}'
        )

    def measure(self, truth: BoxTruth, result: np.ndarray) -> OnePassPart:
        """Curves are nan where no frame counts."""
        stride = self.benchmark.frame_stride
        if len(result) == len(truth.boxes):
            result = result[::stride]
        shown = len(range(0, len(truth.boxes), stride))
        if len(result) != shown:
            raise DataError(f'{truth.name}: expected {shown} rows, one a frame, got {len(result)}')
        corners, true_corners = (inclusive_corners(boxes) for boxes in (result, truth.boxes))
        score = score_otb_like(true_corners, corners, self.benchmark)
        thresholds = np.linspace(0, 1, self.benchmark.num_thresholds)
        return OnePassPart(truth.name, thresholds, score.success_curve, score.precision_curve, None)

    def _total(self, parts: Sequence[OnePassPart]) -> Scores:
        """Ours: sequences without a frame that counts are left out; the program would answer nan."""
        counted = [part for part in parts if not np.isnan(part.success).any()]
        if not counted:
            raise DataError(f'expected a sequence with a frame that counts, got none in {len(parts)}')
        return super()._total(counted)


def inclusive_corners(boxes: np.ndarray) -> np.ndarray:
    """(N, 4) x1, y1, x2 = x + w - 1, y2 = y + h - 1 of rows x, y, w, h."""
    return np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:] - 1], axis=1)
