"""`mmgtrack convert dmtrack`: an official file of full size through the real command."""

import csv
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
from mmgtrack.convert.dmtrack import KEY_MAP
from mmgtrack.errors import CheckpointError
from tests.convert.dmtrack_official import official_shapes, old_names, rule_weights
from tests.convert.official import write_official

MODEL = 'dmtrack_dla34_official'


@dataclass(frozen=True)
class Converted:
    """An official file, its weights, and what the command made of it."""

    weights: dict[str, Tensor]
    source: Path
    target: Path
    report: dict[str, Any]


def convert(source: Path, target: Path) -> dict[str, Any]:
    words = [sys.executable, '-m', 'mmgtrack', 'convert', 'dmtrack', str(source), str(target), '--json']
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, '')
    report: dict[str, Any] = json.loads(done.stdout)
    return report


@pytest.fixture(scope='module')
def converted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Converted]:
    folder = tmp_path_factory.mktemp('official')
    source, target = folder / 'epoch_48.pth', folder / 'ours.pth'
    weights = rule_weights(official_shapes(classifier=True))
    write_official(source, weights, epoch=48, iter=720000)
    yield Converted(weights, source, target, convert(source, target))
    for path in folder.iterdir():  # half a gigabyte that nobody wants to keep
        path.unlink()


def test_report(converted: Converted) -> None:
    left_out = converted.report.pop('left_out')
    assert converted.report == {
        'config': MODEL,
        'source': str(converted.source),
        'sha256': hashlib.sha256(converted.source.read_bytes()).hexdigest(),
        'target': str(converted.target),
        'num_keys': 342,
    }
    assert left_out.pop('optimizer') == 'training state'
    assert len(left_out) == 394 - 342
    assert {name.rsplit('.', 2)[0] for name in left_out if '.ida_up.' not in name} == {
        'backbone.base',  # .fc.weight
        'backbone.base.level3.project',
        'backbone.base.level4.project',
    }
    assert len(set(left_out.values())) == 3


def test_the_tracker_takes_it_and_another_model_does_not(converted: Converted) -> None:
    """Each weight is in its place; the file names the model that it is for."""
    model = Tracker(checkpoint=converted.target, plain=True).model
    assert model.name == MODEL
    for key, weight in model.state_dict().items():
        assert torch.equal(weight, converted.weights[KEY_MAP.source_of(key)]), key
    meta = torch.load(converted.target, weights_only=True)['meta']
    assert meta['converted_from']['epoch'] == 48 and meta['converted_from']['system'] == 'dmtrack'
    with pytest.raises(CheckpointError, match=f"made with the config '{MODEL}', not 'dmtrack_dla34'"):
        Tracker('dmtrack_dla34', checkpoint=converted.target)


def test_the_older_layer_gives_the_same_file(converted: Converted, tmp_path: Path) -> None:
    source, target = tmp_path / 'old.pth', tmp_path / 'ours.pth'
    torch.save({'state_dict': old_names(converted.weights), 'meta': {}}, source)
    assert convert(source, target)['num_keys'] == 342
    one, two = (torch.load(path, weights_only=True)['state_dict'] for path in (converted.target, target))
    assert one.keys() == two.keys() and all(torch.equal(one[key], two[key]) for key in one)


def test_tracking_with_it(converted: Converted, clip: Path, tmp_path: Path) -> None:
    words = ['track', str(clip), '--box', '84,40,32,32', '--start-frame', '38', '--no-video', '--quiet']
    given = ['--model', MODEL, '--checkpoint', str(converted.target), '--out', str(tmp_path)]
    words = [sys.executable, '-m', 'mmgtrack', *words, *given]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, '')
    with open(tmp_path / 'track_1.csv', newline='') as file:
        assert [row['frame'] for row in csv.DictReader(file)] == ['38', '39']


def test_another_systems_file_is_named(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / 'small.pth'
    write_official(source, {'backbone.bn1.weight': torch.ones(64)})
    assert main(['convert', 'dmtrack', str(source), str(tmp_path / 'x.pth')]) == 2
    error = capfd.readouterr().err
    assert f'{source} does not fit {MODEL}: ' in error and '1 key unknown: backbone.bn1.weight' in error
    assert len(error.splitlines()) == 1 and list(tmp_path.iterdir()) == [source]
