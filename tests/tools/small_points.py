"""A small PointTrack, and still images for it."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mmgtrack.datasets.synthetic import synthetic_clip

SMALL_POINTS: dict[str, Any] = {
    'model.data_preprocessor.resize': (96, 72),
    'model.backbone.widen_factor': 0.25,
    'model.neck.neck.in_channels': [8, 8, 24, 40],
    'model.neck.neck.out_channels': 16,
    'model.roi_extractor.out_channels': 16,
    'model.bbox_head.in_channels': 16,
    'model.bbox_head.feat_channels': 16,
    'model.batch_frames': 2,
}


def stills(root: Path, count: int = 4) -> Path:
    """A folder in COCO format: pictures of 160x120 with two objects each."""
    root.mkdir(parents=True)
    images, annotations = [], []
    for image in range(count):
        clip = synthetic_clip(1, (120, 160), num_targets=2, target_size=(30, 24), seed=image)
        cv2.imwrite(str(root / f'{image}.png'), clip.frames[0])
        images.append(dict(id=image, file_name=f'{image}.png', width=160, height=120))
        for x1, y1, x2, y2 in np.asarray(clip.boxes[0], float).tolist():
            box = [x1, y1, x2 - x1, y2 - y1]
            annotations.append(dict(id=len(annotations), image_id=image, bbox=box))
    content = dict(images=images, annotations=annotations, categories=[])
    (root / 'annotations.json').write_text(json.dumps(content))
    return root
