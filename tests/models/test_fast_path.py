"""Each step of the fast path against the plain one: equal to rounding, or as near as its precision allows."""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmcv.cnn import fuse_conv_bn
from torch import nn

from mmgtrack import Tracker
from mmgtrack.apis.models import build_network, build_tracker
from mmgtrack.datasets.synthetic import synthetic_clip
from mmgtrack.errors import InputError
from mmgtrack.geometry import box_iou
from mmgtrack.models.fast_path import slow_down, speed_up, use_memory_format
from mmgtrack.models.global_track import GlobalTrack
from mmgtrack.structures import Candidates
from tests.models.test_zoo_detectors import DETECTORS, config_over
from tests.models.test_zoo_detectors import SMALL as SMALL_DETECTOR
from tests.trackers import small_global_track, template_matching

EXACT = dict(rtol=0, atol=1e-9)


@pytest.fixture(scope='module')
def clip() -> tuple[list[np.ndarray], np.ndarray]:
    made = synthetic_clip(num_frames=6, size=(64, 96), num_targets=3, seed=4)
    return list(made.frames), made.boxes[0]


@pytest.fixture(scope='module', params=[True, False], ids=['shared', 'a level'])
def plain(request: pytest.FixtureRequest) -> GlobalTrack:
    tracker = small_global_track(**{'model.rpn_head.share_levels': request.param}).double()
    with torch.no_grad():  # statistics that folding has to get right
        for module in tracker.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.uniform_(-0.5, 0.5)
                module.running_var.uniform_(0.5, 2)
    slow_down(tracker)
    return tracker


def found(tracker: GlobalTrack, clip: tuple) -> Candidates:
    frames, boxes = clip
    return tracker.candidates(frames[1:], tracker.encode(frames[0], boxes))


def assert_same(one: Candidates, other: Candidates, **tolerance: float) -> None:
    assert torch.equal(one.valid, other.valid)
    torch.testing.assert_close(one.boxes, other.boxes, **tolerance)
    torch.testing.assert_close(one.scores, other.scores, **tolerance)


STEPS: dict[str, Any] = {
    'norms': fuse_conv_bn,
    'queries': lambda tracker: tracker.rpn_head.fold(),
    'box head': lambda tracker: tracker.roi_head.fold(),
    'channels last': lambda tracker: use_memory_format(tracker, torch.channels_last),
    'all': speed_up,
}


@pytest.mark.parametrize('step', STEPS)
def test_each_step_is_exact(plain: GlobalTrack, clip: tuple, step: str) -> None:
    faster = copy.deepcopy(plain)
    STEPS[step](faster)
    assert_same(found(faster, clip), found(plain, clip), **EXACT)


def test_steps_do_what_they_say(plain: GlobalTrack) -> None:
    faster = copy.deepcopy(plain)
    speed_up(faster)
    assert any(isinstance(module, nn.BatchNorm2d) for module in plain.modules())
    assert not any(isinstance(module, nn.BatchNorm2d) for module in faster.modules())
    weight = faster.neck.fpn_convs[0].conv.weight
    assert weight.is_contiguous(memory_format=torch.channels_last) and not weight.is_contiguous()
    calls: list[str] = []
    for part in (faster.rpn_head.correlations[0].out_conv, faster.roi_head.modulator.out_conv):
        part.register_forward_hook(lambda *args: calls.append('a pass that is folded away'))
    faster.candidates([np.zeros((64, 96, 3), np.uint8)], faster.encode(*frame_and_box()))
    assert not calls


def frame_and_box() -> tuple[np.ndarray, list[list[float]]]:
    return np.full((64, 96, 3), 90, np.uint8), [[10, 10, 40, 50]]


def test_frames_of_two_videos_with_folded_queries(plain: GlobalTrack, clip: tuple) -> None:
    """Pairs of several frames and several states at once, in another order than the frames."""
    frames, boxes = clip
    faster = copy.deepcopy(plain)
    speed_up(faster)
    clips = [(frames[1:4], boxes[:2]), (frames[2:], boxes[2:])]
    results = [
        tracker.track_many([(part, tracker.encode(frames[0], box)) for part, box in clips])
        for tracker in (plain, faster)
    ]
    for (one, _), (other, _) in zip(*results, strict=True):
        torch.testing.assert_close(one.boxes, other.boxes, **EXACT)
        torch.testing.assert_close(one.scores, other.scores, **EXACT)


def test_resizing_on_the_device(plain: GlobalTrack, clip: tuple) -> None:
    """Frames go up as bytes and are not rounded to grey levels after resizing: a level at most."""
    preprocessor = copy.deepcopy(plain.data_preprocessor)
    large = np.repeat(np.repeat(clip[0][0], 2, 0), 3, 1)
    host = preprocessor.batch([preprocessor.view(large).image])
    preprocessor.resize_on_device = True
    view = preprocessor.view(large)
    device = preprocessor.batch([view.image])
    assert view.scale == plain.data_preprocessor.view(large).scale
    assert (device - host).abs().max() <= 1 / preprocessor.std.min()


