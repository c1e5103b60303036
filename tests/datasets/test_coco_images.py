"""Reading COCO-format sets: which boxes survive, and the errors."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmgtrack.datasets import CocoImages
from mmgtrack.errors import DataError

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
