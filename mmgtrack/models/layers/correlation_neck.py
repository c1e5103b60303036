"""Dynamic correlation behind the neck of any pyramid detector: the head sees maps that know the target."""

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.model import BaseModule, ModuleList
from torch import Tensor

from mmgtrack.errors import InputError
from mmgtrack.registry import MODELS


@MODELS.register_module()
class CorrelationNeck(BaseModule):
    """A neck of mmdet whose maps can be modulated by kernels made from targets.

    Args:
        neck: config of the neck; its ``out_channels`` is taken for the correlations. ``forward`` is its own,
            target-free, and its state-dict keys begin with ``neck.``.
        num_levels: maps that come out of it.
        correlation: config without channels; default type ``DynamicCorrelation``. What comes out has as many
            channels as what goes in.
        share_levels: one correlation for all levels instead of one a level.

    Raises InputError for a correlation that gives another number of channels.
    """

    def __init__(
        self,
        neck: dict[str, Any],
        num_levels: int,
        correlation: dict[str, Any] | None = None,
        share_levels: bool = False,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        config = {
            'type': 'mmgtrack.DynamicCorrelation',
            **(correlation or {}),
            'channels': neck['out_channels'],
        }
        self.neck = MODELS.build(neck)
        self.num_levels, self.share_levels = num_levels, share_levels
        self.correlations = ModuleList(MODELS.build(config) for _ in range(1 if share_levels else num_levels))
        given, channels = self.correlations[0].out_channels, neck['out_channels']
        if given != channels:
            raise InputError(
                f'a correlation behind a neck must give {channels} channels, as it gets, not {given}'
            )

    @property
    def num_numbers(self) -> int:
        """Numbers of a target's kernels for one level."""
        count: int = self.correlations[0].num_numbers
        return count

    def forward(self, features: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """The neck's maps (N, C, H, W) a level. Raises InputError where they are not ``num_levels``."""
        maps: tuple[Tensor, ...] = tuple(self.neck(features))
        if len(maps) != self.num_levels:
            raise InputError(f'expected num_levels={self.num_levels} maps of the neck, got {len(maps)}')
        return maps

    def fold(self) -> None:
        """For inference: multiply f_out, where there is one, into each target's kernel."""
        for correlation in self.correlations:
            correlation.folds_queries = True

    def encode(self, targets: Tensor) -> Tensor:
        """Kernels (M, L, ``num_numbers``) of the targets' RoI features (M, C, R, R)."""
        return torch.stack([self._at(level).encode(targets) for level in range(self.num_levels)], dim=1)

    def modulate(
        self, maps: Sequence[Tensor], numbers: Tensor, frames: Tensor, levels: Sequence[int] | None = None
    ) -> list[Tensor]:
        """Target p in frame ``frames[p]``: per level (N, C, H, W) to (P, C, H, W).

        levels: indices of the maps to modulate, the only ones that come out; default all.
        """
        chosen = range(len(maps)) if levels is None else levels
        return [self._at(level).search(maps[level], numbers[:, level], frames) for level in chosen]

    def _at(self, level: int) -> Any:
        return self.correlations[level % len(self.correlations)]
