"""The MATLAB programs of LaSOT and OTB, the GOT-10k toolkit on other sets, neuron, and LSM."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from mmgtrack.evaluation.annotations.base import BoxTruth
from mmgtrack.evaluation.neuron import OtbLikeRule
from mmgtrack.evaluation.results.files import ResultFiles
from mmgtrack.evaluation.rules.base import Scores
from mmgtrack.evaluation.rules.got10k_toolkit import Got10kToolkitLasotRule, Got10kToolkitRule
from mmgtrack.evaluation.rules.lsm import PERCENTS, TlpPart, TlpRule, longest_subsequence
from mmgtrack.evaluation.rules.matlab import LasotMatlabRule, OtbMatlabRule, mean_of_valid
from mmgtrack.evaluation.rules.neuron import NeuronRule
from mmgtrack.evaluation.rules.one_pass import OnePassPart

from ..cases import OracleCase, claims
from .cases import annotations_of, results_of, small_annotations, small_results

MEAN = dict(rtol=0, atol=5e-16)
CURVES = {
    'success': ('overlap_mean_curve', 'overlap_curve'),
    'precision': ('precision_mean_curve', 'precision_curve'),
    'norm_precision': ('norm_precision_mean_curve', 'norm_precision_curve'),
}
VALUES = {
    'success': 'AUC',
    'success_0.5': 'success_at_0.5',
    'precision': 'precision_at_20',
    'norm_precision': 'norm_precision_at_0.2',
}
FRAMES = {'overlaps': 'frame_overlap', 'errors': 'frame_error', 'normalised_errors': 'frame_norm_error'}


@claims('lasot_common', 'lasot_robust')
def test_matlab_lasot(case: OracleCase) -> None:
    for tracker, expected in case.spec['lasot_toolkit_octave'].items():
        check_octave(case, LasotMatlabRule(), tracker, expected)


@claims('otb', 'otb_matlab_robust', 'uav', 'tlp')
def test_matlab_otb(case: OracleCase) -> None:
    for tracker, expected in case.spec['otb_toolkit_octave'].items():
        for part in check_octave(case, OtbMatlabRule(), tracker, expected):
            recorded = expected['per_sequence'][part.name]
            assert part.frames is not None
            found = [mean_of_valid(part.frames, which) for which in ('overlaps', 'errors')]
            wanted = [recorded['aveErrCoverage'], recorded['aveErrCenter']]
            np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-13)


def check_octave(
    case: OracleCase, rule: LasotMatlabRule | OtbMatlabRule, tracker: str, expected: Mapping[str, Any]
) -> list[OnePassPart]:
    annotations, results, parts = annotations_of(case), results_of(case, tracker), []
    for name, recorded in expected['per_sequence'].items():
        truth = annotations.read(name)
        part = rule.measure(truth, rule.read(results, truth))
        for ours, theirs in FRAMES.items():
            if theirs in recorded:
                np.testing.assert_array_equal(getattr(part.frames, ours), recorded[theirs])
        for ours, (_, theirs) in CURVES.items():
            assert (ours in part.scores.curves) == (theirs in recorded)
            if theirs in recorded:
                np.testing.assert_array_equal(part.scores.curves[ours], recorded[theirs])
        parts.append(part)
    total = rule.total(parts)
    for ours, (theirs, _) in CURVES.items():
        if theirs in expected:
            np.testing.assert_allclose(total.curves[ours], expected[theirs], **MEAN)
    for ours, theirs in VALUES.items():
        if theirs in expected:
            np.testing.assert_allclose(total.values[ours], expected[theirs], **MEAN)
    if 'norm_precision_AUC' in expected:
        mean = total.curves['norm_precision'].mean()
        np.testing.assert_allclose(mean, expected['norm_precision_AUC'], **MEAN)
    assert set(rule.columns) <= set(total.values)
    return parts


@claims('lasot_common', 'otb', 'uav')
def test_got10k_toolkit(case: OracleCase) -> None:
    rules = {'otb': Got10kToolkitRule(), 'uav': Got10kToolkitRule(drops_nan=True)}
    rule = rules.get(case.name, Got10kToolkitLasotRule())
    for tracker, expected in case.spec['got10k_toolkit'].items():
        check_toolkit(rule, truths_of(case, expected), results_of(case, tracker), expected, 1e-14)


@claims('small_sets')
def test_got10k_toolkit_small_sets(case: OracleCase) -> None:
    for program, trackers in case.spec.items():
        benchmark = program.removesuffix('_got10k_toolkit')
        for tracker, expected in trackers.items():
            results = small_results(case, benchmark, tracker)
            annotations = small_annotations(case, benchmark)
            truths = {name: annotations.read(name) for name in expected['seq_wise']}
            check_toolkit(Got10kToolkitRule(), truths, results, expected, 1e-15)


@claims('lasot_common', 'otb', 'uav', 'tlp')
def test_neuron(case: OracleCase) -> None:
    for program in (name for name in case.spec if name.startswith('neuron')):
        for tracker, expected in case.spec[program].items():
            count = len(expected['overall']['success_curve'])
            rule = NeuronRule(OtbLikeRule(num_thresholds=count))
            check_toolkit(rule, truths_of(case, expected), results_of(case, tracker), expected, 1e-14)


@claims('tlp')
def test_lsm(case: OracleCase) -> None:
    rule = TlpRule()
    for tracker, expected in case.spec['lsm_rederived'].items():
        annotations, results, parts = annotations_of(case), results_of(case, tracker), []
        for name, rate in expected['success_rate_0.5'].items():
            truth = annotations.read(name)
            parts.append(rule.measure(truth, rule.read(results, truth)))
            assert parts[-1].scores.values['success_0.5'] == rate
            for percent, recorded in expected[name].items():
                check_lsm(parts[-1], int(percent), recorded)
        total = rule.total(parts)
        for percent, mean in expected['mean'].items():
            np.testing.assert_allclose(total.curves['lsm'][PERCENTS.index(int(percent))], mean, rtol=1e-15)
        assert total.values['lsm_0.95'] == total.curves['lsm'][PERCENTS.index(95)]
        otb = case.spec['otb_toolkit_octave'][tracker]
        np.testing.assert_allclose(total.values['success'], otb['AUC'], **MEAN)
        assert set(rule.columns) <= set(total.values)


def check_lsm(part: TlpPart, percent: int, recorded: list[float]) -> None:
    """Recorded: length of the longest run, frames, and their ratio."""
    assert [longest_subsequence(part.tracked, percent), len(part.tracked)] == recorded[:2]
    assert part.lsm[PERCENTS.index(percent)] == recorded[2]


def truths_of(case: OracleCase, expected: Mapping[str, Any]) -> dict[str, BoxTruth]:
    """By the names of a toolkit's report, which writes Jogging.1 for what is Jogging-1 elsewhere."""
    annotations = annotations_of(case)
    return {name: annotations.read(re.sub(r'\.(\d)$', r'-\1', name)) for name in expected['seq_wise']}


