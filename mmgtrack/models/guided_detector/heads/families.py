"""The adapter of a detector."""

from mmdet.models.dense_heads import SSDHead
from torch import nn

from mmgtrack.errors import InputError
from mmgtrack.models.guided_detector.heads.adapter import HeadAdapter
from mmgtrack.models.guided_detector.heads.mining import Miner
from mmgtrack.models.guided_detector.heads.ssd import SSDAdapter

DENSE = {SSDHead: SSDAdapter}


def adapter_of(detector: nn.Module, **options: int) -> HeadAdapter:
    """How the few-shot learner sees a detector of mmdet with one class.

    options: of ``Miner``. Raises InputError for heads that have no adapter, for other numbers of classes, and
    for a detector without train_cfg.
    """
    miner = Miner(**options)
    head = getattr(detector, 'bbox_head', None)
    for family, adapter in DENSE.items():
        if isinstance(head, family):
            _check_classes(head)
            return adapter(detector, miner)
    raise InputError(
        f'a guided detector has the head of one of {", ".join(family.__name__ for family in DENSE)}, '
        f'got {type(detector).__name__} with {type(head).__name__}'
    )


def _check_classes(head: nn.Module) -> None:
    if head.num_classes != 1:
        raise InputError(f'a guided detector has num_classes=1, the target, got {head.num_classes}')
