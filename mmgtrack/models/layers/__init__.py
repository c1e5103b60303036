"""Layers that more than one tracker needs."""

from mmgtrack.models.layers.correlation_neck import CorrelationNeck
from mmgtrack.models.layers.dynamic_correlation import (
    DynamicCorrelation,
    correlate,
    correlate_pairs,
)
from mmgtrack.models.layers.multi_kernel import MultiKernelCorrelation
from mmgtrack.models.layers.query_pooling import pool_targets

__all__ = [
    'CorrelationNeck',
    'DynamicCorrelation',
    'MultiKernelCorrelation',
    'correlate',
    'correlate_pairs',
    'pool_targets',
]
