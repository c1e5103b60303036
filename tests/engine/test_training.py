"""Training by mmengine's Runner on a small folder of clips: runs, resumes, validates, stays safe."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner

from mmgtrack.checkpoint import load_checkpoint_file, use_safe_loading
from mmgtrack.datasets.synthetic import synthetic_clip, write_sequence
from mmgtrack.engine.launch import build_runner
from mmgtrack.errors import CheckpointError, InputError
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


def test_a_resumed_run_ends_where_the_unbroken_one_does(clips: Path, trained: Path, tmp_path: Path) -> None:
    runner = small_runner(clips, tmp_path, resume=str(trained / 'epoch_1.pth'))
    runner.train()
    resumed, whole = weights(tmp_path / 'epoch_2.pth'), weights(trained / 'epoch_2.pth')
    assert resumed.keys() == whole.keys()
    for name, value in whole.items():
        torch.testing.assert_close(resumed[name], value, rtol=1e-5, atol=1e-6, msg=name)


def test_the_test_loop_measures_every_sequence(clips: Path, trained: Path, tmp_path: Path) -> None:
    runner = small_runner(clips, tmp_path, load_from=str(trained / 'epoch_2.pth'))
    metrics = runner.test()
    names = [f'success/clip{seed}' for seed in range(3)]
    assert set(metrics) == {'success/auc', *names}
    assert metrics['success/auc'] == pytest.approx(np.mean([metrics[name] for name in names]))


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
    from mmengine.runner.checkpoint import CheckpointLoader

    with pytest.raises(CheckpointError, match='no checkpoint file'):
        CheckpointLoader.load_checkpoint(str(tmp_path / 'none.pth'))


def test_every_config_builds(tmp_path: Path) -> None:
    for path in sorted(CONFIGS.glob('*.py')):
        config = Config.fromfile(path)
        assert config.model.type.startswith('mmgtrack.'), path
        assert config.custom_imports.imports == ['mmgtrack']
