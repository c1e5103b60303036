"""The public Tracker: models by name or config, checkpoints of every kind, frames of every kind."""

import os
import pickle
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

import mmgtrack
from mmgtrack import State, Tracker, zoo
from mmgtrack.apis.calibrate import calibrate, collect_scores
from mmgtrack.apis.publish import publish
from mmgtrack.datasets import SequenceFolder
from mmgtrack.datasets.synthetic import synthetic_clip, write_sequence
from mmgtrack.errors import (
    CheckpointError,
    DataError,
    InputError,
    MMGTrackError,
    ModelNotFoundError,
    StateError,
)
from tests.trackers import CONFIGS


@pytest.fixture(scope='module')
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's own config and a checkpoint of it."""
    root = tmp_path_factory.mktemp('own')
    lines = [f'_base_ = {str(CONFIGS / "globaltrack_mobilenetv2_lite.py")!r}']
    lines += ['model = dict(']
    lines += ['    data_preprocessor=dict(resize=(96, 64)), batch_frames=4,']
    lines += ['    backbone=dict(widen_factor=0.25),']
    lines += ['    neck=dict(in_channels=[8, 8, 24, 40], out_channels=16),']
    lines += ['    rpn_head=dict(in_channels=16, feat_channels=16),']
    lines += ['    roi_head=dict(bbox_roi_extractor=dict(out_channels=16),']
    lines += ['                  bbox_head=dict(in_channels=16, fc_out_channels=32)))']
    (root / 'own.py').write_text('\n'.join(lines))
    torch.manual_seed(0)  # the same weights whichever tests came before
    with pytest.warns(UserWarning, match='RANDOM'):
        random = Tracker(root / 'own.py', plain=True)
    torch.save({'state_dict': random.model.state_dict(), 'meta': {}}, root / 'own.pth')
    return root


@pytest.fixture(scope='module')
def tracker(folder: Path) -> Tracker:
    return Tracker(folder / 'own.py', folder / 'own.pth')


def test_no_weights_is_a_loud_warning(folder: Path) -> None:
    with pytest.warns(UserWarning, match='weights are RANDOM.*checkpoint=FILE.*--checkpoint FILE'):
        Tracker(folder / 'own.py')
    with warnings.catch_warnings():
        warnings.simplefilter('error', UserWarning)
        Tracker(folder / 'own.py', folder / 'own.pth')


def test_four_lines(tracker: Tracker) -> None:
    clip = synthetic_clip(num_frames=4, size=(48, 64))
    state = tracker.encode(clip.frames[0], clip.boxes[0])
    tracks, state = tracker.track(list(clip.frames[1:]), state)
    assert tracks.boxes.shape == (3, 1, 4) and tracks.boxes.dtype == torch.float32
    assert tracks.present.dtype == torch.bool and state.age.tolist() == [3]


def test_stream_equals_track(tracker: Tracker) -> None:
    clip = synthetic_clip(num_frames=6, size=(48, 64), num_targets=2)
    rows = list(tracker.stream(iter(clip.frames), clip.boxes[0]))
    assert [frame.index for frame, _ in rows] == list(range(6))
    assert rows[0][1].boxes[0].tolist() == clip.boxes[0].tolist() and rows[0][1].present.all()
    tracks, _ = tracker.track(list(clip.frames[1:]), tracker.encode(clip.frames[0], clip.boxes[0]))
    streamed = torch.cat([track.boxes for _, track in rows[1:]])
    torch.testing.assert_close(streamed, tracks.boxes)


def test_stream_from_a_later_frame(tracker: Tracker) -> None:
    clip = synthetic_clip(num_frames=5, size=(48, 64))
    rows = list(tracker.stream(iter(clip.frames), clip.boxes[2], start_frame=2))
    assert [frame.index for frame, _ in rows] == [2, 3, 4]


