"""The contract of docs/architecture.md section 2, for every tracker in tests/trackers.py.

Everything runs in float64, where batches and chunks must not change a result by more than rounding.
"""

import copy
import dataclasses
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from mmgtrack.datasets.synthetic import synthetic_clip
from mmgtrack.errors import InputError, StateError
from mmgtrack.models.base import BaseTracker, GlobalSearchTracker
from mmgtrack.structures import Calibration, State, Tracks
from tests.device import DEVICE
from tests.trackers import TRACKERS, small_global_track

EXACT = dict(rtol=0, atol=1e-9)
NUM_FRAMES = 7


@pytest.fixture(scope='module', params=list(TRACKERS))
def tracker(request: pytest.FixtureRequest) -> Iterator[BaseTracker]:
    yield TRACKERS[request.param]().double().to(DEVICE).eval()


@pytest.fixture(scope='module')
def clip() -> tuple[list[np.ndarray], np.ndarray]:
    made = synthetic_clip(num_frames=NUM_FRAMES + 1, size=(48, 64), num_targets=3, seed=1)
    return list(made.frames), made.boxes[0]


def assert_same(one: Tracks, other: Tracks) -> None:
    torch.testing.assert_close(one.boxes, other.boxes, **EXACT)
    torch.testing.assert_close(one.scores, other.scores, **EXACT)
    assert torch.equal(one.present, other.present)


def assert_same_state(one: State, other: State) -> None:
    assert type(one) is type(other) and one.model == other.model
    for name in one._leaf_names():
        # tuples of per-target values are compared value by value
        torch.testing.assert_close(getattr(one, name), getattr(other, name), **EXACT)


def test_shapes_and_ranges(tracker: BaseTracker, clip: tuple) -> None:
    frames, boxes = clip
    tracks, state = tracker.track(frames[1:], tracker.encode(frames[0], boxes))
    assert tracks.boxes.shape == (NUM_FRAMES, 3, 4)
    assert tracks.boxes.isfinite().all() and (tracks.boxes[..., 2:] >= tracks.boxes[..., :2]).all()
    assert (tracks.scores >= 0).all() and (tracks.scores <= 1).all()
    assert torch.equal(tracks.present, tracks.scores >= tracker.calibration.threshold)
    assert state.age.tolist() == [NUM_FRAMES] * 3


def test_a_function_of_frames_and_state(tracker: BaseTracker, clip: tuple) -> None:
    frames, boxes = clip
    state = tracker.encode(frames[0], boxes)
    before = copy.deepcopy(state)
    first, after = tracker.track(frames[1:], state)
    again, after_again = tracker.track(frames[1:], state)
    assert torch.equal(first.boxes, again.boxes) and torch.equal(first.scores, again.scores)
    assert_same_state(after, after_again)
    assert_same_state(before, state)  # nothing was written in place


@pytest.mark.parametrize('chunk', [1, 2, 3, 5])
def test_chunks_of_any_size_give_the_same_track(tracker: BaseTracker, clip: tuple, chunk: int) -> None:
    frames, boxes = clip
    whole, end = tracker.track(frames[1:], tracker.encode(frames[0], boxes))
    state, parts = tracker.encode(frames[0], boxes), []
    for start in range(1, len(frames), chunk):
        part, state = tracker.track(frames[start : start + chunk], state)
        parts.append(part)
    assert_same(whole, Tracks.cat(parts))
    assert_same_state(end, state)


def test_saved_and_resumed(tracker: BaseTracker, clip: tuple, tmp_path) -> None:
    frames, boxes = clip
    whole, end = tracker.track(frames[1:], tracker.encode(frames[0], boxes))
    first, state = tracker.track(frames[1:4], tracker.encode(frames[0], boxes))
    state.save(tmp_path / 'state.pt')
    rest, resumed = tracker.track(frames[4:], State.load(tmp_path / 'state.pt'))
    assert_same(whole, Tracks.cat([first, rest]))
    assert_same_state(end, resumed)
    assert [p.name for p in tmp_path.iterdir()] == ['state.pt']


