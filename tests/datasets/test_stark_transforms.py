"""Crops around the target, mirrors, brightness and padding: painted objects and numbers by hand."""

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
from mmcv.transforms import Compose

from mmgtrack.datasets import CropTarget, KeepPadding, RandomBrightness, RandomMirror, RejectPadded
from mmgtrack.datasets.clip_sampler import RoleFrame
from mmgtrack.datasets.packing import pack_role, role_input
from mmgtrack.datasets.seeding import seeded
from mmgtrack.errors import InputError
from mmgtrack.geometry import crop_image, mirrored_boxes

Painted = Callable[[tuple[int, int], np.ndarray], np.ndarray]
BOX = np.array([[60, 40, 100, 50]])  # mean side 20
SIZE = (96, 128)


def results(image: np.ndarray, boxes: np.ndarray, **more: Any) -> dict[str, Any]:
    made = role_input(RoleFrame('none', boxes.astype(np.float32), np.arange(len(boxes))), sample_key=(0,))
    return {**made, 'img': image, **more}


def noise(size: tuple[int, int] = SIZE) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)


def boxes_of(made: dict[str, Any]) -> np.ndarray:
    return made['gt_bboxes'].tensor.numpy()


def test_a_template_shows_the_target_in_its_middle(painted: Painted) -> None:
    made = CropTarget(factor=2, size=80)(results(painted(SIZE, BOX), BOX))
    # 40x40 pixels from (60, 25), twice as large
    np.testing.assert_allclose(boxes_of(made), [[-0.5, 29.5, 79.5, 49.5]])
    expected = cv2.resize(painted(SIZE, BOX)[25:65, 60:100], (80, 80))
    np.testing.assert_array_equal(made['img'], expected)
    assert made['mask'].dtype == bool and not made['mask'].any()
    assert (made['img_shape'], made['scale_factor']) == ((80, 80), (2.0, 2.0))


def test_exact_boxes_frame_the_pixels_of_the_target(painted: Painted) -> None:
    box = np.array([[61, 40, 70, 49]])  # 9 pixels: the window of 45 begins at x = 43 and y = 22
    made = CropTarget(5, 90, exact=True)(results(painted(SIZE, box), box))
    np.testing.assert_allclose(boxes_of(made), [[36, 36, 54, 54]])
    official = CropTarget(5, 90)(results(painted(SIZE, box), box))
    np.testing.assert_allclose(boxes_of(official), [[35.5, 35.5, 53.5, 53.5]])
    np.testing.assert_array_equal(made['img'], official['img'])
    np.testing.assert_array_equal(made['img'], cv2.resize(painted(SIZE, box)[22:67, 43:88], (90, 90)))


def test_what_reaches_over_the_border_is_black_and_in_the_mask() -> None:
    image = np.full((*SIZE, 3), 200, np.uint8)
    made = CropTarget(factor=5, size=50)(results(image, BOX))  # 100x100 from (30, -5) to (130, 95), halved
    assert not made['img'][:2].any() and not made['img'][:, -1].any()
    assert made['mask'][:3].all() and made['mask'][:, -2:].all()
    assert not made['mask'][3:, :-2].any() and (made['img'][3:, :-2] == 200).all()


@pytest.mark.parametrize('seed', range(20))
def test_boxes_of_search_regions_frame_their_target(
    painted: Painted, colours: dict[int, tuple[int, int, int]], seed: int
) -> None:
    with seeded(seed):
        made = CropTarget(5, 320, scale_jitter=0.5, centre_jitter=4.5)(results(painted(SIZE, BOX), BOX))
    seen = np.argwhere(np.abs(made['img'].astype(int) - colours[0]).max(-1) < 60)
    extent = np.array([*seen.min(0)[::-1], *seen.max(0)[::-1] + 1])
    # a pixel of the frame is about three of the crop, and windows begin at whole pixels
    box = np.clip(boxes_of(made)[0], 0, 320)
    np.testing.assert_allclose(extent, box, atol=2.5 * made['scale_factor'][0])


def test_jitter_is_drawn_by_image() -> None:
    crop = CropTarget(5, 64, scale_jitter=0.5, centre_jitter=4.5)
    found = []
    for seed in (1, 1, 2):
        with seeded(seed):
            found.append(boxes_of(crop(results(noise(), BOX))).tolist())
    assert found[0] == found[1] != found[2]


def test_an_absent_target_leaves_the_middle_of_the_image() -> None:
    image, nothing = noise((90, 130)), np.zeros((0, 4))
    made = CropTarget(5, 64)(results(image, nothing))
    # 130/8 = 16.25 and 90/8 = 11.25: a box of 16x11 at (56, 39), window 67 pixels wide
    expected, _ = crop_image(image, (round(64 - 33.5), round(44.5 - 33.5), 67), 64)
    np.testing.assert_array_equal(made['img'], expected)
    assert boxes_of(made).shape == (0, 4)


@pytest.mark.parametrize(
    'size, boxes', [(SIZE, np.array([[5, 5, 5, 9]])), ((7, 7), np.zeros((0, 4)))], ids=['flat', 'tiny image']
)
def test_nothing_to_cut_out_gives_the_sample_up(size: tuple[int, int], boxes: np.ndarray) -> None:
    assert CropTarget(2, 64)(results(noise(size), boxes)) is None


