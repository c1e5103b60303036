"""Training passes over images that cannot be read, and does not wait for processes that are gone."""

import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import cv2
import pytest
from mmengine.config import Config

from mmgtrack.datasets import SequenceFolder
from mmgtrack.engine.broken_images import add_broken_images_hook
from mmgtrack.errors import DataError, WorkerError
from mmgtrack.registry import TRANSFORMS
from tests.engine.test_training import clips, small_runner  # noqa: F401  (clips is a fixture)

LOAD = dict(type='mmgtrack.LoadFrame')


@pytest.fixture
def damaged(clips: Path, tmp_path: Path) -> tuple[Path, set[str]]:  # noqa: F811
    """The clips as JPEG files, of which the second of each clip is cut off."""
    root = tmp_path / 'damaged'
    for folder in clips.iterdir():
        (root / folder.name / 'img').mkdir(parents=True)
        (root / folder.name / 'groundtruth.txt').write_bytes((folder / 'groundtruth.txt').read_bytes())
        for file in (folder / 'img').iterdir():
            cv2.imwrite(str(root / folder.name / 'img' / f'{file.stem}.jpg'), cv2.imread(str(file)))
    broken = [Path(sequence.frame_paths[1]) for sequence in SequenceFolder(str(root))]
    for file in broken:
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    return root, set(map(str, broken))


