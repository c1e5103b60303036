"""Training by mmengine's Runner on a small folder of clips: runs, resumes, validates, stays safe."""

import os
import pickle
import runpy
import shutil
import socket
import subprocess
import sys
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import InfiniteSampler
from mmengine.runner import Runner
from mmengine.runner.checkpoint import CheckpointLoader
from torch.utils.data import DataLoader

from mmgtrack import zoo
from mmgtrack.apis.models import build_tracker
from mmgtrack.apis.testing import TestOptions, run_test
from mmgtrack.checkpoint import load_checkpoint_file, use_safe_loading
from mmgtrack.datasets import EpochSampler
from mmgtrack.datasets.synthetic import synthetic_clip, write_sequence
from mmgtrack.engine.launch import build_runner
from mmgtrack.engine.train_loops import check_epoch
from mmgtrack.errors import CheckpointError, InputError
from mmgtrack.models.backbones import TruncatedMobileNetV2
from mmgtrack.registry import MODELS
from tests.trackers import CONFIGS, SMALL

EPOCHS = 2


@pytest.fixture(scope='module')
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp('clips')
    for seed in range(3):
        clip = synthetic_clip(num_frames=5, size=(64, 96), num_targets=1, seed=seed)
        write_sequence(clip, root / f'clip{seed}')
    return root


def options(clips: Path) -> dict:
    """The light config made small: four samples an epoch in two iterations."""
    reader = dict(type='mmgtrack.SequenceFolder', root=str(clips), exclude=[])
    pipeline = [
        dict(type='mmgtrack.LoadFrame'),
        dict(type='mmgtrack.RandomZoom', scale=(96, 64), size_range=(12, 40)),
        dict(type='mmdet.RandomFlip', prob=0.5),
    ]
    return {
        **SMALL,
        'model.backbone.init_cfg': None,
        'train_dataloader.dataset.sources': [dict(reader, weight=1.0)],
        'train_dataloader.dataset.num_samples': 4,
        'train_dataloader.dataset.pipelines': dict(query=pipeline, search=pipeline),
        'train_dataloader.batch_size': 2,
        'train_dataloader.num_workers': 0,
        'train_dataloader.persistent_workers': False,
        'val_dataloader.dataset': reader,
        'test_dataloader.dataset': reader,
        'train_cfg.max_epochs': EPOCHS,
        'train_cfg.val_interval': EPOCHS,
        'default_hooks.logger.interval': 1,
    }


def small_runner(clips: Path, work_dir: Path, **kwargs: object) -> Runner:
    extra = kwargs.pop('options', {})
    return build_runner(
        CONFIGS / 'globaltrack_mobilenetv2_lite.py',
        work_dir=str(work_dir),
        options={**options(clips), 'experiment_name': str(work_dir), **extra},
        **kwargs,
    )


