"""Contact sheet of the first samples of a config's training data: what the network would see.

    python tools/data/browse.py configs/_base_/datasets/demo_data.py sheet.png --samples 24

One image per role of a sample, side by side, their names above; boxes coloured by target, padding grey. A
role without the target (a negative) has a red frame.
"""

import argparse
from pathlib import Path
from typing import Any

import cv2
import numpy as np

import mmgtrack  # noqa: F401  (the operator stand-in must be in place before mmdet is imported)
from mmgtrack.cli.tools import run_tool
from mmgtrack.engine.options import read_config
from mmgtrack.errors import InputError
from mmgtrack.files import replacing
from mmgtrack.registry import DATASETS

RED = (40, 40, 230)
COLOURS = [(80, 220, 60), (60, 180, 250), (250, 160, 40), (220, 80, 220), (240, 240, 60)]
PADDING, BACKGROUND = 70, 150
"""Grey levels of what lies outside the stored frame, and of the sheet."""
GAP, TITLE = 6, 16
"""Pixels between samples, and for the names of the roles above all of them."""


def draw_role(sample: dict[str, Any], role: str) -> np.ndarray:
    """(H, W, 3) uint8 BGR picture of a role with its boxes."""
    image = np.ascontiguousarray(sample['inputs'][role].numpy().transpose(1, 2, 0))
    instances = sample['data_samples'].instances[role]
    masks = sample['data_samples'].get('masks', {})
    if role in masks:
        image[masks[role].numpy()] = PADDING
    for box, target in zip(instances.bboxes.tolist(), instances.ids.tolist(), strict=True):
        x1, y1, x2, y2 = (round(value) for value in box)
        cv2.rectangle(image, (x1, y1), (x2, y2), COLOURS[target % len(COLOURS)], 1)
    if len(instances) == 0:
        cv2.rectangle(image, (0, 0), (image.shape[1] - 1, image.shape[0] - 1), RED, 4)
    return image


def contact_sheet(samples: list[dict[str, Any]], columns: int) -> np.ndarray:
    """Samples in rows of ``columns``, every image in a cell of the largest size."""
    pictures = [[draw_role(sample, role) for role in sample['inputs']] for sample in samples]
    height = max(picture.shape[0] for row in pictures for picture in row)
    width = max(picture.shape[1] for row in pictures for picture in row)
    roles = len(pictures[0])
    rows = -(-len(pictures) // columns)
    shape = (TITLE + rows * (height + GAP), columns * (roles * width + GAP), 3)
    sheet = np.full(shape, BACKGROUND, dtype=np.uint8)
    for column in range(columns):
        for position, role in enumerate(samples[0]['inputs']):
            place = (column * (roles * width + GAP) + position * width + 2, TITLE - 5)
            cv2.putText(sheet, role, place, cv2.FONT_HERSHEY_SIMPLEX, 0.4, (0, 0, 0), 1, cv2.LINE_AA)
    for number, row in enumerate(pictures):
        top = TITLE + number // columns * (height + GAP)
        left = number % columns * (roles * width + GAP)
        for position, picture in enumerate(row):
            x = left + position * width
            sheet[top : top + picture.shape[0], x : x + picture.shape[1]] = picture
    return sheet


def main() -> None:
    parser = argparse.ArgumentParser(description='Contact sheet of training samples.')
    parser.add_argument('config', help='config file with a train_dataloader')
    parser.add_argument('out', help='PNG file to write')
    parser.add_argument('--samples', type=int, default=24, help='how many samples')
    parser.add_argument('--first', type=int, default=0, help='number of the first sample')
    parser.add_argument('--columns', type=int, default=3, help='samples in a row')
    args = parser.parse_args()
    sheet_type = Path(args.out).suffix
    if not cv2.haveImageWriter(f'sheet{sheet_type}'):
        raise InputError(f'{args.out}: no image type {sheet_type!r} is known, expected a name like sheet.png')
    for name, least in (('samples', 1), ('first', 0), ('columns', 1)):
        if getattr(args, name) < least:
            raise InputError(f'--{name} must be at least {least}, got {getattr(args, name)}')
    config = read_config(args.config)
    if 'train_dataloader' not in config:
        raise InputError(f'the config {args.config} has no train_dataloader')
    with replacing(args.out) as file:
        dataset = DATASETS.build(config.train_dataloader.dataset)
        samples = [dataset[args.first + number] for number in range(args.samples)]
        file.write(cv2.imencode(sheet_type, contact_sheet(samples, args.columns))[1].tobytes())
    print(f'wrote {args.out}: {args.samples} samples of {", ".join(samples[0]["inputs"])}')


if __name__ == '__main__':
    run_tool(main)
