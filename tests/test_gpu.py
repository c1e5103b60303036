"""What a GPU must not change; runs wherever there is one (``pytest -m gpu``)."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from mmgtrack import Tracker
from mmgtrack.datasets.synthetic import synthetic_clip
from mmgtrack.geometry import box_iou
from mmgtrack.models.base import BaseTracker
from mmgtrack.structures import State
from tests.models.test_dm_track_modes import HIDDEN, SEEN, batch_for
from tests.trackers import small_dm_track, small_global_track, small_guided, small_point_track

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a CUDA device'),
]


every_tracker = pytest.mark.parametrize(
    'make',
    [small_global_track, small_dm_track, small_point_track, small_guided],
    ids=lambda make: make.__name__,
)


@every_tracker
@pytest.mark.parametrize('num_targets', [1, 3])
def test_cuda_equals_cpu(make: Callable[[], BaseTracker], num_targets: int) -> None:
    clip = synthetic_clip(num_frames=6, size=(48, 64), num_targets=num_targets, seed=1)
    frames, boxes = list(clip.frames), clip.boxes[0]
    host, device = make().double(), make().double().cuda()
    expected, _ = host.track(frames[1:], host.encode(frames[0], boxes))
    found, state = device.track(frames[1:], device.encode(frames[0], boxes))
    assert found.boxes.device.type == 'cuda' and state.boxes.device.type == 'cuda'
    torch.testing.assert_close(found.boxes.cpu(), expected.boxes, rtol=0, atol=1e-6)
    torch.testing.assert_close(found.scores.cpu(), expected.scores, rtol=0, atol=1e-6)


def test_frames_on_the_device_stay_there() -> None:
    clip = synthetic_clip(num_frames=3, size=(64, 96), seed=2)
    tracker = small_global_track().cuda()
    frames = [torch.from_numpy(frame).cuda() for frame in clip.frames]
    tracks, _ = tracker.track(frames[1:], tracker.encode(frames[0], clip.boxes[0]))
    assert tracks.boxes.device.type == 'cuda'


@every_tracker
def test_a_state_goes_to_the_device(make: Callable[[], BaseTracker]) -> None:
    clip = synthetic_clip(num_frames=3, size=(64, 96), seed=2)
    tracker = make()
    state = tracker.encode(clip.frames[0], clip.boxes[0])
    tracks, _ = tracker.cuda().track(list(clip.frames[1:]), state)
    assert tracks.boxes.isfinite().all()


@every_tracker
def test_saved_on_the_device_and_joined_by_a_target(make: Callable[[], BaseTracker], tmp_path: Path) -> None:
    clip = synthetic_clip(num_frames=4, size=(64, 96), num_targets=2, seed=2)
    tracker = make().cuda()
    tracker.encode(clip.frames[0], clip.boxes[0, :1]).save(tmp_path / 's.pt')
    resumed = State.load(tmp_path / 's.pt')
    _, state = tracker.track(list(clip.frames[1:3]), resumed)
    joined = state.add(State.load(tmp_path / 's.pt')).add(tracker.encode(clip.frames[2], clip.boxes[2, 1:]))
    tracks, _ = tracker.track(list(clip.frames[3:]), joined)
    assert tracks.boxes.shape == (1, 3, 4) and tracks.boxes.device.type == 'cuda'


def test_dmtracks_losses_on_the_device() -> None:
    """Detection, and re-id on detections, of a batch in which one image shows no target."""
    host, device, half = small_dm_track().double(), small_dm_track().double().cuda(), small_dm_track().cuda()
    expected, found = (t(**batch_for(t, SEEN, HIDDEN), mode='loss') for t in (host, device))
    with torch.autocast('cuda', torch.float16):
        rough = half(**batch_for(half, SEEN, HIDDEN), mode='loss')
    for name, loss in expected.items():
        assert found[name].device.type == rough[name].device.type == 'cuda'
        torch.testing.assert_close(found[name].cpu(), loss, rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(rough[name].cpu().to(loss.dtype), loss, rtol=0.05, atol=0.01)
    device.parse_losses(found)[0].backward()
    assert all(p.grad is not None and p.grad.is_cuda for p in device.parameters() if p.requires_grad)


RECORDED = [
    f'oracles/test_{system}.py' for system in ('globaltrack', 'dmtrack', 'point_track', 'guided', 'stark')
]


@pytest.mark.parametrize('tests', ['test_contract.py', *RECORDED])
def test_contract_and_recorded_cases(tests: str) -> None:
    """The same tests as on the CPU, with the same tolerances."""
    command = [sys.executable, '-m', 'pytest', '-q', '-x', str(Path(__file__).parent / tests)]
    environment = {**os.environ, 'MMGTRACK_TEST_DEVICE': 'cuda'}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:]


@pytest.mark.parametrize('precision', ['float16', 'bfloat16'])
def test_half_precision_on_the_device(precision: str) -> None:
    clip = synthetic_clip(num_frames=9, size=(240, 320), num_targets=2, seed=7)
    frames, boxes = list(clip.frames), clip.boxes[0]
    exact, half = Tracker(device='cuda', plain=True), Tracker(device='cuda', precision=precision)
    one, other = (t.candidates(frames[1:], t.encode(frames[0], boxes)) for t in (exact, half))
    assert (one.scores[..., 0] - other.scores[..., 0]).abs().max() < 0.1
    overlap = box_iou(one.boxes[:, :, 0], other.boxes[:, :, 0])
    assert overlap.min() > 0.6 and overlap.median() > 0.95
