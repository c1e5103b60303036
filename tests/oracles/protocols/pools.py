"""Programs that pool frames, or count over several targets: GOT-10k, TrackingNet, OxUvA, AR@k, TrackEval."""

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

from mmgtrack.evaluation.annotations.base import BoxTruth
from mmgtrack.evaluation.annotations.got10k import GOT10k
from mmgtrack.evaluation.annotations.mot import MotAnnotations
from mmgtrack.evaluation.annotations.oxuva import OxuvaAnnotations
from mmgtrack.evaluation.annotations.plain import TrackingNet
from mmgtrack.evaluation.results.files import ResultFiles
from mmgtrack.evaluation.results.mot import read_mot, write_mot
from mmgtrack.evaluation.results.oxuva import read_predictions, write_predictions
from mmgtrack.evaluation.results.proposals import Proposals, write_proposals
from mmgtrack.evaluation.rules.average_recall import AverageRecallRule
from mmgtrack.evaluation.rules.base import Scores
from mmgtrack.evaluation.rules.got10k import Got10kRule, NeuronGot10kRule
from mmgtrack.evaluation.rules.mot import MotRule, combine, mot_scores
from mmgtrack.evaluation.rules.oxuva import (
    COUNTS,
    OxuvaPart,
    OxuvaRule,
    count_table,
    posthoc_counts,
    qualities,
    summary,
)
from mmgtrack.evaluation.rules.trackingnet import TrackingNetRule

from ..cases import OracleCase, claims

GOT10K_RULES = {'got10k_toolkit': Got10kRule(), 'neuron': NeuronGot10kRule()}
METRICS = {'tpr': 'TPR', 'tnr': 'TNR', 'gm': 'GM', 'max_gm': 'MaxGM'}


# ---- GOT-10k and TrackingNet -----------------------------------------------------------------------


def assert_got10k(found: Scores, expected: dict[str, Any]) -> None:
    for name, key in {'ao': 'ao', 'sr_0.5': 'sr', 'fps': 'speed_fps'}.items():
        np.testing.assert_allclose(found.values[name], expected[key], rtol=0, atol=1e-12)


@claims('got10k*')
def test_pools_got10k(case: OracleCase) -> None:
    annotations = GOT10k(case.folder / 'val')
    truths = [annotations.read(name) for name in annotations.names]
    for program, trackers in case.spec.items():
        rule = GOT10K_RULES[program]
        for tracker, expected in trackers.items():
            results = ResultFiles(case.folder / 'results' / 'GOT-10k' / tracker)
            parts = [rule.measure(truth, rule.read(results, truth)) for truth in truths]
            total, curve = rule.total(parts), expected['overall']['succ_curve']
            assert_got10k(total, expected['overall'])
            np.testing.assert_allclose(total.curves['success'], curve, rtol=0, atol=1e-12)
            np.testing.assert_allclose(total.values['sr_0.75'], curve[75], rtol=0, atol=1e-12)
            assert {part.name for part in parts} == set(expected['seq_wise'])
            for part in parts:
                assert part.length == expected['seq_wise'][part.name]['length']
                assert_got10k(part.scores, expected['seq_wise'][part.name])


@claims('trackingnet*')
def test_pools_trackingnet(case: OracleCase) -> None:
    annotations, rule = TrackingNet(case.folder / 'gt.zip'), TrackingNetRule()
    results = ResultFiles(case.folder / 'subm.zip')
    truths = [annotations.read(name) for name in annotations.names]
    found = rule.total([rule.measure(truth, rule.read(results, truth)) for truth in truths]).values
    keys = dict(zip(rule.columns, ('Success', 'Precision', 'Normalized_Precision', 'Coverage'), strict=True))
    assert set(keys.values()) == set(case.spec['devkit'])
    for name, key in keys.items():
        np.testing.assert_allclose(100 * found[name], case.spec['devkit'][key], rtol=0, atol=1e-12)


# ---- OxUvA -----------------------------------------------------------------------------------------


def oxuva_parts(case: OracleCase, tracker: str, rule: OxuvaRule) -> list[OxuvaPart]:
    annotations = OxuvaAnnotations(case.folder)
    results = ResultFiles(case.folder / 'predictions' / 'dev' / tracker)
    truths = [annotations.read(name) for name in annotations.names]
    return [rule.measure(truth, rule.read(results, truth)) for truth in truths]