def check_toolkit(
    rule: Got10kToolkitRule | NeuronRule,
    truths: Mapping[str, BoxTruth],
    results: ResultFiles,
    expected: Mapping[str, Any],
    tolerance: float,
) -> None:
    """Against a toolkit's own report of a tracker."""
    parts = []
    for name, recorded in expected['seq_wise'].items():
        part = rule.measure(truths[name], rule.read(results, truths[name]))
        check_report(part.scores, recorded, tolerance)
        parts.append(part)
    total = rule.total(parts)
    check_report(total, expected['overall'], tolerance)
    assert set(rule.columns) <= set(total.values)


def check_report(scores: Scores, recorded: Mapping[str, Any], tolerance: float) -> None:
    found = {
        'success_curve': scores.curves['success'],
        'precision_curve': scores.curves['precision'],
        'success_score': scores.values['success'],
        'precision_score': scores.values['precision'],
        'success_rate': scores.values['success_0.5'],
    }
    if 'norm_precision' in scores.values:
        found['normalized_precision_curve'] = scores.curves['norm_precision']
        found['normalized_precision_score'] = scores.values['norm_precision']
    assert set(found) == set(recorded) - {'speed_fps'}
    for name, value in found.items():
        np.testing.assert_allclose(value, recorded[name], rtol=0, atol=tolerance)