def test_targets_together_equal_each_alone(tracker: BaseTracker, clip: tuple) -> None:
    frames, boxes = clip
    together, _ = tracker.track(frames[1:], tracker.encode(frames[0], boxes))
    for m in range(len(boxes)):
        alone, _ = tracker.track(frames[1:], tracker.encode(frames[0], boxes[m : m + 1]))
        torch.testing.assert_close(together.boxes[:, m], alone.boxes[:, 0], **EXACT)
        torch.testing.assert_close(together.scores[:, m], alone.scores[:, 0], **EXACT)


def test_targets_join_and_leave(tracker: BaseTracker, clip: tuple) -> None:
    frames, boxes = clip
    first, state = tracker.track(frames[1:3], tracker.encode(frames[0], boxes[:1]))
    late = tracker.encode(frames[2], boxes[1:])
    both, joined = tracker.track(frames[3:], state.add(late))
    alone, _ = tracker.track(frames[3:], state)
    late_alone, _ = tracker.track(frames[3:], late)
    torch.testing.assert_close(both.boxes[:, :1], alone.boxes, **EXACT)
    torch.testing.assert_close(both.boxes[:, 1:], late_alone.boxes, **EXACT)
    assert joined.age.tolist() == [NUM_FRAMES, NUM_FRAMES - 2, NUM_FRAMES - 2]
    kept = joined.keep([2, 0])
    assert len(kept) == 2 and kept.age.tolist() == [NUM_FRAMES - 2, NUM_FRAMES]
    assert len(first) == 2


def test_several_videos_at_once(tracker: BaseTracker, clip: tuple) -> None:
    frames, boxes = clip
    other = synthetic_clip(num_frames=4, size=(56, 40), num_targets=1, seed=2)
    clips = [
        (frames[1:], tracker.encode(frames[0], boxes)),
        (list(other.frames[1:]), tracker.encode(other.frames[0], other.boxes[0])),
        (frames[1:3], tracker.encode(frames[0], boxes[:2])),
    ]
    for (tracks, state), (video, start) in zip(tracker.track_many(clips), clips, strict=True):
        alone, end = tracker.track(video, start)
        assert_same(tracks, alone)
        assert_same_state(state, end)


def test_no_frames_and_no_videos(tracker: BaseTracker, clip: tuple) -> None:
    frames, boxes = clip
    state = tracker.encode(frames[0], boxes)
    tracks, after = tracker.track([], state)
    assert tracks.boxes.shape == (0, 3, 4) and tracks.present.dtype == torch.bool
    assert_same_state(after, state)
    assert tracker.track_many([]) == []


def test_frames_may_change_size(tracker: BaseTracker, clip: tuple) -> None:
    frames, boxes = clip
    tall = np.ascontiguousarray(np.rot90(frames[2]))
    mixed = [frames[1], tall, frames[3], frames[4]]
    whole, end = tracker.track(mixed, tracker.encode(frames[0], boxes))
    state, parts = tracker.encode(frames[0], boxes), []
    for frame in mixed:
        part, state = tracker.track([frame], state)
        parts.append(part)
    assert_same(whole, Tracks.cat(parts))
    assert_same_state(end, state)


def test_device_tensors_are_taken_as_they_are(tracker: BaseTracker, clip: tuple) -> None:
    frames, boxes = clip
    tensors = [torch.from_numpy(frame) for frame in frames]
    tracks, _ = tracker.track(tensors[1:], tracker.encode(tensors[0], boxes))
    plain, _ = tracker.track(frames[1:], tracker.encode(frames[0], boxes))
    # resizing on the device does not round to grey levels
    torch.testing.assert_close(tracks.scores, plain.scores, rtol=0, atol=0.05)


def test_black_frames_do_not_break_it(tracker: BaseTracker, clip: tuple) -> None:
    frames, boxes = clip
    black = np.zeros_like(frames[0])
    tracks, state = tracker.track([black] * 3, tracker.encode(frames[0], boxes))
    assert tracks.boxes.isfinite().all()
    back, _ = tracker.track(frames[1:], state)
    assert back.boxes.isfinite().all()


