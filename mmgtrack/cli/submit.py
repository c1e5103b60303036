"""``mmgtrack submit KIND RESULTS``: check results against a test set and pack them for its server."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmgtrack.cli.tables import count_of
from mmgtrack.errors import DataError
from mmgtrack.files import check_target

if TYPE_CHECKING:
    from mmgtrack.evaluation.submissions import Expected

_KINDS = {
    'got10k': 'GOT-10k: boxes and times by sequence',
    'trackingnet': 'TrackingNet: a file of boxes a video',
    'oxuva': 'OxUvA: a file of predictions a track',
    'vot': 'VOT: trajectories of the toolkit, as `vot pack`',
    'plain': 'any other set: a file of boxes a sequence',
    'lasot': 'the same, read as the benchmark of `mmgtrack evaluate --list`; so are otb2015, uav123, ...',
}

_WITH_FIRST_BOXES = ('got10k', 'trackingnet', 'plain')  # others begin with a code, or with what follows


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
    add('kind', metavar='KIND', help='one of the kinds below')
    add('results', metavar='RESULTS', help="folder or zip archive of one tracker's results")
    add('--annotations', metavar='ROOT', type=Path, help='folder of the set: names, lengths and first boxes')
    add(
        '--sequences',
        metavar='FILE',
        help='which sequences: a text file with NAME or NAME,FRAMES on a line, or the name of a published '
        "list (default: KIND's, where it has one), or 'all' that ROOT has",
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
    from mmgtrack.evaluation.submissions import (
        check_submission,
        collector_of,
        expected_sequences,
        pack_submission,
        shown_problems,
    )

    kind = args.kind.casefold()
    collector = collector_of(kind)
    results = ResultFiles(args.results, args.boxes)
    out = args.out or Path(f'{results.name}_{kind}.zip')
    if not args.check_only:
        check_target(out)
    expected = expected_sequences(kind, args.annotations, args.sequences)
    problems = check_submission(collector, results, expected)
    if problems:
        print('\n'.join(shown_problems(problems)))
        raise DataError(f'{results.source}: {count_of(len(problems), "problem")}; nothing is written')
    summary = f'{count_of(len(expected.names), "sequence")} complete{_unchecked(collector, expected)}'
    if args.check_only:
        print(f'{results.source}: {summary}')
        return 0
    pack_submission(collector, results, expected, out, tracker=args.tracker, overwrite=args.overwrite)
    print(f'{out}: {summary}')
    return 0


def _unchecked(collector: str, expected: 'Expected') -> str:
    """What could not be checked, because it is not known."""
    total, unknown = len(expected.names), []
    if max(len(expected.frames), len(expected.spans)) < total:
        unknown.append('lengths')
    if collector in _WITH_FIRST_BOXES and len(expected.first_boxes) < total:
        unknown.append('first boxes')
    return f'; {" and ".join(unknown)} not checked, for want of annotations' if unknown else ''
