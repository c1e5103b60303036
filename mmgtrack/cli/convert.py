"""``mmgtrack convert SYSTEM SRC DST``: an official checkpoint becomes one of ours."""

import argparse
import dataclasses
import json
from typing import TYPE_CHECKING, Any

from mmgtrack.convert import SYSTEMS

if TYPE_CHECKING:
    from mmgtrack.apis.convert import Conversion

_SHOWN_KEYS = 3  # of those left out for one reason


def add_parser(subparsers: Any) -> None:
    """Declare the command; its help lists the systems."""
    width = max(map(len, SYSTEMS))
    systems = [f'  {name:{width}}  {system.description}' for name, system in SYSTEMS.items()]
    parser = subparsers.add_parser(
        'convert',
        help="convert a checkpoint of a system's official code",
        description="Convert a checkpoint of a system's official code. The file is read, not executed.\n"
        'A key that does not fit stops the conversion, and nothing is written.',
        epilog='\n'.join(['systems:', *systems]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('system', metavar='SYSTEM', choices=list(SYSTEMS), help='one of the systems below')
    parser.add_argument('source', metavar='SRC', help='official checkpoint file')
    parser.add_argument('target', metavar='DST', help='file to write')
    parser.add_argument('--force', action='store_true', help='replace DST if it exists')
    parser.add_argument('--json', action='store_true', help='print what was done as JSON')


def run(args: argparse.Namespace) -> int:
    """Convert and say what was done."""
    from mmgtrack.apis.convert import convert_checkpoint

    done = convert_checkpoint(args.system, args.source, args.target, overwrite=args.force)
    print(json.dumps(dataclasses.asdict(done), indent=2, default=str) if args.json else _summary(done))
    return 0


def _summary(done: 'Conversion') -> str:
    text = f'{done.target}: {done.num_keys} keys converted for {done.config}'
    groups: dict[str, list[str]] = {}
    for part, reason in done.left_out.items():
        groups.setdefault(reason, []).append(part)
    left_out = [f'{_some(parts)} ({reason})' for reason, parts in groups.items()]
    return f'{text}; left out: {", ".join(left_out)}' if left_out else text


def _some(parts: list[str]) -> str:
    return ', '.join(parts) if len(parts) <= _SHOWN_KEYS else f'{len(parts)} keys like {parts[0]}'
