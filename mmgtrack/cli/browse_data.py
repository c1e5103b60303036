"""``mmgtrack browse-data CONFIG [OUT]``: a contact sheet of what the network would be trained on."""

import argparse
from pathlib import Path
from typing import Any

from mmgtrack.cli.tables import count_of
from mmgtrack.errors import InputError, OutputError
from mmgtrack.files import check_target, replacing

_LEAST = {'samples': 1, 'first': 0, 'columns': 1, 'side': 32}


def add_parser(subparsers: Any) -> None:
    """Declare the command."""
    parser = subparsers.add_parser(
        'browse-data',
        help='show what a config would train on',
        description='Draw the first samples of the training data of a config: its roles side by side, a '
        'colour for each target, a red frame where the target is not shown, grey outside the stored frame.',
    )
    add = parser.add_argument
    add('config', metavar='CONFIG', help='config file with a train_dataloader')
    add('out', metavar='OUT', nargs='?', help='image to write (default: CONFIG_samples.png here)')
    add('--samples', metavar='N', type=int, default=24, help='how many samples (default: %(default)s)')
    add('--first', metavar='N', type=int, default=0, help='number of the first one (default: %(default)s)')
    add('--columns', metavar='N', type=int, default=3, help='samples in a row (default: %(default)s)')
    add(
        '--side',
        metavar='N',
        type=int,
        default=400,
        help='longest side of a picture, in pixels (default: %(default)s)',
    )


def run(args: argparse.Namespace) -> int:
    """Draw the samples and write the sheet."""
    import cv2

    from mmgtrack.apis.training_data import training_data
    from mmgtrack.visualization.contact_sheet import contact_sheet

    for name, least in _LEAST.items():
        if getattr(args, name) < least:
            raise InputError(f'--{name} must be at least {least}, got {getattr(args, name)}')
    out = args.out or f'{Path(args.config).stem}_samples.png'
    suffix = Path(out).suffix
    if not cv2.haveImageWriter(f'sheet{suffix}'):
        raise InputError(f'{out}: no image type {suffix!r} is known, expected a name like sheet.png')
    check_target(out)
    dataset = training_data(args.config)
    samples = [dataset[args.first + number] for number in range(args.samples)]
    sheet = contact_sheet(samples, args.columns, args.side)
    done, code = cv2.imencode(suffix, sheet)
    if not done:
        raise OutputError(
            f'{out}: a sheet of {sheet.shape[1]}x{sheet.shape[0]} pixels is more than {suffix} files hold: '
            'draw fewer --samples, or choose a name like sheet.png'
        )
    with replacing(out) as file:
        file.write(code.tobytes())
    print(f'{out}: {count_of(len(samples), "sample")} of {", ".join(samples[0]["inputs"])}')
    broken = {path: text for s in samples for path, text in s['data_samples'].broken_images.items()}
    for text in broken.values():
        print(f'passed over: {text}')
    return 0
