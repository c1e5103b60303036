"""RandomTargetSize: sizes by a test of their distribution, places by painted objects."""

import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest, spearmanr

from mmgtrack.datasets import ClipDataset, RandomTargetSize, synthetic_clip, write_sequence
from mmgtrack.datasets.clip_sampler import RoleFrame
from mmgtrack.datasets.packing import role_input
from mmgtrack.datasets.seeding import seeded
from mmgtrack.datasets.transforms.margin import mirrored_tiles, put_decoy
from mmgtrack.errors import InputError

SCALE = (96, 72)
CANVAS = (72, 96)  # of a 4:3 picture
LIMITS = 4.0, float(np.sqrt(0.5 * 72 * 96))
GROUND, COLOUR = (128, 128, 128), (40, 40, 220)


def write_images(root: Path, boxes: list[list[int]], write_coco: Callable[..., Path]) -> dict[str, Any]:
    return {'type': 'mmgtrack.CocoImages', 'root': str(write_coco(root, np.array(boxes), num_images=4))}


def write_videos(root: Path, side: int) -> dict[str, Any]:
    for number in range(3):
        clip = synthetic_clip(12, (60, 80), target_size=(side, side), seed=number)
        write_sequence(clip, root / f'clip{number}')
    return {'type': 'mmgtrack.SequenceFolder', 'root': str(root)}


def clip_dataset(sources: list[dict[str, Any]], change: float = 1.0, **options: Any) -> ClipDataset:
    quantiles = options.pop('quantiles', None)
    pipelines = {
        role: [
            {'type': 'mmgtrack.LoadFrame'},
            {
                'type': 'mmgtrack.RandomTargetSize',
                'scale': SCALE,
                'change': factor,
                'quantiles': quantiles,
            },
        ]
        for role, factor in (('query', change), ('search', 1.0))
    }
    sampler = {'type': 'mmgtrack.ClipSampler', 'max_instances': options.pop('max_instances', 1)}
    return ClipDataset(sources, 1000, pipelines, sampler, min_box_side=0.5, **options)


def sizes_of(boxes: torch.Tensor) -> np.ndarray:
    return np.sqrt((boxes[:, 2:] - boxes[:, :2]).prod(1).numpy())


def drawn_sizes(dataset: ClipDataset, count: int, role: str = 'search') -> np.ndarray:
    return np.concatenate([sizes_of(dataset[n]['data_samples'].instances[role].bboxes) for n in range(count)])


def log_uniform(sizes: np.ndarray) -> float:
    """Probability of sizes as far as these from uniform between the limits in log scale."""
    low, high = np.log(LIMITS)
    return float(kstest((np.log(sizes) - low) / (high - low), 'uniform').pvalue)


@pytest.mark.parametrize('source', ['tiny images', 'large images', 'small in videos', 'large in videos'])
def test_sizes_are_log_uniform_whatever_they_were(
    source: str, tmp_path: Path, write_coco: Callable[..., Path]
) -> None:
    made = {
        'tiny images': lambda: write_images(tmp_path, [[30, 20, 33, 23]], write_coco),
        'large images': lambda: write_images(tmp_path, [[4, 2, 58, 56]], write_coco),
        'small in videos': lambda: write_videos(tmp_path, 4),
        'large in videos': lambda: write_videos(tmp_path, 48),
    }[source]()
    sizes = drawn_sizes(clip_dataset([made]), 300)
    assert len(sizes) == 300
    assert sizes.min() >= LIMITS[0] - 1e-3 and sizes.max() <= LIMITS[1] + 1e-3
    assert log_uniform(sizes) > 0.01


def test_sizes_that_roles_change_are_log_uniform_too(tmp_path: Path) -> None:
    """The limits throw them back, and do not gather them."""
    sizes = drawn_sizes(clip_dataset([write_videos(tmp_path, 16)], change=3.0), 300, 'query')
    assert log_uniform(sizes) > 0.01
    assert (sizes < LIMITS[0] * 1.01).sum() + (sizes > LIMITS[1] * 0.99).sum() < 6


def test_sizes_of_another_distribution(tmp_path: Path) -> None:
    """Half of them below the middle quantile, uniform in log scale between two."""
    dataset = clip_dataset([write_videos(tmp_path, 16)], quantiles=[5, 8, 40])
    drawn = np.sort(drawn_sizes(dataset, 300))
    places = np.interp(np.log(drawn), np.log([5, 8, 40]), [0, 0.5, 1])
    assert drawn[0] >= 5 - 1e-3 and drawn[-1] <= 40 + 1e-3
    assert kstest(places, 'uniform').pvalue > 0.01


