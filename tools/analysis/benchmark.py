"""Time a tracker stage by stage and count operations: ``python tools/analysis/benchmark.py CONFIG CLIP``.

For every batch (frames a pass) and number of targets: frames a second end to end, as the ``track`` command
works (frames decoded in a thread, nothing watched); and milliseconds, 10^9 operations (2 a multiply-add, of
convolutions and matrix products) and achieved operations a second of each stage. For the stages the device
is waited for at each boundary, and frames are decoded in between, so their sum is not the end-to-end time. A
stage counts without its parts, which follow it behind a colon; the RoI head is modulation, fully connected
layers and decoding. Median, smallest and largest of the repeats. A model without weights gets random ones.
"""

import argparse
import json
import os
import platform
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import asdict
from itertools import product
from pathlib import Path
from typing import Any

import cv2
import torch
from mmengine.config import Config

from mmgtrack import Tracker, ops
from mmgtrack.apis import load_config
from mmgtrack.apis.benchmark import Box, Cost, EndlessClip, Spread, Workload
from mmgtrack.cli.boxes import parse_box
from mmgtrack.cli.tools import run_tool
from mmgtrack.errors import InputError
from mmgtrack.files import replacing
from mmgtrack.models.base import BaseTracker, GlobalSearchTracker


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='name of a model or path of a config file')
    parser.add_argument('clip', help='video file or folder of images; starts again at its end')
    parser.add_argument('--checkpoint', help='weights; default: those shipped for the name')
    parser.add_argument('--device', default='cpu')
    parser.add_argument(
        '--box', action='append', help='X,Y,W,H in the (resized) first frame; default: its middle quarter'
    )
    parser.add_argument('--batch', type=counts, default=[1], help='frames a pass, like 1,4,8')
    parser.add_argument(
        '--targets', type=counts, default=[1], help='numbers of targets, like 1,4; boxes are used in turn'
    )
    parser.add_argument('--size', type=by('x'), help='WxH that frames are resized to after decoding')
    parser.add_argument('--resize', type=by(','), help='LONG,SHORT sides of the network input')
    parser.add_argument('--proposals', type=count, help='proposals that reach the second stage')
    parser.add_argument('--repeats', type=count, default=10, help='passes that are timed, in each mode')
    parser.add_argument('--warmup', type=int, default=2, help='passes before them')
    parser.add_argument('--threads', type=count, help="CPU threads; default: torch's choice")
    parser.add_argument('--plain', action='store_true', help='the model as it was trained: nothing folded')
    parser.add_argument('--precision', default='float32', choices=('float32', 'bfloat16', 'float16'))
    parser.add_argument('--compile', action='store_true', help='through torch.compile')
    parser.add_argument('--json', help='also write everything to this file')
    parser.add_argument('--profile', help='write a Chrome trace of one pass of the last combination')
    return parser.parse_args()


def count(text: str) -> int:
    """A whole number above 0."""
    if not (text.isascii() and text.isdigit() and int(text)):
        raise argparse.ArgumentTypeError(f'expects whole numbers above 0, got {text!r}')
    return int(text)


def counts(text: str) -> list[int]:
    """``'1,4,8'`` to [1, 4, 8]."""
    return [count(part) for part in text.split(',')]


def by(separator: str) -> Callable[[str], tuple[int, int]]:
    """Reads ``'640x480'`` or ``'640,480'``."""

    def read(text: str) -> tuple[int, int]:
        numbers = [count(part) for part in text.split(separator)]
        if len(numbers) != 2:
            raise argparse.ArgumentTypeError(f'expects two numbers, {separator!r} between, got {text!r}')
        return numbers[0], numbers[1]

    return read


def changed_config(args: argparse.Namespace) -> tuple[str, Config]:
    """Name and config of the model, with what the command line changes."""
    name, config = load_config(args.config)
    if args.resize:
        config.merge_from_dict({'model.data_preprocessor.resize': args.resize})
    if args.proposals:
        if 'rpn' not in (config.model.get('test_cfg') or {}):
            raise InputError(f'--proposals: the model of {name} has no region proposal network')
        rpn = config.model.test_cfg.rpn
        rpn.update(max_per_img=args.proposals, nms_pre=max(rpn.nms_pre, args.proposals))
    return name, config


def build(args: argparse.Namespace) -> tuple[Tracker, str]:
    """The tracker, and what its weights are."""
    name, config = changed_config(args)
    wanted = {'plain': args.plain, 'precision': args.precision, 'compile': args.compile}
    options = {key: value for key, value in wanted.items() if value not in (False, 'float32')}
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(record=True) as said:
        warnings.simplefilter('always')
        path = Path(folder) / f'{name}.py'  # weights belong to the name
        config.dump(path)
        tracker = Tracker(path, args.checkpoint, args.device, **options)
    others = [warning for warning in said if 'RANDOM' not in str(warning.message)]
    for warning in others:
        warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
    given = str(args.checkpoint) if args.checkpoint else 'shipped'
    return tracker, given if len(others) == len(said) else 'random'


def target_boxes(args: argparse.Namespace, size: tuple[int, int], targets: int) -> list[Box]:
    """A box for each target in a frame of (height, width), those given in turn."""
    height, width = size
    middle = (width * 3 / 8, height * 3 / 8, width * 5 / 8, height * 5 / 8)
    given = [parse_box(text) for text in args.box] if args.box else [middle]
    return [given[i % len(given)] for i in range(targets)]


