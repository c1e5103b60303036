"""STARK whose query is what the decoder made of the frame before (section 4.5, Table 8)."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from mmgtrack.errors import InputError
from mmgtrack.models.base import Frame, WindowPrediction
from mmgtrack.models.stark.stark import Prediction, Stark, StarkState
from mmgtrack.models.stark.tokens import TransformerOutput
from mmgtrack.models.windows import Windows
from mmgtrack.registry import MODELS
from mmgtrack.structures import ClipSample, State

EARLIER_ROLE = 'previous_search'


@dataclass(frozen=True)
class UpdatedQueryState(StarkState):
    """queries: (M, Q, C), for the next frame; the learned ones until a frame has been searched."""

    queries: Tensor


@MODELS.register_module()
class UpdatedQueryStark(Stark):
    """The decoded query of a frame takes the place of the learned one in the next, as in TrackFormer.

    It is updated in every frame, without asking whether the target is there. In training, a sample has an
    earlier search region of the clip besides, role 'previous_search': that one is searched with the learned
    query, the later one with what comes out. Both count alike in the losses, and gradients flow through both,
    so that the learned query stays fit for first frames.

    Args: those of ``Stark``; ``train_cfg.stage`` can only be 'localisation'.
    """

    state_type: ClassVar[type[State]] = UpdatedQueryState

    def _check(self) -> None:
        super()._check()
        if self.stage != 'localisation':
            raise InputError(f"UpdatedQueryStark trains in stage 'localisation' only, got {self.stage!r}")
        if getattr(self.transformer, 'query_embedding', None) is None:
            raise InputError('UpdatedQueryStark needs a transformer that decodes a learned query')

    # ---- tracking ------------------------------------------------------------------------------------

    def encode_targets(self, frame: Frame, boxes: Tensor) -> dict[str, Tensor]:
        learned = self.transformer.query_embedding.weight.detach()
        return super().encode_targets(frame, boxes) | dict(queries=learned.repeat(len(boxes), 1, 1))

    def update(self, windows: Windows, state: State, found: WindowPrediction) -> State:
        after = super().update(windows, state, found)
        assert isinstance(after, UpdatedQueryState)
        decoded = found.details.targets.to(after.queries)
        usable = decoded.isfinite().all(dim=2, keepdim=True)
        return replace(after, queries=decoded.where(usable, after.queries))

    def _queries(self, state: StarkState) -> Tensor:
        assert isinstance(state, UpdatedQueryState)
        return state.queries.to(next(self.transformer.parameters()).dtype)

    # ---- training ------------------------------------------------------------------------------------

    def loss(self, inputs: dict[str, Tensor], data_samples: list[ClipSample]) -> dict[str, Tensor]:
        """Losses of both search regions of a batch; both show the target."""
        earlier, later = self._search_twice(inputs, data_samples)
        assert earlier.targets is not None and later.targets is not None
        both = TransformerOutput(
            torch.cat([earlier.search, later.search]), torch.cat([earlier.targets, later.targets])
        )
        truths = [self._truths(data_samples, role) for role in (EARLIER_ROLE, 'search')]
        boxes = self._corners(both, inputs['search']).boxes
        return self.losses.of_boxes(boxes, torch.cat(truths), count=len(boxes))

    def _forward(self, inputs: dict[str, Any], data_samples: list[ClipSample]) -> Prediction:
        return self._heads(self._search_twice(inputs, data_samples)[1], inputs['search'])

    def _search_twice(
        self, inputs: dict[str, Tensor], data_samples: list[ClipSample]
    ) -> tuple[TransformerOutput, TransformerOutput]:
        """Of the earlier search region and of the later one."""
        if EARLIER_ROLE not in inputs:
            raise InputError(f'UpdatedQueryStark trains with the role {EARLIER_ROLE!r}, got {list(inputs)}')
        templates, search = self._encode_roles(inputs, data_samples)
        before = self.transformer(templates, self._encode_search(inputs, data_samples, EARLIER_ROLE))
        return before, self.transformer(templates, search, before.targets)
