"""What a head learns from while it tracks: mined rows of past frames, kept as they were pooled."""

from collections.abc import Sequence

import torch
from torch import Tensor

from mmgtrack.models.guided_detector.head_rows import HeadRows

Sample = tuple
"""One image's rows: a ``HeadRows`` without leading dimensions, or the plain tuple that a saved state has."""

STORED = torch.float16
"""Features are kept in half precision: they are most of a state, and never computed again (section 3.4)."""


def split_samples(rows: HeadRows) -> list[Sample]:
    """The rows of B images one by one, their features in half precision, nothing beyond what it can hold.

    Each has memory of its own: a view would keep the rows of the whole batch.
    """
    largest = torch.finfo(STORED).max
    features = tuple(feature.clamp(-largest, largest).to(STORED) for feature in rows.features)
    return [
        HeadRows(tuple(feature[b].clone() for feature in features), *(leaf[b].clone() for leaf in rows[1:]))
        for b in range(len(rows.slots))
    ]


def stack_samples(targets: Sequence[Sequence[Sample]]) -> tuple[HeadRows, Tensor]:
    """Rows (M, S, ...) of M targets' samples, and weights (M, S) that make a mean over each one's own.

    Targets with fewer than S samples repeat their first, which weighs nothing.
    """
    most = max(len(samples) for samples in targets)
    padded = [[*samples, *[samples[0]] * (most - len(samples))] for samples in targets]
    count = len(padded[0][0][0])
    features = tuple(
        torch.stack([torch.stack([sample[0][f] for sample in samples]) for samples in padded])
        for f in range(count)
    )
    leaves = [
        torch.stack([torch.stack([sample[leaf] for sample in samples]) for samples in padded])
        for leaf in range(1, len(HeadRows._fields))
    ]
    rows = HeadRows(features, *leaves)
    counts = torch.tensor([len(samples) for samples in targets], device=rows.slots.device)
    filled = torch.arange(most, device=counts.device) < counts[:, None]
    return rows, filled.to(rows.labels.dtype) / counts[:, None]
