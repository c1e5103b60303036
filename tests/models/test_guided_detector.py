"""GuidedDetector as a whole: over detectors of the zoo, learning, tracking, and what could break it."""

import copy
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.model import ExponentialMovingAverage
from mmengine.registry import DefaultScope
from mmengine.runner import load_checkpoint
from mmengine.structures import InstanceData
from torch import nn

import mmgtrack  # noqa: F401  (operator stand-in before mmdet)
from mmgtrack.apis.models import load_config
from mmgtrack.datasets.synthetic import synthetic_clip
from mmgtrack.errors import InputError
from mmgtrack.models.fast_path import speed_up
from mmgtrack.models.guided_detector import GuidedDetector, GuidedState
from mmgtrack.models.guided_detector.detector_config import detector_config
from mmgtrack.models.guided_detector.episodes import boxes_of
from mmgtrack.models.guided_detector.head_rows import HeadRows
from mmgtrack.models.guided_detector.sample_store import split_samples, stack_samples
from mmgtrack.registry import MODELS
from mmgtrack.structures import ClipSample
from tests.trackers import small_guided

EXEMPLAR, SEARCH = 64, 96
SMALL = dict(
    exemplar=dict(factor=2, sizes=EXEMPLAR),
    search=dict(factor=5, size=SEARCH),
    guidance=dict(pooled_size=1),
    heads=dict(num_positives=2, num_negatives=6),
    learner=dict(inner_steps=1, first_steps=1),
    first_frame=dict(count=2),
    test_cfg=dict(update_interval=2, sample_score=0.0),
)
FEW_PROPOSALS = {'test_cfg.rpn.max_per_img': 4, 'test_cfg.rpn.nms_pre': 20}


def zoo_detector(name: str, **changes: Any) -> ConfigDict:
    """A detector's own config from mmdet's zoo, without weights."""
    settings = detector_config(f'mmdet::{name}')
    for key, value in {'backbone.init_cfg': None, **changes}.items():
        *path, last = key.split('.')
        part = settings
        for step in path:
            part = part[step]
        part[last] = value
    return settings


def of_config(name: str) -> Any:
    """The detector of one of our configs, without weights."""
    detector = load_config(f'mmgtrack::{name}.py')[1].model.detector
    detector.backbone.init_cfg = None
    if detector.get('roi_head', {}).get('shared_head'):
        detector.roi_head.shared_head.init_cfg = None
    if 'rpn_head' in detector:
        detector.test_cfg.rpn.update(max_per_img=4, nms_pre=20)
    return detector


FASTER_RCNN = 'faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py'
DETECTORS = {
    'ssd300_vgg16': lambda: of_config('guided_ssd300_vgg16'),
    'faster_rcnn_vgg16': lambda: of_config('ablations/guided_faster_rcnn_vgg16'),
    'faster_rcnn_r34': lambda: of_config('ablations/guided_faster_rcnn_r34'),
    'faster_rcnn_r50': lambda: of_config('guided_faster_rcnn_r50'),
    'faster_rcnn_r101': lambda: of_config('ablations/guided_faster_rcnn_r101'),
    'faster_rcnn_r50_fpn': lambda: zoo_detector(FASTER_RCNN, **FEW_PROPOSALS),
    'retinanet_r50': lambda: zoo_detector('retinanet/retinanet_r50_fpn_1x_coco.py'),
    'fcos_r50': lambda: zoo_detector('fcos/fcos_r50-caffe_fpn_gn-head_1x_coco.py'),
}


def built(detector: Any, **options: Any) -> GuidedDetector:
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope('mmdet'):
        tracker = MODELS.build(
            dict(type='mmgtrack.GuidedDetector', detector=detector, **{**SMALL, **options})
        )
    assert isinstance(tracker, GuidedDetector)
    tracker.init_weights()
    tracker.name = 'guided'
    return tracker


