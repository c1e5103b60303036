"""The doctor in processes of its own, with packages missing, made up or broken."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mmgtrack.diagnosis import DEPENDENCIES

ROOT = Path(__file__).parents[2]


def run_doctor(
    *paths: Path, bare: bool = True, words: tuple[str, ...] = ('--json',), root: Path = ROOT
) -> subprocess.CompletedProcess[str]:
    """The doctor of a checkout, in front of it what lies in ``paths``; bare: without site-packages."""
    command = [sys.executable, *['-S'] * bare, '-m', 'mmgtrack', 'doctor', *words]
    environment = os.environ | {'PYTHONPATH': os.pathsep.join(map(str, [*paths, root]))}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd='/')


def problems(done: subprocess.CompletedProcess[str]) -> list[tuple[str, str, str]]:
    assert done.stderr == ''
    return [(p['severity'], p['text'], p['remedy']) for p in json.loads(done.stdout)['problems']]


def pip(words: str) -> str:
    return f'{sys.executable} -m pip {words}'


def pretend(folder: Path, name: str, version: str, *requirements: str) -> None:
    """Metadata of a distribution that is not there."""
    info = folder / f'{name.replace("-", "_")}-{version}.dist-info'
    info.mkdir(parents=True)
    lines = [f'Name: {name}', f'Version: {version}', *(f'Requires-Dist: {r}' for r in requirements)]
    (info / 'METADATA').write_text('\n'.join(['Metadata-Version: 2.1', *lines, '']))


def test_this_environment_is_healthy() -> None:
    done = run_doctor(bare=False)
    diagnosis = json.loads(done.stdout)
    assert [p for p in diagnosis['problems'] if p['severity'] == 'error'] == []
    assert (done.returncode, diagnosis['healthy']) == (0, True)
    assert diagnosis['packages'].keys() >= {dependency.name for dependency in DEPENDENCIES}
    assert 'missing' not in diagnosis['packages'].values()
    assert sum(diagnosis['operators'].values()) >= 20  # those that mmdet needs
    assert diagnosis['devices'][0].startswith('cpu')
    assert set(diagnosis['weights'].values()) <= {'intact', 'none shipped'}
    assert diagnosis['configs'][0] == str(ROOT / 'configs')


def test_nothing_installed() -> None:
    done = run_doctor()
    assert done.returncode == 1
    found = problems(done)
    assert found[0] == ('error', 'torch is not installed', pip("install 'torch>=2.6'"))
    assert found[1][1] == 'numpy, cv2, scipy, lap, av, rich, packaging, typing_extensions are not installed'
    assert found[2] == (
        'error',
        'mmengine, mmcv, mmdet are not installed',
        pip("install 'onedl-mmengine>=0.10.12' 'onedl-mmcv>=2.3.6' 'onedl-mmdetection>=3.5.1'"),
    )
    assert len(found) == 3
    assert json.loads(done.stdout)['operators_reason'] == 'torch cannot be imported'


def test_the_text_says_the_same() -> None:
    done = run_doctor(words=())
    assert done.returncode == 1
    assert done.stderr == ''
    assert f'error: torch is not installed\n    {pip("install")}' in done.stdout
    assert done.stdout.endswith('not healthy: see the errors above\n')


def test_torch_that_does_not_load(tmp_path: Path) -> None:
    broken = tmp_path / 'torch' / '__init__.py'
    broken.parent.mkdir()
    broken.write_text("raise OSError('libc10.so: cannot open shared object file')")
    pretend(tmp_path, 'torch', '2.13.0+cpu')
    done = run_doctor(tmp_path, bare=False)
    assert done.returncode == 1
    errors = [found for found in problems(done) if found[0] == 'error']
    assert errors == [
        (
            'error',
            'torch cannot be imported: OSError: libc10.so: cannot open shared object file',
            pip('install --force-reinstall --no-deps torch==2.13.0+cpu'),
        )
    ]


def test_two_packages_in_one_folder(tmp_path: Path) -> None:
    pretend(tmp_path, 'onedl-mmcv', '2.3.6')
    pretend(tmp_path, 'mmcv-lite', '2.2.0')
    assert (
        'error',
        'onedl-mmcv and mmcv-lite both write the folder mmcv; keep one of them',
        f'{pip("uninstall -y onedl-mmcv mmcv-lite")} && {pip("install")} {"onedl-mmcv>=2.3.6"!r}',
    ) in problems(run_doctor(tmp_path))


@pytest.mark.parametrize('headless, is_wrong', [('4.9.0.80', True), ('4.12.0.88', False)])
def test_two_versions_of_opencv(headless: str, is_wrong: bool, tmp_path: Path) -> None:
    pretend(tmp_path, 'opencv-python', '4.12.0.88')
    pretend(tmp_path, 'opencv_python.headless', headless)  # names are compared as pip compares them
    remedy = pip(
        f'install --force-reinstall --no-deps opencv-python=={headless} opencv-python-headless=={headless}'
    )
    both = f'opencv-python 4.12.0.88, opencv-python-headless {headless}'
    text = f'{both}: different versions of OpenCV in one folder'
    assert (('error', text, remedy) in problems(run_doctor(tmp_path))) == is_wrong


def test_numpy_newer_than_opencv_allows(tmp_path: Path) -> None:
    pretend(tmp_path, 'numpy', '2.5.2')
    pretend(tmp_path, 'opencv-python', '4.12.0.88', 'numpy<2.3.0,>=2; python_version >= "3.9"')
    assert (
        'warning',
        'opencv-python asks for numpy<2.3.0,>=2, but 2.5.2 is installed',
        pip("install 'numpy<2.3.0,>=2'"),
    ) in problems(run_doctor(tmp_path, bare=False))


def test_packages_that_refuse_each_other(tmp_path: Path) -> None:
    module = tmp_path / 'mmdet' / '__init__.py'
    module.parent.mkdir()
    module.write_text("assert False, 'MMCV==2.3.6 is used but incompatible'")
    pretend(tmp_path, 'mmdet', '3.3.0')
    texts = {text: remedy for _, text, remedy in problems(run_doctor(tmp_path))}
    remedy = texts['mmdet.models cannot be imported: AssertionError: MMCV==2.3.6 is used but incompatible']
    assert remedy.startswith(pip('uninstall -y mmdet && '))


def test_a_module_that_is_missing_inside(tmp_path: Path) -> None:
    (tmp_path / 'rich.py').write_text('import yaml')
    pretend(tmp_path, 'rich', '15.0.0')
    assert (
        'error',
        "rich cannot be imported: ModuleNotFoundError: No module named 'yaml'",
        pip('install pyyaml'),
    ) in problems(run_doctor(tmp_path))


def test_torchvision_for_another_torch(tmp_path: Path) -> None:
    module = tmp_path / 'torchvision' / '__init__.py'
    module.parent.mkdir()
    module.write_text("raise RuntimeError('operator torchvision::nms does not exist')")
    pretend(tmp_path, 'torchvision', '0.28.0')
    done = run_doctor(tmp_path, bare=False)
    assert done.returncode == 0
    warning = next(found for found in problems(done) if 'torchvision' in found[1])
    assert warning[0] == 'warning'
    assert 'operator torchvision::nms does not exist' in warning[1]
    assert warning[2] == pip('uninstall -y torchvision')


@pytest.mark.parametrize('content, state', [(b'weights', 'intact'), (b'wrong', 'damaged'), (None, 'missing')])
def test_weights(content: bytes | None, state: str, tmp_path: Path) -> None:
    shutil.copytree(ROOT / 'mmgtrack', tmp_path / 'mmgtrack', ignore=shutil.ignore_patterns('*.pth', '.*'))
    zoo = tmp_path / 'mmgtrack' / 'zoo'
    model = {
        'name': 'small',
        'config': 'small.py',
        'description': '',
        'weights': 'small.pth',
        'sha256': hashlib.sha256(b'weights').hexdigest(),
    }
    (zoo / 'index.json').write_text(json.dumps([model]))
    if content is not None:
        (zoo / 'small.pth').write_bytes(content)
    done = run_doctor(root=tmp_path)
    assert state in json.loads(done.stdout)['weights']['small']
    mends = [remedy for _, text, remedy in problems(done) if 'small.pth' in text]
    assert mends == [pip('install --force-reinstall --no-deps FOLDER-OR-WHEEL-OF-MMGTRACK')] * (
        state != 'intact'
    )


def test_packaged_configs_are_missing(tmp_path: Path) -> None:
    shutil.copytree(ROOT / 'mmgtrack', tmp_path / 'mmgtrack', ignore=shutil.ignore_patterns('*.pth', '.*'))
    texts = [text for _, text, _ in problems(run_doctor(root=tmp_path))]
    assert 'the packaged configs are missing' in texts
