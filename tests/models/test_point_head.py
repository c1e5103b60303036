"""PointTrack's heads: where points and boxes come out, what their losses weigh, what they refuse."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from mmengine.config import ConfigDict
from mmengine.structures import InstanceData
from torch import Tensor

import mmgtrack  # noqa: F401  (operator stand-in before mmdet)
from mmgtrack.errors import InputError
from mmgtrack.models import CentreHead, MaxPointLoss, PointHead
from mmgtrack.models.point_track.peaks import highest_peaks, shifts_between_cells
from mmgtrack.models.point_track.point_head import PointMaps
from mmgtrack.registry import MODELS

STRIDES = [4, 8, 16]
SIZE = (100, 148)  # of the image; no multiple of 8 or 16
LIMITS = torch.tensor([[148.0, 100.0, 148.0, 100.0]], dtype=torch.float64)
BOXES = [(40, 30, 48, 38), (20, 10, 120, 90), (61.5, 40.25, 64.5, 43), (90, 60, 148, 100), (0, 0, 30, 70)]


def head(max_per_img: int = 5, iou: float = 0.5, **options: Any) -> PointHead:
    torch.manual_seed(0)
    built = MODELS.build(
        dict(
            type='mmgtrack.PointHead',
            in_channels=4,
            feat_channels=4,
            strides=STRIDES,
            test_cfg=ConfigDict(max_per_img=max_per_img, nms=dict(type='nms', iou_threshold=iou)),
            **options,
        )
    )
    assert isinstance(built, PointHead)
    built.init_weights()
    return built


def sizes_of(strides: Sequence[int], size: tuple[int, int] = SIZE) -> list[tuple[int, int]]:
    return [(math.ceil(size[0] / s), math.ceil(size[1] / s)) for s in strides]


def points_of(strides: Sequence[int]) -> list[tuple[Tensor, Tensor]]:
    """x (1, W) and y (H, 1) of the cells of each level."""
    return [
        ((torch.arange(w).double()[None] + 0.5) * s, (torch.arange(h).double()[:, None] + 0.5) * s)
        for s, (h, w) in zip(strides, sizes_of(strides), strict=True)
    ]


def feature_maps(pairs: int = 1, strides: Sequence[int] = STRIDES) -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(pairs, 4, *size, generator=generator) for size in sizes_of(strides)]


def distances_to(box: Sequence[float], strides: Sequence[int] = STRIDES) -> list[Tensor]:
    """(1, 4, H, W) a level: every cell says this box."""
    x1, y1, x2, y2 = box
    return [
        torch.stack(torch.broadcast_tensors(x - x1, y - y1, x2 - x, y2 - y))[None]
        for x, y in points_of(strides)
    ]


def flat_logits(value: float = -4.0, strides: Sequence[int] = STRIDES) -> list[Tensor]:
    return [torch.full((1, 1, *size), value, dtype=torch.float64) for size in sizes_of(strides)]


def peaked(box: Sequence[float]) -> tuple[PointMaps, Tensor]:
    """Outputs that say this box, with the highest point in the cell that holds its centre; and that point."""
    centre = torch.tensor([box[0] + box[2], box[1] + box[3]]).double() / 2
    column, row = (centre / STRIDES[0]).long().tolist()
    logits = flat_logits()
    logits[0][0, 0, row, column] = 9
    point = (torch.tensor([column, row]).double() + 0.5) * STRIDES[0]
    return PointMaps(logits, distances_to(box)), point


def truth(*box: float) -> InstanceData:
    boxes = torch.tensor([box] if box else [], dtype=torch.float32).reshape(-1, 4)
    return InstanceData(bboxes=boxes, labels=torch.zeros(len(boxes), dtype=torch.long))


# ---- points and boxes ------------------------------------------------------------------------------


def test_a_point_stays_where_it_is_on_every_level() -> None:
    """Maps that are the same linear function of their cells' points fuse to that function."""
    levels = [(0.02 * x - 0.03 * y)[None, None] for x, y in points_of(STRIDES)]
    fused = head().fuse(levels, torch.tensor([[160.0, 112, 160, 112]]))  # the point of every cell is inside
    assert fused.shape == levels[0].shape
    x, y = points_of(STRIDES)[0]
    around = (x >= STRIDES[-1] / 2) & (
        y >= STRIDES[-1] / 2
    )  # nearer to the edge there is only one coarse cell
    torch.testing.assert_close(fused[0, 0][around], levels[0][0, 0][around])


