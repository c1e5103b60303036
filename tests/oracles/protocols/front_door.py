"""The shipped records by name, through ``evaluate``: each protocol gives its program's headline numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from mmgtrack.evaluation.evaluate import evaluate
from mmgtrack.evaluation.selection import ALL

from ..cases import OracleCase, claims

# by case: folder of annotations, folder of a tracker's results, and by protocol: where its program's numbers
# are recorded, which of them is which score, made a share by a function, and the tolerance of shares


def share(value: float) -> float:
    return value


def percent(value: float) -> float:
    return value / 100


def error_bar(variance: float) -> float:
    return 1.64485 * math.sqrt(variance)  # OxUvA's, of 90 %


Scores = Mapping[str, tuple[str, Callable[[float], float]]]
EXACT, FLOAT32 = 1e-14, 3e-7
PYTRACKING: Scores = {
    'success': ('AUC', percent),
    'success_0.5': ('OP50', percent),
    'success_0.75': ('OP75', percent),
    'precision': ('Precision', percent),
    'norm_precision': ('Norm Precision', percent),
}
OCTAVE: Scores = {
    'success': ('AUC', share),
    'success_0.5': ('success_at_0.5', share),
    'precision': ('precision_at_20', share),
}
OCTAVE_LASOT: Scores = {**OCTAVE, 'norm_precision': ('norm_precision_at_0.2', share)}
TOOLKIT: Scores = {
    'success': ('overall.success_score', share),
    'success_0.5': ('overall.success_rate', share),
    'precision': ('overall.precision_score', share),
}
TOOLKIT_LASOT: Scores = {**TOOLKIT, 'norm_precision': ('overall.normalized_precision_score', share)}
GOT10K: Scores = {
    'ao': ('overall.ao', share),
    'sr_0.5': ('overall.sr', share),
    'fps': ('overall.speed_fps', share),
}
PYSOT: Scores = {name: (name, share) for name in ('success', 'precision', 'norm_precision')}
MMTRACK: Scores = {name: (name, percent) for name in ('success', 'precision', 'norm_precision')}
OXUVA: Scores = {
    'max_gm': ('MaxGM', share),
    'max_gm_error': ('MaxGM_var', error_bar),
    'tpr': ('TPR', share),
    'tpr_error': ('TPR_var', error_bar),
    'tnr': ('TNR', share),
}

CASES: dict[str, tuple[str, str, dict[str, tuple[str, Scores, float]]]] = {
    'lasot_common': (
        '.',
        'tracking_results/{}_tracking_result',
        {
            'lasot': (
                'lasot_toolkit_octave',
                OCTAVE_LASOT,
                EXACT,
            ),
            'lasot_ext': ('lasot_toolkit_octave', OCTAVE_LASOT, EXACT),
            'lasot@pytracking': ('pytracking_lasot', PYTRACKING, FLOAT32),
            'lasot@pytracking-valid': ('pytracking_lasot_exclude_invalid', PYTRACKING, FLOAT32),
            'lasot_ext@pytracking': ('pytracking_lasot_extension_subset', PYTRACKING, FLOAT32),
            'lasot_ext@pytracking-valid': (
                'pytracking_lasot_extension_subset_exclude_invalid',
                PYTRACKING,
                FLOAT32,
            ),
            'lasot@stark': ('stark_lasot', PYTRACKING, FLOAT32),
            'lasot@pysot': ('pysot', PYSOT, EXACT),
            'lasot@mmtrack': ('mmtrack.all_frames', MMTRACK, EXACT),
            'lasot@mmtrack-visible': ('mmtrack.only_eval_visible', MMTRACK, EXACT),
            'lasot@got10k': (
                'got10k_toolkit',
                TOOLKIT_LASOT,
                EXACT,
            ),
            'lasot@neuron': ('neuron', TOOLKIT, EXACT),
        },
    ),
    'otb': (
        'dataset',
        'results/{}',
        {
            'otb2015': ('otb_toolkit_octave', OCTAVE, EXACT),
            'otb2013': ('otb_toolkit_octave', OCTAVE, EXACT),
            'otb2015@pytracking': ('pytracking_otb', PYTRACKING, FLOAT32),
            'otb2015@stark': ('stark_otb', PYTRACKING, FLOAT32),
            'otb2015@pysot': ('pysot', PYSOT, EXACT),
            'otb2015@mmtrack': ('mmtrack.all_frames', MMTRACK, EXACT),
            'otb2015@got10k': ('got10k_toolkit', TOOLKIT, EXACT),
            'otb2015@neuron': ('neuron_101', TOOLKIT, EXACT),
            'otb2013@neuron': ('neuron_21', TOOLKIT, EXACT),
        },
    ),
    'uav': (
        '.',
        'results/{}',
        {
            'uav123': ('otb_toolkit_octave', OCTAVE, EXACT),
            'uav123@pytracking': ('pytracking_uav', PYTRACKING, FLOAT32),
            'uav123@pytracking-valid': ('pytracking_uav_exclude_invalid', PYTRACKING, FLOAT32),
            'uav123@stark': ('stark_uav', PYTRACKING, FLOAT32),
            'uav123@pysot': ('pysot', PYSOT, EXACT),
            'uav123@mmtrack': ('mmtrack.all_frames', MMTRACK, EXACT),
            'uav123@got10k': ('got10k_toolkit', TOOLKIT, EXACT),
            'uav123@neuron': ('neuron', TOOLKIT, EXACT),
        },
    ),
    'tlp': (
        'dataset',
        'results/{}',
        {
            'tlp': ('otb_toolkit_octave', OCTAVE, EXACT),
            'tlp@pytracking': ('pytracking_otb', PYTRACKING, FLOAT32),
            'tlp@neuron': ('neuron', TOOLKIT, EXACT),
        },
    ),
    'got10k': (
        'val',
        'results/GOT-10k/{}',
        {
            'got10k_val': ('got10k_toolkit', GOT10K, EXACT),
            'got10k_val@neuron': ('neuron', GOT10K, EXACT),
        },
    ),
    'oxuva': (
        '.',
        'predictions/dev/{}',
        {
            'oxuva_dev': ('oxuva.{}.0.5.bootstrap_100_seed0_annotation_order', OXUVA, EXACT),
            'oxuva_dev@cached': ('oxuva.{}.0.5.bootstrap_100_seed0_sorted_order', OXUVA, EXACT),
        },
    ),
}


def at(recorded: Any, path: str) -> Any:
    """The value below keys; a key may hold dots itself."""
    while path:
        key = next(key for key in sorted(recorded, key=len, reverse=True) if f'{path}.'.startswith(f'{key}.'))
        recorded, path = recorded[key], path[len(key) + 1 :]
    return recorded


def listed(case: OracleCase) -> str | list[str]:
    """The case's own list of sequences, where it has one."""
    file = case.folder / 'sequence_evaluation_config' / 'testing_set.txt'
    return file.read_text().split() if file.is_file() else ALL


@claims(*CASES)
def test_front_door(case: OracleCase) -> None:
    root, results, protocols = CASES[case.name]
    for protocol, (place, scores, tolerance) in protocols.items():
        place = place if '{}' in place else f'{place}.{{}}'
        program = at(case.spec, place.split('{}')[0].rstrip('.'))
        trackers = [name for name in program if (case.folder / results.format(name)).is_dir()]
        found = evaluate(
            protocol,
            [case.folder / results.format(tracker) for tracker in trackers],
            case.folder / root,
            sequences=listed(case),
        )
        assert trackers and [each.tracker for each in found] == trackers
        for evaluation in found:
            recorded = at(case.spec, place.format(evaluation.tracker))
            for score, (key, as_share) in scores.items():
                expected = as_share(at(recorded, key))
                assert evaluation.scores.values[score] == pytest.approx(
                    expected, rel=0, abs=tolerance, nan_ok=True
                ), (protocol, evaluation.tracker, score)
