"""OxUvA: does a tracker know when its object is there, and where it is."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any, Literal

import numpy as np

from mmgtrack.errors import DataError, InputError
from mmgtrack.evaluation.results.files import ResultFiles
from mmgtrack.evaluation.results.oxuva import OxuvaPredictions, read_predictions
from mmgtrack.evaluation.rules.base import Part, Rule, Scores
from mmgtrack.formats.oxuva_labels import OxuvaTruth

COUNTS = ('TP', 'FP', 'TN', 'FN')
TP, FP, TN, FN = range(4)
METRICS = ('tpr', 'tnr', 'gm', 'max_gm')
BIN_FRAMES = 900  # 30 s at 30 frames a second: the resolution that the official program keeps
ERROR_BAR = 1.64485  # standard deviations: the central 90 % of a normal distribution
WHOLE_TRACK = (0.0, math.inf)


@dataclass(frozen=True, eq=False)
class OxuvaPart(Part):
    """Labels of a track after the first.

    elapsed: (n,) int64 frames since the first label; kinds: (n,) int64, TP, FP, TN or FN by its place in
    COUNTS; scores_present: (n,) float64, the prediction's own.
    """

    name: str
    video: str
    object: str
    elapsed: np.ndarray
    kinds: np.ndarray
    scores_present: np.ndarray

    @property
    def unit(self) -> str:
        """The video, with all of its tracks."""
        return self.video

    @cached_property
    def counts(self) -> np.ndarray:
        """(4,) int64 TP, FP, TN, FN."""
        return np.bincount(self.kinds, minlength=4)

    @property
    def bins(self) -> list[tuple[int, np.ndarray]]:
        """Half minutes with labels: number k from 1, which is frames ((k-1)*900, k*900], and their counts."""
        numbers = -(-self.elapsed // BIN_FRAMES)
        return [(int(k), np.bincount(self.kinds[numbers == k], minlength=4)) for k in np.unique(numbers)]

    @property
    def scores(self) -> Scores:
        return Scores({name: float(value) for name, value in qualities(self.counts).items()})


@dataclass(frozen=True)
class OxuvaRule(Rule[OxuvaTruth, OxuvaPredictions]):
    """TPR, TNR, their geometric mean, and its best value when mixed with an answer 'always absent'.

    Each option gives numbers that the official analyze.py also gives:

    min_iou: what a right box reaches, as in ``--iou_thresholds``; its default is the number of papers.
    order: of the videos that the bootstrap draws from. 'annotation' gives the ``_mean`` and ``_var`` of
        ``table`` on a fresh run, 'sorted' those of a run that finds its own cached summaries.
    trials: bootstrap draws of videos, ``--bootstrap_trials``. With 0 a total has no ``*_error`` values
        (``--no_bootstrap``).
    tracks: 'all'; 'some_absent' or 'none_absent', those with or without a label 'absent', gives the two sides
        of ``plot_present_absent``.
    interval: frames after the first label, from (not included) and to, as in ``plot_tpr_time`` and
        ``plot_tpr_tnr_intervals``; multiples of 900 or infinity. Raises InputError for others.
    """

    min_iou: float = 0.5
    order: Literal['annotation', 'sorted'] = 'annotation'
    trials: int = 100
    tracks: Literal['all', 'some_absent', 'none_absent'] = 'all'
    interval: tuple[float, float] = WHOLE_TRACK

    has_curves = False
    columns = ('max_gm', 'tpr', 'tnr', 'gm', 'max_gm_error', 'tpr_error', 'tnr_error', 'gm_error')

    def __post_init__(self) -> None:
        if any(edge % BIN_FRAMES for edge in self.interval if math.isfinite(edge)):
            raise InputError(f'interval must consist of multiples of {BIN_FRAMES}, got {self.interval}')

    @property
    def program(self) -> str:
        return 'oxuva/long-term-tracking-benchmark @ fd49bed'

    @property
    def text(self) -> str:
        return (
            'one label a second, the first is not counted; all labels of all tracks are pooled; present: '
            f'right if said present with IoU >= {self.min_iou:g}, boxes clipped to the image; absent: right '
            'if said absent; the last prediction up to the label counts; errors are 1.64485 standard '
            f'deviations of {self.trials} draws of videos in {self.order} order'
        )

    def read(self, results: ResultFiles, truth: OxuvaTruth) -> OxuvaPredictions:
        return read_predictions(results, truth.video, truth.object)

    def measure(self, truth: OxuvaTruth, result: OxuvaPredictions) -> OxuvaPart:
        """Raises DataError where the result begins after the first label that counts, or a box is empty."""
        frames, present, boxes = truth.frames[1:], truth.present[1:], truth.boxes[1:]
        last = np.searchsorted(result.frames, frames, side='right') - 1
        if (last < 0).any():
            raise DataError(
                f'{truth.name}: frame {frames[0]} is labelled, but the first prediction is of '
                f'{f"frame {result.frames[0]}" if len(result.frames) else "no frame"}: give one up to it'
            )
        said = result.present[last]
        right = np.zeros(len(frames), bool)
        both = present & said
        right[both] = _iou_in_image(boxes[both], result.boxes[last][both], truth.name) >= self.min_iou
        kinds = np.where(present, np.where(right, TP, FN), np.where(said, FP, TN))
        return OxuvaPart(
            truth.name,
            truth.video,
            truth.object,
            frames - truth.frames[0],
            kinds,
            result.scores[last],
        )

    def without_errors(self) -> 'OxuvaRule':
        """Whose totals have no ``*_error`` values."""
        return replace(self, trials=0)

    def _total(self, parts: Sequence[OxuvaPart]) -> Scores:
        """Errors are nan where a draw has no label of one of the two sorts, as in the program."""
        _, counts = self.by_video(parts)
        values = {name: float(value) for name, value in qualities(counts.sum(0)).items()}
        if not self.trials:
            return Scores(values)
        trials = qualities(self.bootstrap(parts))
        errors = {f'{name}_error': float(ERROR_BAR * trials[name].std()) for name in METRICS}
        return Scores({**values, **errors})

    def bootstrap(self, parts: Sequence[OxuvaPart]) -> np.ndarray:
        """(trials, 4) int64 TP, FP, TN, FN: each of as many videos as there are, drawn with repetition."""
        videos, counts = self.by_video(parts)
        if self.order == 'sorted':
            counts = counts[sorted(range(len(videos)), key=videos.__getitem__)]
        return video_draws(len(videos), self.trials) @ counts

    def by_video(self, parts: Sequence[OxuvaPart]) -> tuple[list[str], np.ndarray]:
        """Names in the order of their first tracks, and their counts (V, 4), of the chosen tracks."""
        found: dict[str, np.ndarray] = {}
        for part in parts:
            if self._takes(part):
                found[part.video] = found.get(part.video, 0) + self._counts(part)
        return list(found), np.array(list(found.values()), dtype=np.int64).reshape(-1, 4)

    def _takes(self, part: OxuvaPart) -> bool:
        if self.tracks == 'all':
            return True
        some_absent = bool((part.counts[[FP, TN]] > 0).any())
        return some_absent == (self.tracks == 'some_absent')

    def _counts(self, part: OxuvaPart) -> np.ndarray:
        if self.interval == WHOLE_TRACK:
            return part.counts
        low, high = self.interval
        inside = (part.elapsed > low) & (part.elapsed <= high)
        return np.bincount(part.kinds[inside], minlength=4)


def qualities(counts: np.ndarray) -> dict[str, np.ndarray]:
    """tpr, tnr, gm and max_gm (...) of counts (..., 4) TP, FP, TN, FN; nan without labels to count."""
    true_present, false_present, true_absent, false_absent = np.moveaxis(np.asarray(counts, float), -1, 0)
    with np.errstate(divide='ignore', invalid='ignore'):
        tpr = true_present / (true_present + false_absent)
        tnr = true_absent / (true_absent + false_present)
    return {'tpr': tpr, 'tnr': tnr, 'gm': np.sqrt(tpr * tnr), 'max_gm': _best_mixture(tpr, tnr)}


def _best_mixture(tpr: np.ndarray, tnr: np.ndarray) -> np.ndarray:
    """Largest sqrt((1 - q) * tpr * ((1 - q) * tnr + q)) for q in [0, 1]; q: the share of 'always absent'."""
    square, linear = (tnr - 1) * tpr, (1 - 2 * tnr) * tpr
    with np.errstate(divide='ignore', invalid='ignore'):
        peak = np.where(square < 0, -linear / (2 * square), 0)
        peak = np.where((peak >= 0) & (peak <= 1), peak, 0)
        best = np.sqrt((1 - peak) * tpr * ((1 - peak) * tnr + peak))
        return np.maximum(np.sqrt(tpr * tnr), best)


@lru_cache(maxsize=8)
def video_draws(count: int, trials: int) -> np.ndarray:
    """(trials, count) int64: how often the official bootstrap, with seeds 0, 1, ..., draws each video."""
    draws: np.ndarray = np.zeros((trials, count), np.int64)
    for seed, row in enumerate(draws if count else ()):
        row += np.bincount(np.random.RandomState(seed).choice(count, count), minlength=count)
    draws.setflags(write=False)
    return draws


def _iou_in_image(boxes: np.ndarray, others: np.ndarray, name: str) -> np.ndarray:
    """(n,) of (n, 4) x1, y1, x2, y2, clipped to the unit square. Raises DataError where both have no area."""
    boxes, others = np.clip(boxes, 0, 1), np.clip(others, 0, 1)
    inter = _areas(np.maximum(boxes[:, :2], others[:, :2]), np.minimum(boxes[:, 2:], others[:, 2:]))
    union = _areas(boxes[:, :2], boxes[:, 2:]) + _areas(others[:, :2], others[:, 2:]) - inter
    if (union <= 0).any():
        raise DataError(
            f'{name}: label and predicted box both have no area inside the image, which the official rule '
            'cannot divide by: say absent there'
        )
    return inter / union


def _areas(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    return np.prod(np.maximum(high - low, 0), axis=-1)


def posthoc_counts(parts: Sequence[OxuvaPart]) -> np.ndarray:
    """(K, 4) int64 TP, FP, TN, FN when only predictions above a falling threshold count as present.

    The operating points of the official ``posthoc_threshold``: how a tracker would do that said absent more
    often. Row 0 says absent everywhere; predictions of equal score switch together; those said absent never
    do. Raises DataError where a score is nan.
    """
    kinds = np.concatenate([part.kinds for part in parts])
    scores = np.concatenate([part.scores_present for part in parts])
    switched = (kinds == TP) | (kinds == FP)
    if np.isnan(scores[switched]).any():
        raise DataError('a prediction says present with a score of nan: no threshold can be drawn')
    levels, place = np.unique(-scores[switched], return_inverse=True)
    gains: np.ndarray = np.zeros((len(levels) + 1, 2), np.int64)
    np.add.at(gains, (place + 1, kinds[switched]), 1)
    gains = gains.cumsum(0)
    present, absent = np.isin(kinds, (TP, FN)).sum(), np.isin(kinds, (FP, TN)).sum()
    return np.column_stack([gains, absent - gains[:, FP], present - gains[:, TP]])


def summary(parts: Sequence[OxuvaPart]) -> dict[str, Any]:
    """What the official program keeps of a tracker as JSON, ``assess/SUBSET/TRACKER/iou_*.json``.

    Its counts by track and by half minute; tracks are sorted by video and object.
    """
    tracks = sorted(parts, key=lambda part: (part.video, part.object))
    return {
        'totals': [[[part.video, part.object], count_table(part.counts)] for part in tracks],
        'quantized_totals': [
            [
                [part.video, part.object],
                [[[BIN_FRAMES * (k - 1), BIN_FRAMES * k], count_table(counts)] for k, counts in part.bins],
            ]
            for part in tracks
        ],
    }


def count_table(counts: np.ndarray) -> dict[str, int]:
    """The four counts by name, and the sums that the program adds."""
    table = dict(zip(COUNTS, map(int, counts), strict=True))
    present, absent = table['TP'] + table['FN'], table['FP'] + table['TN']
    return {**table, 'num_frames': present + absent, 'num_present': present, 'num_absent': absent}