@pytest.mark.parametrize('box', BOXES)
def test_the_exact_box_comes_out(box: Sequence[float]) -> None:
    outputs, point = peaked(box)
    found = head().detect(outputs, LIMITS)
    expected = torch.tensor(box, dtype=torch.float64)
    torch.testing.assert_close(found.boxes[0, 0], expected)
    p = torch.tensor((9 - 2 * 4) / 3, dtype=torch.float64).sigmoid()
    torch.testing.assert_close(found.scores[0, 0], p)
    at = head().find_points(outputs, LIMITS)
    assert at.boxes[0, 0].tolist() == [*point.tolist(), *point.tolist()] and at.valid[0, 0]


@pytest.mark.parametrize(
    ('side', 'counted'), [(16, [1, 2, 5]), (15, [1, 2, 0]), (8, [1, 2, 0]), (7, [1, 0, 0]), (3, [1, 0, 0])]
)
def test_levels_are_weighted_by_how_sure_they_are(side: int, counted: list[int]) -> None:
    """But for those whose cells are larger than the box of the finest."""
    boxes = [(46 - side / 2, 34 - side / 2, 46 + side / 2, 34 + side / 2), (32, 22, 56, 46), (0, 0, 80, 80)]
    others = [distances_to(box)[level] for level, box in enumerate(boxes)]
    logits = flat_logits(0)
    logits[1] += math.log(2)
    logits[2] += math.log(5)
    logits[0][0, 0, 8, 11] = 1e-3  # the only peak
    found = head(max_per_img=1).detect(PointMaps(logits, others), LIMITS)
    shares = torch.tensor(counted, dtype=torch.float64)[:, None]
    expected = (shares * torch.tensor(boxes, dtype=torch.float64)).sum(0) / shares.sum()
    torch.testing.assert_close(found.boxes[0, 0], expected, atol=0.1, rtol=0)


@pytest.mark.parametrize('seed', range(5))
def test_a_box_contains_its_point(seed: int) -> None:
    layer = head(max_per_img=30, iou=1.0)
    torch.manual_seed(seed)
    outputs = PointMaps(
        [3 * torch.randn(2, 1, *size) for size in sizes_of(STRIDES)],
        [torch.randn(2, 4, *size).exp() for size in sizes_of(STRIDES)],
    )
    limits = torch.tensor([[148.0, 100, 148, 100], [90, 100, 90, 100]])
    found, at = layer.detect(outputs, limits), layer.find_points(outputs, limits)
    assert found.valid.all() and (found.scores.diff() <= 0).all()
    torch.testing.assert_close(found.scores, at.scores[:, :30])
    points = at.boxes[:, :30]
    assert (found.boxes[..., :2] <= points[..., :2]).all() and (points[..., 2:] <= found.boxes[..., 2:]).all()
    assert (found.boxes >= 0).all() and (found.boxes <= limits[:, None]).all()


