"""The same losses whatever the number of processes, with the draws of samplers and dropout as shipped."""

from pathlib import Path
from typing import Any

import pytest
from mmengine.config import Config

from mmgtrack.engine.launch import build_runner
from tests.configs.conftest import data  # noqa: F401  (a fixture)
from tests.configs.test_configs import SMALL_R50
from tests.configs.test_guided_configs import short_run as short_guided_run
from tests.configs.test_guided_configs import small_options as small_guided_options
from tests.configs.test_point_track_configs import short_run as short_point_track_run
from tests.configs.test_point_track_configs import small_options as small_point_track_options
from tests.configs.test_stark_configs import short_run
from tests.configs.test_stark_configs import small_options as small_stark_options
from tests.engine.test_distributed import ROLES, launch, scalars
from tests.trackers import CONFIGS

STEPS = 5
R50 = {
    **SMALL_R50,
    **{
        f'train_dataloader.dataset.pipelines.{role}.3.transforms.{n}.0.scale': (96, 64)
        for role in ROLES
        for n in range(5)
    },
    'model.backbone.init_cfg': None,
}
RUNS: dict[str, dict[str, Any]] = {
    'globaltrack_r50.py': R50,
    'stark_st50_stage2.py': {},
    # its corner head has batch norms, which are each process's own unless it is said
    'stark_s50.py': {'sync_bn': 'torch'},
    'guided_faster_rcnn_r50.py': {},
    # group norm in its head; the backbone's norms stay as they are
    'point_track_r50.py': {},
}


def changes_of(name: str, batch: int) -> dict[str, Any]:
    small = {}
    if name.startswith('stark'):
        small = small_stark_options(name) | short_run(name)
    elif name.startswith('guided'):
        small = small_guided_options(name) | short_guided_run(name)
    elif name.startswith('point_track'):
        small = small_point_track_options(name) | short_point_track_run(name)
    return {
        **small,
        **RUNS[name],
        'load_from': None,
        'train_dataloader.batch_size': batch,
        'train_dataloader.num_workers': 0,
        'train_dataloader.persistent_workers': False,
        'train_dataloader.dataset.num_samples': 4 * STEPS,
        'train_cfg.max_epochs': 1,
        'default_hooks.logger.interval': 1,
        'log_processor.window_size': 1,
    }


@pytest.mark.parametrize('name', RUNS)
def test_two_processes_have_the_losses_of_one(
    name: str,
    data: Path,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # laying out a config for the logs takes seconds
    monkeypatch.setattr('yapf.yapflib.yapf_api.FormatCode', lambda text, **_: (text, True))
    config = Config.fromfile(CONFIGS / name)
    config.merge_from_dict(changes_of(name, batch=2))
    config.dump(tmp_path / name)
    run = launch(tmp_path / name, 2, '--device', 'cpu', '--work-dir', tmp_path / 'two')
    options = {**changes_of(name, batch=4), 'experiment_name': str(tmp_path)}
    build_runner(CONFIGS / name, work_dir=str(tmp_path / 'one'), options=options).train()
    said, _ = run.communicate(timeout=300)
    assert run.returncode == 0, said
    one, two = scalars(tmp_path / 'one'), scalars(tmp_path / 'two')
    assert len(one) == len(two) == STEPS
    losses = [key for key in one[0] if key.startswith('loss')]
    assert len(losses) >= 2
    for key in [*losses, 'grad_norm']:
        expected = [step[key] for step in one]
        assert [step[key] for step in two] == pytest.approx(expected, rel=1e-3, abs=1e-6), key
    assert len({step['loss'] for step in one}) == STEPS
