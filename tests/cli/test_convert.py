"""`mmgtrack convert`: an official file of full size through the real command, mistakes with small ones."""

import csv
import hashlib
import json
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from mmgtrack import Tracker
from mmgtrack.cli.main import main
from mmgtrack.convert import SYSTEMS
from mmgtrack.errors import CheckpointError
from tests.convert.official import official_shapes, rule_weights, write_official

MODEL = 'globaltrack_r50_official'


@dataclass(frozen=True)
class Converted:
    """An official file, its weights, and what the command made of it."""

    weights: dict[str, Tensor]
    source: Path
    target: Path
    report: dict[str, Any]


@pytest.fixture(scope='module')
def converted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Converted]:
    folder = tmp_path_factory.mktemp('official')
    source, target = folder / 'qg_rcnn_r50_fpn.pth', folder / 'ours.pth'
    weights = rule_weights(official_shapes())
    write_official(source, weights, epoch=12, iter=90000)
    words = [sys.executable, '-m', 'mmgtrack', 'convert', 'globaltrack', str(source), str(target), '--json']
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, '')
    yield Converted(weights, source, target, json.loads(done.stdout))
    for path in folder.iterdir():  # half a gigabyte that nobody wants to keep
        path.unlink()


def test_report(converted: Converted) -> None:
    reason = 'box deltas of the background, never trained nor read'
    assert converted.report == {
        'config': MODEL,
        'source': str(converted.source),
        'sha256': hashlib.sha256(converted.source.read_bytes()).hexdigest(),
        'target': str(converted.target),
        'num_keys': 374,
        'left_out': {
            'bbox_head.fc_reg.weight[0,1,2,3]': reason,
            'bbox_head.fc_reg.bias[0,1,2,3]': reason,
            'optimizer': 'training state',
        },
    }


def test_the_file_says_where_it_comes_from(converted: Converted) -> None:
    content = torch.load(converted.target, weights_only=True)
    assert content.keys() == {'state_dict', 'meta'}
    assert content['meta'] == {
        'config_name': MODEL,
        'converted_from': {
            'system': 'globaltrack',
            'file': 'qg_rcnn_r50_fpn.pth',
            'sha256': converted.report['sha256'],
            'epoch': 12,
            'iter': 90000,
        },
    }


def test_weights_are_in_their_places(converted: Converted) -> None:
    ours = torch.load(converted.target, weights_only=True)['state_dict']
    official = converted.weights
    assert len(ours) == 374
    same = [key for key in ours if key.startswith(('backbone.', 'neck.', 'rpn_head.rpn_'))]
    assert len(same) == 318 + 16 + 6
    assert all(torch.equal(ours[key], official[key]) for key in same)
    for part in ('weight', 'bias'):
        for level in range(5):
            key, name = f'rpn_head.correlations.{level}', f'{level}.{part}'
            assert torch.equal(
                ours[f'{key}.kernel_conv.{part}'], official[f'rpn_modulator.proj_modulator.{name}']
            )
            assert torch.equal(ours[f'{key}.out_conv.{part}'], official[f'rpn_modulator.proj_out.{name}'])
        for layer, name in (('query_conv', 'proj_z'), ('search_conv', 'proj_x'), ('out_conv', 'proj_out')):
            assert torch.equal(
                ours[f'roi_head.modulator.{layer}.{part}'], official[f'rcnn_modulator.{name}.{part}']
            )
        head, old = f'roi_head.bbox_head.{{}}.{part}', f'bbox_head.{{}}.{part}'
        for layer in ('shared_fcs.0', 'shared_fcs.1'):
            assert torch.equal(ours[head.format(layer)], official[old.format(layer)])
        cls, official_cls = ours[head.format('fc_cls')], official[old.format('fc_cls')]
        assert torch.equal(cls[0], official_cls[1]) and torch.equal(cls[1], official_cls[0])
        assert torch.equal(ours[head.format('fc_reg')], official[old.format('fc_reg')][4:8])


