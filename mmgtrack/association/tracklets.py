"""What is remembered of the objects that look like one target: a frozen value of arrays."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from typing_extensions import Self

from mmgtrack.association import motion
from mmgtrack.association.looks import unit
from mmgtrack.association.observations import LARGEST_COORDINATE
from mmgtrack.association.rules import AssociationRules
from mmgtrack.errors import InputError, StateError


@dataclass(frozen=True)
class Tracklets:
    """T tracklets of one target; row 0 is the target's own, with id 0.

    ids: (T,) int64, ascending; an id is never used again.
    means: (T, 8), covariances: (T, 8, 8) float64, motion as in ``motion``.
    boxes: (T, 4) float64 xyxy frame pixels, where each was last seen.
    scores: (T,) float64, running mean of the detector's score.
    first: (T, D) float64 of unit length, the look at the start; row 0 has the template. nan: unknown.
    recent: (T, D) float64 of unit length, running mean of the look. nan: unknown.
    hits: (T,) int64, frames in which it was seen.
    missed: (T,) int64, frames since it was last seen.
    beside: (T,) int64, frames in which it was seen together with the target, and apart from it.
    issued: (1,) int64, how many ids were given.
    """

    ids: np.ndarray
    means: np.ndarray
    covariances: np.ndarray
    boxes: np.ndarray
    scores: np.ndarray
    first: np.ndarray
    recent: np.ndarray
    hits: np.ndarray
    missed: np.ndarray
    beside: np.ndarray
    issued: np.ndarray

    def __len__(self) -> int:
        """Number of tracklets T, at least 1."""
        return len(self.ids)

    def __repr__(self) -> str:
        """One line: how many tracklets, and for how long the target is lost."""
        return f'Tracklets({len(self)}, target missed for {self.missed[0]} frames)'

    def leaves(self) -> tuple[np.ndarray, ...]:
        """All arrays, in the order of the fields: float64 and int64."""
        return tuple(getattr(self, field.name) for field in fields(self))

    @classmethod
    def of_leaves(cls, leaves: Sequence[np.ndarray]) -> Self:
        """Undo ``leaves``, whatever kind of numbers they have become.

        Raises StateError where they do not fit together.
        """
        names = [field.name for field in fields(cls)]
        if len(leaves) != len(names):
            raise StateError(f'tracklets are {len(names)} arrays, got {len(leaves)}: encode the target again')
        whole = {'ids', 'hits', 'missed', 'beside', 'issued'}
        kinds = [np.int64 if name in whole else np.float64 for name in names]
        arrays = [np.asarray(leaf).astype(kind) for leaf, kind in zip(leaves, kinds, strict=True)]
        count = {len(array) for array in arrays[:-1]}
        if len(count) != 1 or count == {0}:
            raise StateError('tracklets are damaged: their arrays differ in length; encode the target again')
        return cls(*arrays)

    @property
    def dims(self) -> int:
        """Length D of the embeddings, 0 without."""
        return self.first.shape[1]

    @property
    def is_target(self) -> np.ndarray:
        """(T,) bool, true for row 0."""
        return np.arange(len(self)) == 0

    def is_confirmed(self, rules: AssociationRules) -> np.ndarray:
        """(T,) bool: the target, and what was seen often enough."""
        return self.is_target | (self.hits >= rules.confirm_hits)

    def is_distractor(self, rules: AssociationRules) -> np.ndarray:
        """(T,) bool: confirmed, and seen beside the target often enough to be another object."""
        return self.is_confirmed(rules) & (self.beside >= rules.distractor_frames)

    def is_moving(self, rules: AssociationRules) -> np.ndarray:
        """(T,) bool: seen lately enough for its motion to say where it is."""
        return self.missed <= rules.lost_buffer

    def take(self, rows: np.ndarray) -> Self:
        """Those rows (indices or a mask)."""
        return replace(self, **{name: getattr(self, name)[rows] for name in self._columns()})

    def extended(self, other: 'Tracklets') -> Self:
        """These rows followed by those of another."""
        joined = {n: np.concatenate([getattr(self, n), getattr(other, n)]) for n in self._columns()}
        return replace(self, **joined)

    @classmethod
    def _columns(cls) -> list[str]:
        """Names of the fields that have a row a tracklet."""
        return [field.name for field in fields(cls) if field.name != 'issued']


def begin(box: np.ndarray, embedding: np.ndarray | None) -> Tracklets:
    """The tracklets of a target that was just marked: its own.

    box: (4,) xyxy frame pixels; embedding: (D,) its look, which stays the template; None for a tracker
    without. Raises InputError for a box without a size, or further away than any candidate may be.
    """
    box = np.array(box, dtype=np.float64)  # a copy: tracklets must not change with the caller's array
    if box.shape != (4,) or np.isnan(box).any() or (box[2:] <= box[:2]).any():
        raise InputError(f'box must be (4,) xyxy with x2 > x1 and y2 > y1, got {box.tolist()}')
    if (np.abs(box) > LARGEST_COORDINATE).any():
        raise InputError(f'box must be within {LARGEST_COORDINATE:.0f} pixels, got {box.tolist()}')
    look = np.zeros(0) if embedding is None else np.asarray(embedding, dtype=np.float64)
    if look.ndim != 1:
        raise InputError(f'embedding must be (D,), got shape {look.shape}')
    return started(np.array([0]), box[None], np.ones(1), unit(look[None]))


def started(ids: np.ndarray, boxes: np.ndarray, scores: np.ndarray, looks: np.ndarray) -> Tracklets:
    """R tracklets seen once: ids (R,), boxes (R, 4), scores (R,), looks (R, D)."""
    means, covariances = motion.initiate(motion.measure(boxes))
    return Tracklets(
        ids=ids.astype(np.int64),
        means=means,
        covariances=covariances,
        boxes=boxes,
        scores=scores,
        first=looks,
        recent=looks,
        hits=np.ones(len(ids), dtype=np.int64),
        missed=np.zeros(len(ids), dtype=np.int64),
        beside=np.zeros(len(ids), dtype=np.int64),
        issued=np.array([ids.max(initial=0) + 1]),
    )
