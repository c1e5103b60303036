"""``mmgtrack evaluate --protocol P --results DIR --annotations ROOT``: the numbers of a benchmark."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmgtrack.cli.tables import count_of, percent, print_table
from mmgtrack.countdown import Countdown
from mmgtrack.errors import DataError, InputError

if TYPE_CHECKING:
    from mmgtrack.evaluation.evaluate import Evaluation


def add_parser(subparsers: Any) -> None:
    """Declare the command."""
    parser = subparsers.add_parser(
        'evaluate',
        help="judge result files by a benchmark's rule",
        description='Judge the result files of one or more trackers, ours or not, by the rule of a benchmark '
        'or by one of those in circulation. Scores are printed in percent, and written as shares in [0, 1].',
    )
    parser.add_argument(
        '--list',
        metavar='WORD',
        nargs='?',
        const='',
        help='name every protocol, or those with WORD in the name, with its rule, and stop',
    )
    parser.add_argument(
        '--results', metavar='DIR', action='extend', nargs='+', help='folders or zip archives, one a tracker'
    )
    add_evaluation_options(parser)
    parser.add_argument('--per-sequence', action='store_true', help='print the scores of every sequence, too')
    parser.add_argument('--json', metavar='FILE', type=Path, help='write scores, curves and sequences')
    parser.add_argument('--csv', metavar='FILE', type=Path, help='write a row a tracker and sequence')
    parser.add_argument('--plot', metavar='FILE', type=Path, help='draw the curves (.png, .svg or .pdf)')


def add_evaluation_options(parser: argparse.ArgumentParser) -> None:
    """The options that say what is evaluated, and how; ``compare`` has them too."""
    parser.add_argument('--protocol', metavar='P', help='such as lasot, or lasot@pysot; see evaluate --list')
    parser.add_argument('--annotations', metavar='ROOT', type=Path, help='folder of the benchmark')
    parser.add_argument(
        '--sequences',
        metavar='FILE',
        help='file with the names of the sequences to judge, one a line, or a published list such as tb50, '
        "or 'all': those that ROOT holds (default: the benchmark's published list)",
    )
    parser.add_argument(
        '--skip-missing',
        action='store_true',
        help='leave sequences out, for all trackers, that one of them has no result for',
    )
    parser.add_argument(
        '--boxes',
        choices=('xywh', 'xyxy', 'xyxy_inclusive'),
        default='xywh',
        help='what the rows of the results are; inclusive: x2 = x + w - 1 (default: %(default)s)',
    )
    parser.add_argument('--quiet', action='store_true', help='no progress')


def run(args: argparse.Namespace) -> int:
    """Evaluate, print the table, and write what was asked for."""
    if args.list is not None:
        _print_protocols(args.list.casefold())
        return 0
    _check_targets(args)
    if args.plot is not None and args.protocol:
        _check_curves(args.protocol)
    evaluations = evaluate_from(args, args.results)
    _print_scores(evaluations)
    if args.per_sequence:
        _print_sequences(evaluations)
    _write(args, evaluations)
    return 0


def _check_targets(args: argparse.Namespace) -> None:
    """Rather now than after the work."""
    from mmgtrack.files import check_target

    if args.plot is not None:
        from mmgtrack.visualization.figures import check_suffix

        check_suffix(args.plot)
    targets = [path for path in (args.json, args.csv, args.plot) if path is not None]
    for path in targets:
        check_target(path)
    if len(set(targets)) < len(targets):
        raise InputError('--json, --csv and --plot write to files of different names')


def _check_curves(protocol: str) -> None:
    from mmgtrack.evaluation.benchmarks import find_protocol

    if not find_protocol(protocol).rule.has_curves:
        raise InputError(f'{protocol} has no curve to draw')


def evaluate_from(args: argparse.Namespace, results: Sequence[str] | None) -> 'list[Evaluation]':
    """Evaluate what the options say, and print the notes on stderr."""
    from mmgtrack.evaluation.evaluate import evaluate

    wanted = {'--protocol': args.protocol, '--results': results, '--annotations': args.annotations}
    absent = [option for option, value in wanted.items() if not value]
    if absent:
        raise InputError(f'{", ".join(absent)} must be given (mmgtrack evaluate --list names the protocols)')
    evaluations = evaluate(
        args.protocol,
        list(results or ()),
        args.annotations,
        sequences=_sequences(args.sequences),
        skip_missing=args.skip_missing,
        box_format=args.boxes,
        report_progress=None if args.quiet else Countdown('sequences'),
    )
    _print_notes(evaluations)
    return evaluations


def _print_notes(evaluations: 'Sequence[Evaluation]') -> None:
    """On stderr; one that holds for all trackers is printed once."""
    for note in dict.fromkeys(note for evaluation in evaluations for note in evaluation.notes):
        trackers = [evaluation.tracker for evaluation in evaluations if note in evaluation.notes]
        whose = '' if len(trackers) == len(evaluations) > 1 else f'{", ".join(trackers)}: '
        print(f'mmgtrack: note: {whose}{note}', file=sys.stderr)


def _sequences(option: str | None) -> str | list[str] | None:
    from mmgtrack.evaluation.annotations.files import listed_names
    from mmgtrack.evaluation.selection import ALL
    from mmgtrack.formats.disk import read_text
    from mmgtrack.sequence_tables import available_tables, load_table

    if option is None or option.casefold() == ALL:
        return option and ALL
    if option.casefold() in available_tables() and not os.path.exists(option):
        return list(load_table(option.casefold()).names)
    try:
        text = read_text(Path(option))
    except DataError as error:
        lists = ', '.join(available_tables())
        raise DataError(f"{error}: give a file, 'all', or one of the published lists {lists}") from error
    return list(listed_names(text, option))


def _print_protocols(word: str) -> None:
    from mmgtrack.evaluation.benchmarks import all_protocols

    chosen = [protocol for protocol in all_protocols() if word in protocol.name]
    if not chosen:
        raise InputError(f'no protocol has {word!r} in its name; mmgtrack evaluate --list names them all')
    for protocol in chosen:
        print(f'{protocol.name}: {protocol.benchmark.title}; {protocol.rule.text} [{protocol.rule.program}]')


def _print_scores(evaluations: 'Sequence[Evaluation]') -> None:
    protocol = evaluations[0].protocol
    print(f'{protocol.benchmark.title}, {count_of(len(evaluations[0].parts), "sequence")}, in percent')
    print(f'{protocol.name}: {protocol.rule.text} [{protocol.rule.program}]')
    rule = protocol.rule
    print_table(
        ['tracker', *rule.columns],
        [
            [e.tracker, *(percent(e.scores.values.get(c), c in rule.absolute) for c in rule.columns)]
            for e in evaluations
        ],
    )


def _print_sequences(evaluations: 'Sequence[Evaluation]') -> None:
    rule = evaluations[0].protocol.rule
    print_table(
        ['sequence', 'tracker', *rule.columns],
        [
            [
                part.name,
                e.tracker,
                *(percent(part.scores.values.get(c), c in rule.absolute) for c in rule.columns),
            ]
            for parts in zip(*(e.parts for e in evaluations), strict=True)
            for e, part in zip(evaluations, parts, strict=True)
        ],
    )


def _write(args: argparse.Namespace, evaluations: 'Sequence[Evaluation]') -> None:
    from mmgtrack.evaluation.report import write_csv, write_json

    if args.json is not None:
        write_json(evaluations, args.json)
    if args.csv is not None:
        write_csv(evaluations, args.csv)
    if args.plot is not None:
        from mmgtrack.visualization.curves import plot_curves

        plot_curves(evaluations, args.plot)
