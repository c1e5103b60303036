"""DMTrack (Zhang et al., CVPR 2021): detection by generated convolutions, every look-alike on a tracklet."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from mmdet.models.detectors import SingleStageDetector
from mmdet.structures.bbox import bbox2roi
from torch import Tensor

from mmgtrack.association import Assignment, AssociationRules, Tracklets, associate, associate_together, begin
from mmgtrack.errors import InputError
from mmgtrack.models.base import Frame
from mmgtrack.models.data_preprocessor import View
from mmgtrack.models.detections import box_limits
from mmgtrack.models.dm_track.training_objects import annotated_objects, found_objects
from mmgtrack.models.layers import CorrelationNeck, pool_targets
from mmgtrack.models.pairs import Detections, Pairs
from mmgtrack.models.query_search import QuerySearchTracker, check_targets
from mmgtrack.registry import MODELS
from mmgtrack.structures import Calibration, Candidates, ClipSample, State, Tracks


@dataclass(frozen=True)
class DMTrackState(State):
    """What is known of the targets.

    kernels: (M, L, n) numbers of the generated convolutions, a level; templates: (M, D) embedding of the
    first frame, of unit length, D = 0 without a re-id head; tracklets: the fields of each target's
    ``Tracklets``, none without association.
    """

    kernels: Tensor
    templates: Tensor
    tracklets: tuple[tuple[Tensor, ...], ...]


class Features(NamedTuple):
    """pyramid: maps (N, C, H, W) a level; identity: the re-id head's map of N frames, None without one."""

    pyramid: tuple[Tensor, ...]
    identity: Tensor | None


