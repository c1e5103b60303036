"""A small folder of data that every config finds its own in."""

import json
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

import mmgtrack  # noqa: F401  (the operator stand-in must be in place before mmdet is imported)
from mmgtrack.datasets import synthetic_clip, write_sequence
from tests.datasets.test_benchmarks import write_got10k, write_lasot
from tests.datasets.test_stark_readers import write_trackingnet

ROWS = ['10,12,30,30', '12,12,30,30', '14,13,30,31']
LONG = [f'{10 + n},12,30,30' for n in range(20)]  # STARK passes shorter ones over


def write_coco(root: Path, annotations: str, image_folder: str) -> None:
    """Two images with three objects each."""
    (root / image_folder).mkdir(parents=True)
    images, boxes = [], []
    for number in (1, 2):
        clip = synthetic_clip(num_frames=1, size=(96, 128), num_targets=3, seed=number)
        cv2.imwrite(str(root / image_folder / f'{number}.png'), clip.frames[0])
        images.append({'id': number, 'file_name': f'{number}.png', 'width': 128, 'height': 96})
        corners = clip.boxes[0].astype(float)
        sizes = corners[:, 2:] - corners[:, :2]
        for xywh in np.concatenate([corners[:, :2], sizes], axis=1).tolist():
            boxes.append({'id': len(boxes), 'image_id': number, 'bbox': xywh})
    file = root / annotations
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps({'images': images, 'annotations': boxes, 'categories': []}))


def write_official(root: Path) -> None:
    """COCO, GOT-10k, LaSOT and TrackingNet as their authors lay them out."""
    write_coco(root / 'coco', 'annotations/instances_train2017.json', 'train2017')
    write_got10k(root / 'got10k', 'GOT-10k_Train_000001', ROWS)
    write_got10k(root / 'got10k', 'GOT-10k_Train_000002', LONG)
    write_got10k(root / 'got10k', 'GOT-10k_Val_000001', ROWS, split='val')
    (root / 'got10k' / 'got10k_vot_train_split.txt').write_text('1\n')
    write_lasot(root / 'lasot', 'cup-1', ROWS)
    write_lasot(root / 'lasot', 'cup-2', LONG)
    (root / 'lasot' / 'training_set.txt').write_text('cup-1\ncup-2\n')
    (root / 'lasot' / 'testing_set.txt').write_text('cup-1\n')
    for number in range(12):
        write_trackingnet(root / 'trackingnet', f'TRAIN_{number}', f'mug_{number}', LONG)


@pytest.fixture(scope='session')
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """What MMGTRACK_DATA names: the benchmarks of the configs, and the demo data of the light models."""
    root = tmp_path_factory.mktemp('data')
    write_official(root)
    for name, targets in (('sequences/train', 1), ('clips', 2), ('sequences/val', 1)):
        write_sequence(synthetic_clip(3, num_targets=targets), root / name / 'clip')
        if name != 'sequences/val':
            write_sequence(synthetic_clip(8, num_targets=targets), root / name / 'longer')
    write_sequence(synthetic_clip(3, num_targets=1), root / 'sequences/val/composites/cut')
    for name in ('images', 'images2'):
        write_coco(root / name, 'annotations.json', '.')
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('MMGTRACK_DATA', str(root))
        yield root