@pytest.fixture(scope='module')
def trained(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Work folder of an unbroken run of two epochs."""
    work_dir = tmp_path_factory.mktemp('run')
    small_runner(clips, work_dir).train()
    return work_dir


def weights(path: Path) -> dict[str, torch.Tensor]:
    return load_checkpoint_file(path)['state_dict']


def test_training_changes_the_heads_and_not_the_frozen_layers(clips: Path, trained: Path) -> None:
    first, second = weights(trained / 'epoch_1.pth'), weights(trained / 'epoch_2.pth')
    assert not torch.equal(first['rpn_head.rpn_cls.weight'], second['rpn_head.rpn_cls.weight'])
    assert not torch.equal(
        first['roi_head.modulator.query_conv.weight'], second['roi_head.modulator.query_conv.weight']
    )
    frozen = [k for k in first if k.startswith(('backbone.conv1', 'backbone.layer1', 'backbone.layer3'))]
    assert frozen and all(torch.equal(first[k], second[k]) for k in frozen)


def test_layers_that_freeze_late_have_no_place_in_the_optimiser(
    clips: Path, trained: Path, tmp_path: Path
) -> None:
    """As in several processes, whose wrapper freezes them first: either may go on with the other's run."""
    groups = load_checkpoint_file(trained / 'epoch_1.pth')['optimizer']['param_groups']
    model = small_runner(clips, tmp_path).model.train()
    learning = [parameter for parameter in model.parameters() if parameter.requires_grad]
    assert len(groups) == len(learning) < len([*model.parameters()])


def test_a_resumed_run_ends_where_the_unbroken_one_does(clips: Path, trained: Path, tmp_path: Path) -> None:
    runner = small_runner(clips, tmp_path, resume=str(trained / 'epoch_1.pth'))
    runner.train()
    resumed, whole = weights(tmp_path / 'epoch_2.pth'), weights(trained / 'epoch_2.pth')
    assert resumed.keys() == whole.keys()
    for name, value in whole.items():
        torch.testing.assert_close(resumed[name], value, rtol=1e-5, atol=1e-6, msg=name)


def test_resume_alone_wins_over_load_from(clips: Path, trained: Path, tmp_path: Path) -> None:
    """`--resume` without a name, with a config that starts from weights: the folder's last checkpoint."""
    shutil.copy(trained / 'epoch_1.pth', tmp_path)
    (tmp_path / 'last_checkpoint').write_text(str(tmp_path / 'epoch_1.pth'))
    start = {'load_from': str(zoo.weights_path(zoo.find_model(zoo.DEFAULT)))}
    small_runner(clips, tmp_path, resume=True, options=start).train()
    resumed, whole = weights(tmp_path / 'epoch_2.pth'), weights(trained / 'epoch_2.pth')
    for name, value in whole.items():
        torch.testing.assert_close(resumed[name], value, rtol=1e-5, atol=1e-6, msg=name)


def test_resume_with_nothing_to_resume_starts_as_configured(
    clips: Path, trained: Path, tmp_path: Path
) -> None:
    start = {'load_from': str(trained / 'epoch_2.pth')}
    runner = small_runner(clips, tmp_path, resume=True, options=start)
    assert (runner._resume, runner._load_from) == (False, start['load_from'])


def test_an_epoch_without_a_batch_is_refused(clips: Path, tmp_path: Path) -> None:
    runner = small_runner(clips, tmp_path, options={'train_dataloader.dataset.num_samples': 1})
    with pytest.raises(InputError, match='an epoch of 1 samples holds no batch of 2: '):
        runner.train()


def test_an_epoch_without_a_batch_for_each_process_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('mmgtrack.datasets.epoch_sampler.get_dist_info', lambda: (0, 2))
    monkeypatch.setattr('mmgtrack.engine.train_loops.get_world_size', lambda: 2)
    loader = partial(DataLoader, range(2), batch_size=2, sampler=EpochSampler(range(2)))
    check_epoch(loader(drop_last=False))
    with pytest.raises(InputError, match='2 samples holds no batch of 2 among 2 processes: raise'):
        check_epoch(loader(drop_last=True))
    check_epoch(DataLoader(range(1), batch_size=2, sampler=InfiniteSampler(range(1)), drop_last=True))


def test_the_test_loop_measures_every_sequence(clips: Path, trained: Path, tmp_path: Path) -> None:
    runner = small_runner(clips, tmp_path, load_from=str(trained / 'epoch_2.pth'))
    metrics = runner.test()
    names = [f'success/clip{seed}' for seed in range(3)]
    assert set(metrics) == {'success/auc', *names}
    assert metrics['success/auc'] == pytest.approx(np.mean([metrics[name] for name in names]))


def test_targets_that_come_later_and_single_frames_do_not_stop_a_test(
    clips: Path, trained: Path, tmp_path: Path
) -> None:
    late = synthetic_clip(num_frames=4, size=(64, 96), num_targets=2, absences={1: (0, 2)}, seed=5)
    write_sequence(late, tmp_path / 'data' / 'late')
    write_sequence(synthetic_clip(num_frames=1, size=(64, 96)), tmp_path / 'data' / 'single')
    reader = {'test_dataloader.dataset.root': str(tmp_path / 'data')}
    runner = small_runner(clips, tmp_path, load_from=str(trained / 'epoch_2.pth'), options=reader)
    metrics = runner.test()
    assert set(metrics) == {'success/auc', 'success/late#1', 'success/single'}
    assert np.isnan(metrics['success/single'])
    assert metrics['success/auc'] == metrics['success/late#1']


def test_a_missing_config_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match='no config file'):
        build_runner(tmp_path / 'no.py')


