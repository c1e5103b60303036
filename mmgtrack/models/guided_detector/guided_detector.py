"""GuidedDetector: any detector as a tracker, by guidance and a head that adapts (Huang et al., ICCV 2019)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from typing import Any, ClassVar, cast

import torch
from mmdet.models.detectors import BaseDetector
from mmengine.model import ModuleList
from torch import Tensor
from torch.nn import functional

from mmgtrack.errors import InputError
from mmgtrack.geometry import WindowRule, boxes_from_window, boxes_to_window
from mmgtrack.models.base import Frame, WindowPrediction, WindowTracker
from mmgtrack.models.guided_detector.detector_config import (
    detector_config,
    guided_levels,
    preprocessor_config,
)
from mmgtrack.models.guided_detector.episodes import ROLES, boxes_of, images_of
from mmgtrack.models.guided_detector.first_frame import FirstFrame
from mmgtrack.models.guided_detector.head_rows import HeadRows
from mmgtrack.models.guided_detector.heads import adapter_of
from mmgtrack.models.guided_detector.own_names import keep_own_names
from mmgtrack.models.guided_detector.sample_store import Sample, split_samples, stack_samples
from mmgtrack.models.guided_detector.target_guidance import TargetGuidance
from mmgtrack.models.windows import Windows, cut_windows
from mmgtrack.registry import MODELS
from mmgtrack.structures import Calibration, ClipSample, State, Tracks


@dataclass(frozen=True)
class GuidedState(State):
    """What guides the detector to each target, and what its head has become.

    modulators: (M, C), those of all levels in a row. thetas: (M, P) final layers as they are now; anchors:
    (M, P) those that Eq. 4 goes back to. first_samples, samples: the rows of each target that the head learns
    from, of the first frame and of later ones, features in half precision. fresh: (M,) int64, samples since
    the last update. dropped: (M,) int64, steps left out because loss or gradient was no number.
    """

    modulators: Tensor
    thetas: Tensor
    anchors: Tensor
    first_samples: tuple[tuple[Sample, ...], ...]
    samples: tuple[tuple[Sample, ...], ...]
    fresh: Tensor
    dropped: Tensor

    def to(self, target: torch.device | str | torch.dtype) -> 'GuidedState':
        """Samples keep their precision: it is that of the store, not of the model."""
        if not isinstance(target, torch.dtype):
            return super().to(target)
        nothing = ((),) * len(self)  # so that no sample is converted to be thrown away
        moved = State.to(replace(self, first_samples=nothing, samples=nothing), target)
        return replace(moved, first_samples=self.first_samples, samples=self.samples)


@dataclass(frozen=True)
class Found:
    """What ``update`` learns from.

    inputs: the adapter's; boxes: (M, 4) crop pixels, the detections chosen, before their size is smoothed.
    """

    inputs: Any
    boxes: Tensor


@MODELS.register_module()
class GuidedDetector(WindowTracker):
    """A detector of one class behind a target-guidance module, with final layers that learn each target.

    The detector is any that ``heads.adapter_of`` knows, built from its own config and left as it is: the
    guidance stands between ``extract_feat`` and the heads. In checkpoints its weights have its own names, so
    those of a detector are a start (``load_from``).

    Args:
        detector: the detector's config, or where it is: 'mmdet::retinanet/retinanet_r50_fpn_1x_coco.py'.
        guidance: options of every level's ``TargetGuidance``.
        learner: options of ``MetaLearner`` (section 3.3).
        selection: options of ``WindowSelection`` (section 3.4).
        first_frame: options of ``FirstFrame``: the samples of the first frame (section 3.4).
        heads: options of the head adapter.
        exemplar: ``dict(factor=..., sizes=...)``: its window in target sizes, and its side in pixels, or one
            for each level (section 3.5).
        search: ``dict(factor=..., size=...)``.
        test_cfg: ``update_interval``: T, frames between updates of the head; ``sample_score``: a frame is
            learnt from at or above this score only; ``max_samples``: of later frames, the oldest go first;
            ``min_side``: least side of a box in pixels.
        data_preprocessor: default: mean, deviation and channel order of the detector's own.
        calibration: see ``Calibration``.

    Raises InputError for a detector that no adapter knows.
    """

    state_type: ClassVar[type[State]] = GuidedState
    network_parts: ClassVar[Sequence[str]] = ('detector.backbone', 'detector.neck')
    compiled_parts: ClassVar[Sequence[str]] = ('detector.backbone', 'detector.neck')

    def __init__(
        self,
        detector: str | Mapping[str, Any],
        guidance: Mapping[str, Any] | None = None,
        learner: Mapping[str, Any] | None = None,
        selection: Mapping[str, Any] | None = None,
        first_frame: Mapping[str, Any] | None = None,
        heads: Mapping[str, Any] | None = None,
        exemplar: Mapping[str, Any] | None = None,
        search: Mapping[str, Any] | None = None,
        test_cfg: Mapping[str, Any] | None = None,
        data_preprocessor: dict[str, Any] | None = None,
        calibration: dict[str, Any] | None = None,
        init_cfg: dict[str, Any] | None = None,
    ) -> None:
        settings = detector_config(detector)
        super().__init__(data_preprocessor or preprocessor_config(settings), init_cfg)
        self.detector: BaseDetector = MODELS.build(settings)
        self.heads = adapter_of(self.detector, **(heads or {}))
        self.widths, self.strides = guided_levels(self.detector)
        self.guidance = ModuleList(
            MODELS.build(dict(type='mmgtrack.TargetGuidance', in_channels=width, **(guidance or {})))
            for width in self.widths
        )
        self.learner = MODELS.build(dict(type='mmgtrack.MetaLearner', **(learner or {})))
        self.learner.bind(self.heads.layout)
        self.selection = MODELS.build(dict(type='mmgtrack.WindowSelection', **(selection or {})))
        self.first_frame = FirstFrame(**(first_frame or {}))
        factor, sizes = _exemplar(**(exemplar or {}))
        self.exemplar_sizes = _per_level(sizes, len(self.widths))
        self.exemplar_rule = WindowRule(factor, max(self.exemplar_sizes))
        self.search_rule = WindowRule(**(search or dict(factor=5, size=300)))
        self.test_cfg: dict[str, Any] = dict(
            update_interval=10, sample_score=0.5, max_samples=10, min_side=2.0
        )
        self._check(test_cfg or {})
        self.test_cfg |= dict(test_cfg or {})
        self.calibration = Calibration(**(calibration or {}))
        keep_own_names(self)

    # ---- tracking ------------------------------------------------------------------------------------

    def encode_targets(self, frame: Frame, boxes: Tensor) -> dict[str, Any]:
        windows = cut_windows(self.data_preprocessor, [frame] * len(boxes), boxes, self.exemplar_rule)
        with self.autocast():
            inside = boxes_to_window(boxes, windows.places, self.exemplar_rule.size)
            modulators = self.modulators(_shown(windows), inside)
        theta = self.theta()
        samples = self._first_samples(frame, boxes, modulators, theta)
        rows, weights = stack_samples(samples)
        adapted = self.learner.adapt_first(theta, rows, weights)
        return dict(
            modulators=modulators,
            thetas=adapted.theta,
            anchors=self.learner.anchor_of(theta, adapted.theta),
            first_samples=samples,
            samples=((),) * len(boxes),
            fresh=torch.zeros_like(adapted.dropped),
            dropped=adapted.dropped,
        )

    def crop(self, frames: Sequence[Frame], state: State) -> Windows:
        return cut_windows(self.data_preprocessor, frames, state.boxes, self.search_rule)

    def predict_windows(self, windows: Windows, state: State) -> WindowPrediction:
        assert isinstance(state, GuidedState)
        with self.autocast():
            inputs = self.heads.read(self.guide(self.extract(_shown(windows)), state.modulators))
        found, scores = self.heads.detect(inputs, state.thetas)
        size = self.search_rule.size
        last = (state.boxes[:, 2:] - state.boxes[:, :2]) / self._scales(windows)
        chosen = self.selection(found.double(), scores, last, size)
        boxes = self._inside(boxes_from_window(chosen.boxes, windows.places, size), windows.sizes)
        return WindowPrediction(boxes, chosen.scores, Found(inputs, chosen.detections.to(found.dtype)))

    def update(self, windows: Windows, state: State, found: WindowPrediction) -> State:
        """Collect what was found, and every T frames let the heads learn from it (section 3.4)."""
        assert isinstance(state, GuidedState)
        trusted = found.valid & (found.scores >= self.test_cfg['sample_score'])
        state = self._collect(state, found.details, trusted)
        due = ((state.age + 1) % self.test_cfg['update_interval'] == 0) & (state.fresh > 0)
        return self._adapt(state, due.nonzero()[:, 0])

    # ---- training ------------------------------------------------------------------------------------

    def loss(self, inputs: dict[str, Tensor], data_samples: list[ClipSample]) -> dict[str, Tensor]:
        """Eq. 2: the query's loss with heads that have learnt the support image (Eq. 1), averaged.

        One exemplar, support and query image a sample, each with the target's box. Logged beside it: the
        support's own loss before the first step, and how many steps were no numbers and were left out.
        """
        boxes = {role: boxes_of(data_samples, role, self.data_preprocessor.mean) for role in ROLES}
        modulators = self.modulators(images_of(inputs, data_samples, 'exemplar'), boxes['exemplar'])
        count = len(data_samples)
        images = torch.cat([images_of(inputs, data_samples, role) for role in ('support', 'query')])
        guided = self.guide(self.extract(images), modulators.repeat(2, 1))
        theta = self.theta()
        support = self.heads.read(tuple(level[:count] for level in guided), boxes['support'])
        rows = self.heads.mine(support, boxes['support'], theta.detach())
        adapted = self.learner.adapt(theta, _of_one(rows))
        query = self.heads.read(tuple(level[count:] for level in guided), boxes['query'])
        rows = self.heads.mine(query, boxes['query'], adapted.theta.detach())
        losses = self.learner.loss(adapted.theta, _of_one(rows))
        keys = [sample.get('draw_key') for sample in data_samples]
        return {
            'loss_query': losses.mean(),
            'support_before': adapted.losses.detach().mean(),
            'dropped_steps': adapted.dropped.sum().to(losses.dtype),
            **self.heads.auxiliary_loss(query, boxes['query'], keys),
        }

    def predict(self, inputs: dict[str, Tensor], data_samples: list[ClipSample]) -> list[Tracks]:
        boxes, scores = self._forward(inputs, data_samples)
        best = scores.nan_to_num(-1).argmax(1, keepdim=True)
        found = boxes.take_along_dim(best[..., None], 1)
        scores = scores.take_along_dim(best, 1)
        valid = found.isfinite().all(-1) & scores.isfinite()
        tracks = self.judge(found, scores, valid)
        return [tracks[n : n + 1] for n in range(len(boxes))]

    @torch.no_grad()
    def _forward(self, inputs: dict[str, Tensor], data_samples: list[ClipSample]) -> tuple[Tensor, Tensor]:
        """Boxes (B, K, 4) and scores (B, K) in the query images, by heads that have learnt the support."""
        boxes = {role: boxes_of(data_samples, role, self.data_preprocessor.mean) for role in ROLES[:2]}
        modulators = self.modulators(images_of(inputs, data_samples, 'exemplar'), boxes['exemplar'])
        support, query = (
            self.guide(self.extract(images_of(inputs, data_samples, role)), modulators)
            for role in ('support', 'query')
        )
        theta = self.theta()
        rows = self.heads.mine(self.heads.read(support, boxes['support']), boxes['support'], theta)
        adapted = self.learner.adapt(theta, _of_one(rows))
        return self.heads.detect(self.heads.read(query), adapted.theta)

    # ---- parts ---------------------------------------------------------------------------------------

    def extract(self, images: Tensor) -> tuple[Tensor, ...]:
        """The maps of the guided levels of normalised images (B, 3, S, S)."""
        weight = next(self.detector.parameters())
        levels = self.detector.extract_feat(images.to(weight.dtype))
        return tuple(levels[: len(self.guidance)])

    def modulators(self, exemplars: Tensor, boxes: Tensor) -> Tensor:
        """(M, C): what all levels' guidance makes of targets.

        exemplars: (M, 3, S, S) normalised windows, of the largest of the exemplars' sizes; boxes: (M, 4) the
        targets in them.
        """
        boxes = boxes.to(self.data_preprocessor.mean.dtype)
        maps: dict[int, tuple[Tensor, ...]] = {}
        parts = []
        for level, (guidance, size) in enumerate(zip(self._levels, self.exemplar_sizes, strict=True)):
            if size not in maps:
                maps[size] = self.extract(_resized(exemplars, size))
            scaled = boxes * (size / exemplars.shape[-1])
            pooled = guidance.pool(maps[size][level], scaled, self.strides[level])
            parts.append(guidance.modulator_of(pooled))
        return torch.cat(parts, 1).to(boxes.dtype)

    def guide(self, maps: Sequence[Tensor], modulators: Tensor) -> tuple[Tensor, ...]:
        """Each level (M, C, h, w) of M windows, guided by each one's own modulators (M, sum of C)."""
        parts = modulators.split(self.widths, 1)
        return tuple(
            guidance.guide(level, part.to(level.dtype))
            for guidance, level, part in zip(self._levels, maps, parts, strict=True)
        )

    @property
    def _levels(self) -> list[TargetGuidance]:
        return cast(list[TargetGuidance], list(self.guidance))

    def theta(self) -> Tensor:
        """(P,): the final layers as training has left them, theta_0."""
        return self.heads.theta()

    def _first_samples(
        self, frame: Frame, boxes: Tensor, modulators: Tensor, theta: Tensor
    ) -> tuple[tuple[Sample, ...], ...]:
        """Rows of each target's augmented windows of the first frame."""
        rule, first = self.search_rule, self.first_frame
        around = first.around(boxes, rule.factor)
        samples: list[tuple[Sample, ...]] = []
        for target, places in enumerate(around):  # the windows of one are a batch already
            windows = cut_windows(self.data_preprocessor, [frame] * len(places), places, rule)
            inside = boxes_to_window(boxes[target], windows.places, rule.size)
            images = first.mirror(_shown(windows)[None])[0]
            truths = first.mirror_boxes(inside[None], rule.size)[0].to(theta.dtype)
            with self.autocast():
                maps = self.guide(self.extract(images), modulators[target].expand(len(places), -1))
                inputs = self.heads.read(maps, truths)
            samples.append(tuple(split_samples(self.heads.mine(inputs, truths, theta))))
        return tuple(samples)

    def _collect(self, state: GuidedState, found: Found, trusted: Tensor) -> GuidedState:
        """Add a sample of this frame to the store of each trusted target."""
        if not trusted.any():
            return state
        boxes = found.boxes.where(trusted[:, None], found.boxes.new_zeros(()))
        rows = self.heads.mine(found.inputs, boxes, state.thetas)
        # where no prior is the target, background alone would be learnt
        trusted = trusted & (rows.box_weights > 0).any(-1).any(-1)
        mined = split_samples(rows)
        samples = list(state.samples)
        for target in trusted.nonzero()[:, 0].tolist():
            samples[target] = (*samples[target], mined[target])[-self.test_cfg['max_samples'] :]
        return replace(state, samples=tuple(samples), fresh=state.fresh + trusted.long())

    def _adapt(self, state: GuidedState, due: Tensor) -> GuidedState:
        """Eq. 4 for the targets with these indices, from all of their samples."""
        if len(due) == 0:
            return state
        chosen = [(*state.first_samples[row], *state.samples[row]) for row in due.tolist()]
        rows, weights = stack_samples(chosen)
        adapted = self.learner.anchored(state.thetas[due], state.anchors[due], rows, weights)
        return replace(
            state,
            thetas=state.thetas.index_put((due,), adapted.theta),
            fresh=state.fresh.index_put((due,), torch.zeros_like(due)),
            dropped=state.dropped.index_put((due,), state.dropped[due] + adapted.dropped),
        )

    def _scales(self, windows: Windows) -> Tensor:
        """(M, 1) frame pixels a crop pixel."""
        return windows.places[:, 2:].double() / self.search_rule.size

    def _inside(self, boxes: Tensor, sizes: Tensor) -> Tensor:
        """Boxes (M, 4) with their centre in the frame, no larger than it, and at least ``min_side``."""
        sizes = sizes.to(boxes.dtype)
        centres = ((boxes[:, :2] + boxes[:, 2:]) / 2).clamp(min=0).minimum(sizes)
        halves = (boxes[:, 2:] - boxes[:, :2]).minimum(sizes).clamp(min=self.test_cfg['min_side']) / 2
        return torch.cat([centres - halves, centres + halves], 1)

    def _check(self, test_cfg: Mapping[str, Any]) -> None:
        unknown = [name for name in test_cfg if name not in self.test_cfg]
        if unknown:
            raise InputError(f'test_cfg has {", ".join(self.test_cfg)}, got {", ".join(unknown)}')
        for name in ('update_interval', 'max_samples'):
            value = test_cfg.get(name, 1)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise InputError(f'{name} must be a whole number >= 1, got {value!r}')
        for name, least in (('sample_score', float('-inf')), ('min_side', 0.0)):
            value = test_cfg.get(name, 1)
            if not isinstance(value, (int, float)) or not isfinite(value) or value <= least:
                raise InputError(f'{name} must be a number above {least}, got {value!r}')


def _shown(windows: Windows) -> Tensor:
    """The windows' images with the mean's grey outside the frame (choice 2 in docs/models)."""
    return windows.images.masked_fill(windows.padding[:, None], 0)


def _resized(images: Tensor, size: int) -> Tensor:
    if images.shape[-1] == size:
        return images
    return functional.interpolate(images, (size, size), mode='bilinear', antialias=True, align_corners=False)


def _of_one(rows: HeadRows) -> HeadRows:
    """Rows (B, ...) of one image a task as (B, 1, ...)."""
    return HeadRows(
        tuple(feature[:, None] for feature in rows.features), *(leaf[:, None] for leaf in rows[1:])
    )


def _exemplar(factor: float = 2, sizes: int | Sequence[int] = 120) -> tuple[float, int | Sequence[int]]:
    """The options of ``exemplar``, with their defaults."""
    return factor, sizes


def _per_level(sizes: int | Sequence[int], levels: int) -> list[int]:
    given: list[Any] = list(sizes) if isinstance(sizes, (list, tuple)) else [sizes] * levels
    if len(given) != levels or not all(isinstance(size, int) and size >= 1 for size in given):
        raise InputError(f'{levels} guided levels need one exemplar size, or {levels}, got {sizes}')
    return given