def test_the_tracker_takes_it_and_another_model_does_not(converted: Converted) -> None:
    own = Tracker(MODEL, checkpoint=converted.target, plain=True).model.state_dict()
    name = 'rcnn_modulator.proj_z.weight'
    assert torch.equal(own['roi_head.modulator.query_conv.weight'], converted.weights[name])
    with pytest.raises(CheckpointError, match=f"made with the config '{MODEL}', not 'globaltrack_r50'"):
        Tracker('globaltrack_r50', checkpoint=converted.target)


def test_its_own_model_and_configs_that_inherit_it(converted: Converted, tmp_path: Path) -> None:
    """No model named: the one it was made for. A user's config may change sizes and counts, no arithmetic."""
    assert Tracker(checkpoint=converted.target).model.name == MODEL
    mine = tmp_path / 'mine.py'
    inherits = f"_base_ = 'mmgtrack::{MODEL}.py'\nmodel = dict("
    mine.write_text(inherits + 'batch_frames=2, data_preprocessor=dict(resize=(640, 400)),\n')
    mine.write_text(mine.read_text() + '    test_cfg=dict(rpn=dict(max_per_img=100)))\n')
    assert Tracker(mine, checkpoint=converted.target).model.batch_frames == 2
    mine.write_text(inherits + 'inclusive_pixels=False)\n')
    with pytest.raises(CheckpointError, match=f"made with the config '{MODEL}', not 'mine'"):
        Tracker(mine, checkpoint=converted.target)


def test_tracking_with_it(converted: Converted, clip: Path, tmp_path: Path) -> None:
    words = ['track', str(clip), '--box', '84,40,32,32', '--start-frame', '38', '--no-video', '--quiet']
    given = ['--model', MODEL, '--checkpoint', str(converted.target), '--out', str(tmp_path)]
    assert main([*words, *given]) == 0
    with open(tmp_path / 'track_1.csv', newline='') as file:
        assert [row['frame'] for row in csv.DictReader(file)] == ['38', '39']


def test_force_replaces_the_file_and_the_summary_is_one_line(
    converted: Converted, capfd: pytest.CaptureFixture[str]
) -> None:
    target = converted.target.with_name('again.pth')
    target.write_bytes(b'old')
    words = ['convert', 'globaltrack', str(converted.source), str(target)]
    assert main(words) == 2
    assert capfd.readouterr().err.startswith(f'mmgtrack: error: {target} exists already; ')
    assert target.read_bytes() == b'old'
    assert main([*words, '--force']) == 0
    assert capfd.readouterr() == (
        f'{target}: 374 keys converted for {MODEL}; left out: bbox_head.fc_reg.weight[0,1,2,3], '
        'bbox_head.fc_reg.bias[0,1,2,3] (box deltas of the background, never trained nor read), '
        'optimizer (training state)\n',
        '',
    )
    assert target.read_bytes() == converted.target.read_bytes()


