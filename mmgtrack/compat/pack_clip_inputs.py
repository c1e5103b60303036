"""From the results of mmtrack's pipelines to the samples that our models train on."""

from collections.abc import Sequence
from typing import Any
from zlib import crc32

import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmdet.structures.bbox import BaseBoxes, HorizontalBoxes

from mmgtrack.datasets.packing import RoleResult, join_roles, pack_role
from mmgtrack.errors import InputError
from mmgtrack.registry import TRANSFORMS
from mmgtrack.structures import ClipSample

# of what mmtrack's transforms leave for each image: their name for it, and that of pack_role
_KEYS = {
    'img': 'img',
    'gt_bboxes': 'gt_bboxes',
    'padding_mask': 'mask',
    'scale_factor': 'scale_factor',
    'flip': 'flip',
    'flip_direction': 'flip_direction',
}
_TARGET = np.zeros(1, dtype=np.int64)  # there is one, so any id will do
_NOTHING = _TARGET[:0]


@TRANSFORMS.register_module()
class PackClipInputs(BaseTransform):
    """Pack an image for each role: takes the place of ``mmtrack.PackTrackInputs`` at the end of a pipeline.

    It follows the samplings of one target, ``mmtrack.PairSampling`` and ``mmtrack.TridentSampling``, whose
    results hold lists with an item for each image, the search image last. A search image of another video
    than the first image is a negative: it gets no box, and the sample ``negative=True``. None (mmengine then
    draws another sample) where the box of an image that should show the target is outside of it or too small,
    and where a negative is the very picture that the target is in, as data sets of still images give them.

    Args:
        roles: of the model: ``('query', 'search')`` for GlobalTrack, ``('template', 'search')`` or
            ``('template', 'dynamic_template', 'search')`` for STARK.
        min_box_side: least side of a box, in pixels of the packed image.
    """

    def __init__(self, roles: Sequence[str], min_box_side: float = 1.0) -> None:
        self.roles = tuple(roles)
        self.min_box_side = min_box_side

    def transform(self, results: dict[str, Any]) -> dict[str, Any] | None:
        """Pack the images and boxes; InputError where there is not one image for each role."""
        paths, videos = results['img_path'], results['video_id']
        if not isinstance(paths, list) or len(paths) != len(self.roles):
            raise InputError(
                f'PackClipInputs wants a list of {len(self.roles)} images, for {", ".join(self.roles)}, got '
                f'{len(paths) if isinstance(paths, list) else "no list"}: the roles must agree with the '
                'number of frames that the sampling draws'
            )
        negative = bool(videos[-1] != videos[0])
        packed = [self._pack_image(results, index) for index in range(len(paths))]
        shown = packed[:-1] if negative else packed
        if not all(len(image.boxes) for image in shown) or (negative and paths[-1] in paths[:-1]):
            return None
        return {
            'inputs': {role: image.image for role, image in zip(self.roles, packed, strict=True)},
            'data_samples': self._sample(packed, results, negative),
        }

    def _pack_image(self, results: dict[str, Any], index: int) -> RoleResult:
        image = {ours: results[theirs][index] for theirs, ours in _KEYS.items() if theirs in results}
        boxes = image['gt_bboxes']  # mmtrack's transforms leave an array, those of mmdet boxes
        if not isinstance(boxes, BaseBoxes):
            boxes = HorizontalBoxes(torch.from_numpy(np.asarray(boxes, dtype=np.float32).reshape(-1, 4)))
        image['gt_bboxes'] = boxes
        image['gt_bboxes_labels'] = _TARGET
        image['gt_ignore_flags'] = [False]
        return pack_role(image, self.min_box_side)

    def _sample(self, packed: list[RoleResult], results: dict[str, Any], negative: bool) -> ClipSample:
        images = dict(zip(self.roles, packed, strict=True))
        instances = {role: image.instances(_TARGET) for role, image in images.items()}
        if negative:
            instances[self.roles[-1]] = packed[-1].instances(_NOTHING)
        paths = results['img_path']
        sample = join_roles(images, instances)
        sample.set_metainfo(
            {
                'source': dict(zip(self.roles, paths, strict=True)),
                'clip': dict(zip(self.roles, map(str, results['video_id']), strict=True)),
                'frame': dict(zip(self.roles, map(int, results['frame_id']), strict=True)),
                'source_name': 'mmtrack',
                'broken_images': {},  # they end a run there
                # their data sets do not count samples: the files stand for a number
                'sample_index': crc32('\n'.join(paths).encode()),
                'negative': negative,
            }
        )
        return sample

    def __repr__(self) -> str:
        return f'{type(self).__name__}(roles={self.roles}, min_box_side={self.min_box_side})'
