"""mmcv's operators as its compiled extension computes them, called as a user calls them.

Tolerances are those of the records: indices and the boxes of hard NMS exact, all else 1e-4.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import mmgtrack  # noqa: F401  (puts the operators in place before mmcv.ops is imported)
from mmgtrack.errors import OperatorError

from .cases import OracleCase, claims

Arrays = dict[str, Tensor]
TOLERANCE = {'rtol': 1e-4, 'atol': 1e-4, 'equal_nan': True}
EXACT = {'rtol': 0, 'atol': 0, 'equal_nan': True}


def arrays_of(case: OracleCase) -> Arrays:
    """The case's arrays by name."""
    prefix = f'{case.spec["case"]}.'
    with np.load(case.folder / f'{case.spec["op"]}.npz') as stored:
        return {
            name.removeprefix(prefix): torch.from_numpy(stored[name])
            for name in stored.files
            if name.startswith(prefix)
        }


def operators() -> Any:
    import mmcv.ops  # some seconds: not while collecting

    return mmcv.ops


def check_gradients(
    function: Callable[..., Tensor], arrays: Arrays, inputs: tuple[str, ...], **others: Any
) -> None:
    """Compare the result with `out`, and each recorded `grad_<input>` with the gradient of it."""
    wanted = [name for name in inputs if f'grad_{name}' in arrays]
    given = {
        name: arrays[name].clone().requires_grad_(name in wanted) if name in arrays else None
        for name in inputs
    }
    out = function(*given.values(), **others)
    torch.testing.assert_close(out.detach(), arrays['out'], **TOLERANCE)
    if wanted:
        out.backward(arrays['grad_out'])
    for name in wanted:
        torch.testing.assert_close(given[name].grad, arrays[f'grad_{name}'], **TOLERANCE)


def has_ties(scores: Tensor) -> bool:
    return len(scores.unique()) < len(scores)


def check_detections(dets: Tensor, keep: Tensor, arrays: Arrays, tolerance: dict[str, Any] = EXACT) -> None:
    """Compare boxes, scores and indices; where scores tie, whose order varies, only scores."""
    if has_ties(arrays['scores']):
        torch.testing.assert_close(dets[:, -1], arrays['dets'][:, -1], **tolerance)
        return
    torch.testing.assert_close(dets, arrays['dets'], **tolerance)
    assert keep.tolist() == arrays['keep' if 'keep' in arrays else 'inds'].tolist()


@claims('nms-*')
def test_nms(case: OracleCase) -> None:
    arrays, args = arrays_of(case), case.spec['args']
    dets, keep = operators().nms(
        arrays['boxes'],
        arrays['scores'],
        args['iou_threshold'],
        args['offset'],
        args['score_threshold'],
        args['max_num'],
    )
    check_detections(dets, keep, arrays)


@claims('soft_nms-*')
def test_soft_nms(case: OracleCase) -> None:
    arrays = arrays_of(case)
    dets, inds = operators().soft_nms(arrays['boxes'], arrays['scores'], **case.spec['args'])
    check_detections(dets, inds, arrays, TOLERANCE)


@claims('batched_nms-*')
def test_batched_nms(case: OracleCase) -> None:
    arrays = arrays_of(case)
    dets, keep = operators().batched_nms(
        arrays['boxes'], arrays['scores'], arrays['idxs'], **case.spec['args']
    )
    check_detections(dets, keep, arrays)


@claims('nms_match-*')
def test_nms_match(case: OracleCase) -> None:
    arrays = arrays_of(case)
    groups = operators().nms_match(arrays['dets'], **case.spec['args'])
    assert [len(group) for group in groups] == arrays['groups_len'].tolist()
    assert torch.cat(groups).tolist() == arrays['groups_flat'].tolist()


@claims('bbox_overlaps-*')
def test_bbox_overlaps(case: OracleCase) -> None:
    arrays = arrays_of(case)
    ious = operators().bbox_overlaps(arrays['bboxes1'], arrays['bboxes2'], **case.spec['args'])
    torch.testing.assert_close(ious, arrays['ious'], **TOLERANCE)


@claims('roi_align-*')
def test_roi_align(case: OracleCase) -> None:
    arrays, args = arrays_of(case), case.spec['args']
    check_gradients(
        lambda features: operators().roi_align(
            features,
            arrays['rois'],
            args['output_size'],
            args['spatial_scale'],
            args['sampling_ratio'],
            args['pool_mode'],
            args['aligned'],
        ),
        arrays,
        ('input',),
    )


@claims('roi_align-neg*')
def test_roi_align_refuses_negative_sizes(case: OracleCase) -> None:
    arrays, args = arrays_of(case), case.spec['args']
    with pytest.raises(RuntimeError, match='>= 0'):
        operators().roi_align(
            arrays['input'],
            arrays['rois'],
            args['output_size'],
            args['spatial_scale'],
            args['sampling_ratio'],
            'avg',
            True,
        )


