"""The evaluation rules of the official GlobalTrack repository, whose toolkit is called neuron.

Boxes here are (F, 4) float64 x1, y1, x2, y2 whose corners are *inclusive* pixels, as in its result files:
x2 = x + w - 1, so take 1 off x2 and y2 of the package's own boxes. The benchmarks' own programs differ from
these rules, so numbers of the two kinds do not compare.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mmgtrack.errors import DataError

MAX_ERROR = 50  # pixels: the precision curve has a value for each of 0, 1, ..., 50
PRECISION_AT = 20  # pixels: the reported precision
GOT10K_MIN_IOU = 0.5  # GOT-10k's reported success rate


@dataclass(frozen=True)
class OtbLikeRule:
    """What a benchmark sets in the rule that all but GOT-10k share.

    num_thresholds: overlap thresholds, evenly spaced from 0 to 1, both included.
    frame_stride: the tracker is shown every n-th frame only, beginning with the first, and judged on these.
    """

    num_thresholds: int = 101
    frame_stride: int = 1


OTB_LIKE_RULES = {
    'dtb70': OtbLikeRule(),
    'lasot': OtbLikeRule(num_thresholds=21, frame_stride=10),  # the stride is that of the test script
    'nfs': OtbLikeRule(),
    'otb2013': OtbLikeRule(num_thresholds=21),
    'otb2015': OtbLikeRule(),
    'tcolor128': OtbLikeRule(),
    'tlp': OtbLikeRule(),
    'uav123': OtbLikeRule(),
    'visdrone': OtbLikeRule(),
}


@dataclass(frozen=True, eq=False)
class OtbLikeScores:
    """Curves of one sequence, or their means over sequences; nan where no frame counts.

    num_frames: frames that count. success_curve: (T,) share of them with IoU > t. precision_curve:
    (51,) share of them with a centre error of at most 0, 1, ..., 50 pixels.
    """

    num_frames: int
    success_curve: np.ndarray
    precision_curve: np.ndarray

    @property
    def success(self) -> float:
        """Mean of the success curve ("AUC")."""
        return float(self.success_curve.mean())

    @property
    def success_rate(self) -> float:
        """Success at the middle threshold, IoU > 0.5."""
        return float(self.success_curve[len(self.success_curve) // 2])

    @property
    def precision(self) -> float:
        """Share of frames with a centre error of at most 20 pixels."""
        return float(self.precision_curve[PRECISION_AT])


@dataclass(frozen=True)
class Got10kScores:
    """num_frames: those that count; ao: their mean IoU; sr: share of them with IoU > 0.5; nan without any."""

    num_frames: int
    ao: float
    sr: float


def inclusive_iou(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Element-wise IoU of (..., 4) boxes with inclusive corners: a side is x2 - x1 + 1; nan gives nan."""
    low = np.maximum(boxes[..., :2], others[..., :2])
    high = np.minimum(boxes[..., 2:], others[..., 2:])
    inter = np.prod(np.maximum(high - low + 1, 0), axis=-1)
    area, other_area = (np.prod(b[..., 2:] - b[..., :2] + 1, axis=-1) for b in (boxes, others))
    return inter / np.maximum(area + other_area - inter, 1e-12)  # official guard against boxes without area


def centre_error(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Element-wise distance in pixels of the centres (x1 + x2) / 2 of (..., 4) boxes."""
    centre, other_centre = ((b[..., :2] + b[..., 2:]) / 2 for b in (boxes, others))
    return np.sqrt(((centre - other_centre) ** 2).sum(-1))  # of equal boxes exactly 0


def otb_like_frames(
    truth: np.ndarray, result: np.ndarray, rule: OtbLikeRule = OTB_LIKE_RULES['otb2015']
) -> tuple[np.ndarray, np.ndarray]:
    """IoU (n,) and centre error (n,) of the frames that count.

    truth: (F, 4) of all frames; result: of the frames that the tracker was shown, every ``frame_stride``-th.
    A frame counts if all four numbers of its truth are positive, which drops frames without the target
    (0, 0, -1, -1 or nan) and also targets that touch the left or upper border. Frame 0 counts as perfect.
    Raises DataError where the number of boxes does not fit.
    """
    shown = truth[:: rule.frame_stride]
    _check_sizes(shown, result)
    result = np.concatenate([shown[:1], result[1:]])
    counted = (shown > 0).all(-1)
    return inclusive_iou(result[counted], shown[counted]), centre_error(result[counted], shown[counted])


def score_otb_like(
    truth: np.ndarray, result: np.ndarray, rule: OtbLikeRule = OTB_LIKE_RULES['otb2015']
) -> OtbLikeScores:
    """Curves of one sequence; truth and result as in ``otb_like_frames``."""
    overlap, error = otb_like_frames(truth, result, rule)
    passed = overlap[:, None] > np.linspace(0, 1, rule.num_thresholds)
    near = error[:, None] <= np.arange(MAX_ERROR + 1)
    if len(overlap) == 0:
        return OtbLikeScores(0, np.full(passed.shape[1], np.nan), np.full(near.shape[1], np.nan))
    return OtbLikeScores(len(overlap), passed.mean(0), near.mean(0))


def mean_of_sequences(scores: Sequence[OtbLikeScores]) -> OtbLikeScores:
    """Mean curves: every sequence weighs the same. Ours: those without a frame that counts are left out.

    Raises DataError where none has one.
    """
    counted = [score for score in scores if score.num_frames]
    if not counted:
        raise DataError(f'expected a sequence with a frame that counts, got none in {len(scores)} sequences')
    return OtbLikeScores(
        sum(score.num_frames for score in counted),
        np.mean([score.success_curve for score in counted], axis=0),
        np.mean([score.precision_curve for score in counted], axis=0),
    )


def got10k_frames(
    truth: np.ndarray, result: np.ndarray, cover: np.ndarray, image_size: tuple[int, int]
) -> np.ndarray:
    """IoU (n,) of a sequence's frames that count: those after the first in which some of the target shows.

    truth, result: (F, 4), both clipped to the image; cover: (F,) visible eighths, 0 to 8; image_size:
    (width, height). Raises DataError where the number of boxes or covers does not fit.
    """
    _check_sizes(truth, result)
    if len(cover) != len(truth):
        raise DataError(f'expected {len(truth)} cover values, one a frame, got {len(cover)}')
    limits = np.tile(np.asarray(image_size) - 1, 2)
    counted = cover[1:] > 0
    clipped, others = (np.clip(boxes[1:][counted], 0, limits) for boxes in (result, truth))
    return inclusive_iou(clipped, others)


def score_got10k(overlaps: Sequence[np.ndarray]) -> Got10kScores:
    """Scores of ``got10k_frames`` of one or more sequences, all frames in one pool: long ones weigh more."""
    pool = np.concatenate(overlaps) if overlaps else np.zeros(0)
    if len(pool) == 0:
        return Got10kScores(0, float('nan'), float('nan'))
    return Got10kScores(len(pool), float(pool.mean()), float((pool > GOT10K_MIN_IOU).mean()))


def _check_sizes(truth: np.ndarray, result: np.ndarray) -> None:
    if truth.ndim != 2 or truth.shape[1] != 4 or result.shape != truth.shape:
        raise DataError(f'expected a box (F, 4) a frame, got truth {truth.shape} and result {result.shape}')
