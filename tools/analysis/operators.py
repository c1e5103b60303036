"""Time the operator stand-in on one CPU thread: ``python tools/analysis/operators.py``."""

import os

os.environ['OMP_NUM_THREADS'] = '1'

import statistics
import time
from collections.abc import Callable

import torch

import mmgtrack  # noqa: F401  (operator stand-in before mmcv.ops)
from mmgtrack import ops


def milliseconds(function: Callable[[], object], repeats: int = 10) -> str:
    """Median and range of ``repeats`` runs after two for warming up."""
    times = []
    for _ in range(repeats + 2):
        start = time.perf_counter()
        function()
        times.append(1000 * (time.perf_counter() - start))
    kept = times[2:]
    return f'{statistics.median(kept):6.0f} ms ({min(kept):.0f} to {max(kept):.0f})'


def boxes_of(count: int, low: float, high: float, width: float, height: float) -> torch.Tensor:
    """(count, 4) boxes with sides drawn log-uniformly from low to high pixels."""
    sides = torch.exp(torch.empty(count, 2).uniform_(0, 1) * torch.log(torch.tensor(high / low))) * low
    corner = torch.rand(count, 2) * (torch.tensor([width, height]) - sides).clamp(min=0)
    return torch.cat([corner, corner + sides], dim=1)


def main() -> None:
    from mmcv.ops import nms, roi_align

    torch.manual_seed(0)
    torch.set_num_threads(1)
    features = torch.randn(1, 256, 200, 336)  # stride 4 of a picture of 1344x800
    for low, high, where in ((16, 112, 'the boxes that FPN sends to stride 4'), (16, 512, 'any size')):
        rois = torch.cat([torch.zeros(1000, 1), boxes_of(1000, low, high, 1344, 800)], dim=1)
        for ratio in (2, 0):
            name = f'RoIAlign, 1000 boxes of {low} to {high} px ({where}), 7x7x256, sampling ratio {ratio}'
            own = milliseconds(lambda r=rois, s=ratio: ops.roi_align(features, r, 7, 0.25, s, True))
            public = milliseconds(lambda r=rois, s=ratio: roi_align(features, r, 7, 0.25, s, 'avg', True))
            print(f'{name}: mmgtrack.ops {own}, through mmcv.ops {public}')
    boxes, scores = boxes_of(2000, 16, 256, 1344, 800), torch.rand(2000)
    print(f'NMS, 2000 boxes: {milliseconds(lambda: nms(boxes, scores, 0.5))}')


if __name__ == '__main__':
    main()
