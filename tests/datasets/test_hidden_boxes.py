"""Boxes of hidden targets are known for dynamic templates alone: nothing else may take them for visible."""

import numpy as np
import pytest

from mmgtrack.datasets import ClipSampler, Sequence, UniformClipSampler
from mmgtrack.datasets.clip_sampler import ClipDraw
from mmgtrack.evaluation.success import SuccessMetric


def half_hidden(known: bool) -> Sequence:
    """12 frames, every second one without the target; its box is known there or not."""
    boxes = np.tile(np.array([[[10, 20, 40, 60]]], np.float32), (12, 1, 1))
    present = np.arange(12)[:, None] % 2 == 0
    if not known:
        boxes[~present] = np.nan
    return Sequence('a', tuple(f'a/{n}' for n in range(12)), boxes, present, np.ones_like(present))


@pytest.mark.parametrize(
    'sampler',
    [ClipSampler(), ClipSampler(visibility='query'), UniformClipSampler()],
    ids=['all', 'query', 'uniform'],
)
def test_samplers_of_whole_frames(sampler: ClipSampler) -> None:
    for number in range(40):
        known, unknown = (
            sampler.draw(lambda: half_hidden(boxes), 2, np.random.default_rng(number))  # noqa: B023
            for boxes in (True, False)
        )
        assert isinstance(known, ClipDraw) and isinstance(unknown, ClipDraw)
        for one, two in zip(known.frames, unknown.frames, strict=True):
            assert one.path == two.path and one.ids.tolist() == two.ids.tolist()
            assert np.isfinite(one.boxes).all() and one.boxes.tolist() == two.boxes.tolist()


def test_success_leaves_hidden_frames_out() -> None:
    predicted = np.tile([[[10.0, 20, 40, 60]]], (12, 1, 1))
    predicted[1::2] = 0  # frames 2, 4, ...: those without the target
    values = []
    for known in (True, False):
        metric = SuccessMetric()
        metric.process([half_hidden(known)], [dict(targets=np.array([0]), boxes=predicted)])
        values.append(metric.compute_metrics(metric.results)['auc'])
    assert values[0] == values[1] == pytest.approx(20 / 21)