@given(st.floats(6.01, 141.9), st.floats(6.01, 93.9))
@example(40.0, 32.0)  # the corner of four cells
@example(42.0, 30.0)  # a cell's point
def test_a_point_between_cells_is_found(x: float, y: float) -> None:
    """Where the logits are a parabola, its top, to the digit; the box around it is the cells' own."""
    column, row = points_of(STRIDES)[0]
    outputs = PointMaps(flat_logits(0), distances_to(BOXES[1]))
    outputs.points[0][0, 0] = 4 - ((column - x) ** 2 + 2 * (row - y) ** 2) / 50
    at = head().find_points(outputs, LIMITS)
    top = torch.tensor([x, y], dtype=torch.float64)
    torch.testing.assert_close(at.boxes[0, 0], top.repeat(2))
    found = head().detect(outputs, LIMITS).boxes[0, 0]
    around = torch.tensor(BOXES[1], dtype=torch.float64)
    torch.testing.assert_close(found[:2], around[:2].minimum(top))
    torch.testing.assert_close(found[2:], around[2:].maximum(top))


@pytest.mark.parametrize('missing', ['edge', 'padding', 'plateau', 'nan', 'inf'])
def test_a_point_with_nothing_beside_it_stays_in_its_cell(missing: str) -> None:
    logits = torch.tensor([[[0.0, 3, 1, 0], [0, 9, 8, 0], [0, 3, 1, 0]]])
    looked_at = torch.ones_like(logits, dtype=torch.bool)
    if missing == 'edge':
        logits, looked_at = logits[..., 1:], looked_at[..., 1:]
    elif missing == 'padding':
        looked_at[..., 2:] = False
    elif missing == 'plateau':
        logits[:] = 9
    else:
        logits[0, 1, 0] = logits[0, 1, 2] = float(missing)
        looked_at &= logits.isfinite()
    peaks = highest_peaks(logits.sigmoid(), looked_at, 1)
    assert shifts_between_cells(logits, looked_at, peaks).tolist() == [[[0, 0]]]


@pytest.mark.parametrize('value', [9.0, math.nan, math.inf])
def test_padding_is_never_a_peak(value: float) -> None:
    outputs, point = peaked(BOXES[0])
    limits = torch.tensor([[101.0, 66.0, 101.0, 66.0]], dtype=torch.float64)
    x, y = points_of(STRIDES)[0]
    outputs.points[0][0, 0][((x >= 101) | (y >= 66))] = value
    for found in (head().detect(outputs, limits), head().find_points(outputs, limits)):
        assert (found.boxes[found.valid] <= limits).all()
    assert found.boxes[0, 0, :2].tolist() == point.tolist()


@pytest.mark.parametrize('value', [88.0, math.nan])  # a logit of 10
@pytest.mark.parametrize('size', [(66, 101), (89, 103), (80, 96)])
def test_what_is_said_of_padding_changes_nothing(size: tuple[int, int], value: float) -> None:
    """In no level: not what is found, nor the losses and what they teach. 89 px end within a cell of 16."""
    torch.manual_seed(0)
    layer, box = head(max_per_img=30, iou=1.0), (60, 40, size[1], size[0])
    clean = [8 * torch.randn(1, 5, *each).double().exp() for each in sizes_of(STRIDES)]
    told = []
    for level, (x, y) in zip(clean, points_of(STRIDES), strict=True):
        padding = (x >= size[1]) | (y >= size[0])
        assert padding.any()
        told.append(level.masked_fill(padding, value))
    limits = torch.tensor([[*size[::-1], *size[::-1]]], dtype=torch.float64)
    results = []
    for raw in (clean, told):
        leaves = [level.requires_grad_() for level in raw]
        outputs = PointMaps([leaf[:, :1] / 8 - 1 for leaf in leaves], [leaf[:, 1:] for leaf in leaves])
        losses = layer.loss_of_pairs(outputs, [truth(*box)], [size], torch.ones(1))
        gradients = torch.autograd.grad(sum(losses.values()), leaves)
        found = layer.detect(outputs, limits)
        assert found.valid.sum() > 10
        results.append([*found, *losses.values(), *gradients])
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(other, one, rtol=0, atol=0)


