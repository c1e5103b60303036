"""PointTrack's loss, recorded: values, gradients and picked cells through the shipped config's loss."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import mmgtrack  # noqa: F401  (operator stand-in before mmdet)
from mmgtrack.apis.models import load_config
from mmgtrack.models.point_track.box_cells import BoxCells, cells_of_boxes
from mmgtrack.models.point_track.max_point_loss import MaxPointLoss, top_cells
from mmgtrack.registry import MODELS
from tests.device import DEVICE

from .cases import OracleCase, claims
from .comparison import assert_close

CONFIG = 'mmgtrack::point_track_mobilenetv2_lite.py'
precisions = pytest.mark.parametrize('dtype', [torch.float64, torch.float32], ids=['float64', 'float32'])


@cache
def shipped() -> dict[str, Any]:
    loss: dict[str, Any] = load_config(CONFIG)[1].model.bbox_head.loss_point.to_dict()
    return loss


def loss_of(case: OracleCase) -> MaxPointLoss:
    """The shipped config's loss under the recorded rule: the case's number of points, and its dead zone."""
    loss = MODELS.build({**shipped(), 'num_points': case.spec['k'], 'dead_zone': True})
    assert isinstance(loss, MaxPointLoss)
    return loss


def arrays_of(case: OracleCase) -> dict[str, np.ndarray]:
    with np.load(case.folder / 'arrays.npz') as file:
        return dict(file)


def maps_of(case: OracleCase, dtype: torch.dtype) -> list[Tensor]:
    arrays = arrays_of(case)
    return [
        torch.from_numpy(arrays[f'logits_{level}']).to(DEVICE, dtype).requires_grad_()
        for level in range(len(case.spec['strides']))
    ]


def boxes_of(case: OracleCase, dtype: torch.dtype) -> list[Tensor]:
    return [torch.tensor(boxes, dtype=dtype, device=DEVICE).reshape(-1, 4) for boxes in case.spec['boxes']]


@claims('*')
@precisions
def test_loss_and_gradients(case: OracleCase, dtype: torch.dtype) -> None:
    spec, maps = case.spec, maps_of(case, dtype)
    loss = loss_of(case)(maps, boxes_of(case, dtype), spec['strides'], spec['valid_hw'])
    assert_close(loss, spec['loss'], spec['tolerance']['loss'], 0)
    loss.backward()
    arrays = arrays_of(case)
    for level, logits in enumerate(maps):
        assert logits.grad is not None
        assert_close(logits.grad, arrays[f'grad_{level}'], spec['tolerance']['grad'], 0)


@claims('*')
@precisions
@torch.no_grad()
def test_loss_of_each_map(case: OracleCase, dtype: torch.dtype) -> None:
    loss, arrays = loss_of(case), arrays_of(case)
    for level, (logits, cells) in enumerate(levels_of(case, dtype)):
        found = loss.map_losses(logits, cells)
        assert_close(found, arrays[f'map_loss_{level}'], case.spec['tolerance']['loss'], 0)


@claims('*')
@precisions
@torch.no_grad()
def test_picked_cells(case: OracleCase, dtype: torch.dtype) -> None:
    for level, (logits, cells) in enumerate(levels_of(case, dtype)):
        for image, found in enumerate(picks(logits.flatten(1), cells, case.spec['k'])):
            expected = [sorted(part) for part in case.spec['picks'][f'{level},{image}'] if part]
            assert found == expected


def levels_of(case: OracleCase, dtype: torch.dtype) -> list[tuple[Tensor, BoxCells]]:
    """The map of each level, and the cells of the boxes in it."""
    maps = maps_of(case, dtype)
    cells = cells_of_boxes(maps, boxes_of(case, dtype), case.spec['strides'], case.spec['valid_hw'])
    return list(zip(maps, cells, strict=True))


def picks(logits: Tensor, cells: BoxCells, count: int) -> Iterator[list[list[int]]]:
    """Of each image the picked cells of each box, then the background's, in ascending order, if any."""
    inside = top_cells(logits[cells.owners], cells.inside, count)
    outside = top_cells(logits, cells.background(), count)
    for image in range(len(logits)):
        own = cells.owners == image
        rows = [*zip(inside.cells[own], inside.exists[own], strict=True)]
        rows.append((outside.cells[image], outside.exists[image]))
        yield [sorted(index[exists].tolist()) for index, exists in rows if exists.any()]
