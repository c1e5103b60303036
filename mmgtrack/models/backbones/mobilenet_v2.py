"""mmdet's MobileNetV2 without the layers behind the last output, for weights of either naming."""

from typing import Any

from mmdet.models.backbones import MobileNetV2
from torch import Tensor

from mmgtrack.registry import MODELS


@MODELS.register_module()
class TruncatedMobileNetV2(MobileNetV2):
    """MobileNetV2 that keeps only what its ``out_indices`` need.

    mmdet always builds the 320- and 1280-channel ends (0.9 M of 2.2 M parameters), which a detector
    that reads stages up to 160 channels never uses but would store and run. Arguments as in mmdet.
    State dicts with torchvision's names (``features.K...``) are understood too.
    """

    layers: list[str]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        kept = max(self.out_indices) + 1
        for name in self.layers[kept:]:
            delattr(self, name)
        self.layers = self.layers[:kept]

    def _freeze_stages(self) -> None:
        super()._freeze_stages()
        if self.frozen_stages >= 0:
            self.conv1.eval()  # mmdet leaves the stem's running statistics moving

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *args: Any) -> None:
        foreign = f'{prefix}features.'
        for key in [k for k in state_dict if k.startswith(foreign)]:
            name = rename_torchvision(key.removeprefix(prefix))
            state_dict[prefix + name] = state_dict.pop(key)
        super()._load_from_state_dict(state_dict, prefix, *args)


def rename_torchvision(key: str) -> str:
    """mmdet's name of a torchvision MobileNetV2 weight, such as 'features.2.conv.0.weight'.

    The order of blocks is that of Sandler et al., MobileNetV2, Table 2.
    """
    blocks = [(i + 1, j) for i, (_, _, n, _) in enumerate(MobileNetV2.arch_settings) for j in range(n)]
    _, number, *rest = key.split('.')
    stage = int(number)
    if stage in (0, len(blocks) + 1):  # the convolutions before and behind the blocks
        return f'{"conv1" if stage == 0 else "conv2"}.{_CONV_OR_NORM[int(rest[0])]}.{rest[-1]}'
    layer, index = blocks[stage - 1]
    # a block is a flat list: convolution, norm, activation, three times (twice without expansion)
    parts = ('depthwise_conv', 'linear_conv') if stage == 1 else _PARTS
    position = int(rest[1])
    return f'layer{layer}.{index}.{parts[position // 3]}.{_CONV_OR_NORM[position % 3]}.{rest[-1]}'


_PARTS = ('expand_conv', 'depthwise_conv', 'linear_conv')
_CONV_OR_NORM = {0: 'conv', 1: 'bn'}
