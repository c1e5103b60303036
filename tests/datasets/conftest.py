"""Small trees of data shared by the tests of this folder."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import mmgtrack  # noqa: F401  (the operator stand-in must be in place before mmdet is imported)
from mmgtrack.datasets import synthetic_clip, write_sequence

COLOURS = {0: (40, 40, 220), 1: (40, 200, 40), 2: (220, 80, 40)}
"""BGR colour that every target of the same index is painted in, on a grey ground."""


def _painted(size: tuple[int, int], boxes: np.ndarray) -> np.ndarray:
    """(H, W, 3) grey picture with the (n, 4) integer xyxy boxes filled in their colours."""
    image = np.full((*size, 3), 128, dtype=np.uint8)
    for target, (x1, y1, x2, y2) in enumerate(boxes.astype(int)):
        image[y1:y2, x1:x2] = COLOURS[target]
    return image


def _write_tree(folder: Path, frames: int, /, **files: str) -> Path:
    """A sequence folder with blank frames and the given text files (name without .txt)."""
    (folder / 'img').mkdir(parents=True)
    for number in range(1, frames + 1):
        cv2.imwrite(str(folder / 'img' / f'{number:06d}.jpg'), np.zeros((20, 30, 3), np.uint8))
    for name, text in files.items():
        (folder / f'{name}.txt').write_text(text)
    return folder


def _write_coco(root: Path, boxes: np.ndarray, num_images: int = 3, image_folder: str = '.') -> Path:
    """A detection set: ``num_images`` painted 60x80 images with the same (n, 4) integer xyxy boxes."""
    (root / image_folder / 'img').mkdir(parents=True)
    images, annotations = [], []
    for image in range(1, num_images + 1):
        cv2.imwrite(str(root / image_folder / 'img' / f'{image}.png'), _painted((60, 80), boxes))
        images.append({'id': image, 'file_name': f'img/{image}.png', 'width': 80, 'height': 60})
        for x1, y1, x2, y2 in boxes.tolist():
            annotations.append(
                {'id': len(annotations), 'image_id': image, 'bbox': [x1, y1, x2 - x1, y2 - y1]}
            )
    content = {'images': images, 'annotations': annotations, 'categories': []}
    (root / 'annotations.json').write_text(json.dumps(content))
    return root


@pytest.fixture
def write_tree() -> Callable[..., Path]:
    return _write_tree


@pytest.fixture
def write_coco() -> Callable[..., Path]:
    return _write_coco


@pytest.fixture
def painted() -> Callable[[tuple[int, int], np.ndarray], np.ndarray]:
    return _painted


@pytest.fixture
def colours() -> dict[int, tuple[int, int, int]]:
    return COLOURS


@pytest.fixture
def demo_root(tmp_path: Path) -> Path:
    """The layout of the demo data, filled with synthetic clips and painted images."""
    for name, targets in (('sequences/train', 1), ('clips', 2), ('sequences/val', 1)):
        for number in range(3):
            clip = synthetic_clip(6, num_targets=targets, absences={0: (4, 6)}, seed=number)
            write_sequence(clip, tmp_path / name / f'clip{number}')
    composite = tmp_path / 'sequences/val/composites/cut'
    composite.mkdir(parents=True)
    (composite / 'frames.txt').write_text('clip0/img/000001.png\nclip1/img/000001.png\n')
    (composite / 'groundtruth.txt').write_text('1,2,10,10\nnan,nan,nan,nan\n')
    boxes = np.array([[5, 5, 25, 30], [40, 20, 70, 50]])
    _write_coco(tmp_path / 'images', boxes)
    _write_coco(tmp_path / 'images2', boxes[:1])
    return tmp_path


@pytest.fixture
def clip_config(demo_root: Path) -> Callable[..., dict[str, Any]]:
    """Config of a small ClipDataset over the demo tree; keywords replace its entries."""

    def config(**changes: Any) -> dict[str, Any]:
        pipeline = [
            {'type': 'mmgtrack.LoadFrame'},
            {'type': 'mmgtrack.RandomZoom', 'scale': (96, 72), 'mix_prob': 0.5},
            {'type': 'mmdet.RandomFlip', 'prob': 0.5},
            {'type': 'mmdet.PhotoMetricDistortion'},
        ]
        return {
            'type': 'mmgtrack.ClipDataset',
            'sources': [
                {'type': 'mmgtrack.SequenceFolder', 'root': str(demo_root / 'sequences/train')},
                {'type': 'mmgtrack.SequenceFolder', 'root': str(demo_root / 'clips'), 'weight': 2},
                {'type': 'mmgtrack.CocoImages', 'root': str(demo_root / 'images')},
            ],
            'num_samples': 10,
            'pipelines': {'query': pipeline, 'search': pipeline},
            'sampler': {'type': 'mmgtrack.ClipSampler', 'negative_prob': 0.2},
            **changes,
        }

    return config
