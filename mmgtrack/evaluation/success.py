"""Success: the share of frames whose overlap exceeds a threshold, and the area under that curve."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from mmengine.evaluator import BaseMetric

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
    if predicted.shape != truth.shape:
        raise DataError(f'expected {truth.shape} predicted boxes, got {predicted.shape}')
    counted = np.isfinite(truth).all(-1)
    if not counted.any():
        return float('nan')
    overlap = np.nan_to_num(iou(predicted[counted].astype(float), truth[counted].astype(float)))
    return float((overlap[:, None] > THRESHOLDS).mean())


@METRICS.register_module()
class SuccessMetric(BaseMetric):
    """Success AUC of every sequence and their mean (each sequence weighs the same).

    Rule: frames 2..n, IoU > t at 21 thresholds, frames without a box left out; every target that the first
    frame shows counts as a sequence.
    """

    default_prefix = 'success'

    def process(self, data_batch: Sequence[Any], data_samples: Sequence[dict[str, Any]]) -> None:
        for sequence, result in zip(data_batch, data_samples, strict=True):
            truth = np.where(sequence.present[..., None], sequence.boxes, np.nan)[1:]
            several = truth.shape[1] > 1
            columns = enumerate(result['targets'])
            # one entry a sequence: mmengine cuts the ranks' joint list to the number of sequences
            self.results.append(
                {
                    f'{sequence.name}#{target + 1}' if several else sequence.name: success_auc(
                        result['boxes'][1:, column], truth[:, target]
                    )
                    for column, target in columns
                }
            )

    def compute_metrics(self, results: list[dict[str, float]]) -> dict[str, float]:
        values = dict(sorted(item for result in results for item in result.items()))
        counted = [v for v in values.values() if not np.isnan(v)]
        return {'auc': float(np.mean(counted)) if counted else float('nan'), **values}