def test_a_run_goes_on_and_lists_them(
    damaged: tuple[Path, set[str]], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root, broken = damaged
    work_dir = tmp_path / 'run'
    changes = {
        'train_dataloader.num_workers': 2,
        'train_dataloader.dataset.num_samples': 12,
        'val_dataloader': None,
        'val_cfg': None,
        'val_evaluator': None,
    }
    runner = small_runner(root, work_dir, options=changes)
    runner.logger.addHandler(caplog.handler)
    runner.train()
    dataset = runner.train_dataloader.dataset
    redrawn = [n for n in range(24) if dataset[n]['data_samples'].broken_images]
    assert 0 < len(redrawn) < 24
    lines = (work_dir / 'broken_images.txt').read_text().splitlines()
    assert set(lines) == broken and len(lines) == len(broken)
    said = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert sorted(text for text in said if text.startswith('passed over')) == [
        f'passed over: cannot read the image {path}: it is cut off after {os.path.getsize(path)} bytes'
        for path in sorted(broken)
    ]
    share = 100 * len(redrawn) / 24
    totals = [text for text in said if 'drawn anew' in text]
    assert len(totals) == 2 and totals[1] == (
        f'{len(redrawn)} of 24 samples ({share:.2g} %) were drawn anew because of 3 broken images, listed in '
        f'{work_dir}/broken_images.txt'
    )
    # a resumed run keeps the list and does not say again what is in it
    caplog.clear()
    resumed = small_runner(root, work_dir, resume=True, options={**changes, 'train_cfg.max_epochs': 3})
    resumed.logger.addHandler(caplog.handler)
    resumed.train()
    assert not [record for record in caplog.records if record.getMessage().startswith('passed over')]
    assert (work_dir / 'broken_images.txt').read_text().splitlines() == lines


def test_too_many_stop_the_run(damaged: tuple[Path, set[str]], tmp_path: Path) -> None:
    changes = {
        'train_dataloader.dataset.num_samples': 40,
        'default_hooks.broken_images.max_samples': 3,
    }
    with pytest.raises(DataError) as refused:
        small_runner(damaged[0], tmp_path / 'run', options=changes).train()
    message = str(refused.value)
    assert message.startswith('4 of ') or message.startswith('5 of ')
    assert 'more than max_share=0.01 and max_samples=3 of BrokenImagesHook allow' in message
    assert '\n' not in message


def test_the_hook_is_part_of_every_run_unless_it_is_taken_out() -> None:
    settings = Config(dict(default_hooks=dict(timer=dict(type='IterTimerHook'))))
    add_broken_images_hook(settings)
    hook = dict(type='mmgtrack.BrokenImagesHook')
    assert settings.default_hooks == dict(timer=dict(type='IterTimerHook'), broken_images=hook)
    settings = Config(dict(default_hooks=dict(broken_images=dict(max_share=0.1))))
    add_broken_images_hook(settings)
    assert settings.default_hooks.broken_images == dict(**hook, max_share=0.1)
    settings = Config(dict(default_hooks=dict(broken_images=None)))
    add_broken_images_hook(settings)
    assert settings.default_hooks.broken_images is None


# rank r meets an image of its own and one that both meet, in two of three steps
RANK = """
import logging, sys
from types import SimpleNamespace
import torch.distributed
import mmgtrack
from mmgtrack.engine import BrokenImagesHook
from mmgtrack.structures import ClipSample
rank = int(sys.argv[1])
torch.distributed.init_process_group('gloo', init_method='file://' + sys.argv[3], rank=rank, world_size=2)
hook = BrokenImagesHook(interval=2)
runner = SimpleNamespace(work_dir=sys.argv[2], logger=logging.getLogger(), _resume=False, iter=0)
hook.before_train(runner)
for step in range(3):
    broken = {'both.jpg': 'reason', f'{rank}.jpg': 'reason'} if step else {}
    sample = ClipSample(metainfo=dict(broken_images=broken))
    whole = ClipSample(metainfo=dict(broken_images={}))
    hook.after_train_iter(runner, step, dict(data_samples=[sample, whole]))
    runner.iter += 1
    if step == 1:
        assert (hook.samples, hook.redrawn, sorted(hook.known)) == (8, 2, ['0.jpg', '1.jpg', 'both.jpg'])
hook.after_train_epoch(runner)
assert (hook.samples, hook.redrawn) == (12, 4)
torch.distributed.destroy_process_group()  # its threads may abort a process that ends beside them
"""


def test_processes_add_up(tmp_path: Path) -> None:
    ranks = [
        subprocess.Popen(
            [sys.executable, '-c', RANK, str(rank), str(tmp_path), str(tmp_path / 'meeting')],
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    said = [rank.communicate(timeout=300)[1] for rank in ranks]
    assert [rank.returncode for rank in ranks] == [0, 0], said
    assert sorted((tmp_path / 'broken_images.txt').read_text().split()) == ['0.jpg', '1.jpg', 'both.jpg']


@TRANSFORMS.register_module()
class EndOf:
    """Whatever befalls the process that loads sample 4."""

    def __init__(self, what: str) -> None:
        self.what = what

    def __call__(self, results: dict[str, Any]) -> dict[str, Any]:
        if results['sample_key'][1] == 4:
            if self.what == 'killed':
                os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(100)
        return results


@pytest.mark.parametrize(
    'what, message',
    [
        ('killed', r'the process \d+ that loads data was ended from outside, .*num_workers; go on from'),
        ('silent', 'gave no batch for 2 seconds: does the disk .*train_dataloader.timeout; go on from'),
    ],
    ids=['killed', 'silent'],
)
def test_a_process_that_is_gone_ends_the_run_in_one_line(
    what: str,
    message: str,
    clips: Path,  # noqa: F811
    tmp_path: Path,
) -> None:
    pipeline = [LOAD, dict(type='mmdet.Resize', scale=(96, 64)), dict(type='mmgtrack.EndOf', what=what)]
    changes = {
        'train_dataloader.num_workers': 1,
        'train_dataloader.timeout': 2 if what == 'silent' else 60,
        'train_dataloader.dataset.pipelines': dict(query=pipeline, search=pipeline),
    }
    runner = small_runner(clips, tmp_path, options=changes)
    start = time.monotonic()
    with pytest.raises(WorkerError, match=message) as refused:
        runner.train()
    assert '\n' not in str(refused.value)
    assert time.monotonic() - start < 60
    assert (tmp_path / 'epoch_1.pth').is_file()  # the two steps before


def test_what_a_loading_process_raises_is_said_in_one_line(
    clips: Path,  # noqa: F811
    tmp_path: Path,
) -> None:
    changes = {'train_dataloader.num_workers': 1, 'train_dataloader.dataset.min_box_side': 1000}
    runner = small_runner(clips, tmp_path, options=changes)
    with pytest.raises(
        DataError, match=r'^no usable sample \d+ in 100 draws from .*a side below 1000 px'
    ) as no:
        runner.train()
    assert '\n' not in str(no.value)


def test_a_loader_with_workers_has_a_limit(clips: Path, tmp_path: Path) -> None:  # noqa: F811
    runner = small_runner(clips, tmp_path)
    loader = dict(runner.cfg.train_dataloader)
    assert runner.build_dataloader(loader).timeout == 0
    assert runner.build_dataloader({**loader, 'num_workers': 1}).timeout == 600
    assert runner.build_dataloader({**loader, 'num_workers': 1, 'timeout': 5}).timeout == 5
