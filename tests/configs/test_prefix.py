"""``_base_ = 'mmgtrack::NAME.py'``: from anywhere, in a checkout and from a wheel."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from mmengine.config import Config

import mmgtrack
from mmgtrack import Tracker, zoo
from mmgtrack.engine.launch import build_runner
from mmgtrack.errors import InputError, ModelNotFoundError
from mmgtrack.packaged_configs import config_folder, find_weights, resolve_own_prefix, run_config
from tests.trackers import CONFIGS

LITE = 'globaltrack_mobilenetv2_lite.py'
PRINT = """
import json, sys
import mmgtrack
from mmengine.config import Config
configs = [Config.fromfile(name) for name in sys.argv[1:]]
print(json.dumps([[mmgtrack.__file__, c.model.type, c.model.get('batch_frames')] for c in configs]))
"""


def write(path: Path, base: str, *lines: str) -> Path:
    path.write_text('\n'.join([f'_base_ = {base!r}', *lines, '']))
    return path


@pytest.fixture(params=['checkout', 'wheel'])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """What goes onto the import path: the repository, or what a wheel unpacks to."""
    if request.param == 'checkout':
        return CONFIGS.parent
    package = tmp_path / 'site-packages' / 'mmgtrack'
    ignored = shutil.ignore_patterns('__pycache__', '*.pth')
    shutil.copytree(Path(mmgtrack.__file__).parent, package, ignore=ignored)
    shutil.copytree(CONFIGS, package / '.mim' / 'configs', ignore=ignored)
    return package.parent


def test_from_an_empty_folder(root: Path, tmp_path: Path) -> None:
    folder = tmp_path / 'mine'
    folder.mkdir()
    write(folder / 'lite.py', f'mmgtrack::{LITE}', 'model = dict(batch_frames=3)')
    write(folder / 'plain.py', 'mmgtrack::ablations/globaltrack_r50_plain_rpn.py')
    done = subprocess.run(
        [sys.executable, '-c', PRINT, 'lite.py', 'plain.py'],
        cwd=folder,
        env={'PYTHONPATH': str(root)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    package = str(root / 'mmgtrack' / '__init__.py')
    assert json.loads(done.stdout.splitlines()[-1]) == [
        [package, 'mmgtrack.GlobalTrack', 3],
        [package, 'mmgtrack.GlobalTrack', None],
    ]


def test_it_is_the_same_as_the_path(tmp_path: Path) -> None:
    named = Config.fromfile(write(tmp_path / 'named.py', f'mmgtrack::{LITE}'))
    assert named.to_dict() == Config.fromfile(CONFIGS / LITE).to_dict()


def test_others_inherit_as_before(tmp_path: Path) -> None:
    """A second call changes nothing, and mmdet's configs are found the way they were."""
    before = Config._get_cfg_path
    resolve_own_prefix()
    assert Config._get_cfg_path is before
    config = Config.fromfile(write(tmp_path / 'other.py', 'mmdet::_base_/models/faster-rcnn_r50_fpn.py'))
    assert config.model._scope_ == 'mmdet'


@pytest.mark.parametrize(
    'name, near',
    [
        ('globaltrack_r50_stage2.py', 'globaltrack_r50_stage1.py'),
        ('globaltrack_r50', 'globaltrack_r50.py'),
        ('ablations/globaltrack_r50_plain_rnp.py', 'ablations/globaltrack_r50_plain_rpn.py'),
    ],
)
def test_an_unknown_name_is_told_its_neighbours(name: str, near: str, tmp_path: Path) -> None:
    mine = write(tmp_path / 'mine.py', f'mmgtrack::{name}')
    with pytest.raises(ModelNotFoundError, match=f'no config {name!r} in {config_folder()}') as refused:
        Config.fromfile(mine)
    assert near in str(refused.value).split('did you mean ')[1].removesuffix('?').split(', ')


def test_weights_that_come_with_it(tmp_path: Path) -> None:
    shipped = find_weights('mmgtrack::globaltrack_mobilenetv2_lite.pth')
    assert zoo.weights_path(zoo.find_model(zoo.DEFAULT)) == Path(shipped)
    assert find_weights('mine/epoch_1.pth') == 'mine/epoch_1.pth'
    with pytest.raises(ModelNotFoundError, match=r'did you mean globaltrack_mobilenetv2_lite\.pth'):
        find_weights('mmgtrack::globaltrack_mobilenet_lite.pth')


def test_a_config_imports_what_lies_beside_it(tmp_path: Path) -> None:
    """From another folder, as the installed command does, which has not the current one on its path."""
    write(tmp_path / 'beside.py', f'mmgtrack::{LITE}', "custom_imports = dict(imports=['beside_it'])")
    (tmp_path / 'beside_it.py').write_text('print("imported")')
    code = 'import sys; sys.path.remove(""); from mmgtrack.packaged_configs import run_config; '
    code += f'run_config({str(tmp_path / "beside.py")!r})'
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, 'imported\n'), done.stderr


@pytest.mark.parametrize(
    'module, message',
    [
        ('import nowhere_at_all', "ModuleNotFoundError: No module named 'nowhere_at_all'"),
        ('from mmgtrack import Trakcer', "cannot import name 'Trakcer' from 'mmgtrack'"),
        ('a = = 1', 'SyntaxError'),
    ],
)
def test_an_import_that_fails_is_named(
    module: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, 'path', [*sys.path])
    imports = "custom_imports = dict(imports=['fails_here'])"
    config = write(tmp_path / 'fails.py', f'mmgtrack::{LITE}', imports)
    (tmp_path / 'fails_here.py').write_text(module)
    with pytest.raises(InputError, match=message) as refused:
        run_config(config)
    assert '\n' not in str(refused.value)


def test_a_users_config_tracks_and_trains(tmp_path: Path) -> None:
    mine = write(
        tmp_path / 'mine.py',
        f'mmgtrack::{LITE}',
        'model = dict(batch_frames=3, backbone=dict(init_cfg=None))',
        'train_cfg = dict(max_epochs=1)',
    )
    with pytest.warns(UserWarning, match='mine comes without weights'):
        tracker = Tracker(mine)
    assert tracker.model.batch_frames == 3
    runner = build_runner(mine, work_dir=str(tmp_path / 'run'), options={'experiment_name': str(tmp_path)})
    assert runner.cfg.train_cfg.max_epochs == 1 and runner.model.batch_frames == 3
