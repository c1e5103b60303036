"""Local maxima of score maps, the best first, and where between the cells they are."""

from typing import NamedTuple

import torch
from mmdet.models.utils import get_local_maximum
from torch import Tensor
from torch.nn import functional

from mmgtrack.models.point_track.box_cells import axis_points


class Peaks(NamedTuple):
    """K cells a map, best first: scores (P, K) in [0, 1]; columns, rows (P, K) int64; valid (P, K) bool."""

    scores: Tensor
    columns: Tensor
    rows: Tensor
    valid: Tensor


def highest_peaks(scores: Tensor, looked_at: Tensor, count: int) -> Peaks:
    """The ``count`` best cells that no neighbour is better than; a plateau's cells are all peaks.

    scores: (P, H, W) in [0, 1]; looked_at: (P, H, W) bool, the cells that take part. Those that are not a
    number never do. Where there are fewer peaks, rows that are not valid fill up.
    """
    nothing = scores.new_tensor(-1.0)
    scores = scores.where(looked_at & scores.isfinite(), nothing)
    is_peak = (get_local_maximum(scores[:, None])[:, 0] == scores) & (scores >= 0)
    flat = scores.where(is_peak, nothing).flatten(1)
    best, cells = flat.topk(min(count, flat.shape[1]), dim=1)
    width = scores.shape[-1]
    rows = cells.div(width, rounding_mode='floor')
    return Peaks(best.clamp(min=0), cells % width, rows, best >= 0)


def shifts_between_cells(logits: Tensor, looked_at: Tensor, peaks: Peaks) -> Tensor:
    """(P, K, 2) x, y from each peak's point to the maximum beside it, in cells from -0.5 to 0.5.

    Along either axis it is that of the parabola through the peak's logit and its two neighbours': the best
    cell of a target that is hardly larger than a cell often has its point beside the target. 0 on a plateau,
    and where a neighbour is outside the map or does not take part. logits, looked_at: (P, H, W).
    """
    nothing = torch.nan
    around = functional.pad(logits.where(looked_at, nothing), (1, 1, 1, 1), value=nothing)
    width, cells = around.shape[-1], around.flatten(1)
    here = (peaks.rows + 1) * width + peaks.columns + 1
    shifts = []
    for step in (1, width):
        before, middle, after = (cells.gather(1, here + move) for move in (-step, 0, step))
        bend = 2 * middle - before - after
        shift = ((after - before) / (2 * bend)).clamp(-0.5, 0.5)
        shifts.append(shift.where(bend > 0, 0.0))  # which a NaN is not
    return torch.stack(shifts, dim=2)


def points_inside(limits: Tensor, size: torch.Size, stride: int, offset: float) -> Tensor:
    """(P, H, W) bool: cells whose point ((j + offset) stride, (i + offset) stride) is in the image.

    limits: (P, 4) w, h, w, h of the images; size: (H, W).
    """
    y, x = axis_points(size, stride, limits, offset)
    return (y[:, None] < limits[:, 3, None, None]) & (x < limits[:, 2, None, None])
