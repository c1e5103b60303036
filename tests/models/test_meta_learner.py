"""MAML on a head: closed forms, one target or many, precisions, and steps that are no numbers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmengine.logging import MMLogger
from torch import Tensor

from mmgtrack.errors import InputError
from mmgtrack.models.guided_detector import HeadLoss, MetaLearner
from mmgtrack.models.guided_detector.head_rows import FinalLayer, HeadGroup, HeadLayout, HeadRows
from mmgtrack.registry import MODELS
from tests.models.heads import layout_of, random_rows

ROOT = Path(__file__).parents[2]
LAYOUTS = pytest.mark.parametrize(
    'layout', [layout_of(), layout_of(sigmoid=True)], ids=['softmax', 'sigmoid']
)


@MODELS.register_module(force=True)
class BranchingLoss(HeadLoss):
    """The same numbers by a look at them, which vmap cannot take."""

    def forward(self, theta: Tensor, rows: HeadRows, weights: Tensor, layout: HeadLayout) -> Tensor:
        loss = super().forward(theta, rows, weights, layout)
        return loss if loss > 0 else 1 * loss


def bound(layout: HeadLayout, **options: Any) -> MetaLearner:
    learner = MODELS.build(dict(type='mmgtrack.MetaLearner', **options))
    learner.bind(layout)
    return learner


def start(layout: HeadLayout, *leading: int) -> Tensor:
    """theta (..., P) float64."""
    return 0.3 * torch.randn(*leading, layout.size, dtype=torch.float64)


def outer_gradients(
    learner: MetaLearner, theta: Tensor, support: HeadRows, query: HeadRows, is_mixed: bool = False
) -> list[Tensor]:
    """theta_N, the gradients of Eq. 2 by theta_0 and by what the support's layers read."""
    theta = theta.clone().requires_grad_()
    read = [part.clone().requires_grad_() for part in support.features]
    with torch.autocast('cpu', torch.bfloat16, enabled=is_mixed):
        adapted = learner.adapt(theta, support._replace(features=tuple(read)))
        loss = learner.loss(adapted.theta, query).sum()
    loss.backward()
    grads = [torch.zeros_like(part) if part.grad is None else part.grad for part in (theta, *read)]
    return [adapted.theta.detach(), *grads]


# a box bias b alone, with the loss a/2 (b - c)^2 in each of its four numbers: all gradients are known
QUADRATIC = HeadLayout((HeadGroup(FinalLayer('c', 1, 1, 0), FinalLayer('b', 4, 1, 0), 1),), sigmoid=True)


def quadratic(curvature: float, centre: float) -> HeadRows:
    shape = (1, 1, 1, 1)
    return HeadRows(
        features=(torch.zeros(1, 1, 1, 1, dtype=torch.float64),),
        slots=torch.zeros(shape, dtype=torch.int64),
        labels=torch.ones(shape, dtype=torch.float64),
        targets=torch.full((*shape, 4), centre, dtype=torch.float64),
        label_weights=torch.zeros(shape, dtype=torch.float64),
        box_weights=torch.full(shape, curvature, dtype=torch.float64),
    )


@settings(max_examples=25, deadline=None)
@given(
    curvatures=st.tuples(*[st.floats(0.01, 5)] * 2),
    centres=st.tuples(*[st.floats(-3, 3)] * 2),
    rate=st.floats(0.01, 0.3),
    steps=st.integers(0, 6),
    second_order=st.booleans(),
)
def test_meta_gradients_of_a_quadratic(
    curvatures: tuple[float, float],
    centres: tuple[float, float],
    rate: float,
    steps: int,
    second_order: bool,
) -> None:
    """Section 6 of MAML's rules: the factor (1 - alpha a)^N, which first order leaves out."""
    loss = dict(type='mmgtrack.HeadLoss', box='squared')
    learner = bound(QUADRATIC, inner_lr=rate, inner_steps=steps, second_order=second_order, loss=loss)
    theta = torch.ones(QUADRATIC.size, dtype=torch.float64)
    sets = [quadratic(curvature, centre) for curvature, centre in zip(curvatures, centres, strict=True)]
    final, gradient, *_ = outer_gradients(learner, theta, *sets)
    shrunk = (1 - rate * curvatures[0]) ** steps
    expected = centres[0] + shrunk * (1 - centres[0])
    torch.testing.assert_close(final[0, -4:], torch.full((4,), expected, dtype=torch.float64))
    slope = curvatures[1] * (expected - centres[1]) * (shrunk if second_order else 1)
    torch.testing.assert_close(gradient[-4:], torch.full((4,), slope, dtype=torch.float64))


