"""Packing what mmtrack's pipelines leave: no mmtrack is needed for that."""

from typing import Any

import numpy as np
import pytest
import torch
from mmdet.structures.bbox import HorizontalBoxes
from mmengine.registry import TRANSFORMS

import mmgtrack.compat.pack_clip_inputs  # noqa: F401  (registers)
from mmgtrack.errors import InputError

BOX = [4.0, 6.0, 20.0, 16.0]
ROLES = ('template', 'dynamic_template', 'search')


def results(boxes: list[list[float]], videos: list[int] | None = None, **more: Any) -> dict[str, Any]:
    """Three images of 40x30 pixels with a box each."""
    count = len(boxes)
    return {
        'img': [np.full((30, 40, 3), 10 * n, np.uint8) for n in range(count)],
        'gt_bboxes': [np.array([box], dtype=np.float32) for box in boxes],
        'gt_bboxes_labels': [np.zeros(1, dtype=np.int64) for _ in boxes],
        'img_path': [f'video{video}/{n}.jpg' for n, video in enumerate(videos or [0] * count)],
        'video_id': videos or [0] * count,
        'frame_id': list(range(count)),
        **more,
    }


def pack(given: dict[str, Any], roles: tuple[str, ...] = ROLES, **options: Any) -> Any:
    return TRANSFORMS.build(dict(type='mmgtrack.PackClipInputs', roles=roles, **options))(given)


def test_images_and_boxes_go_to_their_roles() -> None:
    packed = pack(results([BOX, BOX, [30, 20, 50, 40]]))
    sample = packed['data_samples']
    assert list(packed['inputs']) == list(ROLES)
    assert packed['inputs']['search'].shape == (3, 30, 40) and packed['inputs']['search'].unique() == 20
    assert sample.instances['template'].bboxes.tolist() == [BOX]
    assert sample.instances['search'].bboxes.tolist() == [[30, 20, 40, 30]]  # clipped to the image
    assert {role: instances.ids.tolist() for role, instances in sample.instances.items()} == {
        role: [0] for role in ROLES
    }
    assert sample.source['search'] == 'video0/2.jpg' and sample.img_shape['search'] == (30, 40)
    assert sample.frame == dict(zip(ROLES, range(3), strict=True)) and set(sample.clip.values()) == {'0'}
    assert 'masks' not in sample and sample.negative is False and sample.broken_images == {}


def test_another_video_is_a_negative_whatever_its_label() -> None:
    sample = pack(results([BOX] * 3, videos=[4, 4, 5]))['data_samples']
    assert sample.negative is True
    assert [len(sample.instances[role]) for role in ROLES] == [1, 1, 0]
    assert sample.instances['search'].bboxes.shape == (0, 4)


@pytest.mark.parametrize(
    ('boxes', 'videos'),
    [
        ([[50, 6, 60, 16], BOX, BOX], [0, 0, 0]),
        ([BOX, BOX, [4, 6, 4.5, 16]], [0, 0, 0]),
        ([BOX, [4, 6, 4.5, 16], BOX], [0, 0, 1]),
    ],
    ids=['outside', 'too small', 'of the template of a negative'],
)
def test_a_target_that_is_not_to_be_seen_gives_the_sample_up(boxes: Any, videos: list[int]) -> None:
    assert pack(results(boxes, videos)) is None


def test_the_box_of_a_negative_does_not_count() -> None:
    assert pack(results([BOX, BOX, [50, 6, 60, 16]], [0, 0, 1]))['data_samples'].negative


def test_the_same_picture_is_no_negative() -> None:
    """In a data set of still images two "videos" may be two objects of one image."""
    paths = ['a.jpg', 'a.jpg', 'a.jpg']
    assert pack(results([BOX] * 3, [0, 0, 1], img_path=paths)) is None


def test_what_transforms_leave_is_carried_over() -> None:
    masks = [np.zeros((30, 40), bool) for _ in ROLES]
    masks[2][:, 30:] = True
    given = results(
        [BOX] * 3,
        padding_mask=masks,
        scale_factor=[(0.5, 0.25)] * 3,
        flip=[False, False, True],
        flip_direction=[None, None, 'horizontal'],
        gt_bboxes=[HorizontalBoxes(torch.tensor([BOX])) for _ in ROLES],  # as mmdet's transforms leave them
    )
    sample = pack(given)['data_samples']
    assert sample.masks['search'].sum() == 300 and sample.masks['template'].sum() == 0
    assert sample.scale == dict.fromkeys(ROLES, 0.5)
    assert sample.flip == {'template': False, 'dynamic_template': False, 'search': True}
    assert sample.instances['template'].bboxes.tolist() == [BOX]


def test_the_number_of_a_sample_follows_from_its_frames() -> None:
    numbers = [pack(results([BOX] * 3, videos))['data_samples'].sample_index for videos in ([0] * 3, [1] * 3)]
    again = pack(results([BOX] * 3))['data_samples'].sample_index
    assert numbers[0] == again != numbers[1]


@pytest.mark.parametrize('given', [results([BOX] * 2), {**results([BOX]), 'img_path': 'a.jpg'}])
def test_roles_and_images_must_agree(given: dict[str, Any]) -> None:
    with pytest.raises(InputError, match='wants a list of 3 images, for template, dynamic_template, search'):
        pack(given)
