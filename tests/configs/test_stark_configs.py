"""Every STARK config: its stages, its ablations; it trains, tests and tracks."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner

from mmgtrack.apis.models import build_network
from mmgtrack.datasets import synthetic_clip
from mmgtrack.engine.launch import build_runner
from mmgtrack.models.fast_path import speed_up
from mmgtrack.models.stark import Stark
from mmgtrack.structures import State, Tracks
from tests.configs.test_configs import CONFIGS, NAMES, rows, shipped
from tests.trackers import SMALL_STARK

STARK = [name for name in NAMES if Path(name).name.startswith('stark')]
SIDES = {2: 48, 5: 112}  # of the crops, by their factor
BACKBONES: dict[str, dict[str, Any]] = {  # and what else depends on them
    'mmgtrack.TruncatedMobileNetV2': {'model.backbone.widen_factor': 0.25, 'model.neck.in_channels': [24]},
    'ResNet': {key: value for key, value in SMALL_STARK.items() if key.startswith('model.backbone.')},
    'mmgtrack.RepVGG': {
        # below 16, training crashes inside torch 2.13 on CPUs: 1x1 convolutions of stride 2, channels last
        'model.backbone.stem_channels': 16,
        'model.backbone.stage_blocks': (1, 1, 1),
        'model.backbone.stage_channels': (16, 16, 16),
        'model.neck.in_channels': [16],
        'model.transformer.num_heads': 2,
        'model.transformer.feedforward_channels': 32,
        'model.box_head.channels': 16,
        **{f'model.template_positions.{side}_num_embed': SIDES[2] // 16 for side in ('row', 'col')},
        **{f'model.search_positions.{side}_num_embed': SIDES[5] // 16 for side in ('row', 'col')},
    },
}
ABLATIONS = {  # what differs from the config it is about: keys, or what they start with
    'ablations/stark_st50_no_encoder': ('stark_st50', {'model.transformer.encoder'}),
    'ablations/stark_st50_no_decoder': ('stark_st50', {'model.transformer.decoder'}),
    'ablations/stark_st50_no_positions': (
        'stark_st50',
        {'model.template_positions', 'model.search_positions'},
    ),
    'ablations/stark_st50_mlp_head': ('stark_st50', {'model.box_head'}),
    'ablations/stark_st50_no_score_head': ('stark_st50_stage1', {'model.score_head', 'find_unused'}),
    'ablations/stark_st50_template_query': ('stark_st50', {'model.transformer.type'}),
    'ablations/stark_st50_joint': (
        'stark_st50_stage1',
        {
            'model.train_cfg.stage',
            'model.test_cfg.use_score_head',
            'train_dataloader.dataset.sampler.negative_prob',
            'find_unused',
        },
    ),
    'ablations/stark_st50_hungarian': (
        'ablations/stark_st50_joint',
        {'model.type', 'model.transformer.num_queries', 'model.train_cfg.'},
    ),
    'ablations/stark_s50_updated_query': (
        'stark_s50',
        {
            'model.type',
            'train_dataloader.dataset.roles',
            'train_dataloader.dataset.pipelines.previous_search',
        },
    ),
}

BENCHMARKS = {  # frames between updates (official yaml files)
    'benchmarks/stark_st50_trackingnet.py': 25,
    'benchmarks/stark_st50_vot2020.py': 10,
    'benchmarks/stark_st101_trackingnet.py': 25,
    'benchmarks/stark_st101_vot2020.py': 10,
    'benchmarks/stark_st101_vot2020lt.py': 100,
}

every_config = pytest.mark.parametrize('name', STARK)


def small_options(name: str) -> dict[str, Any]:
    """The model with narrow layers, small windows and updates at every second frame, otherwise as shipped."""
    config = shipped(name)
    known = {key: value for key, value in SMALL_STARK.items() if _has(config, key)}  # or left out by it
    return {
        **known,
        **BACKBONES[config.model.backbone.type],
        **({'model.box_head.embed_dims': 16} if 'embed_dims' in config.model.box_head else {}),
        'model.backbone.init_cfg': None,
        'model.test_cfg.update_intervals': [2] * (config.model.num_templates - 1),
    }


def _has(config: Any, key: str) -> bool:
    for part in key.split('.'):
        if part not in config or config[part] is None:
            return False
        config = config[part]
    return True


def short_run(name: str) -> dict[str, Any]:
    """Two iterations with small crops."""
    dataset = shipped(name).train_dataloader.dataset
    return {
        'train_dataloader.batch_size': 2,
        'train_dataloader.num_workers': 0,
        'train_dataloader.persistent_workers': False,
        'train_dataloader.dataset.num_samples': 4,
        'train_dataloader.dataset.pipelines': {
            role: [_smaller(step) for step in steps] for role, steps in dataset.pipelines.items()
        },
        'train_cfg.max_epochs': 1,
        'default_hooks.logger.interval': 1,
        'load_from': None,
    }


def _smaller(step: Any) -> dict[str, Any]:
    return {**step, 'size': SIDES[step.factor]} if step.type == 'mmgtrack.CropTarget' else step


def small_stark(name: str) -> Stark:
    """In double precision; every due update takes place."""
    config = Config.fromfile(CONFIGS / name)
    config.merge_from_dict({**small_options(name), 'model.test_cfg.update_score': 0.0})
    torch.manual_seed(0)
    tracker = build_network(config)
    assert isinstance(tracker, Stark)
    tracker.init_weights()
    return tracker.double().eval()


@every_config
def test_it_trains_and_tests(name: str, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # laying out a config for the logs takes seconds, six times a run
    monkeypatch.setattr('yapf.yapflib.yapf_api.FormatCode', lambda text, **_: (text, True))
    options = {**small_options(name), **short_run(name), 'experiment_name': str(tmp_path)}
    runner = build_runner(CONFIGS / name, work_dir=str(tmp_path), options=options)
    runner.train()
    losses = runner.message_hub.get_scalar('train/loss').data[0]
    assert runner.iter == 2 and len(losses) == 2 and np.isfinite(losses).all()
    check_what_learns(runner)
    assert 0 <= runner.test()['success/auc'] <= 1


def check_what_learns(runner: Runner) -> None:
    """One more step changes the parts of the stage, and what it leaves out is told to processes beside it."""
    model, stage = runner.model.train(), runner.cfg.model.train_cfg.stage
    batch = model.data_preprocessor(next(iter(runner.train_dataloader)), training=True)
    total, losses = model.parse_losses(model(**batch, mode='loss'))
    assert ('loss_giou' in losses) == (stage != 'score') and ('loss_score' in losses) == (
        stage != 'localisation'
    )
    total.backward()
    learns = {key for key, value in model.named_parameters() if value.requires_grad}
    unused = {key for key in learns if model.get_parameter(key).grad is None}
    before = {key: value.detach().clone() for key, value in model.named_parameters()}
    runner.optim_wrapper.step()
    changed = {key for key, value in model.named_parameters() if not torch.equal(value, before[key])}
    assert changed and changed <= learns - unused
    # DistributedDataParallel waits for all others
    assert bool(unused) == runner.cfg.get('find_unused_parameters', False), sorted(unused)
    parts = {key.partition('.')[0] for key in changed}
    if stage != 'joint':
        assert ('score_head' in parts) == (stage == 'score')
    if stage == 'score':
        assert parts == {'score_head'}
    else:
        assert {'backbone', 'neck', 'transformer', 'box_head'} <= parts
    assert all(key.startswith('score_head.') for key in unused)


@every_config
def test_targets_chunks_and_the_fast_path_do_not_matter(name: str, tmp_path: Path) -> None:
    tracker = small_stark(name)
    clip = synthetic_clip(num_frames=6, size=(48, 64), num_targets=2, seed=3)
    frames, start = list(clip.frames[1:]), tracker.encode(clip.frames[0], clip.boxes[0])
    whole, end = tracker.track(frames, start)
    assert whole.boxes.shape == (5, 2, 4) and whole.boxes.isfinite().all()
    assert (whole.boxes[1:] != whole.boxes[:-1]).any()
    for target in range(2):
        alone, _ = tracker.track(frames, start.keep([target]))
        assert_same(whole[:, target : target + 1], alone)
    first, middle = tracker.track(frames[:3], start)
    middle.save(tmp_path / 'state.pt')
    second, resumed = tracker.track(frames[3:], State.load(tmp_path / 'state.pt'))
    assert_same(whole, Tracks.cat([first, second]))
    for leaf in end._leaf_names():
        torch.testing.assert_close(getattr(end, leaf), getattr(resumed, leaf), rtol=0, atol=1e-9)
    if tracker.num_templates > 1:
        # a score head that is not trained yet is not asked, and no template is taken
        waits = tracker.score_head is not None and not tracker.test_cfg['use_score_head']
        assert waits == name.endswith('_stage1.py')
        assert torch.equal(end.templates[:, 1], start.templates[:, 1]) == waits
    speed_up(tracker)
    fast, _ = tracker.track(frames, start)
    torch.testing.assert_close(fast.boxes, whole.boxes, rtol=0, atol=1e-6)
    torch.testing.assert_close(fast.scores, whole.scores, rtol=0, atol=1e-9)


def assert_same(one: Tracks, other: Tracks) -> None:
    torch.testing.assert_close(one.boxes, other.boxes, rtol=0, atol=1e-9)
    torch.testing.assert_close(one.scores, other.scores, rtol=0, atol=1e-9)
    assert torch.equal(one.present, other.present)


@pytest.mark.parametrize('name', STARK)
def test_a_score_head_alone_learns_behind_a_first_stage(name: str) -> None:
    config = shipped(name)
    assert (config.model.train_cfg.stage == 'score') == bool(config.get('load_from'))


@pytest.mark.parametrize(
    'name', [name for name in STARK if shipped(name).get('load_from') and name not in BENCHMARKS]
)
def test_the_second_stage_starts_where_the_first_ends(name: str) -> None:
    """The file that it names is the last one that the first stage writes, and holds the same layers."""
    second = shipped(name)
    _, folder, file = Path(second.load_from).parts
    first = shipped(Path(name).with_name(f'{folder}.py').as_posix())
    assert first.model.train_cfg.stage == 'localisation' and second.model.train_cfg.stage == 'score'
    assert file == f'epoch_{first.train_cfg.max_epochs}.pth'
    assert first.train_cfg.max_epochs % first.default_hooks.checkpoint.interval == 0
    with torch.device('meta'):
        layers = [build_network(config).state_dict() for config in (first, second)]
    assert [(k, v.shape) for k, v in layers[0].items()] == [(k, v.shape) for k, v in layers[1].items()]


def test_every_first_stage_has_a_second() -> None:
    named = {Path(shipped(name).get('load_from') or '').parts[1:2] for name in STARK}
    assert {(Path(name).stem,) for name in STARK if 'stage1' in name} == named - {()}


@pytest.mark.parametrize('name', [name for name in STARK if name.startswith('benchmarks/')])
def test_a_benchmark_has_its_own_interval(name: str) -> None:
    model = Path(name).stem.rpartition('_')[0]
    settings = [dict(rows(shipped(config))) for config in (f'{model}_stage2.py', name)]
    interval = {'model.test_cfg.update_intervals': [BENCHMARKS[name]]}
    assert settings[0] | interval == settings[1] != settings[0]


@pytest.mark.parametrize('name', [name for name in STARK if name.startswith('ablations/')])
def test_an_ablation_changes_what_it_says(name: str) -> None:
    stem, _, stage = name.removesuffix('.py').partition('_stage')
    base, allowed = ABLATIONS[stem]
    base += f'_stage{stage}' if stage else ''
    settings = [
        dict(rows(shipped(f'{config}.py'))) for config in (base, stem + f'_stage{stage}' * bool(stage))
    ]
    different = {key for key in {*settings[0], *settings[1]} if settings[0].get(key) != settings[1].get(key)}
    expected = allowed | ({'load_from'} if stage == '2' else set())
    assert different and {key for key in different if not key.startswith(tuple(expected))} == set()
    assert {key for key in expected if not any(other.startswith(key) for other in different)} == set()


@pytest.mark.parametrize(
    'name, gone',
    [
        ('no_encoder_stage2', {'encoder': 7_890_432}),
        ('no_decoder_stage2', {'decoder': 9_473_024, 'query_embedding': 256}),
        ('no_positions_stage2', {}),
        ('no_score_head', {'score_head': 131_841}),
        ('template_query_stage2', {'query_embedding': 256}),
        ('joint', {}),
    ],
)
def test_the_layers_that_an_ablation_leaves_out(name: str, gone: dict[str, int]) -> None:
    """Against the 28,227,395 parameters of STARK-ST50, without the frozen norms."""
    with torch.device('meta'):
        tracker = build_network(shipped(f'ablations/stark_st50_{name}.py'))
    count = sum(p.numel() for p in tracker.parameters())
    assert 28_227_395 - count == sum(gone.values()), 28_227_395 - count
    assert not [key for key in tracker.state_dict() if any(f'{part}.' in key for part in gone)]
