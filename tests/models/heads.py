"""Small heads and random rows for them."""

import torch

from mmgtrack.models.guided_detector.head_rows import FinalLayer, HeadGroup, HeadLayout, HeadRows


def layout_of(sigmoid: bool = False) -> HeadLayout:
    """Two groups of two and three priors a place; the first reads other numbers for its boxes."""
    outputs = 1 if sigmoid else 2
    groups = (
        HeadGroup(FinalLayer('cls.0', outputs, 5, 0), FinalLayer('reg.0', 4, 3, 1), 2),
        HeadGroup(FinalLayer('cls.1', outputs, 4, 2), FinalLayer('reg.1', 4, 4, 2), 3),
    )
    return HeadLayout(groups, sigmoid)


def random_rows(
    layout: HeadLayout, *leading: int, count: int = 6, dtype: torch.dtype = torch.float64
) -> HeadRows:
    """``count`` rows in each group of each image, a third of them of the target, the last one padding."""
    shape = (*leading, len(layout.groups), count)
    widths = {
        layer.feature: layer.inputs for group in layout.groups for layer in (group.classes, group.boxes)
    }
    labels = (torch.rand(shape) < 1 / 3).to(dtype)
    shown = (torch.arange(count) < count - 1).to(dtype)
    return HeadRows(
        features=tuple(
            torch.randn(*leading, count, width, dtype=dtype) for _, width in sorted(widths.items())
        ),
        slots=torch.stack([torch.randint(group.slots, (*leading, count)) for group in layout.groups], -2),
        labels=labels,
        targets=2 * torch.randn(*shape, 4, dtype=dtype),
        label_weights=torch.rand(shape, dtype=dtype) * shown / count,
        box_weights=labels * shown / count,
    )
