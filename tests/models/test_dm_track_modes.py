"""DMTrack in every mode and precision, and with batches and options at the edge of what makes sense."""

from pathlib import Path
from typing import Any

import pytest
import torch

from mmgtrack.datasets import synthetic_clip
from mmgtrack.errors import InputError
from mmgtrack.models.base import BaseTracker
from mmgtrack.models.fast_path import speed_up
from mmgtrack.structures import ClipSample, State, Tracks
from tests.models.test_dm_track import sample_batch
from tests.trackers import guided_neck, small_dm_track, small_global_track

BEST_BOX = {'model.association': None}
DETECTION_ALONE = {'model.re_id_head': None}


def keep(sample: ClipSample, **counts: int) -> ClipSample:
    """The sample with the first targets of each role only."""
    ids = torch.arange(3)
    sample.instances = {role: found[ids < counts[role]] for role, found in sample.instances.items()}
    return sample


def batch_for(tracker: BaseTracker, *counts: dict[str, int]) -> dict[str, Any]:
    """A sample for each dict, which says how many of three targets its roles have."""
    images, samples = sample_batch(len(counts))
    samples = [keep(sample, **each) for sample, each in zip(samples, counts, strict=True)]
    return tracker.data_preprocessor({'inputs': images, 'data_samples': samples}, training=True)


SEEN, HIDDEN, NOBODY = dict(query=3, search=3), dict(query=3, search=0), dict(query=0, search=0)


@pytest.mark.parametrize('inclusive', [False, True])
def test_predict_equals_the_best_box_of_track(inclusive: bool) -> None:
    tracker = small_dm_track(**BEST_BOX, **{'model.inclusive_pixels': inclusive}).double()
    clip = synthetic_clip(num_frames=2, size=(64, 96), num_targets=3, seed=3)
    expected, _ = tracker.track([clip.frames[1]], tracker.encode(clip.frames[0], clip.boxes[0]))
    with torch.no_grad():
        (found,) = tracker(**batch_for(tracker, SEEN), mode='predict')
    torch.testing.assert_close(found.boxes, expected.boxes)
    torch.testing.assert_close(found.scores, expected.scores)


def test_raw_outputs_are_detections_of_every_pair() -> None:
    tracker = small_dm_track()
    with torch.no_grad():
        found = tracker(**batch_for(tracker, SEEN, NOBODY, dict(query=1, search=0)), mode='tensor')
    assert found.boxes.shape == (4, 20, 4) and found.scores.shape == found.valid.shape == (4, 20)
    torch.testing.assert_close(found.embeddings.norm(dim=2), torch.ones(4, 20))


@pytest.mark.parametrize('mode', ['predict', 'tensor'])
def test_nobody_is_searched_for(mode: str) -> None:
    tracker = small_dm_track()
    with torch.no_grad():
        found = tracker(**batch_for(tracker, NOBODY), mode=mode)
    assert (found[0].boxes if mode == 'predict' else found.boxes).numel() == 0


@pytest.mark.parametrize('make', [small_dm_track, small_global_track], ids=lambda make: make.__name__)
def test_a_batch_without_targets_teaches_nothing_and_says_so(make: Any) -> None:
    tracker = make().train()
    with pytest.raises(InputError, match='a target in at least one query image, got none in 2 samples'):
        tracker(**batch_for(tracker, NOBODY, NOBODY), mode='loss')


def test_a_sample_without_targets_changes_no_loss() -> None:
    tracker = small_dm_track()
    alone = tracker(**batch_for(tracker, SEEN), mode='loss')
    beside = tracker(**batch_for(tracker, SEEN, NOBODY), mode='loss')
    torch.testing.assert_close(beside, alone)


@pytest.mark.parametrize(
    'make',
    [small_dm_track, guided_neck, lambda: small_dm_track(**DETECTION_ALONE)],
    ids=['head', 'neck', 'detection alone'],
)
@pytest.mark.parametrize('sample', [SEEN, HIDDEN], ids=['seen', 'hidden'])
def test_every_parameter_takes_part(make: Any, sample: dict[str, int]) -> None:
    """Processes that train together wait for all of them, also where no target is in sight."""
    tracker = make().train()
    losses = tracker(**batch_for(tracker, sample), mode='loss')
    tracker.parse_losses(losses)[0].backward()
    learns = {name: value for name, value in tracker.named_parameters() if value.requires_grad}
    assert [name for name, value in learns.items() if value.grad is None] == []
    assert all(value.grad.isfinite().all() for value in learns.values())
    if sample is HIDDEN:
        boxes = [value for name, value in losses.items() if name.endswith(('_bbox', '_centerness'))]
        assert len(boxes) == 2 and not any(boxes)