def test_candidates_hold_the_track(tracker: Tracker) -> None:
    clip = synthetic_clip(num_frames=4, size=(48, 64))
    state = tracker.encode(clip.frames[0], clip.boxes[0])
    frames = list(clip.frames[1:])
    candidates, (tracks, _) = tracker.candidates(frames, state), tracker.track(frames, state)
    assert isinstance(candidates, mmgtrack.Candidates)
    torch.testing.assert_close(candidates.boxes[:, :, 0], tracks.boxes)


def frame_of(kind: str) -> np.ndarray:
    image = synthetic_clip(num_frames=1, size=(48, 64)).frames[0]
    if kind == 'grey':
        return image[..., 0]
    if kind == 'grey with a channel':
        return image[..., :1]
    if kind == 'BGRA':
        return np.dstack([image, np.full(image.shape[:2], 255, np.uint8)])
    if kind == '16-bit':
        return image.astype(np.uint16) * 257
    return image.astype(np.float32) / 255


@pytest.mark.parametrize('kind', ['grey', 'grey with a channel', 'BGRA', '16-bit', 'float'])
def test_frames_are_converted(tracker: Tracker, kind: str) -> None:
    frame = frame_of(kind)
    plain = synthetic_clip(num_frames=1, size=(48, 64)).frames[0]
    if kind.startswith('grey'):
        plain = np.repeat(plain[..., :1], 3, axis=2)
    boxes = [[5, 5, 25, 30]]
    one, _ = tracker.track([frame], tracker.encode(frame, boxes))
    two, _ = tracker.track([plain], tracker.encode(plain, boxes))
    torch.testing.assert_close(one.boxes, two.boxes)


@pytest.mark.parametrize('frame', [np.zeros((4, 5, 2), np.uint8), np.zeros((0, 5, 3), np.uint8), 'frame'])
def test_other_things_are_no_frames(tracker: Tracker, frame: object) -> None:
    with pytest.raises(InputError):
        tracker.encode(frame, [[0, 0, 2, 2]])


def test_unknown_names_list_the_nearest() -> None:
    with pytest.raises(ModelNotFoundError, match='did you mean globaltrack_r50'):
        Tracker('globaltrack_r5')
    with pytest.raises(ModelNotFoundError, match='no config file'):
        Tracker('nowhere/config.py')


@pytest.mark.parametrize('device', ['tpu9', 'cuda:99', 'mps', 'xpu', 'meta'])
def test_devices_that_are_not_there(folder: Path, device: str) -> None:
    with pytest.raises(InputError, match='device'):
        Tracker(folder / 'own.py', folder / 'own.pth', device=device)


def test_another_architecture_names_the_keys(folder: Path) -> None:
    with pytest.raises(CheckpointError, match=r'own\.pth is of another architecture.*backbone\.conv1'):
        Tracker('globaltrack_r50', folder / 'own.pth')


def test_a_checkpoint_of_another_config_is_refused(folder: Path, tmp_path: Path) -> None:
    content = torch.load(folder / 'own.pth', weights_only=True)
    torch.save({**content, 'meta': {'config_name': 'globaltrack_r50'}}, tmp_path / 'x.pth')
    with pytest.raises(CheckpointError, match="made with the config 'globaltrack_r50'"):
        Tracker(folder / 'own.py', tmp_path / 'x.pth')


def test_a_checkpoint_saved_under_ddp_fits(folder: Path, tmp_path: Path) -> None:
    content = torch.load(folder / 'own.pth', weights_only=True)
    wrapped = {f'module.{k}': v.half() for k, v in content['state_dict'].items() if v.is_floating_point()}
    torch.save({'state_dict': wrapped}, tmp_path / 'ddp.pth')
    model = Tracker(folder / 'own.py', tmp_path / 'ddp.pth').model
    assert all(p.dtype == torch.float32 for p in model.parameters())


class Bomb:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return (Path.touch, (self.path,))


