"""What the samplers of STARK and GuidedDetector have in common: one target, and its negatives."""

from abc import ABC, abstractmethod
from collections.abc import Callable

import numpy as np

from mmgtrack.datasets.clip_sampler import (
    FOREIGN_ID,
    NO_OTHER_CLIP,
    ClipDraw,
    Refusal,
    RoleFrame,
    another_clip,
)
from mmgtrack.datasets.sequence import Sequence
from mmgtrack.errors import InputError


class TargetSampler(ABC):
    """Draws one target of a clip, and a frame for each role that shows it (official STARK).

    A target of a video serves if it is visible in more than twice as many frames as there are roles and the
    video is long enough; any target of a still image does, and its image takes every role. Presence is
    taught by negatives: instead of the target, the last role shows a frame of the same video in which it
    is absent by its label, without a box; where there is none, and always for still images, any frame of a
    random other clip with the box of one of its targets.

    Args:
        negative_prob: probability of a negative (official STARK: 0.5 to train the score head, else 0).
        min_length: least number of frames of a video (official STARK: 20).
    """

    def __init__(self, negative_prob: float = 0.0, min_length: int = 20) -> None:
        if not 0 <= negative_prob <= 1:
            raise InputError(f'negative_prob must be in [0, 1], got {negative_prob}')
        self.negative_prob = negative_prob
        self.min_length = min_length

    def draw(
        self, pick: Callable[[], Sequence], num_roles: int, rng: np.random.Generator
    ) -> ClipDraw | Refusal:
        """Draw a clip sample, or say why the clip picked cannot serve, or that a frame drawn has no box.

        pick: gives a random clip of the mixture; rng: the generator that ``pick`` draws from too.
        """
        if num_roles < 2:
            raise InputError(
                f'{type(self).__name__} needs a template and a search role, got {num_roles} roles'
            )
        clip = pick()
        targets = self._targets(clip, num_roles)
        if len(targets) == 0:
            return Refusal(self._unfit(clip, num_roles), clip)
        target = int(rng.choice(targets))
        frames = [0] * num_roles
        if len(clip) > 1:
            frames = self._frames(clip.present[:, target], num_roles, rng)
        drawn = [_with_box(clip, frame, target) for frame in frames]
        negative = rng.random() < self.negative_prob
        if negative:
            drawn[-1] = self._negative(clip, target, pick, num_roles, rng)
        shown = [frame for frame in drawn if frame is not None]
        if len(shown) < num_roles:
            lacking = NO_OTHER_CLIP if drawn[-1] is None else 'frame without a box'
            return Refusal(lacking, clip)
        return ClipDraw(tuple(shown), negative)

    @abstractmethod
    def _frames(self, visible: np.ndarray, num_roles: int, rng: np.random.Generator) -> list[int]:
        """A frame index for each role, in the order of the roles, of a video; visible: (F,) bool."""

    def _targets(self, clip: Sequence, num_roles: int) -> np.ndarray:
        """Indices of the targets that serve."""
        counts = clip.present.sum(0)
        if len(clip) == 1:
            return np.flatnonzero(counts)
        if len(clip) < self.min_length:
            return counts[:0]
        return np.flatnonzero(counts > 2 * num_roles)

    def _unfit(self, clip: Sequence, num_roles: int) -> str:
        """Why none of the clip's targets serves."""
        if 1 < len(clip) < self.min_length:
            return f'clip shorter than min_length={self.min_length} frames'
        least = 0 if len(clip) == 1 else 2 * num_roles
        return f'clip without a target that is visible in more than {least} frames'

    def _negative(
        self,
        clip: Sequence,
        target: int,
        pick: Callable[[], Sequence],
        num_roles: int,
        rng: np.random.Generator,
    ) -> RoleFrame | None:
        absent = np.flatnonzero(~clip.present[:, target] & clip.labelled[:, target])
        if len(clip) > 1 and len(absent):
            return _role_frame(clip, int(rng.choice(absent)), [])
        other = another_clip(pick, clip, lambda each: len(self._targets(each, num_roles)) > 0)
        if other is None:
            return None
        targets = self._targets(other, num_roles)
        return _with_box(other, int(rng.integers(len(other))), int(rng.choice(targets)), FOREIGN_ID)


def _with_box(clip: Sequence, frame: int, target: int, first_id: int = 0) -> RoleFrame | None:
    """The frame with the target's box, visible or not; None where it has no box."""
    drawn = _role_frame(clip, frame, [target], first_id)
    return drawn if np.isfinite(drawn.boxes).all() else None


def _role_frame(clip: Sequence, frame: int, targets: list[int], first_id: int = 0) -> RoleFrame:
    ids = np.array(targets, dtype=np.int64)
    return RoleFrame(
        clip.frame_paths[frame],
        clip.boxes[frame, ids],
        ids + first_id,
        clip=clip.name,
        number=frame,
        identities=clip.identities_of(ids),
    )
