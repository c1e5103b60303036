"""``mmgtrack submit KIND RESULTS``: check results against a test set and pack them for its server."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmgtrack.errors import DataError, InputError

if TYPE_CHECKING:
    from mmgtrack.evaluation.submissions import Expected

_KINDS = {
    'got10k': 'GOT-10k: boxes and times by sequence',
    'trackingnet': 'TrackingNet: a file of boxes a video',
    'oxuva': 'OxUvA: a file of predictions a track',
    'vot': 'VOT: trajectories of the toolkit, as `vot pack`',
    'plain': 'any other set: a file of boxes a sequence',
}


def add_parser(subparsers: Any) -> None:
    """Declare the command; its help lists the kinds."""
    width = max(map(len, _KINDS))
    parser = subparsers.add_parser(
        'submit',
        help="check results and pack them for a benchmark's server",
        description='Check results against a test set and pack them for its server. Where something is\n'
        'missing or malformed, the problems are listed and nothing is written.',
        epilog='\n'.join(['kinds:', *(f'  {kind:{width}}  {text}' for kind, text in _KINDS.items())]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add('kind', metavar='KIND', choices=list(_KINDS), help='one of the kinds below')
    add('results', metavar='RESULTS', help="folder or zip archive of one tracker's results")
    expected = parser.add_mutually_exclusive_group()
    expected.add_argument(
        '--annotations',
        metavar='ROOT',
        type=Path,
        help='folder of the set: names, lengths and first boxes',
    )
    expected.add_argument(
        '--sequences',
        metavar='FILE',
        help='instead: a text file with NAME or NAME,FRAMES on a line, or the name of a published list '
        '(default: that of KIND, where it has one)',
    )
    add(
        '--boxes',
        choices=('xywh', 'xyxy', 'xyxy_inclusive'),
        default='xywh',
        help='what the rows of the results are; inclusive: x2 = x + w - 1 (default: %(default)s)',
    )
    add('--out', metavar='FILE', type=Path, help='archive to write (default: RESULTS_KIND.zip)')
    add('--check-only', action='store_true', help='write nothing')
    add('--overwrite', action='store_true', help='replace the archive if it exists')
    add('--tracker', metavar='NAME', help="identifier in VOT's manifest (default: the name of RESULTS)")


def run(args: argparse.Namespace) -> int:
    """List the problems, or pack."""
    from mmgtrack.evaluation.results.files import ResultFiles
    from mmgtrack.evaluation.submissions import check_submission, pack_submission, shown_problems

    expected = _expected(args)
    results = ResultFiles(args.results, args.boxes)
    problems = check_submission(args.kind, results, expected)
    if problems:
        print('\n'.join(shown_problems(problems)))
        raise DataError(f'{results.source}: {_count(len(problems), "problem")}; nothing is written')
    summary = f'{_count(len(expected.names), "sequence")} complete'
    if args.check_only:
        print(f'{results.source}: {summary}')
        return 0
    out = args.out or Path(f'{results.name}_{args.kind}.zip')
    pack_submission(args.kind, results, expected, out, tracker=args.tracker, overwrite=args.overwrite)
    print(f'{out}: {summary}')
    return 0


def _expected(args: argparse.Namespace) -> 'Expected':
    from mmgtrack.evaluation.results.disk import kind_of
    from mmgtrack.evaluation.submissions import FROM_ANNOTATIONS, TABLES, listed_sequences, table_sequences

    if args.annotations is not None:
        return FROM_ANNOTATIONS[args.kind](args.annotations)
    if args.sequences is None and args.kind not in TABLES:
        raise InputError(
            f'{args.kind} has no published list; expected --annotations ROOT or --sequences FILE'
        )
    named = args.sequences or TABLES[args.kind]
    is_file = kind_of(Path(named)) == 'file'
    return listed_sequences(Path(named)) if is_file else table_sequences(named)


def _count(number: int, noun: str) -> str:
    return f'{number} {noun}' if number == 1 else f'{number} {noun}s'
