"""SSD (Liu et al., ECCV 2016): a pair of convolutions a level."""

from mmdet.models.detectors import BaseDetector

from mmgtrack.models.guided_detector.heads.anchors import AnchorAdapter
from mmgtrack.models.guided_detector.heads.mining import Miner


class SSDAdapter(AnchorAdapter):
    """mmdet's ``SSDHead``: the last convolution of each level's two branches, a softmax over both classes."""

    def __init__(self, detector: BaseDetector, miner: Miner) -> None:
        head = detector.bbox_head
        layers = [
            (f'cls_convs.{level}.{len(classes) - 1}', f'reg_convs.{level}.{len(boxes) - 1}')
            for level, (classes, boxes) in enumerate(zip(head.cls_convs, head.reg_convs, strict=True))
        ]
        super().__init__(detector, layers, len(head.cls_convs[0]) == 1, miner)
