"""FCOS head (Tian et al., ICCV 2019) with convolutions that are generated from the target, as in DMTrack."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from mmcv.cnn import ConvModule, DepthwiseSeparableConvModule, Scale
from mmdet.models.dense_heads import FCOSHead
from mmengine.model import ModuleList
from mmengine.structures import InstanceData
from torch import Tensor, nn

from mmgtrack.errors import InputError
from mmgtrack.models.detections import keep_best, suppress
from mmgtrack.models.dm_track.twin_branches import TwinBranches, can_be_twins
from mmgtrack.models.layers import DynamicCorrelation, MultiKernelCorrelation
from mmgtrack.models.pairs import Detections
from mmgtrack.registry import MODELS

Correlation = DynamicCorrelation | MultiKernelCorrelation
LevelMaps = tuple[list[Tensor], list[Tensor], list[Tensor]]


@MODELS.register_module()
class DynamicFCOSHead(FCOSHead):
    """Two branches of convolutions, in which dynamic correlations can stand at any place.

    Args:
        correlations: configs without channels, with a ``place`` each. Place n is before the n-th convolution
            of a branch, counted from 0; ``stacked_convs`` is behind the last one. Each branch has its own.
            The published head has one at 0, and one behind the last convolution that begins with an encoder.
            None: the maps come modulated, or the detector looks for any object.
        target_class: the class that is the target. The published head has two, 0 is never positive.
        scale_start: what the levels' scales start at; default 1 (official code). Ours: pixels that distances
            begin with, for short trainings.
        depthwise: the branches' convolutions are depth-wise separable ones. Ours: an eighth of the cost.
        Everything else as in mmdet's ``FCOSHead``, but for what gives distances another unit or the branches
        other convolutions. Distances are relu(scale * x) in pixels (official code), centerness comes from the
        box branch with ``centerness_on_reg``.

    Raises InputError for places, classes and scales that cannot be, and for mmdet's options that it lacks.

    The loss is the mean over targets of each target's own loss (official code): focal loss over its number of
    positive points + 1, log IoU weighted by the centerness, centerness over its positive points.
    """

    def __init__(
        self,
        *args: Any,
        correlations: Sequence[dict[str, Any]] | None = None,
        target_class: int = 0,
        scale_start: Sequence[float] | None = None,
        depthwise: bool = False,
        **kwargs: Any,
    ) -> None:
        self._places = _by_place(correlations or ())
        self.target_class = target_class
        self._scale_start = scale_start
        self._convolution = DepthwiseSeparableConvModule if depthwise else ConvModule
        super().__init__(*args, **kwargs)
        self.twins: TwinBranches | None = None

    @property
    def places(self) -> list[int]:
        """Of the correlations, ascending."""
        return list(self._places)

    def fold(self) -> None:
        """For inference: compute both branches as one, where their layers allow it."""
        if can_be_twins(self):
            self.twins = TwinBranches(self)

    def _init_layers(self) -> None:
        self._check_options()
        super()._init_layers()
        if self._scale_start is not None:
            self.scales = nn.ModuleList(Scale(start) for start in self._scale_start)
        self.cls_correlations = self._make_correlations()
        self.reg_correlations = self._make_correlations()
        # mmengine's list, through which init_weights reaches its modules
        self.level_convs = ModuleList(
            nn.Conv2d(self.in_channels, self.in_channels, 1) for _ in (self.strides if self._places else ())
        )
        last = [c.out_channels for p, c in self._at_places(self.cls_correlations) if p == self.stacked_convs]
        channels = last[0] if last else self.feat_channels
        self.conv_cls = nn.Conv2d(channels, self.cls_out_channels, 3, padding=1)
        self.conv_reg = nn.Conv2d(channels, 4, 3, padding=1)
        self.conv_centerness = nn.Conv2d(channels, 1, 3, padding=1)

    def _check_options(self) -> None:
        places = list(self._places)
        if places != sorted(places) or not set(places) <= set(range(self.stacked_convs + 1)):
            raise InputError(
                f'correlations stand at places from 0 to {self.stacked_convs}, in that order, got {places}'
            )
        if not 0 <= self.target_class < self.num_classes:
            raise InputError(f'target_class must be below {self.num_classes}, got {self.target_class}')
        if self._scale_start is not None and len(self._scale_start) != len(self.strides):
            raise InputError(
                f'scale_start needs a number for each of {len(self.strides)} levels, got {self._scale_start}'
            )
        for name in ('norm_on_bbox', 'dcn_on_last_conv', 'conv_cfg', 'cls_predictor_cfg'):
            if getattr(self, name):
                raise InputError(f'DynamicFCOSHead has no {name}: leave it out')

    def _init_cls_convs(self) -> None:
        self.cls_convs = self._make_convs()

    def _init_reg_convs(self) -> None:
        self.reg_convs = self._make_convs()

    def _make_convs(self) -> ModuleList:
        """The convolutions of a branch."""
        widths = [self.in_channels, *[self.feat_channels] * self.stacked_convs]
        return ModuleList(
            self._convolution(before, after, 3, padding=1, norm_cfg=self.norm_cfg, bias=self.conv_bias)
            for before, after in pairwise(widths)
        )

    def _make_correlations(self) -> ModuleList:
        made = ModuleList()
        for place, config in self._places.items():
            channels = self.in_channels if place == 0 else self.feat_channels
            layer = MODELS.build({'type': 'mmgtrack.DynamicCorrelation', **config, 'channels': channels})
            if place < self.stacked_convs and layer.out_channels != channels:
                raise InputError(
                    f'a correlation between convolutions must give {channels} channels, as it gets, but the '
                    f'one at place {place} gives {layer.out_channels}'
                )
            made.append(layer)
        return made

    def _at_places(self, correlations: ModuleList) -> list[tuple[int, Correlation]]:
        return list(zip(self._places, correlations, strict=True))

    @property
    def num_numbers(self) -> int:
        """Numbers of a target's kernels for one level: those of both branches."""
        return sum(layer.num_numbers for layer in (*self.cls_correlations, *self.reg_correlations))

    def encode(self, targets: Tensor) -> Tensor:
        """Kernels (M, L, ``num_numbers``) of RoI features (M, C, R, R), cls branch first."""
        layers = [*self.cls_correlations, *self.reg_correlations]
        if not layers:
            return targets.new_zeros((len(targets), len(self.strides), 0))
        inputs = targets.to(self.level_convs[0].weight.dtype)
        seen = [conv(inputs) for conv in self.level_convs]
        # a generator is one matrix for all levels: read it once
        flat = torch.cat(seen)
        numbers = torch.cat([layer.encode(flat) for layer in layers], dim=1)
        return numbers.unflatten(0, (len(seen), -1)).transpose(0, 1).to(targets.dtype)

    def search(self, features: Sequence[Tensor], numbers: Tensor, frames: Tensor | None) -> LevelMaps:
        """Target p in frame ``frames[p]``: per level class logits (P, classes, H, W), distances (P, 4, H, W)
        in network pixels, centerness logits (P, 1, H, W).

        features: (N, C, H, W) a level; numbers: (P, L, ``num_numbers``); frames: None where the p-th map is
        the p-th target's already.
        """
        counts = [layer.num_numbers for layer in (*self.cls_correlations, *self.reg_correlations)]
        outputs: LevelMaps = ([], [], [])
        for level, x in enumerate(features):
            parts = numbers[:, level].split(counts, dim=1) if counts else ()
            run = self._both_branches if self.twins is None else self.twins
            scores, raw, centerness = run(x, parts, frames)
            # up to thousands of pixels: at least float32, also under autocast
            precise = raw.to(torch.promote_types(raw.dtype, torch.float32))
            maps = (scores, self.scales[level](precise).relu(), centerness)
            for found, out in zip(maps, outputs, strict=True):
                out.append(found)
        return outputs

    def _both_branches(
        self, x: Tensor, numbers: Sequence[Tensor], frames: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Class logits, distances before their scale, and centerness logits (P, ·, H, W) of one level."""
        middle = len(self.cls_correlations)
        cls = self._branch(x, self.cls_convs, self.cls_correlations, numbers[:middle], frames)
        reg = self._branch(x, self.reg_convs, self.reg_correlations, numbers[middle:], frames)
        centerness = self.conv_centerness(reg if self.centerness_on_reg else cls)
        return self.conv_cls(cls), self.conv_reg(reg), centerness

    def _branch(
        self,
        x: Tensor,
        convs: nn.ModuleList,
        correlations: ModuleList,
        numbers: Sequence[Tensor],
        frames: Tensor | None,
    ) -> Tensor:
        """(N, C, H, W) to (P, C', H, W); up to the first correlation targets share what is computed."""
        layers = dict(zip(self._places, zip(correlations, numbers, strict=True), strict=True))
        for place in range(self.stacked_convs + 1):
            if place in layers:
                correlation, kernels = layers[place]
                x, frames = correlation.search(x, kernels, frames), None
            if place < self.stacked_convs:
                x = convs[place](x)
        return x if frames is None else x[frames]

    @torch.no_grad()
    def detect(self, outputs: LevelMaps, limits: Tensor) -> Detections:
        """Boxes of the target's class, best first (official post-processing); outputs of ``search``.

        limits: (P, 4) of ``box_limits``. Classes are suppressed apart and share ``max_per_img`` rows, as in
        official code; where none is left for the target, its best box stays, so that there is always one.
        """
        sizes = [level.shape[-2:].numel() for level in outputs[0]]
        # all levels at once: on small maps calling an operator costs more than what it computes
        scores, distances, centerness = (
            torch.cat([level.flatten(2) for level in out], 2).transpose(1, 2).to(limits.dtype)
            for out in outputs
        )
        final = (scores.sigmoid() * centerness.sigmoid()).nan_to_num(0)
        rows = self._best_points(final, sizes)
        points = torch.cat(self._points(outputs[0])).to(limits.dtype)[rows]
        offsets, final = (leaf.take_along_dim(rows[..., None], 1) for leaf in (distances, final))
        boxes = torch.cat([points - offsets[..., :2], points + offsets[..., 2:]], dim=2)
        boxes = torch.minimum(boxes.clamp(min=0), limits[:, None])
        return self._choose(boxes, final)

    def _best_points(self, final: Tensor, sizes: Sequence[int]) -> Tensor:
        """(P, K) int64 rows of the ``nms_pre`` best points of each level; final: (P, points, classes)."""
        count, first, chosen = self.test_cfg['nms_pre'], 0, []
        for best in final.amax(2).split(sizes, dim=1):
            chosen.append(best.topk(min(count, best.shape[1]), dim=1).indices + first)
            first += best.shape[1]
        return torch.cat(chosen, 1)

    def _choose(self, boxes: Tensor, scores: Tensor) -> Detections:
        """The target's boxes among the best of all classes after suppression."""
        pairs, count, classes = scores.shape
        each = scores.transpose(1, 2).flatten(0, 1)
        rows = boxes[:, None].expand(-1, classes, -1, -1).flatten(0, 1)
        found = keep_best(rows, each, each > self.test_cfg['score_thr'], count)
        keep = suppress(found.boxes, found.valid, self.test_cfg['nms'])
        best = keep_best(found.boxes, found.scores, keep, self.test_cfg['max_per_img'])
        if classes > 1:
            best = self._share_rows(best, pairs)
        first = found.valid.unflatten(0, (pairs, classes))[:, self.target_class, 0]
        best.valid[:, 0] |= first  # the best hypothesis stays
        return best

    def _share_rows(self, best: Detections, pairs: int) -> Detections:
        """Those of the target's class that are among the ``max_per_img`` best of all classes."""
        scores = best.scores.masked_fill(~best.valid, -1).unflatten(0, (pairs, -1))
        limit = scores.flatten(1).topk(min(scores.shape[2], scores[0].numel()), dim=1).values[:, -1]
        mine = Detections(*(leaf.unflatten(0, (pairs, -1))[:, self.target_class] for leaf in best[:3]))
        return mine._replace(valid=mine.valid & (mine.scores >= limit[:, None]))

    def _points(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """(H * W, 2) x, y of the cells' centres in network pixels, a level."""
        return [
            _centres(level.shape[-2:], stride, level)
            for level, stride in zip(maps, self.prior_generator.strides, strict=True)
        ]

    def loss_of_pairs(
        self, outputs: LevelMaps, truths: list[InstanceData], shares: Tensor
    ) -> dict[str, Tensor]:
        """Each pair's own losses weighted by ``shares`` (P,), which sum to 1; outputs of ``search``.

        truths: 0 or 1 boxes a pair, label ``target_class``.
        """
        scores, distances, centerness = ([level.float() for level in out] for out in outputs)
        points = self._points(scores)
        labels, targets = (
            torch.cat([level.unflatten(0, (len(truths), -1)) for level in leaf], 1).flatten(0, 1)
            for leaf in self.get_targets(points, truths)
        )
        pairs = len(truths)
        owner = torch.arange(pairs, device=shares.device).repeat_interleave(len(labels) // pairs)
        positive = (labels < self.num_classes).nonzero()[:, 0]
        counts = torch.bincount(owner[positive], minlength=pairs)
        losses = {
            'loss_cls': self.loss_cls(
                _rows(scores), labels, weight=(shares / (counts + 1))[owner], avg_factor=1.0
            )
        }
        share, mine = shares[owner[positive]], owner[positive]
        centred = self.centerness_target(targets[positive]) if len(positive) else targets.new_zeros(0)
        total = torch.zeros_like(shares).index_add(0, mine, centred)
        places = torch.cat(points).repeat(pairs, 1)[positive]
        found = self.bbox_coder.decode(places, _rows(distances)[positive])
        wanted = self.bbox_coder.decode(places, targets[positive])
        if not len(positive):  # nothing to find: zero, and still part of the graph
            nothing = found.sum() * 0
            return losses | {'loss_bbox': nothing, 'loss_centerness': _rows(centerness)[positive].sum()}
        weight = centred * share / total[mine].clamp(min=1e-6)
        losses['loss_bbox'] = self.loss_bbox(found, wanted, weight=weight, avg_factor=1.0)
        losses['loss_centerness'] = self.loss_centerness(
            _rows(centerness)[positive, 0], centred, weight=share / counts[mine], avg_factor=1.0
        )
        return losses


def _by_place(correlations: Sequence[dict[str, Any]]) -> dict[int, dict[str, Any]]:
    """Configs of correlations by their place, in the order given."""
    places: dict[int, dict[str, Any]] = {}
    for config in correlations:
        rest = dict(config)
        place = rest.pop('place', None)
        if place is None or place in places:
            raise InputError(f'each correlation needs a place of its own, got {[*places, place]}')
        places[place] = rest
    return places


def _centres(size: Sequence[int], stride: tuple[int, int], like: Tensor) -> Tensor:
    """(H * W, 2) x, y of cells' centres, row by row. mmdet's own call of torch.meshgrid warns every user."""
    y, x = (
        (torch.arange(length, dtype=like.dtype, device=like.device) + 0.5) * step
        for length, step in zip(size, reversed(stride), strict=True)
    )
    return torch.stack(torch.meshgrid(x, y, indexing='xy'), dim=-1).flatten(0, 1)


def _rows(maps: Sequence[Tensor]) -> Tensor:
    """(P, C, H, W) a level to (P * points, C), a pair's levels in a row."""
    return torch.cat([level.flatten(2).transpose(1, 2) for level in maps], dim=1).flatten(0, 1)
