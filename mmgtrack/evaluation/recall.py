"""AR@k: how often the target is among the k best boxes of a frame (GlobalTrack, Tables 1 and 2)."""

from collections.abc import Sequence

import numpy as np

from mmgtrack.errors import DataError
from mmgtrack.evaluation.success import iou

MIN_IOU = 0.5  # paper, ablation study: a frame is a success where the overlap exceeds 0.5
PAPER_KS = (1, 5, 10, 100, 500, 512, 2000)  # columns of Tables 1 and 2


def hit_ranks(boxes: np.ndarray, valid: np.ndarray, truth: np.ndarray, present: np.ndarray) -> np.ndarray:
    """(N, M) rank of the first right box of M targets in N frames, the best box having rank 1.

    boxes: (N, M, K, 4) xyxy pixels, best first; valid: (N, M, K) bool; truth: (N, M, 4); present: (N, M)
    bool, whether the target is in the frame. A box is right if its IoU exceeds 0.5. inf where none is,
    nan where the target is absent: such a frame does not count. Do not pass the frame that the target was
    given in. Raises DataError where the shapes do not fit.
    """
    shape = (*truth.shape[:2], valid.shape[-1])
    if boxes.shape != (*shape, 4) or valid.shape != shape or present.shape != shape[:2]:
        raise DataError(
            'expected boxes (N, M, K, 4), valid (N, M, K), truth (N, M, 4) and present (N, M), got '
            f'{boxes.shape}, {valid.shape}, {truth.shape} and {present.shape}'
        )
    right = (iou(boxes.astype(float), truth[:, :, None].astype(float)) > MIN_IOU) & valid
    before = ~np.logical_or.accumulate(right, axis=-1)  # boxes above the first right one
    ranks = np.where(right.any(-1), before.sum(-1) + 1.0, np.inf)
    return np.where(present, ranks, np.nan)


def recall_at(ranks: np.ndarray, ks: Sequence[int] = PAPER_KS) -> np.ndarray:
    """AR@k (len(ks),): share of the counted ``hit_ranks`` of any shape that are at most k; nan without any.

    A list shorter than k gives what it has: AR@k then stays at the value that its whole length reaches.
    """
    counted = ranks[~np.isnan(ranks)]
    if len(counted) == 0:
        return np.full(len(ks), np.nan)
    return (counted[:, None] <= np.asarray(ks)).mean(0)


def mean_recall(sequences: Sequence[np.ndarray], ks: Sequence[int] = PAPER_KS) -> np.ndarray:
    """AR@k (len(ks),) of every sequence's ranks, then their mean: each sequence weighs the same.

    The default, because the paper calls AR@1 of the last stage the top-1 accuracy, "overlap precision" on
    OTB-2015, and OTB's numbers are means over sequences. One array a target where a sequence has several.
    Sequences without a frame to count are left out.
    """
    counted = [found for ranks in sequences if not np.isnan(found := recall_at(ranks, ks)).any()]
    return np.mean(counted, axis=0) if counted else np.full(len(ks), np.nan)


def pooled_recall(sequences: Sequence[np.ndarray], ks: Sequence[int] = PAPER_KS) -> np.ndarray:
    """AR@k (len(ks),) of all frames together, as detectors are measured: long sequences weigh more."""
    return recall_at(np.concatenate([ranks.ravel() for ranks in sequences]) if sequences else np.zeros(0), ks)