@pytest.mark.parametrize(
    ('boxes', 'message'),
    [
        ([[1.0, 2.0, float('nan'), 9.0]], 'finite'),
        ([[1.0, 2.0, float('inf'), 9.0]], 'finite'),
        ([[5.0, 5.0, 5.0, 9.0]], 'x2 > x1'),
        ([[9.0, 5.0, 5.0, 9.0]], 'x2 > x1'),
        ([[100.0, 100.0, 120.0, 120.0]], 'overlap the frame of 64x48'),
        ([1.0, 2.0, 3.0, 4.0], r'\(M, 4\)'),
        ([[1.0, 2.0, 3.0]], r'\(M, 4\)'),
        (np.zeros((0, 4)), 'M >= 1'),
        ('a box', r'\(M, 4\)'),
    ],
)
def test_bad_boxes_are_refused(tracker: BaseTracker, clip: tuple, boxes: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        tracker.encode(clip[0][0], boxes)


def test_the_state_of_another_model_is_refused(tracker: BaseTracker, clip: tuple) -> None:
    frames, boxes = clip
    state = tracker.encode(frames[0], boxes)
    tracker.fingerprint = 'another checkpoint'
    try:
        with pytest.raises(StateError, match='encode the targets again'):
            tracker.track(frames[1:], state)
        with pytest.raises(StateError):
            state.add(tracker.encode(frames[0], boxes))
    finally:
        del tracker.fingerprint
    with pytest.raises(StateError, match='got list'):
        tracker.track(frames[1:], [])


def test_float32_agrees_with_float64(clip: tuple) -> None:
    frames, boxes = clip
    single, double = small_global_track(), small_global_track().double()
    candidates = double.candidates(frames[1:], double.encode(frames[0], boxes))
    leads = candidates.scores[..., 0] - candidates.scores[..., 1] > 1e-3
    assert leads.sum() >= len(frames)  # otherwise the comparison would be of little
    one, _ = single.track(frames[1:], single.encode(frames[0], boxes))
    two, _ = double.track(frames[1:], double.encode(frames[0], boxes))
    torch.testing.assert_close(one.scores[leads].double(), two.scores[leads], rtol=0, atol=1e-4)
    torch.testing.assert_close(one.boxes[leads].double(), two.boxes[leads], rtol=0, atol=0.01)


def test_the_state_does_not_change_with_the_callers_array(tracker: BaseTracker, clip: tuple) -> None:
    frames, boxes = clip
    mine = np.array(boxes, dtype=np.float64)
    state = tracker.encode(frames[0], mine)
    mine += 7
    torch.testing.assert_close(state.boxes.numpy(), np.asarray(boxes, dtype=np.float64))


def test_no_targets_left(tracker: BaseTracker, clip: tuple) -> None:
    frames, boxes = clip
    nobody = tracker.encode(frames[0], boxes).keep([])
    tracks, after = tracker.track(frames[1:], nobody)
    assert tracks.boxes.shape[1:] == (0, 4) and len(after) == 0
    rejoined = after.add(tracker.encode(frames[3], boxes))
    assert tracker.track(frames[4:], rejoined)[0].boxes.shape == (NUM_FRAMES - 3, 3, 4)


def test_no_candidate_repeats_the_last_box_with_score_zero(clip: tuple) -> None:
    frames, boxes = clip
    tracker = small_global_track().double()
    tracker.calibration = Calibration(scale=0.2, offset=3.0, threshold=0.0)  # which says yes to everything
    assert isinstance(tracker, GlobalSearchTracker)
    state = tracker.encode(frames[0], boxes)
    found = tracker.candidates(frames[1:], state)
    found.valid[1:3, 0] = False
    found.boxes[4, 1] = float('nan')
    found.scores[5, 2, 0] = float('nan')
    tracks, after = tracker.associate(found, state)
    torch.testing.assert_close(tracks.boxes[1:3, 0], found.boxes[:1, 0, 0].expand(2, 4))
    torch.testing.assert_close(tracks.boxes[4, 1], found.boxes[3, 1, 0])
    assert tracks.scores[1:3, 0].tolist() == [0, 0] and tracks.scores[4, 1] == 0
    assert not tracks.present[1:3, 0].any() and not tracks.present[4, 1]
    # one candidate without a finite score does not hide the next
    torch.testing.assert_close(tracks.boxes[5, 2], found.boxes[5, 2, 1])
    assert tracks.present[5, 2]
    torch.testing.assert_close(after.boxes, tracks.boxes[-1])


def test_a_window_without_a_finite_box_repeats_the_last(clip: tuple) -> None:
    frames, boxes = clip
    tracker = TRACKERS['template_matching']().double()
    tracker.calibration = Calibration(scale=0.2, offset=3.0, threshold=0.0)
    state = tracker.encode(frames[0], boxes)
    blind = dataclasses.replace(state, templates=torch.full_like(state.templates, float('nan')))
    tracks, after = tracker.track(frames[1:3], blind)
    torch.testing.assert_close(tracks.boxes, state.boxes.expand(2, -1, -1))
    assert (tracks.scores == 0).all() and not tracks.present.any()
    torch.testing.assert_close(after.boxes, state.boxes)


@pytest.mark.parametrize('mode', ['loss', 'predict', 'tensor'])
def test_a_tracker_that_learns_nothing_says_so(mode: str) -> None:
    with pytest.raises(InputError, match='TemplateMatching tracks only: to train or export it'):
        TRACKERS['template_matching']()({}, [], mode=mode)


def test_float32_chunks_agree(clip: tuple) -> None:
    """Rule 2 in the precision people use, wherever the best candidate leads clearly."""
    frames, boxes = clip
    tracker = small_global_track()
    state = tracker.encode(frames[0], boxes)
    candidates = tracker.candidates(frames[1:], state)
    leads = candidates.scores[..., 0] - candidates.scores[..., 1] > 1e-3
    whole, _ = tracker.track(frames[1:], state)
    parts = []
    for frame in frames[1:]:
        part, state = tracker.track([frame], state)
        parts.append(part)
    single = Tracks.cat(parts)
    torch.testing.assert_close(whole.scores[leads], single.scores[leads], rtol=0, atol=1e-4)
    torch.testing.assert_close(whole.boxes[leads], single.boxes[leads], rtol=0, atol=0.01)


def test_work_is_shared(clip: tuple) -> None:
    """The backbone runs once for N frames, each head convolution once for N frames x M targets."""
    frames, boxes = clip
    tracker = small_global_track(**{'model.batch_frames': NUM_FRAMES})
    state = tracker.encode(frames[0], boxes)
    calls: dict[str, list[int]] = {}
    for name, module in tracker.named_modules():
        if isinstance(module, (torch.nn.Conv2d, torch.nn.Linear)):
            module.register_forward_hook(
                lambda _m, args, _out, name=name: calls.setdefault(name, []).append(len(args[0]))
            )
    tracker.track(frames[1:], state)
    levels, pairs, proposals = 5, NUM_FRAMES * 3, 32
    assert calls['backbone.conv1.conv'] == [NUM_FRAMES]
    assert calls['neck.lateral_convs.0.conv'] == [NUM_FRAMES]
    assert calls['rpn_head.rpn_conv'] == [pairs] * levels
    assert calls['rpn_head.correlations.0.out_conv'] == [pairs] * levels
    assert calls['roi_head.modulator.search_conv'] == [pairs * proposals]
    assert calls['roi_head.bbox_head.fc_cls'] == [pairs * proposals]
    # what depends on the query alone was computed in encode
    assert 'rpn_head.correlations.0.kernel_conv' not in calls
    assert 'roi_head.modulator.query_conv' not in calls
    # several videos share one pass too: 2 frames with 3 targets, 1 with 2, 3 with 1
    calls.clear()
    clips = [(frames[1:3], state), (frames[3:4], state.keep([0, 2])), (frames[4:7], state.keep([1]))]
    tracker.track_many(clips)
    assert calls['backbone.conv1.conv'] == [2 + 1 + 3]
    assert calls['roi_head.bbox_head.fc_cls'] == [(2 * 3 + 1 * 2 + 3 * 1) * proposals]
