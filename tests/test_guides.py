"""Guides, followed from an empty folder: files and commands are taken from the pages themselves."""

import csv
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from mmdet.models.backbones import MobileNetV2, ResNet
from mmengine.config import Config

from mmgtrack.apis import VideoWriter
from mmgtrack.apis.models import load_config
from mmgtrack.cli.main import main
from mmgtrack.datasets.synthetic import SyntheticClip, synthetic_clip, write_sequence
from mmgtrack.engine.launch import build_runner
from mmgtrack.evaluation import iou
from tests.configs.test_configs import SMALL_R50, resized
from tests.pages import DOCS, blocks_of, commands_of, run, write_files


def write_video(clip: SyntheticClip, path: Path) -> None:
    with VideoWriter(path, 25) as writer:
        for frame in clip.frames:
            writer.write(frame)


def moved_to(clip: SyntheticClip, corner: tuple[int, int]) -> SyntheticClip:
    """The clip with grey borders so that its first box begins at that corner."""
    left, top = (int(c - b) for c, b in zip(corner, clip.boxes[0, 0, :2], strict=True))
    frames = np.pad(clip.frames, ((0, 0), (top, 0), (left, 0), (0, 0)), constant_values=128)
    return SyntheticClip(frames, clip.boxes + np.float32([left, top, left, top]), clip.present)


def cup(seed: int, absence: tuple[int, int] = (0, 0)) -> SyntheticClip:
    """Sixteen frames, in the first of which the target is at 100,80,40,60, as on the pages."""
    clip = synthetic_clip(16, size=(140, 160), target_size=(60, 40), absences={0: absence}, seed=seed)
    return moved_to(clip, (100, 80))


def overlaps(track: Path, boxes: np.ndarray) -> np.ndarray:
    """(F,) IoU of the rows of a track with boxes (F, 4) xyxy."""
    with track.open(newline='') as file:
        rows = np.array([[float(row[key]) for key in 'xywh'] for row in csv.DictReader(file)])
    rows[:, 2:] += rows[:, :2]
    return iou(rows, boxes.astype(float))


@pytest.fixture(scope='module')
def mine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The empty folder."""
    return tmp_path_factory.mktemp('mine')


def test_a_frame_to_find_a_box_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_video(cup(0), Path('video.mp4'))
    (command,) = [
        command for command in commands_of(DOCS / 'quickstart.md') if command.startswith('python -c')
    ]
    exec(shlex.split(command)[2], {})
    assert cv2.imread('frame.png').shape[:2] == (196, 242)  # H.264 has even sides


def test_add_a_tracker(mine: Path) -> None:
    page = DOCS / 'add_a_tracker.md'
    write_files(page, mine)
    clip = cup(0)
    write_video(clip, mine / 'video.mp4')
    try_it, track = commands_of(page)
    said = run(try_it, mine).stdout.strip()
    assert re.fullmatch(r'mean IoU 0\.9\d', said) and f'# {said}' in page.read_text()
    told = run(track, mine)
    assert 'RANDOM' not in told.stderr  # it has no weights to miss
    assert overlaps(mine / 'video_tracks' / 'track_1.csv', clip.boxes[:, 0]).mean() > 0.85
    assert (mine / 'video_tracks' / 'tracked.mp4').is_file()


# two steps of one pair each, and frames that are quickly looked at
BRIEF = ['--cfg-options', 'model.data_preprocessor.resize=(128,96)']
BRIEF_TRAINING = [*BRIEF, 'train_cfg.max_epochs=1', 'train_dataloader.dataset.num_samples=2']
BRIEF_TRAINING += ['train_dataloader.batch_size=1', 'train_dataloader.num_workers=0']
BRIEF_TRAINING += ['train_dataloader.persistent_workers=False']


def call(command: str, *more: str) -> None:
    """A command of mmgtrack in the current folder and in this process, where it has been imported already."""
    assert main([*shlex.split(command)[1:], *more]) == 0


def test_train_your_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every command of the page, in its order, with an epoch of two pairs for ten of four hundred."""
    page = DOCS / 'train_your_own.md'
    write_files(page, tmp_path)
    for name, clip in {'cup1': cup(0), 'cup2': cup(2, absence=(13, 16)), 'new': cup(4)}.items():
        write_video(clip, tmp_path / f'{name}.mp4')
    monkeypatch.chdir(tmp_path)
    commands = [line.replace('epoch_10', 'epoch_1') for line in commands_of(page)]
    for command in commands[:5]:
        call(command)
    said = capsys.readouterr().out
    assert 'data/train/cup1: 16 frames' in said
    assert 'data/train/cup2: 16 frames, 13 with a box, 3 without the target, 0 left open' in said
    boxes = np.loadtxt('data/train/cup2/groundtruth.txt', delimiter=',')
    assert boxes[8].tolist() == [126, 59, 40, 60]  # where the second track begins
    shutil.copytree('data/train/cup1', 'data/val/cup4')
    shutil.copytree('data/train/cup2', 'data/val/cup5')

    check, look, before, train, test, calibrate, track = commands[5:12]
    call(check)
    call(look, '--samples', '2')
    run(train, tmp_path, *BRIEF_TRAINING)
    assert 'success/auc' in run(before, tmp_path, *BRIEF).stdout
    assert 'success/auc' in run(test, tmp_path, *BRIEF).stdout
    call(calibrate)
    assert 'frames without it' in capsys.readouterr().out
    call(track)
    assert overlaps(Path('new_tracks/track_1.csv'), cup(4).boxes[:, 0]).mean() > 0.5


