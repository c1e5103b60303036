"""Whether one tracker is better than another on a benchmark, or merely luckier with its sequences."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mmgtrack.errors import InputError
from mmgtrack.evaluation.evaluate import Evaluation
from mmgtrack.evaluation.rules.base import Part, Rule

CONFIDENCE = 0.95
NUM_DRAWS = 2000  # ours: the bounds of 95 % then move by about 2 % of their distance from draw to draw


@dataclass(frozen=True)
class SequenceDifference:
    """Scores of two trackers on one sequence; ``difference`` is second minus first."""

    name: str
    first: float
    second: float

    @property
    def difference(self) -> float:
        return self.second - self.first


@dataclass(frozen=True)
class Comparison:
    """Two trackers under one score, second minus first.

    low, high: bounds of the difference that hold CONFIDENCE of the draws; share_better: share of the draws
    in which the second is better, draws without a difference counting half; num_units: what was drawn from;
    num_draws: draws that gave a number; sequences: largest difference first.
    """

    score: str
    first: float
    second: float
    low: float
    high: float
    share_better: float
    num_units: int
    num_draws: int
    sequences: tuple[SequenceDifference, ...]

    @property
    def difference(self) -> float:
        return self.second - self.first

    @property
    def is_clear(self) -> bool:
        """Whether the bounds leave zero out."""
        return self.low > 0 or self.high < 0


def compare(
    first: Evaluation,
    second: Evaluation,
    *,
    score: str | None = None,
    num_draws: int = NUM_DRAWS,
    seed: int = 0,
    report_progress: Callable[[int, int], None] | None = None,
) -> Comparison:
    """Paired bootstrap: sequences are drawn with replacement, the same ones for both trackers.

    A draw has as many units as the benchmark (sequences; videos with all their objects in OxUvA), and its
    numbers are made by the protocol's own rule, so means, pooled frames and F-scores alike are right. The
    bounds are percentiles of the differences.

    Args:
        first, second: made by one call of ``evaluate``, so that they have the same sequences.
        score: one of the protocol's columns; None: the first.
        num_draws: more of them make the bounds steadier.
        seed: same seed, same bounds.
        report_progress: called with the number of draws done and their total.

    Raises InputError where the two do not compare or the protocol has no such score.
    """
    score = first.protocol.rule.columns[0] if score is None else score
    if first.protocol != second.protocol or _names(first) != _names(second):
        raise InputError('trackers compare under the same protocol and on the same sequences only')
    if num_draws < 1:
        raise InputError(f'expected at least one draw, got {num_draws}')
    rule = first.protocol.rule.without_errors()
    totals = rule.total(first.parts).values
    comparable = [name for name in rule.columns if name in totals]
    if score not in comparable:
        raise InputError(f'{first.protocol.name} compares by {", ".join(comparable)}, got {score!r}')
    units = _units(first.parts)
    differences = _draw_differences(rule, first, second, score, units, num_draws, seed, report_progress)
    counted = differences[np.isfinite(differences)]
    low, high = bounds(counted)
    return Comparison(
        score,
        first.scores.values[score],
        second.scores.values[score],
        low,
        high,
        float(np.mean((counted > 0) + (counted == 0) / 2)) if len(counted) else float('nan'),
        len(units),
        len(counted),
        _sequence_differences(first, second, score),
    )


def _draw_differences(
    rule: Rule[Any, Any],
    first: Evaluation,
    second: Evaluation,
    score: str,
    units: Sequence[np.ndarray],
    num_draws: int,
    seed: int,
    report_progress: Callable[[int, int], None] | None,
) -> np.ndarray:
    """(num_draws,) differences of the totals over drawn units; nan where a total is."""
    rng = np.random.default_rng(seed)
    differences = np.full(num_draws, np.nan)
    for draw in range(num_draws):
        chosen = np.concatenate([units[unit] for unit in rng.integers(len(units), size=len(units))])
        before, after = (
            rule.total([evaluation.parts[index] for index in chosen]).values[score]
            for evaluation in (first, second)
        )
        differences[draw] = after - before
        if report_progress is not None:
            report_progress(draw + 1, num_draws)
    return differences


def _names(evaluation: Evaluation) -> list[str]:
    return [part.name for part in evaluation.parts]


def _units(parts: Sequence[Part]) -> list[np.ndarray]:
    """Indices of the parts of each unit, in the order in which units first occur."""
    indices: dict[str, list[int]] = {}
    for index, part in enumerate(parts):
        indices.setdefault(part.unit, []).append(index)
    return [np.array(group) for group in indices.values()]


def bounds(draws: np.ndarray) -> tuple[float, float]:
    """Lowest and highest of the middle CONFIDENCE of (n,) draws; nan without any."""
    if len(draws) == 0:
        return float('nan'), float('nan')
    outside = (1 - CONFIDENCE) / 2
    low, high = np.quantile(draws, [outside, 1 - outside])
    return float(low), float(high)


def _sequence_differences(
    first: Evaluation, second: Evaluation, score: str
) -> tuple[SequenceDifference, ...]:
    pairs = (
        SequenceDifference(
            a.name, a.scores.values.get(score, float('nan')), b.scores.values.get(score, float('nan'))
        )
        for a, b in zip(first.parts, second.parts, strict=True)
    )
    counted = (pair for pair in pairs if np.isfinite(pair.difference))
    return tuple(sorted(counted, key=lambda pair: -abs(pair.difference)))
