"""The objects of a training batch that re-identification learns from."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from mmdet.structures.bbox import bbox_overlaps
from torch import Tensor

from mmgtrack.models.pairs import Detections
from mmgtrack.structures import ClipSample

SAME, OTHER = 0.6, 0.3
"""Ours: a detection of this IoU shows the target; one of which less lies on objects shows another thing."""

_IDS = 1 << 32  # more than any id of an object in its sample


class TrainingObjects(NamedTuple):
    """R boxes in the images of one role.

    boxes: (R, 4) xyxy network pixels; frames: (R,) image of each; identities: (R,) class among the training
    tracks, -1 for none; instances: (R,) the same number for the same object of the batch.
    """

    boxes: Tensor
    frames: Tensor
    identities: Tensor
    instances: Tensor


def annotated_objects(
    samples: Sequence[ClipSample], role: str, boxes_of: Callable[[ClipSample, str], Tensor]
) -> TrainingObjects:
    """The instances of a role; samples number their objects apart from each other."""
    rows = [sample.instances[role] for sample in samples]
    counts = torch.tensor([len(instances) for instances in rows])
    boxes = torch.cat([boxes_of(sample, role) for sample in samples])
    frames = torch.arange(len(samples)).repeat_interleave(counts).to(boxes.device)
    ids = torch.cat([instances.ids for instances in rows])
    unknown = [torch.full_like(instances.ids, -1) for instances in rows]
    known = [instances.get('identities', none) for instances, none in zip(rows, unknown, strict=True)]
    return TrainingObjects(boxes, frames, torch.cat(known), frames * _IDS + ids)


def found_objects(
    found: Detections, frames: Tensor, annotated: TrainingObjects, targets: Tensor
) -> TrainingObjects:
    """What the detector takes for the targets, in the search images: targets again, and their look-alikes.

    found: (P, K) boxes; frames: (P,) image of each pair; annotated: those of the search images; targets: (P,)
    instance that each pair looks for. Boxes that show the target in part, or another annotated object, are
    left out; every look-alike is an instance of its own.
    """
    owner = frames.repeat_interleave(found.scores.shape[1])
    wanted = targets.repeat_interleave(found.scores.shape[1])
    boxes, valid = found.boxes.flatten(0, 1), found.valid.flatten()
    together = owner[:, None] == annotated.frames
    overlaps = bbox_overlaps(boxes, annotated.boxes) * together
    covered = bbox_overlaps(boxes, annotated.boxes, mode='iof') * together
    mine = annotated.instances == wanted[:, None]
    same = valid & ((overlaps >= SAME) & mine).any(1)
    other = valid & (covered < OTHER).all(1)  # nor a part of an annotated object
    unique = -1 - torch.arange(len(boxes), device=boxes.device)
    chosen = (same | other).nonzero()[:, 0]
    instances = torch.where(same, wanted, unique)[chosen]
    known = (overlaps * mine).argmax(1) if len(annotated.boxes) else torch.zeros_like(wanted)
    identities = annotated.identities[known] if len(annotated.boxes) else torch.full_like(wanted, -1)
    identities = identities.where(same, identities.new_tensor(-1))[chosen]
    return TrainingObjects(boxes[chosen], owner[chosen], identities, instances)
