"""Layers that more than one tracker needs."""

from mmgtrack.models.layers.dynamic_correlation import (
    DynamicCorrelation,
    correlate,
    correlate_pairs,
)

__all__ = ['DynamicCorrelation', 'correlate', 'correlate_pairs']
