"""GuidedDetector's formulas, recorded: the guidance module, and which detection is chosen."""

from __future__ import annotations

from typing import Any
from zlib import crc32

import numpy as np
import torch
from torch import Tensor

import mmgtrack  # noqa: F401  (operator stand-in before mmdet)
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
    assert_close(found, expected.cpu(), case.spec['tolerance'], case.spec['tolerance'])


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
