"""Small configs, weights and videos for tests of testing."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config

from mmgtrack.datasets.synthetic import synthetic_clip, write_sequence
from tests.trackers import (
    CONFIGS,
    SMALL,
    SMALL_GUIDED,
    SMALL_POINT_TRACK,
    SMALL_STARK,
    small_global_track,
    small_guided,
    small_point_track,
    small_stark,
)

ROOT = CONFIGS.parent
LENGTHS = {'a': 9, 'b': 14, 'c': 11, 'd': 6, 'e': 12}
KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    'global_track': ('globaltrack_mobilenetv2_lite', SMALL),
    'stark': ('stark_st50_stage2', SMALL_STARK),
    'guided': ('guided_mobilenetv2_lite', SMALL_GUIDED),
    'point_track': ('point_track_mobilenetv2_lite', SMALL_POINT_TRACK),
}
BUILDERS = {
    'global_track': small_global_track,
    'stark': small_stark,
    'guided': small_guided,
    'point_track': small_point_track,
}


def write_videos(root: Path, lengths: dict[str, int] = LENGTHS) -> Path:
    for seed, (name, length) in enumerate(lengths.items()):
        write_sequence(synthetic_clip(num_frames=length, size=(64, 96), seed=seed), root / name)
    return root


def write_small(folder: Path, kind: str, videos: Path, **changes: Any) -> tuple[Path, Path]:
    """Config and checkpoint of a small tracker whose test set are these videos."""
    name, small = KINDS[kind]
    config = Config.fromfile(CONFIGS / f'{name}.py')
    config.merge_from_dict({**small, **changes})
    reader = dict(type='mmgtrack.SequenceFolder', root=str(videos))
    config.test_dataloader = dict(
        batch_size=1, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False), dataset=reader
    )
    config.test_evaluator = [
        dict(type='mmgtrack.ProtocolMetric', protocol='own', annotations=str(videos)),
        dict(type='mmgtrack.SuccessMetric'),
    ]
    config.load_from = None
    folder.mkdir(parents=True, exist_ok=True)
    config.dump(folder / f'{kind}.py')
    tracker = BUILDERS[kind]()
    torch.save({'state_dict': tracker.state_dict(), 'meta': {}}, folder / f'{kind}.pth')
    return folder / f'{kind}.py', folder / f'{kind}.pth'


def started(*words: object, cwd: Path, **environment: str) -> subprocess.Popen[str]:
    """A command in a process group of its own, in ``cwd``."""
    return subprocess.Popen(
        [*map(str, words)],
        cwd=cwd,
        env={**os.environ, 'OMP_NUM_THREADS': '1', 'PYTHON': sys.executable, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def contents(folder: Path) -> dict[str, bytes]:
    """Result files by name, without the times."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob('*.csv')}
