"""Dense heads with anchors: assigned by IoU, boxes coded as differences from them."""

from collections.abc import Sequence

from mmdet.models.detectors import BaseDetector
from mmdet.models.task_modules.assigners import MaxIoUAssigner
from torch import Tensor, nn

from mmgtrack.errors import InputError
from mmgtrack.models.guided_detector.heads.dense import DenseAdapter, DenseInputs
from mmgtrack.models.guided_detector.heads.mining import Match, Miner, match_one_box


class AnchorAdapter(DenseAdapter):
    """What SSD and RetinaNet have in common."""

    def __init__(
        self, detector: BaseDetector, layers: Sequence[tuple[str, str]], shared: bool, miner: Miner
    ) -> None:
        self.assigner = assigner_of(detector.bbox_head)
        super().__init__(detector, layers, shared, miner)

    def _match(self, inputs: DenseInputs, boxes: Tensor) -> Match:
        return match_one_box(self.assigner.iou_calculator(boxes, inputs.priors), self.assigner)

    def _encode(self, inputs: DenseInputs, chosen: Tensor, boxes: Tensor) -> Tensor:
        priors = inputs.priors[chosen]
        boxes = boxes[:, None].expand_as(priors).flatten(0, 1)
        return self.head.bbox_coder.encode(priors.flatten(0, 1), boxes).view_as(priors)

    def _decode(self, inputs: DenseInputs, outputs: Tensor) -> Tensor:
        priors = inputs.priors.expand_as(outputs)
        return self.head.bbox_coder.decode(priors.flatten(0, 1), outputs.flatten(0, 1)).view_as(outputs)


def assigner_of(head: nn.Module) -> MaxIoUAssigner:
    """The head's assigner; raises InputError where it has none, or none that goes by IoU."""
    assigner = getattr(head, 'assigner', getattr(head, 'bbox_assigner', None))
    if not isinstance(assigner, MaxIoUAssigner):
        raise InputError(
            f'{type(head).__name__} of a guided detector has a MaxIoUAssigner in its train_cfg, got '
            f'{"none" if assigner is None else type(assigner).__name__}; take a detector with one'
        )
    return assigner