def test_a_box_ends_where_the_picture_does(tmp_path: Path) -> None:
    """Not where the canvas does: what is beyond shows another clip."""
    other = str(tmp_path / 'other.png')
    cv2.imwrite(other, np.full((96, 128, 3), 200, np.uint8))
    size, image = RandomTargetSize((160, 120)), np.full((96, 128, 3), 20, np.uint8)
    for seed in range(25):
        with seeded(seed):
            out = size(results(image, np.array([[-20, 30, 20, 70]]), other, (seed,)))
        (drawn,) = out['gt_bboxes'].tensor.numpy()
        dark = np.argwhere(out['img'][..., 0] < 100)
        np.testing.assert_allclose(drawn[0], dark[:, 1].min(), atol=1.5)
        assert out['gt_ignore_flags'].tolist() == [False]  # half of it is left


def test_sizes_follow_neither_from_the_frame_nor_from_the_clip(tmp_path: Path) -> None:
    """All of them are drawn from the key of a sample, and must not be the same numbers."""
    dataset = clip_dataset([write_videos(tmp_path, 16)])
    samples = [dataset[n]['data_samples'] for n in range(300)]
    sizes = [float(sizes_of(sample.instances['query'].bboxes)[0]) for sample in samples]
    for role in ('query', 'search'):
        assert abs(spearmanr(sizes, [sample.frame[role] for sample in samples]).statistic) < 0.15
    assert abs(spearmanr(sizes, [sample.clip['query'] for sample in samples]).statistic) < 0.15


@pytest.mark.parametrize('change', [1.0, 2.0])
@pytest.mark.parametrize('kind', ['images', 'videos'])
def test_roles_share_target_and_size(
    kind: str, change: float, tmp_path: Path, write_coco: Callable[..., Path]
) -> None:
    boxes = [[5, 5, 15, 15], [30, 20, 60, 50], [70, 5, 74, 9]]
    source = write_images(tmp_path, boxes, write_coco) if kind == 'images' else write_videos(tmp_path, 16)
    dataset = clip_dataset([source], change, max_instances=3)
    anchors, ratios = set(), []
    for n in range(120):
        instances = dataset[n]['data_samples'].instances
        query, search = (instances[role] for role in ('query', 'search'))
        common = np.intersect1d(query.ids, search.ids)
        by_target = {
            int(target): [sizes_of(role.bboxes[role.ids == target])[0] for role in (query, search)]
            for target in common
        }
        # boxes that are cut off have other ratios than what was drawn
        target, (first, second) = min(by_target.items(), key=lambda item: abs(np.log(np.divide(*item[1]))))
        anchors.add(target)
        ratios.append(first / second)
    assert max(ratios) <= change * (1 + 1e-4) and min(ratios) >= 1 / change / (1 + 1e-4)
    assert np.std(np.log(ratios)) == pytest.approx(np.log(change) / np.sqrt(3), abs=0.06)
    assert anchors == ({0, 1, 2} if kind == 'images' else {0})


def test_any_target_is_the_one_whose_size_is_drawn(tmp_path: Path, write_coco: Callable[..., Path]) -> None:
    """Also among the samples of one source, and in each role by its number, not by its place."""
    size = RandomTargetSize(SCALE)
    boxes, chosen = np.arange(16.0).reshape(4, 4), []
    for n in range(400):
        results = {'sample_key': (0, n, 0), 'gt_bboxes_labels': np.array([2, 5, 7, 9])}
        chosen.append(int(size._anchor(boxes, results)[0]) // 4)
        fewer = {**results, 'gt_bboxes_labels': np.array([2, 5, 7, 9])[chosen[-1] :]}
        assert (size._anchor(boxes[chosen[-1] :], fewer) == boxes[chosen[-1]]).all()
    assert np.bincount(chosen) / 400 == pytest.approx([0.25] * 4, abs=0.06)


def results(
    image: np.ndarray, boxes: np.ndarray, other: str | None = None, key: tuple[int, ...] = (0,)
) -> dict[str, Any]:
    frame = RoleFrame('none', np.reshape(boxes, (-1, 4)).astype(np.float32), np.arange(len(boxes)), other)
    return {**role_input(frame, sample_key=key), 'img': image, 'img_shape': image.shape[:2]}


def picture(size: tuple[int, int], box: tuple[int, int, int, int]) -> np.ndarray:
    """A grey picture with one coloured box."""
    image = np.full((*size, 3), GROUND, np.uint8)
    image[box[1] : box[3], box[0] : box[2]] = COLOUR
    return image


def extent_of_colour(image: np.ndarray) -> np.ndarray:
    """xyxy of the pixels that are nearer to the colour than to the ground: edges blur evenly both ways."""
    near = np.abs(image.astype(int) - COLOUR).sum(-1) < np.abs(image.astype(int) - GROUND).sum(-1)
    rows, columns = np.flatnonzero(near.any(1)), np.flatnonzero(near.any(0))
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])


