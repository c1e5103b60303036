"""What the max-point loss costs beside a training step: ``python tools/analysis/point_loss.py``.

The step is a whole one of the config (forward, backward, optimiser) on pairs of random images with a target
in each, the loss (forward and backward) the config's, of maps of random logits at all strides for as many
images of the same size. They are measured in turns; no weights are loaded.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.optim import build_optim_wrapper
from mmengine.structures import InstanceData
from torch import Tensor

from mmgtrack.apis import load_config
from mmgtrack.apis.benchmark import Spread
from mmgtrack.apis.models import build_network, check_device
from mmgtrack.cli.tables import print_table
from mmgtrack.cli.tools import run_tool
from mmgtrack.errors import InputError
from mmgtrack.formats.json_file import write_json
from mmgtrack.models import MaxPointLoss
from mmgtrack.models.base import BaseTracker
from mmgtrack.registry import MODELS
from mmgtrack.structures import ClipSample

CONFIG = 'mmgtrack::point_track_mobilenetv2_lite.py'
WARMUP = 2  # runs that are not counted


def main() -> None:
    """Parse the options, measure, print."""
    args = parse_args()
    device, size = check_device(args.device), size_of(args.size)
    config = load_config(args.config)[1]
    loss = loss_options(config, args.dead_zone)
    torch.manual_seed(0)
    runs = {'step': step_of(config, args.images, size, device)}
    for boxes in args.boxes:
        for points in args.points or sorted({1, 4, 16, loss['num_points']}):
            built = MODELS.build({**loss, 'num_points': points})
            runs[f'{boxes} {points}'] = loss_of(built, args.images, size, args.strides, boxes, device)
    spreads = measured(runs, args.repeats, device)
    step = spreads.pop('step')
    print(f'a step of {args.images} pairs of {args.size}: {text_of(step)} ms')
    print(f'the loss {"with" if loss["dead_zone"] else "without"} a dead zone:')
    rows = [
        [*name.split(), text_of(spread), f'{100 * spread.median / step.median:.2f}']
        for name, spread in spreads.items()
    ]
    print_table(['boxes', 'points', 'ms', '% of a step'], rows)
    if args.json:
        losses = {name: vars(spread) for name, spread in spreads.items()}
        write_json(dict(step_ms=vars(step), loss_ms=losses), args.json)


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add('config', nargs='?', default=CONFIG, help='name of a PointTrack, or path of a config file')
    add('--images', type=int, default=8, help='of a batch (default: %(default)s)')
    add('--size', default='640x480', help='of the images, WIDTHxHEIGHT (default: %(default)s)')
    add('--strides', type=int, nargs='+', default=[4, 8, 16, 32, 64], help='of the maps (default: 4 to 64)')
    add('--boxes', type=int, nargs='+', default=[1, 8], help='of an image (default: 1 8)')
    add('--points', type=int, nargs='+', help="num_points (default: 1 4 16 and the config's)")
    add('--dead-zone', action=argparse.BooleanOptionalAction, help="of the loss (default: the config's)")
    add('--repeats', type=int, default=10, help='measurements of each (default: %(default)s)')
    add('--device', default='cpu', help='default: %(default)s')
    add('--json', metavar='FILE', help='write the numbers')
    args = parser.parse_args()
    if min(args.images, args.repeats, *args.strides, *args.boxes, *(args.points or [])) < 1:
        raise InputError('--images, --strides, --boxes, --points and --repeats must be at least 1')
    return args


def size_of(text: str) -> tuple[int, int]:
    """Height and width of ``'640x480'``."""
    try:
        width, height = map(int, text.split('x'))
    except ValueError:
        width = height = 0
    if min(width, height) < 1:
        raise InputError(f'--size must be WIDTHxHEIGHT in pixels, got {text}')
    return height, width


def loss_options(config: Config, dead_zone: bool | None) -> dict[str, Any]:
    """Of the config's max-point loss; dead_zone: instead of its own, None for that."""
    options = config.model.get('bbox_head', {}).get('loss_point')
    if options is None:
        raise InputError('expected the config of a PointTrack whose bbox_head has a loss_point, got none')
    built = MODELS.build(options)
    zone = built.dead_zone if dead_zone is None else dead_zone
    return {**options, 'num_points': built.num_points, 'dead_zone': zone}


def step_of(config: Config, images: int, size: tuple[int, int], device: torch.device) -> Callable[[], Any]:
    """A training step of a config's model, with its optimiser and precision."""
    tracker: BaseTracker = build_network(config).to(device).train()
    MMLogger.get_current_instance().setLevel('ERROR')  # a line for every parameter
    wrapper = build_optim_wrapper(tracker, config.optim_wrapper)
    roles = ('query', 'search')
    data = dict(
        inputs={
            role: [torch.randint(256, (3, *size), dtype=torch.uint8) for _ in range(images)] for role in roles
        },
        data_samples=[pair(roles, size) for _ in range(images)],
    )
    return lambda: tracker.train_step(data, wrapper)


def pair(roles: Sequence[str], size: tuple[int, int]) -> ClipSample:
    """A target at a random place in both images."""
    sample = ClipSample()
    sample.instances = {
        role: InstanceData(
            bboxes=random_boxes(1, size), ids=torch.zeros(1, dtype=torch.long), labels=torch.zeros(1).long()
        )
        for role in roles
    }
    sample.set_metainfo({'img_shape': dict.fromkeys(roles, size)})
    return sample


def loss_of(
    loss: MaxPointLoss,
    images: int,
    size: tuple[int, int],
    strides: list[int],
    boxes: int,
    device: torch.device,
) -> Callable[[], Any]:
    """The loss of random maps and boxes, and its gradients."""
    cells = [[-(-side // stride) for side in size] for stride in strides]
    maps = [torch.randn(images, 1, *each, device=device, requires_grad=True) for each in cells]
    truths = [random_boxes(boxes, size).to(device) for _ in range(images)]
    return lambda: torch.autograd.grad(loss(maps, truths, strides, [size] * images), maps)


def random_boxes(count: int, size: tuple[int, int]) -> Tensor:
    """(count, 4) boxes in an image of (h, w), each side uniform up to the whole one."""
    low, high = torch.rand(2, count, 2).sort(0).values * torch.tensor(size[::-1])
    return torch.cat([low, high], 1)


def measured(runs: dict[str, Callable[[], Any]], repeats: int, device: torch.device) -> dict[str, Spread]:
    """Milliseconds of each, run in turns so that a busy machine slows all of them."""
    ms: dict[str, list[float]] = {name: [] for name in runs}
    for repeat in range(-WARMUP, repeats):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            if device.type == 'cuda':
                torch.cuda.synchronize(device)
            if repeat >= 0:
                ms[name].append(1e3 * (time.perf_counter() - start))
    return {name: Spread.of(values) for name, values in ms.items()}


def text_of(spread: Spread) -> str:
    """Median and range."""
    return f'{spread.median:.1f} ({spread.low:.1f} to {spread.high:.1f})'


if __name__ == '__main__':
    run_tool(main)
