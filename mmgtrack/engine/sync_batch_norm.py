"""Batch norms with the statistics of all processes, on processors."""

import torch
from mmengine.dist import get_world_size
from torch import Tensor, nn
from torch.distributed.nn.functional import all_reduce
from torch.nn.modules.batchnorm import _BatchNorm


class CPUSyncBatchNorm(_BatchNorm):
    """What torch's ``SyncBatchNorm`` does, on GPUs only. Processes may have unequal numbers of samples, as
    heads do that see a map for each target."""

    def forward(self, features: Tensor) -> Tensor:
        """features: (B, C, ...); computed in the precision of the weights, also in mixed precision."""
        if not self.training or get_world_size() == 1:
            return super().forward(features)
        given, features = features.dtype, features.to(self.weight.dtype)
        others = [0, *range(2, features.ndim)]
        shape = (1, -1, *(1 for _ in others[1:]))
        count = all_reduce(features.new_tensor(features.numel() / features.shape[1]))
        mean = all_reduce(features.sum(others)) / count
        centred = features - mean.view(shape)
        variance = all_reduce(centred.square().sum(others)) / count
        self._keep(mean.detach(), variance.detach(), count)
        scale = self.weight * (variance + self.eps).rsqrt()
        return (centred * scale.view(shape) + self.bias.view(shape)).to(given)

    def _check_input_dim(self, features: Tensor) -> None:
        """Any number of dimensions will do."""

    @torch.no_grad()
    def _keep(self, mean: Tensor, variance: Tensor, count: Tensor) -> None:
        """Running statistics; the variance is the unbiased one, as torch's."""
        if self.running_mean is None or self.running_var is None:
            return
        assert self.momentum is not None
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance * (count / (count - 1).clamp(min=1)), self.momentum)
        if self.num_batches_tracked is not None:
            self.num_batches_tracked += 1


def synchronise_on_processor(model: nn.Module) -> None:
    """Let torch's synchronised norms of a model work on processors, in place."""
    for module in model.modules():
        if type(module) is nn.SyncBatchNorm:
            # all that a norm has stays: parameters, buffers, hooks
            module.__class__ = CPUSyncBatchNorm  # type: ignore[assignment]
