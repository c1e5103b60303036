"""The candidates of one frame that count, in an order of their own."""

from dataclasses import dataclass, fields, replace

import numpy as np
from typing_extensions import Self

from mmgtrack.association.looks import unit
from mmgtrack.association.rules import AssociationRules
from mmgtrack.errors import InputError

SMALLEST_SIDE, LARGEST_COORDINATE = 0.1, 1e6
"""Pixels, within which a box is taken for one; beyond, arithmetic on squares of sides has no digits left."""


@dataclass(frozen=True)
class Observations:
    """K candidates of a frame. The order depends on the candidates alone, not on how they were listed.

    index: (K,) int64, place of each in the caller's list.
    boxes: (K, 4) float64 xyxy frame pixels; scores: (K,) float64; looks: (K, D) float64 of unit length, nan
    rows where unknown.
    """

    index: np.ndarray
    boxes: np.ndarray
    scores: np.ndarray
    looks: np.ndarray

    def __len__(self) -> int:
        """Number of candidates K."""
        return len(self.index)

    def take(self, rows: np.ndarray) -> Self:
        """Those candidates (indices or a mask)."""
        return replace(self, **{f.name: getattr(self, f.name)[rows] for f in fields(self)})

    @classmethod
    def of(
        cls,
        boxes: np.ndarray,
        scores: np.ndarray,
        embeddings: np.ndarray | None,
        dims: int,
        rules: AssociationRules,
    ) -> Self:
        """Those of boxes (K, 4), scores (K,), embeddings (K, D) or None that count; ``dims``: D expected.

        Left out: boxes that are not finite or have no size, scores that are no number or below
        ``low_score`` or below ``relative_score`` of the best. Raises InputError for other shapes.
        """
        boxes, scores = np.asarray(boxes, dtype=np.float64), np.asarray(scores, dtype=np.float64)
        if embeddings is None:
            embeddings = np.full((len(scores), dims), np.nan)
        embeddings = np.asarray(embeddings, dtype=np.float64)
        if scores.ndim != 1 or boxes.shape != (len(scores), 4) or embeddings.shape != (len(scores), dims):
            raise InputError(
                f'candidates need boxes (K, 4), scores (K,) and embeddings (K, {dims}), got {boxes.shape}, '
                f'{scores.shape} and {embeddings.shape}'
            )
        counted = np.flatnonzero(_is_box(boxes) & np.isfinite(scores) & (scores >= rules.low_score))
        if len(counted):
            counted = counted[scores[counted] >= rules.relative_score * scores[counted].max()]
        looks = unit(embeddings[counted])
        order = _order(boxes[counted], scores[counted], looks)
        counted = counted[order]
        return cls(counted, boxes[counted], scores[counted], looks[order])


def _is_box(boxes: np.ndarray) -> np.ndarray:
    """(K,) bool."""
    with np.errstate(invalid='ignore'):
        sides = boxes[:, 2:] - boxes[:, :2]
        return (np.abs(boxes) <= LARGEST_COORDINATE).all(1) & (sides >= SMALLEST_SIDE).all(1)


def _order(boxes: np.ndarray, scores: np.ndarray, looks: np.ndarray) -> np.ndarray:
    """Best score first; equal ones by their boxes, then by a number made of the look."""
    tie = (looks * np.linspace(1, 2, looks.shape[1])).sum(1)
    return np.lexsort([tie, *boxes.T, -scores])
