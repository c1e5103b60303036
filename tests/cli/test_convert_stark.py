"""`mmgtrack convert stark`: files of full size through the real command, mistakes with small ones."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from mmgtrack import Tracker
from mmgtrack.cli.main import main
from mmgtrack.convert.stark import OFFICIAL
from tests.convert.stark_official import mmtracking_weights, stark_shapes, stark_weights, write_stark


@dataclass(frozen=True)
class Converted:
    """An official file, its weights, what the command made of it, and the model that this is for."""

    weights: dict[str, Tensor]
    source: Path
    target: Path
    report: dict[str, Any]
    model: str


def convert(source: Path, target: Path) -> dict[str, Any]:
    words = [sys.executable, '-m', 'mmgtrack', 'convert', 'stark', str(source), str(target), '--json']
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, '')
    return json.loads(done.stdout)


@pytest.fixture(
    scope='module',
    params=[
        ('S50', 500, False, 'stark_s50'),
        ('ST50', 50, True, 'stark_st50_stage2'),
        ('ST101', 50, False, 'stark_st101_stage2'),
        ('Lightning', 500, True, 'stark_lightning'),
    ],
    ids=lambda param: f'{param[-1]}-{"zip" if param[2] else "legacy"}',
)
def converted(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Converted]:
    kind, epoch, zipped, model = request.param
    folder = tmp_path_factory.mktemp('official')
    source, target = folder / f'STARK_ep{epoch:04}.pth.tar', folder / 'ours.pth'
    weights = stark_weights(stark_shapes(kind))
    write_stark(source, weights, epoch=epoch, zipped=zipped)
    yield Converted(weights, source, target, convert(source, target), model)
    for path in folder.iterdir():  # up to 400 MB that nobody wants to keep
        path.unlink()


def test_the_report(converted: Converted) -> None:
    rest = ['actor_type', 'net_type', 'net_info', 'constructor', 'optimizer', 'stats', 'settings']
    assert converted.report == {
        'config': converted.model,
        'source': str(converted.source),
        'sha256': hashlib.sha256(converted.source.read_bytes()).hexdigest(),
        'target': str(converted.target),
        'num_keys': len(converted.weights),
        'left_out': dict.fromkeys(rest, 'training state'),
    }


def test_the_tracker_takes_it(converted: Converted) -> None:
    """The right model is built, and each of its weights is one of the file's."""
    model = Tracker(checkpoint=converted.target, plain=True).model
    assert model.name == converted.model
    own = model.state_dict()
    assert sorted(map(digest, own.values())) == sorted(map(digest, converted.weights.values()))
    content = torch.load(converted.target, weights_only=True)
    assert content['meta']['converted_from'] == {
        'system': 'stark',
        'file': converted.source.name,
        'sha256': converted.report['sha256'],
        'epoch': int(converted.source.name[8:12]),
    }


def digest(weight: Tensor) -> bytes:
    """Of shape and numbers: every tensor of the rule is another one."""
    return hashlib.sha256(str(tuple(weight.shape)).encode() + weight.contiguous().numpy().tobytes()).digest()


def test_mmtracking_comes_to_the_same(tmp_path: Path) -> None:
    """The same weights under mmtracking's names: the same state dict."""
    source, target = tmp_path / 'stark-st2.pth', tmp_path / 'ours.pth'
    weights = stark_weights(stark_shapes('ST50'))
    renamed = mmtracking_weights(weights)
    meta = {'epoch': 50, 'iter': 23400, 'cfg': 'model = dict()', 'dataset_meta': {'classes': ()}}
    torch.save({'state_dict': renamed, 'meta': meta, 'message_hub': {}, 'optimizer': {}}, source)
    report = convert(source, target)
    assert (report['config'], report['num_keys']) == ('stark_st50_stage2', 466)
    counters = [name for name in renamed if name.startswith('backbone.') and name.endswith('batches_tracked')]
    training = dict.fromkeys(['message_hub', 'optimizer'], 'training state')
    assert report['left_out'] == dict.fromkeys(counters, 'counter of a frozen norm') | training
    ours = torch.load(target, weights_only=True)['state_dict']
    same = OFFICIAL.convert(weights, {key: weight.shape for key, weight in ours.items()})
    assert all(torch.equal(ours[key], same[key]) for key in same)
    for path in (source, target):
        path.unlink()


class Bomb:
    """Creates a file when it is unpickled by something that executes."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return (Path.touch, (self.path,))


@pytest.mark.parametrize('zipped', [True, False], ids=['zip', 'legacy'])
def test_nothing_in_the_file_is_executed(
    zipped: bool, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    source, mark = tmp_path / 'bomb.pth', tmp_path / 'mark'
    content = {'net': {'cls_head.a': torch.ones(1)}, 'settings': [Bomb(mark)]}
    torch.save(content, source, _use_new_zipfile_serialization=zipped)
    assert main(['convert', 'stark', str(source), str(tmp_path / 'ours.pth')]) == 2
    assert list(tmp_path.iterdir()) == [source]


@pytest.mark.parametrize(
    'net, message',
    [
        ({'bottleneck.bias': (256,), 'stranger.bias': (1,)}, '451 keys missing: '),
        ({'bottleneck.bias': (256,), 'stranger.bias': (1,)}, '1 key unknown: stranger.bias'),
        ({'bottleneck.bias': (128,)}, '1 key of another shape: bottleneck.bias is (128,) instead of (256,)'),
        ({'backbone.body.stage0.rbr_reparam.bias': (48,)}, 'small.pth: the branches of this STARK-Lightning'),
        ({'head.query_embedding.weight': (1, 256)}, 'small.pth: mmtracking trained this STARK in stage 1'),
    ],
)
def test_mistakes_are_one_line_and_leave_nothing(
    net: dict[str, tuple[int, ...]],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    write_stark(Path('small.pth'), {n: torch.ones(s) for n, s in net.items()}, epoch=500, zipped=False)
    assert main(['convert', 'stark', 'small.pth', 'x.pth']) == 2
    out, err = capfd.readouterr()
    assert out == ''
    assert err.startswith('mmgtrack: error: small.pth') and len(err.splitlines()) == 1
    assert message in err
    assert list(tmp_path.iterdir()) == [tmp_path / 'small.pth']
