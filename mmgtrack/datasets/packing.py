"""Between a drawn frame, the dict that mmdet's transforms work on, and the tensors of a sample."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
import torch
from mmengine.structures import InstanceData
from torch import Tensor

from mmgtrack.datasets.clip_sampler import RoleFrame
from mmgtrack.datasets.sequence import NO_IDENTITY
from mmgtrack.geometry import clip_boxes
from mmgtrack.structures.clip_sample import ClipSample


@dataclass(frozen=True, eq=False)
class RoleResult:
    """One role after its pipeline.

    - ``image``: (3, H, W) uint8 BGR.
    - ``boxes``: (n, 4) float32 xyxy pixels inside the image, of the targets to be seen.
    - ``ids``: (n,) int64 of those boxes.
    - ``doubtful``: ids of targets that are neither well visible nor gone; no role should use them.
    - ``scale``: pixels of ``image`` a pixel of the stored frame, along x; 1 where no transform says.
    - ``flip``: whether it is mirrored left to right.
    - ``mask``: (H, W) bool, True where ``image`` is padding; None where no transform says.
    - ``lost_by``: the transforms that left fewer usable targets than there were before them.
    - ``identities``: by id those of the targets that have one, see ``Sequence``.
    """

    image: Tensor
    boxes: Tensor
    ids: np.ndarray
    doubtful: np.ndarray
    scale: float = 1.0
    flip: bool = False
    mask: Tensor | None = None
    lost_by: tuple[str, ...] = ()
    identities: Mapping[int, int] = field(default_factory=dict)

    def instances(self, targets: np.ndarray) -> InstanceData:
        """The targets (ids, sorted) that are to be seen in this role, in the order of ``targets``."""
        order = [int(np.flatnonzero(self.ids == target)[0]) for target in targets if target in self.ids]
        ids = torch.from_numpy(self.ids[order].astype(np.int64))
        numbers = [self.identities.get(target, NO_IDENTITY) for target in ids.tolist()]
        identities = torch.tensor(numbers, dtype=torch.long)
        return InstanceData(
            bboxes=self.boxes[order], ids=ids, identities=identities, labels=torch.zeros_like(ids)
        )


def role_input(frame: RoleFrame, sample_key: tuple[int, ...]) -> dict[str, Any]:
    """What the first transform of a role's pipeline receives.

    sample_key: the same for all roles of a sample and for no other, for draws that they share.
    """
    # here and not above: reading sequences for evaluation needs no mmdet
    from mmdet.structures.bbox import HorizontalBoxes

    return {
        'img_path': frame.path,
        'other_path': frame.other_path,
        'gt_bboxes': HorizontalBoxes(torch.from_numpy(frame.boxes.reshape(-1, 4).copy())),
        'gt_bboxes_labels': frame.ids.copy(),
        'gt_ignore_flags': np.zeros(len(frame.ids), dtype=bool),
        'sample_key': sample_key,
        'identities': _by_id(frame),
    }


def _by_id(frame: RoleFrame) -> dict[int, int]:
    """Identities of the targets; a frame drawn by a sampler that knows none has none."""
    if frame.identities is None:
        return {}
    return dict(zip(frame.ids.tolist(), frame.identities.tolist(), strict=True))


def join_roles(results: Mapping[str, RoleResult], instances: dict[str, InstanceData]) -> ClipSample:
    """A sample with what each role has after its pipeline; where the images are from is left to be said."""
    sample = ClipSample()
    sample.instances = instances
    masks = {role: result.mask for role, result in results.items() if result.mask is not None}
    if masks:
        sample.masks = masks
    sample.set_metainfo(
        {
            'img_shape': {role: tuple(result.image.shape[-2:]) for role, result in results.items()},
            'flip': {role: result.flip for role, result in results.items()},
            'scale': {role: result.scale for role, result in results.items()},
        }
    )
    return sample


def usable_boxes(results: dict[str, Any], min_side: float) -> tuple[np.ndarray, np.ndarray]:
    """(n, 4) float32 boxes clipped to the image, and (n,) bool: neither too small nor flagged."""
    boxes = clip_boxes(results['gt_bboxes'].tensor.float(), results['img'].shape[:2]).numpy()
    flagged = np.asarray(results['gt_ignore_flags'], dtype=bool)
    return boxes, (_least_sides(boxes) >= min_side) & ~flagged


def pack_role(results: dict[str, Any], min_side: float, lost_by: tuple[str, ...] = ()) -> RoleResult:
    """Turn a pipeline's output into tensors.

    Boxes are clipped to the image. A box with a side below ``min_side`` pixels, or flagged by a
    transform (``gt_ignore_flags``), is doubtful; another that is outside the image is gone.
    """
    image = _planes(results['img'])
    boxes, usable = usable_boxes(results, min_side)
    ids = np.asarray(results['gt_bboxes_labels'], dtype=np.int64)
    flagged = np.asarray(results['gt_ignore_flags'], dtype=bool)
    mask = results.get('mask')
    return RoleResult(
        image=torch.from_numpy(image),
        boxes=torch.from_numpy(boxes[usable]),
        ids=ids[usable],
        doubtful=ids[~usable & (flagged | (_least_sides(boxes) > 0))],
        scale=float(results.get('scale_factor', (1.0, 1.0))[0]),  # mmcv's Resize sets it
        flip=bool(results.get('flip', False)) and results.get('flip_direction') == 'horizontal',
        mask=None if mask is None else torch.from_numpy(np.ascontiguousarray(mask, dtype=bool)),
        lost_by=lost_by,
        identities=results.get('identities', {}),
    )


def _planes(image: np.ndarray) -> np.ndarray:
    """(3, H, W) uint8 of (H, W, 3) grey levels, rounded half to even and clipped."""
    if image.strides[1] < 0:  # a mirrored view, which numpy copies three times slower than OpenCV mirrors
        image = cv2.flip(image[:, ::-1], 1)
    if image.dtype != np.uint8:  # photometric transforms leave unclipped floats
        image = cv2.add(image, 0, dtype=cv2.CV_8U)  # type: ignore[call-overload]  # it takes scalars too
    return np.stack(cv2.split(image))


def _least_sides(boxes: np.ndarray) -> np.ndarray:
    """(n,) the shorter side of each box."""
    sides: np.ndarray = (boxes[:, 2:] - boxes[:, :2]).min(1)
    return sides
