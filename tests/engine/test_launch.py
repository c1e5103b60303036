"""Where a run starts, what it says about weights, and what it makes of options."""

import runpy
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import PARAM_SCHEDULERS
from mmengine.runner import CheckpointLoader
from torch import nn

from mmgtrack.checkpoint import unmatched_keys, use_safe_loading
from mmgtrack.engine.launch import build_runner
from mmgtrack.engine.options import blamed_on, merge_options
from mmgtrack.errors import CheckpointError, InputError, OutputError
from tests.engine.test_training import clips, small_runner  # noqa: F401  (clips is a fixture)
from tests.models.test_zoo_detectors import config_over
from tests.trackers import CONFIGS

ADDRESS = 'http://127.0.0.1:1/detector.pth'


def log_of(work_dir: Path) -> str:
    (file,) = work_dir.glob('*/*.log')
    return file.read_text()


@pytest.mark.parametrize(
    'first, there, named, start',
    [
        ('stage1.pth', False, None, ADDRESS),
        ('stage1.pth', True, None, 'stage1.pth'),
        ('stage1.pth', False, 'mine.pth', 'mine.pth'),
        ('https://example.org/w.pth', False, None, 'https://example.org/w.pth'),
        ('torchvision://resnet50', False, None, 'torchvision://resnet50'),
        (None, False, None, None),
    ],
)
def test_where_a_run_starts(
    clips: Path,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    first: str | None,
    there: bool,
    named: str | None,
    start: str | None,
) -> None:
    monkeypatch.chdir(tmp_path)
    if there:
        (tmp_path / 'stage1.pth').touch()
    options = {'load_from': first, 'load_from_fallback': ADDRESS}
    runner = small_runner(clips, tmp_path / 'work', load_from=named, options=options)
    assert runner._load_from == start
    said = f'WARNING - WEIGHTS: there is no stage1.pth; this run starts from {ADDRESS} instead'
    assert (said in log_of(tmp_path / 'work')) == (start == ADDRESS)


