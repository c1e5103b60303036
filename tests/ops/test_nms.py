"""Hard and soft non-maximum suppression."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from mmgtrack import ops
from mmgtrack.errors import InputError
from mmgtrack.ops.soft_nms import NAIVE


def greedy(boxes: Tensor, iou_threshold: float, valid: Tensor, offset: int) -> list[bool]:
    """The plain walk down one list, best first."""
    overlaps = ops.bbox_overlaps(boxes, boxes, offset=offset)
    keep: list[bool] = []
    for place in range(len(boxes)):
        better = [j for j in range(place) if keep[j]]
        keep.append(bool(valid[place]) and not any(overlaps[j, place] > iou_threshold for j in better))
    return keep


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    groups=st.integers(1, 4),
    count=st.integers(0, 24),
    cells=st.integers(2, 12),
    iou_threshold=st.sampled_from([0.0, 0.3, 0.5, 1.0]),
    offset=st.sampled_from([0, 1]),
)
def test_batched_is_greedy(
    seed: int, groups: int, count: int, cells: int, iou_threshold: float, offset: int
) -> None:
    """Integer boxes on a small field: many exact ties of overlap, empty and inverted boxes."""
    generator = torch.Generator().manual_seed(seed)
    boxes = torch.randint(cells, (groups, count, 4), generator=generator).float()
    valid = torch.rand(groups, count, generator=generator) < 0.8
    keep = ops.batched_greedy_nms(boxes, iou_threshold, valid, offset)
    assert keep.tolist() == [
        greedy(*group, offset) for group in zip(boxes, [iou_threshold] * groups, valid, strict=True)
    ]


def test_more_boxes_than_a_block() -> None:
    """Boxes are decided in blocks of 256; the walk over all of them says the same."""
    generator = torch.Generator().manual_seed(0)
    corner = torch.rand(600, 2, generator=generator, dtype=torch.float64) * 150
    boxes = torch.cat([corner, corner + 20], dim=-1)
    valid = torch.ones(600, dtype=torch.bool)
    keep = ops.batched_greedy_nms(boxes[None], 0.3, valid[None])[0]
    assert keep.tolist() == greedy(boxes, 0.3, valid, 0)
    assert 20 < keep.sum() < 300


def test_undefined_overlap_does_not_suppress() -> None:
    boxes = torch.tensor([[5.0, 5, 5, 5], [5, 5, 5, 5], [0, 0, 9, 9]])
    assert ops.nms(boxes, torch.tensor([0.9, 0.8, 0.7]), 0.5).tolist() == [0, 1, 2]


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_dtypes(dtype: torch.dtype) -> None:
    boxes = torch.tensor([[0, 0, 8, 8], [0, 0, 8, 7], [20, 20, 28, 28]], dtype=dtype)
    scores = torch.tensor([0.25, 0.5, 0.75], dtype=dtype)
    assert ops.nms(boxes, scores, 0.5).tolist() == [2, 1]
    assert ops.nms_match(boxes, scores, 0.5) == [[2], [1, 0]]
    dets, inds = ops.soft_nms(boxes, scores, 0.5, 0.5, 0.1, NAIVE)
    assert inds.tolist() == [2, 1]
    assert dets.dtype == dtype


def test_no_boxes() -> None:
    boxes, scores = torch.zeros(0, 4), torch.zeros(0)
    assert ops.nms(boxes, scores, 0.5).dtype == torch.int64
    assert ops.nms_match(boxes, scores, 0.5) == []
    assert [part.shape[0] for part in ops.soft_nms(boxes, scores, 0.5, 0.5, 0.1, NAIVE)] == [0, 0]
    assert ops.batched_greedy_nms(torch.zeros(0, 7, 4), 0.5).shape == (0, 7)
    assert ops.batched_greedy_nms(torch.zeros(3, 0, 4), 0.5).shape == (3, 0)


def test_refuses_other_shapes() -> None:
    with pytest.raises(InputError, match=r'\(G, K, 4\)'):
        ops.batched_greedy_nms(torch.zeros(5, 4), 0.5)
    with pytest.raises(InputError, match='valid'):
        ops.batched_greedy_nms(torch.zeros(2, 5, 4), 0.5, torch.ones(5, dtype=torch.bool))
