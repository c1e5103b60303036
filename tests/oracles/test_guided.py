"""GuidedDetector, recorded: the formulas of its paper through the registered classes."""

from __future__ import annotations

from typing import Any
from zlib import crc32

import numpy as np
import torch
from torch import Tensor

import mmgtrack  # noqa: F401  (operator stand-in before mmdet)
from mmgtrack.models.guided_detector import MetaLearner
from mmgtrack.models.guided_detector.head_rows import FinalLayer, HeadGroup, HeadLayout, HeadRows
from mmgtrack.models.guided_detector.selection import cosine_window, shape_penalty
from mmgtrack.registry import MODELS
from tests.device import DEVICE

from .cases import OracleCase, claims
from .comparison import assert_close


def tensors_of(case: OracleCase) -> dict[str, Tensor]:
    with np.load(case.folder / 'arrays.npz') as file:
        return {name: torch.from_numpy(array).to(DEVICE) for name, array in file.items()}


def check(case: OracleCase, found: Any, expected: Any) -> None:
    """In the tolerance recorded with the case."""
    assert_close(found, expected.cpu(), case.spec['tolerance'], 0)


# ---- guidance module -------------------------------------------------------------------------------


def made_by_rule(case: OracleCase, shapes: dict[str, torch.Size]) -> dict[str, Tensor]:
    """The README's weights, after a comparison with the recorded sums."""
    weights = {}
    for key, sums in case.spec['checksums'].items():
        draws = np.random.Generator(np.random.PCG64(crc32(key.encode()) + case.spec['salt']))
        shape = tuple(shapes[key])
        scale = 1 / np.sqrt(np.prod(shape[1:])) if key.endswith('weight') else 0.1
        weights[key] = torch.from_numpy((draws.standard_normal(shape) * scale).astype(np.float32))
        values = weights[key].double()
        np.testing.assert_allclose([values.sum(), values.square().sum()], sums, rtol=1e-9, atol=1e-9)
    return weights


@claims('guidance_*')
@torch.no_grad()
def test_guidance(case: OracleCase) -> None:
    guidance = MODELS.build(
        dict(
            type='mmgtrack.TargetGuidance',
            in_channels=case.spec['channels'],
            pooled_size=case.spec['pooled'],
        )
    )
    shapes = {name: value.shape for name, value in guidance.state_dict().items()}
    guidance.load_state_dict(made_by_rule(case, shapes))
    guidance.to(DEVICE)
    given = tensors_of(case)
    modulators = guidance.modulator_of(given['pooled_target'])
    check(case, modulators, given['modulator'])
    check(case, guidance(given['search'], modulators), given['output'])
    for frame, expected in zip(given['search'], given['output'], strict=True):
        pairs = frame.expand(len(modulators), -1, -1, -1)
        check(case, guidance.guide(pairs, modulators), expected)


# ---- penalty, window, choice, smoothing ------------------------------------------------------------


@claims('penalty_*')
def test_selection(case: OracleCase) -> None:
    spec, given = case.spec, tensors_of(case)
    selection = MODELS.build(
        dict(
            type='mmgtrack.WindowSelection',
            sigma=spec['sigma'],
            window_influence=spec['window_influence'],
            size_rate=spec['size_lr'],
        )
    )
    boxes, scores, last = given['boxes'], given['scores'], given['prev_wh']
    corners = boxes.unflatten(-1, (2, 2))
    sizes, centres = corners[:, 1] - corners[:, 0], corners.mean(1)
    check(case, shape_penalty(sizes, last, spec['sigma']), given['penalty'])
    check(case, cosine_window(centres, spec['crop']), given['window'])
    ranks, _ = selection.rank(boxes[None], scores[None], last[None], spec['crop'])
    check(case, ranks[0], given['final'])
    found = selection(boxes[None], scores[None], last[None], spec['crop'])
    assert found.best.tolist() == [spec['best']]
    assert found.scores.tolist() == [scores[spec['best']].item()]
    low, high = found.boxes[0].unflatten(0, (2, 2))
    check(case, (low + high) / 2, given['center'])
    check(case, high - low, given['size'])


# ---- Eq. 1 to 4: inner loop, its meta-gradients, anchored update -----------------------------------


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
    arrays = tensors_of(case)
    for second_order, recorded in ((True, 'grad_second_order'), (False, 'grad_first_order')):
        learner = linear_learner(case, inner_steps=case.spec['inner_steps'], second_order=second_order)
        theta = arrays['theta0'].clone().requires_grad_()
        adapted = learner.adapt(theta, tasks(arrays, 'support'))
        meta_loss = learner.loss(adapted.theta, tasks(arrays, 'query')).sum()
        meta_loss.backward()
        check(case, adapted.theta, arrays['theta_N'])
        check(case, meta_loss, torch.tensor(case.spec['meta_loss'], dtype=torch.float64))
        check(case, theta.grad, arrays[recorded])


@claims('anchored_*')
def test_anchored_updates(case: OracleCase) -> None:
    arrays = tensors_of(case)
    steps = dict(first_steps=case.spec['first_steps'], anchor_weight=case.spec['lam'])
    first_set = linear_rows(*(arrays[f'first_{name}'][None] for name in 'xyt'))
    for anchor, recorded in (('initial', 'anchored_on_theta0'), ('first', 'anchored_on_theta1')):
        learner = linear_learner(case, anchor=anchor, **steps)
        first = learner.adapt_first(arrays['theta0'], first_set).theta
        check(case, first[0], arrays['theta1'])
        theta, fixed = first, learner.anchor_of(arrays['theta0'], first)
        for i, expected in enumerate(arrays[recorded]):
            rows = linear_rows(*(arrays[name][i : i + 1] for name in 'xyt'))
            theta = learner.anchored(theta, fixed, rows).theta
            check(case, theta[0], expected)
