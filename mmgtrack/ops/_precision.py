"""The precision in which an operator computes."""

from __future__ import annotations

import torch
from torch import Tensor


def working_precision(tensor: Tensor) -> torch.dtype:
    """Dtype to compute in for inputs of `tensor`'s dtype: float64, or else float32.

    mmcv's compiled CPU kernels know no bfloat16, and half precision sums over a bin lose digits, so
    half inputs are cast up here and results cast back by the caller.
    """
    return torch.float64 if tensor.dtype == torch.float64 else torch.float32
