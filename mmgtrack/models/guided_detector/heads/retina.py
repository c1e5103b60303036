"""RetinaNet (Lin et al., ICCV 2017): a pair of convolutions that all levels share."""

from mmdet.models.detectors import BaseDetector

from mmgtrack.models.guided_detector.heads.anchors import AnchorAdapter
from mmgtrack.models.guided_detector.heads.mining import Miner


class RetinaAdapter(AnchorAdapter):
    """mmdet's ``RetinaHead``: the convolution behind each of the two towers."""

    def __init__(self, detector: BaseDetector, miner: Miner) -> None:
        shared = detector.bbox_head.stacked_convs == 0
        super().__init__(detector, [('retina_cls', 'retina_reg')], shared, miner)