@LAYOUTS
@pytest.mark.parametrize('second_order', [True, False])
@pytest.mark.parametrize('loss', [dict(), dict(gamma=2.0, alpha=0.25), dict(box='squared')], ids=str)
def test_vmap_loop_and_each_alone_agree(
    layout: HeadLayout, second_order: bool, loss: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    torch.manual_seed(1)
    theta, support, query = start(layout), random_rows(layout, 3, 2), random_rows(layout, 3, 1)
    options = dict(inner_steps=3, inner_lr=0.1, second_order=second_order)
    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    batched = bound(layout, **options, loss=dict(type='mmgtrack.HeadLoss', **loss))
    looped = bound(layout, **options, loss=dict(type='mmgtrack.BranchingLoss', **loss))
    logger.removeHandler(caplog.handler)
    assert (batched.batched, looped.batched) == (True, False)
    first, second = (text for text in caplog.messages if text.startswith('MetaLearner'))
    assert first == 'MetaLearner: all targets in one call, by vmap'
    assert second.startswith('MetaLearner: a loop over targets, vmap refuses BranchingLoss: ')
    found = outer_gradients(batched, theta, support, query)
    for one, other in zip(found, outer_gradients(looped, theta, support, query), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)
    alone = [
        outer_gradients(batched, theta, support.at(slice(b, b + 1)), query.at(slice(b, b + 1)))
        for b in range(3)
    ]
    finals, gradients, *read = zip(*alone, strict=True)
    for one, other in zip(found, [torch.cat(finals), sum(gradients), *map(torch.cat, read)], strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)


@LAYOUTS
def test_second_order_gradients_are_those_of_finite_differences(layout: HeadLayout) -> None:
    torch.manual_seed(2)
    learner = bound(layout, inner_steps=2, inner_lr=0.2)
    query = random_rows(layout, 2, 1)
    support = random_rows(layout, 2, 2)

    def outer(theta: Tensor, *read: Tensor) -> Tensor:
        return learner.loss(learner.adapt(theta, support._replace(features=read)).theta, query).sum()

    inputs = (start(layout).requires_grad_(), *(part.requires_grad_() for part in support.features))
    assert torch.autograd.gradcheck(outer, inputs, fast_mode=True)


@LAYOUTS
def test_no_step_is_plain_training(layout: HeadLayout) -> None:
    torch.manual_seed(3)
    learner = bound(layout, inner_steps=0)
    theta, rows = start(layout).requires_grad_(), random_rows(layout, 3, 1)
    adapted = learner.adapt(theta, rows)
    assert torch.equal(adapted.theta, theta.expand(3, -1))
    losses = learner.loss(adapted.theta, rows)
    assert torch.equal(adapted.losses, losses)
    (found,) = torch.autograd.grad(losses.sum(), theta)
    each = [learner.head_loss(theta, rows.at(b), torch.ones(1), layout) for b in range(3)]
    (expected,) = torch.autograd.grad(sum(each), theta)
    torch.testing.assert_close(found, expected)


def test_steps_lower_the_loss_and_the_losses_are_those_before() -> None:
    torch.manual_seed(4)
    layout = layout_of()
    learner = bound(layout, inner_lr=0.05)
    theta, rows = start(layout, 4), random_rows(layout, 4, 3)
    adapted = learner.adapt_first(theta, rows)
    torch.testing.assert_close(adapted.losses, learner.loss(theta, rows))
    assert (learner.loss(adapted.theta, rows) < adapted.losses).all()
    assert adapted.dropped.tolist() == [0] * 4


def test_class_layers_alone() -> None:
    torch.manual_seed(5)
    layout = layout_of()
    theta, rows = start(layout), random_rows(layout, 2, 2)
    after = bound(layout, adapt_boxes=False).adapt(theta, rows).theta
    both = bound(layout).adapt(theta, rows).theta
    boxes = layout.box_entries()
    assert torch.equal(after[:, boxes], theta.expand(2, -1)[:, boxes])
    torch.testing.assert_close(after[:, ~boxes], both[:, ~boxes])
    assert (both[:, boxes] != theta[boxes]).any(1).all()


def test_a_set_without_the_target_leaves_its_boxes() -> None:
    torch.manual_seed(6)
    layout = layout_of()
    rows = random_rows(layout, 2, 2)
    rows = rows._replace(labels=0 * rows.labels, box_weights=0 * rows.box_weights)
    adapted = bound(layout).adapt(theta := start(layout), rows)
    boxes = layout.box_entries()
    assert torch.equal(adapted.theta[:, boxes], theta.expand(2, -1)[:, boxes])
    assert (adapted.theta[:, ~boxes] != theta[~boxes]).any()
    assert adapted.dropped.tolist() == [0, 0]


def test_a_sample_of_no_weight_is_not_there() -> None:
    torch.manual_seed(7)
    layout = layout_of()
    learner, theta, rows = bound(layout), start(layout), random_rows(layout, 2, 3)
    weights = torch.tensor([[0.5, 0.0, 0.5]] * 2, dtype=torch.float64)
    without = rows.at((slice(None), [0, 2]))
    torch.testing.assert_close(learner.adapt(theta, rows, weights).theta, learner.adapt(theta, without).theta)


def test_no_target_and_no_sample() -> None:
    layout = layout_of()
    for learner in (bound(layout), bound(layout, loss=dict(type='mmgtrack.BranchingLoss'))):
        nobody = learner.adapt(start(layout), random_rows(layout, 0, 2))
        assert nobody.theta.shape == (0, layout.size)
        assert nobody.losses.shape == nobody.dropped.shape == (0,)
        theta = start(layout, 2)
        assert torch.equal(learner.adapt(theta, random_rows(layout, 2, 0)).theta, theta)


# precisions


def test_autocast_is_left_out() -> None:
    torch.manual_seed(8)
    layout = layout_of()
    learner = bound(layout)
    theta = start(layout).float()
    support, query = (random_rows(layout, 2, 2, dtype=torch.float32) for _ in range(2))
    expected = outer_gradients(learner, theta, support, query)
    found = outer_gradients(learner, theta, support, query, is_mixed=True)
    assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_features_are_read_in_full_precision(dtype: torch.dtype) -> None:
    torch.manual_seed(9)
    layout = layout_of()
    learner = bound(layout)
    rows = random_rows(layout, 2, 2, dtype=torch.float32)
    half = rows._replace(features=tuple(part.to(dtype) for part in rows.features))
    wide = half._replace(features=tuple(part.float() for part in half.features))
    theta = start(layout)
    for given_theta in (theta.float(), theta.to(dtype)):
        found, expected = (learner.adapt(given_theta, given) for given in (half, wide))
        assert found.theta.dtype == torch.float32
        assert torch.equal(found.theta, expected.theta)
    read = [part.clone().requires_grad_() for part in half.features]
    adapted = learner.adapt(theta.float(), half._replace(features=tuple(read)))
    adapted.theta.square().sum().backward()
    assert all(part.grad is not None and part.grad.dtype == dtype and part.grad.any() for part in read)


def test_works_in_inference_mode() -> None:
    torch.manual_seed(10)
    layout = layout_of()
    learner, theta, rows = bound(layout), start(layout), random_rows(layout, 2, 2)
    expected = learner.adapt_first(theta, rows).theta
    assert not expected.requires_grad
    with torch.inference_mode():
        torch.testing.assert_close(learner.adapt_first(theta, rows).theta, expected)


# Eq. 4


@pytest.mark.parametrize('weight', [0.0, 0.3, 1.0])
@pytest.mark.parametrize('steps', [1, 2])
def test_anchored_updates_mix_two_updates(weight: float, steps: int) -> None:
    torch.manual_seed(11)
    layout = layout_of()
    learner = bound(layout, anchor_weight=weight, online_steps=steps)
    theta, anchor, rows = start(layout, 2), start(layout, 2), random_rows(layout, 2, 3)
    own, far = (learner.adapt(given, rows, steps=steps).theta for given in (theta, anchor))
    found = learner.anchored(theta, anchor, rows)
    torch.testing.assert_close(found.theta, weight * far + (1 - weight) * own)
    torch.testing.assert_close(found.losses, learner.loss(theta, rows))


def test_what_the_anchor_is() -> None:
    layout = layout_of()
    initial, first = start(layout), start(layout, 2)
    assert torch.equal(bound(layout, anchor='initial').anchor_of(initial, first), initial.expand(2, -1))
    assert bound(layout, anchor='first').anchor_of(initial, first) is first


# what is no number


def spoilt(rows: HeadRows, target: int, value: float) -> HeadRows:
    features = tuple(part.clone() for part in rows.features)
    features[0][target, 0, 0, 0] = value
    return rows._replace(features=features)


@LAYOUTS
@pytest.mark.parametrize('value', [float('nan'), float('inf'), 1e200])
@pytest.mark.parametrize('loss', ['HeadLoss', 'BranchingLoss'])
def test_a_step_that_is_no_number_is_dropped_and_counted(layout: HeadLayout, value: float, loss: str) -> None:
    torch.manual_seed(12)
    learner = bound(layout, anchor_weight=0.5, loss=dict(type=f'mmgtrack.{loss}'))
    theta, anchor, rows = start(layout, 3), start(layout, 3), random_rows(layout, 3, 2)
    bad = spoilt(rows, 1, value)
    for good, found in (
        (learner.adapt_first(theta, rows), learner.adapt_first(theta, bad)),
        (learner.anchored(theta, anchor, rows), learner.anchored(theta, anchor, bad)),
    ):
        assert torch.equal(found.theta[1], theta[1]) or value == 1e200
        assert found.theta.isfinite().all()
        torch.testing.assert_close(found.theta[[0, 2]], good.theta[[0, 2]], rtol=1e-12, atol=1e-14)
        assert found.dropped[[0, 2]].tolist() == [0, 0]
    if value != 1e200:
        assert learner.adapt_first(theta, bad).dropped.tolist() == [0, 5, 0]
        assert learner.anchored(theta, anchor, bad).dropped.tolist() == [0, 2, 0]


@pytest.mark.parametrize('second_order', [True, False])
@pytest.mark.parametrize('loss', ['HeadLoss', 'BranchingLoss'])
@pytest.mark.parametrize('targets', [[1], [0, 1, 2]])
def test_training_goes_on_around_a_step_that_is_no_number(
    second_order: bool, loss: str, targets: list[int]
) -> None:
    """The gradient of the outer loss is that of the others, and of the plain loss of the target at fault."""
    torch.manual_seed(13)
    layout = layout_of()
    learner = bound(layout, second_order=second_order, inner_steps=2, loss=dict(type=f'mmgtrack.{loss}'))
    support, query = random_rows(layout, 3, 2), random_rows(layout, 3, 1)
    bad = support
    for target in targets:
        bad = spoilt(bad, target, float('inf'))
    theta = start(layout).requires_grad_()
    adapted = learner.adapt(theta, bad)
    assert adapted.dropped.tolist() == [2 * (b in targets) for b in range(3)]
    (found,) = torch.autograd.grad(learner.loss(adapted.theta, query).sum(), theta)
    expected = torch.zeros_like(theta)
    for b in range(3):
        own = slice(b, b + 1)
        after = learner.adapt(theta, support.at(own), steps=0 if b in targets else 2).theta
        expected += torch.autograd.grad(learner.loss(after, query.at(own)).sum(), theta)[0]
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)


