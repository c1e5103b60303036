"""VOT: the toolkit's analyses, and what mmtracking and got10k-toolkit make of runs with resets."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmgtrack.evaluation.annotations.vot import VotAnnotations, VotTruth
from mmgtrack.evaluation.results.files import ResultFiles
from mmgtrack.evaluation.rules.base import Part, Rule, Scores
from mmgtrack.evaluation.rules.vot_accuracy import VotAccuracyRule
from mmgtrack.evaluation.rules.vot_got10k import VotGot10kRule
from mmgtrack.evaluation.rules.vot_long_term import VotLongTermRule
from mmgtrack.evaluation.rules.vot_multi_start import VotMultiStartRule
from mmgtrack.evaluation.rules.vot_reset import VotResetRule
from mmgtrack.formats.vot_regions import Regions

from ..cases import OracleCase, claims


def close(actual: Any, expected: Any) -> None:
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-12)


def parts_of(rule: Rule[Any, Any], source: Path, truths: list[VotTruth]) -> list[Part]:
    files = ResultFiles(source)
    return [rule.measure(truth, rule.read(files, truth)) for truth in truths]


def truths_of(case: OracleCase) -> list[VotTruth]:
    annotations = VotAnnotations(case.folder)
    return [annotations.read(name) for name in annotations.names]


def analyses(case: OracleCase, experiment: str) -> dict[str, tuple[dict[str, Any], list[Any]]]:
    """By type of the analysis: its settings, and its results in the order of the trackers."""
    found = case.spec['toolkit']['results'][experiment]
    pairs = zip(found['analyses'], found['results'], strict=True)
    return {settings['type'].rsplit('.', 1)[-1]: (settings, results) for settings, results in pairs}


def totals(case: OracleCase, rule: Rule[Any, Any]) -> list[Scores]:
    trackers = case.spec['toolkit']['tracker_order']
    return [
        rule.total(parts_of(rule, case.folder / 'results' / tracker, truths_of(case))) for tracker in trackers
    ]


@claims('vot_longterm', 'vot_shortterm')
def test_vot_annotations(case: OracleCase) -> None:
    truths = {truth.name: truth for truth in truths_of(case)}
    sequences = case.spec['toolkit']['sequences']
    assert truths.keys() == sequences.keys()
    for name, expected in sequences.items():
        assert truths[name].image_size == (expected['width'], expected['height'])
        assert len(truths[name].regions) == expected['length']


@claims('vot_longterm')
def test_vot_long_term(case: OracleCase) -> None:
    (experiment,) = case.spec['toolkit']['results']
    recorded = analyses(case, experiment)
    for tracker, scores in enumerate(totals(case, VotLongTermRule(experiment))):
        precision, recall, f = recorded['PrecisionRecall'][1][tracker]
        close([scores.values[key] for key in ('precision', 'recall', 'f')], [precision, recall, f])
        points, thresholds = recorded['PrecisionRecallCurve'][1][tracker]
        close(np.stack([scores.curves['recall'], scores.curves['precision']], axis=1), points)
        np.testing.assert_array_equal(scores.curves['thresholds'], thresholds)
        close(scores.curves['f'], recorded['FScoreCurve'][1][tracker][0])


@claims('vot_shortterm')
def test_vot_multi_start(case: OracleCase) -> None:
    recorded = analyses(case, 'baseline')
    settings, eao = recorded['EAOScore']
    for tracker, scores in enumerate(totals(case, VotMultiStartRule(settings['low'], settings['high']))):
        close(scores.values['eao'], eao[tracker][0])
        close(scores.curves['eao'], recorded['EAOCurve'][1][tracker][0])
        accuracy, robustness = recorded['AverageAccuracyRobustness'][1][tracker][:2]
        close([scores.values['accuracy'], scores.values['robustness']], [accuracy, robustness])


@claims('vot_shortterm')
def test_vot_multi_start_weights(case: OracleCase) -> None:
    recorded = analyses(case, 'baseline')['AverageAccuracyRobustness'][1]
    rule = VotMultiStartRule(*(analyses(case, 'baseline')['EAOScore'][0][key] for key in ('low', 'high')))
    for tracker, (*_, tracked, frames) in zip(case.spec['toolkit']['tracker_order'], recorded, strict=True):
        parts = parts_of(rule, case.folder / 'results' / tracker, truths_of(case))
        assert (sum(part.tracked for part in parts), sum(part.frames for part in parts)) == (tracked, frames)


@claims('vot_shortterm')
def test_vot_accuracy(case: OracleCase) -> None:
    settings, accuracy = analyses(case, 'unsupervised')['AverageAccuracy']
    for tracker, scores in enumerate(totals(case, VotAccuracyRule(settings['burnin']))):
        close(scores.values['accuracy'], accuracy[tracker][0])


@claims('vot_supervised')
def test_vot_reset(case: OracleCase, tmp_path: Path) -> None:
    expected = case.spec['mmtrack']
    rule = VotResetRule(*expected['interval'])
    parts = parts_of(rule, tmp_path, reset_truths(case, tmp_path))
    scores = rule.total(parts)
    for key in ('eao', 'accuracy'):
        close(scores.values[key], expected[key])
    close(100 * scores.values['failure_rate'], expected['robustness'])
    assert scores.values['failures'] == expected['num_fails']


def reset_truths(case: OracleCase, folder: Path) -> list[VotTruth]:
    """The sequences of input.json; their trajectories are written as the toolkit's files."""
    truths = []
    for number, video in enumerate(json.loads((case.folder / 'input.json').read_text())):
        name = f'video{number}'
        rows = [row if len(row) == 1 else corners_to_size(row) for row in video['trajectory']]
        path = folder / 'baseline' / name / f'{name}_001.txt'
        path.parent.mkdir(parents=True)
        path.write_text(''.join(','.join(map(repr, row)) + '\n' for row in rows))
        regions = Regions.of([corners_to_size(row) for row in video['gt_x1y1x2y2']])
        truths.append(VotTruth(name, regions, None, {}, tuple(video['wh'])))
    return truths


def corners_to_size(row: list[float]) -> list[float]:
    """x, y, w, h as mmtracking computes them from its float32 corners."""
    left, top, right, bottom = np.float32(row)
    return [float(left), float(top), float(right - left), float(bottom - top)]


@claims('vot_got10k')
@pytest.mark.filterwarnings('error')
def test_vot_got10k(case: OracleCase) -> None:
    width, height = (int(word) for word in (case.folder / 'image_size.txt').read_text().split(','))
    annotations = VotAnnotations(case.folder / 'dataset')
    truths = [replace(annotations.read(name), image_size=(width, height)) for name in annotations.names]
    rule = VotGot10kRule()
    for tracker, expected in case.spec['got10k_toolkit'].items():
        scores = rule.total(parts_of(rule, case.folder / 'results' / 'VOT2018' / tracker, truths))
        close(scores.values['accuracy'], expected['accuracy'])
        close(scores.values['failures'], expected['robustness'])
        close(scores.values['fps'], expected['speed_fps'])
