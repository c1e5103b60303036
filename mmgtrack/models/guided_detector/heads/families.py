"""The adapter of a detector."""

from mmdet.models.dense_heads import FCOSHead, RetinaHead, SSDHead
from mmdet.models.detectors import BaseDetector, TwoStageDetector
from torch import nn

from mmgtrack.errors import InputError
from mmgtrack.models.guided_detector.heads.adapter import HeadAdapter
from mmgtrack.models.guided_detector.heads.fcos import FCOSAdapter
from mmgtrack.models.guided_detector.heads.mining import Miner
from mmgtrack.models.guided_detector.heads.retina import RetinaAdapter
from mmgtrack.models.guided_detector.heads.roi import RoIAdapter, check_kinds
from mmgtrack.models.guided_detector.heads.ssd import SSDAdapter

DENSE = {SSDHead: SSDAdapter, RetinaHead: RetinaAdapter, FCOSHead: FCOSAdapter}


def adapter_of(detector: BaseDetector, **options: int) -> HeadAdapter:
    """How the few-shot learner sees a detector of mmdet with one class.

    options: of ``Miner``. Raises InputError for heads that have no adapter, for other numbers of classes, and
    for a detector without train_cfg.
    """
    miner = Miner(**options)
    if isinstance(detector, TwoStageDetector):
        check_kinds(detector)
        _check_classes(detector.roi_head.bbox_head)
        return RoIAdapter(detector, miner)
    head = getattr(detector, 'bbox_head', None)
    for family, adapter in DENSE.items():
        if isinstance(head, family):
            _check_classes(head)
            return adapter(detector, miner)
    raise InputError(
        f'a guided detector has two stages, or the head of {", ".join(family.__name__ for family in DENSE)}, '
        f'got {type(detector).__name__} with {type(head).__name__}'
    )


def _check_classes(head: nn.Module) -> None:
    if head.num_classes != 1:
        raise InputError(f'a guided detector has num_classes=1, the target, got {head.num_classes}')
