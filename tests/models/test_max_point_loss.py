"""The max-point loss: closed forms, a slow plain reference, training from both ends, what it refuses."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import mmgtrack  # noqa: F401  (operator stand-in before mmdet)
from mmgtrack.errors import InputError
from mmgtrack.models import MaxPointLoss
from mmgtrack.models.point_track.box_cells import cells_of_boxes
from mmgtrack.models.point_track.max_point_loss import top_cells

SIZE = (32, 48)  # of the images, height and width
STRIDE = 8
BOX = (9.0, 9.0, 26.0, 23.0)  # at stride 8 the points of cells 7 and 8: x = 12, 20 and y = 12; y = 20
IN_BOX = [(1, 1), (1, 2), (2, 1), (2, 2)]
RULES = [dict(num_points=1), dict(num_points=4), dict(num_points=256, dead_zone=False)]


def boxes_of(*boxes: Sequence[float]) -> Tensor:
    return torch.tensor(boxes, dtype=torch.float64).reshape(-1, 4)


def filled(value: float, **cells: float) -> Tensor:
    """One map of equal logits, but for the cells named r{row}c{column}."""
    logits = torch.full((1, 1, SIZE[0] // STRIDE, SIZE[1] // STRIDE), value, dtype=torch.float64)
    for name, other in cells.items():
        row, column = map(int, name[1:].split('c'))
        logits[0, 0, row, column] = other
    return logits.requires_grad_()


def lost(logits: Tensor, *boxes: Sequence[float], **options: Any) -> tuple[float, Tensor]:
    """Loss and gradient of one map."""
    logits = logits.detach().requires_grad_()
    loss = MaxPointLoss(**options)([logits], [boxes_of(*boxes)], [STRIDE], [SIZE])
    loss.backward()
    assert logits.grad is not None
    return loss.item(), logits.grad[0, 0]


# ---- closed forms ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ('inside', 'outside', 'options', 'expected'),
    [
        (0, 0, {}, 2 * math.log(2)),
        (2, -2, {}, 0),
        (2, -2, dict(dead_zone=False), 0.253856),
        (-1, 1, {}, 2.626523),
        (-1, -1, {}, 1.313262),
        (1, 1, {}, 1.313262),
        (-1, 1, dict(loss_weight=0.5), 2.626523 / 2),
        (-1, 1, dict(num_points=4), 2.626523),
        (1, 2, dict(only_maximum=True), 2.126928),  # the maximum is outside: softplus(2)
        (-1, -2, dict(only_maximum=True), 1.313262),  # inside: softplus(1)
        (2, 1, dict(only_maximum=True), 0),
    ],
)
def test_closed_forms(inside: float, outside: float, options: dict[str, Any], expected: float) -> None:
    logits = filled(outside, **{f'r{row}c{column}': inside for row, column in IN_BOX})
    assert lost(logits, BOX, **options)[0] == pytest.approx(expected, abs=1e-6)


def test_gradients_of_a_map_of_zeros() -> None:
    loss, gradient = lost(filled(0), BOX)
    assert loss == pytest.approx(2 * math.log(2))
    assert {tuple(cell): gradient[tuple(cell)].item() for cell in gradient.nonzero().tolist()} == {
        (0, 0): 0.5,  # the first outside
        (1, 1): -0.5,  # the first inside
    }


@pytest.mark.parametrize('dead_zone', [True, False])
def test_a_point_on_the_right_side_trains_only_without_the_dead_zone(dead_zone: bool) -> None:
    _, gradient = lost(filled(-3, r1c2=1.5, r3c3=-1.0), BOX, dead_zone=dead_zone)
    if dead_zone:
        assert not gradient.any()
    else:
        assert gradient[1, 2].item() == pytest.approx(1 / (1 + math.exp(-1.5)) - 1)
        assert gradient[3, 3].item() == pytest.approx(1 / (1 + math.exp(1.0)))
        assert gradient.count_nonzero() == 2


def test_the_k_highest_share_the_gradient() -> None:
    logits = filled(-9, r1c1=-1, r2c2=-2, r1c2=-3, r0c0=3, r3c5=2, r0c5=-1)
    loss, gradient = lost(logits, BOX, num_points=3)
    positive = [math.log1p(math.exp(z)) for z in (1, 2, 3)]
    negative = [math.log1p(math.exp(z)) for z in (3, 2)]  # the third is on the right side
    assert loss == pytest.approx(sum(positive) / 3 + sum(negative) / 3)
    found = {tuple(cell) for cell in gradient.nonzero().tolist()}
    assert found == {(1, 1), (2, 2), (1, 2), (0, 0), (3, 5)}
    assert gradient[0, 0].item() == pytest.approx(1 / (1 + math.exp(-3)) / 3)


def test_fewer_cells_than_points_are_averaged_over_what_is_there() -> None:
    loss, gradient = lost(filled(-1), BOX, num_points=16)
    assert loss == pytest.approx(math.log1p(math.e))
    assert gradient.count_nonzero() == 4 and gradient.sum().item() == pytest.approx(-1 / (1 + math.exp(-1)))


# ---- training --------------------------------------------------------------------------------------


def trained(start: float, jitter: float = 0.01, steps: int = 400, **options: Any) -> tuple[float, float]:
    """Highest p in the box and outside it after gradient descent on the cells of one map themselves."""
    generator = torch.Generator().manual_seed(0)
    logits = start + jitter * torch.randn(1, 1, 4, 6, generator=generator, dtype=torch.float64)
    logits.requires_grad_()
    loss = MaxPointLoss(**options)
    optimizer = torch.optim.SGD([logits], lr=1.0)
    for _ in range(steps):
        optimizer.zero_grad()
        loss([logits], [boxes_of(BOX)], [STRIDE], [SIZE]).backward()
        optimizer.step()
    inside = cells_of_boxes([logits], [boxes_of(BOX)], [STRIDE], [SIZE])[0].inside[0]
    p = logits.detach().sigmoid().flatten()
    return p[inside].max().item(), p[~inside].max().item()


@pytest.mark.parametrize('options', RULES, ids=['1', '4', 'of the configs'])
@pytest.mark.parametrize('start', [-6.0, 6.0], ids=['all 0', 'all 1'])
def test_training_leaves_both_degenerate_starts(start: float, options: dict[str, Any]) -> None:
    inside, outside = trained(start, **options)
    assert outside < 0.5 < inside


def convolution_trained(start: float, seed: int, only_maximum: bool) -> tuple[float, float]:
    """The same for a 1x1 convolution that could tell the target by one of its channels.

    Cells share its numbers, as those of a network do; the background differs from cell to cell.
    """
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(1, 6, 16, 16, generator=generator)
    features[:, 0] = 0
    features[:, :, 4:6, 4:6] = torch.eye(6)[0, :, None, None]
    convolution = torch.nn.Conv2d(6, 1, 1)
    torch.nn.init.constant_(convolution.bias, start)
    convolution.weight.data = 0.01 * torch.randn(1, 6, 1, 1, generator=generator)
    loss = MaxPointLoss(only_maximum=only_maximum)
    optimizer = torch.optim.SGD(convolution.parameters(), lr=0.2)
    for _ in range(150):
        optimizer.zero_grad()
        loss([convolution(features)], [boxes_of((32, 32, 48, 48))], [8], [(128, 128)]).backward()
        optimizer.step()
    p = convolution(features)[0, 0].sigmoid().detach()
    in_box = p[4:6, 4:6].max().item()
    p[4:6, 4:6] = 0
    return in_box, p.max().item()


@pytest.mark.parametrize('seed', [0, 1, 2])
@pytest.mark.parametrize('start', [-6.0, 0.0], ids=['all 0', 'all 0.5'])
def test_the_maximum_alone_collapses(start: float, seed: int) -> None:
    """The note: it is outside the box at first, so that all goes to 0, the target too, and stays there."""
    inside, outside = convolution_trained(start, seed, only_maximum=True)
    assert inside < outside < 0.5
    inside, outside = convolution_trained(start, seed, only_maximum=False)
    assert outside < inside and inside > 0.5


# ---- nothing to train ------------------------------------------------------------------------------


@pytest.mark.parametrize('only_maximum', [False, True])
@pytest.mark.parametrize(
    ('logits', 'boxes'),
    [
        (filled(-1, r1c1=1), [BOX]),
        (filled(-1), []),
        (filled(-1), [(60, 60, 90, 90)]),  # outside the image: the target is absent
        (filled(1), [(0, 0, 48, 32)]),  # all in the box, and solved
    ],
    ids=['solved', 'no box', 'box outside', 'box is all'],
)
def test_zero_is_part_of_the_graph(logits: Tensor, boxes: list[Any], only_maximum: bool) -> None:
    loss, gradient = lost(logits, *boxes, only_maximum=only_maximum)
    assert loss == 0 and gradient.shape == logits.shape[2:] and not gradient.any()


def test_a_batch_without_boxes_trains_the_background() -> None:
    logits = torch.ones(3, 1, 4, 6, requires_grad=True)
    loss = MaxPointLoss()([logits], [boxes_of()] * 3, [STRIDE], [SIZE] * 3)
    loss.backward()
    assert loss.item() == pytest.approx(math.log1p(math.e))
    assert logits.grad is not None and logits.grad.flatten(1).count_nonzero(1).tolist() == [1, 1, 1]


def test_an_image_smaller_than_a_cell_has_no_cell() -> None:
    """3 pixels wide at stride 8: the first point is at 4."""
    logits = torch.zeros(2, 1, 1, 1, requires_grad=True)
    loss = MaxPointLoss()([logits], [boxes_of((0, 0, 2, 2))] * 2, [8], [(3, 3), (8, 8)])
    loss.backward()
    assert loss.item() == pytest.approx(math.log(2) / 2)  # the second image's box, which fills its map
    assert logits.grad is not None and logits.grad.flatten().tolist() == [0, -0.25]


# ---- which cells -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ('box', 'cells'),
    [
        (BOX, IN_BOX),
        ((12, 12, 20, 20), [(1, 1)]),  # x1 <= x < x2
        ((12.01, 12, 20.01, 20), [(1, 2)]),
        ((13, 13, 19, 19), [(2, 2)]),  # between the points: the cell of its centre, 16
        ((13, 9, 15, 23), [(2, 1)]),  # narrow and high: too
        ((-30, -30, 5, 5), [(0, 0)]),
        ((45, 30, 90, 90), [(3, 5)]),
        ((47.9, 31.9, 48, 32), [(3, 5)]),
        ((0, 0, 48, 32), [(i, j) for i in range(4) for j in range(6)]),
        ((48, 0, 60, 20), []),  # outside
        ((20, 20, 20, 20), []),  # empty
        ((26, 9, 9, 23), []),  # inverted
        ((-9, -9, 0, 0), []),
    ],
)
def test_cells_of_a_box(box: tuple[float, ...], cells: list[tuple[int, int]]) -> None:
    (found,) = cells_of_boxes([filled(0)], [boxes_of(box)], [STRIDE], [SIZE])
    assert [tuple(cell) for cell in found.inside.reshape(4, 6).nonzero().tolist()] == cells
    assert found.num_boxes().tolist() == [int(bool(cells))]
    assert not (found.background() & found.inside).any()
    assert (found.background() | found.inside).all()


def test_a_tiny_box_at_the_edge_of_the_padding_has_the_last_valid_cell() -> None:
    """A valid width of 43 ends before the point of column 5, at 44."""
    (found,) = cells_of_boxes([filled(0)], [boxes_of((41, 1, 43, 3))], [STRIDE], [(32, 43)])
    assert found.inside[0].nonzero()[:, 0].tolist() == [4]
    assert found.valid.reshape(4, 6).sum(1).tolist() == [5] * 4


# ---- precision -------------------------------------------------------------------------------------


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision_is_summed_in_single(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    logits = torch.randn(3, 1, 4, 6).to(dtype).requires_grad_()
    boxes = [boxes_of(BOX), boxes_of(), boxes_of(BOX, (0, 0, 3, 3))]
    loss = MaxPointLoss(num_points=3)
    found = loss([logits], boxes, [STRIDE], [SIZE] * 3)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, loss([logits.float()], boxes, [STRIDE], [SIZE] * 3), rtol=0, atol=0)
    found.backward()
    assert logits.grad is not None and logits.grad.dtype == dtype and logits.grad.any()
    with torch.autocast('cpu', dtype=torch.bfloat16):
        torch.testing.assert_close(loss([logits], boxes, [STRIDE], [SIZE] * 3), found, rtol=0, atol=0)


@pytest.mark.parametrize('place', ['valid', 'padding'])
def test_a_logit_that_is_not_a_number_is_seen_unless_it_is_padding(place: str) -> None:
    logits = filled(-1, **{'r0c0' if place == 'valid' else 'r0c5': math.nan})
    loss = MaxPointLoss(num_points=24)([logits], [boxes_of(BOX)], [STRIDE], [(32, 40)])
    loss.backward()
    assert logits.grad is not None
    assert loss.isnan() == logits.grad.isnan().any() == (place == 'valid')


# ---- a slow plain reference ------------------------------------------------------------------------


def plain_loss(
    maps: list[np.ndarray],
    boxes: list[np.ndarray],
    strides: list[int],
    shapes: list[tuple[int, int]],
    k: int,
    dead_zone: bool,
    shares: np.ndarray,
) -> tuple[float, list[np.ndarray], int]:
    """Loss, gradients, and how many cells were trained at most, cell by cell by the rules of the note."""
    total, gradients, most = 0.0, [np.zeros_like(m) for m in maps], 0
    for level, stride in enumerate(strides):
        for image, (height, width) in enumerate(shapes):
            logits, gradient = maps[level][image], gradients[level][image]
            rows, columns = logits.shape
            valid = [
                (i, j)
                for i in range(rows)
                for j in range(columns)
                if (i + 0.5) * stride < height and (j + 0.5) * stride < width
            ]
            parts = []
            for x1, y1, x2, y2 in boxes[image]:
                x1, y1, x2, y2 = max(x1, 0), max(y1, 0), min(x2, width), min(y2, height)
                if x2 <= x1 or y2 <= y1:
                    continue
                inside = [
                    (i, j)
                    for i, j in valid
                    if x1 <= (j + 0.5) * stride < x2 and y1 <= (i + 0.5) * stride < y2
                ]
                if not inside and valid:
                    last = valid[-1]
                    centre = (y1 + y2) / 2 // stride, (x1 + x2) / 2 // stride
                    inside = [(min(int(centre[0]), last[0]), min(int(centre[1]), last[1]))]
                parts.append(inside)
            covered = {cell for part in parts for cell in part}
            jobs = [(part, -1, 1 / len(parts)) for part in parts]
            jobs.append(([cell for cell in valid if cell not in covered], 1, 1.0))
            for cells, sign, weight in jobs:
                best = sorted(cells, key=lambda cell: (-logits[cell], cell))[:k]
                most += len(best)
                for cell in best:
                    wrong = sign * logits[cell]
                    if wrong >= 0 or not dead_zone:
                        share = weight * shares[image] / len(best) / len(strides)
                        total += share * np.logaddexp(0, wrong)
                        gradient[cell] += share * sign / (1 + np.exp(-wrong))
    return total, gradients, most


@st.composite
def problems(draw: st.DrawFn) -> dict[str, Any]:
    """Maps of whole and half logits (ties, and exact zeros), boxes of every size, in and out of the image."""
    strides = draw(st.sampled_from([[8], [4, 16], [8, 16, 32]]))
    images, k = draw(st.integers(1, 3)), draw(st.integers(1, 5) | st.just(256))
    shapes = [(draw(st.integers(3, 40)), draw(st.integers(3, 50))) for _ in range(images)]
    padded = [max(side) + draw(st.integers(0, 9)) for side in zip(*shapes, strict=True)]
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    sizes = [[-(-side // stride) for side in padded] for stride in strides]
    maps = [rng.integers(-4, 5, (images, *size)) / 2 for size in sizes]
    if draw(st.booleans()):  # without ties
        maps = [m + 0.1 * rng.standard_normal(m.shape) for m in maps]
    boxes = []
    for _ in range(images):
        count = rng.integers(0, 4)
        corner = rng.uniform(-10, 50, (count, 2))
        boxes.append(np.concatenate([corner, corner + np.exp(rng.uniform(-1, 4, (count, 2)))], 1))
    shares = rng.uniform(0.1, 1, images)
    return dict(
        maps=maps,
        boxes=boxes,
        strides=strides,
        shapes=shapes,
        k=k,
        dead_zone=draw(st.booleans()),
        shares=shares / shares.sum(),
    )


def ours(problem: dict[str, Any]) -> tuple[Tensor, list[Tensor]]:
    maps = [torch.from_numpy(m)[:, None].clone().requires_grad_() for m in problem['maps']]
    loss = MaxPointLoss(num_points=problem['k'], dead_zone=problem['dead_zone'])(
        maps,
        [torch.from_numpy(each) for each in problem['boxes']],
        problem['strides'],
        problem['shapes'],
        torch.from_numpy(problem['shares']),
    )
    return loss.detach(), [g[:, 0] for g in torch.autograd.grad(loss, maps)]


@given(problems())
@settings(max_examples=60, deadline=None)
def test_agrees_with_a_plain_reference(problem: dict[str, Any]) -> None:
    loss, gradients = ours(problem)
    expected, expected_gradients, most = plain_loss(**problem)
    assert loss.item() == pytest.approx(expected, abs=1e-9)
    for found, gradient in zip(gradients, expected_gradients, strict=True):
        np.testing.assert_allclose(found.numpy(), gradient, atol=1e-9)
    assert sum(int(g.count_nonzero()) for g in gradients) <= most


@given(problems(), st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_neither_padding_nor_the_order_of_boxes_matters(problem: dict[str, Any], seed: int) -> None:
    rng = np.random.default_rng(seed)
    maps = []
    for logits, stride in zip(problem['maps'], problem['strides'], strict=True):
        y, x = ((np.arange(n) + 0.5) * stride for n in logits.shape[1:])
        heights, widths = np.array(problem['shapes']).T[..., None]
        padding = (y >= heights)[:, :, None] | (x >= widths)[:, None]
        maps.append(np.where(padding, rng.uniform(-9, 9, logits.shape), logits))
    boxes = [rng.permutation(each) for each in problem['boxes']]
    for found, expected in zip(ours({**problem, 'maps': maps, 'boxes': boxes}), ours(problem), strict=True):
        torch.testing.assert_close(found, expected)


@given(problems(), st.integers(0, 2), st.floats(0.5, 4))
@settings(max_examples=30, deadline=None)
def test_shares_weigh_images(problem: dict[str, Any], image: int, factor: float) -> None:
    image %= len(problem['shares'])
    _, plain = ours(problem)
    problem['shares'][image] *= factor
    _, weighed = ours(problem)
    for one, other in zip(plain, weighed, strict=True):
        one[image] *= factor
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize('num_points', [1, 4])
def test_the_area_of_a_box_does_not_count(num_points: int) -> None:
    """The same points are the highest in a box of 4 cells and in one of 16: loss and gradient are equal."""
    logits = filled(-5, r1c1=-1, r1c2=-0.5, r2c1=-2, r2c2=-3, r3c5=1)
    small = lost(logits, BOX, num_points=num_points)
    large = lost(logits, (0, 0, 32, 32), num_points=num_points)
    assert small[0] == large[0]
    torch.testing.assert_close(small[1], large[1], rtol=0, atol=0)
    # another box, of one cell
    together = lost(logits, BOX, (33, 1, 39, 7), num_points=num_points)[0]
    outside = math.log1p(math.exp(1)) / num_points
    assert together == pytest.approx(outside + (small[0] - outside + math.log1p(math.exp(5))) / 2)


@given(st.integers(1, 40), st.integers(1, 6), st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_top_cells_are_those_of_a_stable_sort(size: int, count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    logits = rng.choice([-np.inf, -1.0, 0.0, 0.5, 2.0], (3, size))
    cells = rng.random((3, size)) < rng.random((3, 1))
    found = top_cells(torch.from_numpy(logits), torch.from_numpy(cells), count)
    for row, among, index, exists in zip(logits, cells, *found, strict=True):
        best = sorted(among.nonzero()[0], key=lambda cell: (-row[cell], cell))[:count]
        assert sorted(index[exists].tolist()) == sorted(best)


# ---- bad input -------------------------------------------------------------------------------------


@pytest.mark.parametrize('num_points', [0, -1, 1.5, '4', None, True])
def test_a_number_of_points_that_cannot_be_is_refused(num_points: Any) -> None:
    with pytest.raises(InputError, match='num_points must be a whole number of at least 1'):
        MaxPointLoss(num_points=num_points)


def given_arguments() -> dict[str, Any]:
    """Two images of 32x48 pixels at two strides, which fit."""
    return dict(
        maps=[torch.zeros(2, 1, 4, 6), torch.zeros(2, 1, 2, 3)],
        boxes=[boxes_of(BOX), boxes_of()],
        strides=[8, 16],
        shapes=[SIZE, SIZE],
    )


def test_arguments_that_fit() -> None:
    assert MaxPointLoss()(**given_arguments()).item() == pytest.approx(1.5 * math.log(2))


Change = Callable[[dict[str, Any]], dict[str, Any]]


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (lambda a: dict(boxes=[boxes_of((0, 0, math.nan, 4)), boxes_of()]), r'boxes, got \[\[0.0, 0.0, nan'),
        (lambda a: dict(boxes=[boxes_of((0, 0, math.inf, 4)), boxes_of()]), 'finite boxes'),
        (lambda a: dict(boxes=[torch.zeros(4), boxes_of()]), r'boxes \(n, 4\) of each image, got \(4,\)'),
        (lambda a: dict(boxes=[torch.zeros(1, 5), boxes_of()]), r'got \(1, 5\)'),
        (lambda a: dict(boxes=a['boxes'][:1]), 'boxes and a shape for each of 1 or more images, got 1 and 2'),
        (lambda a: dict(boxes=[], shapes=[]), 'each of 1 or more images, got 0 and 0'),
        (lambda a: dict(maps=a['maps'][:1]), 'a map for each stride, got 1 maps'),
        (lambda a: dict(maps=[], strides=[]), 'a map for each stride, got 0 maps'),
        (lambda a: dict(maps=[m[:1] for m in a['maps']]), r'maps of 2 images, got \(1, 1, 4, 6\)'),
        (lambda a: dict(maps=[m[:, 0, 0] for m in a['maps']]), r'maps of 2 images, got \(2, 6\)'),
        (lambda a: dict(maps=[m.repeat(1, 2, 1, 1) for m in a['maps']]), r'maps \(B, 1, H, W\), got'),
        (lambda a: dict(maps=[m[:, 0] for m in a['maps']]), r'maps \(B, 1, H, W\), got'),
        (lambda a: dict(strides=[8, 8]), r'sizes \[\(4, 6\), \(2, 3\)\] at strides \[8, 8\]'),
        (lambda a: dict(strides=[16, 16]), 'maps of one size in pixels'),
        (lambda a: dict(strides=[16, 32], shapes=[SIZE, (65, 48)]), r'holds images \(h, w\)'),
        (lambda a: dict(strides=[0, 0]), 'maps of one size in pixels'),
        (lambda a: dict(shares=torch.ones(1)), r'expected 2 shares, one an image, got \(1,\)'),
        (lambda a: dict(shares=torch.ones(3)), r'got \(3,\)'),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(change: Change, message: str) -> None:
    arguments = given_arguments()
    with pytest.raises(InputError, match=message) as raised:
        MaxPointLoss()(**{**arguments, **change(arguments)})
    assert '\n' not in str(raised.value)