def test_an_address_that_cannot_be_reached_says_how_to_go_on(
    clips: Path,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv('TORCH_HOME', str(tmp_path / 'cache'))
    options = {'load_from': 'none.pth', 'load_from_fallback': ADDRESS}
    runner = small_runner(clips, tmp_path / 'work', options=options)
    with pytest.raises(CheckpointError, match=r'cannot download .*--load-from FILE.*load_from=None') as error:
        runner.train()
    assert '\n' not in str(error.value)


@pytest.mark.parametrize(
    'name, file',
    [  # the addresses that mmengine gives these names
        ('resnet18', 'resnet18-f37072fd.pth'),
        ('resnet50', 'resnet50-0676ba61.pth'),
        ('resnet101', 'resnet101-63fe2227.pth'),
    ],
)
def test_torchvisions_names_need_no_torchvision(
    name: str, file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('TORCH_HOME', str(tmp_path))
    monkeypatch.setitem(sys.modules, 'torchvision', None)
    (tmp_path / 'hub/checkpoints').mkdir(parents=True)
    torch.save({'fc.bias': torch.ones(1)}, tmp_path / 'hub/checkpoints' / file)  # as downloaded before
    use_safe_loading()
    weights = CheckpointLoader.load_checkpoint(f'torchvision://{name}')['state_dict']
    assert weights['fc.bias'].item() == 1


@pytest.mark.parametrize('name', ['resnet50.imagenet1k_v2', 'resnet5000'])
def test_torchvisions_newer_names_need_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, 'torchvision', None)
    use_safe_loading()
    with pytest.raises(CheckpointError, match=r'only torchvision knows.*init_cfg=None'):
        CheckpointLoader.load_checkpoint(f'torchvision://{name}')


@pytest.mark.parametrize('complete', [True, False])
@pytest.mark.parametrize('resume', [True, False])
def test_a_backbone_that_the_checkpoint_has_is_not_downloaded(
    complete: bool,
    resume: bool,
    clips: Path,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv('TORCH_HOME', str(tmp_path / 'cache'))
    weights = {f'module.{k}': v for k, v in small_runner(clips, tmp_path / 'a').model.state_dict().items()}
    if not complete:
        del weights['module.backbone.conv1.conv.weight']
    file = tmp_path / 'start.pth'
    torch.save({'state_dict': weights, 'message_hub': {}, 'meta': {'epoch': 0, 'iter': 0}}, file)
    options = {'model.backbone.init_cfg': dict(type='Pretrained', checkpoint=ADDRESS)}
    start: dict[str, Any] = {'resume': str(file)} if resume else {'load_from': str(file)}
    runner = small_runner(clips, tmp_path / 'work', options=options, **start)
    if complete:
        runner._init_model_weights()
    else:
        with pytest.raises(CheckpointError, match='cannot download'):
            runner._init_model_weights()


def test_unmatched_keys() -> None:
    model = nn.ModuleDict({'a': nn.Linear(2, 3), 'b': nn.BatchNorm1d(3), 'c': nn.Linear(3, 1)})
    weights = {k: v for k, v in model.state_dict().items() if not k.startswith('b.num') and k != 'c.bias'}
    weights |= {'a.weight': torch.zeros(2, 2), 'd': torch.zeros(1)}
    assert unmatched_keys(model, weights) == (['c.bias'], ['d'], ['a.weight'])


def test_weights_that_do_not_fit_are_said_in_a_line_each(
    clips: Path,  # noqa: F811
    tmp_path: Path,
    capfd: pytest.CaptureFixture,
) -> None:
    weights = small_runner(clips, tmp_path / 'first').model.state_dict()
    weights = {f'module.{k}': v + 1 for k, v in weights.items() if not k.startswith('roi_head.modulator')}
    weights['module.roi_head.bbox_head.fc_cls.bias'] = torch.zeros(81)
    weights |= {f'module.mask_head.convs.{n}.weight': torch.zeros(1) for n in range(9)}
    torch.save({'state_dict': weights}, tmp_path / 'detector.pth')
    # the learning rate of the first step is 0.01 of 1e-3
    options = {'train_dataloader.dataset.num_samples': 2, 'train_cfg.max_epochs': 1, 'val_dataloader': None}
    options |= {'val_cfg': None, 'val_evaluator': None}
    runner = small_runner(clips, tmp_path / 'work', load_from=str(tmp_path / 'detector.pth'), options=options)
    runner.train()
    lines = [line.partition(' - weights ')[2] for line in log_of(tmp_path / 'work').splitlines()]
    missing = [
        f'roi_head.modulator.{name}_conv.{kind}'
        for name in ('out', 'query', 'search')
        for kind in ('bias', 'weight')
    ]
    assert [line for line in lines if line] == [
        f'not in the checkpoint, left as initialised: {", ".join(missing)}',
        'of another shape in the checkpoint, left as initialised: roi_head.bbox_head.fc_cls.bias',
        'in the checkpoint only, not used: mask_head.convs (9)',
    ]
    assert 'do not match exactly' not in ''.join(capfd.readouterr())
    trained = runner.model.state_dict()
    loaded = [k for k in trained if f'module.{k}' in weights and not k.endswith('fc_cls.bias')]
    assert len(loaded) > 100
    for key in loaded:
        torch.testing.assert_close(trained[key], weights[f'module.{key}'], rtol=0, atol=1e-3, msg=key)
    assert trained['roi_head.bbox_head.fc_cls.bias'].abs().max() < 1e-3


def test_scaling_the_rate_needs_the_batch_it_is_meant_for(clips: Path, tmp_path: Path) -> None:  # noqa: F811
    with pytest.raises(InputError, match=r'lacks auto_scale_lr\.base_batch_size'):
        small_runner(clips, tmp_path, auto_scale_lr=True, options={'auto_scale_lr': None})


def test_the_light_rate_is_meant_for_the_light_batch() -> None:
    config = Config.fromfile(CONFIGS / 'globaltrack_mobilenetv2_lite.py')
    assert config.auto_scale_lr == dict(enable=False, base_batch_size=config.train_dataloader.batch_size)


def config() -> Config:
    test_cfg = dict(rcnn=dict(score_thr=0, nms=dict(type='nms')))
    model = dict(type='Net', depth=3, test_cfg=test_cfg)
    return Config(dict(model=model, hooks=[dict(type='A')], load_from='x.pth'))


@pytest.mark.parametrize(
    'options, expected',
    [
        ({'model.depth': 5}, {'model.depth': 5}),
        ({'model.new': 5}, {'model.new': 5}),
        ({'hooks.0.type': 'B'}, {'hooks.0.type': 'B'}),
        ({'model.test_cfg.rcnn.score_thr': 0.5}, {'model.test_cfg.rcnn.score_thr': 0.5}),
        ({'model.test_cfg.rcnn.nms.split_thr': 9}, {'model.test_cfg.rcnn.nms.split_thr': 9}),
        ({'model.train_cfg.rcnn.new': 1}, {'model.train_cfg.rcnn.new': 1}),
        ({'load_from': None}, {'load_from': None}),
        ({'randomness.seed': 3}, {'randomness.seed': 3}),
        ({'find_unused_parameters': True}, {'find_unused_parameters': True}),
    ],
)
def test_options_that_fit(options: dict[str, Any], expected: dict[str, Any]) -> None:
    settings = config()
    merge_options(settings, options)
    for key, value in expected.items():
        found: Any = settings
        for part in key.split('.'):
            found = found[int(part) if part.isdigit() else part]
        assert found == value


@pytest.mark.parametrize(
    'key, message',
    [
        ('modle.depth', 'unknown config key modle.depth: did you mean model?'),
        (
            'model.test_cfg.rcnn.scor_thr',
            'unknown config key model.test_cfg.rcnn.scor_thr: did you mean score_thr?',
        ),
        ('model.test_cfg.zzzz', 'unknown config key model.test_cfg.zzzz: the config has rcnn'),
        ('zzzz', 'unknown config key zzzz: the config has hooks, load_from, model'),
        ('model.depth.x', 'config key model.depth.x leads nowhere'),
        ('load_from.x', 'config key load_from.x leads nowhere'),
        ('hooks.4.type', 'config key hooks.4.type leads nowhere'),
        ('hooks.first.type', 'config key hooks.first.type leads nowhere'),
    ],
)
def test_options_that_do_not_fit(key: str, message: str) -> None:
    with pytest.raises(InputError) as error:
        merge_options(config(), {key: 1})
    assert str(error.value).startswith(message)


def test_only_an_argument_that_an_option_names_is_blamed_on_it() -> None:
    def build(width: int) -> None: ...

    with (
        pytest.raises(InputError, match=r"unknown config key model\.widht: build has no 'widht'"),
        blamed_on({'model.widht': 1}),
    ):
        build(widht=1)  # type: ignore[call-arg]
    for options in (None, {'model.depth': 1}):
        with pytest.raises(TypeError), blamed_on(options):
            build(widht=1)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    'base, message',
    [
        ('htc/htc_r50_fpn_1x_coco.py', "unexpected keyword argument 'pad_seg'"),
        (
            'faster_rcnn/faster-rcnn_r50_fpn_fcos-rpn_1x_coco.py',
            "unexpected keyword argument 'stacked_convs'",
        ),
        ('retinanet/retinanet_r50_fpn_1x_coco.py', "unexpected keyword argument 'bbox_head'"),
    ],
    ids=['htc', 'fcos_rpn', 'retinanet'],
)
def test_a_detector_that_cannot_be_guided_is_refused_in_one_line(
    base: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr('yapf.yapflib.yapf_api.FormatCode', lambda text, **_: (text, True))
    config_over(f'mmdet::{base}', tmp_path)
    options = {'experiment_name': str(tmp_path)}
    with pytest.raises(InputError, match=f'the config builds no model: .*{message}.*detectors.md') as refused:
        build_runner(tmp_path / 'tracker.py', work_dir=str(tmp_path / 'work'), options=options)
    assert '\n' not in str(refused.value)


def test_each_run_of_one_process_logs_into_its_own_folder(clips: Path, tmp_path: Path) -> None:  # noqa: F811
    named = {'visualizer.name': 'visualizer'}  # as mmdet's configs have it
    for folder in (tmp_path / 'first', tmp_path / 'second'):
        runner = small_runner(clips, folder, options=named)
        runner.visualizer.add_scalar('loss', 1.0)
        assert list(folder.glob('*/vis_data/scalars.json'))


@pytest.mark.parametrize(
    'option, message',
    [
        (
            'train_cfg.max_epoch=1',
            "error: unknown config key train_cfg.max_epoch: EpochBasedTrainLoop has no 'max_epoch'",
        ),
        (
            'model.backbone.widen=1',
            "error: unknown config key model.backbone.widen: MobileNetV2 has no 'widen'",
        ),
        ('trian_cfg.max_epochs=1', 'error: unknown config key trian_cfg.max_epochs: did you mean train_cfg?'),
        ('novalue', "error: --cfg-options expects key=value, got 'novalue'"),
        ('=1', "error: --cfg-options expects key=value, got '=1'"),
    ],
)
def test_train_says_an_unknown_option_in_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
    option: str,
    message: str,
) -> None:
    tool = CONFIGS.parent / 'tools/train.py'
    words = [
        str(CONFIGS / 'globaltrack_mobilenetv2_lite.py'),
        '--work-dir',
        str(tmp_path),
        '--cfg-options',
        option,
    ]
    monkeypatch.setattr(sys, 'argv', [str(tool), *words, f'experiment_name={tmp_path}'])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(tool), run_name='__main__')
    assert ended.value.code == 2
    assert capsys.readouterr().err.splitlines()[-1] == message