def test_help_lists_the_systems(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(['convert', '--help'])
    text = capsys.readouterr().out
    lines = [line.split(maxsplit=1) for line in text.splitlines()]
    assert all([name, system.description] in lines for name, system in SYSTEMS.items())


class Bomb:
    """Creates a file when it is unpickled by something that executes."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return (Path.touch, (self.path,))


def in_meta(zipped: bool) -> Callable[[Path, Path], None]:
    def write(path: Path, mark: Path) -> None:
        content = {'state_dict': {'a': torch.ones(1)}, 'meta': {'config': Bomb(mark)}}
        torch.save(content, path, _use_new_zipfile_serialization=zipped)

    return write


def in_optimizer(path: Path, mark: Path) -> None:
    content = {'state_dict': {'a': torch.ones(1)}, 'meta': {}, 'optimizer': {'state': Bomb(mark)}}
    torch.save(content, path, _use_new_zipfile_serialization=False)


def bare(path: Path, mark: Path) -> None:
    path.write_bytes(pickle.dumps(Bomb(mark)))


@pytest.mark.parametrize('write', [bare, in_meta(True), in_meta(False), in_optimizer])
def test_nothing_in_the_file_is_executed(
    write: Callable[[Path, Path], None], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    source, target, mark = (tmp_path / name for name in ('bomb.pth', 'ours.pth', 'mark'))
    write(source, mark)
    assert main(['convert', 'globaltrack', str(source), str(target)]) == 2
    assert f'cannot read {source} safely' in capfd.readouterr().err
    assert list(tmp_path.iterdir()) == [source]


@pytest.mark.parametrize(
    'words, message',
    [
        ([], 'the following arguments are required: SYSTEM, SRC, DST'),
        (['globltrack', 'small.pth', 'x.pth'], "invalid choice: 'globltrack'"),
        (['globaltrack', 'none.pth', 'x.pth'], 'no checkpoint file none.pth'),
        (['globaltrack', 'long' * 99, 'x.pth'], 'no checkpoint file long'),  # no name that a disk takes
        (['globaltrack', 'folder', 'x.pth'], 'folder is a folder; expected the official checkpoint file'),
        (['globaltrack', 'text.pth', 'x.pth'], 'cannot read text.pth safely: it is damaged'),
        (['globaltrack', 'cut.pth', 'x.pth'], 'cannot read cut.pth safely: it is damaged'),
        (['globaltrack', 'state.pth', 'x.pth'], 'state.pth holds no state_dict'),
        (['globaltrack', 'ours.pth', 'x.pth'], 'ours.pth needs no conversion'),
        (['globaltrack', 'small.pth', 'small.pth'], 'small.pth is the source itself'),
        (['globaltrack', 'small.pth', 'small.pth', '--force'], 'small.pth is the source itself'),
        (['globaltrack', 'small.pth', 'link.pth', '--force'], 'link.pth is the source itself'),
        (['globaltrack', 'small.pth', 'text.pth'], 'text.pth exists already; choose another name, or'),
        (['globaltrack', 'small.pth', 'nowhere.pth'], 'nowhere.pth exists already'),  # a link to nothing
        (['globaltrack', 'small.pth', 'folder', '--force'], 'folder is a folder; expected the name of'),
        (['globaltrack', 'small.pth', 'none/x.pth'], 'no folder none; create it'),
        (['globaltrack', 'small.pth', 'text.pth/x.pth'], 'no folder text.pth; create it'),
        (
            ['globaltrack', 'small.pth', 'x.pth'],
            f'small.pth does not fit {MODEL}: 320 keys missing: backbone.',
        ),
        (['globaltrack', 'small.pth', 'x.pth', '--json'], '1 key unknown: stranger.bias'),
    ],
)
def test_mistakes_are_one_line_and_leave_nothing(
    words: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    write_small_files()
    before = {path: path.is_file() and path.read_bytes() for path in sorted(tmp_path.rglob('*'))}
    assert main(['convert', *words]) == 2
    out, err = capfd.readouterr()
    assert out == ''
    assert err.startswith('mmgtrack: error: ') and len(err.splitlines()) == 1
    assert message in err
    assert {path: path.is_file() and path.read_bytes() for path in sorted(tmp_path.rglob('*'))} == before


def write_small_files() -> None:
    """What the mistakes above need, in the current folder."""
    weights = {'backbone.bn1.weight': torch.ones(64), 'stranger.bias': torch.ones(1)}
    write_official(Path('small.pth'), weights)
    Path('cut.pth').write_bytes(Path('small.pth').read_bytes()[:-300])
    Path('text.pth').write_text('these are not weights')
    torch.save({'epoch': 1}, 'state.pth')
    torch.save({'state_dict': weights, 'meta': {'config_name': MODEL}}, 'ours.pth')
    Path('folder').mkdir()
    Path('link.pth').symlink_to('small.pth')
    Path('nowhere.pth').symlink_to('gone.pth')


@pytest.mark.skipif(sys.platform == 'win32', reason='POSIX permissions')
def test_a_folder_that_cannot_be_written(
    no_root: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_small_files()
    Path('folder').chmod(0o555)
    assert main(['convert', 'globaltrack', 'small.pth', 'folder/x.pth']) == 2
    assert capfd.readouterr().err == 'mmgtrack: error: folder: no permission to write there\n'