def triplets(count: int = 2, exemplar_size: int = EXEMPLAR) -> dict[str, Any]:
    """A batch of exemplars, supports and queries with random pixels."""
    draws = torch.Generator().manual_seed(0)
    boxes = dict(exemplar=[16.0, 16, 48, 48], support=[30.0, 36, 58, 60], query=[41.0, 28, 65, 60])
    sizes = dict(exemplar=exemplar_size, support=SEARCH, query=SEARCH)
    samples = []
    for _ in range(count):
        sample = ClipSample()
        sample.instances = {role: InstanceData(bboxes=torch.tensor([box])) for role, box in boxes.items()}
        samples.append(sample)
    inputs = {
        role: torch.randint(0, 256, (count, 3, size, size), generator=draws).byte()
        for role, size in sizes.items()
    }
    return dict(inputs={role: list(images) for role, images in inputs.items()}, data_samples=samples)


def losses_of(tracker: GuidedDetector, batch: dict[str, Any]) -> dict[str, torch.Tensor]:
    data = tracker.data_preprocessor(copy.deepcopy(batch), True)
    return tracker(data['inputs'], data['data_samples'], mode='loss')


def total(losses: dict[str, torch.Tensor]) -> torch.Tensor:
    return sum(value for name, value in losses.items() if 'loss' in name)


@pytest.fixture(scope='module')
def clip() -> tuple[list[np.ndarray], np.ndarray]:
    made = synthetic_clip(num_frames=9, size=(72, 96), num_targets=2, seed=3)
    return list(made.frames), made.boxes[0]


# ---- any detector ----------------------------------------------------------------------------------


@pytest.mark.parametrize('name', DETECTORS)
def test_a_detector_becomes_a_tracker(name: str, clip: tuple) -> None:
    """Its own names and layers; every weight that trains gets a gradient; it tracks."""
    detector = DETECTORS[name]()
    levels = 3 if name.startswith('ssd') else None
    exemplar = dict(factor=2, sizes=[24, 40, EXEMPLAR] if levels else EXEMPLAR)
    tracker = built(copy.deepcopy(detector), exemplar=exemplar)
    with DefaultScope.overwrite_default_scope('mmdet'):
        plain = MODELS.build(copy.deepcopy(detector))
    assert type(tracker.detector) is type(plain)
    own = {key: value.shape for key, value in tracker.state_dict().items()}
    assert {key: value.shape for key, value in plain.state_dict().items()}.items() <= own.items()
    assert all(key.startswith('guidance.') for key in own.keys() - plain.state_dict().keys())
    total(losses_of(tracker.train(), triplets())).backward()
    without = [key for key, value in tracker.named_parameters() if value.requires_grad and value.grad is None]
    assert without == []
    frames, boxes = clip
    tracks, state = tracker.eval().track(frames[1:4], tracker.encode(frames[0], boxes))
    assert tracks.boxes.isfinite().all()
    assert_finite(state)
    assert state.dropped.tolist() == [0, 0] and not torch.equal(state.thetas[0], state.thetas[1])


def test_weights_of_a_detector_are_a_start(tmp_path) -> None:
    """A checkpoint as mmdet writes it, of 80 classes: all but the class layer is taken, bit for bit."""
    settings = of_config('guided_ssd300_vgg16')
    settings.bbox_head.num_classes = 80
    with DefaultScope.overwrite_default_scope('mmdet'):
        detector = MODELS.build(copy.deepcopy(settings))
    torch.save({'state_dict': detector.state_dict()}, tmp_path / 'ssd.pth')
    tracker = built(settings, exemplar=dict(factor=2, sizes=[24, 40, EXEMPLAR]))
    load_checkpoint(tracker, str(tmp_path / 'ssd.pth'), map_location='cpu')
    given = detector.state_dict()
    for key, value in tracker.detector.state_dict().items():
        if 'cls_convs' not in key:
            assert torch.equal(value, given[key]), key