def assert_quality(rule: OxuvaRule, parts: list[OxuvaPart], expected: dict[str, Any]) -> None:
    found = rule.total(parts).values
    counts = rule.by_video(parts)[1].sum(0)
    for name, key in METRICS.items():
        np.testing.assert_allclose(found[name], expected[key], rtol=0, atol=1e-12)
    for name, count in count_table(counts).items():
        assert count == expected[name]


def assert_bootstrap(rule: OxuvaRule, parts: list[OxuvaPart], expected: dict[str, Any]) -> None:
    assert_quality(rule, parts, expected)
    trials = rule.bootstrap(parts)
    found = {METRICS[name]: values for name, values in qualities(trials).items()}
    tables = [count_table(row) for row in trials]
    found |= {name: np.array([table[name] for table in tables]) for name in tables[0]}
    keys = {f'{name}_{kind}' for name in found for kind in ('mean', 'var')}
    assert keys == {key for key in expected if '_mean' in key or '_var' in key}
    for name, values in found.items():
        np.testing.assert_allclose(values.mean(), expected[f'{name}_mean'], rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(values.var(), expected[f'{name}_var'], rtol=1e-12, atol=1e-12)
    for name, key in METRICS.items():
        error = rule.total(parts).values[f'{name}_error']
        np.testing.assert_allclose(error, 1.64485 * math.sqrt(expected[f'{key}_var']), rtol=1e-9, atol=1e-12)


@claims('oxuva*')
def test_pools_oxuva(case: OracleCase) -> None:
    for tracker, thresholds in case.spec['oxuva'].items():
        for threshold, expected in thresholds.items():
            rule = OxuvaRule(min_iou=float(threshold))
            parts = oxuva_parts(case, tracker, rule)
            assert_quality(rule, parts, expected['quality'])
            for order in ('annotation', 'sorted'):
                recorded = expected[f'bootstrap_100_seed0_{order}_order']
                assert_bootstrap(replace(rule, order=order, trials=100), parts, recorded)
            for kind in ('some_absent', 'none_absent'):
                assert_quality(replace(rule, tracks=kind), parts, expected[kind])
            for name, recorded in expected['intervals'].items():
                low, high = map(float, name.split('-'))
                assert_quality(replace(rule, interval=(low, high)), parts, recorded)


@claims('oxuva*')
def test_pools_oxuva_scores_and_summary(case: OracleCase) -> None:
    for tracker, thresholds in case.spec['oxuva'].items():
        for threshold, expected in thresholds.items():
            parts = oxuva_parts(case, tracker, OxuvaRule(min_iou=float(threshold)))
            counts = posthoc_counts(parts)
            points = [dict(zip(COUNTS, row.tolist(), strict=True)) for row in counts]
            assert points == expected['posthoc_points']
            best = np.nanmax(qualities(counts)['gm'])
            np.testing.assert_allclose(best, expected['posthoc_best'], rtol=0, atol=1e-12)
            assert json.loads(json.dumps(summary(parts))) == expected['summary_json']


@claims('oxuva*')
def test_pools_oxuva_written_again(case: OracleCase, tmp_path: Path) -> None:
    annotations = OxuvaAnnotations(case.folder / 'annotations' / 'dev.csv')
    for tracker in case.spec['oxuva']:
        results = ResultFiles(case.folder / 'predictions' / 'dev' / tracker)
        for truth in map(annotations.read, annotations.names):
            predictions = read_predictions(results, truth.video, truth.object)
            write_predictions(tmp_path / f'{truth.name}.csv', truth.video, truth.object, predictions)
            again = read_predictions(ResultFiles(tmp_path), truth.video, truth.object)
            for name in ('frames', 'present', 'scores', 'boxes'):
                np.testing.assert_array_equal(getattr(again, name), getattr(predictions, name))


# ---- AR@k ------------------------------------------------------------------------------------------


def write_images(folder: Path, images: list[dict[str, Any]]) -> tuple[BoxTruth, ResultFiles]:
    """All images as one sequence, after a first frame, which does not count."""
    corners = np.array([image['gt'][0] for image in images])
    assert all(len(image['gt']) == 1 for image in images)
    boxes = np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1)
    lists = [np.array(image['proposals'], float).reshape(-1, 5) for image in images]
    frames = np.repeat(np.arange(len(lists)) + 1, [len(rows) for rows in lists])
    rows = np.concatenate(lists)
    proposals = Proposals(
        frames, np.concatenate([rows[:, :2], rows[:, 2:4] - rows[:, :2]], axis=1), rows[:, 4]
    )
    write_proposals(folder / 'images.txt', proposals)
    return BoxTruth('images', np.concatenate([boxes[:1], boxes])), ResultFiles(folder)


