"""Success: the share of frames whose overlap exceeds a threshold, and the area under that curve."""

from collections.abc import Mapping
from collections.abc import Sequence as Items
from typing import Any

import numpy as np
from mmengine.evaluator import BaseMetric

from mmgtrack.datasets.sequence import Sequence
from mmgtrack.errors import DataError
from mmgtrack.registry import METRICS

THRESHOLDS = np.linspace(0, 1, 21)  # OTB: 0, 0.05, ..., 1; a frame counts if IoU > t


def iou(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Element-wise IoU of (..., 4) xyxy arrays on continuous coordinates; nan boxes give nan."""
    low = np.maximum(boxes[..., :2], others[..., :2])
    high = np.minimum(boxes[..., 2:], others[..., 2:])
    inter = np.prod(np.maximum(high - low, 0), axis=-1)
    areas = np.prod(boxes[..., 2:] - boxes[..., :2], -1) + np.prod(others[..., 2:] - others[..., :2], -1)
    with np.errstate(invalid='ignore', divide='ignore'):
        return inter / (areas - inter)


def success_auc(predicted: np.ndarray, truth: np.ndarray) -> float:
    """Mean over 21 thresholds of the share of frames with IoU > t.

    predicted, truth: (F, 4) xyxy pixels of the frames after the first. Frames without truth (nan) are
    left out; nan if none is left. A box that is not finite overlaps nothing.
    """
    return _share(counted_overlaps(predicted, truth)[:, None] > THRESHOLDS)


def success_rate(predicted: np.ndarray, truth: np.ndarray, threshold: float = 0.5) -> float:
    """The share of frames with IoU > threshold, OP in some papers; arguments as in ``success_auc``."""
    return _share(counted_overlaps(predicted, truth) > threshold)


def counted_overlaps(predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """(n,) IoU in the frames with truth; arguments as in ``success_auc``, else DataError."""
    if predicted.shape != truth.shape:
        raise DataError(f'expected {truth.shape} predicted boxes, got {predicted.shape}')
    counted = np.isfinite(truth).all(-1)
    return np.nan_to_num(iou(predicted[counted].astype(float), truth[counted].astype(float)))


def boxes_to_compare(video: Sequence, result: Mapping[str, Any]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Predicted and true boxes (F - 1, 4) after the first frame, nan where absent, by name of the target.

    result: ``targets`` (m,) columns of the video's boxes, ``boxes`` (F, m, 4) xyxy pixels. A target is named
    as the video, and numbered from 1 where there are several.
    """
    truth = np.where(video.present[..., None], video.boxes, np.nan)[1:]
    several = truth.shape[1] > 1
    return {
        f'{video.name}#{target + 1}' if several else video.name: (
            result['boxes'][1:, column],
            truth[:, target],
        )
        for column, target in enumerate(result['targets'])
    }


def _share(successes: np.ndarray) -> float:
    return float(successes.mean()) if successes.size else float('nan')


@METRICS.register_module()
class SuccessMetric(BaseMetric):
    """Success AUC of every sequence and their mean (each sequence weighs the same).

    Rule: frames 2..n, IoU > t at 21 thresholds, frames without a box left out; every target that the first
    frame shows counts as a sequence.
    """

    default_prefix = 'success'

    def process(self, data_batch: Items[Any], data_samples: Items[dict[str, Any]]) -> None:
        # one entry a sequence: mmengine cuts the ranks' joint list to the number of sequences
        self.results += [
            {name: success_auc(*boxes) for name, boxes in boxes_to_compare(sequence, result).items()}
            for sequence, result in zip(data_batch, data_samples, strict=True)
        ]

    def compute_metrics(self, results: list[dict[str, float]]) -> dict[str, float]:
        values = dict(sorted(item for result in results for item in result.items()))
        counted = [v for v in values.values() if not np.isnan(v)]
        return {'auc': float(np.mean(counted)) if counted else float('nan'), **values}