def test_levels_that_do_not_count_may_say_anything() -> None:
    outputs, _ = peaked(BOXES[0])  # of 8 pixels: not the level of stride 16
    outputs.distances[2].fill_(math.nan)
    found = head().detect(outputs, LIMITS)
    torch.testing.assert_close(found.boxes[0, 0], torch.tensor(BOXES[0]).double())


def test_fewer_peaks_than_asked_for() -> None:
    x, y = points_of(STRIDES)[0]
    scores = 1 / (1 + (x - 70).abs() + (y - 50).abs() / 2)[None]
    found = highest_peaks(scores, torch.ones_like(scores, dtype=torch.bool), 7)
    assert found.valid.tolist() == [[True] + [False] * 6]
    assert (found.columns[0, 0].item(), found.rows[0, 0].item()) == (17, 12)
    nothing = highest_peaks(scores, torch.zeros_like(scores, dtype=torch.bool), 7)
    assert not nothing.valid.any() and (nothing.scores == 0).all()


@pytest.mark.parametrize('value', [math.nan, math.inf, -math.inf])
def test_outputs_that_are_not_finite(value: float) -> None:
    box, other = BOXES[0], (100.0, 60.0, 108.0, 68.0)
    outputs, _ = peaked(box)
    outputs.points[0][0, 0, 16, 26] = 5  # the second best, in the other box
    expected = torch.tensor(other).double()
    for distances, right in zip(outputs.distances, distances_to(other), strict=True):
        distances[..., distances.shape[-1] // 2 :] = right[..., distances.shape[-1] // 2 :]
    broken = [level.clone() for level in outputs.points]
    broken[0][0, 0, 8, 11] = value  # where the best was
    found = head().detect(outputs._replace(points=broken), LIMITS)
    torch.testing.assert_close(found.boxes[0, 0], expected)
    broken = [level.clone() for level in outputs.distances]
    broken[0][0, 2, 8, 11] = math.nan  # exponentials with a limit are never infinite
    found = head().detect(outputs._replace(distances=broken), LIMITS)
    torch.testing.assert_close(found.boxes[0, 0], expected)
    for name in ('points', 'distances'):
        gone = outputs._replace(**{name: [level * math.nan for level in getattr(outputs, name)]})
        assert not head().detect(gone, LIMITS).valid.any()
    assert (
        not head()
        .find_points(outputs._replace(points=[p * math.nan for p in outputs.points]), LIMITS)
        .valid.any()
    )


def test_no_pair() -> None:
    layer = head()
    outputs = layer([m[:0] for m in feature_maps()])
    for found in (layer.detect(outputs, LIMITS[:0].float()), layer.find_points(outputs, LIMITS[:0].float())):
        assert len(found.boxes) == len(found.scores) == len(found.valid) == 0
    with pytest.raises(InputError, match='each of 1 or more images, got 0 and 0'):
        layer.loss_of_pairs(outputs, [], [], torch.zeros(0))


# ---- levels ----------------------------------------------------------------------------------------


@pytest.mark.parametrize('levels', [[0], [0, 2], [1, 2], [2], None])
def test_levels_that_are_looked_at(levels: list[int] | None) -> None:
    layer = head(levels=levels)
    chosen = [0, 1, 2] if levels is None else levels
    maps = [level.requires_grad_() for level in feature_maps()]
    outputs = layer([maps[level] for level in chosen])
    assert [tuple(p.shape[-2:]) for p in outputs.points] == [sizes_of(STRIDES)[level] for level in chosen]
    losses = layer.loss_of_pairs(outputs, [truth(*BOXES[1])], [SIZE], torch.ones(1))
    sum(losses.values()).backward()
    assert [level.grad is not None for level in maps] == [level in chosen for level in range(3)]
    assert all(p.grad is not None for p in layer.parameters())
    found = layer.find_points(outputs, LIMITS.float())
    column, row = (found.boxes[0, found.valid[0], :2] / STRIDES[chosen[0]]).long().unbind(1)
    scores = layer.fuse(outputs.points, LIMITS.float())[0, 0].sigmoid()  # of cells of the finest chosen
    torch.testing.assert_close(scores[row, column], found.scores[0, found.valid[0]])


def test_levels_share_their_convolutions() -> None:
    layer, own = head(share_levels=True), head()
    count = [sum(p.numel() for p in each.parameters()) for each in (layer, own)]
    assert 3 * count[0] == count[1]
    same = feature_maps()[0]
    outputs = layer([same, same, same])
    for level in range(1, 3):
        torch.testing.assert_close(outputs.points[level], outputs.points[0], rtol=0, atol=0)
        torch.testing.assert_close(outputs.distances[level], outputs.distances[0], rtol=0, atol=0)
    assert not torch.equal(*own([same, same, same]).points[:2])


@pytest.mark.parametrize('supervise_fused', [True, False])
def test_the_mean_is_one_more_level(supervise_fused: bool) -> None:
    layer = head(supervise_fused=supervise_fused)
    outputs = layer(feature_maps())
    boxes = [truth(*BOXES[0])]
    maps, strides = outputs.points, STRIDES
    if supervise_fused:
        maps, strides = [*maps, torch.stack(spread(outputs.points)).mean(0)], [*STRIDES, STRIDES[0]]
    expected = MaxPointLoss()(maps, [boxes[0].bboxes], strides, [SIZE])
    found = layer.loss_of_pairs(outputs, boxes, [SIZE], torch.ones(1))['loss_point']
    torch.testing.assert_close(found, expected)


def spread(levels: Sequence[Tensor]) -> list[Tensor]:
    """Bilinear, point by point, on the cells of the finest level; only of cells with points in the image."""
    x, y = (axis.flatten() for axis in points_of(STRIDES)[0])
    wide = []
    for level, stride in zip(levels, STRIDES, strict=True):
        rows, columns = (
            (axis / stride - 0.5).clamp(0, math.ceil(side / stride - 0.5) - 1)
            for axis, side in zip((y, x), SIZE, strict=True)
        )
        value = level[0, 0].double()
        for dim, at in enumerate((rows, columns)):
            low = at.floor().long()
            high = (low + 1).clamp(max=value.shape[dim] - 1)
            part = (at - low).reshape([-1 if d == dim else 1 for d in range(2)])
            value = value.index_select(dim, low) * (1 - part) + value.index_select(dim, high) * part
        wide.append(value[None, None].float())
    return wide


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(levels=[]), 'levels must be some of 0 to 2'),
        (dict(levels=[3]), r'levels must be some of 0 to 2, got \[3\]'),
        (dict(levels=[-1]), 'levels must be some of 0 to 2'),
        (dict(strides=[8, 4]), r'strides must grow from level to level, got \[8, 4\]'),
        (dict(strides=[4, 4]), 'strides must grow'),
    ],
)
def test_levels_that_cannot_be_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        PointHead(**{**dict(in_channels=4, feat_channels=4, strides=STRIDES), **options})


