"""Count parameters and operations of a tracker: ``python tools/analysis/get_flops.py CONFIG``.

Operations, 2 a multiply-add, of each stage of a tracked frame and of encoding one target (of a tracker that
searches whole frames: with the pass over its frame), with layers as in training and on the fast path. A frame
fills the network's input, which is 1333x800 in GlobalTrack. For a STARK also the multiply-adds by the rule of
its authors' figures. No weights are loaded.
"""

import argparse
import json
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from mmgtrack.apis import load_config
from mmgtrack.apis.flops import Exposure, Size, count_as_stark_authors
from mmgtrack.apis.models import build_network
from mmgtrack.cli.tools import run_tool
from mmgtrack.models.base import BaseTracker, WindowTracker
from mmgtrack.models.fast_path import speed_up
from mmgtrack.models.stark import Stark

PATHS = ('as trained', 'fast path')
COUNTED = 'convolutions and matrix products, those of attention too'
NOT_COUNTED = 'norms, activations, softmax, sums and products by element, pooling, resizing, sorting, NMS'


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='name of a model or path of a config file')
    parser.add_argument('--targets', type=int, default=1, metavar='N', help='default: %(default)s')
    parser.add_argument('--json', action='store_true', help='the same for programs')
    return parser.parse_args()


def measure(config: str, targets: int) -> dict[str, Any]:
    """All that is printed."""
    name, settings = load_config(config)
    torch.manual_seed(0)
    tracker = build_network(settings).eval()
    encode = 'a template, encoded or updated' if isinstance(tracker, WindowTracker) else 'encoding a target'
    report: dict[str, Any] = {'model': name, 'targets': targets, 'encode': encode, 'sizes': sizes(tracker)}
    if isinstance(tracker, Stark):
        report['authors'] = authors_parts(tracker)
    for path in PATHS:
        if path == 'fast path':
            speed_up(tracker)
        report[path] = {
            'stages': Exposure(tracker, targets).frame_operations(),
            'encode': Exposure(tracker).encode_operations(),
        }
    return report


def sizes(tracker: BaseTracker) -> dict[str, dict[str, int]]:
    """Of every part that has numbers, and of all."""
    parts = {name: vars(Size.of(part)) for name, part in tracker.named_children()}
    return {name: size for name, size in parts.items() if any(size.values())} | {
        'all': vars(Size.of(tracker))
    }


def authors_parts(tracker: Stark) -> dict[str, int]:
    """Multiply-adds, in the authors' two parts."""
    counts = count_as_stark_authors(tracker)
    search = sum(counts.pop(part, 0) for part in ('backbone', 'neck'))
    return {'backbone and neck': search, 'transformer and heads': sum(counts.values())}


def print_report(report: dict[str, Any]) -> None:
    targets = f'{report["targets"]} target' + 's' * (report['targets'] > 1)
    print_table(
        [report['model'], 'parameters', 'trainable', 'buffers'],
        [[name, *(f'{number:,}' for number in size.values())] for name, size in report['sizes'].items()],
    )
    paths = [report[path] for path in PATHS]
    names = [name for name in paths[0]['stages'] if any(path['stages'][name] for path in paths)]
    rows = [[name, *(giga(path['stages'].get(name, 0)) for path in paths)] for name in names]
    rows.append([f'a frame, {targets}', *(giga(sum(path['stages'].values())) for path in paths)])
    rows.append([report['encode'], *(giga(path['encode']) for path in paths)])
    print_table(['GFLOP', *PATHS], rows)
    print(f'GFLOP: 10^9 operations, 2 a multiply-add\ncounted: {COUNTED}\nnot counted: {NOT_COUNTED}')
    if 'authors' in report:
        authors = report['authors'] | {'sum': sum(report['authors'].values())}
        print_table(
            ["by the authors' rule", '10^9 multiply-adds'], [[k, giga(v)] for k, v in authors.items()]
        )
        print('one target; thop: 4 a normed element but frozen ones, no output projection of attention')


def print_table(head: list[str], rows: list[list[str]]) -> None:
    table = Table(head[0])
    for title in head[1:]:
        table.add_column(title, justify='right')
    for row in rows:
        table.add_row(*row)
    Console().print(table)


def giga(number: float) -> str:
    return f'{number / 1e9:.3f}'


def main() -> None:
    args = parse_args()
    report = measure(args.config, args.targets)
    if args.json:
        print(json.dumps(report, indent=2))
    else:
        print_report(report)


if __name__ == '__main__':
    run_tool(main)
