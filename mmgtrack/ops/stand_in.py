"""The operators of `mmcv._ext` with its call conventions: outputs are written in place.

mmcv calls these inside `torch.autograd.Function`, where gradients are off; the backward operators
use closed forms or switch gradients on themselves. An absent bias or weight arrives as an empty
tensor. The scratch tensors `columns`, `ones` and `buff` and the tiling size `im2col_step` of the
compiled kernels are not needed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from . import focal_loss, torchvision_engine
from .deform_conv import deform_conv2d
from .ms_deform_attn import ms_deform_attn
from .nms import nms as greedy_nms
from .nms import nms_match as match
from .overlaps import bbox_overlaps as overlaps
from .roi_align import roi_align, roi_align_gradient
from .roi_align_max import roi_align_max, roi_align_max_gradient
from .roi_pool import roi_pool, roi_pool_gradient
from .soft_nms import soft_nms

_MAX_POOLING = 0  # mmcv's code of pool_mode; 1 is the mean


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float, offset: int) -> Tensor:
    """Indices of the kept boxes, (n,) int64, best first."""
    if offset == 0 and torchvision_engine.is_usable():
        return torchvision_engine.nms(boxes, scores, iou_threshold)
    return greedy_nms(boxes, scores, iou_threshold, offset)


def softnms(
    boxes: Tensor,
    scores: Tensor,
    dets: Tensor,
    iou_threshold: float,
    sigma: float,
    min_score: float,
    method: int,
    offset: int,
) -> Tensor:
    """Fill the first n rows of `dets` (N, 5); returns their (n,) indices."""
    kept, inds = soft_nms(boxes, scores, iou_threshold, sigma, min_score, method, offset)
    dets[: len(kept)] = kept
    return inds


def nms_match(dets: Tensor, iou_threshold: float) -> list[list[int]]:
    """Groups of merged boxes, best first."""
    return match(dets[:, :4], dets[:, 4], iou_threshold)


def bbox_overlaps(
    boxes1: Tensor, boxes2: Tensor, ious: Tensor, mode: int, aligned: bool, offset: int
) -> None:
    """Fill `ious`, (M, N) or (M,); mode 0 is IoU, 1 is the share of the first box."""
    ious.copy_(overlaps(boxes1, boxes2, 'iof' if mode else 'iou', aligned, offset))


def roi_align_forward(
    inputs: Tensor,
    rois: Tensor,
    output: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> None:
    """Fill `output` (K, C, height, width), and where the maxima are when pooling by maximum."""
    how = ((aligned_height, aligned_width), spatial_scale, sampling_ratio, aligned)
    if pool_mode == _MAX_POOLING:
        pooled, peak_y, peak_x = roi_align_max(inputs, rois, *how)
        output.copy_(pooled)
        argmax_y.copy_(peak_y)
        argmax_x.copy_(peak_x)
    elif torchvision_engine.is_usable():
        output.copy_(torchvision_engine.roi_align(inputs, rois, *how))
    else:
        output.copy_(roi_align(inputs, rois, *how))


def roi_align_backward(
    grad_output: Tensor,
    rois: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    grad_input: Tensor,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> None:
    """Add the gradient of the features to `grad_input` (N, C, H, W)."""
    if pool_mode == _MAX_POOLING:
        grad_input += roi_align_max_gradient(grad_output, argmax_y, argmax_x, rois, grad_input.shape)
    else:
        grad_input += roi_align_gradient(
            grad_output, rois, grad_input.shape, spatial_scale, sampling_ratio, aligned
        )


def roi_pool_forward(
    inputs: Tensor,
    rois: Tensor,
    output: Tensor,
    argmax: Tensor,
    pooled_height: int,
    pooled_width: int,
    spatial_scale: float,
) -> None:
    """Fill `output` and `argmax` (K, C, height, width)."""
    pooled, peak = roi_pool(inputs, rois, (pooled_height, pooled_width), spatial_scale)
    output.copy_(pooled)
    argmax.copy_(peak)


def roi_pool_backward(
    grad_output: Tensor,
    rois: Tensor,
    argmax: Tensor,
    grad_input: Tensor,
    pooled_height: int,
    pooled_width: int,
    spatial_scale: float,
) -> None:
    """Add the gradient of the features to `grad_input` (N, C, H, W)."""
    grad_input += roi_pool_gradient(grad_output, argmax, rois, grad_input.shape)


def deform_conv_forward(
    inputs: Tensor,
    weight: Tensor,
    offset: Tensor,
    output: Tensor,
    columns: Tensor,
    ones: Tensor,
    **geometry: int,
) -> None:
    """Fill `output` (N, O, H', W')."""
    output.copy_(_deform_conv()(inputs, offset, weight, **_version_1(geometry)))


def deform_conv_backward_input(
    inputs: Tensor,
    offset: Tensor,
    grad_output: Tensor,
    grad_input: Tensor,
    grad_offset: Tensor,
    weight: Tensor,
    columns: Tensor,
    **geometry: int,
) -> None:
    """Fill `grad_input` and `grad_offset`."""
    found = _gradients(grad_output, (inputs, offset, weight), _version_1(geometry), wanted=(0, 1))
    grad_input.copy_(found[0])
    grad_offset.copy_(found[1])


def deform_conv_backward_parameters(
    inputs: Tensor,
    offset: Tensor,
    grad_output: Tensor,
    grad_weight: Tensor,
    columns: Tensor,
    ones: Tensor,
    scale: float = 1,
    **geometry: int,
) -> None:
    """Add `scale` times the gradient to `grad_weight`.

    The weight's own values do not matter for it, and are not passed: zeros stand in for them.
    """
    grad_weight += (
        scale
        * _gradients(
            grad_output, (inputs, offset, torch.zeros_like(grad_weight)), _version_1(geometry), wanted=(2,)
        )[0]
    )


def modulated_deform_conv_forward(
    inputs: Tensor,
    weight: Tensor,
    bias: Tensor,
    ones: Tensor,
    offset: Tensor,
    mask: Tensor,
    output: Tensor,
    columns: Tensor,
    with_bias: bool,
    **geometry: int,
) -> None:
    """Fill `output` (N, O, H', W')."""
    output.copy_(
        _deform_conv()(inputs, offset, weight, bias if with_bias else None, mask=mask, **_version_2(geometry))
    )


def modulated_deform_conv_backward(
    inputs: Tensor,
    weight: Tensor,
    bias: Tensor,
    ones: Tensor,
    offset: Tensor,
    mask: Tensor,
    columns: Tensor,
    grad_input: Tensor,
    grad_weight: Tensor,
    grad_bias: Tensor,
    grad_offset: Tensor,
    grad_mask: Tensor,
    grad_output: Tensor,
    with_bias: bool,
    **geometry: int,
) -> None:
    """Fill the gradients of all inputs."""
    found = _gradients(grad_output, (inputs, offset, weight, mask), _version_2(geometry), wanted=(0, 1, 2, 3))
    for target, grad in zip((grad_input, grad_offset, grad_weight, grad_mask), found, strict=True):
        target.copy_(grad)
    if with_bias:
        grad_bias.copy_(grad_output.sum((0, 2, 3)))


def sigmoid_focal_loss_forward(
    inputs: Tensor, target: Tensor, weight: Tensor, output: Tensor, gamma: float, alpha: float
) -> None:
    """Fill `output` (N, C)."""
    output.copy_(focal_loss.sigmoid_focal_loss(inputs, target, weight, gamma, alpha))


def sigmoid_focal_loss_backward(
    inputs: Tensor, target: Tensor, weight: Tensor, grad_input: Tensor, gamma: float, alpha: float
) -> None:
    """Fill `grad_input` (N, C)."""
    grad_input.copy_(focal_loss.sigmoid_focal_loss_gradient(inputs, target, weight, gamma, alpha))


def softmax_focal_loss_forward(
    softmax: Tensor, target: Tensor, weight: Tensor, output: Tensor, gamma: float, alpha: float
) -> None:
    """Fill `output` (N,)."""
    output.copy_(focal_loss.softmax_focal_loss(softmax, target, weight, gamma, alpha))


def softmax_focal_loss_backward(
    softmax: Tensor,
    target: Tensor,
    weight: Tensor,
    buff: Tensor,
    grad_input: Tensor,
    gamma: float,
    alpha: float,
) -> None:
    """Fill `grad_input` (N, C)."""
    grad_input.copy_(focal_loss.softmax_focal_loss_gradient(softmax, target, weight, gamma, alpha))


def ms_deform_attn_forward(
    value: Tensor, shapes: Tensor, starts: Tensor, locations: Tensor, weights: Tensor, im2col_step: int
) -> Tensor:
    """(B, Q, heads * D) weighted samples."""
    return ms_deform_attn(value, shapes, starts, locations, weights)


def ms_deform_attn_backward(
    value: Tensor,
    shapes: Tensor,
    starts: Tensor,
    locations: Tensor,
    weights: Tensor,
    grad_output: Tensor,
    grad_value: Tensor,
    grad_locations: Tensor,
    grad_weights: Tensor,
    im2col_step: int,
) -> None:
    """Fill the gradients of all float inputs."""
    with torch.enable_grad():
        leaves = [tensor.detach().requires_grad_() for tensor in (value, locations, weights)]
        out = ms_deform_attn(leaves[0], shapes, starts, leaves[1], leaves[2])
    found = torch.autograd.grad(out, leaves, grad_output)
    for target, grad in zip((grad_value, grad_locations, grad_weights), found, strict=True):
        target.copy_(grad)


def get_compiler_version() -> str:
    """Shown by mmcv's environment report."""
    return 'none (mmgtrack stand-in)'


