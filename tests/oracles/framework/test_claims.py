"""The framework refuses folders that the tests do not cover."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ..cases import HERE, VARIABLE

REPOSITORY = HERE.parents[1]


def collect(folder: Path) -> subprocess.CompletedProcess[str]:
    """Collect tests/oracles for another folder of recorded cases."""
    return subprocess.run(
        [sys.executable, '-m', 'pytest', str(HERE), '--collect-only', '-q', '-p', 'no:cacheprovider'],
        cwd=REPOSITORY,
        env={**os.environ, VARIABLE: str(folder)},
        capture_output=True,
        text=True,
    )


def record(folder: Path, *names: tuple[str, str]) -> None:
    """Write an index of operator cases without arrays."""
    (folder / 'mmcv_ops').mkdir()
    entries = [{'op': op, 'case': case, 'args': {}, 'arrays': {}} for op, case in names]
    (folder / 'mmcv_ops' / 'index.json').write_text(json.dumps(entries))


def test_new_cases_of_a_known_form_become_tests(tmp_path: Path) -> None:
    record(tmp_path, ('nms', 'c77'), ('roi_pool', 'other'))
    result = collect(tmp_path)
    assert result.returncode == 0
    assert 'mmcv_ops/nms-c77' in result.stdout
    assert 'mmcv_ops/roi_pool-other' in result.stdout


@pytest.mark.parametrize(
    'kind, names, message',
    [
        ('unheard_of', [], "oracle kind 'unheard_of'"),
        ('dmtrack', [('unheard_of', 'c00')], 'claims the recorded case mmcv_ops/unheard_of-c00'),
    ],
)
def test_what_no_test_claims_fails_collection(
    tmp_path: Path, kind: str, names: list[tuple[str, str]], message: str
) -> None:
    (tmp_path / kind).mkdir()
    record(tmp_path, *names)
    result = collect(tmp_path)
    assert result.returncode != 0
    assert message in result.stdout + result.stderr


def test_absent_folder_makes_no_case(tmp_path: Path) -> None:
    result = collect(tmp_path / 'nowhere')
    assert result.returncode == 0
    assert '[mmcv_ops/' not in result.stdout
    assert 'test_recorded_cases_are_there' in result.stdout
