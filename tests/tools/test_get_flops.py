"""tools/analysis/get_flops.py: what it prints is what was counted."""

import json
import runpy
import sys
from pathlib import Path
from typing import Any

import pytest
from mmengine.config import Config

from tests.trackers import CONFIGS, SMALL, SMALL_POINT_TRACK, SMALL_STARK

TOOL = Path(__file__).parents[2] / 'tools/analysis/get_flops.py'
MODELS = {
    'globaltrack_mobilenetv2_lite': SMALL,
    'point_track_mobilenetv2_lite': SMALL_POINT_TRACK,
    'stark_st50_stage2': SMALL_STARK,
}


@pytest.fixture(params=MODELS)
def config(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    small = Config.fromfile(CONFIGS / f'{request.param}.py')
    small.merge_from_dict(MODELS[request.param])
    small.dump(tmp_path / f'small_{request.param}.py')
    return tmp_path / f'small_{request.param}.py'


def printed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: object) -> str:
    monkeypatch.setattr(sys, 'argv', ['get_flops.py', *map(str, words)])
    runpy.run_path(str(TOOL), run_name='__main__')
    return capsys.readouterr().out


def rows(text: str) -> dict[str, list[str]]:
    """Numbers of each line of the tables by the line's title."""
    cells = [[c.strip() for c in line.strip('│┃').replace('┃', '│').split('│')] for line in text.splitlines()]
    return {title: numbers for title, *numbers in cells if numbers}


def test_tables_and_json_agree(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    report: dict[str, Any] = json.loads(printed(monkeypatch, capsys, config, '--targets', 2, '--json'))
    text = printed(monkeypatch, capsys, config, '--targets', 2)
    table = rows(text)
    assert report['model'] == config.stem and report['targets'] == 2
    sizes = report['sizes']
    assert table['all'] == [f'{sizes["all"][k]:,}' for k in ('parameters', 'trainable', 'buffers')]
    for kind in ('parameters', 'trainable', 'buffers'):
        assert sum(s[kind] for s in sizes.values()) == 2 * sizes['all'][kind]  # the parts, and all
    paths = [report[path] for path in ('as trained', 'fast path')]
    assert table['a frame, 2 targets'] == [f'{sum(path["stages"].values()) / 1e9:.3f}' for path in paths]
    assert table['backbone'][:2] == [f'{path["stages"]["backbone"] / 1e9:.3f}' for path in paths]
    assert table[report['encode']] == [f'{path["encode"] / 1e9:.3f}' for path in paths]
    assert 'not counted: norms' in text
    assert ('sum' in table) == ('authors' in report) == ('stark' in config.stem)


def test_a_frame_of_more_targets_shares_what_no_target_changes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], config: Path
) -> None:
    one, two = (json.loads(printed(monkeypatch, capsys, config, '--json', '--targets', n)) for n in (1, 2))
    first, second = one['as trained'], two['as trained']
    shared = 'stark' not in config.stem  # windows are the target's own
    assert second['stages']['backbone'] == first['stages']['backbone'] * (1 if shared else 2)
    assert second['encode'] == first['encode']
    assert one['sizes'] == two['sizes']


@pytest.mark.parametrize(
    'words, message',
    [(['nowhere'], 'nowhere'), (['stark_s50', '--targets', '0'], '1 target or more')],
)
def test_mistakes_end_in_one_line(
    words: list[str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, 'argv', ['get_flops.py', *words])
    with pytest.raises(SystemExit) as exit_info:
        runpy.run_path(str(TOOL), run_name='__main__')
    assert exit_info.value.code == 2
    assert message in capsys.readouterr().err.splitlines()[-1]
