"""The transforms of a role, one after the other, with an eye on which of them loses the targets."""

from collections.abc import Callable, Iterable
from typing import Any

from mmgtrack.datasets.clip_sampler import Refusal
from mmgtrack.datasets.packing import RoleResult, pack_role, usable_boxes

Transform = Callable[[dict[str, Any]], dict[str, Any] | None]


def run_transforms(
    transforms: Iterable[Transform], results: dict[str, Any], min_side: float
) -> RoleResult | Refusal:
    """One role's tensors, or the transform that gave the sample up.

    results: see ``role_input``; min_side: see ``pack_role``. The result's ``lost_by`` names the transforms
    that left fewer usable targets than there were before them.
    """
    lost_by = []
    count = len(results['gt_bboxes_labels'])
    for transform in transforms:
        changed = transform(results)
        name = type(transform).__name__
        if changed is None:
            return Refusal(f'image given up by {name}')
        results = changed
        left = int(usable_boxes(results, min_side)[1].sum()) if 'img' in results else count
        if left < count:
            lost_by.append(name)
        count = left
    return pack_role(results, min_side, tuple(lost_by))


def lost_targets(results: dict[str, RoleResult], min_side: float) -> Refusal:
    """What is said where no target is left to be found: by which transforms, in which roles."""
    losses = [f'{name} ({role})' for role, result in results.items() for name in result.lost_by]
    if not losses:
        return Refusal('draw without a target in its first frame')
    return Refusal(
        f'target outside, doubtful or with a side below {min_side:g} px after {" and ".join(losses)}'
    )
