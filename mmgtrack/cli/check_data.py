"""``mmgtrack check-data NAME [ROOT]``: what a data set has, and what is missing or broken."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmgtrack.cli.tables import count_of, print_table
from mmgtrack.countdown import Countdown
from mmgtrack.errors import InputError
from mmgtrack.formats.listing import some_of
from mmgtrack.packaged_configs import suggestions

if TYPE_CHECKING:
    from mmgtrack.datasets.catalogue import DataSet
    from mmgtrack.datasets.data_check import SequenceCheck
    from mmgtrack.datasets.sequence import Reader

EXIT_PROBLEMS = 1
_COUNTS = ('frames', 'targets', 'present', 'absent', 'unlabelled')


def add_parser(subparsers: Any) -> None:
    """Declare the command."""
    parser = subparsers.add_parser(
        'check-data',
        help='say what a data set has, and what is missing or broken',
        description='Look through a data set as training and testing would read it: frames, rows, flags, '
        'boxes. Exit status 1 if there are problems.',
    )
    parser.add_argument('name', metavar='NAME', nargs='?', help='such as lasot; see --list')
    parser.add_argument(
        'root', metavar='ROOT', nargs='?', type=Path, help='its folder (default: where the configs look)'
    )
    parser.add_argument('--list', action='store_true', help='name every data set, with its folder, and stop')
    parser.add_argument(
        '--sequences',
        metavar='NAME',
        nargs='+',
        help="look at these only; 'all': at those that ROOT holds, though the published list has more",
    )
    parser.add_argument(
        '--nan-means',
        choices=['absent', 'unknown'],
        help='of folder: a row without a box means that the target is absent (default), or unknown',
    )
    parser.add_argument('--decode', action='store_true', help='decode every image, too: finds damaged ones')
    parser.add_argument('--brief', action='store_true', help='print no row for a sequence without problems')
    parser.add_argument('--json', metavar='FILE', type=Path, help='write what was found')
    parser.add_argument('--quiet', action='store_true', help='no progress')


def run(args: argparse.Namespace) -> int:
    """Look through the data set, print what was found, and write what was asked for."""
    from mmgtrack.datasets.catalogue import find_data_set
    from mmgtrack.datasets.data_root import default_data_folder
    from mmgtrack.files import check_target

    if args.list:
        _print_data_sets()
        return 0
    if args.name is None:
        raise InputError('NAME must be given (mmgtrack check-data --list names the data sets)')
    if args.json is not None:
        check_target(args.json)
    data_set = find_data_set(args.name)
    root = args.root if args.root is not None else default_data_folder() / data_set.folder
    reader = _opened(data_set, root, args.sequences, args.nan_means)
    checks = _checks(reader, _chosen(data_set, reader, args.sequences), args)
    _print_checks(checks, brief=args.brief)
    print()
    _print_summary(data_set, root, checks)
    if args.json is not None:
        _write(args.json, data_set, root, checks)
    return EXIT_PROBLEMS if any(check.problems for check in checks) else 0


def _opened(
    data_set: 'DataSet', root: Path, sequences: Sequence[str] | None, nan_means: str | None
) -> 'Reader':
    from mmgtrack.registry import DATASETS

    config = {**data_set.reader, 'root': str(root)}
    if sequences is not None and 'table' in config:  # else the folder itself says what there is
        config['sequences'] = 'all' if sequences == ['all'] else list(sequences)
    if nan_means is not None:
        if data_set.name != 'folder':
            raise InputError(f'--nan-means is for the data set folder, not for {data_set.name}')
        config['nan_means'] = nan_means
    reader: Reader = DATASETS.build(config)
    return reader


def _chosen(data_set: 'DataSet', reader: 'Reader', sequences: Sequence[str] | None) -> list[str]:
    if sequences is None or list(sequences) == ['all'] or 'table' in data_set.reader:
        return reader.names
    known = set(reader.names)
    unknown = next((name for name in sequences if name not in known), None)
    if unknown is not None:
        near = suggestions(unknown, known) or reader.names
        raise InputError(f'{data_set.title} has no sequence {unknown!r}, but {some_of(near)}')
    return list(sequences)


def _checks(reader: 'Reader', names: list[str], args: argparse.Namespace) -> 'list[SequenceCheck]':
    from mmgtrack.datasets.data_check import check_sequences

    report = Countdown('sequences')
    checks = []
    chosen = None if len(names) == len(reader.names) else names
    for check in check_sequences(reader, chosen, decode=args.decode):
        checks.append(check)
        if not args.quiet:
            report(min(len(checks), len(names)), len(names))
    return checks


def _print_data_sets() -> None:
    from mmgtrack.datasets.catalogue import available_data_sets
    from mmgtrack.datasets.data_root import default_data_folder

    folder = default_data_folder()
    rows = [[each.name, str(folder / each.folder), each.title] for each in available_data_sets()]
    print_table(['name', 'folder', 'data set'], rows)


def _print_checks(checks: 'Sequence[SequenceCheck]', brief: bool) -> None:
    """A row a sequence, and below it a line for every problem."""
    shown = [check for check in checks if check.problems or not brief]
    if shown:
        print_table(
            ['sequence', *_COUNTS, 'problems'],
            [
                [check.name, *(str(getattr(check, key)) for key in _COUNTS), str(len(check.problems))]
                for check in shown
            ],
        )
    for check in shown:
        for problem in check.problems:
            print(f'{check.name}: {problem}')


def _print_summary(data_set: 'DataSet', root: Path, checks: 'Sequence[SequenceCheck]') -> None:
    print(f'{data_set.title}, {root}')
    groups = {
        'sound': [check for check in checks if not check.problems],
        'with problems': [check for check in checks if check.problems],
    }
    print_table(
        ['', 'sequences', *_COUNTS],
        [
            [word, str(len(group)), *(str(sum(getattr(check, key) for check in group)) for key in _COUNTS)]
            for word, group in groups.items()
        ],
    )
    broken = len(groups['with problems'])
    print(f'{count_of(broken, "sequence")} with problems' if broken else 'no problems found')


def _write(file: Path, data_set: 'DataSet', root: Path, checks: 'Sequence[SequenceCheck]') -> None:
    from dataclasses import asdict

    from mmgtrack.files import replacing

    content = {
        'data_set': data_set.name,
        'root': str(root),
        'sequences': [asdict(check) for check in checks],
    }
    with replacing(file) as target:
        target.write((json.dumps(content, indent=2) + '\n').encode())
