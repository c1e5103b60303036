"""tools/analysis/benchmark.py: every stage is found, and its operations are those counted by hand."""

import json
import runpy
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import cv2
import pytest
import torch
from mmengine.config import Config
from torch.utils.flop_counter import FlopCounterMode

from mmgtrack.datasets.synthetic import synthetic_clip
from mmgtrack.engine.stages import StageMeter, watching
from mmgtrack.models.base import BaseTracker
from tests.trackers import (
    CONFIGS,
    SMALL,
    SMALL_GUIDED,
    SMALL_POINT_TRACK,
    SMALL_STARK,
    small_global_track,
    small_stark,
    template_matching,
)

TOOL = Path(__file__).parents[2] / 'tools/analysis/benchmark.py'
STAGES = [
    'decode',
    'preprocess',
    'backbone',
    'neck',
    'RPN modulation',
    'RPN head',
    'RPN proposals',
    'RPN proposals: NMS',
    'RoI pooling',
    'RoI head',
    'RoI head: NMS',
    'association',
    'rest',
]
GUIDED_STAGES = [
    'decode',
    'crop',
    'backbone',
    'neck',
    'guidance',
    'head',
    'adapted layers',
    'selection',
    'samples',
    'head update',
    'rest',
]
POINT_TRACK_STAGES = [
    'decode',
    'preprocess',
    'backbone',
    'neck',
    'dynamic convolutions',
    'head',
    'boxes',
    'boxes: NMS',
    'association',
    'rest',
]
STARK_STAGES = [
    'decode',
    'crop',
    'backbone',
    'neck',
    'positions',
    'tokens',
    'transformer',
    'encoder',
    'decoder',
    'box head',
    'score head',
    'template update',
    'rest',
]
# SMALL in 96x64: cells at strides 4 to 64; a 3x3 convolution 16 -> 16, then 1x1 to 6 scores and 24 deltas
CELLS = 24 * 16 + 12 * 8 + 6 * 4 + 3 * 2 + 2 * 1
RPN_HEAD = 2 * CELLS * (9 * 16 * 16 + 16 * 6 + 16 * 24)

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a CUDA device')
devices = pytest.mark.parametrize('device', ['cpu', pytest.param('cuda', marks=[pytest.mark.gpu, needs_gpu])])


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Three images of 96x64 pixels in a folder."""
    folder = tmp_path / 'clip'
    folder.mkdir()
    for number, frame in enumerate(synthetic_clip(num_frames=3, size=(64, 96), seed=0).frames):
        cv2.imwrite(str(folder / f'{number:06d}.png'), frame)
    return folder


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """The light GlobalTrack at a quarter of its width."""
    small = Config.fromfile(CONFIGS / 'globaltrack_mobilenetv2_lite.py')
    small.merge_from_dict(SMALL)
    small.dump(tmp_path / 'small.py')
    return tmp_path / 'small.py'


def run(monkeypatch: pytest.MonkeyPatch, *words: object) -> None:
    monkeypatch.setattr(sys, 'argv', ['benchmark.py', *map(str, words)])
    runpy.run_path(str(TOOL), run_name='__main__')


@devices
def test_table_json_and_trace(
    device: str,
    clip: Path,
    config: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    files = ['--json', tmp_path / 'costs.json', '--profile', tmp_path / 'trace.json']
    grid = ['--batch', '1,2', '--targets', '1,2', '--repeats', 2, '--warmup', 1, '--device', device]
    run(monkeypatch, config, clip, *grid, *files, '--proposals', 8)

    report = json.loads((tmp_path / 'costs.json').read_text())
    assert report['model'] == {
        'name': 'small',
        'weights': 'random',
        'precision': 'float32',
        'plain': False,
        'compile': False,
    }
    assert report['sizes'] == dict.fromkeys(('file', 'frames', 'network', 'padded'), '96x64')
    combinations = [(cost['batch'], cost['targets']) for cost in report['results']]
    assert combinations == [(1, 1), (1, 2), (2, 1), (2, 2)]
    for cost in report['results']:
        assert [stage['name'] for stage in cost['stages']] == STAGES
        gflop = {stage['name']: stage['gflop'] for stage in cost['stages']}
        assert gflop['RPN head'] == pytest.approx(cost['targets'] * RPN_HEAD / 1e9, rel=1e-9)
        assert gflop['decode'] == gflop['RoI head: NMS'] == gflop['rest'] == 0
        assert cost['gflop'] == pytest.approx(sum(gflop.values()))
        medians = [stage['ms']['median'] for stage in cost['stages']]
        assert all(median > 0 for median in medians)
    assert [cost['cost_ratio'] for cost in report['results']][::2] == [1, 1]

    printed = capsys.readouterr().out
    for name in [*STAGES, 'sum of stages', 'end to end']:
        assert sum(line.strip().startswith(f'{name}  ') for line in printed.splitlines()) == 4, name
    trace = json.loads((tmp_path / 'trace.json').read_text())
    assert {'backbone', 'RPN head', 'NMS'} <= {event.get('name') for event in trace['traceEvents']}


def test_frames_network_and_boxes_of_ones_own(
    clip: Path, config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = ['--size', '120x90', '--resize', '64,64', '--box', '90,60,20,20', '--box', '0,0,9,9']
    run(monkeypatch, config, clip, *sizes, '--repeats', 1, '--warmup', 0, '--json', tmp_path / 'costs.json')
    report = json.loads((tmp_path / 'costs.json').read_text())
    assert report['sizes'] == {'file': '96x64', 'frames': '120x90', 'network': '64x48', 'padded': '64x64'}


def test_stages_of_stark(clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = Config.fromfile(CONFIGS / 'stark_st50_stage2.py')
    small.merge_from_dict({**SMALL_STARK, 'model.test_cfg.update_score': 0.0})
    small.dump(tmp_path / 'small_stark.py')
    grid = ['--targets', '1,2', '--repeats', 3, '--warmup', 0, '--json', tmp_path / 'costs.json']
    run(monkeypatch, tmp_path / 'small_stark.py', clip, *grid)
    one, two = json.loads((tmp_path / 'costs.json').read_text())['results']
    counted = {'backbone', 'neck', 'encoder', 'decoder', 'box head', 'score head'}
    for cost in (one, two):
        assert [stage['name'] for stage in cost['stages']] == STARK_STAGES
        assert {stage['name'] for stage in cost['stages'] if stage['gflop']} == counted
        assert all(stage['ms']['low'] > 0 for stage in cost['stages'])
    for first, second in zip(one['stages'], two['stages'], strict=True):
        assert second['gflop'] == pytest.approx(2 * first['gflop'], rel=1e-9)


def test_stages_of_a_guided_detector(clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Updates come at every second frame: a pass of four frames has their mean."""
    small = Config.fromfile(CONFIGS / 'guided_mobilenetv2_lite.py')
    small.merge_from_dict(SMALL_GUIDED)
    small.dump(tmp_path / 'small_guided.py')
    grid = ['--batch', 4, '--repeats', 1, '--warmup', 0, '--json', tmp_path / 'costs.json']
    run(monkeypatch, tmp_path / 'small_guided.py', clip, *grid)
    (cost,) = json.loads((tmp_path / 'costs.json').read_text())['results']
    assert [stage['name'] for stage in cost['stages']] == GUIDED_STAGES
    assert all(stage['ms']['low'] > 0 for stage in cost['stages'])
    counted = {'backbone', 'neck', 'guidance', 'head', 'adapted layers', 'samples', 'head update'}
    assert {stage['name'] for stage in cost['stages'] if stage['gflop']} == counted