@pytest.mark.parametrize('box', [(30, 20, 40, 32), (10, 8, 110, 88), (60, 50, 62, 52), (60, 20, 63, 80)])
def test_boxes_frame_their_pixels(box: tuple[int, int, int, int], tmp_path: Path) -> None:
    size, image = RandomTargetSize((160, 120)), picture((96, 128), box)
    grey = str(tmp_path / 'grey.png')
    cv2.imwrite(grey, picture((9, 12), (0, 0, 0, 0)))
    for seed in range(25):
        with seeded(seed):
            out = size(results(image, np.array([box]), grey, (seed,)))
        assert out['img'].shape == (120, 160, 3) and out['img_shape'] == (120, 160)
        (drawn,) = out['gt_bboxes'].tensor.numpy()
        assert drawn.min() >= 0 and (drawn[2:] <= (160, 120)).all() and not out['gt_ignore_flags'].any()
        if (drawn[2:] - drawn[:2]).min() > 2.5:  # else its colour has mixed with the ground's
            zoom = (drawn[2] - drawn[0]) / (box[2] - box[0])
            # OpenCV rounds places in the stored picture to a 32nd of its pixels; a picture shrunk to a
            # few pixels blurs over half a pixel more
            atol = 1 + max(zoom / 32, 0.5 * (zoom < 0.1))
            np.testing.assert_allclose(drawn, extent_of_colour(out['img']), atol=atol)


@given(
    sides=st.tuples(st.integers(1, 100), st.integers(1, 90)),
    place=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    seed=st.integers(0, 1000),
)
@settings(max_examples=60, deadline=None)
def test_boxes_of_any_shape_fit(sides: tuple[int, int], place: tuple[float, float], seed: int) -> None:
    """Narrow ones are as large as fits, all others have the size drawn, which is between the limits."""
    corner = np.array(place) * (np.array([128, 96]) - sides)
    box = np.concatenate([corner, corner + sides])
    with seeded(seed):
        out = RandomTargetSize(SCALE)(results(np.zeros((96, 128, 3), np.uint8), box[None], key=(seed,)))
    (drawn,) = out['gt_bboxes'].tensor.numpy()
    width, height = drawn[2:] - drawn[:2]
    assert drawn.min() >= 0 and drawn[2] <= 96 and drawn[3] <= 72 and not out['gt_ignore_flags'].any()
    fills = max(width / 96, height / 72) > 1 - 1e-4
    assert fills or LIMITS[0] - 1e-3 <= np.sqrt(width * height) <= LIMITS[1] + 1e-3
    assert width / height == pytest.approx(sides[0] / sides[1], rel=0.11)  # the stretch, and nothing else


def test_a_sample_depends_on_its_number_alone(tmp_path: Path, write_coco: Callable[..., Path]) -> None:
    source = write_images(tmp_path, [[5, 5, 15, 15], [30, 20, 60, 50]], write_coco)
    dataset = clip_dataset([source], 2.0)
    alone = [clip_dataset([source], 2.0)[n] for n in (5, 3)]
    loader = torch.utils.data.DataLoader(dataset, batch_size=1, num_workers=2, collate_fn=list)
    samples = [batch[0] for batch, _ in zip(loader, range(6), strict=False)]
    for expected, n in zip(alone, (5, 3), strict=True):
        for role in ('query', 'search'):
            assert torch.equal(expected['inputs'][role], samples[n]['inputs'][role])
            boxes = (s['data_samples'].instances[role].bboxes for s in (expected, samples[n]))
            assert torch.equal(*boxes)


def test_frames_without_a_target_are_zoomed_alike() -> None:
    """As pictures of objects of an eighth of the frame: whole, shrunk and enlarged."""
    image, shown = np.full((96, 128, 3), 200, np.uint8), []
    cv2.rectangle(image, (40, 30), (80, 60), (0, 0, 0), -1)
    for n in range(40):
        with seeded(n):
            out = RandomTargetSize(SCALE)(results(image, np.zeros((0, 4)), key=(n,)))
        assert out['img'].shape == (*CANVAS, 3)
        assert len(out['gt_bboxes']) == len(out['gt_bboxes_labels']) == len(out['gt_ignore_flags']) == 0
        shown.append((out['img'] < 20).all(-1).mean())
    assert min(shown) < 0.01 and max(shown) > 0.3