@pytest.mark.parametrize('name', ['fcos_r50', 'faster_rcnn_r50_fpn'])
def test_weights_of_other_detectors_are_a_start(name: str, tmp_path: Path) -> None:
    """FCOS under the names of its old checkpoints, too."""
    settings = DETECTORS[name]()
    with DefaultScope.overwrite_default_scope('mmdet'):
        detector = MODELS.build(copy.deepcopy(settings))
    weights = {
        key.replace('bbox_head.conv_', 'bbox_head.fcos_'): torch.full_like(value, 7)
        for key, value in detector.state_dict().items()
    }
    torch.save({'state_dict': weights}, tmp_path / 'detector.pth')
    tracker = built(settings)
    load_checkpoint(tracker, str(tmp_path / 'detector.pth'), map_location='cpu')
    assert all((value == 7).all() for value in tracker.detector.state_dict().values())


def test_guidance_starts_as_it_says() -> None:
    tracker = built(DETECTORS['retinanet_r50']())
    for level in tracker.guidance:
        assert level.modulator.weight.std().item() == pytest.approx(0.01, rel=0.1)
        assert torch.equal(level.merge.weight[:, :256, 0, 0], torch.eye(256))
        assert level.merge.weight[:, 256:].abs().max() == 0


def test_weights_come_back() -> None:
    tracker = small_guided()
    again = small_guided()
    for parameter in again.parameters():
        nn.init.zeros_(parameter)
    again.load_state_dict(tracker.state_dict())
    for (key, one), other in zip(tracker.named_parameters(), again.parameters(), strict=True):
        assert torch.equal(one, other), key


