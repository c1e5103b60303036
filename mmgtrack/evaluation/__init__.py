"""How well a tracker does: metrics, official rules and calibration."""

from mmgtrack.evaluation.calibration import best_threshold, fit_calibration
from mmgtrack.evaluation.protocol_metric import ProtocolMetric
from mmgtrack.evaluation.re_identification import Retrieval, retrieve
from mmgtrack.evaluation.recall import hit_ranks, mean_recall, pooled_recall, recall_at
from mmgtrack.evaluation.success import SuccessMetric, iou, success_auc

__all__ = [
    'ProtocolMetric',
    'Retrieval',
    'SuccessMetric',
    'best_threshold',
    'fit_calibration',
    'hit_ranks',
    'iou',
    'mean_recall',
    'pooled_recall',
    'recall_at',
    'retrieve',
    'success_auc',
]