def test_margins_show_the_other_clip_or_the_mean(tmp_path: Path) -> None:
    """And decoys never cover the picture that the target is in."""
    other = str(tmp_path / 'other.png')
    cv2.imwrite(other, np.full((50, 90, 3), (200, 0, 100), np.uint8))
    box = np.array([[0, 0, 128, 96]])
    for n in range(20):
        for path, margin in ((other, (200, 0, 100)), (None, (90, 90, 90))):
            with seeded(n):
                out = RandomTargetSize(SCALE, decoys=30)(
                    results(np.full((96, 128, 3), 90, np.uint8), box, path, (n,))
                )
            x1, y1, x2, y2 = out['gt_bboxes'].tensor[0].round().int().tolist()
            inside = np.zeros(CANVAS, bool)
            inside[y1 + 1 : y2 - 1, x1 + 1 : x2 - 1] = True
            assert (out['img'][inside] == 90).all()
            outside = np.ones(CANVAS, bool)
            outside[max(y1 - 1, 0) : y2 + 1, max(x1 - 1, 0) : x2 + 1] = False
            assert (out['img'][outside] == margin).all()


def test_mirrored_tiles_have_no_seams() -> None:
    """A smooth picture stays smooth: each row goes forth and back."""
    ramp = np.broadcast_to(np.linspace(0, 255, 256).round().astype(np.uint8)[None, :, None], (96, 256, 3))
    for seed in range(20):
        with seeded(seed):
            canvas = mirrored_tiles(ramp, (72, 400))
        assert canvas.shape == (72, 400, 3) and canvas.flags['C_CONTIGUOUS']
        assert np.abs(np.diff(canvas.astype(int), axis=1)).max() <= 12
        assert len(np.unique(canvas)) > 100


@pytest.mark.parametrize('size', [(1, 1), (3, 5), (2, 4000), (4000, 2)])
def test_other_pictures_of_any_shape(size: tuple[int, int]) -> None:
    image = np.full((*size, 3), 255, np.uint8)
    tracemalloc.start()
    for seed in range(10):
        with seeded(seed):
            canvas = mirrored_tiles(image, (288, 384))
            assert (canvas == 255).all() and canvas.shape == (288, 384, 3)
            canvas[:] = 0
            put_decoy(image, canvas, 4.0)
        assert 0 < (canvas == 255).all(-1).mean() <= 0.5
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 60e6


@pytest.mark.parametrize(
    ('size', 'box'),
    [
        ((3000, 4000), (2000, 1500, 2002, 1502)),  # enlarged up to a hundred times
        ((3000, 4000), (0, 0, 4000, 3000)),
        ((96, 128), (64, 48, 65, 49)),
        ((96, 128), (64, 48, 64, 48)),  # no area
        ((3, 5), (1, 1, 2, 2)),
        ((2000, 3), (0, 1000, 3, 1003)),
        ((1, 1), (0, 0, 1, 1)),
    ],
)
def test_extreme_zooms_cost_no_more(size: tuple[int, int], box: tuple[int, int, int, int]) -> None:
    transform, image = RandomTargetSize((384, 288)), np.zeros((*size, 3), np.uint8)
    tracemalloc.start()
    start = time.process_time()
    for seed in range(6):
        with seeded(seed):
            out = transform(results(image, np.array([box]), key=(seed,)))
        assert max(out['img'].shape[:2]) <= 384
        assert np.isfinite(out['gt_bboxes'].tensor.numpy()).all()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 40e6  # the picture itself has up to 36 MB
    assert (time.process_time() - start) / 6 < 0.5


@pytest.mark.parametrize(
    'options',
    [
        {'min_size': 0.0},
        {'min_size': float('nan')},
        {'max_share': 0.0},
        {'max_share': 1.5},
        {'change': 0.5},
        {'quantiles': [4]},
        {'quantiles': [8, 4]},
        {'decoys': -1},
    ],
)
def test_limits_that_cannot_be(options: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=next(iter(options))):
        RandomTargetSize(SCALE, **options)


def test_a_frame_smaller_than_the_least_size_has_that_size() -> None:
    with seeded(0):
        out = RandomTargetSize((6, 4), min_size=4.0)(
            results(np.zeros((40, 60, 3), np.uint8), np.array([[0, 0, 9, 9]]))
        )
    assert sizes_of(out['gt_bboxes'].tensor)[0] == pytest.approx(4.0, rel=0.1)
