"""tools/analysis/meta_learning.py from end to end: the light GuidedDetector on drawn clips."""

import json
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
COUNTS = ['--steps', 4, '--episodes', 5, '--tuning', 2, '--held-back', 4]
COUNTS += ['--batch-size', 2, '--inner-steps', 2]


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
    files = [tmp_path / name for name in ('a.json', 'b.json')]
    words = [*model, *COUNTS, '--rates', 0.01, 0.1]
    run(monkeypatch, *words, '--json', files[0], '--plot', tmp_path / 'plot.png')
    lines = capsys.readouterr().out.splitlines()
    table = next(n for n, line in enumerate(lines) if line.startswith('inner rate'))
    assert lines[table].split() == ['inner', 'rate', 'meta', 'plain', 'checkpoint']
    assert [line.split()[0] for line in lines[table + 1 : table + 4]] == ['no', '0.01', '0.1']
    assert sum(line.count('*') for line in lines[table + 1 : table + 4]) == 3
    assert (tmp_path / 'plot.png').stat().st_size > 1000
    run(monkeypatch, *words, '--json', files[1])
    found, again = (json.loads(file.read_text()) for file in files)
    assert found == again
    check_numbers(found)


def check_numbers(found: dict) -> None:
    assert set(found['clips']) <= {'val3', 'val4'} and len(found['clips']) == 4
    meta, plain, own = (found['heads'][name] for name in ('meta', 'plain', 'checkpoint'))
    assert meta['before'] != plain['before'] != own['before']
    for head in (meta, plain, own):
        index = found['rates'].index(head['chosen_rate'])
        assert head['at_chosen'] == head['means'][index]
        assert head['at_chosen'][0] == pytest.approx(sum(head['losses']) / 4)
    lower = [b - a for a, b in zip(meta['losses'], plain['losses'], strict=True)]
    assert found['meta_lower_by'][0] == pytest.approx(sum(lower) / 4)
    assert found['meta_lower_by_clips'][0] == pytest.approx(sum(lower) / 4)


@pytest.mark.parametrize(
    ('words', 'said'),
    [
        (['--rates', '0.1', '0'], 'rates are above 0, got 0.0'),
        (['--episodes', '0'], '--episodes is 1 or more, got 0'),
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
