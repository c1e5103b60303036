"""Turns recorded cases into tests, and refuses to collect when a case has no test."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from .cases import HERE, claimed, open_kinds, oracle_folder, recorded_cases, recorded_kinds


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line('markers', 'oracle(*patterns): recorded cases that the test is for')


def pytest_collection_modifyitems(config: pytest.Config) -> None:
    """Every recorded kind is either open or has its module, and not both."""
    built = {path.stem.removeprefix('test_') for path in HERE.glob('test_*.py')}
    waiting = set(open_kinds())
    for kind in sorted(built & waiting):
        raise pytest.UsageError(f'oracle kind {kind!r} has tests and is in open_kinds.txt: remove its line')
    for kind in recorded_kinds():
        if kind not in built | waiting:
            raise pytest.UsageError(
                f'oracle kind {kind!r} in {oracle_folder()} has no tests: add '
                f'tests/oracles/test_{kind}.py or a line in open_kinds.txt'
            )


def pytest_pycollect_makemodule(module_path: Path, parent: Any) -> pytest.Module | None:
    if module_path.parent != HERE:
        return None
    return OracleModule.from_parent(parent, path=module_path)


class OracleModule(pytest.Module):
    """Tests of one kind. Refuses to be collected while one of its cases is not claimed."""

    def collect(self) -> Iterable[pytest.Item | pytest.Collector]:
        kind = self.path.stem.removeprefix('test_')
        patterns = [pattern for test in vars(self.obj).values() for pattern in _patterns(test)]
        for case in recorded_cases(kind):
            if not claimed(case, tuple(patterns)):
                raise self.CollectError(
                    f'no test in {self.path.name} claims the recorded case {kind}/{case.name}'
                )
        return super().collect()


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makeitem(collector: pytest.Collector, name: str, obj: Any) -> list | None:
    """Make no test at all, instead of a skipped one, where nothing is recorded."""
    patterns = _patterns(obj)
    if patterns and not _cases(collector.path, patterns):
        return []
    return None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    patterns = _patterns(metafunc.function)
    if patterns:
        cases = _cases(Path(metafunc.module.__file__), patterns)
        metafunc.parametrize('case', cases, ids=[f'{case.kind}/{case.name}' for case in cases])


def _patterns(test: Any) -> tuple[str, ...]:
    marks = getattr(test, 'pytestmark', ())
    marks = marks if isinstance(marks, (list, tuple)) else ()
    return tuple(pattern for mark in marks if getattr(mark, 'name', '') == 'oracle' for pattern in mark.args)


def _cases(module: Path, patterns: tuple[str, ...]) -> list:
    kind = module.stem.removeprefix('test_')
    return [case for case in recorded_cases(kind) if claimed(case, patterns)]
