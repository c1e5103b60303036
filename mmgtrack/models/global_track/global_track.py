"""GlobalTrack: search the whole frame for the object seen in the first one (Huang et al., AAAI 2020)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import torch
from mmdet.models.detectors import TwoStageDetector
from mmengine.structures import InstanceData
from torch import Tensor

from mmgtrack.models.base import Frame
from mmgtrack.models.data_preprocessor import View
from mmgtrack.models.detections import box_limits
from mmgtrack.models.layers.sample_draws import DrawKey, target_keys
from mmgtrack.models.pairs import Detections, Pairs
from mmgtrack.models.query_search import QuerySearchTracker
from mmgtrack.registry import MODELS
from mmgtrack.structures import Calibration, Candidates, ClipSample, State


@dataclass(frozen=True)
class GlobalTrackState(State):
    """What is computed once from the query.

    rpn_kernels: (M, L, O, C / groups, k, k) of Eq. 1; roi_kernels: (M, C, 7, 7), h_z(z) of Eq. 3.
    """

    rpn_kernels: Tensor
    roi_kernels: Tensor


class TrainingSearches(NamedTuple):
    """P targets, each to be found in the search image of its own sample.

    features: of the N search images; maps: modulated ones (P, C, H, W) a level; frames: (P,) search image of
    each; roi_kernels: (P, C, 7, 7); shares: (P,) weights that sum to 1; truths: the target's box, 0 or 1;
    shapes: unpadded (h, w) of each target's search image; padded: (H, W) of all; keys: what the samplers draw
    from.
    """

    features: Sequence[Tensor]
    maps: list[Tensor]
    frames: Tensor
    roi_kernels: Tensor
    shares: Tensor
    truths: list[InstanceData]
    shapes: list[tuple[int, int]]
    padded: tuple[int, ...]
    keys: list[DrawKey | None]


@MODELS.register_module()
class GlobalTrack(QuerySearchTracker, TwoStageDetector):
    """A two-stage detector from mmdet's zoo, guided by a query in both stages.

    Args:
        batch_frames: frames a pass of ``track``; results do not depend on it beyond float rounding.
        calibration: fields of ``Calibration``; ``mmgtrack calibrate`` fits them.
        inclusive_pixels: boxes of the network end at their last pixel (official code, x2 = x + w - 1).
            Boxes lose that pixel on entry and get it back on exit; coder, assigners and RoI extractor of the
            config must count the same way (configs/globaltrack_r50_official.py).
        Everything else as in mmdet's ``TwoStageDetector``, whose state-dict keys stay as they are.
    """

    state_type: ClassVar[type[State]] = GlobalTrackState
    network_parts: ClassVar[Sequence[str]] = ('backbone', 'neck', 'rpn_head', 'roi_head')
    compiled_parts: ClassVar[Sequence[str]] = ('backbone', 'neck', 'rpn_head', 'roi_head.bbox_head')

    def __init__(
        self,
        *args: Any,
        batch_frames: int = 1,
        calibration: dict | None = None,
        inclusive_pixels: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.batch_frames = batch_frames
        self.calibration = Calibration(**(calibration or {}))
        self.inclusive_pixels = inclusive_pixels

    def extract(self, images: Tensor) -> tuple[Tensor, ...]:
        return self.extract_feat(images.to(next(self.backbone.parameters()).dtype))

    def encode_targets(self, features: Sequence[Tensor], boxes: list[Tensor]) -> dict[str, Tensor]:
        pooled = self.roi_head.pool(features, boxes)
        return dict(
            rpn_kernels=self.rpn_head.encode(pooled),
            roi_kernels=self.roi_head.modulator.encode(pooled),
        )

    def fold(self) -> None:
        self.rpn_head.fold()
        self.roi_head.fold()

    def detect(
        self, features: Sequence[Tensor], targets: State, pairs: Pairs, views: Sequence[View]
    ) -> Detections:
        assert isinstance(targets, GlobalTrackState)
        proposals = self.propose(features, targets, pairs, views)
        limits = self.limits(views)[pairs.frames]
        scales = limits.new_tensor([view.scale[0] for view in views])[pairs.frames]
        kernels = targets.roi_kernels[pairs.targets]
        return self.roi_head.detect(features, proposals, pairs.frames, kernels, limits, scales)

    def propose(
        self, features: Sequence[Tensor], targets: State, pairs: Pairs, views: Sequence[View]
    ) -> Detections:
        """Like ``detect``, but the proposals of the query-guided RPN with its scores, by descending score."""
        assert isinstance(targets, GlobalTrackState)
        maps = self.rpn_head.modulate(features, targets.rpn_kernels[pairs.targets], pairs.frames)
        return self.rpn_head.propose(maps, self.limits(views)[pairs.frames], self.test_cfg.rpn)

    @torch.no_grad()
    def proposals(self, frames: Sequence[Frame], state: State) -> Candidates:
        """Proposals (N, M, K) of N >= 1 frames in frame pixels, before the R-CNN looks at them."""
        return self._all_found(frames, state, self.propose)

    def loss(self, inputs: dict[str, Tensor], data_samples: list[ClipSample]) -> dict[str, Any]:
        """Cross-query loss (Eq. 6): every target of the query image searches the same search image.

        The backbone sees each image once. Pairs weigh the same whatever their number of targets.
        """
        searches = self.training_searches(inputs, data_samples)
        losses, proposals = self.rpn_loss(searches)
        return losses | self.roi_loss(searches, proposals)

    def training_searches(
        self, inputs: dict[str, Tensor], data_samples: list[ClipSample]
    ) -> TrainingSearches:
        """What both stages learn from: every target of each query image against its own search image."""
        features, targets, pairs = self.encode_samples(inputs, data_samples)
        assert isinstance(targets, GlobalTrackState)
        return TrainingSearches(
            features=features,
            maps=self.rpn_head.modulate(features, targets.rpn_kernels, pairs.frames),
            frames=pairs.frames,
            roi_kernels=targets.roi_kernels,
            shares=self.pair_shares(pairs.frames, len(data_samples)),
            truths=[truth for sample in data_samples for truth in self.search_truths(sample)],
            shapes=[data_samples[n].img_shape['search'] for n in pairs.frames.tolist()],
            padded=tuple(inputs['search'].shape[-2:]),
            keys=target_keys(data_samples, [len(s.instances['query']) for s in data_samples]),
        )

    def rpn_loss(self, searches: TrainingSearches) -> tuple[dict[str, Any], Detections]:
        """Losses of the first stage, and its proposals, detached."""
        # losses and proposals in float32 also under autocast
        scores, deltas = ([level.float() for level in out] for out in self.rpn_head(searches.maps))
        metas = [
            dict(img_shape=shape, pad_shape=searches.padded, loss_weight=share, draw_key=key)
            for shape, share, key in zip(
                searches.shapes, searches.shares.tolist(), searches.keys, strict=True
            )
        ]
        losses = self.rpn_head.loss_by_feat(scores, deltas, searches.truths, metas)
        limits = box_limits(searches.shapes, scores[0], self.inclusive_pixels)
        return losses, self.rpn_head.propose_from(scores, deltas, limits, self.train_cfg.rpn_proposal)

    def roi_loss(self, searches: TrainingSearches, proposals: Detections) -> dict[str, Any]:
        """Losses of the second stage on proposals (P, K) of the first."""
        samples = self.roi_head.sample(proposals, searches.truths, searches.keys)
        return self.roi_head.loss_of_pairs(
            searches.features, samples, searches.frames, searches.roi_kernels, searches.shares
        )