def test_the_log_has_no_line_for_every_parameter(clips: Path, tmp_path: Path) -> None:  # noqa: F811
    runner = small_runner(clips, tmp_path / 'work')
    wrapper = runner.build_optim_wrapper(runner.optim_wrapper)
    rates = sorted({group['lr'] for group in wrapper.optimizer.param_groups})
    assert rates == pytest.approx([2e-4, 1e-3])  # the backbone has a rate of its own
    runner.logger.info('said afterwards')
    log = log_of(tmp_path / 'work')
    assert 'said afterwards' in log
    assert 'paramwise_options' not in log and 'requires_grad' not in log


def test_the_log_names_how_a_checkpoint_is_read() -> None:
    """mmengine shows the loader's name from its eleventh letter on."""
    use_safe_loading()
    names = {prefix: loader.__name__[10:] for prefix, loader in CheckpointLoader._schemes.items()}
    assert (names[''], names['https://'], names['torchvision://']) == ('local', 'http', 'torchvision')
    assert {*names.values()} == {'local', 'http', 'torchvision', 'elsewhere'}


@pytest.mark.parametrize(
    'text, message',
    [
        ('a = 1', 'has no dict named model'),
        ('a = = 1', 'cannot read the config .*: SyntaxError'),
        ("_base_ = 'none.py'", 'cannot read the config .*none.py'),
    ],
)
def test_a_config_that_is_none_is_said(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / 'c.py').write_text(text)
    with pytest.raises(InputError, match=message) as refused:
        build_runner(tmp_path / 'c.py', work_dir=str(tmp_path / 'work'))
    assert '\n' not in str(refused.value) and not (tmp_path / 'work').exists()


