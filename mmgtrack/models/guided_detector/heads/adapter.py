"""What the few-shot learner needs of a detector's head, whichever family it is of."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Generic, TypeVar

from mmdet.models.detectors import BaseDetector
from torch import Tensor

from mmgtrack.errors import InputError
from mmgtrack.models.guided_detector.head_rows import HeadLayout, HeadRows
from mmgtrack.models.guided_detector.heads.mining import Miner
from mmgtrack.models.layers.sample_draws import DrawKey

Inputs = TypeVar('Inputs')


class HeadAdapter(ABC, Generic[Inputs]):
    """A head with its final layers taken out: they are theta (P,), laid out as ``layout`` says.

    It uses the detector's modules and changes no weight; it is no module itself, so that keys stay the
    detector's own. B windows, square crops of the same side, have a target each: boxes (B, 4) xyxy pixels of
    the crop. A box without area, outside the window, or not finite says that the target is not there.
    """

    def __init__(self, detector: BaseDetector, layout: HeadLayout, miner: Miner) -> None:
        for layer, slots in ((each, group.slots) for group in layout.groups for each in group[:2]):
            found = len(detector.get_parameter(f'{layer.name}.weight'))
            if found != slots * layer.outputs:
                raise InputError(
                    f'{layer.name} has {found} outputs, what can adapt has {layer.outputs} a prior, '
                    f'{slots * layer.outputs} in all: configure the detector without the others'
                )
        self.detector = detector
        self.layout = layout
        self.miner = miner

    def theta(self) -> Tensor:
        """(P,): the detector's own final layers; gradients flow back to them."""
        return self.layout.gather(dict(self.detector.named_parameters()))

    @abstractmethod
    def read(self, maps: tuple[Tensor, ...], boxes: Tensor | None = None) -> Inputs:
        """All that does not depend on theta, of guided maps (B, C, h, w), one a level of the detector.

        boxes: where the targets are, if that is known: heads that look at regions then look there, too.
        Raises InputError for a wrong number of levels.
        """

    @abstractmethod
    def detect(self, inputs: Inputs, theta: Tensor) -> tuple[Tensor, Tensor]:
        """Boxes (B, K, 4), not clipped, and the target's scores (B, K) in [0, 1], before NMS.

        theta: (P,) for all windows, or (B, P).
        """

    @abstractmethod
    def mine(self, inputs: Inputs, boxes: Tensor, theta: Tensor) -> HeadRows:
        """Rows (B, ...) to learn from: positives, and the negatives that are hardest under theta.

        What is chosen carries no gradient, the rows' features do.
        """

    def auxiliary_loss(
        self, inputs: Inputs, boxes: Tensor, keys: Sequence[DrawKey | None] | None = None
    ) -> dict[str, Tensor]:
        """Parts of the detector's loss that its final layers have no share in, scalars by name.

        Each is the mean over windows of their own losses. keys: of the B samples, which random choices
        depend on; without, on the global generators.
        """
        del inputs, boxes, keys
        return {}
