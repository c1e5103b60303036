"""What the options of ``mmgtrack train`` change in a run, and what they leave."""

import math
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner

from mmgtrack.checkpoint import load_checkpoint_file
from mmgtrack.cli.main import main
from mmgtrack.engine.launch import build_runner
from mmgtrack.engine.optim_wrapper import CPUAmpOptimWrapper
from mmgtrack.engine.switches import accumulate, choose_device, log_to_tensorboard, use_amp
from mmgtrack.errors import InputError, MissingDependencyError
from tests.engine.test_distributed import scalars
from tests.engine.test_training import clips, options  # noqa: F401  (clips is a fixture)
from tests.trackers import CONFIGS

LIGHT = CONFIGS / 'globaltrack_mobilenetv2_lite.py'


@pytest.fixture(autouse=True)
def plain_configs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Laying out a config for the logs takes seconds."""
    monkeypatch.setattr('yapf.yapflib.yapf_api.FormatCode', lambda text, **_: (text, True))


HOOKS = [dict(type='mmgtrack.SeedHook')]


def plain() -> dict[str, Any]:
    """One epoch of plain gradient descent on four samples; anew, because mmengine takes out ``_delete_``."""
    return {
        'optim_wrapper': dict(_delete_=True, type='OptimWrapper', optimizer=dict(type='SGD', lr=0.05)),
        'param_scheduler': [],
        'custom_hooks': HOOKS,
        'train_cfg.max_epochs': 1,
        'val_cfg': None,
        'val_dataloader': None,
        'val_evaluator': None,
    }


def train(clips: Path, folder: Path, batch: int, extra: dict[str, Any], *changes: Any) -> Runner:  # noqa: F811
    small = {
        **options(clips),
        **plain(),
        'experiment_name': str(folder),
        'train_dataloader.batch_size': batch,
    }
    runner = build_runner(LIGHT, work_dir=str(folder), options={**small, **extra}, changes=changes)
    runner.train()
    return runner


def state_of(folder: Path, part: str = 'state_dict', epoch: int = 1) -> dict[str, torch.Tensor]:
    return load_checkpoint_file(folder / f'epoch_{epoch}.pth')[part]


def test_two_batches_of_two_are_one_of_four(clips: Path, tmp_path: Path) -> None:  # noqa: F811
    """Samplers as shipped: what they draw belongs to the sample."""
    train(clips, tmp_path / 'four', 4, {})
    train(clips, tmp_path / 'twos', 2, {}, partial(accumulate, passes=2))
    four, twos = state_of(tmp_path / 'four'), state_of(tmp_path / 'twos')
    train(clips, tmp_path / 'still', 4, {'optim_wrapper.optimizer.lr': 0.0})
    start = state_of(tmp_path / 'still')
    moved = sum(int(not torch.allclose(start[key], four[key], rtol=0, atol=1e-5)) for key in four)
    assert moved > 10
    for key, weight in four.items():
        torch.testing.assert_close(twos[key], weight, rtol=1e-4, atol=1e-6, msg=key)


@pytest.mark.parametrize('in_config', [False, True])
def test_the_rate_is_scaled_by_the_batch_of_an_update(
    clips: Path,  # noqa: F811
    tmp_path: Path,
    in_config: bool,
) -> None:
    scaling = dict(enable=in_config, base_batch_size=8)
    settings = {**options(clips), **plain(), 'auto_scale_lr': scaling, 'experiment_name': str(tmp_path)}
    runner = build_runner(
        LIGHT,
        work_dir=str(tmp_path),
        options=settings,
        auto_scale_lr=not in_config,
        changes=[partial(accumulate, passes=2)],
    )
    runner.train()
    assert scalars(tmp_path)[0]['lr'] == pytest.approx(0.05 * 4 / 8)
    # the copy of the config can be trained from again
    assert runner.cfg.auto_scale_lr == dict(enable=True, base_batch_size=8)


def test_clipping_bounds_the_step(clips: Path, tmp_path: Path) -> None:  # noqa: F811
    clip = {'optim_wrapper.clip_grad': dict(max_norm=0.01, norm_type=2)}
    train(clips, tmp_path / 'still', 4, {**clip, 'optim_wrapper.optimizer.lr': 0.0})
    train(clips, tmp_path / 'clipped', 4, clip)
    before, after = state_of(tmp_path / 'still'), state_of(tmp_path / 'clipped')
    moved = math.sqrt(sum(float((after[key] - before[key]).double().square().sum()) for key in before))
    assert scalars(tmp_path / 'clipped')[0]['grad_norm'] > 0.1
    assert moved == pytest.approx(0.05 * 0.01, rel=1e-2)


def test_averages_follow_the_weights(clips: Path, tmp_path: Path) -> None:  # noqa: F811
    hooks = [*HOOKS, dict(type='EMAHook', momentum=0.25)]
    runner = train(clips, tmp_path, 4, {'custom_hooks': hooks, 'train_cfg.max_epochs': 2})
    averaged, now = state_of(tmp_path, epoch=2), runner.model.state_dict()
    (before, first) = state_of(tmp_path), state_of(tmp_path, 'ema_state_dict')
    # the first step starts the average: 1 is its own weights; the second moves it by a quarter
    key = 'rpn_head.rpn_cls.weight'
    torch.testing.assert_close(before[key], first[f'module.{key}'])
    expected = before[key] + 0.25 * (now[key] - before[key])
    torch.testing.assert_close(averaged[key], expected, rtol=0, atol=1e-7)
    assert not torch.equal(averaged[key], now[key])


def test_mixed_precision_on_a_processor(clips: Path, tmp_path: Path) -> None:  # noqa: F811
    clip = {'optim_wrapper.clip_grad': dict(max_norm=10, norm_type=2)}
    train(clips, tmp_path / 'plain', 4, clip)
    runner = train(clips, tmp_path / 'mixed', 4, clip, use_amp)
    assert isinstance(runner.optim_wrapper, CPUAmpOptimWrapper)
    assert runner.optim_wrapper.clip_grad_kwargs == dict(max_norm=10, norm_type=2)
    exact, mixed = scalars(tmp_path / 'plain')[0], scalars(tmp_path / 'mixed')[0]
    for key in ('loss_rpn_cls', 'loss_rpn_bbox'):  # the second stage has other proposals
        assert exact[key] != mixed[key] == pytest.approx(exact[key], rel=1e-2)
    assert {weight.dtype for weight in state_of(tmp_path / 'mixed').values()} <= {torch.float32, torch.int64}


@pytest.mark.parametrize('kind', ['OptimWrapper', 'AmpOptimWrapper', 'mmgtrack.CPUAmpOptimWrapper'])
def test_mixed_precision_keeps_what_else_is_set(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    loss_scale = dict(loss_scale='dynamic') if kind == 'AmpOptimWrapper' else {}
    wrapper = dict(type=kind, optimizer=dict(type='SGD', lr=1), clip_grad=dict(max_norm=1), **loss_scale)
    for device, expected in (('cpu', 'mmgtrack.CPUAmpOptimWrapper'), ('cuda', 'AmpOptimWrapper')):
        settings = Config(dict(optim_wrapper=wrapper))
        monkeypatch.setattr('mmengine.device.utils.DEVICE', device)
        use_amp(settings)
        assert settings.optim_wrapper.type == expected
        assert settings.optim_wrapper.clip_grad == dict(max_norm=1)
        assert ('loss_scale' in settings.optim_wrapper) == (device == 'cuda' and bool(loss_scale))


def test_mixed_precision_of_another_wrapper_is_refused() -> None:
    with pytest.raises(InputError, match=r"--amp .*'ApexOptimWrapper'"):
        use_amp(Config(dict(optim_wrapper=dict(type='ApexOptimWrapper'))))


def test_tensorboard_gets_the_losses(clips: Path, tmp_path: Path) -> None:  # noqa: F811
    pytest.importorskip('tensorboard')
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    train(clips, tmp_path, 4, {}, log_to_tensorboard)
    (folder,) = {path.parent for path in tmp_path.rglob('events.out.tfevents.*')}
    events = EventAccumulator(str(folder))
    events.Reload()
    (event,) = events.Scalars('loss')
    (row,) = scalars(tmp_path)
    assert (event.step, event.value) == (1, pytest.approx(row['loss'], rel=1e-5))


def test_tensorboard_that_is_not_installed_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('mmgtrack.engine.switches.find_spec', lambda _: None)
    with pytest.raises(MissingDependencyError, match='pip install tensorboard'):
        log_to_tensorboard(Config({}))


@pytest.mark.parametrize(
    'words, message',
    [
        ('none.py', 'no config file none.py'),
        (f'{LIGHT} --accumulate 0', '--accumulate expects a number of batches from 1, got 0'),
        (f'{LIGHT} --device tpu', "argument --device: invalid choice: 'tpu'"),
        (f'{LIGHT} --cfg-options a', "--cfg-options expects key=value, got 'a'"),
        (f'{LIGHT} --cfg-options modle.x=1', 'unknown config key modle.x: did you mean model?'),
    ],
)
def test_mistakes_are_said_in_one_line(words: str, message: str, capsys: pytest.CaptureFixture) -> None:
    assert main(['train', *words.split()]) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith('mmgtrack: error')]
    assert message in line


@pytest.mark.skipif(torch.cuda.is_available(), reason='there is a GPU')
def test_a_gpu_that_is_not_there_is_said(capsys: pytest.CaptureFixture) -> None:
    assert main(['train', str(LIGHT), '--device', 'cuda']) == 2
    assert '--device cuda needs a CUDA GPU, but torch can use 0 here' in capsys.readouterr().err


def test_the_processor_is_taken_where_there_is_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    from mmengine.device import get_device

    monkeypatch.setattr('mmengine.device.utils.DEVICE', 'cuda')
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '0')
    choose_device('cpu')
    assert get_device() == 'cpu'


def test_the_command_trains(clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '-1')
    config = Config.fromfile(LIGHT)
    config.merge_from_dict({**options(clips), **plain(), 'experiment_name': str(tmp_path)})
    config.dump(tmp_path / 'small.py')
    words = [
        '--work-dir',
        str(tmp_path / 'work'),
        '--device',
        'cpu',
        '--amp',
        '--accumulate',
        '2',
        '--gpus',
        '1',
    ]
    assert main(['train', str(tmp_path / 'small.py'), *words]) == 0
    assert len(scalars(tmp_path / 'work')) == 2
    saved = load_checkpoint_file(tmp_path / 'work/epoch_1.pth')['meta']['cfg']
    assert 'accumulative_counts=2' in saved and 'CPUAmpOptimWrapper' in saved
