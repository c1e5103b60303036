"""What stands in for packages that are not there, and what happens without mmtrack."""

import importlib
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import pytest

from mmgtrack.compat.stand_ins import lent_attribute, placeholder_attribute, stand_ins
from mmgtrack.errors import MissingDependencyError

MODULES = {'nowhere_to_be_found': [], 'nowhere_to_be_found.inner': ['Thing'], 'json.decoder': ['JSONDecoder']}


def test_what_is_missing_can_be_imported_inside_only() -> None:
    with stand_ins(MODULES) as missing:
        module = importlib.import_module('nowhere_to_be_found.inner')
        assert find_spec('nowhere_to_be_found') is not None
    assert missing == ['nowhere_to_be_found']
    assert find_spec('nowhere_to_be_found') is None
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module('nowhere_to_be_found.inner')
    assert issubclass(type('Derived', (module.Thing,), {}), module.Thing)


def test_what_is_installed_is_left_alone() -> None:
    before = sys.modules['json.decoder']
    with stand_ins(MODULES):
        assert sys.modules['json.decoder'] is before
    assert sys.modules['json.decoder'] is before


def test_they_go_when_the_import_fails() -> None:
    with pytest.raises(ZeroDivisionError), stand_ins(MODULES):
        _ = 1 / 0
    assert 'nowhere_to_be_found' not in sys.modules


def test_use_is_refused_by_name() -> None:
    with stand_ins(MODULES):
        outer = importlib.import_module('nowhere_to_be_found')
        inner = importlib.import_module('nowhere_to_be_found.inner')
    for use in (
        lambda: inner.Thing(),
        lambda: type('Derived', (inner.Thing,), {})(1),
        lambda: outer.palette,
    ):
        with pytest.raises(MissingDependencyError, match='install nowhere_to_be_found'):
            use()
    assert not hasattr(outer, '__file__')  # Python asks modules for such names


def test_attributes_are_put_back() -> None:
    module = ModuleType('module')
    module.there = 1
    with lent_attribute(module, 'there', 2), lent_attribute(module, 'new', 3):
        assert (module.there, module.new) == (2, 3)
    assert module.there == 1 and not hasattr(module, 'new')
    with placeholder_attribute(module, 'there') as missing:
        assert not missing and module.there == 1
    with placeholder_attribute(module, 'Class') as missing:
        assert missing and isinstance(module.Class, type)
    assert not hasattr(module, 'Class')


@pytest.mark.parametrize('found', [None, '0.14.0', '1.0.0rc2'])
def test_another_mmtrack_is_refused_in_one_line(found: str | None, tmp_path: Path) -> None:
    if found is None and find_spec('mmtrack') is not None:
        pytest.skip('mmtrack is installed here')
    if found:
        info = tmp_path / f'mmtrack-{found}.dist-info'
        info.mkdir()
        (info / 'METADATA').write_text(f'Metadata-Version: 2.1\nName: mmtrack\nVersion: {found}\n')
    paths = [str(tmp_path), str(Path(__file__).parents[2])]
    done = subprocess.run(
        [sys.executable, '-c', 'import mmgtrack.compat.mmtrack'],
        env={**os.environ, 'PYTHONPATH': os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        f'mmgtrack.errors.MissingDependencyError: mmgtrack.compat.mmtrack needs mmtrack 1.0.0rc1, found '
        f'{found or "none"}; install it with: pip install --no-deps mmtrack==1.0.0rc1'
    )
