"""ImageNet weights of MobileNetV2 in torchvision's layout to mmdet's names."""

from typing import Any

from mmdet.models.backbones import MobileNetV2


def remap_torchvision(features: dict[str, Any]) -> dict[str, Any]:
    """Rename torchvision-style keys (``features.K...``) to mmdet's MobileNetV2 names.

    features: name -> array. Source of the block table: Sandler et al., MobileNetV2, Table 2.
    """
    blocks = [(i + 1, j) for i, (_, _, n, _) in enumerate(MobileNetV2.arch_settings) for j in range(n)]
    renamed = {}
    for key, value in features.items():
        _, block, *rest = key.split('.')
        stage = int(block)
        if stage in (0, len(blocks) + 1):
            prefix = 'conv1' if stage == 0 else 'conv2'
            part = 'conv' if rest[0] == '0' else 'bn'
            renamed[f'{prefix}.{part}.{rest[-1]}'] = value
            continue
        layer, index = blocks[stage - 1]
        name = _block_part(int(rest[1]), has_expansion=stage > 1)
        renamed[f'layer{layer}.{index}.{name}.{rest[-1]}'] = value
    return renamed


def _block_part(position: int, *, has_expansion: bool) -> str:
    """Name of the sub-module at this position of torchvision's flat block."""
    names = {0: 'conv', 1: 'bn'}
    stages = ['expand_conv', 'depthwise_conv', 'linear_conv']
    if not has_expansion:
        stages = stages[1:]
    return f'{stages[position // 3]}.{names[position % 3]}'
