"""How large targets are: in a data set, and as a config's pipelines show them to training.

    python tools/analysis/size_histogram.py --drawn configs/_base_/datasets/demo_data.py \\
        configs/_base_/datasets/point_demo_data.py --plot sizes.png --table sizes.md

--data counts all boxes of a data set, NAME or NAME=ROOT, or of a folder; --drawn the targets of the samples
that a config trains on, apart for each role; --stored the same samples before any transform; --by-source
tells those of each of its data sets apart, such as stills and videos. Sizes are sqrt(w*h) in pixels and
r = sqrt(wh / WH) relative to the frame. Marked are COCO's classes (area 32^2 and 96^2) and those of r (0.02,
0.05 and 0.15). With --resize, frames of --data and --stored count as if they were resized; those of --drawn
are as they are.
"""

import argparse
from dataclasses import replace
from pathlib import Path

from mmgtrack.apis.training_data import training_data
from mmgtrack.cli.tables import print_table
from mmgtrack.cli.tools import run_tool
from mmgtrack.countdown import Countdown
from mmgtrack.datasets import ClipDataset
from mmgtrack.datasets.sequence import Reader
from mmgtrack.datasets.study_clips import VIDEOS, reader_of
from mmgtrack.engine.options import read_config
from mmgtrack.errors import InputError
from mmgtrack.evaluation.size_bins import COCO_CLASSES, RELATIVE_CLASSES
from mmgtrack.evaluation.size_histogram import (
    TargetSizes,
    as_dict,
    covering_bins,
    size_tables,
    sizes_drawn,
    sizes_in,
    write_markdown,
)
from mmgtrack.files import check_target
from mmgtrack.formats.json_file import write_json
from mmgtrack.geometry import ResizeRule
from mmgtrack.registry import DATASETS
from mmgtrack.visualization.figures import check_suffix
from mmgtrack.visualization.histograms import HistogramPanel, plot_histograms

STILLS = dict(type='mmgtrack.CocoImages')  # all of its boxes


def open_reader(word: str) -> Reader:
    """The data set NAME or NAME=ROOT, a folder of still images or sequences, or the test data of a config."""
    if word.endswith('.py'):
        config = read_config(word)
        if 'test_dataloader' not in config:
            raise InputError(f'the config {word} names no test data (its training data: --stored, --drawn)')
        reader: Reader = DATASETS.build(config.test_dataloader.dataset)
        return reader
    of_folder = STILLS if (Path(word) / 'annotations.json').is_file() else VIDEOS
    reader = DATASETS.build(reader_of(word, of_folder))
    return reader


def open_all(args: argparse.Namespace) -> list[tuple[str, Reader | ClipDataset, ResizeRule | None]]:
    """Name, data, and what its frames count as, in the order of the options; opened before the work."""
    found: list[tuple[str, Reader | ClipDataset, ResizeRule | None]] = []
    for word in args.data:
        found.append((Path(word).stem if word.endswith('.py') else word, open_reader(word), args.resize))
    for path in args.stored:
        found.append((f'{Path(path).stem}, stored', training_data(path, stored=True), args.resize))
    for path in args.drawn:
        found.append((Path(path).stem, training_data(path), None))
    return found


def measure(args: argparse.Namespace) -> list[TargetSizes]:
    """Everything that was asked for, under the user's names where there are some."""
    opened = open_all(args)
    if args.by_source and args.names is not None:
        raise InputError('--names cannot be given with --by-source, which names what it finds')
    counts = [len(args.roles or data.roles) if isinstance(data, ClipDataset) else 1 for _, data, _ in opened]
    if args.names is not None and len(args.names) != sum(counts):
        listed = '; '.join(f'{name} ({count})' for (name, _, _), count in zip(opened, counts, strict=True))
        raise InputError(f'--names needs {sum(counts)} names, for {listed}; got {len(args.names)}')
    found = []
    for name, data, resize in opened:
        if isinstance(data, ClipDataset):
            roles = args.roles or data.roles
            found += sizes_drawn(
                data, name, roles, args.samples, resize, Countdown('samples'), args.by_source
            )
        else:
            found.append(sizes_in(data, name, resize, Countdown('sequences')))
    names = args.names or [sizes.name for sizes in found]
    return [replace(sizes, name=name) for sizes, name in zip(found, names, strict=True)]


def draw(all_found: list[TargetSizes], path: Path) -> None:
    """Sizes in pixels to the left, relative ones to the right."""
    panels = []
    for label, values, classes in (
        ('sqrt(w*h), pixels', [found.pixels for found in all_found], COCO_CLASSES),
        ('sqrt(w*h / (W*H))', [found.relative for found in all_found], RELATIVE_CLASSES),
    ):
        bins = covering_bins(values)
        shares = {
            found.name: bins.shares(sizes)[1:-1] for found, sizes in zip(all_found, values, strict=True)
        }
        panels.append(HistogramPanel(label, bins.edges, shares, classes.edges, classes.labels))
    plot_histograms(panels, 'size of targets, half octaves', path)


def sides(text: str) -> ResizeRule:
    """LONG,SHORT as a rule."""
    try:
        long, short = map(int, text.split(','))
        return ResizeRule(long, short)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f'expects LONG,SHORT such as 384,288, got {text!r}') from error


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add(
        '--data',
        metavar='NAME',
        nargs='+',
        default=[],
        help='data set: NAME, NAME=ROOT, folder, or CONFIG.py',
    )
    add('--stored', metavar='CONFIG', nargs='+', default=[], help='samples of configs as they are stored')
    add('--drawn', metavar='CONFIG', nargs='+', default=[], help='samples of configs as they train')
    add('--samples', metavar='N', type=int, default=500, help='of each config (default: %(default)s)')
    add('--roles', metavar='ROLE', nargs='+', help='of the samples, such as search (default: all)')
    add('--by-source', action='store_true', help='samples of each data set that a config has apart')
    add('--resize', metavar='LONG,SHORT', type=sides, help='sides that stored frames count as')
    add(
        '--names', metavar='NAME', nargs='+', help='what to call them, in the order in which they are printed'
    )
    add('--plot', metavar='FILE', type=Path, help='draw the histograms: .png, .svg or .pdf')
    add('--table', metavar='FILE', type=Path, help='write the tables as Markdown')
    add('--json', metavar='FILE', type=Path, help='write all shares')
    args = parser.parse_args()
    if not (args.data or args.stored or args.drawn):
        raise InputError('nothing to count: give --data, --stored or --drawn')
    if args.samples < 1:
        raise InputError(f'--samples must be at least 1, got {args.samples}')
    if args.plot is not None:
        check_suffix(args.plot)
    for path in filter(None, (args.plot, args.table, args.json)):
        check_target(path)
    return args


def main() -> None:
    args = parse_args()
    all_found = measure(args)
    for header, rows in size_tables(all_found):
        print_table(header, rows)
        print()
    if args.plot is not None:
        draw(all_found, args.plot)
    if args.table is not None:
        write_markdown(all_found, args.table)
    if args.json is not None:
        write_json([as_dict(found) for found in all_found], args.json)


if __name__ == '__main__':
    run_tool(main)
