"""GlobalTrack: search the whole frame for the object seen in the first one (Huang et al., AAAI 2020)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import torch
from mmdet.models.detectors import TwoStageDetector
from mmengine.structures import InstanceData
from torch import Tensor

from mmgtrack.geometry import clip_boxes
from mmgtrack.models.base import Frame, GlobalSearchTracker
from mmgtrack.models.data_preprocessor import View
from mmgtrack.models.global_track.proposals import box_limits
from mmgtrack.models.layers.sample_draws import DrawKey, target_keys
from mmgtrack.models.pairs import Detections, Pairs
from mmgtrack.registry import MODELS
from mmgtrack.structures import Calibration, Candidates, ClipSample, State, Tracks


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
class GlobalTrack(GlobalSearchTracker, TwoStageDetector):
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

    def to_network(self, boxes: Tensor, view: View) -> Tensor:
        if not self.inclusive_pixels:
            return super().to_network(boxes, view)
        # official order: to the last pixel, scale, clip to the padded image
        height, width = self.data_preprocessor.padded(view.shape)
        inside = clip_boxes((boxes - _last_pixel(boxes)) * view.factors(boxes), (height - 1, width - 1))
        return _ordered(inside)

    def to_frame(self, boxes: Tensor, factors: Tensor) -> Tensor:
        in_frame = super().to_frame(boxes, factors)
        return in_frame + _last_pixel(boxes) if self.inclusive_pixels else in_frame

    def detect(
        self, features: Sequence[Tensor], targets: State, pairs: Pairs, views: Sequence[View]
    ) -> Detections:
        assert isinstance(targets, GlobalTrackState)
        maps = self.rpn_head.modulate(features, targets.rpn_kernels[pairs.targets], pairs.frames)
        kernels = targets.roi_kernels[pairs.targets]
        return self._detect_pairs(features, maps, pairs.frames, kernels, views)

    def propose(
        self, features: Sequence[Tensor], targets: State, pairs: Pairs, views: Sequence[View]
    ) -> Detections:
        """Like ``detect``, but the proposals of the query-guided RPN with its scores, by descending score."""
        assert isinstance(targets, GlobalTrackState)
        maps = self.rpn_head.modulate(features, targets.rpn_kernels[pairs.targets], pairs.frames)
        return self._propose_pairs(maps, pairs.frames, views)

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
        features, maps, frames, roi_kernels = self._encode_pairs(inputs, data_samples)
        counts = torch.bincount(frames, minlength=len(data_samples))
        return TrainingSearches(
            features=features,
            maps=maps,
            frames=frames,
            roi_kernels=roi_kernels,
            shares=(1 / (counts * len(data_samples)))[frames],
            truths=[truth for sample in data_samples for truth in self._search_truths(sample)],
            shapes=[data_samples[n].img_shape['search'] for n in frames.tolist()],
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

    def predict(self, inputs: dict[str, Tensor], data_samples: list[ClipSample]) -> list[Tracks]:
        found, frames = self._search_pairs(inputs, data_samples)
        boxes = found.boxes[:, 0]
        if self.inclusive_pixels:  # what they lost on entry
            scales = boxes.new_tensor([_scale_of(sample, 'search') for sample in data_samples])
            boxes = boxes + _last_pixel(boxes) * scales[frames, None]
        best = (boxes, found.scores[:, 0], found.valid[:, 0])
        return [self.judge(*(leaf[frames == n][None] for leaf in best)) for n in range(len(data_samples))]

    def _forward(self, inputs: dict[str, Tensor], data_samples: list[ClipSample]) -> Detections:
        return self._search_pairs(inputs, data_samples)[0]

    def _search_pairs(
        self, inputs: dict[str, Tensor], data_samples: list[ClipSample]
    ) -> tuple[Detections, Tensor]:
        """Detections of each pair in pixels of its search image, and that image (P,)."""
        features, maps, frames, kernels = self._encode_pairs(inputs, data_samples)
        shapes = [sample.img_shape['search'] for sample in data_samples]
        views = [
            View(image[:, :h, :w], (h, w)) for image, (h, w) in zip(inputs['search'], shapes, strict=True)
        ]
        return self._detect_pairs(features, maps, frames, kernels, views), frames

    def _encode_pairs(
        self, inputs: dict[str, Tensor], data_samples: list[ClipSample]
    ) -> tuple[Sequence[Tensor], list[Tensor], Tensor, Tensor]:
        """Every target of each query image against its own search image.

        Returns the search features, the modulated maps (P, C, H, W) a level, the search image (P,) of each
        target, and its RoI kernel (P, C, 7, 7).
        """
        features = self.extract(inputs['search'])
        queries = [self._role_boxes(sample, 'query') for sample in data_samples]
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
        views: Sequence[View],
    ) -> Detections:
        """Both stages on P pairs: modulated maps (P, C, H, W) a level, RoI kernels (P, C, 7, 7).

        frames: (P,) image of each pair.
        """
        proposals = self._propose_pairs(maps, frames, views)
        limits = self._limits(views)[frames]
        scales = limits.new_tensor([view.scale[0] for view in views])[frames]
        return self.roi_head.detect(features, proposals, frames, kernels, limits, scales)

    def _propose_pairs(self, maps: list[Tensor], frames: Tensor, views: Sequence[View]) -> Detections:
        return self.rpn_head.propose(maps, self._limits(views)[frames], self.test_cfg.rpn)

    def _limits(self, views: Sequence[View]) -> Tensor:
        like = self.data_preprocessor.mean  # of boxes' precision, which that of features may be below
        return box_limits([view.shape for view in views], like, self.inclusive_pixels)

    def _role_boxes(self, sample: ClipSample, role: str) -> Tensor:
        """Boxes (n, 4) of a training image as the network counts pixels."""
        boxes = sample.instances[role].bboxes
        if not self.inclusive_pixels:
            return boxes
        # the last pixel of the stored frame is as large as the image is scaled; official code takes it off
        # before it flips, about the resized image's last pixel
        scale = _scale_of(sample, role)
        boxes = boxes - _last_pixel(boxes) * scale
        if sample.get('flip', {}).get(role, False):
            boxes = boxes + boxes.new_tensor([1, 0, 1, 0]) * (scale - 1)
        return _ordered(boxes)

    def _search_truths(self, sample: ClipSample) -> list[InstanceData]:
        """For each target of the query image its box in the search image: 0 or 1 boxes, label 0."""
        boxes, ids = self._role_boxes(sample, 'search'), sample.instances['search'].ids
        found = [boxes[ids == target] for target in sample.instances['query'].ids]
        return [InstanceData(bboxes=box, labels=box.new_zeros(len(box), dtype=torch.long)) for box in found]


def _scale_of(sample: ClipSample, role: str) -> float:
    """Pixels of a role's image a pixel of the stored frame."""
    return float(sample.get('scale', {}).get(role, 1.0))


def _ordered(boxes: Tensor) -> Tensor:
    """Boxes narrower than a pixel end where they start (official code)."""
    return torch.cat([boxes[:, :2], torch.maximum(boxes[:, :2], boxes[:, 2:])], dim=1)


def _last_pixel(like: Tensor) -> Tensor:
    """What an inclusive box lacks: x1 and y1 nothing, x2 and y2 one pixel."""
    return like.new_tensor([0, 0, 1, 1])