@MODELS.register_module()
class DMTrack(QuerySearchTracker, SingleStageDetector):
    """A one-stage detector whose convolutions are made from the target, a re-id head, and association.

    Args:
        roi_extractor: config that pools the target's feature from the query's pyramid.
        re_id_head: config, its ``in_channels`` and ``strides`` those of the backbone's maps; None: no
            embeddings.
        task_weights: config of how the losses of detection and re-id are weighed; None: added. Not built
            without a re-id head.
        association: fields of ``AssociationRules``; None: the best box of each frame (published code).
        exclusive: targets of one state exclude each other: a detection has one owner. Needs association.
        batch_frames: frames a pass of ``track``.
        calibration: fields of ``Calibration``.
        inclusive_pixels: boxes of the network end at their last pixel (official code).
        Everything else as in mmdet's ``SingleStageDetector``; ``bbox_head`` is a ``DynamicFCOSHead``, and
        ``neck`` may be a ``CorrelationNeck``.

    ``predict`` judges a single search image, so that it gives the best box; only ``track`` associates.
    """

    state_type: ClassVar[type[State]] = DMTrackState
    network_parts: ClassVar[Sequence[str]] = ('backbone', 'neck', 'bbox_head', 're_id_head')
    compiled_parts: ClassVar[Sequence[str]] = ('backbone', 'neck')

    def __init__(
        self,
        *args: Any,
        roi_extractor: dict[str, Any],
        re_id_head: dict[str, Any] | None = None,
        task_weights: dict[str, Any] | None = None,
        association: dict[str, Any] | None = None,
        exclusive: bool = False,
        batch_frames: int = 1,
        calibration: dict[str, Any] | None = None,
        inclusive_pixels: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        if exclusive and association is None:
            raise InputError('exclusive=True says how targets are associated: it needs association=dict()')
        self.roi_extractor = MODELS.build(roi_extractor)
        self.re_id_head = None if re_id_head is None else MODELS.build(re_id_head)
        # with one task only its weights would never get a gradient, which processes wait for
        weighed = re_id_head is not None and task_weights is not None
        self.task_weights = MODELS.build(task_weights) if weighed else None
        self.association = None if association is None else AssociationRules.of(association)
        self.exclusive = exclusive
        self.batch_frames = batch_frames
        self.calibration = Calibration(**(calibration or {}))
        self.inclusive_pixels = inclusive_pixels

    def fold(self) -> None:
        self.bbox_head.fold()

    def extract(self, images: Tensor) -> Features:
        maps = self.backbone(images.to(next(self.backbone.parameters()).dtype))
        identity = None if self.re_id_head is None else self.re_id_head.read(maps)
        return Features(tuple(self.neck(maps)), identity)

    def encode_targets(self, features: Features, boxes: list[Tensor]) -> dict[str, Any]:
        rois = bbox2roi(boxes)
        pooled = pool_targets(self.roi_extractor, features.pyramid, boxes)
        parts = [self.neck.encode(pooled)] if self._guides_neck else []
        numbers = torch.cat([*parts, self.bbox_head.encode(pooled)], dim=2)
        templates = pooled.new_zeros((len(rois), 0))
        if self.re_id_head is not None:
            templates = self.re_id_head.embed(features.identity, rois[:, 1:], rois[:, 0].long())
        return dict(kernels=numbers, templates=templates.to(rois.dtype), tracklets=((),) * len(rois))

    def limits(self, views: Sequence[View]) -> Tensor:
        # the image's far edges also where boxes end at their last pixel (official code)
        return box_limits([view.shape for view in views], self.data_preprocessor.mean)

    @torch.no_grad()
    def encode(self, frame: Frame, boxes: Any) -> State:
        state = super().encode(frame, boxes)
        assert isinstance(state, DMTrackState)
        if self.association is None:
            return state
        started = [
            begin(box, embedding if len(embedding) else None)
            for box, embedding in zip(_array(state.boxes), _array(state.templates), strict=True)
        ]
        return replace(state, tracklets=tuple(_leaves(tracklets, state.boxes) for tracklets in started))

    def detect(self, features: Features, targets: State, pairs: Pairs, views: Sequence[View]) -> Detections:
        assert isinstance(targets, DMTrackState)
        limits = self.limits(views)[pairs.frames]
        found = self.bbox_head.detect(
            self._look(features, targets.kernels[pairs.targets], pairs.frames), limits
        )
        if self.re_id_head is None:
            return found
        owner = pairs.frames.repeat_interleave(found.scores.shape[1])
        embeddings = self.re_id_head.embed(features.identity, found.boxes.flatten(0, 1), owner)
        return found._replace(embeddings=embeddings.to(limits.dtype).unflatten(0, found.scores.shape))

    def associate(self, candidates: Candidates, state: State) -> tuple[Tracks, State]:
        """Every candidate continues or starts a tracklet of its target; the target is one of them."""
        if self.association is None:
            return super().associate(candidates, state)
        assert isinstance(state, DMTrackState)
        tracklets = [Tracklets.of_leaves([_array(leaf) for leaf in leaves]) for leaves in state.tracklets]
        choices: list[list[Assignment]] = []
        for detections in _detections(candidates):
            tracklets, chosen = self._step(tracklets, detections)
            choices.append(chosen)
        tracks = self._tracks(candidates, choices, state)
        left = tuple(_leaves(each, state.boxes) for each in tracklets)
        return tracks, replace(state, boxes=tracks.boxes[-1], age=state.age + len(candidates), tracklets=left)

    def _step(
        self, tracklets: list[Tracklets], detections: list[tuple[Any, Any, Any]]
    ) -> tuple[list[Tracklets], list[Assignment]]:
        """All targets in one frame."""
        assert self.association is not None
        if self.exclusive:
            done = associate_together(tracklets, detections, self.association)
        else:
            done = [
                associate(own, *found, self.association)
                for own, found in zip(tracklets, detections, strict=True)
            ]
        return [own for own, _ in done], [choice for _, choice in done]

    def _tracks(self, candidates: Candidates, choices: list[list[Assignment]], state: State) -> Tracks:
        """The chosen candidates; a frame without a hypothesis repeats the box before, with score 0."""
        index = [[c.target if c.target >= 0 else c.guess for c in row] for row in choices]
        chosen = torch.tensor(index, device=candidates.scores.device)
        scores = candidates.scores.new_tensor([[choice.score for choice in row] for row in choices])
        valid = chosen >= 0
        best = candidates.padded(1).boxes.take_along_dim(chosen.clamp(min=0)[..., None, None], 2)[:, :, 0]
        return self.judge_history(best, scores, valid, state.boxes)

    def loss(self, inputs: dict[str, Tensor], data_samples: list[ClipSample]) -> dict[str, Any]:
        """Detection of each target in its search image, and re-id of the objects of the batch.

        Raises InputError for a batch without any target.
        """
        check_targets(data_samples)
        queries, searches = self.extract(inputs['query']), self.extract(inputs['search'])
        targets, pairs = self.encode_queries(queries, data_samples)
        assert isinstance(targets, DMTrackState)
        label = self.bbox_head.target_class
        truths = [truth for sample in data_samples for truth in self.search_truths(sample, label)]
        # the mean over targets (official code), not over samples
        shares = torch.full_like(targets.boxes[:, 0], 1 / len(truths))
        outputs = self._look(searches, targets.kernels, pairs.frames)
        losses = self.bbox_head.loss_of_pairs(outputs, truths, shares)
        if self.re_id_head is None:
            return losses
        shapes = [data_samples[n].img_shape['search'] for n in pairs.frames.tolist()]
        limits = box_limits(shapes, targets.boxes)
        found = self.bbox_head.detect(outputs, limits)
        re_id = self._re_id_loss((queries, searches), found, pairs.frames, data_samples)
        return losses | re_id if self.task_weights is None else self._weigh(losses, re_id)

    def _re_id_loss(
        self,
        features: tuple[Features, Features],
        found: Detections,
        frames: Tensor,
        samples: list[ClipSample],
    ) -> dict[str, Tensor]:
        """Of the objects in both images of every pair, and of what the detector takes for them."""
        assert self.re_id_head is not None
        query, search = (annotated_objects(samples, role, self.role_boxes) for role in ('query', 'search'))
        objects = (query, search, found_objects(found, frames, search, query.instances))
        maps = [part.identity for part in (*features, features[1])]
        embeddings = [
            self.re_id_head.embed(read, part.boxes, part.frames)
            for read, part in zip(maps, objects, strict=True)
        ]
        identities, instances = (torch.cat([part[n] for part in objects]) for n in (2, 3))
        losses: dict[str, Tensor] = self.re_id_head.loss(torch.cat(embeddings), identities, instances)
        return losses

    def _weigh(self, detection: dict[str, Tensor], re_id: dict[str, Tensor]) -> dict[str, Tensor]:
        """The weighted sum as the loss; its parts under names that mmengine only logs."""
        assert self.task_weights is not None
        total = self.task_weights(sum(detection.values()), sum(re_id.values()))
        parts = {name.replace('loss_', 'part_'): value for name, value in (detection | re_id).items()}
        return {'loss_tasks': total, **parts}

    def _look(self, features: Features, numbers: Tensor, frames: Tensor) -> Any:
        """Raw outputs of the head for pair p, target p in frame ``frames[p]``: numbers (P, L, n)."""
        if not self._guides_neck:
            return self.bbox_head.search(features.pyramid, numbers, frames)
        counts = [self.neck.num_numbers, self.bbox_head.num_numbers]
        in_neck, in_head = numbers.split(counts, dim=2)
        return self.bbox_head.search(self.neck.modulate(features.pyramid, in_neck, frames), in_head, None)

    @property
    def _guides_neck(self) -> bool:
        return isinstance(self.neck, CorrelationNeck)


def _array(leaf: Tensor) -> np.ndarray:
    """For association, which computes in double precision on the processor."""
    array: np.ndarray = (leaf.double() if leaf.is_floating_point() else leaf).cpu().numpy()
    return array


def _leaves(tracklets: Tracklets, like: Tensor) -> tuple[Tensor, ...]:
    return tuple(torch.from_numpy(np.ascontiguousarray(leaf)).to(like.device) for leaf in tracklets.leaves())


def _detections(candidates: Candidates) -> Iterator[list[tuple[np.ndarray, np.ndarray, np.ndarray | None]]]:
    """Frame by frame, for each target: boxes (K, 4), scores (K,) and embeddings (K, D) of what is there."""
    leaves = [_array(leaf) for leaf in (candidates.boxes, candidates.scores, candidates.valid)]
    embeddings = None if candidates.embeddings is None else _array(candidates.embeddings)
    for n, frame in enumerate(zip(*leaves, strict=True)):
        rows = [int(valid.sum()) for valid in frame[2]]  # the valid ones come first
        yield [
            (frame[0][m, :k], frame[1][m, :k], None if embeddings is None else embeddings[n, m, :k])
            for m, k in enumerate(rows)
        ]
