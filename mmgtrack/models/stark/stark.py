"""STARK: spatio-temporal transformer tracking (Yan et al., ICCV 2021)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm

from mmgtrack.errors import InputError
from mmgtrack.geometry import WindowRule, box_in_frame, clip_with_margin
from mmgtrack.models.base import Frame, WindowPrediction, WindowTracker
from mmgtrack.models.stark.corner_head import Corners, peak_score
from mmgtrack.models.stark.losses import StarkLoss
from mmgtrack.models.stark.tokens import Tokens, TransformerOutput
from mmgtrack.models.windows import Windows, cut_windows
from mmgtrack.registry import MODELS
from mmgtrack.structures import Calibration, ClipSample, State, Tracks, role_padding


def template_roles(count: int) -> list[str]:
    """Names of the templates in training samples: template, dynamic_template, dynamic_template_2, ..."""
    return ['template', 'dynamic_template', *(f'dynamic_template_{n}' for n in range(2, count))][:count]


@dataclass(frozen=True)
class StarkState(State):
    """What the backbone made of each target's T templates, L cells each: computed when a template changes.

    templates, positions: (M, T, L, C); padding: (M, T, L) bool. Template 0 is the given box's, for ever; all
    others start as its copies and are dynamic.
    """

    templates: Tensor
    positions: Tensor
    padding: Tensor


@dataclass(frozen=True)
class Prediction:
    """What the network says of B search regions: their corners, and score logits (B,) if it has a score head.

    targets: (B, Q, C), the decoded queries.
    """

    corners: Corners
    logits: Tensor | None
    targets: Tensor | None


@MODELS.register_module()
class Stark(WindowTracker):
    """Transformer over templates and search region; corner head; dynamic template updated by a score.

    Args:
        backbone: config of a backbone with one output, any of mmdet or mmpretrain.
        neck: config of what brings that output to the transformer's width (official: a 1x1 convolution).
        template_positions, search_positions: configs of position embeddings, modules from a padding mask
            (B, h, w) to (B, C, h, w); None: none (Table 7 #3).
        transformer, box_head, score_head: configs; without a score head the score is ``peak_score``, and
            dynamic templates are updated without asking (Table 7 #5).
        template, search: window rules, ``dict(factor=..., size=...)`` (section 4.1).
        num_templates: templates a target, the first and dynamic ones.
        train_cfg: ``stage``: 'localisation' (first stage), 'score' (second: everything but the score head is
            frozen) or 'joint' (Table 8); ``loss``: arguments of ``StarkLoss``.
        test_cfg: ``update_intervals``: frames, one for each dynamic template, counted from each target's
            own start; ``update_score``: a template is taken above this score only; ``use_score_head``:
            False while it is not trained: the score is ``peak_score`` and templates are kept;
            ``clip_margin``: pixels of a box that stay inside the frame.
        calibration: see ``Calibration``.
    """

    state_type: ClassVar[type[State]] = StarkState
    network_parts: ClassVar[Sequence[str]] = ('backbone', 'neck', 'transformer', 'box_head', 'score_head')
    compiled_parts: ClassVar[Sequence[str]] = ('backbone', 'neck', 'transformer', 'box_head')

    def __init__(
        self,
        backbone: dict[str, Any],
        neck: dict[str, Any],
        transformer: dict[str, Any],
        box_head: dict[str, Any],
        score_head: dict[str, Any] | None = None,
        template_positions: dict[str, Any] | None = None,
        search_positions: dict[str, Any] | None = None,
        template: dict[str, Any] | None = None,
        search: dict[str, Any] | None = None,
        num_templates: int = 1,
        train_cfg: dict[str, Any] | None = None,
        test_cfg: dict[str, Any] | None = None,
        data_preprocessor: dict[str, Any] | None = None,
        calibration: dict[str, Any] | None = None,
        init_cfg: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(data_preprocessor, init_cfg)
        self.backbone = MODELS.build(backbone)
        self.neck = MODELS.build(neck)
        self.template_positions = _built(template_positions)
        self.search_positions = _built(search_positions)
        self.transformer = MODELS.build(transformer)
        self.box_head = MODELS.build(box_head)
        self.score_head = _built(score_head)
        self.template_rule = WindowRule(**(template or dict(factor=2, size=128)))
        self.search_rule = WindowRule(**(search or dict(factor=5, size=320)))
        self.num_templates = num_templates
        self.train_cfg = dict(train_cfg or {})
        self.test_cfg: dict[str, Any] = dict(
            update_intervals=[200] * (num_templates - 1),
            update_score=0.5,
            use_score_head=True,
            clip_margin=10,
        )
        self._check_names(test_cfg or {})
        self.test_cfg |= dict(test_cfg or {})
        self.calibration = Calibration(**(calibration or {}))
        self.stage: str = self.train_cfg.get('stage', 'localisation')
        self.losses = StarkLoss(**self.train_cfg.get('loss', {}))
        self._check()
        self._freeze()

    # ---- tracking ------------------------------------------------------------------------------------

    def encode_targets(self, frame: Frame, boxes: Tensor) -> dict[str, Tensor]:
        tokens = self._cut_templates([frame] * len(boxes), boxes)
        dtype = self.data_preprocessor.mean.dtype
        leaves = (tokens.features.to(dtype), tokens.positions.to(dtype), tokens.padding)
        copies = [leaf[:, None].repeat_interleave(self.num_templates, 1) for leaf in leaves]
        return dict(zip(('templates', 'positions', 'padding'), copies, strict=True))

    def crop(self, frames: Sequence[Frame], state: State) -> Windows:
        return cut_windows(self.data_preprocessor, frames, state.boxes, self.search_rule)

    def predict_windows(self, windows: Windows, state: State) -> WindowPrediction:
        assert isinstance(state, StarkState)
        prediction = self._predict(windows, state)
        found = prediction.corners.boxes.double()
        found = found.where(found.isfinite(), torch.nan)  # clipping must not make a number of infinity
        boxes = box_in_frame(found, state.boxes, windows.places)
        return WindowPrediction(
            boxes=clip_with_margin(boxes, windows.sizes, self.test_cfg['clip_margin']),
            scores=self.score(prediction).to(self.data_preprocessor.mean.dtype),
            details=prediction,
        )

    def update(self, windows: Windows, state: State, found: WindowPrediction) -> State:
        """Replace the dynamic templates whose interval has passed, where the score trusts the new box."""
        assert isinstance(state, StarkState)
        trusted = found.valid
        if self.score_head is not None:
            if not self.test_cfg['use_score_head']:
                return replace(state)
            trusted = trusted & (found.scores > self.test_cfg['update_score'])
        for slot, interval in enumerate(self.test_cfg['update_intervals'], start=1):
            due = ((state.age + 1) % interval == 0) & trusted
            state = self._replace_templates(state, slot, due, windows.frames, found.boxes)
        return state

    def score(self, prediction: Prediction) -> Tensor:
        """(B,) in [0, 1], before calibration."""
        if prediction.logits is not None and self.test_cfg['use_score_head']:
            return prediction.logits.sigmoid()
        if prediction.corners.maps is not None:
            return peak_score(prediction.corners.maps)
        return torch.ones_like(prediction.corners.boxes[:, 0])  # a head that cannot say

    def fold(self) -> None:
        for part in (self.backbone, self.box_head):
            if hasattr(part, 'switch_to_deploy'):
                part.switch_to_deploy()
        if hasattr(self.transformer, 'fold'):
            self.transformer.fold()

    # ---- training ------------------------------------------------------------------------------------

    def train(self, mode: bool = True) -> 'Stark':
        """Second stage: dropout is active in the frozen parts (official code), norms stay as they are."""
        super().train(mode)
        if mode and self.stage == 'score':
            for name, module in self.named_modules():
                if isinstance(module, _BatchNorm) and not name.startswith('score_head'):
                    module.eval()
        return self

    def loss(self, inputs: dict[str, Tensor], data_samples: list[ClipSample]) -> dict[str, Tensor]:
        """Losses of a batch: one template a role and one search region a sample, one target in it.

        The score's label is whether the search region has an instance.
        """
        templates, search = self._encode_roles(inputs, data_samples)
        output = self.transformer(templates, search)
        losses: dict[str, Tensor] = {}
        present = torch.tensor([len(s.instances['search']) > 0 for s in data_samples])
        if self.stage != 'localisation':
            losses |= self.losses.of_scores(self._logits(output), present)
        if self.stage != 'score':
            truth, shown = self._truths(data_samples), present.to(search.features.device)
            corners = self._corners(output, inputs['search'])
            losses |= self.losses.of_boxes(corners.boxes[shown], truth, count=len(data_samples))
        return losses

    def predict(self, inputs: dict[str, Tensor], data_samples: list[ClipSample]) -> list[Tracks]:
        prediction = self._forward(inputs, data_samples)
        boxes = prediction.corners.boxes * inputs['search'].shape[-1]
        valid = boxes.isfinite().all(1)
        tracks = self.judge(boxes[:, None], self.score(prediction)[:, None], valid[:, None])
        return [tracks[n : n + 1] for n in range(len(boxes))]

    def _forward(self, inputs: dict[str, Tensor], data_samples: list[ClipSample]) -> Prediction:
        output = self.transformer(*self._encode_roles(inputs, data_samples))
        return self._heads(output, inputs['search'])

    # ---- parts ---------------------------------------------------------------------------------------

    def extract(self, images: Tensor, padding: Tensor, positions: torch.nn.Module | None) -> Tokens:
        """Tokens of normalised windows (B, 3, S, S) with padding (B, S, S)."""
        features = self.backbone(images.to(next(self.backbone.parameters()).dtype))
        self._check_width(features)
        maps = self.neck(features)[0]
        small = functional.interpolate(padding[:, None].float(), maps.shape[-2:])[:, 0].bool()  # nearest
        # a window without any picture is looked at as it is: attention to nothing would be no number
        small = small & ~small.all(dim=2).all(dim=1)[:, None, None]
        places = torch.zeros_like(maps) if positions is None else positions(small).to(maps.dtype)
        return Tokens(_sequence(maps), _sequence(places), small.flatten(1))

    def _check_width(self, features: Sequence[Tensor]) -> None:
        """Refuse what would otherwise end in a convolution's error, where the neck says what it takes."""
        widths = [level.shape[1] for level in features]
        expected = [layer.conv.in_channels for layer in getattr(self.neck, 'convs', ())]
        if expected and widths != expected:
            raise InputError(f'the backbone gives {widths} channels, model.neck.in_channels says {expected}')

    def _cut_templates(self, frames: Sequence[Frame], boxes: Tensor) -> Tokens:
        """Tokens (M, L, C) of templates of M targets."""
        windows = cut_windows(self.data_preprocessor, frames, boxes, self.template_rule)
        with self.autocast():
            return self.extract(windows.images, windows.padding, self.template_positions)

    def _replace_templates(
        self, state: StarkState, slot: int, due: Tensor, frames: Sequence[Frame], boxes: Tensor
    ) -> StarkState:
        rows = due.nonzero()[:, 0]
        if len(rows) == 0:
            return state
        tokens = self._cut_templates([frames[row] for row in rows.tolist()], boxes[rows])
        leaves = dict(templates=tokens.features, positions=tokens.positions, padding=tokens.padding)
        where = (rows, torch.full_like(rows, slot))
        before = {name: getattr(state, name) for name in leaves}
        return replace(
            state, **{name: old.index_put(where, leaves[name].to(old.dtype)) for name, old in before.items()}
        )

    def _predict(self, windows: Windows, state: StarkState) -> Prediction:
        with self.autocast():
            search = self.extract(windows.images, windows.padding, self.search_positions)
            like = search.features  # which may be of half the state's precision
            templates = Tokens(
                state.templates.flatten(1, 2).to(like.dtype),
                state.positions.flatten(1, 2).to(like.dtype),
                state.padding.flatten(1, 2),
            )
            output = self.transformer(templates, search, self._queries(state))
            return self._heads(output, windows.images)

    def _queries(self, state: StarkState) -> Tensor | None:
        """(M, Q, C) in the place of the learned query, None for that one."""
        return None

    def _heads(self, output: TransformerOutput, images: Tensor) -> Prediction:
        logits = None if self.score_head is None else self._logits(output)
        return Prediction(self._corners(output, images), logits, output.targets)

    def _corners(self, output: TransformerOutput, images: Tensor) -> Corners:
        """Boxes from the search region's cells; images: (B, 3, S, S) that they were made of."""
        side = round(output.search.shape[1] ** 0.5)
        if side**2 != output.search.shape[1]:
            raise InputError(f'search regions must be square, got {tuple(images.shape[-2:])} pixels')
        maps = output.search.transpose(1, 2).unflatten(2, (side, side))
        targets = None if output.targets is None else output.targets[:, 0]
        return self.box_head(maps, targets)

    def _logits(self, output: TransformerOutput) -> Tensor:
        """(B,) score logits; without a decoder, of the mean search cell (ours: the paper does not say)."""
        assert self.score_head is not None
        targets = output.search.mean(1, keepdim=True) if output.targets is None else output.targets
        return self.score_head(targets)[:, 0].to(self.data_preprocessor.mean.dtype)

    def _encode_roles(
        self, inputs: dict[str, Tensor], data_samples: list[ClipSample]
    ) -> tuple[Tokens, Tokens]:
        """Tokens of all templates of a sample in a row, and of its search region."""
        roles = template_roles(self.num_templates)
        if not set(roles) <= set(inputs) or template_roles(len(roles) + 1)[-1] in inputs:
            raise InputError(
                f'a model with {len(roles)} templates trains with the roles {", ".join(roles)} and search, '
                f'got {", ".join(inputs)}'
            )
        images = torch.cat([inputs[role] for role in roles])
        padding = torch.cat([role_padding(inputs[role], data_samples, role) for role in roles])
        tokens = self.extract(images, padding, self.template_positions)
        count = len(inputs['search'])
        leaves = (tokens.features, tokens.positions, tokens.padding)
        templates = Tokens.cat(
            [Tokens(*parts) for parts in zip(*(leaf.split(count) for leaf in leaves), strict=True)]
        )
        return templates, self._encode_search(inputs, data_samples, 'search')

    def _encode_search(self, inputs: dict[str, Tensor], data_samples: list[ClipSample], role: str) -> Tokens:
        """Tokens of the search regions of a role."""
        return self.extract(
            inputs[role], role_padding(inputs[role], data_samples, role), self.search_positions
        )

    def _truths(self, data_samples: list[ClipSample], role: str = 'search') -> Tensor:
        """(n, 4) xyxy in parts of the search region, of the n samples that show the target."""
        shown = [s for s in data_samples if len(s.instances[role])]
        like = self.data_preprocessor.mean
        boxes = [
            s.instances[role].bboxes[:1].to(like) / like.new_tensor(s.img_shape[role][::-1] * 2)
            for s in shown
        ]
        return torch.cat([like.new_zeros((0, 4)), *boxes])

    def _check_names(self, test_cfg: dict[str, Any]) -> None:
        unknown = [name for name in test_cfg if name not in self.test_cfg]
        if unknown:
            raise InputError(f'test_cfg has {", ".join(self.test_cfg)}, got {", ".join(unknown)}')

    def _check(self) -> None:
        if self.stage not in ('localisation', 'score', 'joint'):
            raise InputError(
                f"train_cfg.stage must be 'localisation', 'score' or 'joint', got {self.stage!r}"
            )
        if self.stage != 'localisation' and self.score_head is None:
            raise InputError(f'train_cfg.stage {self.stage!r} needs a score_head')
        intervals = self.test_cfg['update_intervals']
        listed = isinstance(intervals, (list, tuple)) and len(intervals) == self.num_templates - 1
        if not listed or not all(isinstance(interval, int) and interval >= 1 for interval in intervals):
            raise InputError(
                f'{self.num_templates} templates need a list of {self.num_templates - 1} update_intervals, '
                f'whole numbers >= 1, got {intervals}'
            )
        if not self.test_cfg['clip_margin'] >= 0:
            raise InputError(f'clip_margin must be >= 0 pixels, got {self.test_cfg["clip_margin"]}')

    def _freeze(self) -> None:
        """Second stage: nothing but the score head learns (section 3.2)."""
        if self.stage == 'score':
            for name, parameter in self.named_parameters():
                parameter.requires_grad_(name.startswith('score_head'))


def _built(config: dict[str, Any] | None) -> torch.nn.Module | None:
    return None if config is None else MODELS.build(config)


def _sequence(maps: Tensor) -> Tensor:
    """(B, C, h, w) to (B, h * w, C)."""
    return maps.flatten(2).transpose(1, 2)