class Bomb:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return (Path.touch, (self.path,))


def test_load_from_does_not_execute_a_pickle(clips: Path, tmp_path: Path) -> None:
    mark, bomb = tmp_path / 'mark', tmp_path / 'bomb.pth'
    bomb.write_bytes(pickle.dumps({'state_dict': {}, 'meta': Bomb(mark)}))
    runner = small_runner(clips, tmp_path / 'work', load_from=str(bomb))
    with pytest.raises(CheckpointError, match='safely'):
        runner.test()
    assert not mark.exists()


def test_a_pickle_behind_an_address_is_not_executed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('TORCH_HOME', str(tmp_path / 'cache'))
    mark = tmp_path / 'mark'
    (tmp_path / 'bomb.pth').write_bytes(pickle.dumps({'state_dict': {}, 'meta': Bomb(mark)}))
    torch.save({'a': torch.ones(1)}, tmp_path / 'good.pth')
    use_safe_loading()
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    with ThreadingHTTPServer(('127.0.0.1', 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        address = f'http://127.0.0.1:{server.server_port}'
        good = CheckpointLoader.load_checkpoint(f'{address}/good.pth')
        assert good['state_dict']['a'].tolist() == [1]
        with pytest.raises(CheckpointError, match='safely'):
            CheckpointLoader.load_checkpoint(f'{address}/bomb.pth')
        with pytest.raises(CheckpointError, match='cannot download'):
            CheckpointLoader.load_checkpoint(f'{address}/none.pth')
        server.shutdown()
    assert not mark.exists()


RANK_LOADS = """
import sys
import torch
import mmgtrack
from mmengine.runner import CheckpointLoader
from mmgtrack.checkpoint import use_safe_loading
from mmgtrack.engine.processes import joined_processes
from mmgtrack.errors import CheckpointError
use_safe_loading()
with joined_processes('pytorch'):
    assert CheckpointLoader.load_checkpoint(sys.argv[1] + '/good.pth')['state_dict']['a'].tolist() == [1]
    try:
        CheckpointLoader.load_checkpoint(sys.argv[1] + '/none.pth')
    except CheckpointError as error:
        print(error)
"""


def test_several_processes_load_from_an_address(tmp_path: Path) -> None:
    torch.save({'a': torch.ones(1)}, tmp_path / 'good.pth')
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    with ThreadingHTTPServer(('127.0.0.1', 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        words = [sys.executable, '-c', RANK_LOADS, f'http://127.0.0.1:{server.server_port}']
        with socket.socket() as free:
            free.bind(('', 0))
            port = str(free.getsockname()[1])
        shared = {'WORLD_SIZE': '2', 'MASTER_ADDR': '127.0.0.1', 'MASTER_PORT': port}
        shared |= {'TORCH_HOME': str(tmp_path / 'cache'), 'CUDA_VISIBLE_DEVICES': '-1'}
        ranks = [
            subprocess.Popen(
                words,
                env={**os.environ, **shared, 'RANK': str(rank), 'LOCAL_RANK': str(rank)},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for rank in range(2)
        ]
        said = [rank.communicate(timeout=300) for rank in ranks]
        server.shutdown()
    assert [rank.returncode for rank in ranks] == [0, 0], said
    assert 'cannot download' in said[0][0] and '404' in said[0][0]
    assert 'cannot download' in said[1][0] and 'see what the first process says' in said[1][0]


@pytest.mark.parametrize('address', ['s3://bucket/w.pth', 'open-mmlab://resnet50', 'pavi://w'])
def test_schemes_that_cannot_be_read_safely_are_refused(address: str) -> None:
    use_safe_loading()
    with pytest.raises(CheckpointError, match='cannot be read safely'):
        CheckpointLoader.load_checkpoint(address)


def test_getattr_in_a_pickle_reaches_nothing(tmp_path: Path) -> None:
    """The one attribute look-up that mmengine's log history needs does not open others."""

    class Reach:
        def __reduce__(self) -> tuple:
            from mmengine.logging import HistoryBuffer

            return (getattr, (HistoryBuffer, '__init__'))

    torch.save({'state_dict': {}, 'meta': Reach()}, tmp_path / 'reach.pth')
    with pytest.raises(CheckpointError, match='safely'):
        load_checkpoint_file(tmp_path / 'reach.pth')


def test_a_bare_state_dict_is_a_checkpoint(tmp_path: Path) -> None:
    torch.save({'a': torch.ones(2)}, tmp_path / 'bare.pth')
    assert load_checkpoint_file(tmp_path / 'bare.pth')['state_dict']['a'].tolist() == [1, 1]


@pytest.mark.parametrize('content', [[1, 2], {'state_dict': 3}, {}])
def test_other_files_are_refused(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / 'x.pth')
    with pytest.raises(CheckpointError, match='no state_dict'):
        load_checkpoint_file(tmp_path / 'x.pth')


def test_safe_loading_serves_mmengine(tmp_path: Path) -> None:
    use_safe_loading()
    with pytest.raises(CheckpointError, match='no checkpoint file'):
        CheckpointLoader.load_checkpoint(str(tmp_path / 'none.pth'))


@pytest.mark.parametrize('tool', ['train.py', 'test.py nothing.pth', 'publish.py nothing.pth out.pth'])
def test_tools_say_mistakes_in_one_line(
    tool: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    script, *rest = tool.split()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, 'argv', [script, 'no_config.py', *rest])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(CONFIGS.parent / 'tools' / script), run_name='__main__')
    assert ended.value.code == 2
    assert capsys.readouterr().err == 'error: no config file no_config.py\n'


def test_the_light_config_starts_from_the_weights_it_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one command of the model card: MMGTRACK_DATA says where, and the Runner reads the npz safely."""
    (tmp_path / 'weights').mkdir()
    source = TruncatedMobileNetV2(out_indices=(1, 2, 4, 5)).state_dict()
    arrays = {k: v.numpy() + 0.25 for k, v in source.items() if 'num_batches' not in k}
    monkeypatch.setenv('MMGTRACK_DATA', str(tmp_path))
    config = Config.fromfile(CONFIGS / 'globaltrack_mobilenetv2_lite.py')
    path = Path(config.model.backbone.init_cfg.checkpoint)
    assert path.parent == tmp_path / 'weights'
    np.savez(path, **arrays)
    use_safe_loading()
    backbone = MODELS.build(config.model.backbone)
    backbone.init_weights()
    for name, value in arrays.items():
        assert np.array_equal(backbone.state_dict()[name].numpy(), value), name


@pytest.mark.parametrize(
    ('config', 'message'),
    [
        ('globaltrack_r50.py', "made with the config 'globaltrack_mobilenetv2_lite', not 'globaltrack_r50'"),
        (
            'globaltrack_mobilenetv2_lite.py',
            r'is of another architecture .* 1 keys \(rpn_head\.rpn_cls\.bias\) missing, 0 keys',
        ),
    ],
)
def test_weights_that_do_not_fit_are_not_scored(config: str, message: str, tmp_path: Path) -> None:
    """Of another model, or with a layer missing: random layers would give a number like any other."""
    content = load_checkpoint_file(zoo.weights_path(zoo.find_model(zoo.DEFAULT)))
    name = 'globaltrack_mobilenetv2_lite.py'
    complete, broken = tmp_path / 'complete.pth', tmp_path / 'broken.pth'
    torch.save(content, complete)
    build_tracker(CONFIGS / name, complete)
    del content['state_dict']['rpn_head.rpn_cls.bias']
    torch.save(content, broken)
    with pytest.raises(CheckpointError, match=message):
        run_test(str(CONFIGS / config), str(broken), TestOptions())
