"""JSON that every reader takes."""

import json
from pathlib import Path

import pytest

from mmgtrack.errors import OutputError
from mmgtrack.formats.json_file import write_json


def test_what_is_no_number_is_null(tmp_path: Path) -> None:
    nan, inf = float('nan'), float('inf')
    write_json({'a': (1.5, nan), 'b': [{'c': -inf, 'd': 'x'}], 'e': 3}, tmp_path / 'file.json')
    found = json.loads((tmp_path / 'file.json').read_text())
    assert found == {'a': [1.5, None], 'b': [{'c': None, 'd': 'x'}], 'e': 3}


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(OutputError):
        write_json({}, tmp_path / 'no' / 'file.json')