@claims('recall*')
@pytest.mark.parametrize('style', ['mmdet3', 'legacy', 'coco'])
def test_pools_recall(case: OracleCase, style: Literal['mmdet3', 'legacy', 'coco'], tmp_path: Path) -> None:
    images = json.loads((case.folder / 'input.json').read_text())['images']
    truth, results = write_images(tmp_path, images)
    spec = case.spec['recall']
    ks = tuple(spec['proposal_nums'])
    rule = AverageRecallRule(style, ks)
    np.testing.assert_allclose(rule.thresholds, spec['iou_thrs'], rtol=0, atol=1e-7)
    part = rule.measure(truth, rule.read(results, truth))
    assert part.num_frames == len(images)
    if style == 'coco':
        expected = spec['pycocotools_useCats0']
        recalls = np.transpose(expected['recall_TxKxAxM_all_area'])
    else:
        expected = spec[style]
        recalls = np.array(expected['recalls'])
    total = rule.total([part])
    for k, row, mean in zip(ks, recalls, expected['AR'], strict=True):
        np.testing.assert_array_equal(total.curves[f'recall@{k}'], row)
        np.testing.assert_allclose(total.values[f'ar@{k}'], mean, rtol=0, atol=1e-15)


# ---- several targets -------------------------------------------------------------------------------


def assert_trackeval(found: dict[str, dict[str, Any]], expected: dict[str, dict[str, Any]]) -> None:
    assert set(found) == set(expected)
    for metric, values in expected.items():
        assert set(found[metric]) >= set(values)
        for name, value in values.items():
            np.testing.assert_allclose(found[metric][name], value, rtol=1e-12, atol=1e-12, err_msg=name)


@claims('trackeval*')
@pytest.mark.parametrize('layout', ['{name}/gt/gt.txt', '{name}.txt'])
def test_pools_trackeval(case: OracleCase, layout: str, tmp_path: Path) -> None:
    for folder, source, path in (('gt', 'gt.txt', layout), ('tracker', 'tracker.txt', '{name}.txt')):
        target = tmp_path / folder / path.format(name='first')
        target.parent.mkdir(parents=True)
        shutil.copy(case.folder / source, target)
    annotations, rule = MotAnnotations(tmp_path / 'gt'), MotRule()
    (truth,) = map(annotations.read, annotations.names)
    part = rule.measure(truth, rule.read(ResultFiles(tmp_path / 'tracker'), truth))
    expected = case.spec['trackeval']
    assert_trackeval(part.results, expected)
    assert_trackeval(combine([part]), expected)
    for name, value in rule.total([part]).values.items():
        np.testing.assert_allclose(value, mot_scores(expected).values[name], rtol=1e-12)


@claims('trackeval*')
def test_pools_trackeval_written_again(case: OracleCase, tmp_path: Path) -> None:
    for name in ('gt', 'tracker'):
        rows = read_mot(ResultFiles(case.folder), name)
        write_mot(tmp_path / f'{name}.txt', rows)
        again = read_mot(ResultFiles(tmp_path), name)
        for field in ('frames', 'ids', 'boxes', 'marks'):
            np.testing.assert_array_equal(getattr(again, field), getattr(rows, field))


@claims('trackeval*')
def test_pools_trackeval_of_two_sequences(case: OracleCase) -> None:
    """Twice the same sequence: all shares stay, all counts double."""
    rule, annotations = MotRule(), MotAnnotations(case.folder)
    part = rule.measure(annotations.read('gt'), read_mot(ResultFiles(case.folder), 'tracker'))
    once, twice = rule.total([part]).values, rule.total([part, part]).values
    for name, value in once.items():
        np.testing.assert_allclose(twice[name], 2 * value if name == 'id_switches' else value, rtol=1e-12)
