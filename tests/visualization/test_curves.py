"""Pictures of curves: which panels, which kinds of file, and ink of every tracker."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from mmgtrack.errors import InputError, OutputError
from mmgtrack.evaluation.benchmarks import find_protocol
from mmgtrack.evaluation.evaluate import Evaluation, evaluate
from mmgtrack.evaluation.rules.base import Scores
from mmgtrack.evaluation.selection import ALL
from mmgtrack.visualization.curves import panels_of, plot_curves
from mmgtrack.visualization.draw import PALETTE
from tests.evaluation.small_lasot import write_annotations, write_results


@pytest.fixture
def evaluations(tmp_path: Path) -> list[Evaluation]:
    root = write_annotations(tmp_path / 'lasot')
    sources = [
        write_results(tmp_path / f'tracker{k}', {'cat-1': k, 'cat-2': k, 'dog-1': k}) for k in (1, 2, 4)
    ]
    return evaluate('lasot', sources, root, sequences=ALL)


def test_every_tracker_has_its_colour(evaluations: list[Evaluation], tmp_path: Path) -> None:
    plot_curves(evaluations, tmp_path / 'curves.png')
    picture = cv2.imread(str(tmp_path / 'curves.png')).reshape(-1, 3).astype(int)
    for colour in PALETTE[:3]:
        assert (np.abs(picture - colour).max(1) <= 2).sum() > 500
    assert not (np.abs(picture - PALETTE[3]).max(1) <= 2).any()


@pytest.mark.parametrize(('suffix', 'start'), [('.svg', b'<?xml'), ('.pdf', b'%PDF'), ('.PNG', b'\x89PNG')])
def test_kinds_of_file(evaluations: list[Evaluation], tmp_path: Path, suffix: str, start: bytes) -> None:
    path = tmp_path / f'curves{suffix}'
    plot_curves(evaluations, path)
    assert path.read_bytes().startswith(start)


@pytest.mark.parametrize(
    ('protocol', 'panels'),
    [
        ('lasot', ['success', 'precision', 'norm_precision']),
        ('otb2015', ['success', 'precision']),
        ('tlp', ['success', 'precision', 'lsm']),
        ('lasot@pytracking-f1', ['precision']),
        ('got10k_val', ['success']),
        ('trackingnet', ['success', 'precision', 'norm_precision']),
        ('oxuva_dev', []),
        ('vot_longterm', ['precision']),
        ('vot2022', ['eao']),
        ('vot2018', ['eao']),
        ('vot_unsupervised', []),
        ('mot', ['hota', 'deta', 'assa']),
    ],
)
def test_panels(protocol: str, panels: list[str]) -> None:
    curves = {
        'tlp': ['success', 'precision', 'lsm'],
        'lasot@pytracking-f1': ['precision', 'recall', 'f', 'threshold'],
        'got10k_val': ['success'],
        'vot_longterm': ['thresholds', 'precision', 'recall', 'f'],
        'mot': ['hota', 'deta', 'assa', 'loca'],
    }
    columns = find_protocol(protocol).rule.columns
    names = curves.get(protocol, columns)
    found = panels_of(Scores(dict.fromkeys(columns, 0.5), dict.fromkeys(names, np.zeros(3))))
    assert [panel.curve for panel in found] == panels


def test_what_cannot_be_drawn(evaluations: list[Evaluation], tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r'\.png, \.svg, \.pdf, got curves\.jpg'):
        plot_curves(evaluations, tmp_path / 'curves.jpg')
    with pytest.raises(OutputError, match='cannot write'):
        plot_curves(evaluations, tmp_path / 'none' / 'curves.png')
    assert list(tmp_path.glob('*.part')) == []