def test_too_few_maps_are_refused() -> None:
    with pytest.raises(InputError, match='PointHead expects maps of 3 levels, got 2'):
        head()(feature_maps()[:2])


# ---- losses of the box -----------------------------------------------------------------------------


def twice_as_large(box: Sequence[float]) -> list[float]:
    width, height = box[2] - box[0], box[3] - box[1]
    return [box[0] - width / 2, box[1] - height / 2, box[2] + width / 2, box[3] + height / 2]


def size_loss(outputs: PointMaps, truths: list[InstanceData], shares: Sequence[float]) -> Tensor:
    layer = head(loss_size=dict(type='mmdet.GIoULoss'))
    shapes = [SIZE] * len(truths)
    return layer.loss_of_pairs(outputs, truths, shapes, torch.tensor(shares).double())['loss_size']


def batch(*outputs: PointMaps) -> PointMaps:
    return PointMaps(
        *([torch.cat(level) for level in zip(*part, strict=True)] for part in zip(*outputs, strict=True))
    )


@pytest.mark.parametrize('box', [(40, 40, 48, 48), (20, 0, 120, 100), (61.5, 40.25, 62.5, 41.25)])
def test_a_target_weighs_the_same_whatever_its_size(box: Sequence[float]) -> None:
    """Boxes of 1, 8 and 100 pixels, all said to be twice as wide and high: 1 - IoU = 3 / 4."""
    wrong = PointMaps(flat_logits(), distances_to(twice_as_large(box)))
    assert size_loss(wrong, [truth(*box)], [1.0]).item() == pytest.approx(0.75, abs=1e-5)
    exact = PointMaps(flat_logits(), distances_to(BOXES[1]))
    both = size_loss(batch(wrong, exact), [truth(*box), truth(*BOXES[1])], [0.5, 0.5])
    assert both.item() == pytest.approx(0.375, abs=1e-5)


