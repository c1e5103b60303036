"""Reader of detection sets in COCO format: every image is a sequence of one frame."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from mmgtrack.datasets.data_root import checked_root
from mmgtrack.datasets.sequence import Sequence
from mmgtrack.errors import DataError
from mmgtrack.registry import DATASETS

_LVIS_PARTS = 2
"""Of http://images.cocodataset.org/train2017/000000391895.jpg: LVIS mixes COCO's train and val images."""


@DATASETS.register_module()
class CocoImages:
    """Still images whose instances are the targets; categories are ignored.

    Boxes are clipped to the image; crowds, objects to be ignored and boxes that are too small are dropped,
    and so are images left without a box. The json file is read at once (it is one file), images when they
    are used.

    Args:
        root: data folder.
        annotations: COCO json file, relative to ``root``.
        image_folder: folder that ``file_name`` is relative to, itself relative to ``root``.
        min_side: least width and height of a box in pixels of the stored image (official GlobalTrack: 1).
        max_share: largest share of the image that a box may cover; a box around everything shows no search.
        min_image_side: images with a smaller side are left out, in pixels (official GlobalTrack: 32).
        path_parts: how many parts of a ``file_name`` count, from its end (Objects365 writes
            ``images/v1/patch8/a.jpg`` for ``patch8/a.jpg``); None: all of them.

    Where an image has no ``file_name``, the end of its ``coco_url`` is taken, as LVIS needs it: folder and
    name, so that ``train2017/000000391895.jpg`` is found below ``image_folder``. Categories are ignored, and
    with them LVIS's lists of those that are verified to be absent.

    Raises DataError that names the file and the entry for missing keys, unknown images or bad numbers.
    """

    def __init__(
        self,
        root: str,
        annotations: str = 'annotations.json',
        image_folder: str = '.',
        min_side: float = 1.0,
        max_share: float = 1.0,
        min_image_side: int = 1,
        path_parts: int | None = None,
    ) -> None:
        self.min_side = min_side
        self.max_share = max_share
        self.root = checked_root(root)
        self.file = self.root / annotations
        self.images = self.root / image_folder
        content = _load(self.file)
        try:
            sizes = {image['id']: (image['width'], image['height']) for image in content['images']}
            names = {image['id']: _file_name(image, path_parts) for image in content['images']}
            found_flaws: dict[Any, list[str]] = {}
            strange = next((image for image, size in sizes.items() if min(size) <= 0), None)
            if strange is not None:
                raise DataError(
                    f'{self.file}: image {strange} has the size {sizes[strange]}, expected pixels'
                )
            boxes = self._boxes(content['annotations'], sizes, found_flaws)
            boxes = {image: rows for image, rows in boxes.items() if min(sizes[image]) >= min_image_side}
        except (KeyError, TypeError) as error:
            raise DataError(f'{self.file} is not in COCO format: {error!r}') from error
        self._files = [names[image] for image in boxes]
        self._boxes_of = list(boxes.values())
        self._flaws = {names[image]: flaws for image, flaws in found_flaws.items()}
        if not self._files:
            raise DataError(f'{self.file} has no usable box (min_side={min_side}, max_share={max_share})')

    @property
    def names(self) -> list[str]:
        """Of the images that have a usable box, in the file's order."""
        return self._files

    def __len__(self) -> int:
        return len(self._files)

    def flaws(self, index: int) -> list[str]:
        """Boxes of an image that no picture of its size can have."""
        return list(self._flaws.get(self._files[index], ()))

    @property
    def left_out(self) -> dict[str, list[str]]:
        """Flaws of the images that have no usable box."""
        files = set(self._files)
        return {name: flaws for name, flaws in self._flaws.items() if name not in files}

    def num_frames(self, index: int) -> int:
        """Of a still image: 1."""
        return 1

    def __getitem__(self, index: int) -> Sequence:
        boxes = self._boxes_of[index][None]
        known = np.ones(boxes.shape[:2], dtype=bool)
        path = str(self.images / self._files[index])
        return Sequence(self._files[index], (path,), boxes, known, known)

    def _boxes(
        self,
        annotations: list[dict[str, Any]],
        sizes: dict[Any, tuple[int, int]],
        flaws: dict[Any, list[str]],
    ) -> dict[Any, np.ndarray]:
        """Usable boxes (n, 4) float32 xyxy of every image that has some, images in the file's order.

        flaws: boxes that are none are added to it, by image.
        """
        rows: dict[Any, list[list[float]]] = {image: [] for image in sizes}
        for annotation in annotations:
            if annotation['image_id'] not in sizes:
                raise DataError(
                    f'{self.file}: annotation {annotation.get("id")} names the unknown image '
                    f'{annotation["image_id"]}'
                )
            if annotation.get('iscrowd', 0) or annotation.get('ignore', 0):
                continue
            if len(annotation['bbox']) != 4:
                raise DataError(
                    f'{self.file}: annotation {annotation.get("id")} has the box {annotation["bbox"]}, '
                    f'expected 4 numbers x,y,w,h'
                )
            box = _clipped(annotation['bbox'], sizes[annotation['image_id']])
            if not np.isfinite(box).all():
                raise DataError(f'{self.file}: annotation {annotation.get("id")} has the box {box}')
            flaw = _flaw(annotation['bbox'], sizes[annotation['image_id']])
            if flaw:
                flaws.setdefault(annotation['image_id'], []).append(
                    f'annotation {annotation.get("id")}: {flaw}'
                )
            elif self._usable(box, sizes[annotation['image_id']]):
                rows[annotation['image_id']].append(box)
        return {image: np.array(kept, dtype=np.float32) for image, kept in rows.items() if kept}

    def _usable(self, box: list[float], size: tuple[int, int]) -> bool:
        width, height = box[2] - box[0], box[3] - box[1]
        share = width * height / (size[0] * size[1])
        return min(width, height) >= self.min_side and share <= self.max_share


def _load(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding='utf-8'))
    except (OSError, ValueError) as error:
        raise DataError(f'cannot read the annotation file {file}: {error}') from error
    if not isinstance(content, dict):
        raise DataError(f'{file} is not in COCO format: expected an object with images and annotations')
    return content


def _file_name(image: dict[str, Any], path_parts: int | None) -> str:
    """Of an image's file. Raises KeyError where the entry names none."""
    if 'file_name' not in image and 'coco_url' in image:
        return '/'.join(str(image['coco_url']).split('/')[-_LVIS_PARTS:])
    parts = str(image['file_name']).split('/')
    return '/'.join(parts if path_parts is None else parts[-path_parts:])


def _flaw(xywh: list[float], size: tuple[int, int]) -> str:
    """Why it is no box in an image of size (width, height); empty where it is one."""
    x, y, w, h = xywh
    if w <= 0 or h <= 0:
        return f'the box {xywh} has no area'
    if x >= size[0] or y >= size[1] or x + w <= 0 or y + h <= 0:
        return f'the box {xywh} lies outside the image of {size[0]}x{size[1]}'
    return ''


def _clipped(xywh: list[float], size: tuple[int, int]) -> list[float]:
    """xyxy of an xywh box, inside an image of size (width, height)."""
    x, y, w, h = xywh
    width, height = size
    corners = [(x, width), (y, height), (x + w, width), (y + h, height)]
    return [float(min(max(value, 0), limit)) for value, limit in corners]