THIN_RESNET = {'backbone.base_channels': 8, 'backbone.stem_channels': 8}
THIN_RESNET |= {'neck.in_channels': [32, 64, 128, 256]}


@pytest.mark.parametrize(
    'name, backbone, thinner', [('my_backbone.py', ResNet, THIN_RESNET), ('my_mobilenet.py', MobileNetV2, {})]
)
def test_change_the_backbone(
    name: str,
    backbone: type,
    thinner: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two steps and a test on data of one's own, in heads of 16 channels instead of 256."""
    write_files(DOCS / 'detectors.md', tmp_path)
    for folder in ('train', 'val'):
        write_sequence(synthetic_clip(3, size=(64, 96)), tmp_path / 'data' / folder / 'clip')
    monkeypatch.chdir(tmp_path)
    config = Path('my_run.py')
    config.write_text(config.read_text().replace('my_backbone.py', name))
    heads = {key: value for key, value in SMALL_R50.items() if 'backbone' not in key and 'neck.in' not in key}
    pipelines = resized(Config.fromfile(config).train_dataloader.dataset.pipelines)
    options = {
        **heads,
        **{f'model.{key}': value for key, value in thinner.items()},
        'model.backbone.init_cfg': None,
        'train_dataloader.num_workers': 0,
        'train_dataloader.persistent_workers': False,
        'train_dataloader.dataset.num_samples': 2,
        'train_dataloader.dataset.pipelines': pipelines,
        'train_cfg.max_epochs': 1,
        'experiment_name': str(tmp_path),
    }
    runner = build_runner(config, options=options)
    runner.train()
    assert isinstance(runner.model.backbone, backbone) and runner.iter == 2
    assert 0 <= runner.test()['success/auc'] <= 1


def test_another_detector(tmp_path: Path) -> None:
    """The copy of the config, with the page's lines in the place of its own."""
    page = DOCS / 'detectors.md'
    copy, *_ = [command for command in commands_of(page) if command.startswith('cp')]
    copied = subprocess.run(
        ['bash', '-c', copy.replace('python', sys.executable)], cwd=tmp_path, env=os.environ, check=False
    )
    assert copied.returncode == 0
    (bases,) = [block for block in blocks_of(page, 'python') if block.startswith('_base_ = [')]
    config = tmp_path / 'my_detector.py'
    config.write_text(re.sub(r'_base_ = \[.*?\n\]\n', bases, config.read_text(), count=1, flags=re.DOTALL))
    settings = load_config(config)[1]
    assert settings.model.type == 'mmgtrack.GlobalTrack'
    assert settings.model.backbone.type == 'SwinTransformer'
