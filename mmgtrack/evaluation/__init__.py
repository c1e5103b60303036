"""How well a tracker does: metrics and calibration."""

from mmgtrack.evaluation.calibration import best_threshold, fit_calibration
from mmgtrack.evaluation.success import SuccessMetric, iou, success_auc

__all__ = ['SuccessMetric', 'best_threshold', 'fit_calibration', 'iou', 'success_auc']
