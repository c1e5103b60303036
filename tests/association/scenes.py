"""Small scenes: where objects are, how they look, and what a detector says of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from mmgtrack.association import Assignment, AssociationRules, Tracklets, associate, begin

RULES = AssociationRules()
SIZE = (20.0, 30.0)


def look(number: int, dims: int = 8) -> np.ndarray:
    """One of ``dims`` looks that have nothing in common."""
    return np.eye(dims)[number]


def mixed(first: np.ndarray, second: np.ndarray, share: float) -> np.ndarray:
    """A look between two."""
    between = (1 - share) * first + share * second
    mixture: np.ndarray = between / np.linalg.norm(between)
    return mixture


def box(x: float, y: float, size: tuple[float, float] = SIZE) -> np.ndarray:
    """xyxy around a centre."""
    return np.array([x - size[0] / 2, y - size[1] / 2, x + size[0] / 2, y + size[1] / 2])


@dataclass(frozen=True)
class Thing:
    """What the detector reports of an object in one frame."""

    x: float
    y: float
    look: np.ndarray = field(default_factory=lambda: look(0))
    score: float = 0.8


def arrays(
    things: Sequence[Thing], with_looks: bool = True
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Boxes (K, 4), scores (K,) and embeddings (K, D)."""
    boxes = np.array([box(thing.x, thing.y) for thing in things]).reshape(-1, 4)
    looks = np.array([thing.look for thing in things]).reshape(len(things), -1 if things else 8)
    return boxes, np.array([thing.score for thing in things]), looks if with_looks else None


def follow(
    frames: Sequence[Sequence[Thing]],
    tracklets: Tracklets | None = None,
    with_looks: bool = True,
    rules: AssociationRules = RULES,
) -> tuple[Tracklets, list[Assignment]]:
    """Associate frame by frame; without tracklets, the first thing of the first frame is the target."""
    if tracklets is None:
        (target, *_), *frames = frames
        tracklets = begin(box(target.x, target.y), target.look if with_looks else None)
    assignments = []
    for things in frames:
        tracklets, assignment = associate(tracklets, *arrays(things, with_looks), rules)
        assignments.append(assignment)
    return tracklets, assignments


def targets(assignments: Sequence[Assignment]) -> list[int]:
    """Index of the target's candidate in each frame."""
    return [assignment.target for assignment in assignments]


def equal(one: Tracklets, other: Tracklets) -> bool:
    """Bit by bit, nan being equal to nan."""
    return all(
        np.array_equal(a, b, equal_nan=a.dtype.kind == 'f')
        for a, b in zip(one.leaves(), other.leaves(), strict=True)
    )