@settings(max_examples=20, deadline=None)
@given(rate=st.sampled_from([1e-3, 1.0, 1e6, 1e30, 1e300]), size=st.sampled_from([1.0, 1e3, 1e18]))
def test_parameters_stay_finite_whatever_the_rate(rate: float, size: float) -> None:
    torch.manual_seed(14)
    layout = layout_of()
    learner = bound(layout, inner_lr=rate)
    rows = random_rows(layout, 2, 2, dtype=torch.float32)
    rows = rows._replace(features=tuple(size * part for part in rows.features))
    first = learner.adapt_first(start(layout).float(), rows)
    later = learner.anchored(first.theta, start(layout, 2).float(), rows)
    assert first.theta.isfinite().all()
    assert later.theta.isfinite().all()


@pytest.mark.parametrize(
    ('options', 'words'),
    [
        (dict(inner_steps=-1), 'inner_steps is a whole number, 0 or more, got -1'),
        (dict(first_steps=-2), 'first_steps is a whole number, 0 or more, got -2'),
        (dict(online_steps=-1), 'online_steps is a whole number, 0 or more, got -1'),
        (dict(inner_lr=0.0), 'above 0, got 0.0'),
        (dict(inner_lr=float('nan')), 'above 0, got nan'),
        (dict(anchor_weight=1.1), 'between 0 and 1, got 1.1'),
        (dict(anchor='last'), "first, initial, got 'last'"),
    ],
)
def test_options_that_cannot_be(options: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        MetaLearner(**options)


# several processes

PROCESS = """
import sys

import torch
from torch.nn.parallel import DistributedDataParallel

from tests.models.test_meta_learner import Few, few_gradients, few_rows

rank, folder, is_mixed = int(sys.argv[1]), sys.argv[2], sys.argv[3] == 'mixed'
torch.distributed.init_process_group('gloo', f'file://{folder}/meet', rank=rank, world_size=2)
gradients = few_gradients(DistributedDataParallel(Few()), *few_rows(slice(2 * rank, 2 * rank + 2)), is_mixed)
torch.save(gradients, f'{folder}/{rank}.pth')
torch.distributed.barrier()
torch.distributed.destroy_process_group()
"""


class Few(torch.nn.Module):
    """A trunk of one layer in front of a head that adapts; the loss is the mean over the targets."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(15)
        self.layout = layout_of()
        self.trunk = torch.nn.Linear(4, 4)
        for kind, index in (('cls', 0), ('reg', 1)):
            sizes = [
                (group[index].inputs, group.slots * group[index].outputs) for group in self.layout.groups
            ]
            self.add_module(kind, torch.nn.ModuleList(torch.nn.Linear(*size) for size in sizes))
        self.learner = bound(self.layout, inner_steps=2)

    def forward(self, support: HeadRows, query: HeadRows) -> Tensor:
        theta = self.layout.gather(dict(self.named_parameters()))
        adapted = self.learner.adapt(theta, self.read(support))
        return self.learner.loss(adapted.theta, self.read(query)).mean()

    def read(self, rows: HeadRows) -> HeadRows:
        return rows._replace(features=(*rows.features[:2], self.trunk(rows.features[2])))


def few_rows(targets: slice) -> list[HeadRows]:
    """Support and query rows of some of four targets."""
    torch.manual_seed(16)
    return [random_rows(layout_of(), 4, count, dtype=torch.float32).at(targets) for count in (2, 1)]


def few_gradients(model: torch.nn.Module, support: HeadRows, query: HeadRows, is_mixed: bool) -> list[Tensor]:
    with torch.autocast('cpu', torch.bfloat16, enabled=is_mixed):
        loss = model(support, query)
    loss.backward()
    return [part.grad for part in model.parameters() if part.grad is not None]


@pytest.mark.parametrize('precision', ['mixed', 'full'])
def test_two_processes_have_the_gradients_of_one(tmp_path: Path, precision: str) -> None:
    command = [sys.executable, '-c', PROCESS]
    started = [
        subprocess.Popen([*command, str(rank), str(tmp_path), precision], cwd=ROOT) for rank in range(2)
    ]
    try:
        expected = few_gradients(Few(), *few_rows(slice(None)), precision == 'mixed')
        assert [process.wait(timeout=300) for process in started] == [0, 0]
    finally:
        for process in started:
            process.kill()
    assert len(expected) == 10
    tolerance = dict(rtol=1e-5, atol=1e-7) if precision == 'full' else dict(rtol=2e-2, atol=2e-3)
    for rank in range(2):
        for found, own in zip(torch.load(tmp_path / f'{rank}.pth'), expected, strict=True):
            assert own.any()
            torch.testing.assert_close(found, own, **tolerance)
