"""``mmgtrack label VIDEO TRACK.csv ... --out FOLDER``: data to train on, from tracks."""

import argparse
import re
from pathlib import Path
from typing import Any

from mmgtrack.errors import InputError


def add_parser(subparsers: Any) -> None:
    """Declare the command."""
    parser = subparsers.add_parser(
        'label',
        help='make data to train on of a video and its tracks',
        description='Write the frames of a video, and the boxes of one target that `mmgtrack track` found '
        'in it, as a folder to train on. Of several tracks, each holds until the next one begins.',
    )
    add = parser.add_argument
    add('video', metavar='VIDEO', help='the video, or folder of images, that was tracked')
    add('tracks', metavar='TRACK.csv', type=Path, nargs='+', help='what `mmgtrack track` wrote of the target')
    add('--out', metavar='FOLDER', type=Path, required=True, help='folder to make, for this video alone')
    add(
        '--absent',
        metavar='FIRST-LAST',
        action='append',
        default=[],
        help='frames in which the target is not there; repeat it for more',
    )


def run(args: argparse.Namespace) -> int:
    """Write the folder and say what is in it."""
    absences = [_frames(text) for text in args.absent]
    from mmgtrack.apis.label import write_sequence_folder

    labels = write_sequence_folder(args.video, args.tracks, args.out, absences)
    print(
        f'{args.out}: {len(labels.absent)} frames, {labels.num_boxes} with a box, '
        f'{int(labels.absent.sum())} without the target, {labels.num_open} left open'
    )
    return 0


def _frames(text: str) -> tuple[int, int]:
    numbers = re.fullmatch(r'(\d+)-(\d+)', text)
    if numbers is None:
        raise InputError(f'--absent expects FIRST-LAST, two frame numbers from 0, got {text!r}')
    return int(numbers[1]), int(numbers[2])