@pytest.mark.parametrize(
    ('detector', 'message'),
    [
        ('mmdet::detr/detr_r50_8xb2-150e_coco.py', 'got'),
        ('mmdet::cascade_rcnn/cascade-rcnn_r50_fpn_1x_coco.py', 'CascadeRoIHead'),
    ],
)
def test_detectors_that_cannot_be_guided(detector: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        built(detector)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(exemplar=dict(factor=2, sizes=[24, 40])), '5 guided levels need one exemplar size, or 5'),
        (dict(exemplar=dict(factor=2, sizes=0)), 'exemplar size'),
        (dict(exemplar=dict(factor=2, sizes=48.5)), 'exemplar size'),
        (dict(test_cfg=dict(update_intervall=3)), 'got update_intervall'),
        (dict(test_cfg=dict(update_interval=True)), 'update_interval must be a whole number'),
        (dict(test_cfg=dict(sample_score=float('nan'))), 'sample_score must be a number'),
        (dict(test_cfg=dict(min_side=0)), 'min_side must be a number above 0'),
        (dict(learner=dict(inner_steps=2.5)), 'inner_steps is a whole number'),
        (dict(guidance=dict(pooled_size=0)), 'pooled_size must be a whole number'),
        (dict(first_frame=dict(count=2.5)), 'count >= 1'),
        (dict(test_cfg=dict(update_interval=0)), 'update_interval must be a whole number >= 1'),
        (dict(test_cfg=dict(max_samples=2.5)), 'max_samples must be a whole number >= 1'),
        (dict(learner=dict(inner_lr=-1)), 'inner_lr'),
        (dict(selection=dict(sigma=0)), 'sigma'),
        (dict(search=dict(factor=5, size=0)), 'size > 0'),
    ],
)
def test_options_that_cannot_be(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        built(DETECTORS['retinanet_r50'](), **options)


# ---- learning --------------------------------------------------------------------------------------


@pytest.mark.parametrize(('steps', 'second_order'), [(0, True), (1, True), (3, True), (3, False)])
def test_any_number_of_inner_steps(steps: int, second_order: bool) -> None:
    tracker = small_guided(
        **{'model.learner.inner_steps': steps, 'model.learner.second_order': second_order}
    ).train()
    batch = small_batch()
    losses = losses_of(tracker, batch)
    assert losses['dropped_steps'] == 0
    total(losses).backward()
    gradients = torch.cat([value.grad.flatten() for value in tracker.parameters() if value.requires_grad])
    assert gradients.isfinite().all() and gradients.abs().sum() > 0


def small_batch(count: int = 2) -> dict[str, Any]:
    return triplets(count)


@pytest.mark.parametrize('name', ['light', 'fcos_r50', 'faster_rcnn_r50_fpn'])
def test_mixed_precision(name: str) -> None:
    # at 96 pixels FCOS's last map comes from 2 x 2 cells; from one (64) bfloat16 gradients are garbage
    size = 96 if name == 'fcos_r50' else EXEMPLAR
    tracker = (
        small_guided() if name == 'light' else built(DETECTORS[name](), exemplar=dict(factor=2, sizes=size))
    )
    full = losses_of(tracker, triplets(exemplar_size=size))
    with torch.autocast('cpu', torch.bfloat16):
        half = losses_of(tracker, triplets(exemplar_size=size))
    assert half['loss_query'].dtype == torch.float32
    torch.testing.assert_close(half['support_before'], full['support_before'], rtol=0.1, atol=0.1)
    total(half).backward()
    assert all(value.grad.isfinite().all() for value in tracker.parameters() if value.grad is not None)


def test_averaged_weights_are_read_by_their_names() -> None:
    """As mmengine's EMA hook keeps them: behind a prefix."""
    tracker = small_guided()
    average = ExponentialMovingAverage(tracker)
    names = {key.removeprefix('module.') for key in average.state_dict()} - {'steps'}
    assert names == set(tracker.state_dict())
    average.load_state_dict(average.state_dict())


def test_the_loss_is_a_mean_over_triplets() -> None:
    tracker = small_guided().double()  # in evaluation mode: norms do not join what is in a batch
    batch = small_batch(3)
    whole = losses_of(tracker, batch)
    parts = [
        losses_of(
            tracker,
            dict(
                inputs={role: images[n : n + 1] for role, images in batch['inputs'].items()},
                data_samples=batch['data_samples'][n : n + 1],
            ),
        )
        for n in range(3)
    ]
    for name, value in whole.items():
        torch.testing.assert_close(value, torch.stack([part[name] for part in parts]).mean())


def test_inner_steps_learn_the_support() -> None:
    """The support's own loss falls with every step; nothing is written into the module."""
    tracker = small_guided().double()
    before = copy.deepcopy(tracker.state_dict())
    data = tracker.data_preprocessor(small_batch(), True)
    exemplars, boxes = (
        boxes_of(data['data_samples'], role, tracker.data_preprocessor.mean)
        for role in ('exemplar', 'support')
    )
    modulators = tracker.modulators(data['inputs']['exemplar'], exemplars)
    inputs = tracker.heads.read(tracker.guide(tracker.extract(data['inputs']['support']), modulators), boxes)
    theta = tracker.theta().detach()
    rows, weights = stack_samples([[sample] for sample in _samples(tracker, inputs, boxes, theta)])
    tracker.learner.inner_lr = 1e-4
    losses = [
        tracker.learner.loss(tracker.learner.adapt(theta, rows, weights, steps).theta, rows, weights)
        for steps in range(4)
    ]
    for earlier, later in pairwise(losses):
        assert (later < earlier).all()
    assert all(torch.equal(value, before[key]) for key, value in tracker.state_dict().items())


def _samples(tracker: GuidedDetector, inputs: Any, boxes: torch.Tensor, theta: torch.Tensor) -> list:
    return split_samples(tracker.heads.mine(inputs, boxes, theta))


def test_a_batch_without_a_box_is_refused() -> None:
    tracker, batch = small_guided().train(), small_batch()
    batch['data_samples'][1].instances['query'] = InstanceData(bboxes=torch.zeros(0, 4))
    with pytest.raises(InputError, match=r'every query image needs the box of one target, got \[1, 0\]'):
        losses_of(tracker, batch)


def test_padding_is_grey() -> None:
    """What is outside of the frame does not depend on the crop's black."""
    tracker, batch = small_guided().double(), small_batch()
    mask = torch.zeros(SEARCH, SEARCH, dtype=torch.bool)
    mask[:, 70:] = True
    for sample in batch['data_samples']:
        sample.masks = {'query': mask}
    first = losses_of(tracker, batch)
    for image in batch['inputs']['query']:
        image[:, :, 70:] = 200
    again = losses_of(tracker, batch)
    assert first['loss_query'] == again['loss_query']


def test_each_level_has_its_exemplar() -> None:
    """Section 3.5: one pass for each size, and each level reads the map of its own."""
    tracker, sides = small_guided(), []
    tracker.detector.backbone.register_forward_pre_hook(lambda _, args: sides.append(args[0].shape[-1]))
    exemplars = torch.randn(2, 3, 64, 64)
    boxes = torch.tensor([[16.0, 16, 48, 48]]).repeat(2, 1)
    several = tracker.modulators(exemplars, boxes)
    assert sides == [24, 40, 64]
    one = small_guided(**{'model.exemplar.sizes': 64}).modulators(exemplars, boxes)
    width = tracker.guidance[0].modulator.out_channels
    torch.testing.assert_close(one[:, -width:], several[:, -width:])  # the last level has the largest
    assert not torch.allclose(one[:, :width], several[:, :width])


# ---- tracking --------------------------------------------------------------------------------------


@pytest.fixture
def tracker() -> Iterator[GuidedDetector]:
    yield small_guided(**{'model.test_cfg.update_interval': 3, 'model.test_cfg.max_samples': 2})


def test_updates_come_every_t_frames(tracker: GuidedDetector, clip: tuple) -> None:
    """One sample a frame, the oldest go; heads change at each target's own third frame and never else."""
    frames, boxes = clip
    states = [tracker.encode(frames[0], boxes)]
    for frame in frames[1:8]:
        states.append(tracker.track([frame], states[-1])[1])
    changed = [not torch.equal(one.thetas, other.thetas) for one, other in pairwise(states)]
    assert changed == [False, False, True, False, False, True, False]
    assert [state.fresh.tolist() for state in states] == [[n % 3] * 2 for n in range(8)]
    assert [len(state.samples[0]) for state in states] == [0, 1, 2, 2, 2, 2, 2, 2]
    assert all(len(own) == tracker.first_frame.count for own in states[-1].first_samples)
    for feature in states[-1].samples[0][0][0]:
        assert feature.dtype == torch.float16
    assert torch.equal(states[0].anchors, states[-1].anchors)


def test_targets_of_different_ages_learn_at_their_own_times(clip: tuple) -> None:
    """One joins a frame later: in one batch with the other, its updates fall on other frames."""
    frames, boxes = clip
    tracker = small_guided(**{'model.test_cfg.update_interval': 3}).double()
    _, early = tracker.track(frames[1:2], tracker.encode(frames[0], boxes[:1]))
    late = tracker.encode(frames[1], boxes[1:])
    both, after = tracker.track(frames[2:], early.add(late))
    for target, state in enumerate((early, late)):
        alone, end = tracker.track(frames[2:], state)
        torch.testing.assert_close(both.boxes[:, target], alone.boxes[:, 0], rtol=0, atol=1e-9)
        torch.testing.assert_close(after.thetas[target], end.thetas[0], rtol=0, atol=1e-9)
    assert after.age.tolist() == [8, 7] and after.fresh.tolist() == [2, 1]


def test_what_is_doubtful_is_not_learnt(tracker: GuidedDetector, clip: tuple) -> None:
    frames, boxes = clip
    tracker.test_cfg['sample_score'] = 1.1
    state = tracker.encode(frames[0], boxes)
    _, after = tracker.track(frames[1:], state)
    assert torch.equal(after.thetas, state.thetas) and after.samples == ((), ())


def test_stored_rows_are_those_of_the_frame(tracker: GuidedDetector, clip: tuple) -> None:
    """Collected from the pass that found the target: no layer runs a second time."""
    frames, boxes = clip
    state = tracker.encode(frames[0], boxes)
    runs: list[int] = []
    tracker.detector.backbone.register_forward_pre_hook(lambda *_: runs.append(1))
    tracker.track(frames[1:8], state)
    assert len(runs) == 7


def test_samples_are_labelled_with_the_detection_itself(tracker: GuidedDetector, clip: tuple) -> None:
    """Not with the box whose size follows slowly: a target that halves would be taught as background."""
    frames, boxes = clip
    state = tracker.encode(frames[0], boxes)
    windows = tracker.crop([frames[1]] * 2, state)
    found = tracker.predict_windows(windows, state)
    every, _ = tracker.heads.detect(found.details.inputs, state.thetas)
    for target, box in enumerate(found.details.boxes):
        assert (every[target] - box).abs().amax(-1).min() < 1e-4


def test_threads_do_not_disturb_each_other(clip: tuple) -> None:
    frames, boxes = clip
    tracker = small_guided()
    state = tracker.encode(frames[0], boxes)
    expected, _ = tracker.track(frames[1:], state)
    with ThreadPoolExecutor(3) as pool:
        runs = [pool.submit(tracker.track, frames[1:], state) for _ in range(6)]
    for run in runs:
        torch.testing.assert_close(run.result()[0].boxes, expected.boxes)


def test_features_beyond_half_precision_are_kept_finite(tracker: GuidedDetector, clip: tuple) -> None:
    rows = HeadRows((torch.full((1, 2, 3), 1e6),), *(torch.zeros(1, 1, 2) for _ in range(5)))
    (sample,) = split_samples(rows)
    assert sample.features[0].isfinite().all()
    assert sample.features[0].untyped_storage().nbytes() == 2 * 3 * 2


def test_a_lost_target_teaches_nothing_and_stays_in_the_frame(clip: tuple) -> None:
    """Two hundred frames without it: state and boxes stay numbers, and windows stay windows."""
    frames, boxes = clip
    tracker = small_guided(**{'model.test_cfg.sample_score': 0.9})
    black = np.zeros_like(frames[0])
    tracks, state = tracker.track([black] * 200, tracker.encode(frames[0], boxes))
    assert_finite(state)
    sizes = tracks.boxes[..., 2:] - tracks.boxes[..., :2]
    centres = (tracks.boxes[..., 2:] + tracks.boxes[..., :2]) / 2
    limits = torch.tensor([96.0, 72.0])
    assert (centres >= 0).all() and (centres <= limits).all()
    assert (sizes >= 1.99).all() and (sizes <= limits + 0.01).all()
    back, _ = tracker.track(frames[1:], state)
    assert back.boxes.isfinite().all()


def assert_finite(state: GuidedState) -> None:
    for name in ('boxes', 'modulators', 'thetas', 'anchors'):
        assert getattr(state, name).isfinite().all(), name


@pytest.mark.parametrize('box', [[40.0, 30, 41, 31], [-10.0, -10, 4, 4], [-300.0, -300, 400, 400]])
def test_targets_of_odd_sizes(clip: tuple, box: list[float]) -> None:
    """Under one cell of every level, mostly outside, and larger than the frame."""
    frames, _ = clip
    tracker = small_guided()
    tracks, state = tracker.track(frames[1:], tracker.encode(frames[0], [box]))
    assert tracks.boxes.isfinite().all()
    assert_finite(state)


def test_a_step_that_is_no_number_is_dropped_and_counted(tracker: GuidedDetector, clip: tuple) -> None:
    frames, boxes = clip
    state = tracker.encode(frames[0], boxes)
    samples = [list(own) for own in state.first_samples]
    features = samples[1][0][0]
    samples[1][0] = (tuple(torch.full_like(part, torch.inf) for part in features), *samples[1][0][1:])
    broken = replace(state, first_samples=tuple(tuple(own) for own in samples))
    _, after = tracker.track(frames[1:4], broken)
    assert after.dropped[0] == 0 and after.dropped[1] > 0
    assert_finite(after)
    assert torch.equal(after.thetas[1], state.thetas[1]) and not torch.equal(after.thetas[0], state.thetas[0])


def test_windows_without_a_number_repeat_the_last_box(tracker: GuidedDetector, clip: tuple) -> None:
    frames, boxes = clip
    state = tracker.encode(frames[0], boxes)
    blind = replace(state, thetas=torch.full_like(state.thetas, torch.nan))
    tracks, after = tracker.track(frames[1:4], blind)
    torch.testing.assert_close(tracks.boxes.double(), state.boxes.expand(3, -1, -1), atol=1e-4, rtol=0)
    assert (tracks.scores == 0).all() and after.samples == ((), ())


def test_a_support_without_a_positive(tracker: GuidedDetector) -> None:
    """A box outside of the window: background is learnt, boxes are not, and all stays finite."""
    maps = tracker.guide(tracker.extract(torch.randn(2, 3, 96, 96)), torch.randn(2, 48))
    boxes = torch.tensor([[30.0, 30, 60, 60], [500.0, 500, 540, 540]])
    theta = tracker.theta().detach()
    samples = _samples(tracker, tracker.heads.read(maps, boxes), boxes, theta)
    rows, weights = stack_samples([[sample] for sample in samples])
    assert rows.box_weights[0].sum() > 0 and rows.box_weights[1].sum() == 0
    assert rows.label_weights[1].sum() > 0
    adapted = tracker.learner.adapt_first(theta, rows, weights)
    assert adapted.theta.isfinite().all() and adapted.dropped.tolist() == [0, 0]


def test_the_same_seed_gives_the_same_track(clip: tuple) -> None:
    frames, boxes = clip
    first, again = (
        built.track(frames[1:], built.encode(frames[0], boxes))[0]
        for built in (small_guided(), small_guided())
    )
    assert torch.equal(first.boxes, again.boxes) and torch.equal(first.scores, again.scores)


def test_half_precision(clip: tuple) -> None:
    frames, boxes = clip
    tracker = small_guided()
    plain, _ = tracker.track(frames[1:], tracker.encode(frames[0], boxes))
    speed_up(tracker, 'bfloat16')
    half, state = tracker.track(frames[1:], tracker.encode(frames[0], boxes))
    assert half.boxes.isfinite().all() and state.thetas.dtype == torch.float32
    torch.testing.assert_close(half.scores[0], plain.scores[0], atol=0.1, rtol=0)


def test_a_state_keeps_its_samples_as_they_are(tracker: GuidedDetector, clip: tuple) -> None:
    frames, boxes = clip
    _, state = tracker.track(frames[1:3], tracker.encode(frames[0], boxes))
    moved = state.to(torch.float64)
    assert moved.thetas.dtype == torch.float64
    assert moved.samples[0][0][0][0].dtype == moved.first_samples[0][0][0][0].dtype == torch.float16


def test_predict(tracker: GuidedDetector) -> None:
    data = tracker.data_preprocessor(small_batch(3), False)
    tracks = tracker(data['inputs'], data['data_samples'], mode='predict')
    assert [track.boxes.shape for track in tracks] == [(1, 1, 4)] * 3
    boxes, scores = tracker(data['inputs'], data['data_samples'], mode='tensor')
    assert boxes.shape[:2] == scores.shape and scores.min() >= 0 and scores.max() <= 1
    best = scores[1].argmax()
    torch.testing.assert_close(tracks[1].boxes[0, 0], boxes[1, best])
