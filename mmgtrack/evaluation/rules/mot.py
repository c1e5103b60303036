"""Several targets: HOTA, IDF1 and CLEAR, by the package trackeval."""

import io
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from itertools import pairwise
from typing import Any

import numpy as np

from mmgtrack.errors import DataError, MissingDependencyError
from mmgtrack.evaluation.annotations.mot import MotTruth
from mmgtrack.evaluation.results.files import ResultFiles
from mmgtrack.evaluation.results.mot import MotRows, read_mot
from mmgtrack.evaluation.rules.base import Part, Rule, Scores

HOTA_VALUES = {
    'hota': 'HOTA',
    'deta': 'DetA',
    'assa': 'AssA',
    'loca': 'LocA',
    'detre': 'DetRe',
    'detpr': 'DetPr',
    'assre': 'AssRe',
    'asspr': 'AssPr',
}
IDENTITY_VALUES = {'idf1': 'IDF1', 'idr': 'IDR', 'idp': 'IDP'}
CLEAR_VALUES = {
    'mota': 'MOTA',
    'motp': 'MOTP',
    'moda': 'MODA',
    'recall': 'CLR_Re',
    'precision': 'CLR_Pr',
    'id_switches': 'IDSW',
}
EPS = np.finfo(float).eps


@dataclass(frozen=True, eq=False)
class MotPart(Part):
    """results: what trackeval's HOTA, Identity and CLEAR say of a sequence, by these names."""

    name: str
    results: dict[str, dict[str, Any]]

    @property
    def scores(self) -> Scores:
        return mot_scores(self.results)


@dataclass(frozen=True)
class MotRule(Rule[MotTruth, MotRows]):
    """trackeval's numbers for one class, without the clean-up by classes that MOTChallenge does before."""

    columns = ('hota', 'deta', 'assa', 'loca', 'idf1', 'idr', 'idp', 'mota', 'motp', 'id_switches')
    absolute = frozenset({'id_switches'})

    @property
    def program(self) -> str:
        return 'trackeval 1.3.0'

    @property
    def text(self) -> str:
        return (
            'one class, rows of the truth with a 0 in column 7 are left out, all rows of a result count; '
            'HOTA parts are means over 19 thresholds 0.05 ... 0.95, IDF1 and MOTA match from IoU 0.5; '
            'sequences are put together by their counts, as trackeval does'
        )

    def read(self, results: ResultFiles, truth: MotTruth) -> MotRows:
        return read_mot(results, truth.name)

    def measure(self, truth: MotTruth, result: MotRows) -> MotPart:
        """Raises DataError for boxes after the last frame, MissingDependencyError without trackeval."""
        data = tracks_data(truth, result)
        return MotPart(truth.name, {name: metric.eval_sequence(data) for name, metric in metrics().items()})

    def _total(self, parts: Sequence[MotPart]) -> Scores:
        return mot_scores(combine(parts))


def combine(parts: Sequence[MotPart]) -> dict[str, dict[str, Any]]:
    """trackeval's results of all sequences together, by the name of the metric."""
    return {
        name: metric.combine_sequences({str(i): part.results[name] for i, part in enumerate(parts)})
        for name, metric in metrics().items()
    }


def mot_scores(results: dict[str, dict[str, Any]]) -> Scores:
    """The usual numbers; curves over the HOTA thresholds."""
    hota, identity, clear = (results[name] for name in ('HOTA', 'Identity', 'CLEAR'))
    curves = {name: np.asarray(hota[key], float) for name, key in HOTA_VALUES.items()}
    values = {name: float(curve.mean()) for name, curve in curves.items()}
    values |= {name: float(identity[key]) for name, key in IDENTITY_VALUES.items()}
    values |= {name: float(clear[key]) for name, key in CLEAR_VALUES.items()}
    return Scores(values, curves)


@cache
def metrics() -> dict[str, Any]:
    """trackeval's HOTA, Identity and CLEAR. Raises MissingDependencyError without the package."""
    quiet = {'PRINT_CONFIG': False}
    try:
        with redirect_stdout(io.StringIO()):  # it names packages that only other benchmarks need
            package = import_module('trackeval.metrics')
    except ImportError as error:
        raise MissingDependencyError(
            'trackeval is needed to evaluate several targets: pip install --no-deps trackeval==1.3.0'
        ) from error
    return {
        'HOTA': package.HOTA(),
        'Identity': package.Identity(dict(quiet)),
        'CLEAR': package.CLEAR(dict(quiet)),
    }


def tracks_data(truth: MotTruth, result: MotRows) -> dict[str, Any]:
    """What trackeval's metrics take: per frame the ids, from 0 without gaps, and the IoU of all pairs."""
    last = int(max((rows.frames.max() for rows in (truth.rows, result) if len(rows.frames)), default=0))
    num_frames = last if truth.num_frames is None else truth.num_frames
    if last > num_frames:
        raise DataError(f'{truth.name} has {num_frames} frames, got a box of frame {last}')
    sides = []
    for rows in (truth.rows, result):
        ids, places = np.unique(rows.ids, return_inverse=True)
        order = np.argsort(rows.frames, kind='stable')
        edges = np.searchsorted(rows.frames[order], np.arange(1, num_frames + 2))
        frames = [order[low:high] for low, high in pairwise(edges)]
        sides.append((len(ids), [places[frame] for frame in frames], [rows.boxes[frame] for frame in frames]))
    (num_true, true_ids, true_boxes), (num_found, found_ids, found_boxes) = sides
    return {
        'num_timesteps': num_frames,
        'num_gt_ids': num_true,
        'num_tracker_ids': num_found,
        'num_gt_dets': len(truth.rows.ids),
        'num_tracker_dets': len(result.ids),
        'gt_ids': true_ids,
        'tracker_ids': found_ids,
        'similarity_scores': [
            pairwise_iou(boxes, others) for boxes, others in zip(true_boxes, found_boxes, strict=True)
        ],
    }


def pairwise_iou(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(n, m) of (n, 4) and (m, 4) x, y, w, h; 0 where a box has no area."""
    ends, other_ends = boxes[:, :2] + boxes[:, 2:], others[:, :2] + others[:, 2:]
    sides = np.minimum(ends[:, None], other_ends) - np.maximum(boxes[:, None, :2], others[:, :2])
    inter = np.prod(np.maximum(sides, 0), axis=-1)
    # sizes are taken from the corners, as trackeval does
    area = np.prod(ends - boxes[:, :2], axis=-1)[:, None]
    other_area = np.prod(other_ends - others[:, :2], axis=-1)
    union = area + other_area - inter
    solid = (area > EPS) & (other_area > EPS) & (union > EPS)
    return np.divide(inter, union, out=np.zeros_like(inter), where=solid)
