"""RepVGG (Ding et al., RepVGG: Making VGG-style ConvNets Great Again), for weights of either naming."""

import re
from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from typing import Any

from mmengine.model import BaseModule
from torch import Tensor, nn

from mmgtrack.errors import InputError
from mmgtrack.models.layers.repvgg_block import RepVGGBlock, switch_to_deploy
from mmgtrack.registry import MODELS


@MODELS.register_module()
class RepVGG(BaseModule):
    """A stem and stages of RepVGG blocks, each of which halves the resolution. The default is RepVGG-A0.

    Args:
        stage_blocks: blocks of each stage (RepVGG, Table 2).
        stage_channels: channels of each stage.
        stem_channels: channels of the first block.
        out_indices: stages whose maps are returned, 0 the first behind the stem.
        frozen_stages: 0: the stem does not learn, k: nor do k stages behind it; -1: all learn.
        norm_cfg: norm of every branch, default batch norm.
        deploy: whether each block starts as one convolution (see ``switch_to_deploy``).

    State dicts with the names of the RepVGG authors (``stage0.rbr_dense...``) are understood too. A network
    that is cut short names its stages and blocks only: weights of the others are left aside.
    """

    def __init__(
        self,
        stage_blocks: Sequence[int] = (2, 4, 14, 1),
        stage_channels: Sequence[int] = (48, 96, 192, 1280),
        stem_channels: int = 48,
        out_indices: Sequence[int] = (3,),
        frozen_stages: int = -1,
        norm_cfg: dict | None = None,
        deploy: bool = False,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        stages = len(stage_blocks)
        if len(stage_channels) != stages or not all(0 <= i < stages for i in out_indices):
            raise InputError(
                f'RepVGG of {stages} stages needs as many stage_channels and out_indices below that, got '
                f'{list(stage_channels)} and {list(out_indices)}'
            )
        if not -1 <= frozen_stages <= stages:
            raise InputError(f'frozen_stages must be -1 to {stages}, got {frozen_stages}')
        self.out_indices = tuple(out_indices)
        self.frozen_stages = frozen_stages
        block = partial(RepVGGBlock, norm_cfg=norm_cfg, deploy=deploy)
        self.stem = block(3, stem_channels, stride=2)
        self.stages = [f'stage_{number + 1}' for number in range(stages)]
        widths = [stem_channels, *stage_channels]
        for name, blocks, (narrow, wide) in zip(self.stages, stage_blocks, pairwise(widths), strict=True):
            others = [block(wide, wide) for _ in range(blocks - 1)]
            self.add_module(name, nn.Sequential(block(narrow, wide, stride=2), *others))
        self._freeze()

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Images (B, 3, H, W) to a map (B, C, H / 2^(i+2), W / 2^(i+2)) for each stage i of out_indices."""
        x = self.stem(images)
        maps = []
        for name in self.stages:
            x = self.get_submodule(name)(x)
            maps.append(x)
        return tuple(maps[i] for i in self.out_indices)

    def switch_to_deploy(self) -> None:
        """Every block becomes one convolution, in place: same maps in evaluation mode, less work."""
        switch_to_deploy(self)

    def train(self, mode: bool = True) -> 'RepVGG':
        """Frozen stages keep the statistics of their norms."""
        super().train(mode)
        self._freeze()
        return self

    def _freeze(self) -> None:
        for name in ['stem', *self.stages][: self.frozen_stages + 1]:
            self.get_submodule(name).eval().requires_grad_(False)

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *args: Any) -> None:
        for key in [k for k in state_dict if k.startswith(prefix) and '.rbr_' in k]:
            state_dict[prefix + rename_official(key.removeprefix(prefix))] = state_dict.pop(key)
        super()._load_from_state_dict(state_dict, prefix, *args)


def rename_official(key: str) -> str:
    """Our name of a weight in the RepVGG authors' files, such as 'stage1.0.rbr_dense.bn.weight'."""
    for pattern, name in _NAMES:
        key = re.sub(pattern, name, key)
    return key


_NAMES = (
    (r'^stage0\.', 'stem.'),
    (r'^stage(\d)', r'stage_\1'),
    (r'\.bn\.', '.norm.'),
    (r'\.rbr_dense\.', '.branch_3x3.'),
    (r'\.rbr_1x1\.', '.branch_1x1.'),
    (r'\.rbr_identity\.', '.branch_norm.'),
    (r'\.rbr_reparam\.', '.branch_reparam.'),
)
