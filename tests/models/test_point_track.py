"""PointTrack: what it learns from, in every mode and precision, and that it can learn."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmdet.models.layers import ExpMomentumEMA
from mmengine.structures import InstanceData
from torch import nn

from mmgtrack.checkpoint import load_checkpoint_file
from mmgtrack.datasets.synthetic import SyntheticClip, synthetic_clip
from mmgtrack.errors import InputError
from mmgtrack.models.base import BaseTracker
from mmgtrack.models.fast_path import speed_up
from mmgtrack.models.point_track import PointTrack, PointTrackState
from mmgtrack.registry import OPTIM_WRAPPERS
from mmgtrack.structures import ClipSample
from tests.models.test_dm_track_modes import HIDDEN, NOBODY, SEEN, batch_for
from tests.trackers import TRACKERS, small_centre_track, small_point_track

SOME = dict(query=3, search=1)
STEPS = 100
LOSSES = {
    small_point_track: {'loss_point', 'loss_size'},
    small_centre_track: {'loss_heat', 'loss_size', 'loss_offset'},
}

both = pytest.mark.parametrize('make', LOSSES, ids=['points', 'centre'])
samples = pytest.mark.parametrize('sample', [SEEN, HIDDEN, SOME], ids=['seen', 'hidden', 'some'])


def scene(seed: int = 3, frames: int = 4) -> SyntheticClip:
    return synthetic_clip(num_frames=frames, size=(64, 96), num_targets=3, seed=seed)


@both
@samples
def test_every_parameter_takes_part(make: Any, sample: dict[str, int]) -> None:
    """Processes that train together wait for all of them, also where no target is in sight."""
    tracker = make().train()
    losses = tracker(**batch_for(tracker, sample), mode='loss')
    assert set(losses) == LOSSES[make]
    tracker.parse_losses(losses)[0].backward()
    learns = {name: value for name, value in tracker.named_parameters() if value.requires_grad}
    assert [name for name, value in learns.items() if value.grad is None] == []
    assert all(value.grad.isfinite().all() for value in learns.values())
    if sample is HIDDEN:
        assert not any(value for name, value in losses.items() if name in ('loss_size', 'loss_offset'))


def test_what_is_learnt_from_both_images() -> None:
    """Kernels come from the query image, and no trained layer is beside the point."""
    tracker = small_point_track().train()
    batch = batch_for(tracker, SEEN)
    for image in batch['inputs'].values():
        image.requires_grad_()
    tracker.parse_losses(tracker(**batch, mode='loss'))[0].backward()
    assert all(image.grad.abs().sum() > 0 for image in batch['inputs'].values())
    idle = [n for n, p in tracker.named_parameters() if p.requires_grad and not p.grad.abs().sum() > 0]
    assert idle == []


@both
def test_a_batch_is_the_mean_of_its_samples(make: Any) -> None:
    """Whatever their number of targets. Norms use their running statistics: batches would differ."""
    tracker = make().double()
    together = tracker(**batch_for(tracker, SEEN, HIDDEN, SOME, dict(query=1, search=1)), mode='loss')
    alone = [
        tracker(**batch_for(tracker, each), mode='loss')
        for each in (SEEN, HIDDEN, SOME, dict(query=1, search=1))
    ]
    for name, loss in together.items():
        torch.testing.assert_close(loss, torch.stack([each[name] for each in alone]).mean(), msg=name)


@both
def test_a_sample_is_the_mean_of_its_targets(make: Any) -> None:
    tracker = make().double()
    together = tracker(**batch_for(tracker, SEEN), mode='loss')
    alone = []
    for target in range(3):
        batch = batch_for(tracker, SEEN)
        (sample,) = batch['data_samples']
        sample.instances = {role: each[each.ids == target] for role, each in sample.instances.items()}
        alone.append(tracker(**batch, mode='loss'))
    for name, loss in together.items():
        torch.testing.assert_close(loss, torch.stack([each[name] for each in alone]).mean(), msg=name)


@both
def test_samples_without_targets(make: Any) -> None:
    """They have no pair; a batch of them alone is refused."""
    tracker = make().double()
    alone = tracker(**batch_for(tracker, SEEN), mode='loss')
    beside = tracker(**batch_for(tracker, NOBODY, SEEN), mode='loss')
    for name, loss in alone.items():
        # its share of the batch is lost, as in the other trackers
        torch.testing.assert_close(beside[name], loss / 2, msg=name)
    with pytest.raises(InputError, match='a target in at least one query image, got none in 2 samples'):
        tracker(**batch_for(tracker, NOBODY, NOBODY), mode='loss')


@both
def test_predict_equals_the_best_box_of_track(make: Any) -> None:
    tracker = make().double()
    clip = scene(frames=2)
    expected, _ = tracker.track([clip.frames[1]], tracker.encode(clip.frames[0], clip.boxes[0]))
    with torch.no_grad():
        (found,) = tracker(**batch_for(tracker, SEEN), mode='predict')
    torch.testing.assert_close(found.boxes, expected.boxes)
    torch.testing.assert_close(found.scores, expected.scores)


def test_raw_outputs_are_detections_of_every_pair() -> None:
    tracker = small_point_track()
    with torch.no_grad():
        found = tracker(**batch_for(tracker, SEEN, NOBODY, dict(query=1, search=0)), mode='tensor')
        nothing = tracker(**batch_for(tracker, NOBODY), mode='tensor')
        (nobody,) = tracker(**batch_for(tracker, NOBODY), mode='predict')
    assert found.boxes.shape == (4, 20, 4) and found.scores.shape == found.valid.shape == (4, 20)
    assert nothing.boxes.numel() == nobody.boxes.numel() == 0


@both
def test_points_are_places_in_the_frame(make: Any) -> None:
    """Best first, without area, in frame pixels; frames twice the size are fitted into the same 96x64."""
    tracker = make()
    clip = scene(frames=3)
    frames = [np.repeat(np.repeat(frame, 2, 0), 2, 1) for frame in clip.frames]
    state = tracker.encode(frames[0], clip.boxes[0] * 2)
    points = tracker.points(frames[1:], state)
    assert points.boxes.shape[:2] == points.scores.shape[:2] == (2, 3)
    assert torch.equal(points.boxes[..., :2], points.boxes[..., 2:])
    at = points.boxes[points.valid][:, :2]
    assert (at >= 0).all() and (at <= torch.tensor([192, 128])).all()
    assert (points.scores.diff(dim=2) <= 0).all() and points.valid[:, :, 0].all()
    # the best point is what the best box is around
    boxes = tracker.candidates(frames[1:], state)
    torch.testing.assert_close(boxes.scores[..., 0], points.scores[..., 0])
    first, box = points.boxes[:, :, 0, :2], boxes.boxes[:, :, 0]
    assert (first >= box[..., :2] - 1e-3).all() and (first <= box[..., 2:] + 1e-3).all()


def test_points_of_no_frame_are_refused() -> None:
    tracker = small_point_track()
    clip = scene()
    state = tracker.encode(clip.frames[0], clip.boxes[0])
    with pytest.raises(InputError, match='at least one frame and one target'):
        tracker.points([], state)
    with pytest.raises(InputError, match='at least one frame and one target'):
        tracker.points(list(clip.frames[1:]), state.keep([]))


@pytest.mark.parametrize('name', [name for name in TRACKERS if name.startswith('point_track')])
def test_the_contract_test_meets_different_candidates(name: str) -> None:
    """With the first weights of a training all would be alike, and every rule would hold for nothing."""
    tracker = TRACKERS[name]()
    clip = synthetic_clip(num_frames=8, size=(48, 64), num_targets=3, seed=1)
    state = tracker.encode(clip.frames[0], clip.boxes[0])
    found = tracker.candidates(list(clip.frames[1:]), state)
    assert isinstance(state, PointTrackState) and found.valid.sum(2).min() > 1
    assert len(found.boxes[:, :, 0].flatten(0, 1).unique(dim=0)) > 10
    assert (found.scores[:, :, 0] - found.scores[:, :, 1]).median() > 1e-3


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'model.test_cfg': None}, 'max_per_img and nms in its test_cfg, got None'),
        ({'model.test_cfg': dict(_delete_=True, max_per_img=5)}, 'needs nms in its test_cfg'),
        ({'model.bbox_head.strides': [4, 8, 16]}, 'stride for each of the 4 maps of the neck, got 3'),
        (
            {'model.bbox_head.levels': [0, 2], 'model.neck.share_levels': False},
            r'levels \[0, 2\] of 4 needs a neck with share_levels=True',
        ),
    ],
)
def test_parts_that_do_not_fit_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as raised:
        small_point_track(**options)
    assert '\n' not in str(raised.value)


def test_the_control_needs_a_shared_correlation_too() -> None:
    with pytest.raises(InputError, match=r'levels \[0\] of 4 needs a neck with share_levels=True'):
        small_centre_track(**{'model.neck.share_levels': False})


@pytest.mark.parametrize('make, levels', [(small_point_track, [1, 3]), (small_centre_track, [0])])
def test_only_maps_that_are_looked_at_are_modulated(make: Any, levels: list[int]) -> None:
    tracker = make(**({'model.bbox_head.levels': levels} if make is small_point_track else {}))
    clip = scene(frames=2)
    state = tracker.encode(clip.frames[0], clip.boxes[0])
    sizes: list[tuple[int, ...]] = []
    tracker.neck.correlations[0].out_conv.register_forward_hook(
        lambda _m, args, _out: sizes.append(tuple(args[0].shape[-2:]))
    )
    tracker.candidates([clip.frames[1]], state)
    assert sizes == [(64 // 4 >> level, 96 // 4 >> level) for level in levels]


def test_work_is_shared() -> None:
    """The backbone runs once for 5 frames, layers that see the target once for 5 frames x 2 targets."""
    tracker = small_point_track(**{'model.batch_frames': 8})
    clip = synthetic_clip(num_frames=6, size=(64, 96), num_targets=2, seed=4)
    state, frames = tracker.encode(clip.frames[0], clip.boxes[0]), list(clip.frames[1:])
    calls: dict[str, list[int]] = {}
    for name, module in tracker.named_modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(
                lambda _m, args, _out, name=name: calls.setdefault(name, []).append(len(args[0]))
            )
    tracker.track_many([(frames[:3], state), (frames[3:], state.keep([1, 0]))])
    for name in ('backbone.conv1.conv', 'neck.neck.lateral_convs.0.conv', 'neck.neck.fpn_convs.3.conv'):
        assert calls[name] == [5], name
    for level in range(4):
        assert calls[f'bbox_head.outputs.{level}'] == [10], level
    # what the target alone decides was computed in encode
    assert not [name for name in calls if 'kernel_conv' in name]
    assert state.kernels.shape == (2, 4, 16)  # a factor a channel


def test_a_factor_a_channel_is_folded_into_its_own_convolution() -> None:
    plain, fast = (small_point_track().double() for _ in range(2))
    speed_up(fast)
    clip = scene()
    passes: list[Any] = []
    fast.neck.correlations[0].out_conv.register_forward_hook(lambda *args: passes.append(args))
    one, other = (
        tracker.candidates(list(clip.frames[1:]), tracker.encode(clip.frames[0], clip.boxes[0]))
        for tracker in (plain, fast)
    )
    assert not passes and torch.equal(one.valid, other.valid) and len(one.scores.unique()) > 20
    torch.testing.assert_close(one.boxes, other.boxes)
    torch.testing.assert_close(one.scores, other.scores)


@both
def test_autocast_costs_the_losses_little(make: Any) -> None:
    tracker = make()
    batch = batch_for(tracker, SEEN, HIDDEN)
    expected = tracker(**batch, mode='loss')
    with torch.autocast('cpu', torch.bfloat16):
        found = tracker(**batch, mode='loss')
    for name, loss in expected.items():
        assert found[name].dtype == torch.float32
        torch.testing.assert_close(found[name], loss, rtol=0.05, atol=0.02, msg=name)


@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason='needs oneDNN')
@both
def test_half_precision_stays_near(make: Any) -> None:
    """bfloat16 keeps 8 bits; what is remembered and given out stays single."""
    clip = synthetic_clip(num_frames=4, size=(64, 96), num_targets=3, seed=4)
    exact, half = make(), make()
    speed_up(half, 'bfloat16')
    assert {p.dtype for p in half.bbox_head.parameters()} == {torch.bfloat16}
    state = half.encode(clip.frames[0], clip.boxes[0])
    assert state.kernels.dtype == state.boxes.dtype == torch.float32
    found = half.candidates(list(clip.frames[1:]), state)
    assert found.boxes.dtype == found.scores.dtype == torch.float32
    start = exact.encode(clip.frames[0], clip.boxes[0])
    best = exact.candidates(list(clip.frames[1:]), start).scores[..., 0]
    torch.testing.assert_close(found.scores[..., 0], best, rtol=0, atol=0.05)


def test_frames_without_numbers_are_no_hypothesis() -> None:
    """A broken weight gives no box, and no exception: the last box stays, with score 0."""
    tracker = small_point_track()
    clip = scene()
    state = tracker.encode(clip.frames[0], clip.boxes[0])
    for outputs in tracker.bbox_head.outputs:
        nn.init.constant_(outputs.weight, float('nan'))
    tracks, after = tracker.track(list(clip.frames[1:]), state)
    assert torch.equal(tracks.boxes, state.boxes.expand(3, -1, -1)) and not tracks.present.any()
    assert (tracks.scores == 0).all() and torch.equal(after.boxes, state.boxes)


def test_checkpoints_come_back(tmp_path: Path) -> None:
    """Names of the neck and the backbone are mmdet's own, so that their weights can be loaded."""
    tracker, other = small_point_track(), small_point_track()
    for parameter in other.parameters():
        nn.init.normal_(parameter)
    torch.save({'state_dict': tracker.state_dict(), 'meta': {}}, tmp_path / 'point.pth')
    other.load_state_dict(load_checkpoint_file(tmp_path / 'point.pth')['state_dict'])
    clip = scene()
    one, two = (
        each.track(list(clip.frames[1:]), each.encode(clip.frames[0], clip.boxes[0]))[0]
        for each in (tracker, other)
    )
    assert torch.equal(one.boxes, two.boxes) and torch.equal(one.scores, two.scores)
    parts = {name.partition('.')[0] for name in tracker.state_dict()}
    assert parts == {'backbone', 'neck', 'bbox_head'}


