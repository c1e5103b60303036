"""One file a sequence, in whatever folder."""

from pathlib import Path

import pytest

from mmgtrack.errors import DataError
from mmgtrack.evaluation.results.files import MissingResultError, ResultFiles
from mmgtrack.evaluation.results.lookup import file_of


def test_file_of(tmp_path: Path) -> None:
    (tmp_path / 'sub').mkdir()
    (tmp_path / 'sub' / 'car.txt').touch()
    (tmp_path / 'my_car.txt').touch()
    assert file_of(ResultFiles(tmp_path), 'car', '.txt') == 'sub/car.txt'
    with pytest.raises(MissingResultError, match=r'no result of car: expected a file car\.csv'):
        file_of(ResultFiles(tmp_path), 'car', '.csv')
    (tmp_path / 'car.txt').touch()
    with pytest.raises(DataError, match=r'car\.txt, sub/car\.txt'):
        file_of(ResultFiles(tmp_path), 'car', '.txt')
