"""Programs in circulation for box benchmarks: pytracking, STARK's fork of it, pysot-toolkit, mmtracking."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmgtrack.errors import DataError
from mmgtrack.evaluation.annotations.base import BoxTruth
from mmgtrack.evaluation.annotations.boxes import BoxAnnotations
from mmgtrack.evaluation.annotations.lasot import LaSOT
from mmgtrack.evaluation.annotations.otb import OTB
from mmgtrack.evaluation.annotations.plain import UAV123, Flat
from mmgtrack.evaluation.annotations.tlp import TLP
from mmgtrack.evaluation.results.files import ResultFiles
from mmgtrack.evaluation.rules.base import Rule
from mmgtrack.evaluation.rules.mmtrack import MmtrackRule
from mmgtrack.evaluation.rules.one_pass import OnePassPart
from mmgtrack.evaluation.rules.pysot import PysotRule
from mmgtrack.evaluation.rules.pytracking import OVERLAPS, PytrackingRule
from mmgtrack.evaluation.rules.pytracking_f1 import PytrackingF1Rule

from ..cases import OracleCase, claims

TREATMENTS = {
    'lasot': 'lasot',
    'lasot_extension_subset': 'lasot_ext',
    'uav': 'uav',
    'otb': 'other',
    'as_otb': 'other',
}
REASONS = {
    'Error: Invalid results': 'sizes of at least 0',
    'Warning: NaNs in annotation': 'got nan',
    'Mis-match in tracker prediction and GT lengths': 'takes no shorter result',
}
CURVES = {'success': 'success', 'precision': 'precision', 'normalised_precision': 'norm_precision'}


def annotations_of(case: OracleCase) -> BoxAnnotations:
    """By the layout of the case."""
    if (case.folder / 'annos').is_dir():
        return LaSOT(case.folder)
    if (case.folder / 'anno' / 'UAV123').is_dir():
        return UAV123(case.folder)
    if (case.folder / 'anno').is_dir():
        return Flat(case.folder)
    reader = TLP if case.name.startswith('tlp') else OTB
    return reader(case.folder / 'dataset')


def truth_of(annotations: BoxAnnotations, name: str) -> BoxTruth:
    """In pytracking's own layout no frame is absent where there is no file of flags."""
    truth = annotations.read(name)
    if isinstance(annotations, Flat) and truth.absent is None:
        return replace(truth, absent=np.zeros(len(truth.boxes), dtype=bool))
    return truth


def trackers_of(case: OracleCase) -> dict[str, Path]:
    lasot = case.folder / 'tracking_results'
    folders = sorted((lasot if lasot.is_dir() else case.folder / 'results').iterdir())
    return {folder.name.removesuffix('_tracking_result'): folder for folder in folders}


def measured(case: OracleCase, rule: Rule[Any, Any], tracker: str, names: Iterable[str]) -> list[Any]:
    annotations, results = annotations_of(case), ResultFiles(trackers_of(case)[tracker])
    truths = [truth_of(annotations, name) for name in names]
    return [rule.measure(truth, rule.read(results, truth)) for truth in truths]


def assert_close(found: Any, expected: Any, tolerance: float) -> None:
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance)


# ---- pytracking ------------------------------------------------------------------------------------


def pytracking_rules(case: OracleCase) -> Iterator[tuple[PytrackingRule, dict[str, Any]]]:
    """With the numbers of each, or {'raises': message}."""
    for key, expected in case.spec.items():
        program, _, options = key.partition('_')
        dataset = options.removesuffix('_exclude_invalid')
        if program in ('pytracking', 'stark') and dataset in TREATMENTS:
            valid_by = 'box' if program == 'pytracking' else 'size'
            yield PytrackingRule(TREATMENTS[dataset], dataset != options, valid_by), expected


