"""Reading COCO-format sets: which boxes survive, and the errors."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmgtrack.datasets import CocoImages, reader_config
from mmgtrack.errors import DataError
from mmgtrack.registry import DATASETS

IMAGE = {'id': 7, 'file_name': 'a.png', 'width': 80, 'height': 60}


def write(root: Path, annotations: list[dict[str, Any]], images: list[dict[str, Any]]) -> str:
    (root / 'annotations.json').write_text(json.dumps({'images': images, 'annotations': annotations}))
    return str(root)


@pytest.mark.parametrize(
    'bbox, extra, options, kept',
    [
        ([1, 2, 30, 40], {}, {}, [1, 2, 31, 42]),
        ([-5, -5, 30, 40], {}, {}, [0, 0, 25, 35]),
        ([70, 50, 30, 40], {}, {}, [70, 50, 80, 60]),
        ([1, 2, 30, 40], {'iscrowd': 1}, {}, None),
        ([1, 2, 30, 40], {'ignore': 1}, {}, None),
        ([1, 2, 30, 5.9], {}, {'min_side': 6}, None),
        ([1, 2, 30, 6], {}, {'min_side': 6}, [1, 2, 31, 8]),
        ([77, 2, 30, 40], {}, {'min_side': 6}, None),
        ([0, 0, 80, 49], {}, {'max_share': 0.8}, None),
        ([0, 0, 80, 47], {}, {'max_share': 0.8}, [0, 0, 80, 47]),
        ([100, 100, 5, 5], {}, {}, None),
    ],
)
def test_usable_boxes(
    tmp_path: Path, bbox: list[float], extra: dict[str, int], options: Any, kept: Any
) -> None:
    good = {'id': 1, 'image_id': 7, 'bbox': [10, 10, 20, 20], 'iscrowd': 0}
    root = write(tmp_path, [good, {'id': 2, 'image_id': 7, 'bbox': bbox, **extra}], [IMAGE])
    reader = CocoImages(root, **options)
    sequence = reader[0]
    expected = [[10, 10, 30, 30]] + ([kept] if kept else [])
    np.testing.assert_allclose(sequence.boxes[0], expected, rtol=1e-6)
    assert (sequence.name, sequence.frame_paths) == ('a.png', (str(tmp_path / 'a.png'),))
    assert sequence.present.all() and sequence.labelled.all()


def test_images_without_usable_box_are_left_out(tmp_path: Path) -> None:
    images = [
        IMAGE,
        {**IMAGE, 'id': 8, 'file_name': 'b.png'},
        {**IMAGE, 'id': 9, 'file_name': 'c.png'},
    ]
    boxes = [{'image_id': 9, 'bbox': [1, 1, 20, 20]}, {'image_id': 8, 'bbox': [1, 1, 2, 2]}]
    reader = CocoImages(write(tmp_path, boxes, images), min_side=4)
    assert reader.names == ['c.png']


def test_small_images_are_left_out(tmp_path: Path) -> None:
    images = [{**IMAGE, 'id': side, 'file_name': f'{side}.png', 'height': side} for side in (31, 32)]
    boxes = [{'image_id': side, 'bbox': [1, 1, 20, 20]} for side in (31, 32)]
    assert CocoImages(write(tmp_path, boxes, images), min_image_side=32).names == ['32.png']


@pytest.mark.parametrize(
    'text, message',
    [
        ('{', 'cannot read the annotation file'),
        ('[]', 'not in COCO format'),
        ('{"images": []}', "KeyError.*'annotations'"),
        ('{"images": [], "annotations": []}', 'no usable box'),
        (
            '{"images": [], "annotations": [{"id": 3, "image_id": 1}]}',
            'annotation 3 names the unknown',
        ),
    ],
)
def test_errors_name_the_file(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / 'annotations.json').write_text(text)
    with pytest.raises(DataError, match=message) as error:
        CocoImages(str(tmp_path))
    assert 'annotations.json' in str(error.value)


@pytest.mark.parametrize(
    'name, image, options, path',
    [
        (
            'lvis',  # no file_name, categories that are verified to be absent
            {
                'coco_url': 'http://images.cocodataset.org/train2017/000000391895.jpg',
                'neg_category_ids': [1, 2],
                'not_exhaustive_category_ids': [],
            },
            {'annotations': 'annotations/lvis_v1_train.json'},
            'train2017/000000391895.jpg',
        ),
        (
            'objects365',
            {'file_name': 'images/v2/patch16/objects365_v2_00908726.jpg', 'url': ''},
            {'annotations': 'annotations/zhiyuan_objv2_train.json'},
            'train/patch16/objects365_v2_00908726.jpg',
        ),
        (
            'voc',
            {'file_name': 'VOC2007/JPEGImages/000005.jpg'},
            {'annotations': 'annotations/voc0712_trainval.json'},
            'VOC2007/JPEGImages/000005.jpg',
        ),
        (
            'coco',
            {'file_name': '000000391895.jpg', 'license': 3},
            {'annotations': 'annotations/instances_train2017.json'},
            'train2017/000000391895.jpg',
        ),
    ],
)
def test_forms_of_published_sets(
    tmp_path: Path, name: str, image: dict[str, Any], options: dict[str, str], path: str
) -> None:
    file = tmp_path / options['annotations']
    file.parent.mkdir()
    boxes = [
        {'id': 1, 'image_id': '2007_000005', 'bbox': [10, 10, 20, 20], 'category_id': 1, 'isfake': 0},
        {'id': 2, 'image_id': '2007_000005', 'bbox': [1, 1, 20, 20], 'category_id': 2, 'ignore': 1},
    ]
    image = {'id': '2007_000005', 'width': 80, 'height': 60, **image}
    file.write_text(json.dumps({'images': [image], 'annotations': boxes, 'categories': []}))
    reader = DATASETS.build(reader_config(name, tmp_path))
    assert reader[0].frame_paths == (f'{tmp_path}/{path}',) and reader.num_frames(0) == 1
    assert reader[0].boxes.tolist() == [[[10, 10, 30, 30]]]


def test_an_image_without_a_name(tmp_path: Path) -> None:
    root = write(tmp_path, [], [{'id': 1, 'width': 80, 'height': 60}])
    with pytest.raises(DataError, match=r"not in COCO format: KeyError.'file_name'"):
        CocoImages(root)
