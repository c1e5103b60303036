"""TrackingNet in its official layout, and COCO by object."""

from collections.abc import Callable
from collections.abc import Sequence as Items
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from mmgtrack.datasets import CocoImages, CocoInstances, TrackingNet
from mmgtrack.errors import DataError


def write_trackingnet(root: Path, part: str, name: str, rows: Items[str]) -> Path:
    """A sequence of TrackingNet with 60x80 frames; returns the folder of the set."""
    frames = root / part / 'frames' / name
    frames.mkdir(parents=True)
    for number in range(len(rows)):
        cv2.imwrite(str(frames / f'{number}.jpg'), np.full((60, 80, 3), 9 * (number + 1), np.uint8))
    (root / part / 'anno').mkdir(exist_ok=True)
    written = rows[:1] if part == 'TEST' else rows
    (root / part / 'anno' / f'{name}.txt').write_text('\n'.join(written) + '\n')
    return root / part


def test_trackingnet_reads_the_sets_asked_for(tmp_path: Path) -> None:
    write_trackingnet(tmp_path, 'TRAIN_0', 'b', ['1.5,2,30,40', '5,6,7,8', '0,0,0,0'])
    write_trackingnet(tmp_path, 'TRAIN_0', '-a_0', ['1,2,3,4'])
    write_trackingnet(tmp_path, 'TRAIN_11', 'c', ['1,2,3,4'] * 12)
    write_trackingnet(tmp_path, 'TRAIN_1', 'd', ['1,2,3,4'])
    reader = TrackingNet(str(tmp_path), sets=[0, 11])
    assert reader.names == ['-a_0', 'b', 'c']
    sequence = reader[1]
    assert [Path(path).name for path in sequence.frame_paths] == ['0.jpg', '1.jpg', '2.jpg']
    assert sequence.frame_paths[0] == str(tmp_path / 'TRAIN_0/frames/b/0.jpg')
    assert sequence.boxes[0, 0].tolist() == [1.5, 2, 31.5, 42]
    assert sequence.present[:, 0].tolist() == [True, True, False] and sequence.labelled.all()
    assert Path(reader[2].frame_paths[10]).name == '10.jpg'  # by number, not by name


def test_trackingnet_withholds_the_boxes_of_its_test_set(tmp_path: Path) -> None:
    write_trackingnet(tmp_path, 'TEST', 'a', ['1,2,3,4'] * 11)
    sequence = TrackingNet(str(tmp_path), split='test')[0]
    assert len(sequence) == 11 and sequence.frame_paths[10].endswith('TEST/frames/a/10.jpg')
    assert sequence.present[:, 0].tolist() == sequence.labelled[:, 0].tolist() == [True] + [False] * 10


@pytest.mark.parametrize(
    'damage, options, message',
    [
        (None, {}, r'TRAIN_1 holds no sequence: expected files such as .*TRAIN_1.anno.<name>\.txt'),
        (None, {'split': 'test'}, 'TEST holds no sequence'),
        (None, {'split': 'val'}, "'train' or 'test', got 'val'"),
        ('frames/a/1.jpg', {'sets': [0]}, r'should have 2 frames, but 1\.jpg is missing'),
    ],
)
def test_trackingnet_errors(
    tmp_path: Path, damage: str | None, options: dict[str, Any], message: str
) -> None:
    folder = write_trackingnet(tmp_path, 'TRAIN_0', 'a', ['1,2,3,4'] * 2)
    if damage:
        (folder / damage).unlink()
    with pytest.raises(DataError, match=message):
        TrackingNet(str(tmp_path), **options)[0]


def test_coco_by_object(tmp_path: Path, write_coco: Callable[..., Path]) -> None:
    boxes = np.array([[5, 5, 25, 30], [40, 20, 70, 50], [1, 1, 3, 3]])
    root = str(write_coco(tmp_path, boxes, num_images=2))
    images, objects = CocoImages(root, min_side=4), CocoInstances(root, min_side=4)
    assert (len(images), len(objects)) == (2, 4)
    assert [objects[n].name for n in range(4)] == ['img/1.png#1', 'img/1.png#2', 'img/2.png#1', 'img/2.png#2']
    assert [objects[n].boxes[0].tolist() for n in range(2)] == [[[5, 5, 25, 30]], [[40, 20, 70, 50]]]
    assert objects[3].frame_paths == images[1].frame_paths and objects[3].present.tolist() == [[True]]
    assert objects[0].shares_video(objects[1]) and not objects[0].shares_video(objects[2])
