"""RandomZoom and the degradations: geometry by painted objects, numbers by hand."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from mmgtrack.datasets import (
    FlagLost,
    LoadFrame,
    RandomBlur,
    RandomChannelOrder,
    RandomErase,
    RandomGrey,
    RandomJPEG,
    RandomZoom,
    SharedDraw,
)
from mmgtrack.datasets.clip_sampler import RoleFrame
from mmgtrack.datasets.packing import pack_role, role_input
from mmgtrack.datasets.seeding import seeded
from mmgtrack.datasets.transforms.zoom import _move_boxes, _warp
from mmgtrack.errors import DataError, InputError

BOXES = np.array([[20, 15, 50, 55], [70, 40, 110, 80]])
Painted = Callable[[tuple[int, int], np.ndarray], np.ndarray]


def results(image: np.ndarray, boxes: np.ndarray, other: str | None = None) -> dict[str, Any]:
    ids = np.arange(len(boxes))
    made = role_input(RoleFrame('none', boxes.astype(np.float32), ids, other), sample_key=(0,))
    return {**made, 'img': image, 'img_shape': image.shape[:2]}


def colour_box(image: np.ndarray, colour: tuple[int, int, int]) -> tuple[np.ndarray, int]:
    """xyxy extent and pixel count of the pixels that are nearer to the colour than to anything else."""
    mask = np.abs(image.astype(int) - colour).max(-1) < 45
    rows, columns = np.nonzero(mask.any(1))[0], np.nonzero(mask.any(0))[0]
    if len(rows) == 0:
        return np.full(4, np.nan), 0
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]), int(mask.sum())


@pytest.mark.parametrize('seed', range(30))
def test_zoomed_boxes_frame_their_colour(
    painted: Painted, colours: dict[int, tuple[int, int, int]], seed: int
) -> None:
    zoom = RandomZoom((160, 120), size_range=(10, 100), zoom_range=(0.3, 4), min_visible=0.4)
    with seeded(seed):
        out = zoom(results(painted((96, 128), BOXES), BOXES))
    assert out['img'].shape == (120, 160, 3)
    assert out['img_shape'] == (120, 160)
    boxes = out['gt_bboxes'].tensor.numpy()
    for box, target in zip(boxes, out['gt_bboxes_labels'], strict=True):
        extent, count = colour_box(out['img'], colours[int(target)])
        np.testing.assert_allclose(box, extent, atol=1.0)
        assert count == pytest.approx(np.prod(box[2:] - box[:2]), rel=0.25)
    for gone in set(range(2)) - set(out['gt_bboxes_labels'].tolist()):
        assert colour_box(out['img'], colours[gone])[1] == 0


def test_plain_resize_where_it_does_not_zoom(painted: Painted) -> None:
    image = painted((96, 128), BOXES)
    out = RandomZoom((256, 192), prob=0.0)(results(image, BOXES))
    np.testing.assert_array_equal(out['gt_bboxes'].tensor.numpy(), BOXES * 2)
    expected = cv2.resize(image, (256, 192), interpolation=cv2.INTER_LINEAR)
    inner = np.s_[2:-2, 2:-2]  # the outermost pixels mix with the margin's colour
    assert np.abs(out['img'][inner].astype(int) - expected[inner]).max() <= 2


def test_anchor_sizes_are_log_uniform_and_inside(painted: Painted) -> None:
    zoom = RandomZoom((128, 96), size_range=(10, 60), zoom_range=(0.01, 100), stretch=0.0)
    image, sizes = painted((96, 128), BOXES[:1]), []
    for seed in range(400):
        with seeded(seed):
            out = zoom(results(image, BOXES[:1]))
        box = out['gt_bboxes'].tensor.numpy()[0]
        sizes.append(np.sqrt(np.prod(box[2:] - box[:2])))
        assert not out['gt_ignore_flags'].any()
    assert min(sizes) >= 9.99 and max(sizes) <= 60.01
    middle = np.sqrt(10 * 60)
    assert np.mean(np.array(sizes) < middle) == pytest.approx(0.5, abs=0.07)


def test_zoom_range_bounds_the_size(painted: Painted) -> None:
    zoom = RandomZoom((128, 96), size_range=(1, 2), zoom_range=(0.5, 2), stretch=0.0)
    out = zoom(results(painted((96, 128), BOXES[:1]), BOXES[:1]))
    width, height = (out['gt_bboxes'].tensor[0, 2:] - out['gt_bboxes'].tensor[0, :2]).tolist()
    assert (width, height) == pytest.approx((15, 20), abs=1e-3)


def test_partly_visible_box_is_flagged_and_a_lost_one_removed(painted: Painted) -> None:
    boxes = np.array([[0, 0, 20, 20], [30, 0, 50, 20], [100, 70, 120, 90]])
    zoom = RandomZoom((128, 96), min_visible=0.5)
    canvas_boxes = np.array([[-15, 0, 5, 20], [15, 0, 35, 20], [130, 70, 150, 90]], float)
    made = results(painted((96, 128), boxes), boxes)
    _move_boxes(made, canvas_boxes, np.array([0, 0, 128, 96]), zoom.min_visible)
    assert made['gt_bboxes_labels'].tolist() == [0, 1]
    assert made['gt_ignore_flags'].tolist() == [True, False]
    assert made['gt_bboxes'].tensor.tolist() == [[0, 0, 5, 20], [15, 0, 35, 20]]


@pytest.mark.parametrize('mix_prob, grey', [(0.0, True), (1.0, False)])
def test_margin_shows_the_mean_or_another_clip(
    tmp_path: Path, painted: Painted, mix_prob: float, grey: bool
) -> None:
    cv2.imwrite(str(tmp_path / 'o.png'), np.full((50, 90, 3), (200, 0, 100), np.uint8))
    zoom = RandomZoom((128, 96), zoom_range=(0.4, 0.4), stretch=0.0, mix_prob=mix_prob)
    image = np.full((96, 128, 3), 128, np.uint8)
    out = zoom(results(image, BOXES[:0], str(tmp_path / 'o.png')))
    other = (out['img'] == (200, 0, 100)).all(-1).mean()
    assert other == pytest.approx(0.0 if grey else 1 - 0.4**2, abs=0.03)
    assert (out['img'] == 128).all(-1).mean() == pytest.approx(1.0 if grey else 0.4**2, abs=0.03)


@pytest.mark.parametrize('size', [(96, 128), (3, 5), (200, 30)])
def test_small_and_narrow_pictures(size: tuple[int, int]) -> None:
    boxes = np.array([[0.5, 0.5, 2.5, 2.5]])
    for seed in range(20):
        with seeded(seed):
            out = RandomZoom((128, 96))(results(np.zeros((*size, 3), np.uint8), boxes))
        assert max(out['img'].shape[:2]) <= 128
        assert len(out['gt_bboxes_labels']) == 1


@pytest.mark.parametrize('factor', [0.05, 0.3, 0.9, 1.5, 4.0, 30.0])
def test_the_edges_of_a_picture_are_where_its_box_is(factor: float) -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        width, height = np.ceil(rng.uniform(40, 300, 2) / factor).astype(int)
        shift, both = rng.uniform(0, 40, 2), np.array([factor, factor * 1.05])
        image, canvas = np.full((height, width, 3), 200, np.uint8), np.zeros((300, 400, 3), np.uint8)
        extent, _ = colour_box(_warp(image, both, shift, canvas), (200, 200, 200))
        expected = np.clip([*shift, *(shift + both * [width, height])], 0, [400, 300, 400, 300])
        np.testing.assert_allclose(extent, expected, atol=0.5)


def test_grey_has_no_colour_and_keeps_boxes(painted: Painted) -> None:
    out = RandomGrey(prob=1.0)(results(painted((96, 128), BOXES), BOXES))
    assert (out['img'] == out['img'][..., :1]).all()
    np.testing.assert_array_equal(out['gt_bboxes'].tensor.numpy(), BOXES)


@pytest.mark.parametrize('change', [RandomGrey, RandomBlur, RandomJPEG, RandomErase])
@pytest.mark.parametrize('prob', [0.0, 1.0])
@pytest.mark.parametrize('dtype', [np.uint8, np.float32])
def test_degradations_change_pixels_but_not_dtype(
    painted: Painted, change: Any, prob: float, dtype: Any
) -> None:
    image = painted((96, 128), BOXES).astype(dtype)
    with seeded(3):
        out = change(prob=prob)(results(image.copy(), BOXES))
    assert (out['img'].dtype, out['img'].shape) == (image.dtype, image.shape)
    assert (out['img'] != image).any() == (prob > 0)


def test_blur_keeps_the_mean(painted: Painted) -> None:
    image = painted((96, 128), BOXES)
    for seed in range(10):
        with seeded(seed):
            blurred = RandomBlur(prob=1.0)(results(image, BOXES))['img']
        assert blurred.mean() == pytest.approx(image.mean(), abs=1.0)


@pytest.mark.parametrize('seed', range(5))
def test_erase_hides_part_of_one_target_only(painted: Painted, seed: int) -> None:
    image = painted((96, 128), BOXES)
    with seeded(seed):
        out = RandomErase(prob=1.0, max_share=0.6)(results(image, BOXES))['img']
    changed = (out != image).any(-1)
    x1, y1, x2, y2 = BOXES[0]
    inside = [changed[y1:y2, x1:x2].mean(), changed[40:80, 70:110].mean()]
    assert sum(share > 0 for share in inside) <= 1
    assert max(inside) <= 0.37
    assert changed.sum() == sum(int(changed[b[1] : b[3], b[0] : b[2]].sum()) for b in BOXES)


def channel_order(seed: int, prob: float, dtype: Any = np.uint8) -> tuple[int, ...]:
    image = np.broadcast_to(np.array([10, 20, 30], dtype), (4, 6, 3)).copy()
    with seeded(seed):
        out = RandomChannelOrder(prob)(results(image, BOXES))['img']
    assert (out.dtype, out.shape) == (image.dtype, image.shape) and out.flags['C_CONTIGUOUS']
    assert (out == out[0, 0]).all()
    return tuple(int(value) // 10 for value in out[0, 0])


@pytest.mark.parametrize('dtype', [np.uint8, np.float32])
@pytest.mark.parametrize('seed', range(8))
def test_channels_are_ordered_as_by_indexing(dtype: Any, seed: int) -> None:
    image = (np.random.default_rng(seed).random((30, 40, 3)) * 255).astype(dtype)
    for view in (image, image[:, ::-1], image[::2, ::2]):
        with seeded(seed):
            out = RandomChannelOrder(1.0)(results(view, BOXES))['img']
        with seeded(seed):
            np.random.random()
            np.testing.assert_array_equal(out, view[..., np.random.permutation(3)])


@pytest.mark.parametrize('dtype', [np.uint8, np.float32, np.float64])
def test_grey_levels_are_rounded_and_clipped(dtype: Any) -> None:
    levels = np.linspace(*((0, 255) if dtype == np.uint8 else (-30, 290)), 24 * 36 * 3).astype(dtype)
    levels = levels.reshape(24, 36, 3)
    levels[0, :, 0] = np.arange(36) + 0.5
    for view in (levels, levels[:, ::-1], levels[::-1], levels[:, :1]):
        packed = pack_role(results(view, BOXES), 1)
        expected = np.clip(np.rint(view.astype(float)), 0, 255).transpose(2, 0, 1)
        np.testing.assert_array_equal(packed.image.numpy(), expected)
        assert packed.image.dtype == torch.uint8 and packed.image.is_contiguous()


@pytest.mark.parametrize('dtype', [np.uint8, np.float32])
def test_channel_orders_are_equally_likely(dtype: Any) -> None:
    orders = [channel_order(seed, 0.5, dtype) for seed in range(600)]
    # half of the images keep their order, and one in six of the other half
    assert orders.count((1, 2, 3)) / 600 == pytest.approx(7 / 12, abs=0.06)
    assert len(set(orders)) == 6
    assert {channel_order(seed, 0.0) for seed in range(20)} == {(1, 2, 3)}


def test_shared_draws_depend_on_the_sample_alone_and_leave_the_others_alone() -> None:
    class Draw:
        def __call__(self, made: dict[str, Any]) -> dict[str, Any]:
            return {**made, 'drawn': np.random.random()}

    shared = SharedDraw([])
    shared.transforms.transforms.append(Draw())
    drawn, after = {}, {}
    for key in ((0, 5, 0), (0, 5, 1), (0, 6, 0)):
        for role in (1, 2):
            with seeded(*key, role):
                drawn[key, role] = shared({'sample_key': key})['drawn']
                after[key, role] = np.random.random()
            with seeded(*key, role):
                assert np.random.random() == after[key, role]
    assert all(drawn[key, 1] == drawn[key, 2] for key, _ in drawn)
    assert len(set(drawn.values())) == 3 and len(set(after.values())) == 6


CROP = [{'type': 'mmdet.MinIoURandomCrop', 'min_ious': (0.1,), 'min_crop_size': 0.3}]


@pytest.mark.parametrize('seed', range(20))
def test_boxes_that_a_crop_loses_are_flagged(
    painted: Painted, colours: dict[int, tuple[int, int, int]], seed: int
) -> None:
    crop = FlagLost(CROP)
    plain = crop.transforms.transforms[0]
    image = painted((96, 128), BOXES)
    with seeded(seed):
        out = crop(results(image, BOXES))
    with seeded(seed):
        expected = plain(results(image, BOXES))
    kept = len(expected['gt_bboxes_labels'])
    np.testing.assert_array_equal(out['img'], expected['img'])
    torch.testing.assert_close(out['gt_bboxes'].tensor[:kept], expected['gt_bboxes'].tensor)
    assert out['gt_ignore_flags'].tolist() == [False] * kept + [True] * (2 - kept)
    packed = pack_role(out, 1)
    assert packed.ids.tolist() == expected['gt_bboxes_labels'].tolist()
    assert packed.doubtful.tolist() == sorted({0, 1} - set(packed.ids.tolist()))


def test_losing_nothing_flags_nothing(painted: Painted) -> None:
    out = FlagLost([{'type': 'mmgtrack.RandomGrey', 'prob': 1.0}])(results(painted((96, 128), BOXES), BOXES))
    assert not out['gt_ignore_flags'].any() and len(out['gt_bboxes_labels']) == 2
    none = FlagLost(CROP)(results(np.zeros((96, 128, 3), np.uint8), BOXES[:0]))
    assert len(none['gt_bboxes']) == len(none['gt_ignore_flags']) == 0


def test_load_frame_names_the_missing_file() -> None:
    with pytest.raises(DataError, match=r'nowhere/1\.jpg'):
        LoadFrame()({'img_path': 'nowhere/1.jpg'})


def test_seeded_restores_the_global_generators() -> None:
    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    expected = random.random(), np.random.random(), float(torch.rand(()))
    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    inside = []
    for _ in range(2):
        with seeded(5, 6):
            inside.append((random.random(), np.random.random(), float(torch.rand(()))))
    assert inside[0] == inside[1] != expected
    assert (random.random(), np.random.random(), float(torch.rand(()))) == expected


@pytest.mark.parametrize('options', [{'size_range': (5, 1)}, {'zoom_range': (0, 1)}])
def test_wrong_ranges(options: Any) -> None:
    with pytest.raises(InputError, match=next(iter(options))):
        RandomZoom((128, 96), **options)
