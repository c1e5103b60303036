"""What goes into wheels and source archives, and whether the files that describe the package agree."""

import configparser
import json
import re
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterable
from pathlib import Path
from shutil import copytree, ignore_patterns
from typing import Any

import pytest
import yaml

from mmgtrack import __version__, zoo
from mmgtrack.diagnosis import DEPENDENCIES

ROOT = Path(__file__).parents[1]
BUILD = """
import sys
from setuptools import build_meta
getattr(build_meta, sys.argv[1])(sys.argv[2])
"""


def build(kind: str, source: Path, target: Path) -> Path:
    """Build 'sdist' or 'wheel' from a source tree, as pip does."""
    target.mkdir(exist_ok=True)
    command = [sys.executable, '-c', BUILD, f'build_{kind}', str(target)]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (built,) = target.iterdir()
    return built


def tree(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob('*'))


@pytest.fixture(scope='module')
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the source tree: what git would hold of it."""
    folder = tmp_path_factory.mktemp('source') / 'mmgtrack'
    hidden = ignore_patterns(
        '.git', '.*cache', '.hypothesis', '.venv', 'venv', 'work_dirs', 'data', 'demo_output', '__pycache__'
    )
    kept = ignore_patterns('.git', '.*cache', '.hypothesis', '__pycache__')
    copytree(ROOT, folder, ignore=lambda f, names: (hidden if Path(f) == ROOT else kept)(f, names))
    return folder


@pytest.fixture(scope='module')
def archive(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The unpacked source archive."""
    before = tree(checkout)
    built = build('sdist', checkout, tmp_path_factory.mktemp('sdist'))
    assert tree(checkout) == before
    folder = tmp_path_factory.mktemp('unpacked')
    with tarfile.open(built) as file:
        file.extractall(folder, filter='data')
    return folder / f'mmgtrack-{__version__}'


