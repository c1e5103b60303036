"""``mmgtrack test CONFIG CHECKPOINT``: from a checkpoint to result files, numbers, and a submission."""

import argparse
import os
from typing import TYPE_CHECKING, Any

from mmgtrack.cli.config_values import ConfigValues
from mmgtrack.cli.tables import count_of, percent, print_table
from mmgtrack.packaged_configs import find_weights

if TYPE_CHECKING:
    from mmgtrack.apis.testing import TestReport

EXIT_BROKEN = 1
_LAUNCHERS = ('none', 'pytorch', 'slurm', 'mpi')


def add_parser(subparsers: Any) -> None:
    """Declare the command."""
    add_options(
        subparsers.add_parser(
            'test',
            help='track a whole data set, with its numbers and a submission',
            description='Track every sequence of a data set from its first frame: a result file a sequence, '
            'the numbers of its protocol, and an archive for its server. Started again after it was cut off, '
            'it goes on where it was. Exit status 1 if some sequences are broken.',
        )
    )


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options, which ``tools/test.py`` has, too."""
    add = parser.add_argument
    add('config', metavar='CONFIG', help='config file, or name of a model')
    add(
        'checkpoint',
        metavar='CHECKPOINT',
        help="weights, or mmgtrack::NAME.pth, or 'none' for a tracker that has none",
    )
    add('--data', metavar='NAME', help="data set, such as lasot (default: the config's own test set)")
    add('--data-root', metavar='DIR', help='where it is (default: its folder below MMGTRACK_DATA, or data/)')
    add('--sequences', metavar='NAME', nargs='+', help='only these, or those that a text file lists')
    add('--protocol', metavar='P', help="numbers by another protocol than the data set's own, or 'none'")
    add('--submission', metavar='FILE', help="archive to pack for the data set's server")
    add('--out', metavar='DIR', help='folder of results (default: results/<data set> in the work folder)')
    add('--overwrite', action='store_true', help='remove earlier results, and replace the submission')
    add('--videos-per-batch', metavar='N', type=int, help='sequences to track at a time (default: 1)')
    add(
        '--precision',
        choices=('float32', 'bfloat16', 'float16'),
        default='float32',
        help='what the network computes in (default: %(default)s)',
    )
    add('--device', choices=('cpu', 'cuda'), help='default: CUDA GPUs where there are')
    add('--launcher', choices=_LAUNCHERS, default='none', help='what started several processes of this')
    add('--work-dir', metavar='DIR', help='folder of the log (default: work_dirs/<config>)')
    add(
        '--cfg-options',
        metavar='KEY=VALUE',
        nargs='+',
        action=ConfigValues,
        help='values of the config',
    )


def run(args: argparse.Namespace) -> int:
    """Test, and print the numbers."""
    from mmgtrack.apis.testing import TestOptions, run_test
    from mmgtrack.engine.options import blamed_on

    options = TestOptions(
        work_dir=args.work_dir,
        out=args.out,
        data=args.data,
        data_root=args.data_root,
        protocol=args.protocol,
        sequences=_sequences(args.sequences),
        submission=args.submission,
        videos_per_batch=args.videos_per_batch,
        precision=args.precision,
        device=args.device,
        overwrite=args.overwrite,
        launcher=args.launcher,
    )
    checkpoint = None if args.checkpoint == 'none' else find_weights(args.checkpoint)
    with blamed_on(args.cfg_options):
        report = run_test(args.config, checkpoint, options, args.cfg_options)
    if report.is_first:
        _print_report(report, args.submission)
    if report.problem is not None:
        raise report.problem
    return EXIT_BROKEN if report.broken else 0


def _print_report(report: 'TestReport', submission: str | None) -> None:
    total, broken = report.total, len(report.broken)
    for each in report.broken:
        print(f'broken: {each.name}: {each.reason}')
    if report.headline:
        rows = [[name, percent(value, name in report.absolute)] for name, value in report.headline.items()]
        print_table(['score', '%'], rows)
    if report.folder is not None:
        missing = f', {broken} broken (failed.json)' if broken else ''
        print(f'{report.folder}: {total - broken} of {count_of(total, "sequence")}{missing}')
    if submission is not None and report.problem is None:
        print(f'{submission}: {"not written, as sequences are broken" if broken else "written"}')


def _sequences(words: list[str] | None) -> list[str] | None:
    """Names, or those in a file where one is given."""
    if words is None or len(words) > 1 or not os.path.isfile(words[0]):
        return words
    from pathlib import Path

    from mmgtrack.evaluation.annotations.files import listed_names
    from mmgtrack.formats.disk import read_text

    return list(listed_names(read_text(Path(words[0])), words[0]))
