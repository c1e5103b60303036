"""In checkpoints the weights of a detector inside a tracker have the names that they have in the detector."""

from typing import Any

from torch import nn


def keep_own_names(tracker: nn.Module) -> None:
    """Write and read the weights of ``tracker.detector`` as if they were the detector's alone."""
    tracker.register_state_dict_post_hook(_to_own_names)
    tracker.register_load_state_dict_pre_hook(_from_own_names)


def _to_own_names(module: nn.Module, content: dict[str, Any], prefix: str, _: Any) -> None:
    own = f'{prefix}detector.'
    for name in [name for name in content if name.startswith(own)]:
        content[prefix + name.removeprefix(own)] = content.pop(name)


def _from_own_names(module: nn.Module, content: dict[str, Any], prefix: str, *_: Any) -> None:
    children = dict(module.get_submodule('detector').named_children())
    parts = tuple(f'{prefix}{name}.' for name in children if name != 'data_preprocessor')
    for name in [name for name in content if name.startswith(parts)]:
        # the head of FCOS, whose own reader of old names wants to find them at the top
        new = name.replace('bbox_head.fcos_', 'bbox_head.conv_')
        content[f'{prefix}detector.{new.removeprefix(prefix)}'] = content.pop(name)
