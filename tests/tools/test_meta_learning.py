"""tools/analysis/meta_learning.py from end to end: the light GuidedDetector on drawn clips."""

import json
import re
import runpy
import sys
from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from mmgtrack.apis.models import build_network
from mmgtrack.datasets import synthetic_clip, write_sequence
from tests.trackers import CONFIGS

TOOL = Path(__file__).parents[2] / 'tools/analysis/meta_learning.py'
HEADS = ['meta', 'plain', 'plain, both images', 'checkpoint']
COUNTS = ['--steps', 4, '--episodes', 5, '--tuning', 2, '--held-back', 4]
COUNTS += ['--batch-size', 2, '--rates', 0.01, 0.1]
# a config that was trained plainly: as many steps as on a first frame
PLAINLY = ['--cfg-options', 'model.learner.inner_steps=0', 'model.learner.first_steps=2']


@pytest.fixture(scope='module')
def model(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Config and checkpoint of random weights; two clips to train on and two others."""
    root = tmp_path_factory.mktemp('model')
    sources = {}
    for part, seeds in (('train', (1, 2)), ('val', (3, 4))):
        for seed in seeds:
            write_sequence(synthetic_clip(10, seed=seed), root / part / f'{part}{seed}')
        sources[part] = dict(type='mmgtrack.SequenceFolder', root=str(root / part))
    config = Config.fromfile(CONFIGS / 'guided_mobilenetv2_lite.py')
    config.train_dataloader.dataset.sources = [sources['train']]
    config.val_dataloader.dataset = sources['val']
    config.dump(root / 'small.py')
    torch.manual_seed(0)
    torch.save({'state_dict': build_network(config).state_dict()}, root / 'small.pth')
    return [root / 'small.py', root / 'small.pth']


def run(monkeypatch: pytest.MonkeyPatch, *words: object) -> None:
    monkeypatch.setattr(sys, 'argv', [TOOL.name, *map(str, words)])
    runpy.run_path(str(TOOL), run_name='__main__')


def test_table_numbers_and_picture(
    model: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    files = [tmp_path / name for name in ('a.json', 'b.json', 'c.json')]
    words = [*model, *COUNTS]
    run(monkeypatch, *words, '--inner-steps', 2, '--json', files[0], '--plot', tmp_path / 'plot.png')
    lines = capsys.readouterr().out.splitlines()
    table = next(n for n, line in enumerate(lines) if line.startswith('inner rate'))
    assert re.split('  +', lines[table]) == ['inner rate', *HEADS]
    assert [line.split()[0] for line in lines[table + 1 : table + 5]] == ['no', '0.01', '0.1', 'chosen']
    assert sum(line.count('*') for line in lines[table + 1 : table + 5]) == 4
    assert sum('is lower than "plain' in line for line in lines) == 4
    assert '0 % of the 5 training episodes are still pictures' in lines
    assert (tmp_path / 'plot.png').stat().st_size > 1000
    run(monkeypatch, *words, *PLAINLY, '--json', files[1])
    run(monkeypatch, *words, *PLAINLY, '--seed', 1, '--json', files[2])
    found, again, other = (json.loads(file.read_text()) for file in files)
    assert found == again
    # other episodes: the checkpoint's own head is the same
    heads = found['heads']['checkpoint'], other['heads']['checkpoint']
    assert all(heads[0][key] != heads[1][key] for key in ('before', 'losses', 'tuning_losses'))
    check_numbers(found)


def check_numbers(found: dict) -> None:
    assert set(found['clips']) <= {'val3', 'val4'} and len(found['clips']) == 4
    heads = found['heads']
    assert list(heads) == HEADS and len({tuple(head['before']) for head in heads.values()}) == 4
    assert set(found['tuning_clips']) <= {'train1', 'train2'} and found['training_stills'] == 0
    for head in heads.values():
        index = found['rates'].index(head['chosen_rate'])
        means = [sum(losses) / len(losses) for losses in head['tuning_losses']]
        assert [len(losses) for losses in head['tuning_losses']] == [2, 2] and means[index] == min(means)
        assert head['at_chosen'] == head['means'][index] and head['dropped_steps'] == [0, 0]
        assert head['at_chosen'][0] == pytest.approx(sum(head['losses']) / 4)
        assert head['at_chosen'][0] == pytest.approx(head['at_chosen_episodes'][0])
    assert [(each['head'], each['than']) for each in found['lower_by']] == [
        ('meta', HEADS[1]), ('meta', HEADS[2]), ('checkpoint', HEADS[1]), ('checkpoint', HEADS[2])
    ]  # fmt: skip
    for each in found['lower_by']:
        pair = zip(heads[each['head']]['losses'], heads[each['than']]['losses'], strict=True)
        lower = sum(other - own for own, other in pair) / 4
        assert each['clips'][0] == pytest.approx(lower) and each['episodes'][0] == pytest.approx(lower)


@pytest.mark.parametrize(
    ('words', 'said'),
    [
        (['--rates', '0.1', '0'], 'rates are above 0, got 0.0'),
        (['--episodes', '0'], '--episodes is 1 or more, got 0'),
        (['--inner-lr', '0'], 'rates are above 0, got 0.0'),
        (['--seed', '-1'], '--seed is 0 or more, got -1'),
        (
            ['--cfg-options', 'model.learner.inner_steps=0', 'model.learner.first_steps=0'],
            '--inner-steps is 1 or more, got 0',
        ),
        (['--cfg-options', 'val_dataloader=None', 'test_dataloader=None'], 'nothing can be held back'),
        (['--plot', 'curves.gif'], '.png, .svg, .pdf'),
        (['--json', 'no_folder/a.json'], 'no_folder'),
    ],
)
def test_mistakes_end_before_the_work(
    model: list[Path],
    words: list[str],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    with pytest.raises(SystemExit) as end:
        run(monkeypatch, *model, *words)
    assert end.value.code == 2
    assert said in capsys.readouterr().err


@pytest.mark.filterwarnings('ignore:.*RANDOM')
def test_another_tracker(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit):
        run(monkeypatch, CONFIGS / 'globaltrack_mobilenetv2_lite.py')
    assert 'expected the config of a GuidedDetector, got a GlobalTrack' in capsys.readouterr().err