def test_a_work_folder_that_cannot_be_made_is_said(clips: Path, tmp_path: Path) -> None:  # noqa: F811
    (tmp_path / 'file').touch()
    with pytest.raises(OutputError, match=r'cannot make the work folder .*--work-dir'):
        small_runner(clips, tmp_path / 'file/deeper')


def learning_rates(steps_an_epoch: int) -> list[float]:
    """The rate of every iteration of the schedule, as mmengine's Runner steps it."""
    schedule = Config.fromfile(CONFIGS / '_base_/schedules/globaltrack_12e.py')
    wrapper = build_optim_wrapper(nn.Linear(1, 1), schedule.globaltrack_optim_wrapper)
    schedulers = [
        PARAM_SCHEDULERS.build(dict(scheduler), default_args=dict(optimizer=wrapper.optimizer))
        for scheduler in schedule.globaltrack_param_scheduler
    ]
    rates = []
    for _ in range(schedule.globaltrack_train_cfg.max_epochs):
        for _ in range(steps_an_epoch):
            rates.append(wrapper.optimizer.param_groups[0]['lr'])
            wrapper.optimizer.step()
            schedulers[0].step()
        schedulers[1].step()
    return rates


def test_the_official_schedule() -> None:
    """Linear warm-up from a third over 500 iterations, a tenth after 8 epochs, a hundredth after 11."""
    rates = learning_rates(steps_an_epoch=600)
    warm_up = [0.005 * (1 - (1 - i / 500) * 2 / 3) for i in range(500)]
    assert rates[:500] == pytest.approx(warm_up)
    assert rates[500:4800] == pytest.approx([0.005] * 4300)
    assert rates[4800:6600] == pytest.approx([0.0005] * 1800)
    assert rates[6600:] == pytest.approx([0.00005] * 600)
