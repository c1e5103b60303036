"""FCOS (Tian et al., ICCV 2019): points instead of anchors, and distances to the four sides."""

from collections.abc import Sequence

import torch
from mmdet.models.detectors import BaseDetector
from torch import Tensor

from mmgtrack.models.guided_detector.heads.dense import DenseAdapter, DenseInputs
from mmgtrack.models.guided_detector.heads.mining import Match, Miner
from mmgtrack.models.layers.sample_draws import DrawKey

LARGEST = 16.0  # log of pixels: what no image has, and far from an overflow


class FCOSAdapter(DenseAdapter):
    """mmdet's ``FCOSHead``: the convolution behind each of the two towers; the centerness does not adapt.

    The detector's IoU loss is of decoded boxes. Here the box layer learns its own outputs, which a scale and
    exp (or, with ``norm_on_bbox``, ReLU) turn into distances: their targets are what gives the true ones.
    """

    def __init__(self, detector: BaseDetector, miner: Miner) -> None:
        shared = detector.bbox_head.stacked_convs == 0
        super().__init__(detector, [('conv_cls', 'conv_reg')], shared, miner)
        # the layer before them learns what they could: a loss of its own outputs gives them no gradient
        for scale in self.head.scales:
            scale.requires_grad_(False)

    def auxiliary_loss(
        self, inputs: DenseInputs, boxes: Tensor, keys: Sequence[DrawKey | None] | None = None
    ) -> dict[str, Tensor]:
        """The centerness of all positives (paper of FCOS, Eq. 3), a mean over those of each window."""
        del keys
        distances = _distances(inputs.priors, boxes)
        positive = self._match(inputs, boxes).positive
        wanted = self.head.centerness_target(distances[positive])
        shares = 1 / positive.sum(1, keepdim=True).clamp(min=1).to(wanted) / len(boxes)
        (logits,) = inputs.factors
        weights = shares.expand_as(positive)[positive]
        loss = self.head.loss_centerness(logits[positive], wanted, weight=weights, avg_factor=1)
        return {'loss_centerness': loss}

    def _match(self, inputs: DenseInputs, boxes: Tensor) -> Match:
        """mmdet's ``get_targets`` where a window has one box; the most central positives are the best."""
        boxes = boxes.to(inputs.priors.dtype)
        distances = _distances(inputs.priors, boxes)
        strides = self._of_prior(inputs, self.head.strides)
        inside = distances
        if self.head.center_sampling:
            centres = (boxes[:, :2] + boxes[:, 2:]) / 2
            radii = self.head.center_sample_radius * strides[:, None]
            around = _distances(inputs.priors, centres.repeat(1, 2)) + radii
            inside = torch.minimum(inside, around)
        low, high = (self._of_prior(inputs, ends) for ends in zip(*self.head.regress_ranges, strict=True))
        farthest = distances.amax(-1)
        positive = (inside.amin(-1) > 0) & (farthest >= low) & (farthest <= high)
        centerness = distances.amin(-1) / farthest.clamp(min=1e-6)
        return Match(centerness, positive, ~positive)

    def _encode(self, inputs: DenseInputs, chosen: Tensor, boxes: Tensor) -> Tensor:
        distances = _distances(inputs.priors[chosen], boxes)
        scales = self._scales(inputs)[chosen][..., None]
        if self.head.norm_on_bbox:
            return distances / (self._of_prior(inputs, self.head.strides)[chosen][..., None] * scales)
        return distances.clamp(min=1e-6).log() / scales

    def _decode(self, inputs: DenseInputs, outputs: Tensor) -> Tensor:
        scaled = outputs * self._scales(inputs)[:, None]
        if self.head.norm_on_bbox:
            distances = scaled.clamp(min=0) * self._of_prior(inputs, self.head.strides)[:, None]
        else:
            distances = scaled.clamp(max=LARGEST).exp()
        return self.head.bbox_coder.decode(inputs.priors.expand(len(outputs), -1, -1), distances)

    def _factors(self, outputs: tuple[list[Tensor], ...]) -> tuple[Tensor, ...]:
        return (torch.cat([level.flatten(1) for level in outputs[2]], 1),)

    def _scales(self, inputs: DenseInputs) -> Tensor:
        """(N,): what the outputs of each point's level are multiplied with."""
        scales = torch.stack([scale.scale for scale in self.head.scales])
        return scales[self._of_prior(inputs, range(len(scales)))]


def _distances(points: Tensor, boxes: Tensor) -> Tensor:
    """From points (N, 2) or (B, N, 2) to the sides of boxes (B, 4): (B, N, 4), positive inside."""
    boxes = boxes.to(points.dtype)[:, None]
    return torch.cat((points - boxes[..., :2], boxes[..., 2:] - points), -1)