@pytest.fixture(scope='module')
def wheel(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """A wheel, made from the source archive."""
    return zipfile.ZipFile(build('wheel', archive, tmp_path_factory.mktemp('wheel')))


def test_building_leaves_nothing_behind(checkout: Path, tmp_path: Path) -> None:
    before = tree(checkout)
    build('wheel', checkout, tmp_path)
    assert tree(checkout) == before


def test_source_archive_can_build_and_test(archive: Path) -> None:
    there = set(tree(archive))
    wanted = [
        'Makefile',
        '.ci/run',
        'requirements/constraints.txt',
        'docs/README.md',
        'tests/test_packaging.py',
    ]
    assert set(wanted) <= there
    assert not [name for name in there if '__pycache__' in name or '/.' in name]


def test_wheel_has_every_module_and_data_file(wheel: zipfile.ZipFile) -> None:
    names = set(wheel.namelist())
    modules = {path.relative_to(ROOT).as_posix() for path in (ROOT / 'mmgtrack').rglob('*.py')}
    weights = {f'mmgtrack/zoo/{model.weights}' for model in zoo.list_models() if model.weights}
    assert modules | weights | {'mmgtrack/py.typed', 'mmgtrack/zoo/index.json'} <= names


def test_wheel_has_configs_and_tools_where_mim_looks(wheel: zipfile.ZipFile) -> None:
    packed = {name for name in wheel.namelist() if name.startswith('mmgtrack/.mim/')}
    files = [ROOT / 'model-index.yml', *(ROOT / 'configs').rglob('*'), *(ROOT / 'tools').rglob('*')]
    wanted = {path.relative_to(ROOT).as_posix() for path in files if is_source(path)}
    assert packed == {f'mmgtrack/.mim/{name}' for name in wanted}


def is_source(path: Path) -> bool:
    return path.is_file() and '__pycache__' not in path.parts


def test_wheel_has_nothing_else(wheel: zipfile.ZipFile) -> None:
    tops = {name.split('/')[0] for name in wheel.namelist()}
    assert tops == {'mmgtrack', f'mmgtrack-{__version__}.dist-info'}


def test_wheel_metadata(wheel: zipfile.ZipFile) -> None:
    info = f'mmgtrack-{__version__}.dist-info'
    metadata = wheel.read(f'{info}/METADATA').decode()
    assert 'Requires-Python: >=3.10' in metadata
    assert {f'{info}/licenses/LICENSE', f'{info}/licenses/NOTICE'} <= set(wheel.namelist())
    extras = set(re.findall('^Provides-Extra: (.*)$', metadata, re.MULTILINE))
    assert extras == {'mm', 'demo', 'test', 'lint', 'all'}
    base = set(re.findall(r'^Requires-Dist: ([^;\n]+)$', metadata, re.MULTILINE))
    assert base == set(requirements('runtime.txt'))  # in particular none of the OpenMMLab stack
    scripts = configparser.ConfigParser()
    scripts.read_string(wheel.read(f'{info}/entry_points.txt').decode())
    assert dict(scripts['console_scripts']) == {'mmgtrack': 'mmgtrack.cli.main:main'}


def requirements(name: str) -> list[str]:
    return lines_of(ROOT / 'requirements' / name)


def lines_of(path: Path) -> list[str]:
    lines = path.read_text(encoding='utf-8').splitlines()
    return [line for line in lines if line.strip() and not line.startswith('#')]


def names_of(lines: Iterable[str]) -> set[str]:
    return {re.split('[<>=!~; ]', line)[0] for line in lines}


def test_requirement_files_agree() -> None:
    needed = requirements('runtime.txt') + requirements('mm.txt')
    assert lines_of(ROOT / 'requirements.txt') == needed
    assert [dependency.requirement for dependency in DEPENDENCIES] == needed
    everything = needed + [line for kind in ('demo', 'test', 'lint') for line in requirements(f'{kind}.txt')]
    # setuptools builds, and comes with every environment
    assert names_of(everything) - {'setuptools'} <= names_of(requirements('constraints.txt'))


def test_constraints_pin_exactly() -> None:
    for line in requirements('constraints.txt'):
        assert re.fullmatch(r"[a-z0-9-]+==[0-9.]+(; python_version >= '3\.11')?", line), line


def metafile() -> dict[str, list[dict[str, Any]]]:
    index = yaml.safe_load((ROOT / 'model-index.yml').read_text())
    assert index == {'Import': ['configs/metafile.yml']}
    content: dict[str, list[dict[str, Any]]] = yaml.safe_load((ROOT / 'configs' / 'metafile.yml').read_text())
    return content


def test_metafile_lists_every_config_once() -> None:
    """Those in the folder itself; configs/ablations and configs/benchmarks are variants of one table."""
    configs = [model['Config'] for model in metafile()['Models']]
    there = [path.relative_to(ROOT).as_posix() for path in (ROOT / 'configs').glob('*.py')]
    assert sorted(configs) == sorted(there)
    # mim and mmengine look a model up by the one and find the other
    assert [model['Name'] for model in metafile()['Models']] == [Path(config).stem for config in configs]


def test_metafile_has_the_models_of_the_zoo() -> None:
    listed = {model['Name']: model['Config'] for model in metafile()['Models']}
    assert {model.name: f'configs/{model.config}' for model in zoo.list_models()}.items() <= listed.items()


def test_collections_of_the_metafile() -> None:
    collections = metafile()['Collections']
    names = [collection['Name'] for collection in collections]
    assert sorted(names) == sorted({model['In Collection'] for model in metafile()['Models']})
    for collection in collections:
        assert (ROOT / collection['README']).is_file(), collection
        assert isinstance(collection['Paper'], str) and collection['Metadata']['Architecture'], collection


def test_zoo_index_has_the_fields_it_should() -> None:
    for entry in json.loads((ROOT / 'mmgtrack' / 'zoo' / 'index.json').read_text()):
        assert (entry.get('weights') is None) == (entry.get('sha256') is None)
        if entry.get('weights'):
            assert (ROOT / 'mmgtrack' / 'zoo' / entry['weights']).stat().st_size == entry['size_bytes']


def test_version_is_written_once() -> None:
    citation = yaml.safe_load((ROOT / 'CITATION.cff').read_text())
    assert citation['version'] == __version__
    assert f'## {__version__}' in (ROOT / 'CHANGELOG.md').read_text()