def test_several_targets_are_refused() -> None:
    with pytest.raises(InputError, match='expected one box in none, got 2: use a sampler'):
        CropTarget(2, 64)(results(noise(), BOX.repeat(2, 0)))


@pytest.mark.parametrize('whole_pixels', [False, True])
def test_mirror_turns_image_box_and_mask(whole_pixels: bool) -> None:
    image, mask = noise(), noise()[..., 0] > 128
    made = RandomMirror(1.0, whole_pixels)(results(image, BOX, mask=mask))
    np.testing.assert_array_equal(made['img'], image[:, ::-1])
    np.testing.assert_array_equal(made['mask'], mask[:, ::-1])
    assert boxes_of(made).tolist() == [[27, 40, 67, 50] if whole_pixels else [28, 40, 68, 50]]
    packed = pack_role(made, 0)
    assert packed.flip and packed.mask is not None
    assert packed.mask.numpy().tolist() == mask[:, ::-1].tolist()


def test_two_mirrors_undo_each_other_and_none_changes_nothing() -> None:
    twice = RandomMirror(1.0)(RandomMirror(1.0)(results(noise(), BOX)))
    np.testing.assert_array_equal(twice['img'], noise())
    assert boxes_of(twice).tolist() == BOX.tolist() and not twice['flip']
    never = RandomMirror(0.0)(results(noise(), BOX))
    assert 'flip' not in never and 'mask' not in never


@pytest.mark.parametrize('seed', range(5))
def test_a_mirrored_frame_is_cut_as_if_it_were_copied(seed: int) -> None:
    """The mirrored frame is a view: the crop is exactly that of a frame stored the other way round."""
    image = noise()
    stored = results(image[:, ::-1].copy(), mirrored_boxes(BOX.astype(float), 128, whole_pixels=True))
    crop = CropTarget(5, 64, 0.5, 4.5)
    with seeded(seed):
        expected = crop(stored)
    mirrored = RandomMirror(1.0, whole_pixels=True)(results(image, BOX))
    assert np.shares_memory(mirrored['img'], image)
    with seeded(seed):
        made = crop(mirrored)
    np.testing.assert_array_equal(made['img'], expected['img'])
    np.testing.assert_array_equal(made['mask'], expected['mask'])
    np.testing.assert_array_equal(boxes_of(made), boxes_of(expected))


def test_brightness_is_one_factor_rounded_and_cut_off() -> None:
    image = noise()
    with seeded(4):
        factor = np.random.uniform(0.8, 1.2)
    with seeded(4):
        made = RandomBrightness()(results(image[:, ::-1], BOX))['img']
    exact = np.minimum(image[:, ::-1] * factor, 255)
    assert made.dtype == np.uint8
    assert np.abs(made - exact).max() <= 0.5 + 1e-9
    assert (made[image[:, ::-1] == 0] == 0).all()
    white = RandomBrightness(3, 3)(results(image, BOX))['img']
    assert (white[image > 85] == 255).all()


def test_brightness_factors_are_uniform() -> None:
    image = np.full((1, 1, 3), 200, np.uint8)
    levels = []
    for seed in range(400):
        with seeded(seed):
            levels.append(int(RandomBrightness()(results(image, BOX))['img'][0, 0, 0]))
    assert min(levels) >= 160 and max(levels) <= 240
    assert np.mean(levels) == pytest.approx(200, abs=4) and np.std(levels) == pytest.approx(
        80 / 12**0.5, abs=2
    )


def test_brightness_limits() -> None:
    with pytest.raises(InputError, match='0 <= low <= high, got 2 and 1'):
        RandomBrightness(2, 1)


@pytest.mark.parametrize(
    'free, rejected',
    [
        (None, True),
        ((0, 0), False),  # a sampled pixel
        ((48, 32), False),
        ((1, 0), True),  # seen by none of the 4x4 cells
        ((47, 47), True),
    ],
)
def test_a_crop_that_the_network_sees_nothing_of_is_given_up(
    free: tuple[int, int] | None, rejected: bool
) -> None:
    mask = np.ones((64, 64), dtype=bool)
    if free is not None:
        mask[free] = False
    assert (RejectPadded(16)(results(noise((64, 64)), BOX, mask=mask)) is None) == rejected


def test_padding_keeps_its_pixels() -> None:
    mask = np.zeros(SIZE, dtype=bool)
    mask[:, :30] = True
    image = np.where(mask[..., None], np.uint8(0), noise())
    brighter = KeepPadding([{'type': 'mmdet.PhotoMetricDistortion'}])
    changed = 0
    for seed in range(6):
        with seeded(seed):
            made = brighter(results(image.copy(), BOX, mask=mask))['img']
        assert not made[mask].any()
        changed += int((made[~mask] != image[~mask]).any())
    assert changed >= 5


def test_a_pipeline_passes_on_that_a_sample_is_given_up() -> None:
    pipeline = Compose([CropTarget(2, 64), RandomBrightness(), RejectPadded()])
    assert pipeline(results(noise(), np.array([[5, 5, 5, 9]]))) is None