@pytest.mark.parametrize('make', [small_dm_track, guided_neck], ids=['head', 'neck'])
def test_autocast_costs_the_losses_little(make: Any) -> None:
    tracker = make()
    batch = batch_for(tracker, SEEN, HIDDEN)
    expected = tracker(**batch, mode='loss')
    with torch.autocast('cpu', torch.bfloat16):
        found = tracker(**batch, mode='loss')
    for name, loss in expected.items():
        assert found[name].dtype == torch.float32
        torch.testing.assert_close(found[name], loss, rtol=0.05, atol=0.01)


@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason='needs oneDNN')
@pytest.mark.parametrize('make', [small_dm_track, guided_neck], ids=['head', 'neck'])
def test_half_precision_stays_near(make: Any) -> None:
    """bfloat16 keeps 8 bits; what is remembered and given out stays single."""
    clip = synthetic_clip(num_frames=4, size=(64, 96), num_targets=3, seed=4)
    exact, half = make(), make()
    speed_up(half, 'bfloat16')
    assert half.bbox_head.conv_cls.weight.dtype == half.re_id_head.embedding.weight.dtype == torch.bfloat16
    state = half.encode(clip.frames[0], clip.boxes[0])
    assert state.kernels.dtype == state.templates.dtype == state.boxes.dtype == torch.float32
    found = half.candidates(list(clip.frames[1:]), state)
    assert {leaf.dtype for leaf in (found.boxes, found.scores, found.embeddings)} == {torch.float32}
    start = exact.encode(clip.frames[0], clip.boxes[0])
    best = exact.candidates(list(clip.frames[1:]), start).scores[..., 0]
    torch.testing.assert_close(found.scores[..., 0], best, rtol=0, atol=0.05)
    assert ((state.templates * start.templates).sum(1) > 0.99).all()
    assert half.track(list(clip.frames[1:]), state)[0].scores.dtype == torch.float32


def test_work_is_shared() -> None:
    """The backbone runs once for 5 frames, layers that see the target once for 5 frames x 2 targets."""
    tracker = small_dm_track(**{'model.batch_frames': 8})
    clip = synthetic_clip(num_frames=6, size=(64, 96), num_targets=2, seed=4)
    state, frames = tracker.encode(clip.frames[0], clip.boxes[0]), list(clip.frames[1:])
    calls: dict[str, list[int]] = {}
    for name, module in tracker.named_modules():
        if isinstance(module, (torch.nn.Conv2d, torch.nn.Linear)):
            module.register_forward_hook(
                lambda _m, args, _out, name=name: calls.setdefault(name, []).append(len(args[0]))
            )
    tracker.track_many([(frames[:3], state), (frames[3:], state.keep([1, 0]))])
    levels, pairs, boxes = 3, 10, 20
    for name in ('backbone.conv1.conv', 'neck.lateral_convs.0.conv', 're_id_head.map_conv.conv'):
        assert calls[name] == [5], name
    for name in ('cls_correlations.1.search_conv', 'conv_cls', 'conv_reg', 'conv_centerness'):
        assert calls[f'bbox_head.{name}'] == [pairs] * levels, name
    assert calls['re_id_head.embedding'] == [pairs * boxes]
    # what the target alone decides was computed in encode
    assert not [name for name in calls if 'kernel_conv' in name or 'level_convs' in name]


def test_a_state_of_another_precision_goes_on() -> None:
    tracker = small_dm_track()
    clip = synthetic_clip(num_frames=6, size=(64, 96), num_targets=2, seed=4)
    _, state = tracker.track(list(clip.frames[1:3]), tracker.encode(clip.frames[0], clip.boxes[0]))
    expected, _ = tracker.track(list(clip.frames[3:]), state)
    for dtype in (torch.float32, torch.float64):
        found, _ = tracker.track(list(clip.frames[3:]), state.to(dtype))
        assert found.boxes.dtype == found.scores.dtype == torch.float32
        torch.testing.assert_close(found.boxes, expected.boxes)
        torch.testing.assert_close(found.scores, expected.scores)


def test_targets_that_exclude_each_other_go_on_after_a_break(tmp_path: Path) -> None:
    tracker = small_dm_track(**{'model.exclusive': True}).double()
    clip = synthetic_clip(num_frames=7, size=(48, 64), num_targets=3, seed=1)
    frames, start = list(clip.frames[1:]), tracker.encode(clip.frames[0], clip.boxes[0])
    whole, _ = tracker.track(frames, start)
    first, state = tracker.track(frames[:2], start)
    state.save(tmp_path / 'state.pt')
    rest, _ = tracker.track(frames[2:], State.load(tmp_path / 'state.pt'))
    joined = Tracks.cat([first, rest])
    torch.testing.assert_close(joined.boxes, whole.boxes)
    torch.testing.assert_close(joined.scores, whole.scores)


def test_options_that_need_another_one() -> None:
    assert small_dm_track(**DETECTION_ALONE).task_weights is None
    with pytest.raises(InputError, match=r'exclusive=True .* needs association=dict'):
        small_dm_track(**BEST_BOX, **{'model.exclusive': True})