@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason='needs oneDNN')
def test_half_precision_stays_near(clip: tuple) -> None:
    """bfloat16 keeps 8 bits: features within 3 %, scores within 0.05, and what is stored stays single."""
    exact, half = small_global_track(), small_global_track()
    speed_up(half, 'bfloat16')
    assert half.neck.fpn_convs[0].conv.weight.dtype == torch.bfloat16
    images = exact.data_preprocessor.batch([exact.data_preprocessor.view(clip[0][0]).image])
    with torch.no_grad():
        one, other = (tracker.extract(images)[0].float() for tracker in (exact, half))
    assert (one - other).abs().max() <= 0.03 * one.abs().max()
    state = half.encode(clip[0][0], clip[1])
    assert state.rpn_kernels.dtype == state.boxes.dtype == torch.float32
    one, other = found(exact, clip), found(half, clip)
    assert other.boxes.dtype == other.scores.dtype == torch.float32
    assert (one.scores[..., 0] - other.scores[..., 0]).abs().max() < 0.05


@pytest.mark.parametrize('base', ['swin_t', 'r18'])
def test_half_precision_of_other_detectors(base: str, clip: tuple, tmp_path: Path) -> None:
    """Layers that make numbers of their own, as Swin's attention does, get them in half precision."""
    config = config_over(DETECTORS[base].base, tmp_path)
    config.merge_from_dict({**SMALL_DETECTOR, 'model.data_preprocessor.resize': (96, 64)})
    torch.manual_seed(0)
    exact = build_network(config).eval()
    half = copy.deepcopy(exact)
    speed_up(half, 'bfloat16')
    one, other = found(exact, clip), found(half, clip)
    assert other.boxes.isfinite().all()
    assert (one.scores[..., 0] - other.scores[..., 0]).abs().max() < 0.05


def test_compiled(clip: tuple) -> None:
    exact, compiled = small_global_track(), small_global_track()
    speed_up(compiled, compile=True)
    frames, boxes = clip
    state = exact.encode(frames[0], boxes[:1])
    one = exact.candidates(frames[1:2], state)
    other = compiled.candidates(frames[1:2], compiled.encode(frames[0], boxes[:1]))
    torch.testing.assert_close(one.scores, other.scores, rtol=0, atol=1e-4)
    torch.testing.assert_close(one.boxes, other.boxes, rtol=0, atol=0.01)


def test_twice_is_once(plain: GlobalTrack, clip: tuple) -> None:
    faster = copy.deepcopy(plain)
    speed_up(faster)
    once = found(faster, clip)
    speed_up(faster)
    assert_same(found(faster, clip), once, **EXACT)


def test_a_folded_model_is_not_trained(plain: GlobalTrack) -> None:
    faster = copy.deepcopy(plain)
    speed_up(faster)
    with pytest.raises(InputError, match='plain=True'):
        faster.train()
    faster.eval()


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(precision='half'), 'precision must be one of float32, bfloat16, float16'),
        (dict(precision='float16'), 'bfloat16'),
        (dict(plain=True, precision='bfloat16'), 'plain means float32'),
        (dict(plain=True, compile=True), 'plain means float32'),
    ],
)
def test_what_does_not_fit_together(options: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        build_tracker('globaltrack_mobilenetv2_lite', **options)


def test_folded_weights_are_not_taken_for_the_models_own(plain: GlobalTrack) -> None:
    faster = copy.deepcopy(plain)
    speed_up(faster)
    with pytest.raises(InputError, match='plain=True'):
        faster.state_dict()


def test_a_tracker_without_network_parts_has_one_precision() -> None:
    with pytest.raises(InputError, match='template_matching computes in float32 only'):
        speed_up(template_matching(), 'bfloat16')


def test_shipped_model_in_half_precision() -> None:
    """With the weights that users have: the same boxes, nearly at the same place."""
    clip = synthetic_clip(num_frames=9, size=(240, 320), num_targets=2, seed=7)
    exact, half = Tracker(plain=True), Tracker(precision='bfloat16')
    one, other = (found(tracker, (list(clip.frames), clip.boxes[0])) for tracker in (exact, half))
    overlap = box_iou(one.boxes[:, :, 0], other.boxes[:, :, 0])
    assert overlap.min() > 0.6 and overlap.median() > 0.95


def test_shipped_model_plain_and_fast_agree() -> None:
    """The weights that users have: the same track by both paths."""
    clip = synthetic_clip(num_frames=5, size=(240, 320), num_targets=2, seed=7)
    frames, boxes = list(clip.frames), clip.boxes[0]
    tracks = []
    for options in ({'plain': True}, {}):
        tracker = Tracker(**options)
        tracks.append(tracker.track(frames[1:], tracker.encode(frames[0], boxes))[0])
    torch.testing.assert_close(tracks[0].scores, tracks[1].scores, rtol=0, atol=1e-4)
    torch.testing.assert_close(tracks[0].boxes, tracks[1].boxes, rtol=0, atol=0.01)
