"""PointTrack: look at the whole frame for a point on the target (the small-object global tracking note)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from mmdet.models.detectors import SingleStageDetector
from torch import Tensor

from mmgtrack.errors import InputError
from mmgtrack.models.base import Frame
from mmgtrack.models.data_preprocessor import View
from mmgtrack.models.layers import pool_targets
from mmgtrack.models.pairs import Detections, Pairs
from mmgtrack.models.point_track.point_head import PointHead
from mmgtrack.models.query_search import QuerySearchTracker, check_targets
from mmgtrack.registry import MODELS
from mmgtrack.structures import Calibration, Candidates, ClipSample, State


@dataclass(frozen=True)
class PointTrackState(State):
    """kernels: (M, L, n) numbers of the targets' kernels, a level; L is that of the neck."""

    kernels: Tensor


@MODELS.register_module()
class PointTrack(QuerySearchTracker, SingleStageDetector):
    """A pyramid detector that says of each cell whether its point is on the target.

    Args:
        roi_extractor: config that pools the target's feature from the query's pyramid.
        batch_frames: frames a pass of ``track``.
        calibration: fields of ``Calibration``.
        Everything else as in mmdet's ``SingleStageDetector``; ``neck`` is a ``CorrelationNeck``, through
        which the target guides, and ``bbox_head`` a ``PointHead`` or, for comparison, a ``CentreHead``.

    Raises InputError for a neck and a head that do not fit together, and for a ``test_cfg`` without what the
    head reads.
    """

    state_type: ClassVar[type[State]] = PointTrackState
    network_parts: ClassVar[Sequence[str]] = ('backbone', 'neck', 'bbox_head')
    compiled_parts: ClassVar[Sequence[str]] = ('backbone', 'neck')

    def __init__(
        self,
        *args: Any,
        roi_extractor: dict[str, Any],
        batch_frames: int = 1,
        calibration: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self._check_parts()
        self.roi_extractor = MODELS.build(roi_extractor)
        self.batch_frames = batch_frames
        self.calibration = Calibration(**(calibration or {}))

    def fold(self) -> None:
        self.neck.fold()

    def extract(self, images: Tensor) -> tuple[Tensor, ...]:
        return self.extract_feat(images.to(next(self.backbone.parameters()).dtype))

    def encode_targets(self, features: Sequence[Tensor], boxes: list[Tensor]) -> dict[str, Any]:
        pooled = pool_targets(self.roi_extractor, features, boxes)
        numbers = self.neck.encode(pooled.to(features[0].dtype))
        return dict(kernels=numbers.to(pooled.dtype))

    def detect(
        self, features: Sequence[Tensor], targets: State, pairs: Pairs, views: Sequence[View]
    ) -> Detections:
        found: Detections = self.bbox_head.detect(
            self._look(features, targets, pairs), self.limits(views)[pairs.frames]
        )
        return found

    def find_points(
        self, features: Sequence[Tensor], targets: State, pairs: Pairs, views: Sequence[View]
    ) -> Detections:
        """Like ``detect``, but the points alone, best first, as boxes without area."""
        found: Detections = self.bbox_head.find_points(
            self._look(features, targets, pairs), self.limits(views)[pairs.frames]
        )
        return found

    @torch.no_grad()
    def points(self, frames: Sequence[Frame], state: State) -> Candidates:
        """The highest points (N, M, K) of N >= 1 frames as boxes without area in frame pixels."""
        return self._all_found(frames, state, self.find_points)

    def loss(self, inputs: dict[str, Tensor], data_samples: list[ClipSample]) -> dict[str, Any]:
        """Losses of the head: every target of the query image is searched in its sample's search image.

        Samples weigh the same whatever their number of targets. Raises InputError for a batch without any.
        """
        check_targets(data_samples)
        features, targets, pairs = self.encode_samples(inputs, data_samples)
        truths = [truth for sample in data_samples for truth in self.search_truths(sample)]
        shapes = [data_samples[n].img_shape['search'] for n in pairs.frames.tolist()]
        losses: dict[str, Any] = self.bbox_head.loss_of_pairs(
            self._look(features, targets, pairs),
            truths,
            shapes,
            self.pair_shares(pairs.frames, len(data_samples)),
        )
        return losses

    def _look(self, features: Sequence[Tensor], targets: State, pairs: Pairs) -> Any:
        """What the head says of pair p, target p in frame ``frames[p]``."""
        assert isinstance(targets, PointTrackState)
        head = self.bbox_head
        return head(self.neck.modulate(features, targets.kernels[pairs.targets], pairs.frames, head.levels))

    def _check_parts(self) -> None:
        head, neck = self.bbox_head, self.neck
        missing = [key for key in head.test_keys if key not in (self.test_cfg or {})]
        if missing:
            raise InputError(f'PointTrack needs {" and ".join(missing)} in its test_cfg, got {self.test_cfg}')
        if isinstance(head, PointHead) and head.num_maps != neck.num_levels:
            raise InputError(
                f'expected a stride for each of the {neck.num_levels} maps of the neck, got {head.num_maps}'
            )
        if not neck.share_levels and len(head.levels) < neck.num_levels:
            # nothing would train the correlations of the others, for which processes side by side wait
            raise InputError(
                f'a head that looks at levels {list(head.levels)} of {neck.num_levels} needs a neck with '
                'share_levels=True'
            )
