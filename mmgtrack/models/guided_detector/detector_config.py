"""Any detector of a zoo as one of a single class: the target."""

import copy
from collections.abc import Mapping
from typing import Any

from mmdet.models.detectors import BaseDetector
from mmengine.config import Config, ConfigDict

from mmgtrack.packaged_configs import run_config


def detector_config(detector: str | Mapping[str, Any]) -> ConfigDict:
    """The detector's own config with one class, and without a mask head.

    detector: a model dict, or where one is: a config of a zoo ('mmdet::retinanet/....py') or a file.
    """
    settings = ConfigDict(copy.deepcopy(dict(_model_of(detector))))
    _one_class(settings)
    return settings


def _model_of(detector: str | Mapping[str, Any]) -> Mapping[str, Any]:
    if not isinstance(detector, str):
        return detector
    if '::' in detector:
        return Config.fromstring(f'_base_ = {detector!r}', '.py').model
    return run_config(detector).model


def preprocessor_config(detector: Mapping[str, Any]) -> dict[str, Any]:
    """A ``ClipDataPreprocessor`` with the detector's mean, deviation and channel order."""
    own = detector.get('data_preprocessor') or {}
    kept = {name: own[name] for name in ('mean', 'std', 'bgr_to_rgb') if name in own}
    return dict(type='mmgtrack.ClipDataPreprocessor', pad_size_divisor=1, **kept)


def guided_levels(detector: BaseDetector) -> tuple[list[int], list[float]]:
    """Channels and strides of the maps that a detector's dense head reads, one-stage or RPN."""
    head: Any = detector.rpn_head if hasattr(detector, 'rpn_head') else detector.bbox_head
    strides = [float(stride[0]) for stride in head.prior_generator.strides]
    widths = head.in_channels
    return ([widths] * len(strides) if isinstance(widths, int) else list(widths)), strides


def _one_class(settings: Any) -> None:
    for name, value in list(settings.items()):
        if name == 'num_classes':
            settings[name] = 1
        elif name in ('mask_head', 'mask_roi_extractor'):
            settings.pop(name)
        elif isinstance(value, dict):
            _one_class(value)