def small_pairs(tracker: BaseTracker, clips: list[SyntheticClip]) -> dict[str, Any]:
    """The first and the last frame of each clip."""
    inputs: dict[str, list[torch.Tensor]] = {'query': [], 'search': []}
    learnt = []
    for clip in clips:
        ids = torch.arange(clip.boxes.shape[1])
        sample = ClipSample()
        sample.instances = {}
        for role, n in (('query', 0), ('search', -1)):
            inputs[role].append(torch.from_numpy(clip.frames[n]).permute(2, 0, 1))
            sample.instances[role] = InstanceData(
                bboxes=torch.from_numpy(clip.boxes[n]), ids=ids, labels=torch.zeros_like(ids)
            )
        sample.set_metainfo({'img_shape': dict.fromkeys(inputs, clip.frames.shape[1:3])})
        learnt.append(sample)
    return tracker.data_preprocessor({'inputs': inputs, 'data_samples': learnt}, training=True)


def hits(tracker: BaseTracker, clips: list[SyntheticClip]) -> float:
    """Share of targets whose top point in the last frame is on them."""
    assert isinstance(tracker, PointTrack)
    found = []
    for clip in clips:
        state = tracker.encode(clip.frames[0], clip.boxes[0])
        point = tracker.points([clip.frames[-1]], state).boxes[0, :, 0, :2]
        box = torch.from_numpy(clip.boxes[-1])
        found.append(((point >= box[:, :2]) & (point < box[:, 2:])).all(1))
    return float(torch.cat(found).float().mean())


@both
def test_a_few_small_targets_are_learnt(make: Any) -> None:
    """In the precision of the light recipe, and by the average of its weights as well."""
    clips = [
        synthetic_clip(num_frames=5, size=(64, 96), num_targets=2, target_size=(9, 11), seed=seed)
        for seed in range(3)
    ]
    tracker = make()
    average = ExpMomentumEMA(tracker, momentum=0.1, gamma=5)
    optimizer = torch.optim.AdamW(tracker.parameters(), lr=3e-3)
    rate = torch.optim.lr_scheduler.LinearLR(optimizer, 1, end_factor=0.02, total_iters=STEPS)
    wrapper = OPTIM_WRAPPERS.build(dict(type='mmgtrack.CPUAmpOptimWrapper', optimizer=optimizer))
    before = hits(tracker, clips)
    batch = small_pairs(tracker, clips)
    for _ in range(STEPS):
        tracker.train()
        with wrapper.optim_context(tracker):
            loss, _ = tracker.parse_losses(tracker(**batch, mode='loss'))
        wrapper.update_params(loss)
        average.update_parameters(tracker)
        rate.step()
    assert before < 0.7
    assert hits(tracker.eval(), clips) == hits(average.module.eval(), clips) == 1