@pytest.mark.parametrize('kind', ['missing', 'cut', 'text', 'empty', 'bomb'])
def test_broken_checkpoints(folder: Path, tmp_path: Path, kind: str) -> None:
    path, mark = tmp_path / 'w.pth', tmp_path / 'mark'
    if kind == 'cut':
        path.write_bytes((folder / 'own.pth').read_bytes()[:5000])
    elif kind == 'text':
        path.write_text('these are not weights')
    elif kind == 'empty':
        path.touch()
    elif kind == 'bomb':
        path.write_bytes(pickle.dumps(Bomb(mark)))
    with pytest.raises(CheckpointError, match=r'w\.pth') as refused:
        Tracker(folder / 'own.py', path)
    assert ('mmgtrack convert' in str(refused.value)) == (kind != 'missing')
    assert not mark.exists()


def test_what_official_code_wrote_is_to_be_converted(tmp_path: Path) -> None:
    weights = {'rpn_modulator.proj_out.0.bias': torch.zeros(256)}
    torch.save({'state_dict': weights, 'meta': {'epoch': 12}}, tmp_path / 'w.pth')
    for model in (None, 'globaltrack_r50_official'):
        with pytest.raises(CheckpointError, match=r'of another architecture .*: mmgtrack convert$'):
            Tracker(model, tmp_path / 'w.pth')


def test_states_belong_to_their_weights(folder: Path, tracker: Tracker, tmp_path: Path) -> None:
    frame = frame_of('float')
    tracker.encode(frame, [[5, 5, 25, 30]]).save(tmp_path / 's.pt')
    resumed = State.load(tmp_path / 's.pt')
    assert tracker.track([frame], resumed)[0].boxes.shape == (1, 1, 4)
    content = torch.load(folder / 'own.pth', weights_only=True)
    content['state_dict']['neck.lateral_convs.0.conv.bias'] += 1
    torch.save(content, tmp_path / 'other.pth')
    with pytest.raises(StateError, match='encode the targets again'):
        Tracker(folder / 'own.py', tmp_path / 'other.pth').track([frame], resumed)


def test_a_state_is_good_in_another_process(folder: Path, tmp_path: Path) -> None:
    """Neither where the data lie, nor where training started, nor the chunk size makes another model."""
    config = (folder / 'own.py').read_text().replace('batch_frames=4', 'batch_frames=1')
    (tmp_path / 'own.py').write_text(config)
    code = (
        'import sys, numpy as np\n'
        'from mmgtrack import State, Tracker\n'
        'tracker, frame = Tracker(sys.argv[1], sys.argv[2]), np.zeros((48, 64, 3), np.uint8)\n'
        'if sys.argv[4] == "save":\n'
        '    tracker.encode(frame, [[5, 5, 25, 30]]).save(sys.argv[3])\n'
        'else:\n'
        '    print(tracker.track([frame], State.load(sys.argv[3]))[1].age.tolist())\n'
    )
    for root, verb in (('here', 'save'), ('there', 'load')):
        source = folder if verb == 'save' else tmp_path
        words = [str(source / 'own.py'), str(folder / 'own.pth'), str(tmp_path / 's.pt'), verb]
        environment = {**os.environ, 'MMGTRACK_DATA': root}
        done = subprocess.run(
            [sys.executable, '-c', code, *words], env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
    assert done.stdout.split('\n')[-2] == '[1]'


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('model = dict(', 'cannot read the config'),
        ("_base_ = './nowhere.py'", 'cannot read the config'),
        ('x = 1', 'no dict named model'),
        ("model = dict(type='NoSuchModel')", 'builds no model'),
        ("model = dict(type='mmdet.ChannelMapper', in_channels=[3], out_channels=3)", 'is no tracker'),
    ],
)
def test_bad_configs(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / 'bad.py').write_text(text)
    with pytest.raises(MMGTrackError, match=message) as caught:
        Tracker(tmp_path / 'bad.py')
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize(
    'meta', [{'calibration': 3}, {'calibration': {'slope': 1}}, {'calibration': {'scale': -1.0}}]
)
def test_bad_calibrations_in_a_checkpoint(folder: Path, tmp_path: Path, meta: dict) -> None:
    content = torch.load(folder / 'own.pth', weights_only=True)
    torch.save({**content, 'meta': meta}, tmp_path / 'x.pth')
    with pytest.raises(CheckpointError, match='no valid calibration'):
        Tracker(folder / 'own.py', tmp_path / 'x.pth')


