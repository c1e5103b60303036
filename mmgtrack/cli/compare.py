"""``mmgtrack compare A B``: whether one tracker is better than another, and where."""

import argparse
import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmgtrack.cli.evaluate import add_evaluation_options, evaluate_from
from mmgtrack.cli.tables import count_of, percent, print_table
from mmgtrack.countdown import Countdown
from mmgtrack.errors import InputError
from mmgtrack.files import check_target, replacing

if TYPE_CHECKING:
    from mmgtrack.evaluation.comparison import Comparison
    from mmgtrack.evaluation.evaluate import Evaluation

_FEWEST_DRAWS = 100  # ours: bounds of 95 % then rest on the second or third draw from either end


def add_parser(subparsers: Any) -> None:
    """Declare the command."""
    parser = subparsers.add_parser(
        'compare',
        help='compare the result files of two trackers, with confidence bounds',
        description='Compare two trackers on the same sequences: the difference, its bounds by a paired '
        'bootstrap over the sequences, and the sequences that differ most.',
    )
    parser.add_argument('first', metavar='A', help='results of the one: folder or zip archive')
    parser.add_argument('second', metavar='B', help='results of the other')
    add_evaluation_options(parser)
    parser.add_argument('--score', help="which of the protocol's columns to compare (default: the first)")
    parser.add_argument('--draws', type=int, default=2000, help='of the bootstrap (default: %(default)s)')
    parser.add_argument('--seed', type=int, default=0, help='of the bootstrap (default: %(default)s)')
    parser.add_argument(
        '--top', type=int, default=10, metavar='N', help='sequences to show (default: %(default)s)'
    )
    parser.add_argument('--json', metavar='FILE', type=Path, help='write the comparison, with all sequences')


def run(args: argparse.Namespace) -> int:
    """Compare and say what was found."""
    from mmgtrack.evaluation.comparison import compare

    if args.draws < _FEWEST_DRAWS or args.top < 0 or args.seed < 0:
        raise InputError(f'--draws must be at least {_FEWEST_DRAWS}, --seed and --top at least 0')
    if args.score is not None and args.protocol:
        _check_score(args.protocol, args.score)
    if args.json is not None:
        check_target(args.json)
    first, second = evaluate_from(args, [args.first, args.second])
    found = compare(
        first,
        second,
        score=args.score,
        num_draws=args.draws,
        seed=args.seed,
        report_progress=None if args.quiet else Countdown('draws'),
    )
    _print_comparison(first, second, found, args.top)
    if args.json is not None:
        _write_json(args.json, first, second, found)
    return 0


def _check_score(protocol: str, score: str) -> None:
    """Rather now than after the work."""
    from mmgtrack.evaluation.benchmarks import find_protocol

    columns = find_protocol(protocol).rule.columns
    if score not in columns:
        raise InputError(f'{protocol} has the scores {", ".join(columns)}, got {score!r}')


def _print_comparison(first: 'Evaluation', second: 'Evaluation', found: 'Comparison', top: int) -> None:
    rule = first.protocol.rule
    absolute = found.score in rule.absolute
    unit = '' if absolute else ' points'
    print(f'{first.protocol.name}, {found.score}, {count_of(len(first.parts), "sequence")}')
    print(f'  {first.tracker}: {percent(found.first, absolute)}')
    print(f'  {second.tracker}: {percent(found.second, absolute)}')
    print(
        f'  difference {_signed(found.difference, absolute)}{unit}, 95 % of {found.num_draws} draws of '
        f'{found.num_units} within {_signed(found.low, absolute)} to {_signed(found.high, absolute)}: '
        f'{_verdict(second.tracker, found)}'
    )
    if top and found.sequences:
        print('sequences that differ most:')
        print_table(
            ['sequence', first.tracker, second.tracker, 'difference'],
            [
                [
                    s.name,
                    percent(s.first, absolute),
                    percent(s.second, absolute),
                    _signed(s.difference, absolute),
                ]
                for s in found.sequences[:top]
            ],
        )


def _signed(value: float, absolute: bool) -> str:
    text = percent(value, absolute)
    return text if text.startswith('-') else f'+{text}'


def _verdict(tracker: str, found: 'Comparison') -> str:
    if not found.is_clear:
        return 'no clear difference'
    word = 'higher' if found.difference > 0 else 'lower'
    return f'{tracker} is {word}'


def _write_json(path: Path, first: 'Evaluation', second: 'Evaluation', found: 'Comparison') -> None:
    content = {
        'protocol': first.protocol.name,
        'rule': first.protocol.rule.text,
        'trackers': [first.tracker, second.tracker],
        'difference': found.difference,
        **dataclasses.asdict(found),
    }
    with_null = {key: None if value != value else value for key, value in content.items()}  # nan is not JSON
    text = json.dumps(with_null, indent=1, allow_nan=False)
    with replacing(path) as file:
        file.write(f'{text}\n'.encode())