def machine(device: str) -> dict[str, Any]:
    """What the figures depend on besides the model."""
    report = ops.report().operators
    facts = {
        'cpu': cpu_name(),
        'cores': os.cpu_count(),
        'threads': torch.get_num_threads(),
        'wait_policy': os.environ.get('OMP_WAIT_POLICY', 'default'),
        'load': round(os.getloadavg()[0], 1) if hasattr(os, 'getloadavg') else None,
        'torch': torch.__version__,
        'python': platform.python_version(),
        'operators': {name: report[name].engine for name in ('nms', 'roi_align_forward')},
    }
    if torch.device(device).type == 'cuda':
        facts |= {'gpu': torch.cuda.get_device_name(device), 'float32_convolutions': float32_convolutions()}
    return facts


def cpu_name() -> str:
    """The processor's own name, where the system tells it."""
    info = Path('/proc/cpuinfo')
    lines = info.read_text(encoding='utf-8').splitlines() if info.is_file() else []
    names = [line.split(':', 1)[1].strip() for line in lines if line.startswith('model name')]
    return names[0] if names else platform.processor() or platform.machine()


def float32_convolutions() -> str:
    """Whether cuDNN multiplies float32 as TF32, which is its default."""
    if hasattr(torch.backends.cudnn, 'conv'):  # torch 2.9 and later; the older flag may not be mixed with it
        return str(torch.backends.cudnn.conv.fp32_precision)
    return 'tf32' if torch.backends.cudnn.allow_tf32 else 'ieee'


def sizes(tracker: BaseTracker, clip: EndlessClip) -> dict[str, str]:
    """Width x height of the frames from file to network."""
    image, stored = clip.first()
    found = {'file': stored, 'frames': image.shape[:2]}
    if isinstance(tracker, GlobalSearchTracker):
        view = tracker.data_preprocessor.view(image)
        found |= {'network': view.shape, 'padded': tracker.data_preprocessor.padded(view.shape)}
    return {name: f'{width}x{height}' for name, (height, width) in found.items()}


def cost_ratio(cost: Cost, costs: list[Cost]) -> float | None:
    """Time of a frame with all these targets to that with one, where one was timed too."""
    ones = [other for other in costs if other.batch == cost.batch and other.targets == 1]
    return cost.end_to_end_ms.median / ones[0].end_to_end_ms.median if ones else None


def as_json(cost: Cost, costs: list[Cost]) -> dict[str, Any]:
    """A cost with what follows from it."""
    stages = [asdict(stage) | {'gflop_per_s': stage.gflop_per_s} for stage in cost.stages]
    return asdict(cost) | {
        'frames_per_s': asdict(cost.frames_per_s),
        'gflop': cost.gflop,
        'gflop_per_s': cost.gflop_per_s,
        'cost_ratio': cost_ratio(cost, costs),
        'stages': stages,
    }


def print_cost(cost: Cost, costs: list[Cost]) -> None:
    ratio = cost_ratio(cost, costs) if cost.targets > 1 else None
    print(f'\nbatch {cost.batch}, targets {cost.targets}: {spread(cost.frames_per_s)} frames/s', end='')
    print('' if ratio is None else f', {ratio:.2f} x the time of one target')
    print(f'{"":22}{"ms a frame":>28}{"share":>8}{"GFLOP":>10}{"GFLOP/s":>10}')
    for stage in cost.stages:
        share = f'{stage.ms.median / cost.stage_sum_ms.median:.1%}'
        print_row(f'  {stage.name}', stage.ms, share, stage.gflop, stage.gflop_per_s)
    in_stages = cost.gflop / cost.stage_sum_ms.median * 1e3
    print_row('sum of stages', cost.stage_sum_ms, '', cost.gflop, in_stages)
    print_row('end to end', cost.end_to_end_ms, '', cost.gflop, cost.gflop_per_s)
    print(f'timers add {cost.timers_ms:.3f} ms a frame to the stages')


def print_row(name: str, ms: Spread, share: str, gflop: float, rate: float) -> None:
    counted = f'{gflop:10.3f}{rate:10.1f}' if gflop else f'{"-":>10}{"-":>10}'
    print(f'{name:22}{spread(ms):>28}{share:>8}{counted}')


def spread(value: Spread) -> str:
    return f'{value.median:.2f} ({value.low:.2f} to {value.high:.2f})'


def main() -> None:
    args = parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
        cv2.setNumThreads(args.threads)
    clip = EndlessClip(args.clip, args.size and args.size[::-1])
    tracker, weights = build(args)
    options = {key: getattr(args, key) for key in ('precision', 'plain', 'compile')}
    report: dict[str, Any] = {
        'machine': machine(args.device),
        'model': {'name': tracker.model.name, 'weights': weights, **options},
        'sizes': sizes(tracker.model, clip),
        'passes': {'repeats': args.repeats, 'warmup': args.warmup},
    }
    for title, facts in report.items():
        print(f'{title}: {", ".join(f"{key} {value}" for key, value in facts.items())}')
    costs: list[Cost] = []
    frame, _ = clip.first()
    for batch, targets in product(args.batch, args.targets):
        workload = Workload(tracker, clip, target_boxes(args, frame.shape[:2], targets), batch)
        costs.append(workload.cost(args.repeats, args.warmup))
        print_cost(costs[-1], costs)
    if args.json:
        report['results'] = [as_json(cost, costs) for cost in costs]
        write(args.json, json.dumps(report, indent=2).encode())
    if args.profile:
        write(args.profile, workload.trace())


def write(path: str, content: bytes) -> None:
    with replacing(path) as file:
        file.write(content)


if __name__ == '__main__':
    run_tool(main)