def get_compiling_cuda_version() -> str:
    """Shown by mmcv's environment report."""
    return 'not available'


def _deform_conv() -> Callable[..., Tensor]:
    return torchvision_engine.deform_conv2d if torchvision_engine.is_usable() else deform_conv2d


def _version_1(geometry: dict[str, int]) -> dict[str, Any]:
    return {
        'stride': (geometry['dH'], geometry['dW']),
        'padding': (geometry['padH'], geometry['padW']),
        'dilation': (geometry['dilationH'], geometry['dilationW']),
        'groups': geometry['group'],
        'deform_groups': geometry['deformable_group'],
    }


def _version_2(geometry: dict[str, int]) -> dict[str, Any]:
    return {
        'stride': (geometry['stride_h'], geometry['stride_w']),
        'padding': (geometry['pad_h'], geometry['pad_w']),
        'dilation': (geometry['dilation_h'], geometry['dilation_w']),
        'groups': geometry['group'],
        'deform_groups': geometry['deformable_group'],
    }


def _gradients(
    grad_output: Tensor, inputs: tuple[Tensor, ...], how: dict[str, Any], wanted: tuple[int, ...]
) -> tuple[Tensor, ...]:
    """Gradients of a deformable convolution in the wanted ones of (features, offset, weight, mask).

    Version 1 has no mask.
    """
    with torch.enable_grad():
        leaves = [tensor.detach().requires_grad_(place in wanted) for place, tensor in enumerate(inputs)]
        mask = leaves[3] if len(leaves) == 4 else None
        out = deform_conv2d(leaves[0], leaves[1], leaves[2], mask=mask, **how)
    return torch.autograd.grad(out, [leaves[place] for place in wanted], grad_output)


OPERATORS: tuple[Callable[..., Any], ...] = (
    nms,
    softnms,
    nms_match,
    bbox_overlaps,
    roi_align_forward,
    roi_align_backward,
    roi_pool_forward,
    roi_pool_backward,
    deform_conv_forward,
    deform_conv_backward_input,
    deform_conv_backward_parameters,
    modulated_deform_conv_forward,
    modulated_deform_conv_backward,
    sigmoid_focal_loss_forward,
    sigmoid_focal_loss_backward,
    softmax_focal_loss_forward,
    softmax_focal_loss_backward,
    ms_deform_attn_forward,
    ms_deform_attn_backward,
    get_compiler_version,
    get_compiling_cuda_version,
)