@claims('roi_pool-*')
def test_roi_pool(case: OracleCase) -> None:
    arrays, args = arrays_of(case), case.spec['args']
    check_gradients(
        lambda features: operators().roi_pool(
            features, arrays['rois'], args['output_size'], args['spatial_scale']
        ),
        arrays,
        ('input',),
    )
    features = arrays['input'].requires_grad_()
    out = operators().roi_pool(features, arrays['rois'], args['output_size'], args['spatial_scale'])
    assert torch.equal(out.grad_fn.saved_tensors[1].long(), arrays['argmax'])


GEOMETRY = ('stride', 'padding', 'dilation', 'groups', 'deform_groups')


@claims('deform_conv2d-*')
def test_deform_conv2d(case: OracleCase) -> None:
    geometry = [case.spec['args'][name] for name in GEOMETRY]
    check_gradients(
        lambda *tensors: operators().deform_conv2d(*tensors, *geometry),
        arrays_of(case),
        ('input', 'offset', 'weight'),
    )


@claims('modulated_deform_conv2d-*')
def test_modulated_deform_conv2d(case: OracleCase) -> None:
    geometry = [case.spec['args'][name] for name in GEOMETRY]
    check_gradients(
        lambda *tensors: operators().modulated_deform_conv2d(*tensors, *geometry),
        arrays_of(case),
        ('input', 'offset', 'mask', 'weight', 'bias'),
    )


@claims('ms_deform_attn-*')
def test_ms_deform_attn(case: OracleCase) -> None:
    """Both of mmcv's paths: the plain one of the CPU, and the operator used on a GPU."""
    shapes = case.spec['args']['spatial_shapes']
    inputs = ('value', 'sampling_locations', 'attention_weights')
    sizes = torch.tensor(shapes)
    starts = sizes.prod(1).cumsum(0) - sizes.prod(1)
    module = operators().multi_scale_deform_attn
    check_gradients(
        lambda value, locations, weights: module.multi_scale_deformable_attn_pytorch(
            value, shapes, locations, weights
        ),
        arrays_of(case),
        inputs,
    )
    check_gradients(
        lambda value, locations, weights: module.MultiScaleDeformableAttnFunction.apply(
            value, sizes, starts, locations, weights, 64
        ),
        arrays_of(case),
        inputs,
    )


@claims('point_sample-*')
def test_point_sample(case: OracleCase) -> None:
    arrays = arrays_of(case)
    out = operators().point_sample(arrays['input'], arrays['points'], **case.spec['args'])
    torch.testing.assert_close(out, arrays['out'], **TOLERANCE)


REDUCTIONS = {'none': 'grad_none_ones', 'mean': 'grad_mean', 'sum': 'grad_sum'}


@claims('sigmoid_focal_loss-*', 'softmax_focal_loss-*')
def test_focal_loss(case: OracleCase) -> None:
    arrays, args = arrays_of(case), case.spec['args']
    loss_function = getattr(operators(), case.spec['op'])
    weight = arrays.get('weight')
    if weight is not None and len(weight) != arrays['input'].shape[1]:
        check_long_weight(case, arrays)
        return
    for reduction, grad_name in REDUCTIONS.items():
        if f'loss_{reduction}' not in arrays:
            continue
        logits = arrays['input'].clone().requires_grad_()
        loss = loss_function(logits, arrays['target'], args['gamma'], args['alpha'], weight, reduction)
        torch.testing.assert_close(loss.detach(), arrays[f'loss_{reduction}'], **TOLERANCE)
        if grad_name in arrays and not (reduction == 'none' and loss.ndim != logits.ndim):
            loss.backward(torch.ones_like(loss))
            torch.testing.assert_close(logits.grad, arrays[grad_name], **TOLERANCE)


def check_long_weight(case: OracleCase, arrays: Arrays) -> None:
    """A weight with an entry for background, which mmcv's wrapper refuses: ask the extension."""
    import mmcv._ext

    args = {name: case.spec['args'][name] for name in ('gamma', 'alpha')}
    for direction, name in (('forward', 'loss_none'), ('backward', 'grad_none_ones')):
        out = torch.zeros_like(arrays[name])
        operator = getattr(mmcv._ext, f'{case.spec["op"]}_{direction}')
        operator(arrays['input'], arrays['target'], arrays['weight'], out, **args)
        torch.testing.assert_close(out, arrays[name], **TOLERANCE)


# Operators that have no stand-in, and why. Their cases show that the refusal names the operator.
EXCLUDED = {
    'box_iou_rotated': 'no tracker here has rotated boxes',
    'nms_rotated': 'no tracker here has rotated boxes',
}


@claims(*(f'{op}-*' for op in EXCLUDED))
def test_excluded_operator_is_named(case: OracleCase) -> None:
    arrays, args, op = arrays_of(case), case.spec['args'], case.spec['op']
    inputs = [arrays[name] for name in ('bboxes1', 'bboxes2', 'boxes', 'scores') if name in arrays]
    with pytest.raises(OperatorError, match=op):
        getattr(operators(), op)(*inputs, **args)
