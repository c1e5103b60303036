"""Imports point one way: docs/architecture.md has the order."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / 'mmgtrack'

# a part imports from its own layer and those above it in this list
LAYERS = [
    {
        'structures',
        'errors',
        'files',
        'formats',
        'countdown',
        'interrupt',
        'progress',
        'geometry',
        'registry',
        'packaged_configs',
        'ops',
        'version',
        'checkpoint',
        'sequence_tables',
    },
    {'datasets', 'association'},
    {'models'},
    {'engine', 'evaluation', 'convert', 'export', 'visualization', 'compat'},
    {'zoo', 'apis', 'diagnosis'},
    {'cli', '__main__', 'tools'},
]
HEIGHT = {part: height for height, layer in enumerate(LAYERS) for part in layer}
# what `mmgtrack` itself offers comes from here (see mmgtrack/__init__.py)
PUBLIC = {
    'Tracker': 'apis',
    'State': 'structures',
    'Tracks': 'structures',
    'Candidates': 'structures',
    '__version__': 'version',
}
# not the front door, which puts the operators in place and hands out the public names lazily
FILES = sorted({*PACKAGE.rglob('*.py'), *(ROOT / 'tools').rglob('*.py')} - {PACKAGE / '__init__.py'})


def part_of(path: Path) -> str:
    """``mmgtrack/models/base.py`` -> models, ``tools/train.py`` -> tools."""
    if path.is_relative_to(PACKAGE):
        return path.relative_to(PACKAGE).parts[0].removesuffix('.py')
    return 'tools'


def imported_parts(path: Path, root: Path = ROOT) -> Iterator[tuple[int, str]]:
    """(line, part) for every import of this package in a file, also inside functions."""
    folder = path.parent.relative_to(root).parts
    for node in runtime_nodes(ast.parse(path.read_text(encoding='utf-8'))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = folder[: len(folder) - node.level + 1] if node.level else ()
            module = '.'.join([*above, *filter(None, [node.module])])
            names = [f'{module}.{alias.name}' for alias in node.names]
        elif isinstance(node, ast.Call) and 'import_module' in ast.unparse(node.func):
            names = [arg.value for arg in node.args[:1] if isinstance(arg, ast.Constant)]
        else:
            continue
        for words in (name.split('.') for name in names):
            if words[0] == 'mmgtrack' and len(words) > 1:
                yield node.lineno, PUBLIC.get(words[1], words[1])


def runtime_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes except those below ``if TYPE_CHECKING``."""
    yield node
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test).endswith('TYPE_CHECKING'):
            continue
        yield from runtime_nodes(child)


def test_every_part_has_a_layer() -> None:
    assert {part_of(path) for path in FILES} <= set(HEIGHT)


@pytest.mark.parametrize('path', FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_imports_point_one_way(path: Path) -> None:
    part = part_of(path)
    wrong = [
        f'line {line}: {part} imports {imported}'
        for line, imported in imported_parts(path)
        if HEIGHT.get(imported, len(LAYERS)) > HEIGHT[part]
    ]
    assert not wrong


@pytest.mark.parametrize(
    'source, parts',
    [
        ('from mmgtrack.models.base import BaseTracker', ['models']),
        ('from mmgtrack import zoo, State', ['zoo', 'structures']),
        ('import mmgtrack.cli.main as main', ['cli']),
        ('import mmgtrack', []),
        ('from .boxes import check_boxes', ['datasets']),
        ('from ..geometry import boxes', ['geometry']),
        ('def f():\n    import mmgtrack.apis', ['apis']),
        ("import_module('mmgtrack.engine')", ['engine']),
        ('if TYPE_CHECKING:\n    from mmgtrack.apis import Tracker', []),
        ('if typing.TYPE_CHECKING:\n    from mmgtrack.apis import Tracker\nelse:\n    import torch', []),
    ],
)
def test_what_counts_as_an_import(source: str, parts: list[str], tmp_path: Path) -> None:
    path = tmp_path / 'mmgtrack' / 'datasets' / 'module.py'
    path.parent.mkdir(parents=True)
    path.write_text(source)
    assert [part for _, part in imported_parts(path, tmp_path)] == parts


def test_importing_the_package_is_light() -> None:
    # mmcv imports cv2, and mmengine rich, however they are used; the rest must wait
    code = """
import sys
import mmgtrack
heavy = {'mmdet', 'av', 'lap', 'scipy', 'torchvision', 'mmcv.ops', 'mmgtrack.models', 'mmgtrack.apis'}
print(sorted(heavy & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == '[]'


def test_the_package_itself_adds_nothing_to_what_the_stack_imports() -> None:
    code = """
import sys
import torch, mmengine, mmcv
before = {name.split('.')[0] for name in sys.modules}
import mmgtrack
print(sorted({name.split('.')[0] for name in sys.modules} - before))
"""
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['mmgtrack']"
