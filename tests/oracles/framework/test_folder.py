"""Says so when the recorded cases are not there, instead of passing in silence."""

import pytest

from ..cases import VARIABLE, oracle_folder, recorded_kinds


def test_recorded_cases_are_there() -> None:
    if not oracle_folder().is_dir():
        pytest.skip(f'no recorded cases: {oracle_folder()} does not exist; set {VARIABLE}')
    assert recorded_kinds(), f'{oracle_folder()} holds no kind of cases'