def test_stages_of_point_track(clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = Config.fromfile(CONFIGS / 'point_track_mobilenetv2_lite.py')
    small.merge_from_dict(SMALL_POINT_TRACK)
    small.dump(tmp_path / 'small_point_track.py')
    grid = ['--targets', '1,2', '--repeats', 1, '--warmup', 0, '--json', tmp_path / 'costs.json']
    run(monkeypatch, tmp_path / 'small_point_track.py', clip, *grid)
    one, two = json.loads((tmp_path / 'costs.json').read_text())['results']
    assert [stage['name'] for stage in one['stages']] == POINT_TRACK_STAGES
    first, second = ({stage['name']: stage['gflop'] for stage in cost['stages']} for cost in (one, two))
    assert {name for name, gflop in first.items() if gflop} == {
        *('backbone', 'neck', 'dynamic convolutions', 'head')
    }
    for name, gflop in first.items():  # what sees the target runs once a target
        times = 2 if name in ('dynamic convolutions', 'head') else 1
        assert second[name] == pytest.approx(times * gflop, rel=1e-9), name
    # 16 x 16 numbers a cell, at strides 4 to 32
    cells = 24 * 16 + 12 * 8 + 6 * 4 + 3 * 2
    assert first['dynamic convolutions'] == pytest.approx(2 * cells * 16 * 16 / 1e9, rel=1e-9)


@pytest.mark.parametrize(
    'words, message',
    [
        (['--batch', '1,x'], 'whole numbers above 0'),
        (['--targets', '0'], 'whole numbers above 0'),
        (['--size', '96'], "two numbers, 'x' between"),
        (['--box', '1,2,3'], 'expects X,Y,W,H'),
        (['--box', '200,200,9,9'], 'box'),
        (['--device', 'nowhere'], 'device must be'),
    ],
)
def test_mistakes_end_in_one_line(
    words: list[str],
    message: str,
    clip: Path,
    config: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as exit_info:
        run(monkeypatch, config, clip, *words)
    assert exit_info.value.code == 2
    assert message in capsys.readouterr().err.splitlines()[-1]


def test_a_meter_charges_the_innermost_stage() -> None:
    # read before and after each step: what passes in between is the meter's own
    readings = iter([0.0, 1.0, 1.5, 4.5, 5.0, 7.0, 7.5])
    meter = StageMeter(lambda: next(readings))
    meter.enter('head')  # reads 0
    meter.enter(': NMS')  # reads 1, then 1.5
    meter.leave()  # reads 4.5, then 5
    meter.leave()  # reads 7, then 7.5
    assert meter.take() == {'head': 1.0 + 2.0, 'head: NMS': 3.0}
    assert meter.take() == {} and meter.calls == 2


@pytest.mark.parametrize('interval, backbone_calls', [(100, 2), (2, 3), (1, 4)])
def test_a_template_update_goes_through_the_same_stages(interval: int, backbone_calls: int) -> None:
    options = {'model.test_cfg.update_intervals': [interval], 'model.test_cfg.update_score': 0.0}
    tracker = small_stark(**options)
    clip = synthetic_clip(num_frames=3, size=(64, 96), seed=0)
    state = tracker.encode(clip.frames[0], clip.boxes[0])
    calls = Counter[str]()
    watcher = SimpleNamespace(enter=lambda stage: calls.update([stage]), leave=lambda: None)
    with watching(tracker, watcher):
        tracker.track(list(clip.frames[1:]), state)
    assert calls['template update'] == 2
    assert calls['crop'] == calls['backbone'] == calls['neck'] == calls['positions'] == backbone_calls


def test_fused_attention_counts_on_a_cpu() -> None:
    batch, heads, queries, keys, width = 2, 3, 5, 7, 4
    query = torch.randn(batch, heads, queries, width)
    key = torch.randn(batch, heads, keys, width)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        torch.nn.functional.scaled_dot_product_attention(query, key, key)
    assert counter.get_total_flops() == 2 * 2 * batch * heads * queries * keys * width


def compile_parts(tracker: BaseTracker) -> None:
    """Compile in both ways that torch has for modules."""
    tracker.backbone.compile(backend='eager')
    tracker.neck = torch.compile(tracker.neck, backend='eager')


@pytest.mark.parametrize('change', [lambda tracker: None, compile_parts], ids=['as it is', 'compiled'])
def test_watching_changes_nothing(change: Callable[[BaseTracker], None]) -> None:
    tracker = small_global_track()
    change(tracker)
    clip = synthetic_clip(num_frames=3, size=(64, 96), seed=0)
    frames, state = list(clip.frames[1:]), tracker.encode(clip.frames[0], clip.boxes[0])
    expected, _ = tracker.track(frames, state)
    parts = list(tracker.modules())
    before = [set(vars(part)) for part in parts]
    meter = StageMeter(lambda: 0.0)
    with watching(tracker, meter):
        tracks, _ = tracker.track(frames, state)
    torch.testing.assert_close(tracks.boxes, expected.boxes, rtol=0, atol=0)
    assert set(STAGES) - {'decode', 'rest', 'RPN proposals: NMS'} <= set(meter.take())
    assert [set(vars(part)) for part in parts] == before
    tracker.track(frames, state)
    assert meter.take() == {}


def test_what_runs_inside_a_compiled_call_counts_there() -> None:
    tracker = small_global_track()
    meter = StageMeter(lambda: 0.0)
    compiled = torch.compile(lambda maps: tracker.rpn_head(maps), backend='eager', fullgraph=True)
    with watching(tracker, meter):
        compiled([torch.zeros(1, 16, 4, 4)])
    assert meter.take() == {}


def test_a_tracker_without_a_table_of_its_own_has_the_one_of_its_kind() -> None:
    tracker = template_matching()
    clip = synthetic_clip(num_frames=3, size=(64, 96), seed=0)
    state = tracker.encode(clip.frames[0], clip.boxes[0])
    readings = iter(range(1000))
    meter = StageMeter(lambda: float(next(readings)))
    with watching(tracker, meter):
        tracker.track(list(clip.frames[1:]), state)
    assert meter.take() == {'crop': 2.0, 'network': 2.0, 'update': 2.0}


def test_steps_of_the_fast_path(
    clip: Path, config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    tool = TOOL.with_name('fast_path.py')
    argv = [str(tool), str(config), str(clip), '--size', '96x64', '--rounds', '1']
    monkeypatch.setattr(sys, 'argv', argv)
    with pytest.warns(UserWarning, match='RANDOM'):
        runpy.run_path(str(tool), run_name='__main__')
    shown = capsys.readouterr().out
    steps = ['plain', 'channels last', 'norms folded', 'queries folded', 'box head folded', 'bfloat16']
    assert [step for step in steps if step in shown] == steps
    assert shown.count('1.00x') >= 2  # plain against itself
