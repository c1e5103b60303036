"""GuidedDetector, recorded: the formulas of paper 003, in float64 through the registered classes."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from mmgtrack.models.guided_detector import MetaLearner
from mmgtrack.models.guided_detector.head_rows import FinalLayer, HeadGroup, HeadLayout, HeadRows
from mmgtrack.registry import MODELS

from .cases import OracleCase, claims
from .comparison import assert_close


def arrays_of(case: OracleCase) -> dict[str, Tensor]:
    with np.load(case.folder / 'arrays.npz') as file:
        return {name: torch.from_numpy(file[name]) for name in file}


# Eq. 1 to 4: the inner loop, its meta-gradients, the anchored update


def linear_learner(case: OracleCase, **options: Any) -> MetaLearner:
    """The recorded head: class and box outputs are linear in the features, one prior a place."""
    loss = dict(type='mmgtrack.HeadLoss', box='squared')
    options = dict(type='mmgtrack.MetaLearner', inner_lr=case.spec['inner_lr'], loss=loss, **options)
    learner = MODELS.build(options)
    width = case.spec['features']
    group = HeadGroup(FinalLayer('classes', 1, width, 0), FinalLayer('boxes', 4, width, 0), 1)
    learner.bind(HeadLayout((group,), sigmoid=True))
    return learner


def linear_rows(x: Tensor, y: Tensor, t: Tensor) -> HeadRows:
    """Sets (B, n, ...) as rows of one sample each: the mean over rows, and over positives of the box loss."""
    labels = y[:, None, None]
    positives = labels.sum(-1, keepdim=True).clamp(min=1)
    return HeadRows(
        features=(x[:, None],),
        slots=torch.zeros_like(labels, dtype=torch.int64),
        labels=labels,
        targets=t[:, None, None],
        label_weights=torch.ones_like(labels) / labels.shape[-1],
        box_weights=labels / positives,
    )


def tasks(arrays: dict[str, Tensor], part: str) -> HeadRows:
    count = sum(name.startswith(f'{part}_x_') for name in arrays)
    sets = (torch.stack([arrays[f'{part}_{name}_{b}'] for b in range(count)]) for name in 'xyt')
    return linear_rows(*sets)


@claims('maml_*')
def test_inner_loop_and_meta_gradients(case: OracleCase) -> None:
    arrays, tolerance = arrays_of(case), case.spec['tolerance']
    for second_order, recorded in ((True, 'grad_second_order'), (False, 'grad_first_order')):
        learner = linear_learner(case, inner_steps=case.spec['inner_steps'], second_order=second_order)
        theta = arrays['theta0'].clone().requires_grad_()
        adapted = learner.adapt(theta, tasks(arrays, 'support'))
        meta_loss = learner.loss(adapted.theta, tasks(arrays, 'query')).sum()
        meta_loss.backward()
        assert_close(adapted.theta, arrays['theta_N'], tolerance, tolerance)
        assert_close(meta_loss, case.spec['meta_loss'], tolerance, tolerance)
        assert_close(theta.grad, arrays[recorded], tolerance, tolerance)


@claims('anchored_*')
def test_anchored_updates(case: OracleCase) -> None:
    arrays, tolerance = arrays_of(case), case.spec['tolerance']
    steps = dict(first_steps=case.spec['first_steps'], anchor_weight=case.spec['lam'])
    first_set = linear_rows(*(arrays[f'first_{name}'][None] for name in 'xyt'))
    for anchor, recorded in (('initial', 'anchored_on_theta0'), ('first', 'anchored_on_theta1')):
        learner = linear_learner(case, anchor=anchor, **steps)
        first = learner.adapt_first(arrays['theta0'], first_set).theta
        assert_close(first[0], arrays['theta1'], tolerance, tolerance)
        theta, fixed = first, learner.anchor_of(arrays['theta0'], first)
        for i, expected in enumerate(arrays[recorded]):
            rows = linear_rows(*(arrays[name][i : i + 1] for name in 'xyt'))
            theta = learner.anchored(theta, fixed, rows).theta
            assert_close(theta[0], expected, tolerance, tolerance)