def test_a_target_under_a_cell_trains_one_cell_a_level() -> None:
    box = (61.5, 40.25, 62.5, 41.25)
    outputs = PointMaps(flat_logits(), [d.requires_grad_() for d in distances_to(twice_as_large(box))])
    size_loss(outputs, [truth(*box)], [1.0]).backward()
    for distances in outputs.distances:
        assert distances.grad is not None
        assert distances.grad.abs().sum((0, 1)).count_nonzero() == 1


def test_the_loss_is_the_mean_of_each_pairs_own() -> None:
    layer, maps = head(), feature_maps(pairs=4)
    truths = [truth(*BOXES[1]), truth(), truth(*BOXES[2]), truth(200, 10, 230, 30)]
    shares = torch.tensor([0.25, 0.25, 0.1, 0.4])
    together = layer.loss_of_pairs(layer(maps), truths, [SIZE] * 4, shares)
    alone = [
        layer.loss_of_pairs(layer([m[p : p + 1] for m in maps]), truths[p : p + 1], [SIZE], torch.ones(1))
        for p in range(4)
    ]
    for name, value in together.items():
        torch.testing.assert_close(value, sum(s * part[name] for s, part in zip(shares, alone, strict=True)))
    for absent in (alone[1], alone[3]):
        assert absent['loss_size'] == 0 < absent['loss_point']
        assert absent['loss_size'].requires_grad
    with pytest.raises(InputError, match='expected finite boxes'):
        layer.loss_of_pairs(layer(maps), [*truths[:3], truth(0, 0, math.nan, 3)], [SIZE] * 4, shares)


# ---- the control -----------------------------------------------------------------------------------

PADDED = (64, 96)
CENTRE_LIMITS = torch.tensor([[96.0, 64.0, 96.0, 64.0]])


def centre_head() -> CentreHead:
    torch.manual_seed(0)
    built = MODELS.build(
        dict(
            type='mmgtrack.CentreHead',
            in_channels=4,
            feat_channels=4,
            loss_center_heatmap=dict(type='mmdet.GaussianFocalLoss'),
            loss_wh=dict(type='mmdet.L1Loss', loss_weight=0.1),
            loss_offset=dict(type='mmdet.L1Loss'),
            test_cfg=ConfigDict(max_per_img=5),
        )
    )
    assert isinstance(built, CentreHead)
    return built


