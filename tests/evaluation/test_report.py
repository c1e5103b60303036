"""What is written can be read back, by programs that know nothing of nan."""

import csv
import json
from pathlib import Path

import pytest

from mmgtrack.errors import OutputError
from mmgtrack.evaluation.evaluate import Evaluation, evaluate
from mmgtrack.evaluation.report import as_dict, write_csv, write_json
from mmgtrack.evaluation.selection import ALL
from tests.evaluation.small_lasot import write_annotations, write_results


@pytest.fixture
def evaluations(tmp_path: Path) -> list[Evaluation]:
    root = write_annotations(tmp_path / 'lasot')
    sources = [
        write_results(tmp_path / name, hits)
        for name, hits in (
            ('good', {'cat-1': 4, 'cat-2': 10, 'dog-1': 5}),
            ('bad', {'cat-1': 1, 'cat-2': 1, 'dog-1': 1}),
        )
    ]
    return evaluate('lasot', sources, root, sequences=ALL)


def test_json(evaluations: list[Evaluation], tmp_path: Path) -> None:
    write_json(evaluations, tmp_path / 'scores.json')
    found = json.loads((tmp_path / 'scores.json').read_text(), parse_constant=pytest.fail)
    assert found['protocol'] == 'lasot' and found['sequences'] == ['cat-1', 'cat-2', 'dog-1']
    good, bad = found['trackers']
    assert good['scores']['success'] == pytest.approx(20 / 21)
    assert bad['sequences']['cat-2']['precision'] == pytest.approx(0.1)
    assert len(good['curves']['success']) == 21 and len(good['curves']['precision']) == 51


def test_a_number_that_is_none_is_null(evaluations: list[Evaluation]) -> None:
    evaluations[0].scores.values['success'] = float('nan')  # type: ignore[index]
    assert as_dict(evaluations)['trackers'][0]['scores']['success'] is None


def test_csv(evaluations: list[Evaluation], tmp_path: Path) -> None:
    write_csv(evaluations, tmp_path / 'scores.csv')
    with (tmp_path / 'scores.csv').open(newline='') as file:
        rows = list(csv.DictReader(file))
    assert [(row['tracker'], row['sequence']) for row in rows] == [
        (tracker, sequence)
        for tracker in ('good', 'bad')
        for sequence in ('(all)', 'cat-1', 'cat-2', 'dog-1')
    ]
    assert float(rows[0]['success']) == evaluations[0].scores.values['success']
    assert float(rows[5]['precision']) == pytest.approx(1 / 4)


@pytest.mark.parametrize('write', [write_json, write_csv])
def test_a_folder_that_is_not_there(evaluations: list[Evaluation], tmp_path: Path, write) -> None:
    with pytest.raises(OutputError, match=r'cannot write .*none/scores'):
        write(evaluations, tmp_path / 'none' / 'scores')
