"""What each step of the fast path gains, every one on top of those before it.

``python tools/analysis/fast_path.py CONFIG CLIP``: the steps take turns, so that a machine whose speed
drifts is the same for all of them.
"""

import argparse
import copy
from collections.abc import Callable
from typing import Any

import torch
from mmcv.cnn import fuse_conv_bn
from rich.console import Console
from rich.table import Table

from mmgtrack.apis import Tracker
from mmgtrack.apis.benchmark import EndlessClip, Spread, Workload
from mmgtrack.cli.tools import run_tool
from mmgtrack.models import fast_path
from mmgtrack.models.base import BaseTracker

Step = Callable[[BaseTracker], Any]
STEPS: dict[str, Step] = {
    'channels last': lambda model: fast_path.use_memory_format(model, torch.channels_last),
    'norms folded': fuse_conv_bn,
    'queries folded': lambda model: model.rpn_head.fold(),
    'box head folded': lambda model: model.roi_head.fold(),
}
HALF: dict[str, Step] = {'bfloat16': lambda model: fast_path.lower_precision(model, 'bfloat16')}
COMPILED: dict[str, Step] = {'compiled': fast_path.compile_parts}


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='name of a GlobalTrack model or path of its config')
    parser.add_argument('clip', help='video file or folder of images')
    parser.add_argument('--checkpoint', help='weights; default: those shipped for the name')
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--size', default='640x480', help='WxH that frames are resized to')
    parser.add_argument('--batch', type=int, default=1, help='frames a pass')
    parser.add_argument('--rounds', type=int, default=5, help='passes of each step that are timed')
    parser.add_argument('--compile', action='store_true', help='torch.compile as the last step')
    return parser.parse_args()


def built(args: argparse.Namespace) -> dict[str, Tracker]:
    """The plain tracker, then one more step each."""
    tracker = Tracker(args.config, args.checkpoint, args.device, plain=True)
    trackers = {'plain': tracker}
    for name, step in {**STEPS, **HALF, **(COMPILED if args.compile else {})}.items():
        tracker = copy.deepcopy(tracker)
        step(tracker.model)
        trackers[name] = tracker
    return trackers


def measured(args: argparse.Namespace) -> dict[str, Spread]:
    """Milliseconds a frame, end to end."""
    width, height = (int(side) for side in args.size.split('x'))
    clip = EndlessClip(args.clip, (height, width))
    box = (width * 3 / 8, height * 3 / 8, width * 5 / 8, height * 5 / 8)
    loads = {name: Workload(tracker, clip, [box], args.batch) for name, tracker in built(args).items()}
    for load in loads.values():
        load.end_to_end_ms(2)  # warms up
    times: dict[str, list[float]] = {name: [] for name in loads}
    for _ in range(args.rounds):
        for name, load in loads.items():
            # the first pass after another step's finds the caches full of that
            times[name].append(load.end_to_end_ms(2)[1])
    return {name: Spread.of(values) for name, values in times.items()}


def main() -> None:
    costs = measured(parse_args())
    table = Table('step', 'ms a frame', 'gain by the step', 'gain over plain')
    before = plain = costs['plain'].median
    for name, cost in costs.items():
        table.add_row(
            name,
            f'{cost.median:.1f} ({cost.low:.1f} to {cost.high:.1f})',
            f'{before / cost.median:.2f}x',
            f'{plain / cost.median:.2f}x',
        )
        before = cost.median
    Console().print(table)


if __name__ == '__main__':
    run_tool(main)
