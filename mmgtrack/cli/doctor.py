"""``mmgtrack doctor``: what is installed, what is wrong with it, and the commands that mend it."""

import argparse
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mmgtrack.diagnosis import Diagnosis

_ENGINES = {
    'compiled': 'served by mmcv itself',
    'torchvision': 'served by torchvision',
    'torch': 'served in plain torch',
    'unavailable': 'not served: models that call them need a compiled mmcv',
}


def add_parser(subparsers: Any) -> None:
    """Declare the command."""
    parser = subparsers.add_parser(
        'doctor',
        help='check this installation',
        description='Check this installation; exit status 0 if mmgtrack can work, 1 if not.',
    )
    parser.add_argument('--json', action='store_true', help='print everything as JSON')


def run(args: argparse.Namespace) -> int:
    """Print the diagnosis; 0 if healthy, 1 if not."""
    from mmgtrack.diagnosis import diagnose

    diagnosis = diagnose()
    print(json.dumps(diagnosis.to_dict(), indent=2) if args.json else _text(diagnosis))
    return 0 if diagnosis.healthy else 1


def _text(diagnosis: 'Diagnosis') -> str:
    counts = [f'{count} {_ENGINES[engine]}' for engine, count in diagnosis.operators.items()]
    sections = {
        'mmgtrack': [f'{diagnosis.version}, Python {diagnosis.python}, {diagnosis.platform}'],
        'packages': [f'{name:18}{version}' for name, version in diagnosis.packages.items()],
        'operators': [diagnosis.operators_reason, *counts],
        'devices': diagnosis.devices or ['none: torch cannot be imported'],
        'weights': [f'{name}: {state}' for name, state in diagnosis.weights.items()],
        'configs': diagnosis.configs or ['missing'],
    }
    lines = [
        f'{title if row == 0 else "":12}{line}'
        for title, content in sections.items()
        for row, line in enumerate(content)
    ]
    for problem in diagnosis.problems:
        lines += ['', f'{problem.severity}: {problem.text}', f'    {problem.remedy}']
    return '\n'.join([*lines, '', 'healthy' if diagnosis.healthy else 'not healthy: see the errors above'])