def test_the_users_scope_is_left_alone(folder: Path) -> None:
    from mmengine.registry import DefaultScope

    with DefaultScope.overwrite_default_scope('mmengine'):
        Tracker(folder / 'own.py', folder / 'own.pth')
        assert DefaultScope.get_current_instance().scope_name == 'mmengine'


def test_the_zoo_is_whole() -> None:
    models = zoo.list_models()
    assert models[0].name == zoo.DEFAULT
    assert len({m.name for m in models}) == len(models)
    for model in models:
        assert zoo.config_path(model).is_file()
        weights = zoo.weights_path(model)  # checks the sha256
        if weights is not None:
            assert weights.stat().st_size == model.size_bytes <= 6e6


def test_damaged_shipped_weights_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    model = next(m for m in zoo.list_models() if m.weights)
    monkeypatch.setattr(zoo, '_HERE', tmp_path)
    with pytest.raises(CheckpointError, match='missing'):
        zoo.weights_path(model)
    (tmp_path / model.weights).write_bytes(b'damaged')
    with pytest.raises(CheckpointError, match='expected sha256'):
        zoo.weights_path(model)


def test_calibrate_writes_into_the_checkpoint(folder: Path, tmp_path: Path) -> None:
    for seed in range(3):
        made = synthetic_clip(num_frames=6, size=(64, 96), num_targets=1, seed=seed, absences={0: (3, 5)})
        write_sequence(made, tmp_path / 'data' / f'clip{seed}')
    data = SequenceFolder(str(tmp_path / 'data'))
    with pytest.raises(DataError, match='train the model first'):  # random weights are never right
        calibrate(folder / 'own.py', folder / 'own.pth', data)
    shipped = zoo.weights_path(zoo.find_model(zoo.DEFAULT))
    checkpoint = shutil.copy(shipped, tmp_path / 'copy.pth')
    report = calibrate(zoo.DEFAULT, checkpoint, data)
    # 3 clips: 3 labelled present and 2 absent frames each, and every frame of the next clip is absent
    assert (report.present_frames, report.absent_frames) == (9, 6 + 18)
    assert 0 < report.correct_frames <= 9
    assert report.true_positive_rate <= report.correct_frames / 9
    again = Tracker(checkpoint=checkpoint)
    assert again.model.calibration == report.calibration
    raw = torch.load(shipped, weights_only=True)['state_dict']
    kept = torch.load(checkpoint, weights_only=True)['state_dict']
    assert all(torch.equal(raw[k], kept[k]) for k in raw)


def test_calibrate_needs_targets(tracker: Tracker, tmp_path: Path) -> None:
    made = synthetic_clip(num_frames=4, size=(64, 96), num_targets=1, absences={0: (0, 2)})
    write_sequence(made, tmp_path / 'late')
    with pytest.raises(DataError, match='first frame shows a target'):
        collect_scores(tracker.model, SequenceFolder(str(tmp_path)))


def test_published_weights_are_small_and_track_the_same(folder: Path, tmp_path: Path) -> None:
    done = publish(folder / 'own.py', folder / 'own.pth', tmp_path / 'small.pth')
    assert done.size_bytes == (tmp_path / 'small.pth').stat().st_size
    assert done.size_bytes < 0.6 * (folder / 'own.pth').stat().st_size
    assert done.sha256 == zoo.file_sha256(tmp_path / 'small.pth')
    clip = synthetic_clip(num_frames=3, size=(48, 64))
    one, two = (Tracker(folder / 'own.py', path) for path in (folder / 'own.pth', tmp_path / 'small.pth'))
    first, second = (
        t.candidates(list(clip.frames[1:]), t.encode(clip.frames[0], clip.boxes[0])) for t in (one, two)
    )
    torch.testing.assert_close(first.scores, second.scores, rtol=0, atol=0.01)