def centre_maps(pairs: int = 1) -> list[Tensor]:
    generator = torch.Generator().manual_seed(2)
    return [torch.randn(pairs, 4, PADDED[0] // 4, PADDED[1] // 4, generator=generator)]


CENTRE_BOXES = [(10, 12, 41, 50), (50.5, 30.25, 55, 33), (0, 0, 96, 64), (90, 58, 96, 64)]


@pytest.mark.parametrize('box', [*CENTRE_BOXES, ()])
def test_the_loss_of_a_pair_is_mmdets(box: tuple[float, ...]) -> None:
    layer = centre_head()
    outputs = layer(centre_maps())
    theirs = layer.loss_by_feat(*outputs, [truth(*box)], [dict(batch_input_shape=PADDED)])
    found = layer.loss_of_pairs(outputs, [truth(*box)], [PADDED], torch.ones(1))
    names = dict(loss_heat='loss_center_heatmap', loss_size='loss_wh', loss_offset='loss_offset')
    assert found.keys() == names.keys()
    for name, other in names.items():
        torch.testing.assert_close(found[name], theirs[other])


def test_the_control_sums_over_pairs_by_shares() -> None:
    layer, maps = centre_head(), centre_maps(4)
    # the last two leave the image: one is clipped, and nothing is left of the other
    truths = [truth(*CENTRE_BOXES[0]), truth(), truth(80, 40, 190, 200), truth(100, 70, 120, 90)]
    clipped = [*truths[:2], truth(80, 40, 90, 60), truth()]
    shares = torch.tensor([0.1, 0.2, 0.3, 0.4])
    together = layer.loss_of_pairs(layer(maps), truths, [(60, 90)] * 4, shares)
    alone = [
        layer.loss_of_pairs(layer([m[p : p + 1] for m in maps]), [clipped[p]], [PADDED], torch.ones(1))
        for p in range(4)
    ]
    for name, value in together.items():
        torch.testing.assert_close(value, sum(s * part[name] for s, part in zip(shares, alone, strict=True)))
    assert alone[1]['loss_size'] == alone[1]['loss_offset'] == 0
    with pytest.raises(InputError, match='expected finite boxes'):
        layer.loss_of_pairs(layer(maps), [*truths[:3], truth(0, 0, math.inf, 3)], [PADDED] * 4, shares)


def test_the_control_tells_high_scores_apart_in_half_precision() -> None:
    layer, maps = centre_head(), centre_maps()
    torch.nn.init.constant_(layer.heatmap_head[-1].bias, 7.0)  # sigmoid 0.999: 1 in bfloat16
    with torch.autocast('cpu', torch.bfloat16):
        heat = layer(maps).heat[0]
    assert heat.dtype == torch.float32 and heat.min() < heat.max() < 1


@pytest.mark.parametrize('box', CENTRE_BOXES)
def test_the_control_decodes_an_ideal_heat_map(box: tuple[float, ...]) -> None:
    layer = centre_head()
    outputs = layer(centre_maps())
    targets, _ = layer.get_targets([truth(*box).bboxes], [truth(*box).labels], outputs.heat[0].shape, PADDED)
    ideal = type(outputs)(
        [targets['center_heatmap_target']], [targets['wh_target']], [targets['offset_target']]
    )
    found, at = layer.detect(ideal, CENTRE_LIMITS), layer.find_points(ideal, CENTRE_LIMITS)
    torch.testing.assert_close(found.boxes[0, 0], torch.tensor(box, dtype=torch.float32))
    assert found.scores[0, 0] == 1 and found.valid[0, 0]
    centre = [(box[0] + box[2]) / 2, (box[1] + box[3]) / 2]
    torch.testing.assert_close(at.boxes[0, 0], torch.tensor([*centre, *centre]))


def test_the_control_leaves_out_padding_and_what_is_not_finite() -> None:
    layer = centre_head()
    outputs = layer(centre_maps())
    limits = torch.tensor([[50.0, 30.0, 50.0, 30.0]])
    outputs.heat[0][..., 8:, :] = outputs.heat[0][..., 13:] = 1.0  # corners at 32 and 52, outside
    found = layer.detect(outputs, limits)
    assert found.valid[0, 0] and (found.boxes[found.valid] <= limits).all() and (found.scores < 1).all()
    for leaf in (outputs.heat, outputs.offsets):
        kept, leaf[0] = leaf[0], leaf[0] * math.nan
        assert not layer.detect(outputs, limits).valid.any()
        assert not layer.find_points(outputs, limits).valid.any()
        leaf[0] = kept