def assert_pytracking(rule: PytrackingRule, parts: list[OnePassPart], expected: dict[str, Any]) -> None:
    scores = rule.total(parts)
    names = {
        'AUC': 'success',
        'OP50': 'success_0.5',
        'OP75': 'success_0.75',
        'Precision': 'precision',
        'Norm Precision': 'norm_precision',
    }
    for theirs, ours in names.items():
        assert_close(100 * scores.values[ours], expected[theirs], 3e-5)
    for name, curve in scores.curves.items():
        assert_close(100 * curve, expected[f'{name}_curve'], 3e-5)
    for part in parts:
        recorded = expected['per_sequence'][part.name]
        for ours, theirs in CURVES.items():
            assert_close(getattr(part, ours), recorded[f'{theirs}_curve'], 1e-7)
        overlaps = part.frames.overlaps
        if np.isfinite(recorded['avg_overlap']):  # nan where no frame is valid
            assert_close(overlaps[overlaps >= 0].mean(), recorded['avg_overlap'], 1e-12)


@claims('lasot_common*', 'lasot_robust*', 'otb*', 'uav*', 'tlp*', 'pytracking_robust*')
def test_circulating_pytracking(case: OracleCase) -> None:
    for rule, recorded in pytracking_rules(case):
        if 'raises' in recorded:
            with pytest.raises(DataError, match=REASONS.get(recorded['raises'], '')):
                for tracker in trackers_of(case):
                    measured(case, rule, tracker, annotations_of(case).names)
            continue
        assert set(trackers_of(case)) == recorded.keys() - {'thresholds_overlap'}
        np.testing.assert_array_equal(OVERLAPS, recorded['thresholds_overlap'])
        for tracker in trackers_of(case):
            names = list(recorded[tracker]['per_sequence'])
            assert_pytracking(rule, measured(case, rule, tracker, names), recorded[tracker])


@claims('lasot_common*', 'lasot_robust*')
def test_circulating_pytracking_needs_flags(case: OracleCase) -> None:
    annotations = annotations_of(case)
    without = replace(annotations.read(annotations.names[0]), absent=None)
    for dataset in ('lasot', 'lasot_ext'):
        with pytest.raises(DataError, match='flags'):
            PytrackingRule(dataset).measure(without, without.boxes)


@claims('pytracking_f1*')
def test_circulating_pytracking_f1(case: OracleCase) -> None:
    for tracker, periods in case.spec['pytracking_f1'].items():
        for key, expected in periods.items():
            rule = PytrackingF1Rule(int(key.removeprefix('anno_period_')))
            scores = rule.total(measured(case, rule, tracker, annotations_of(case).names))
            assert_close(scores.curves['precision'], expected['prec'], 1e-12)
            assert_close(scores.curves['recall'], expected['rec'], 1e-12)
            assert_close(scores.values['f'], expected['f1_max'], 1e-12)
            best = scores.curves['f'].argmax()
            assert best == expected['idx']
            # the program counts the curve's first point as a frame: it names the score after the best one
            assert_close(scores.curves['threshold'][best + 1], expected['ths_max'], 1e-12)
            assert_close(scores.values['precision'], expected['prec'][best], 1e-12)
            assert_close(scores.values['recall'], expected['rec'][best], 1e-12)


# ---- pysot-toolkit, mmtracking ---------------------------------------------------------------------


@claims('lasot_common*', 'otb*', 'uav*')
def test_circulating_pysot(case: OracleCase) -> None:
    rule = PysotRule()
    for tracker, expected in case.spec.get('pysot', {}).items():
        parts = measured(case, rule, tracker, list(expected['per_sequence']))
        scores = rule.total(parts)
        for name in ('success', 'precision', 'norm_precision'):
            assert_close(scores.values[name], expected[name], 1e-14)
        for part in parts:
            for ours, theirs in CURVES.items():
                recorded = expected['per_sequence'][part.name][f'{theirs}_curve']
                assert_close(getattr(part, ours), recorded, 1e-14)


@claims('lasot_common*', 'otb*', 'uav*')
def test_circulating_mmtrack(case: OracleCase) -> None:
    for frames, recorded in case.spec.get('mmtrack', {}).items():
        rule = MmtrackRule(only_visible=frames == 'only_eval_visible')
        for tracker in recorded.keys() - {'sequences'}:
            expected = recorded[tracker]
            parts = measured(case, rule, tracker, recorded['sequences'])
            scores = rule.total(parts)
            for name in ('success', 'precision', 'norm_precision'):
                assert_close(100 * scores.values[name], expected[name], 1e-12)
            for ours, theirs in CURVES.items():
                curves = [100 * getattr(part, ours) for part in parts]
                assert_close(curves, expected[f'ori_{theirs}'], 1e-12)
