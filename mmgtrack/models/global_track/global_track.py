"""GlobalTrack: search the whole frame for the object seen in the first one (paper 002)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from mmdet.models.detectors import TwoStageDetector
from mmengine.structures import InstanceData
from torch import Tensor

from mmgtrack.models.base import GlobalSearchTracker
from mmgtrack.models.global_track.proposals import Proposals, image_sizes
from mmgtrack.registry import MODELS
from mmgtrack.structures import Calibration, Candidates, ClipSample, State, Tracks


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

    def detect(self, features: Sequence[Tensor], targets: State, shape: tuple[int, int]) -> Candidates:
        assert isinstance(targets, GlobalTrackState)
        num_frames, num_targets = len(features[0]), len(targets)
        maps = self.rpn_head.modulate(features, targets.rpn_kernels)
        frames = torch.arange(num_frames, device=maps[0].device).repeat_interleave(num_targets)
        kernels = targets.roi_kernels.repeat(num_frames, 1, 1, 1)
        found = self._detect_pairs(features, maps, frames, kernels, [shape] * len(frames))
        return Candidates(*(t.unflatten(0, (num_frames, num_targets)) for t in found))

    def loss(self, inputs: dict[str, Tensor], data_samples: list[ClipSample]) -> dict[str, Any]:
        """Cross-query loss (Eq. 6): every target of the query image searches the same search image.

        The backbone sees each image once. Pairs weigh the same whatever their number of targets.
        """
        features = self.extract(inputs['search'])
        queries = [sample.instances['query'] for sample in data_samples]
        counts = torch.tensor([len(q) for q in queries], device=features[0].device)
        frames = torch.arange(len(queries), device=counts.device).repeat_interleave(counts)
        shares = (1 / (counts * len(queries)))[frames]
        targets = self.encode_targets(self.extract(inputs['query']), [q.bboxes for q in queries])
        truths = [truth for sample in data_samples for truth in _search_truths(sample)]
        shapes = [data_samples[f].img_shape['search'] for f in frames.tolist()]

        maps = self.rpn_head.modulate_pairs(features, targets['rpn_kernels'], frames)
        # losses and proposals in float32 also under autocast
        scores, deltas = ([level.float() for level in out] for out in self.rpn_head(maps))
        padded = tuple(inputs['search'].shape[-2:])
        metas = [
            dict(img_shape=shape, pad_shape=padded, loss_weight=share)
            for shape, share in zip(shapes, shares.tolist(), strict=True)
        ]
        losses = self.rpn_head.loss_by_feat(scores, deltas, truths, metas)
        proposals = self.rpn_head.propose_from(scores, deltas, shapes, self.train_cfg.rpn_proposal)
        samples = self.roi_head.sample(proposals, truths)
        losses |= self.roi_head.loss_of_pairs(features, samples, frames, targets['roi_kernels'], shares)
        return losses

    def predict(self, inputs: dict[str, Tensor], data_samples: list[ClipSample]) -> list[Tracks]:
        queries = [sample.instances['query'].bboxes for sample in data_samples]
        found, frames = self._search_pairs(inputs, data_samples, queries)
        best, scores = found.boxes[:, 0], found.scores[:, 0] * found.valid[:, 0]
        return [self.judge(best[frames == n][None], scores[frames == n][None]) for n in range(len(queries))]

    def _forward(self, inputs: dict[str, Tensor], data_samples: list[ClipSample]) -> Proposals:
        queries = [sample.instances['query'].bboxes for sample in data_samples]
        return self._search_pairs(inputs, data_samples, queries)[0]

    def _search_pairs(
        self, inputs: dict[str, Tensor], data_samples: list[ClipSample], queries: list[Tensor]
    ) -> tuple[Proposals, Tensor]:
        """Detections of every query in its own search image, and the image of each."""
        features = self.extract(inputs['search'])
        targets = self.encode_targets(self.extract(inputs['query']), queries)
        counts = torch.tensor([len(q) for q in queries], device=features[0].device)
        frames = torch.arange(len(queries), device=counts.device).repeat_interleave(counts)
        shapes = [data_samples[f].img_shape['search'] for f in frames.tolist()]
        maps = self.rpn_head.modulate_pairs(features, targets['rpn_kernels'], frames)
        return self._detect_pairs(features, maps, frames, targets['roi_kernels'], shapes), frames

    def _detect_pairs(
        self,
        features: Sequence[Tensor],
        maps: list[Tensor],
        frames: Tensor,
        kernels: Tensor,
        shapes: list[tuple[int, int]],
    ) -> Proposals:
        """Both stages on P pairs: modulated maps (P, C, H, W) a level, RoI kernels (P, C, 7, 7)."""
        proposals = self.rpn_head.propose(maps, shapes, self.test_cfg.rpn)
        sizes = image_sizes(shapes, proposals.boxes)
        return self.roi_head.detect(features, proposals, frames, kernels, sizes)


def _search_truths(sample: ClipSample) -> list[InstanceData]:
    """For each target of the query image its box in the search image: 0 or 1 boxes, label 0."""
    search = sample.instances['search']
    truths = []
    for target in sample.instances['query'].ids:
        boxes = search.bboxes[search.ids == target]
        truths.append(InstanceData(bboxes=boxes, labels=boxes.new_zeros(len(boxes), dtype=torch.long)))
    return truths
