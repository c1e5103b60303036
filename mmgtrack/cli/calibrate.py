"""``mmgtrack calibrate``: fit score -> probability and the presence threshold on labelled clips."""

import argparse
from typing import Any


def add_parser(subparsers: Any) -> None:
    """Declare the command."""
    parser = subparsers.add_parser(
        'calibrate',
        help='fit score -> probability and the presence threshold, and write them into a checkpoint',
        description='Track every sequence of a folder, fit the probability of presence to the scores, '
        "and write the result into the checkpoint's meta, where every later use finds it.",
    )
    parser.add_argument('config', help='model name or config file')
    parser.add_argument('checkpoint', help='checkpoint to calibrate; its meta is rewritten')
    parser.add_argument('--data', required=True, metavar='ROOT', help='folder of labelled sequences')
    parser.add_argument(
        '--nan-means',
        choices=['absent', 'unknown'],
        default='absent',
        help='what a nan box means in these annotations (default: %(default)s)',
    )
    parser.add_argument(
        '--exclude', metavar='NAME', nargs='+', default=[], help='folders in ROOT that are no sequences'
    )
    parser.add_argument('--device', default='cpu', help='torch device (default: %(default)s)')


def run(args: argparse.Namespace) -> int:
    """Calibrate and print what was fitted."""
    from mmgtrack.apis.calibrate import calibrate, data_folder
    from mmgtrack.datasets import SequenceFolder

    data = SequenceFolder(str(data_folder(args.data)), exclude=args.exclude, nan_means=args.nan_means)
    report = calibrate(args.config, args.checkpoint, data, args.device)
    fitted = report.calibration
    print(
        f'{report.present_frames} frames with the target, the box is right in {report.correct_frames}; '
        f'{report.absent_frames} frames without it'
    )
    print(
        f'scale {fitted.scale:.4f}, offset {fitted.offset:.4f}, threshold {fitted.threshold:.4f}: '
        f'true positives {report.true_positive_rate:.1%}, true negatives {report.true_negative_rate:.1%}'
    )
    print(f'written into {args.checkpoint}')
    return 0
