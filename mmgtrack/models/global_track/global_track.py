"""GlobalTrack: search the whole frame for the object seen in the first one (Huang et al., AAAI 2020)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from mmdet.models.detectors import TwoStageDetector
from mmengine.structures import InstanceData
from torch import Tensor

from mmgtrack.models.base import GlobalSearchTracker
from mmgtrack.models.global_track.proposals import image_sizes
from mmgtrack.models.pairs import Detections, Pairs
from mmgtrack.registry import MODELS
from mmgtrack.structures import Calibration, ClipSample, State, Tracks


@dataclass(frozen=True)
class GlobalTrackState(State):
    """What is computed once from the query.

    rpn_kernels: (M, L, O, C / groups, k, k) of Eq. 1; roi_kernels: (M, C, 7, 7), h_z(z) of Eq. 3.
    """

    rpn_kernels: Tensor
    roi_kernels: Tensor


@MODELS.register_module()
class GlobalTrack(GlobalSearchTracker, TwoStageDetector):
    """A two-stage detector from mmdet's zoo, guided by a query in both stages.

    Args:
        batch_frames: frames a pass of ``track``; results do not depend on it beyond float rounding.
        calibration: fields of ``Calibration``; ``mmgtrack calibrate`` fits them.
        Everything else as in mmdet's ``TwoStageDetector``, whose state-dict keys stay as they are.
    """

    state_type: ClassVar[type[State]] = GlobalTrackState

    def __init__(
        self, *args: Any, batch_frames: int = 1, calibration: dict | None = None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.batch_frames = batch_frames
        self.calibration = Calibration(**(calibration or {}))

    def extract(self, images: Tensor) -> tuple[Tensor, ...]:
        return self.extract_feat(images)

    def encode_targets(self, features: Sequence[Tensor], boxes: list[Tensor]) -> dict[str, Tensor]:
        pooled = self.roi_head.pool(features, boxes)
        return dict(
            rpn_kernels=self.rpn_head.encode(pooled),
            roi_kernels=self.roi_head.modulator.encode(pooled),
        )

    def detect(
        self,
        features: Sequence[Tensor],
        targets: State,
        pairs: Pairs,
        shapes: Sequence[tuple[int, int]],
    ) -> Detections:
        assert isinstance(targets, GlobalTrackState)
        maps = self.rpn_head.modulate(features, targets.rpn_kernels[pairs.targets], pairs.frames)
        kernels = targets.roi_kernels[pairs.targets]
        return self._detect_pairs(features, maps, pairs.frames, kernels, shapes)

    def loss(self, inputs: dict[str, Tensor], data_samples: list[ClipSample]) -> dict[str, Any]:
        """Cross-query loss (Eq. 6): every target of the query image searches the same search image.

        The backbone sees each image once. Pairs weigh the same whatever their number of targets.
        """
        features, maps, frames, roi_kernels = self._encode_pairs(inputs, data_samples)
        counts = torch.bincount(frames, minlength=len(data_samples))
        shares = (1 / (counts * len(data_samples)))[frames]
        truths = [truth for sample in data_samples for truth in _search_truths(sample)]
        image_shapes = [sample.img_shape['search'] for sample in data_samples]
        shapes = [image_shapes[frame] for frame in frames.tolist()]

        # losses and proposals in float32 also under autocast
        scores, deltas = ([level.float() for level in out] for out in self.rpn_head(maps))
        padded = tuple(inputs['search'].shape[-2:])
        metas = [
            dict(img_shape=shape, pad_shape=padded, loss_weight=share)
            for shape, share in zip(shapes, shares.tolist(), strict=True)
        ]
        losses = self.rpn_head.loss_by_feat(scores, deltas, truths, metas)
        sizes = image_sizes(shapes, scores[0])
        proposals = self.rpn_head.propose_from(scores, deltas, sizes, self.train_cfg.rpn_proposal)
        samples = self.roi_head.sample(proposals, truths)
        losses |= self.roi_head.loss_of_pairs(features, samples, frames, roi_kernels, shares)
        return losses

    def predict(self, inputs: dict[str, Tensor], data_samples: list[ClipSample]) -> list[Tracks]:
        features, maps, frames, kernels = self._encode_pairs(inputs, data_samples)
        shapes = [sample.img_shape['search'] for sample in data_samples]
        found = self._detect_pairs(features, maps, frames, kernels, shapes)
        best = [leaf[:, 0] for leaf in found]
        return [self.judge(*(leaf[frames == n][None] for leaf in best)) for n in range(len(data_samples))]

    def _forward(self, inputs: dict[str, Tensor], data_samples: list[ClipSample]) -> Detections:
        features, maps, frames, kernels = self._encode_pairs(inputs, data_samples)
        shapes = [sample.img_shape['search'] for sample in data_samples]
        return self._detect_pairs(features, maps, frames, kernels, shapes)

    def _encode_pairs(
        self, inputs: dict[str, Tensor], data_samples: list[ClipSample]
    ) -> tuple[Sequence[Tensor], list[Tensor], Tensor, Tensor]:
        """Every target of each query image against its own search image.

        Returns the search features, the modulated maps (P, C, H, W) a level, the search image (P,) of each
        target, and its RoI kernel (P, C, 7, 7).
        """
        features = self.extract(inputs['search'])
        queries = [sample.instances['query'].bboxes for sample in data_samples]
        targets = self.encode_targets(self.extract(inputs['query']), queries)
        counts = torch.tensor([len(q) for q in queries], device=features[0].device)
        frames = torch.arange(len(queries), device=counts.device).repeat_interleave(counts)
        maps = self.rpn_head.modulate(features, targets['rpn_kernels'], frames)
        return features, maps, frames, targets['roi_kernels']

    def _detect_pairs(
        self,
        features: Sequence[Tensor],
        maps: list[Tensor],
        frames: Tensor,
        kernels: Tensor,
        shapes: Sequence[tuple[int, int]],
    ) -> Detections:
        """Both stages on P pairs: modulated maps (P, C, H, W) a level, RoI kernels (P, C, 7, 7).

        frames: (P,) image of each pair; shapes: unpadded (h, w) of the images.
        """
        sizes = image_sizes(shapes, maps[0])[frames]
        proposals = self.rpn_head.propose(maps, sizes, self.test_cfg.rpn)
        return self.roi_head.detect(features, proposals, frames, kernels, sizes)


def _search_truths(sample: ClipSample) -> list[InstanceData]:
    """For each target of the query image its box in the search image: 0 or 1 boxes, label 0."""
    search = sample.instances['search']
    truths = []
    for target in sample.instances['query'].ids:
        boxes = search.bboxes[search.ids == target]
        truths.append(InstanceData(bboxes=boxes, labels=boxes.new_zeros(len(boxes), dtype=torch.long)))
    return truths
