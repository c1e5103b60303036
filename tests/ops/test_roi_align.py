"""RoIAlign against a plain loop over samples; RoI pooling on a box done by hand."""

from __future__ import annotations

from itertools import product
from math import ceil, floor

import pytest
import torch
from torch import Tensor

from mmgtrack import ops
from mmgtrack.errors import InputError
from mmgtrack.ops.roi_align_max import roi_align_max
from mmgtrack.ops.roi_pool import roi_pool

FEATURES = torch.rand(2, 3, 11, 17, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
ROIS = torch.tensor(
    [
        [0, 4, 6, 40, 30],  # inside
        [1, -30, -10, 90, 70],  # larger than the map
        [1, 8, 8, 8, 8],  # empty
        [0, 60, 3, 64, 40],  # narrow, at the right edge
        [1, 300, 300, 340, 320],  # outside
        [0, 1, 1, 66, 8],  # wide
    ],
    dtype=torch.float64,
)


def sample(plane: Tensor, y: float, x: float) -> Tensor:
    """(C,) bilinear sample of (C, H, W) by the rule of `roi_grid.clamped_taps`."""
    height, width = plane.shape[1:]
    if not (-1 <= y <= height and -1 <= x <= width):
        return torch.zeros(plane.shape[0], dtype=plane.dtype)
    y, x = min(max(y, 0), height - 1), min(max(x, 0), width - 1)
    top, left = floor(y), floor(x)
    below, right = min(top + 1, height - 1), min(left + 1, width - 1)
    upper = plane[:, top, left] * (left + 1 - x) + plane[:, top, right] * (x - left)
    lower = plane[:, below, left] * (left + 1 - x) + plane[:, below, right] * (x - left)
    return upper * (top + 1 - y) + lower * (y - top)


def reference(
    features: Tensor, rois: Tensor, size: tuple[int, int], scale: float, ratio: int, aligned: bool
) -> Tensor:
    """Mean of the samples of every bin, one at a time."""
    shift = 0.5 if aligned else 0
    out = features.new_zeros(len(rois), features.shape[1], *size)
    for k, (image, *box) in enumerate(rois.tolist()):
        x1, y1, x2, y2 = (edge * scale - shift for edge in box)
        least = 0 if aligned else 1
        step_y, step_x = max(y2 - y1, least) / size[0], max(x2 - x1, least) / size[1]
        count_y, count_x = ratio or ceil(step_y), ratio or ceil(step_x)
        for p, q, i, j in product(*map(range, (*size, count_y, count_x))):
            out[k, :, p, q] += (
                sample(
                    features[int(image)],
                    y1 + (p + (i + 0.5) / count_y) * step_y,
                    x1 + (q + (j + 0.5) / count_x) * step_x,
                )
                / count_y
                / count_x
            )
    return out


@pytest.mark.parametrize('size', [(2, 3), (1, 1)])
@pytest.mark.parametrize('ratio', [0, 1, 3])
@pytest.mark.parametrize('aligned', [True, False])
def test_equals_plain_loop(size: tuple[int, int], ratio: int, aligned: bool) -> None:
    out = ops.roi_align(FEATURES, ROIS, size, 0.25, ratio, aligned)
    torch.testing.assert_close(out, reference(FEATURES, ROIS, size, 0.25, ratio, aligned), rtol=0, atol=1e-12)


@pytest.mark.parametrize('ratio', [0, 2])
def test_gradients_of_first_and_second_order(ratio: int) -> None:
    features = FEATURES[:, :1, :5, :6].clone().requires_grad_()

    def align(features: Tensor) -> Tensor:
        return ops.roi_align(features, ROIS[:4], 2, 0.1, ratio)

    assert torch.autograd.gradcheck(align, features)
    assert torch.autograd.gradgradcheck(align, features)


def test_runs_of_boxes_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    """A small budget lays out every box alone."""
    whole = ops.roi_align(FEATURES, ROIS, 2, 0.25)
    monkeypatch.setattr('mmgtrack.ops.roi_taps._MAX_TAPS', 1)
    torch.testing.assert_close(ops.roi_align(FEATURES, ROIS, 2, 0.25), whole, rtol=0, atol=0)


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16, torch.float32])
def test_half_precision_computes_in_single(dtype: torch.dtype) -> None:
    features, rois = FEATURES.to(dtype), ROIS.to(dtype)
    out = ops.roi_align(features, rois, 2, 0.25)
    assert out.dtype == dtype
    assert torch.equal(out, ops.roi_align(features.float(), rois.float(), 2, 0.25).to(dtype))


def test_no_boxes_keep_the_graph() -> None:
    features = FEATURES.clone().requires_grad_()
    out = ops.roi_align(features, torch.zeros(0, 5), (7, 5))
    assert out.shape == (0, 3, 7, 5)
    out.sum().backward()
    assert torch.equal(features.grad, torch.zeros_like(features))
    assert roi_align_max(FEATURES, torch.zeros(0, 5), (7, 5))[0].shape == (0, 3, 7, 5)
    assert roi_pool(FEATURES, torch.zeros(0, 5), (7, 5))[0].shape == (0, 3, 7, 5)


@pytest.mark.parametrize(
    'rois, message',
    [
        (torch.zeros(3, 4), r'must be \(K, 5\)'),
        (torch.tensor([[0.0, 5, 5, 4, 9]]), '>= 0'),
    ],
)
def test_refuses_malformed_boxes(rois: Tensor, message: str) -> None:
    with pytest.raises(InputError, match=message):
        ops.roi_align(FEATURES, rois, 2)


def test_maximum_of_samples() -> None:
    """On a ramp along x the largest sample of a bin is its last."""
    ramp = torch.arange(8.0).expand(1, 1, 8, 8)
    box = torch.tensor([[0.0, 1, 1, 5, 5]])
    pooled, peak_y, peak_x = roi_align_max(ramp, box, (1, 2), sampling_ratio=2)
    assert pooled[0, 0, 0].tolist() == [2.0, 4.0]
    assert peak_x[0, 0, 0].tolist() == [2.0, 4.0]
    assert peak_y[0, 0, 0].tolist() == [1.5, 1.5]  # the first of equal rows


def test_pooling_does_not_round_boxes() -> None:
    cells = torch.arange(16.0).view(1, 1, 4, 4)
    pooled, peak = roi_pool(cells, torch.tensor([[0.0, 0.5, 0.5, 1.2, 1.2]]), (1, 1))
    assert (pooled.item(), peak.item()) == (10.0, 10)  # 0.5 .. 2.2 touches rows and columns 0 .. 2
