"""What GuidedDetector trains on: an exemplar, a support and a query image of one target."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from mmgtrack.errors import InputError
from mmgtrack.structures import ClipSample, role_padding

ROLES = ('exemplar', 'support', 'query')


def images_of(inputs: Mapping[str, Tensor], data_samples: Sequence[ClipSample], role: str) -> Tensor:
    """(B, 3, S, S) normalised images of a role, 0 where they are padding."""
    return inputs[role].masked_fill(role_padding(inputs[role], data_samples, role)[:, None], 0)


def boxes_of(data_samples: Sequence[ClipSample], role: str, like: Tensor) -> Tensor:
    """(B, 4) the target's box in each image of a role, as numbers like others.

    Raises InputError where there is not one.
    """
    boxes = [sample.instances[role].bboxes for sample in data_samples]
    if any(len(own) != 1 for own in boxes):
        raise InputError(
            f'every {role} image needs the box of one target, got {[len(own) for own in boxes]}: use a '
            'sampler that draws single targets, such as mmgtrack.ChronologicalSampler'
        )
    return torch.cat(boxes).to(like)
